//%% y = x w + bias of a q4gsw weight, for many rows of x: a workgroup of 64 makes 32 rows by 32 columns, 4 by 4 a
//%% thread, from tiles of 32 columns of x and of the weight, decoded.
//% set BYTES = (K + 1) / 2
//% set STEPS = (K + 31) / 32
//% include "ops/q4gsw.wgsl"

var<workgroup> xs: array<f32, 1024>; // [k][row]
var<workgroup> ws: array<f32, 1024>; // [k][column]

fn x_at(row: u32, c: u32) -> f32 {
    if (row >= p.m || c >= ${K}u) { return 0.0; }
    return load_x(row * ${K}u + c);
}

fn stage_x(m: u32, c: u32, lid: u32) {
    for (var e = lid; e < 256u; e += 64u) {
        let row = e >> 3u;
        let k = (e & 7u) * 4u;
//% if WIDE
        var v = vec4<f32>();
        if (m + row < p.m && c + k < ${K}u) { v = load4_x((m + row) * ${K}u + c + k); }
//% else
        let v = vec4<f32>(x_at(m + row, c + k), x_at(m + row, c + k + 1u), x_at(m + row, c + k + 2u),
                          x_at(m + row, c + k + 3u));
//% end
        xs[k * 32u + row] = v.x;
        xs[(k + 1u) * 32u + row] = v.y;
        xs[(k + 2u) * 32u + row] = v.z;
        xs[(k + 3u) * 32u + row] = v.w;
    }
}

fn scale(c: u32, n: u32) -> f32 {
    return load_s(min(c / ${GROUP}u, ${GROUPS - 1}u) * p.stride + p.first + n);
}

// x is zero behind column K, so what the weight holds there does not matter.
fn stage_w(n: u32, c: u32, lid: u32) {
    for (var e = lid; e < 128u; e += 64u) {
        let column = e >> 2u;
        let k = (e & 3u) * 8u;
        let row = min(n + column, p.rows - 1u);
        let b = w_bytes(row, (c + k) >> 1u);
        let lo = w_four(b);
        let hi = w_four(b >> 16u);
//% if GROUP % 8 == 0
        let s = scale(c + k, row);
//% end
//% for j in 0..8
//% if j < 4
//% set PART = "lo"
//% else
//% set PART = "hi"
//% end
//% if GROUP % 8 == 0
        ws[(k + ${j}u) * 32u + column] = ${PART}[${j % 4}] * s;
//% else
        ws[(k + ${j}u) * 32u + column] = ${PART}[${j % 4}] * scale(c + k + ${j}u, row);
//% end
//% end
    }
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let g = group_index(wid, nwg);
    if (g >= p.groups) { return; }
    let n = g % p.tiles * 32u;
    let m = g / p.tiles * 32u;
    let row = (lid >> 3u) * 4u;
    let column = (lid & 7u) * 4u;
//% for i in 0..4
    var acc${i} = vec4<f32>();
//% end
    for (var step = 0u; step < ${STEPS}u; step += 1u) {
        stage_x(m, step * 32u, lid);
        stage_w(n, step * 32u, lid);
        workgroupBarrier();
        for (var k = 0u; k < 32u; k += 1u) {
            let at = k * 32u + column;
            let w = vec4<f32>(ws[at], ws[at + 1u], ws[at + 2u], ws[at + 3u]);
//% for i in 0..4
            acc${i} += xs[k * 32u + row + ${i}u] * w;
//% end
        }
        workgroupBarrier();
    }
    for (var j = 0u; j < 4u; j += 1u) {
        if (n + column + j < p.rows) {
            let at = p.first + n + column + j;
//% if BIAS
            let more = load_bias(at);
//% else
            let more = 0.0;
//% end
//% for i in 0..4
            if (m + row + ${i}u < p.m) { store_y((m + row + ${i}u) * p.n + at, acc${i}[j] + more); }
//% end
        }
    }
}
