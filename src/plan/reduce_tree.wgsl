//%% Reductions over the threads of a workgroup that share a row, of kinds and types that reduce.wgsl has not. Threads
//%% lid, lid + stride, lid + 2 stride, ... share one (stride a power of two up to WG); each of them gets the result.
//%% Halves are joined to halves, so the order depends on WG and stride alone.
//%%
//%% Values: TREE_ADD_F, TREE_MUL_F, TREE_ADD, TREE_MUL, TREE_MAX where the text calls that function. Call them in
//%% uniform control flow, with the same stride: they hold barriers. Workgroup memory: WG words.
var<workgroup> tree_slots: array<u32, ${WG}>;
//% for TREE_KIND in 0..5
//% set TREE_TYPE = "u32"
//% set TREE_NAME = ""
//% if TREE_KIND == 0 && defined(TREE_ADD_F)
//% set TREE_NAME = "add_f"
//% set TREE_TYPE = "f32"
//% set TREE_BOTH = "a + b"
//% end
//% if TREE_KIND == 1 && defined(TREE_MUL_F)
//% set TREE_NAME = "mul_f"
//% set TREE_TYPE = "f32"
//% set TREE_BOTH = "a * b"
//% end
//% if TREE_KIND == 2 && defined(TREE_ADD)
//% set TREE_NAME = "add"
//% set TREE_BOTH = "a + b"
//% end
//% if TREE_KIND == 3 && defined(TREE_MUL)
//% set TREE_NAME = "mul"
//% set TREE_BOTH = "a * b"
//% end
//% if TREE_KIND == 4 && defined(TREE_MAX)
//% set TREE_NAME = "max"
//% set TREE_BOTH = "max(a, b)"
//% end
//% if TREE_NAME != ""

fn tree_${TREE_NAME}(x: ${TREE_TYPE}, lid: u32, stride: u32) -> ${TREE_TYPE} {
    tree_slots[lid] = bitcast<u32>(x);
    workgroupBarrier(); // slots are written
    for (var half = ${WG}u / 2u; half >= stride; half /= 2u) {
        if (lid < half) {
            let a = bitcast<${TREE_TYPE}>(tree_slots[lid]);
            let b = bitcast<${TREE_TYPE}>(tree_slots[lid + half]);
            tree_slots[lid] = bitcast<u32>(${TREE_BOTH});
        }
        workgroupBarrier(); // the halves are joined
    }
    let joined = tree_slots[lid % stride];
    workgroupBarrier(); // slots are read, the next call may write
    return bitcast<${TREE_TYPE}>(joined);
}
//% end
//% end
