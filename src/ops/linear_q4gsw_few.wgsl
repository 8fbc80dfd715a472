//%% y = x w + bias of a q4gsw weight, for few rows of x: a workgroup takes four rows of the weight and M of x, its
//%% threads share out the columns eight at a time and add up what they have in fixed order.
//% set BYTES = (K + 1) / 2
//% set CHUNKS = (K + 7) / 8
//% include "ops/q4gsw.wgsl"

var<workgroup> sums: array<vec4<f32>, ${WG * M}>;

// Elements c .. c+3 of row `row` of x, zeros behind its end.
fn x_four(row: u32, c: u32) -> vec4<f32> {
//% if K % 4 == 0
    if (c >= ${K}u) { return vec4<f32>(); }
    return load4_x(row * ${K}u + c);
//% else
    var v = vec4<f32>();
//% for j in 0..4
    if (c + ${j}u < ${K}u) { v[${j}] = load_x(row * ${K}u + c + ${j}u); }
//% end
    return v;
//% end
}

fn scales(c: u32, n: u32) -> vec4<f32> {
    return load4_s(min(c / ${GROUP}u, ${GROUPS - 1}u) * p.stride + p.first + n);
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let g = group_index(wid, nwg);
    if (g >= p.groups) { return; }
    let n = g % p.tiles * 4u;
    let m = g / p.tiles * ${M}u;
    let last = p.rows - 1u;
//% for i in 0..M
    var acc${i} = vec4<f32>();
//% end
    for (var chunk = lid; chunk < ${CHUNKS}u; chunk += ${WG}u) {
        let c = chunk * 8u;
//% for r in 0..4
        let b${r} = w_bytes(min(n + ${r}u, last), chunk * 4u);
        let lo${r} = w_four(b${r});
        let hi${r} = w_four(b${r} >> 16u);
//% end
//% if GROUP % 8 == 0
        let s = scales(c, n);
//% for i in 0..M
        let xl${i} = x_four(min(m + ${i}u, p.m - 1u), c);
        let xh${i} = x_four(min(m + ${i}u, p.m - 1u), c + 4u);
        acc${i} += s * vec4<f32>(dot(xl${i}, lo0) + dot(xh${i}, hi0), dot(xl${i}, lo1) + dot(xh${i}, hi1),
                                 dot(xl${i}, lo2) + dot(xh${i}, hi2), dot(xl${i}, lo3) + dot(xh${i}, hi3));
//% end
//% else
//% for i in 0..M
        let xl${i} = x_four(min(m + ${i}u, p.m - 1u), c);
        let xh${i} = x_four(min(m + ${i}u, p.m - 1u), c + 4u);
//% end
//% for j in 0..8
//% if j < 4
//% set HALF = "lo"
//% set XHALF = "xl"
//% else
//% set HALF = "hi"
//% set XHALF = "xh"
//% end
        let s${j} = scales(c + ${j}u, n);
        let w${j} = s${j} * vec4<f32>(${HALF}0[${j % 4}], ${HALF}1[${j % 4}], ${HALF}2[${j % 4}], ${HALF}3[${j % 4}]);
//% for i in 0..M
        acc${i} += ${XHALF}${i}[${j % 4}] * w${j};
//% end
//% end
//% end
    }
//% for i in 0..M
    sums[${i * WG}u + lid] = acc${i};
//% end
    workgroupBarrier();
    for (var half = ${WG / 2}u; half > 0u; half >>= 1u) {
        if (lid < half) {
//% for i in 0..M
            sums[${i * WG}u + lid] += sums[${i * WG}u + lid + half];
//% end
        }
        workgroupBarrier();
    }
    for (var e = lid; e < ${4 * M}u; e += ${WG}u) {
        let r = e & 3u;
        let row = m + (e >> 2u);
        if (row < p.m && n + r < p.rows) {
            let column = p.first + n + r;
//% if BIAS
            store_y(row * p.n + column, sums[(e >> 2u) * ${WG}u][r] + load_bias(column));
//% else
            store_y(row * p.n + column, sums[(e >> 2u) * ${WG}u][r]);
//% end
        }
    }
}
