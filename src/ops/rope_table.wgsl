//%% Turns q and k by tables. A thread makes two neighbouring channels of a head of q (the first p.n_q threads) or of k.
//%% HALF is half the number of channels that turn. C_BITS, S_BITS: 0 for a table that is a value; 16 or 32 for a
//%% weight, whose rows of C_ROW, S_ROW elements are read by words.

fn cos_at(row: u32, i: u32) -> f32 {
//% if C_BITS == 32
    return bitcast<f32>(load_cos_q(row * ${C_ROW}u + i));
//% elif C_BITS == 16
    let e = row * ${C_ROW}u + i;
    return unpack2x16float(load_cos_q(e >> 1u) >> (16u * (e & 1u))).x;
//% else
    return load_cos(row * ${C_ROW}u + i);
//% end
}

fn sin_at(row: u32, i: u32) -> f32 {
//% if S_BITS == 32
    return bitcast<f32>(load_sin_q(row * ${S_ROW}u + i));
//% elif S_BITS == 16
    let e = row * ${S_ROW}u + i;
    return unpack2x16float(load_sin_q(e >> 1u) >> (16u * (e & 1u))).x;
//% else
    return load_sin(row * ${S_ROW}u + i);
//% end
}

//% for which in 0..2
//% if which == 0
//% set X = "q"
//% set D = D_Q
//% set HALVES = HALF_Q
//% else
//% set X = "k"
//% set D = D_K
//% set HALVES = HALF_K
//% end
// Channel `c` of head `row` (of all tokens), turned by row `at` of the tables.
fn turned_${X}(row: u32, c: u32, at: u32) -> f32 {
    let base = row * ${D}u;
    let x = load_${X}(base + c);
//% if 2 * HALF < D
    if (c >= ${2 * HALF}u) { return x; }
//% end
//% if NEOX
    let second = c >= ${HALF}u;
    let i = select(c, c - ${HALF}u, second);
    let other = load_${X}(base + select(i + ${HALF}u, i, second));
//% else
    let second = (c & 1u) == 1u;
    let i = c >> 1u;
    let other = load_${X}(base + (c ^ 1u));
//% end
    return x * cos_at(at, i) + other * select(-sin_at(at, i), sin_at(at, i), second);
}

fn make_${X}(i: u32) {
    let row = i / ${D / 2}u;
    let c = i % ${D / 2}u * 2u;
    let at = p.start + row / p.heads_${X};
    let v = vec2<f32>(turned_${X}(row, c, at), turned_${X}(row, c + 1u, at));
//% if HALVES
    store2_y${X}(i * 2u, v);
//% else
    store_y${X}(i * 2u, v.x);
    store_y${X}(i * 2u + 1u, v.y);
//% end
}
//% end

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.n) { return; }
    if (i < p.n_q) {
        make_q(i);
    } else {
        make_k(i - p.n_q);
    }
}
