//%% Products in any form (general.c): y[b, m, n] = sum over k of A(b, m, k) B(b, n, k), in tiles of BM x BN, with both
//%% sides as programs. T is the type of elements and sums. A_ACROSS, B_ACROSS: neighbouring threads stage neighbouring
//%% rows of the side. CHUNK (0: all) blocks of 32 along k are one workgroup's. The host knows every extent but no
//%% value.
//% set TM = BM / TY
//% set TN = BN / TX
//% if ORDERED
//% include "plan/ordered.wgsl"
//% end
const WG = ${WG}u;
// Rows of both tiles are 8 vec4 with one of padding, so that neighbouring threads touch different banks.
var<workgroup> a_tile: array<vec4<${T}>, ${BM * 9}>;
var<workgroup> b_tile: array<vec4<${T}>, ${BN * 9}>;

${FUNCTIONS}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let tile = group_index(wid, nwg);
    let across = (p.n + ${BN - 1}u) / ${BN}u;
    let down = (p.rows + ${BM - 1}u) / ${BM}u;
//% if CHUNK
    let piece = tile / (across * down) / p.batch;
    let batch = tile / (across * down) % p.batch;
    if (piece * ${CHUNK}u >= p.kb) {
        return;
    }
    let first = piece * ${CHUNK}u;
    let last = min(first + ${CHUNK}u, p.kb);
//% else
    let piece = 0u;
    let batch = tile / (across * down);
    if (batch >= p.batch) {
        return;
    }
    let first = 0u;
    let last = p.kb;
//% end
    let m0 = (tile / across) % down * ${BM}u;
    let n0 = (tile % across) * ${BN}u;
    ${PLACES}
    let tx = lid % ${TX}u;
    let ty = lid / ${TX}u;
//% for i in 0..TM
//% for j in 0..TN
    var s${i}_${j} = ${T}(0);
//% end
//% end
//% set FIRST = "first"
//% set LAST = "last"
//% include "kernels/gemm/groups_begin.wgsl"
        for (var i = lid; i < ${BM * 8}u; i += WG) {
//% if A_ACROSS
            a_tile[(i % ${BM}u) * 9u + i / ${BM}u] = a_quad(${AT_A}m0 + i % ${BM}u, blk * 32u + (i / ${BM}u) * 4u);
//% else
            a_tile[(i / 8u) * 9u + i % 8u] = a_quad(${AT_A}m0 + i / 8u, blk * 32u + (i % 8u) * 4u);
//% end
        }
        for (var i = lid; i < ${BN * 8}u; i += WG) {
//% if B_ACROSS
            b_tile[(i % ${BN}u) * 9u + i / ${BN}u] = b_quad(${AT_B}n0 + i % ${BN}u, blk * 32u + (i / ${BN}u) * 4u);
//% else
            b_tile[(i / 8u) * 9u + i % 8u] = b_quad(${AT_B}n0 + i / 8u, blk * 32u + (i % 8u) * 4u);
//% end
        }
//% include "kernels/gemm/tile_sums.wgsl"
//% include "kernels/gemm/groups_end.wgsl"
//% for i in 0..TM
    if (m0 + ty + ${i * TY}u < p.rows) {
//% for j in 0..TN
        if (n0 + tx + ${j * TX}u < p.n) {
            result(piece, batch, m0 + ty + ${i * TY}u, n0 + tx + ${j * TX}u, s${i}_${j});
        }
//% end
    }
//% end
}
