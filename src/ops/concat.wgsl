//%% y [outer, p.row] made of N operands, whose rows of p.l0, p.l1, ... elements begin at p.first and are p.own in all.
//%% PER elements a thread: 4 (WIDE: parameters count vec4), 2 (16-bit elements: a word of y has one owner) or 1. ALL:
//%% these are all the operands; else elements of others stay as they are. HALF: 16-bit elements, moved as bits, for
//%% floats would change some; operand k has them where bit k of HALVES is set, else f32.
//% if WIDE && HALF
//% set T = "vec2<u32>"
//% elif WIDE
//% set T = "vec4<u32>"
//% else
//% set T = "u32"
//% end
//% set BIT = 1
//% for k in 0..N
//% if HALF

fn half${k}(e: u32) -> u32 {
//% if HALVES / BIT % 2
    return bits_x${k}(e);
//% else
    return half_bits_y(load_x${k}(e));
//% end
}
//% end
//% set BIT = BIT * 2

// Element `e` of operand ${k}, or four of them.
fn get${k}(e: u32) -> ${T} {
//% if WIDE && HALF
    let at = e * 4u;
    return vec2<u32>(half${k}(at) | (half${k}(at + 1u) << 16u), half${k}(at + 2u) | (half${k}(at + 3u) << 16u));
//% elif WIDE
    return load4_x${k}(e * 4u);
//% elif HALF
    return half${k}(e);
//% else
    return load_x${k}(e);
//% end
}
//% end

fn own(e: u32) -> bool {
    return e % p.row - p.first < p.own; // in front of p.first this wraps around
}

fn piece(e: u32) -> ${T} {
    let o = e / p.row;
    var r = e % p.row - p.first;
//% for k in 0..N - 1
    if (r < p.l${k}) { return get${k}(o * p.l${k} + r); }
    r -= p.l${k};
//% end
    return get${N - 1}(o * p.l${N - 1} + r);
}

@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
//% if PER == 2
    let e = i * 2u;
    if (e >= p.n) { return; }
    let first = own(e);
    let second = e + 1u < p.n && own(e + 1u);
    if (!first && !second) { return; }
    var bits = 0u;
    var mask = select(0u, 0xffff0000u, e + 1u == p.n); // nobody owns what lies behind the last element
    if (first) {
        bits = piece(e);
        mask |= 0xffffu;
    }
    if (second) {
        bits |= piece(e + 1u) << 16u;
        mask |= 0xffff0000u;
    }
    put_word_y(i, bits, mask);
//% else
    if (i >= p.n) { return; }
//% if !ALL
    if (!own(i)) { return; }
//% end
//% if WIDE && HALF
    let v = piece(i);
    put_word_y(i * 2u, v.x, 0xffffffffu);
    put_word_y(i * 2u + 1u, v.y, 0xffffffffu);
//% elif WIDE
    store4_y(i * 4u, piece(i));
//% else
    store_y(i, piece(i));
//% end
//% end
}
