//%% A thread makes columns [first, end) of one channel of y (MAKES_Y), p.block of them, p.blocks threads a channel, and
//%% then the channel's next state (MAKES_STATE), when it is the only thread of the channel. p.items threads, p.tokens
//%% columns. C channels, K taps, DILATION, KEEP = (K - 1) DILATION columns of state; LAST: channels are the last axis;
//%% SILU, BIAS.
//%%
//%% SLOTS > 0: the columns of x and y are those of so many sequences, one behind the other (COUNT, ACTIVE:
//%% sequence_at.wgsl). A thread that makes a state is a slot's, of p.blocks a channel; one that makes y alone has BLOCK
//%% columns of one slot. IN_PLACE: a state that stays as it is need not be written.
//%%
//%% State columns move down only, and each after what reads it: past and next may be one memory.
//% if SLOTS
//% set FIRST = ", mine.first"
//% set FIRST_ARG = ", first: u32"
//% if MAKES_STATE
//% include "ops/sequence_at.wgsl"

fn tiles_of(tokens: u32) -> u32 { return tokens; }
//% else
//% include "ops/sequence_of.wgsl"

fn tiles_of(tokens: u32) -> u32 { return (tokens + ${BLOCK - 1}u) / ${BLOCK}u; }
//% end
//% else
//% set FIRST = ""
//% set FIRST_ARG = ""
//% end

// Element (c, t) of sequence b in a tensor of n columns.
fn index(b: u32, c: u32, t: u32, n: u32) -> u32 {
//% if LAST
    return (b * n + t) * ${C}u + c;
//% else
    return (b * ${C}u + c) * n + t;
//% end
}

// Column t of the state followed by x.
fn column(b: u32, c: u32, t: u32${FIRST_ARG}) -> f32 {
    if (t < ${KEEP}u) { return load_past(index(b, c, t, ${KEEP}u)); }
//% if SLOTS
    return load_x(index(0u, c, first + t - ${KEEP}u, p.tokens));
//% else
    return load_x(index(b, c, t - ${KEEP}u, p.tokens));
//% end
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
//% if SLOTS
//% if MAKES_STATE
    let b = block;
    let mine = sequence_at(b);
    let start = 0u;
    let end = mine.tokens;
    let runs = mine.runs;
//% else
    let mine = sequence_of(block);
    let b = mine.slot;
    let start = (block - mine.before) * ${BLOCK}u;
    let end = min(start + ${BLOCK}u, mine.tokens);
//% if ACTIVE >= 0
    let runs = b < ${SLOTS}u && var_u32(${ACTIVE}u + min(b, ${SLOTS - 1}u)) != 0u;
//% else
    let runs = b < ${SLOTS}u;
//% end
//% end
//% if MAKES_Y
    if (!runs) {
        for (var t = start; t < end; t++) { store_y(index(0u, c, mine.first + t, p.tokens), 0.0); }
    }
//% end
//% if !MAKES_STATE || IN_PLACE
    if (!runs || end == 0u) { return; }
//% elif MAKES_Y
    if (b >= ${SLOTS}u) { return; }
//% end
    let tokens = select(0u, end, runs);
//% else
    let b = i / ${C}u / p.blocks;
//% end
//% if MAKES_Y
//% if K <= 16
//% for j in 0..K
    let w_${j} = load_w(c * ${K}u + ${j}u);
//% end
//% end
//% if SLOTS
    for (var t = start; t < tokens; t++) {
//% else
    let end = min((block + 1u) * p.block, p.tokens);
    for (var t = block * p.block; t < end; t++) {
//% end
//% if BIAS
        var sum = load_bias(c);
//% else
        var sum = 0.0;
//% end
//% if K <= 16
//% for j in 0..K
//% if ORDERED
        sum = fma(w_${j}, column(b, c, t + ${j * DILATION}u${FIRST}), sum);
//% else
        sum += w_${j} * column(b, c, t + ${j * DILATION}u${FIRST});
//% end
//% end
//% elif ORDERED
        for (var j = 0u; j < ${K}u; j++) {
            sum = fma(load_w(c * ${K}u + j), column(b, c, t + j * ${DILATION}u${FIRST}), sum);
        }
//% else
        for (var j = 0u; j < ${K}u; j++) { sum += load_w(c * ${K}u + j) * column(b, c, t + j * ${DILATION}u${FIRST}); }
//% end
//% if SILU
        sum = silu(sum);
//% end
//% if SLOTS
        store_y(index(0u, c, mine.first + t, p.tokens), sum);
//% else
        store_y(index(b, c, t, p.tokens), sum);
//% end
    }
//% end
//% if MAKES_STATE
//% if SLOTS
    for (var t = 0u; t < ${KEEP}u; t++) { store_s(index(b, c, t, ${KEEP}u), column(b, c, tokens + t${FIRST})); }
//% else
    for (var t = 0u; t < ${KEEP}u; t++) { store_s(index(b, c, t, ${KEEP}u), column(b, c, p.tokens + t)); }
//% end
//% end
}
