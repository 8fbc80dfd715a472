//%% A thread makes columns [first, end) of one channel of y (MAKES_Y), p.block of them, p.blocks threads a channel, and
//%% then the channel's next state (MAKES_STATE), when it is the only thread of the channel. p.items threads, p.len
//%% columns. C channels, K taps, DILATION, KEEP = (K - 1) DILATION columns of state; LAST: channels are the last axis;
//%% SILU, BIAS.
//%%
//%% State columns move down only, and each after what reads it: past and next may be one memory.

// Element (c, t) of sequence b in a tensor of n columns.
fn index(b: u32, c: u32, t: u32, n: u32) -> u32 {
//% if LAST
    return (b * n + t) * ${C}u + c;
//% else
    return (b * ${C}u + c) * n + t;
//% end
}

// Column t of the state followed by x.
fn column(b: u32, c: u32, t: u32) -> f32 {
    if (t < ${KEEP}u) { return load_past(index(b, c, t, ${KEEP}u)); }
    return load_x(index(b, c, t - ${KEEP}u, p.len));
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.items) { return; }
//% if LAST
    let c = i % ${C}u;
    let block = i / ${C}u % p.blocks;
//% else
    let c = i / p.blocks % ${C}u;
    let block = i % p.blocks;
//% end
    let b = i / ${C}u / p.blocks;
//% if MAKES_Y
//% if K <= 16
//% for j in 0..K
    let w_${j} = load_w(c * ${K}u + ${j}u);
//% end
//% end
    let end = min((block + 1u) * p.block, p.len);
    for (var t = block * p.block; t < end; t++) {
//% if BIAS
        var sum = load_bias(c);
//% else
        var sum = 0.0;
//% end
//% if K <= 16
//% for j in 0..K
        sum += w_${j} * column(b, c, t + ${j * DILATION}u);
//% end
//% else
        for (var j = 0u; j < ${K}u; j++) { sum += load_w(c * ${K}u + j) * column(b, c, t + j * ${DILATION}u); }
//% end
//% if SILU
        sum = silu(sum);
//% end
        store_y(index(b, c, t, p.len), sum);
    }
//% end
//% if MAKES_STATE
    for (var t = 0u; t < ${KEEP}u; t++) { store_s(index(b, c, t, ${KEEP}u), column(b, c, p.len + t)); }
//% end
}
