//%% Products in any form (general.c): y[b, m, n] = sum over k of A(b, m, k) B(b, n, k), in tiles of BM x BN, with both
//%% sides reached through strides. T is the type of elements and sums. The host knows every extent but no value.
//% set TM = BM / TY
//% set TN = BN / TX
const WG = ${WG}u;
// Rows of both tiles are 8 vec4 with one of padding, so that neighbouring threads touch different banks.
var<workgroup> a_tile: array<vec4<${T}>, ${BM * 9}>;
var<workgroup> b_tile: array<vec4<${T}>, ${BN * 9}>;

${FUNCTIONS}

fn a_quad(start: u32, row: u32, c: u32) -> vec4<${T}> {
    var v = vec4<${T}>(0);
    if (row < p.rows) {
//% for i in 0..4
        if (c + ${i}u < p.k) {
            v[${i}] = load_a(start + row * (${A_ROW}) + (c + ${i}u) * (${A_COL}));
        }
//% end
    }
    return v;
}

fn b_quad(start: u32, row: u32, c: u32) -> vec4<${T}> {
    var v = vec4<${T}>(0);
    if (row < p.n) {
//% for i in 0..4
        if (c + ${i}u < p.k) {
            v[${i}] = load_b(start + row * (${B_ROW}) + (c + ${i}u) * (${B_COL}));
        }
//% end
    }
    return v;
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let tile = group_index(wid, nwg);
    let across = (p.n + ${BN - 1}u) / ${BN}u;
    let down = (p.rows + ${BM - 1}u) / ${BM}u;
    let batch = tile / (across * down);
    if (batch >= p.batch) {
        return;
    }
    let m0 = (tile / across) % down * ${BM}u;
    let n0 = (tile % across) * ${BN}u;
    let a0 = a_start(batch);
    let b0 = b_start(batch);
    let tx = lid % ${TX}u;
    let ty = lid / ${TX}u;
//% for i in 0..TM
//% for j in 0..TN
    var s${i}_${j} = ${T}(0);
//% end
//% end
    for (var blk = 0u; blk < p.kb; blk++) {
        for (var i = lid; i < ${BM * 8}u; i += WG) {
            a_tile[(i / 8u) * 9u + i % 8u] = a_quad(a0, m0 + i / 8u, blk * 32u + (i % 8u) * 4u);
        }
        for (var i = lid; i < ${BN * 8}u; i += WG) {
            b_tile[(i / 8u) * 9u + i % 8u] = b_quad(b0, n0 + i / 8u, blk * 32u + (i % 8u) * 4u);
        }
//% include "kernels/gemm/tile_sums.wgsl"
    }
//% for i in 0..TM
    if (m0 + ty + ${i * TY}u < p.rows) {
//% for j in 0..TN
        if (n0 + tx + ${j * TX}u < p.n) {
            epilogue_0(batch * p.rows + m0 + ty + ${i * TY}u, n0 + tx + ${j * TX}u, s${i}_${j});
        }
//% end
    }
//% end
}
