//%% Tiles of rows that choose one matrix (experts.c): as tiled.wgsl, but the rows of a tile are those that `order`
//%% lists from its first place on, and the right side's are those of the tile's matrix. Of a weight in parts (ALL
//%% 0), rows PART .. PART + ROWS are here, and a tile whose columns lie elsewhere is another step's.
//% set TM = BM / TY
//% set TN = BN / TX
//% set T = "f32"
//% if ORDERED
//% include "plan/ordered.wgsl"
//% end
const WG = ${WG}u;
// Rows of both tiles are 8 vec4 with one of padding, so that neighbouring threads touch different banks.
var<workgroup> a_tile: array<vec4<f32>, ${BM * 9}>;
var<workgroup> b_tile: array<vec4<f32>, ${BN * 9}>;
var<workgroup> rows: array<u32, ${BM}>; // of the product
var<workgroup> head: vec3<u32>;

${FUNCTIONS}

fn x_quad(row: u32, c: u32) -> vec4<f32> {
    let at = row${SHARE} * p.k + c;
//% if X_WIDE
    if (c >= p.k) {
        return vec4<f32>(0.0);
    }
    return load4_x(at);
//% else
    var v = vec4<f32>(0.0);
//% for i in 0..4
    if (c + ${i}u < p.k) {
        v[${i}] = load_x(at + ${i}u);
    }
//% end
    return v;
//% end
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    let across = (p.n + ${BN - 1}u) / ${BN}u;
    let tile = group / across;
    let n0 = (group % across) * ${BN}u;
    if (tile >= p.tiles) {
        return;
    }
    if (lid == 0u) {
        head = vec3<u32>(load_tiles(tile * 3u), load_tiles(tile * 3u + 1u), load_tiles(tile * 3u + 2u));
    }
    let mine = workgroupUniformLoad(&head);
    if (mine.z == 0u) {
        return;
    }
    let own = mine.x * p.n; // the first row of its matrix
//% if !ALL
    if (own + min(n0 + ${BN}u, p.n) <= ${PART}u || own + n0 >= ${PART + ROWS}u) {
        return;
    }
//% end
    for (var i = lid; i < ${BM}u; i += WG) {
        rows[i] = load_order(mine.y + min(i, mine.z - 1u));
    }
    let tx = lid % ${TX}u;
    let ty = lid / ${TX}u;
//% for i in 0..TM
//% for j in 0..TN
    var s${i}_${j} = 0.0;
//% end
//% end
    workgroupBarrier(); // rows are there
//% set FIRST = "0u"
//% set LAST = "p.kb"
//% include "kernels/gemm/groups_begin.wgsl"
        for (var i = lid; i < ${BM * 8}u; i += WG) {
            a_tile[(i / 8u) * 9u + i % 8u] = x_quad(rows[i / 8u], blk * 32u + (i % 8u) * 4u);
        }
//% if WHOLE_BLOCKS
        for (var i = lid; i < ${BN}u; i += WG) {
            let w = w_load_w0(w_row(own + min(n0 + i, p.n - 1u)), blk);
//% for j in 0..8
            b_tile[i * 9u + ${j}u] = w[${j}];
//% end
        }
//% else
        for (var i = lid; i < ${BN * 8}u; i += WG) {
            b_tile[(i / 8u) * 9u + i % 8u] = w_quad_w0(w_row(own + min(n0 + i / 8u, p.n - 1u)), blk, i % 8u);
        }
//% end
//% include "kernels/gemm/tile_sums.wgsl"
//% include "kernels/gemm/groups_end.wgsl"
//% for i in 0..TM
    if (ty + ${i * TY}u < mine.z) {
//% for j in 0..TN
        if (n0 + tx + ${j * TX}u < p.n && w_here(own + n0 + tx + ${j * TX}u)) {
            epilogue_0(rows[ty + ${i * TY}u], n0 + tx + ${j * TX}u, s${i}_${j});
        }
//% end
    }
//% end
}

// The place in this part of a row of the right side.
fn w_row(row: u32) -> u32 {
//% if ALL
    return row;
//% else
    return clamp(row, ${PART}u, ${PART + ROWS - 1}u) - ${PART}u;
//% end
}

fn w_here(row: u32) -> bool {
//% if ALL
    return true;
//% else
    return row >= ${PART}u && row < ${PART + ROWS}u;
//% end
}
