//%% The recurrence, token by token. LANES threads share four columns of the state of a head: lane n keeps rows
//%% n, n + LANES, ... in the registers s_0 .. s_{R-1}, a vec4 of the columns each. TILES workgroups make a head.
//%% LANES, R, TILES; DK, DV, HQ, HKV, HK, G (queries a state head); state head h has key head h % KM / KD, outputs
//%% h OH + g OG, and where HQ < HKV query head h % QM / QD; VALUE (value-major state); DELTA; DECAY 0 none,
//%% 1 a head, 2 a channel; BETA 1 a head, 2 one; GATES: decay and beta are packed in one operand, beta from p.beta_at.
//%% p.groups workgroups; p.count tokens from p.first on, of p.tokens a sequence.
//%%
//%% SLOTS > 0: the rows are those of so many sequences, one behind the other (COUNT, ACTIVE: sequence_at.wgsl), of each
//%% of which p.count tokens are taken from p.first on, if there are so many. FEW > 0: a slot of more tokens is left to
//%% linear_attention_chunks.wgsl. Rows that are an idle slot's or nobody's are 0. IN_PLACE: a state that stays as it is
//%% need not be written.
//%%
//%% A thread writes only elements of the state that it alone has read before: past and next may be one memory.
//% include "plan/reduce.wgsl"
//% if SLOTS
//% include "ops/sequence_at.wgsl"

fn tiles_of(tokens: u32) -> u32 { return tokens; }
//% end

// Elements (i, col .. col + 3) of a head's state that starts at `base`; zeros outside.
fn fetch(base: u32, i: u32, col: u32) -> vec4<f32> {
    if (i >= ${DK}u || col >= ${DV}u) { return vec4<f32>(0.0); }
//% if !VALUE && DV % 4 == 0
    return load4_past(base + i * ${DV}u + col);
//% else
//% if VALUE
    let at = base + col * ${DK}u + i;
//% set NEXT = DK
//% else
    let at = base + i * ${DV}u + col;
//% set NEXT = 1
//% end
    var x = vec4<f32>(load_past(at), 0.0, 0.0, 0.0);
    if (col + 1u < ${DV}u) { x.y = load_past(at + ${NEXT}u); }
    if (col + 2u < ${DV}u) { x.z = load_past(at + ${2 * NEXT}u); }
    if (col + 3u < ${DV}u) { x.w = load_past(at + ${3 * NEXT}u); }
    return x;
//% end
}

fn put(base: u32, i: u32, col: u32, x: vec4<f32>) {
    if (i >= ${DK}u || col >= ${DV}u) { return; }
//% if !VALUE && DV % 4 == 0
    store4_s(base + i * ${DV}u + col, x);
//% else
//% if VALUE
    let at = base + col * ${DK}u + i;
//% else
    let at = base + i * ${DV}u + col;
//% end
    store_s(at, x.x);
    if (col + 1u < ${DV}u) { store_s(at + ${NEXT}u, x.y); }
    if (col + 2u < ${DV}u) { store_s(at + ${2 * NEXT}u, x.z); }
    if (col + 3u < ${DV}u) { store_s(at + ${3 * NEXT}u, x.w); }
//% end
}

fn value(row: u32, col: u32) -> vec4<f32> {
    if (col >= ${DV}u) { return vec4<f32>(0.0); }
//% if DV % 4 == 0
    return load4_v(row * ${DV}u + col);
//% else
    let at = row * ${DV}u + col;
    var x = vec4<f32>(load_v(at), 0.0, 0.0, 0.0);
    if (col + 1u < ${DV}u) { x.y = load_v(at + 1u); }
    if (col + 2u < ${DV}u) { x.z = load_v(at + 2u); }
    if (col + 3u < ${DV}u) { x.w = load_v(at + 3u); }
    return x;
//% end
}

fn give(row: u32, col: u32, x: vec4<f32>) {
    if (col >= ${DV}u) { return; }
    let at = row * ${DV}u + col;
//% if DV % 4 == 0
    store4_y(at, x);
//% else
    store_y(at, x.x);
    if (col + 1u < ${DV}u) { store_y(at + 1u, x.y); }
    if (col + 2u < ${DV}u) { store_y(at + 2u, x.z); }
    if (col + 3u < ${DV}u) { store_y(at + 3u, x.w); }
//% end
}

