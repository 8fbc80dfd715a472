//%% y [outer, p.row] made of N operands, whose rows of p.l0, p.l1, ... elements begin at p.first and are p.own in all.
//%% PER elements a thread: 4 (WIDE: parameters count vec4), 2 (16-bit elements: a word of y has one owner) or 1. ALL:
//%% these are all the operands; else elements of others stay as they are (KEEPS) or are stored by a later step. HALF:
//%% elements are loaded as f32, else as words.
//% if HALF
//% set T = "f32"
//% else
//% set T = "u32"
//% end
//% if WIDE
//% set LOAD = "load4_x"
//% set SCALE = " * 4u"
//% else
//% set LOAD = "load_x"
//% set SCALE = ""
//% end

fn own(e: u32) -> bool {
    return e % p.row - p.first < p.own; // in front of p.first this wraps around
}

//% if WIDE
fn piece(e: u32) -> vec4<${T}> {
//% else
fn piece(e: u32) -> ${T} {
//% end
    let o = e / p.row;
    var r = e % p.row - p.first;
//% for k in 0..N - 1
    if (r < p.l${k}) { return ${LOAD}${k}((o * p.l${k} + r)${SCALE}); }
    r -= p.l${k};
//% end
    return ${LOAD}${N - 1}((o * p.l${N - 1} + r)${SCALE});
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
    var v = vec2<f32>();
//% if KEEPS
    v.x = load_y(e);
    if (e + 1u < p.n) { v.y = load_y(e + 1u); }
//% end
    if (first) { v.x = piece(e); }
    if (second) { v.y = piece(e + 1u); }
    store2_y(e, v);
//% else
    if (i >= p.n) { return; }
//% if !ALL
    if (!own(i)) { return; }
//% end
//% if WIDE
    store4_y(i * 4u, piece(i));
//% else
    store_y(i, piece(i));
//% end
//% end
}
