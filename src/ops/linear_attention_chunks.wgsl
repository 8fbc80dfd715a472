//%% The state of a head goes from chunk to chunk of L tokens. With X, P and G of linear_attention_pairs.wgsl and S the
//%% state that enters a chunk:
//%%   d = X (v - exp(G) k S)    y = scale (exp(G) q S + P d)    S <- exp(G_last) S + (exp(G_last - G) k)^T d
//%% and d = v without the delta rule. A workgroup keeps CT columns of S; thread (c, b) makes column c of the rows
//%% 4b .. 4b + 3 of every product: WG = CT L / 4. Left operands are staged KS columns at a time.
//%% L, CT, KS, TILES (workgroups a head), SIZE; the others are those of linear_attention.wgsl.
//%% p.groups workgroups; p.count chunks from p.first on, of p.chunks in a sequence of p.tokens.
//%%
//%% SLOTS > 0: the rows are those of so many sequences, one behind the other (COUNT, ACTIVE: sequence_at.wgsl), of each
//%% of which p.count chunks are taken from p.first on, if there are so many. Slots of FEW tokens or less are left
//%% alone.
//%%
//%% A thread writes only elements of the state that it alone has read before: past and next may be one memory.
//% set KS4 = KS / 4
//% set L4 = L / 4
//% set M = G + DELTA
//% set DKP = (DK + 3) / 4 * 4
//% set SLICES = (DK + KS - 1) / KS
//% if SLOTS
//% include "ops/sequence_at.wgsl"

fn tiles_of(tokens: u32) -> u32 { return select(0u, (tokens + ${L - 1}u) / ${L}u, tokens > ${FEW}u); }
//% end
var<workgroup> state: array<vec4<f32>, ${SLICES * KS4 * CT}>; // [i / 4][c], components i % 4
var<workgroup> delta: array<vec4<f32>, ${L4 * CT}>;           // [r / 4][c], components r % 4
var<workgroup> stage: array<vec4<f32>, ${L * KS4}>;           // [r][i / 4]

// Four elements of a row that has `left` more; zeros past it.
//% for X in 0..3
//% set N = "k"
//% if X == 1
//% set N = "q"
//% elif X == 2
//% set N = "past"
//% end
fn quad_${N}(at: u32, left: u32) -> vec4<f32> {
//% if DK % 4 == 0 && (X < 2 || VALUE)
    if (left == 0u) { return vec4<f32>(0.0); }
    return load4_${N}(at);
//% else
//% if X == 2 && !VALUE
//% set NEXT = DV
//% else
//% set NEXT = 1
//% end
    var x = vec4<f32>(0.0);
    if (left > 0u) { x.x = load_${N}(at); }
    if (left > 1u) { x.y = load_${N}(at + ${NEXT}u); }
    if (left > 2u) { x.z = load_${N}(at + ${2 * NEXT}u); }
    if (left > 3u) { x.w = load_${N}(at + ${3 * NEXT}u); }
    return x;
//% end
}
//% end

// Columns i0 .. i0 + KS - 1 of a head's n rows from row0 on, each times its decay since the chunk began.
//% for X in 0..2
//% if X == 0
//% set N = "k"
//% set HEADS = HK
//% else
//% set N = "q"
//% set HEADS = HQ
//% end
//% if X == 1 || DELTA
fn stage_${N}(row0: u32, head: u32, n: u32, i0: u32, g_at: u32, lid: u32) {
    for (var x = lid; x < ${L * KS4}u; x += ${WG}u) {
        let r = x / ${KS4}u;
        let i = i0 + x % ${KS4}u * 4u;
        var a = vec4<f32>(0.0);
        if (r < n && i < ${DK}u) {
            a = quad_${N}(((row0 + r) * ${HEADS}u + head) * ${DK}u + i, ${DK}u - i);
//% if DECAY == 2
            a *= exp4_c(load4_pairs(g_at + r * ${DKP}u + i));
//% end
        }
        stage[x] = a;
    }
}
//% end
//% end

fn put(at: u32, left: u32, x: vec4<f32>) {
//% if DK % 4 == 0 && VALUE
    if (left > 0u) { store4_s(at, x); }
//% else
    if (left > 0u) { store_s(at, x.x); }
    if (left > 1u) { store_s(at + ${NEXT}u, x.y); }
    if (left > 2u) { store_s(at + ${2 * NEXT}u, x.z); }
    if (left > 3u) { store_s(at + ${3 * NEXT}u, x.w); }
//% end
}

