//%% Tiles of many rows (tiled.c): a workgroup of TX x TY threads computes BM x BN outputs, BM / TY x BN / TX a thread,
//%% in steps of 32 along k. X_SIDE: a program makes the left side (side.c). X_ACROSS: neighbouring threads stage its
//%% neighbouring rows. A thread decodes a whole block (WHOLE_BLOCKS: scales are read once) or a quad of one (less
//%% text).
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

${FUNCTIONS}

//% if !X_SIDE
//% include "kernels/gemm/x_quad.wgsl"
//% end

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let tile = group_index(wid, nwg);
    let across = (p.n + ${BN - 1}u) / ${BN}u;
    let m0 = (tile / across) * ${BM}u;
    let n0 = (tile % across) * ${BN}u;
    if (m0 >= p.rows) {
        return;
    }
    let tx = lid % ${TX}u;
    let ty = lid / ${TX}u;
//% for i in 0..TM
//% for j in 0..TN
    var s${i}_${j} = 0.0;
//% end
//% end
//% set FIRST = "0u"
//% set LAST = "p.kb"
//% include "kernels/gemm/groups_begin.wgsl"
        for (var i = lid; i < ${BM * 8}u; i += WG) {
//% if X_ACROSS
            a_tile[(i % ${BM}u) * 9u + i / ${BM}u] = x_quad(m0 + i % ${BM}u, blk * 32u + (i / ${BM}u) * 4u);
//% else
            a_tile[(i / 8u) * 9u + i % 8u] = x_quad(m0 + i / 8u, blk * 32u + (i % 8u) * 4u);
//% end
        }
//% if WHOLE_BLOCKS
        for (var i = lid; i < ${BN}u; i += WG) {
            let w = w_load_w0(min(n0 + i, p.n - 1u), blk);
//% for j in 0..8
            b_tile[i * 9u + ${j}u] = w[${j}];
//% end
        }
//% else
        for (var i = lid; i < ${BN * 8}u; i += WG) {
            b_tile[(i / 8u) * 9u + i % 8u] = w_quad_w0(min(n0 + i / 8u, p.n - 1u), blk, i % 8u);
        }
//% end
//% include "kernels/gemm/tile_sums.wgsl"
//% include "kernels/gemm/groups_end.wgsl"
//% for i in 0..TM
    if (m0 + ty + ${i * TY}u < p.rows) {
//% for j in 0..TN
        if (n0 + tx + ${j * TX}u < p.n) {
            epilogue_0(m0 + ty + ${i * TY}u, p.col0 + n0 + tx + ${j * TX}u, s${i}_${j});
        }
//% end
    }
//% end
}
