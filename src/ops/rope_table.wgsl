//%% Turns q and k by tables. A thread makes two neighbouring channels of a head of q (the first p.n_q threads) or of k.
//%% HALF is half the number of channels that turn, and the columns of the tables.

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
    let turn = load_sin(at * ${HALF}u + i);
    return x * load_cos(at * ${HALF}u + i) + other * select(-turn, turn, second);
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

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.n) { return; }
    if (i < p.n_q) {
        make_q(i);
    } else {
        make_k(i - p.n_q);
    }
}