// Rows 4b .. 4b + 3 of what is staged, times column c of KS rows of state (or delta) from `from` on, in quads.
fn times_state(b: u32, c: u32, from_quad: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var x = 0u; x < ${KS4}u; x++) {
        let s = state[(from_quad + x) * ${CT}u + c];
        let at = b * ${4 * KS4}u + x;
        sum += vec4<f32>(dot(stage[at], s), dot(stage[at + ${KS4}u], s), dot(stage[at + ${2 * KS4}u], s),
                         dot(stage[at + ${3 * KS4}u], s));
    }
    return sum;
}

// What is staged has zeros above the diagonal; the deltas there are of later tokens, and not looked at.
fn times_delta(b: u32, c: u32, from_quad: u32) -> vec4<f32> {
    var sum = vec4<f32>(0.0);
    for (var x = 0u; x < ${KS4}u && from_quad + x <= b; x++) {
        let s = delta[(from_quad + x) * ${CT}u + c];
        let at = b * ${4 * KS4}u + x;
        if (from_quad + x == b) {
            let zero = vec4<f32>(0.0);
            sum += vec4<f32>(dot(stage[at], select(zero, s, vec4<bool>(true, false, false, false))),
                             dot(stage[at + ${KS4}u], select(zero, s, vec4<bool>(true, true, false, false))),
                             dot(stage[at + ${2 * KS4}u], select(zero, s, vec4<bool>(true, true, true, false))),
                             dot(stage[at + ${3 * KS4}u], s));
            continue;
        }
        sum += vec4<f32>(dot(stage[at], s), dot(stage[at + ${KS4}u], s), dot(stage[at + ${2 * KS4}u], s),
                         dot(stage[at + ${3 * KS4}u], s));
    }
    return sum;
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let wg = group_index(wid, nwg);
    if (wg >= p.groups) { return; }
    let head = wg / ${TILES}u; // of all sequences
    let h = head % ${HKV}u;
    let kh = h % ${KM}u / ${KD}u;
    let c = lid % ${CT}u;
    let b = lid / ${CT}u;
    let col = wg % ${TILES}u * ${CT}u + c;
    let inside = col < ${DV}u;
//% if SLOTS
    let mine = sequence_at(head / ${HKV}u);
    let chunks = tiles_of(mine.tokens);
    if (!mine.runs || chunks == 0u) { return; }
    let first = min(p.first, chunks);
    let count = min(p.count, chunks - first);
    let tokens = mine.tokens;
    let start = mine.first;
    let before = mine.before;
//% else
    let first = p.first;
    let count = p.count;
    let tokens = p.tokens;
    let start = head / ${HKV}u * p.tokens;
    let before = head / ${HKV}u * p.chunks;
//% end
//% if VALUE
    let base = head * ${DK * DV}u + col * ${DK}u;
//% else
    let base = head * ${DK * DV}u + col;
//% end
    for (var x = b; x < ${SLICES * KS4}u; x += ${L4}u) {
        let left = select(0u, ${DK}u - min(x * 4u, ${DK}u), inside);
//% if VALUE
        state[x * ${CT}u + c] = quad_past(base + x * 4u, left);
//% else
        state[x * ${CT}u + c] = quad_past(base + x * ${4 * DV}u, left);
//% end
    }
    workgroupBarrier();

    for (var turn = 0u; turn < count; turn++) {
        let chunk = first + turn;
        let row0 = start + chunk * ${L}u;
        let n = min(${L}u, tokens - chunk * ${L}u);
        let pairs = ((before + chunk) * ${HKV}u + h) * ${SIZE}u;
        let g_at = pairs + ${M * L * L}u;
        var d = vec4<f32>(0.0);
        if (inside) {
//% for e in 0..4
            if (b * 4u + ${e}u < n) { d[${e}] = load_v(((row0 + b * 4u + ${e}u) * ${HKV}u + h) * ${DV}u + col); }
//% end
        }
//% if DECAY == 1
        let sums = load4_pairs(g_at + b * 4u);
//% end

//% if DELTA
        // What the state holds for these keys comes off the values.
        var found = vec4<f32>(0.0);
        for (var i0 = 0u; i0 < ${DK}u; i0 += ${KS}u) {
            stage_k(row0, kh, n, i0, g_at, lid);
            workgroupBarrier();
            found += times_state(b, c, i0 / 4u);
            workgroupBarrier();
        }
//% if DECAY == 1
        found *= exp4_c(sums);
//% end
        delta[b * ${CT}u + c] = d - found;
        d = vec4<f32>(0.0);
        for (var i0 = 0u; i0 < ${L}u; i0 += ${KS}u) {
            for (var x = lid; x < ${L * KS4}u; x += ${WG}u) {
                stage[x] = load4_pairs(pairs + x / ${KS4}u * ${L}u + i0 + x % ${KS4}u * 4u);
            }
            workgroupBarrier();
            d += times_delta(b, c, i0 / 4u);
            workgroupBarrier();
        }
//% end
        delta[b * ${CT}u + c] = d;
        workgroupBarrier();

        for (var g = 0u; g < ${G}u; g++) {
//% if HQ >= HKV
            let qh = h * ${OH}u + g * ${OG}u;
//% else
            let qh = h % ${QM}u / ${QD}u;
//% end
            var y = vec4<f32>(0.0);
            for (var i0 = 0u; i0 < ${DK}u; i0 += ${KS}u) {
                stage_q(row0, qh, n, i0, g_at, lid);
                workgroupBarrier();
                y += times_state(b, c, i0 / 4u);
                workgroupBarrier();
            }
//% if DECAY == 1
            y *= exp4_c(sums);
//% end
            for (var i0 = 0u; i0 < ${L}u; i0 += ${KS}u) {
                for (var x = lid; x < ${L * KS4}u; x += ${WG}u) {
                    let r = (g + ${DELTA}u) * ${L}u + x / ${KS4}u;
                    stage[x] = load4_pairs(pairs + r * ${L}u + i0 + x % ${KS4}u * 4u);
                }
                workgroupBarrier();
                y += times_delta(b, c, i0 / 4u);
                workgroupBarrier();
            }
            if (inside) {
//% for e in 0..4
                if (b * 4u + ${e}u < n) {
                    let at = (row0 + b * 4u + ${e}u) * ${HKV * G}u + h * ${OH}u + g * ${OG}u;
                    store_y(at * ${DV}u + col, y[${e}] * p.scale);
                }
//% end
            }
        }

//% if DECAY == 1
        let last = load_pairs(g_at + ${L - 1}u);
        delta[b * ${CT}u + c] = d * exp4_c(at_most_0(vec4<f32>(last) - sums));
        let kept = exp4_c(vec4<f32>(last));
//% end
        for (var i0 = 0u; i0 < ${DK}u; i0 += ${KS}u) {
            for (var x = lid; x < ${L * KS4}u; x += ${WG}u) {
                let r = x / ${KS4}u;
                let i = i0 + x % ${KS4}u * 4u;
                var a = vec4<f32>(0.0);
                if (r < n && i < ${DK}u) {
                    a = quad_k(((row0 + r) * ${HK}u + kh) * ${DK}u + i, ${DK}u - i);
//% if DECAY == 2
                    let g_last = load4_pairs(g_at + ${(L - 1) * DKP}u + i);
                    a *= exp4_c(at_most_0(g_last - load4_pairs(g_at + r * ${DKP}u + i)));
//% end
                }
                stage[x] = a;
            }
            workgroupBarrier();
            for (var x = b; x < ${KS4}u; x += ${L4}u) {
                let at = (i0 / 4u + x) * ${CT}u + c;
                var s = state[at];
//% if DECAY == 1
                s *= kept;
//% elif DECAY == 2
                if (i0 + x * 4u < ${DK}u) { s *= exp4_c(load4_pairs(g_at + ${(L - 1) * DKP}u + i0 + x * 4u)); }
//% end
                for (var r = 0u; r < ${L4}u; r++) {
                    let e = delta[r * ${CT}u + c];
                    let k = r * ${4 * KS4}u + x;
                    s += stage[k] * e.x + stage[k + ${KS4}u] * e.y + stage[k + ${2 * KS4}u] * e.z +
                         stage[k + ${3 * KS4}u] * e.w;
                }
                state[at] = s;
            }
            workgroupBarrier();
        }
    }

    for (var x = b; x < ${(DK + 3) / 4}u; x += ${L4}u) {
        let left = select(0u, ${DK}u - min(x * 4u, ${DK}u), inside);
//% if VALUE
        put(base + x * 4u, left, state[x * ${CT}u + c]);
//% else
        put(base + x * ${4 * DV}u, left, state[x * ${CT}u + c]);
//% end
    }
}