//% if DECAY
fn keep(i: u32) -> f32 {
//% if GATES
    let g = load_gates(i);
//% else
    let g = load_decay(i);
//% end
    return exp_c(max_nan(g, -100.0));
}
//% end

//% if DELTA
fn strength(row: u32, h: u32) -> f32 {
//% if BETA == 2
    let i = row;
//% else
    let i = row * ${HKV}u + h;
//% end
//% if GATES
    return load_gates(p.beta_at + i);
//% else
    return load_beta(i);
//% end
}
//% end

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let wg = group_index(wid, nwg);
    if (wg >= p.groups) { return; }
    let head = wg / ${TILES}u; // of all sequences
    let h = head % ${HKV}u;
    let kh = h % ${KM}u / ${KD}u;
    let col = (wg % ${TILES}u * ${WG / LANES}u + lid / ${LANES}u) * 4u;
    let lane = lid % ${LANES}u;
    let base = head * ${DK * DV}u;
//% if SLOTS
    let slot = head / ${HKV}u;
    let mine = sequence_at(slot);
    if (!mine.runs) {
        for (var t = p.first + lane; t < min(p.first + p.count, mine.tokens); t += ${LANES}u) {
            for (var g = 0u; g < ${G}u; g++) {
                give((mine.first + t) * ${HKV * G}u + h * ${OH}u + g * ${OG}u, col, vec4<f32>(0.0));
            }
        }
    }
//% if FEW
    if (mine.runs && mine.tokens > ${FEW}u) { return; }
//% end
//% if IN_PLACE
    if (!mine.runs || mine.tokens == 0u) { return; }
//% else
    if (slot >= ${SLOTS}u) { return; }
//% end
    let tokens = select(0u, mine.tokens, mine.runs);
    let row0 = mine.first + p.first;
    let count = min(p.count, tokens - min(p.first, tokens));
//% else
    let row0 = head / ${HKV}u * p.tokens + p.first;
    let count = p.count;
//% end
//% for r in 0..R
    var s_${r} = fetch(base, lane + ${r * LANES}u, col);
//% end
    for (var t = 0u; t < count; t++) {
        let row = row0 + t;
        let k_at = (row * ${HK}u + kh) * ${DK}u + lane;
//% for r in 0..R
//% if (r + 1) * LANES <= DK
        let k_${r} = load_k(k_at + ${r * LANES}u);
//% else
        var k_${r} = 0.0;
        if (lane + ${r * LANES}u < ${DK}u) { k_${r} = load_k(k_at + ${r * LANES}u); }
//% end
//% end
//% if DECAY == 1
        let kept = keep(row * ${HKV}u + h);
//% for r in 0..R
        s_${r} = s_${r} * kept;
//% end
//% elif DECAY == 2
        let g_at = (row * ${HKV}u + h) * ${DK}u + lane;
//% for r in 0..R
//% if (r + 1) * LANES <= DK
        s_${r} = s_${r} * keep(g_at + ${r * LANES}u);
//% else
        if (lane + ${r * LANES}u < ${DK}u) { s_${r} = s_${r} * keep(g_at + ${r * LANES}u); }
//% end
//% end
//% end
        var d = value(row * ${HKV}u + h, col);
//% if DELTA
        var found = s_0 * k_0;
//% for r in 1..R
        found = found + s_${r} * k_${r};
//% end
        d = (d - group_sum4(found, lid)) * strength(row, h);
//% end
//% for r in 0..R
        s_${r} = s_${r} + d * k_${r};
//% end
        for (var g = 0u; g < ${G}u; g++) {
//% if HQ >= HKV
            let q_at = (row * ${HQ}u + h * ${OH}u + g * ${OG}u) * ${DK}u + lane;
//% else
            let q_at = (row * ${HQ}u + h % ${QM}u / ${QD}u) * ${DK}u + lane;
//% end
            var o = vec4<f32>(0.0);
//% for r in 0..R
//% if (r + 1) * LANES <= DK
            o = o + s_${r} * load_q(q_at + ${r * LANES}u);
//% else
            if (lane + ${r * LANES}u < ${DK}u) { o = o + s_${r} * load_q(q_at + ${r * LANES}u); }
//% end
//% end
            o = group_sum4(o, lid) * p.scale;
            if (lane == 0u) { give(row * ${HKV * G}u + h * ${OH}u + g * ${OG}u, col, o); }
        }
    }
//% for r in 0..R
    put(base, lane + ${r * LANES}u, col, s_${r});
//% end
}
