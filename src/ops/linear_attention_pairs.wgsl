//%% What a chunk of L tokens needs to know of its own pairs of tokens, for every chunk and state head at once. With
//%% G_r the sum of the log decays of tokens 0 .. r of the chunk, D_rc = exp(G_r - G_c), which is at most 1 for c <= r:
//%%   A_rc = beta_r D_rc (k_r . k_c), c < r       X = (I + A)^-1 diag(beta)
//%%   P_rc = D_rc (q_r . k_c), c <= r             for each of the G queries of the head
//%% A decay a channel stands inside the dot product, never as exp(G_r) times exp(-G_c), which overflows. One workgroup
//%% makes X (m = 0 with DELTA) or the P of one query; the first of a head also stores G. Pairs of one chunk and head,
//%% in this order: X, P_0 .. P_{G-1}, each [L, L] with zeros above the diagonal; G: [L], or [L, DK rounded up to 4].
//%% L, KS (channels at a time, 4 and L multiples), PB (blocks of four rows a thread), SIZE (elements a chunk and head);
//%% DK, HQ, HKV, HK, G, DELTA, DECAY, BETA as in linear_attention.wgsl. WG is a multiple of L.
//%% p.groups workgroups; p.chunks a sequence of p.tokens.
//%%
//%% SLOTS > 0: the rows are those of so many sequences, one behind the other (COUNT, ACTIVE: sequence_of.wgsl), each of
//%% which begins a chunk if it has more than FEW tokens, and has none otherwise.
//%%
//%% A NaN of a token concerns that token and later ones: an entry above the diagonal is 0, whatever stands in its
//%% column.
//% set KS4 = KS / 4
//% set M = G + DELTA
//% set DKP = (DK + 3) / 4 * 4
//% set RT = WG / L
//% if SLOTS
//% include "ops/sequence_of.wgsl"

fn tiles_of(tokens: u32) -> u32 { return select(0u, (tokens + ${L - 1}u) / ${L}u, tokens > ${FEW}u); }
//% end
var<workgroup> left: array<vec4<f32>, ${L * KS4}>;
var<workgroup> right: array<vec4<f32>, ${L * KS4}>;
//% if DECAY == 2
var<workgroup> decays: array<vec4<f32>, ${L * KS4}>;
//% elif DECAY == 1
var<workgroup> decays: array<f32, ${L}>;
//% end
//% if DELTA
var<workgroup> inverse: array<f32, ${L * L}>;

fn strength(row: u32, h: u32) -> f32 {
//% if BETA == 2
    return load_beta(row);
//% else
    return load_beta(row * ${HKV}u + h);
//% end
}
//% end

//% for X in 0..3
//% set N = "k"
//% if X == 1
//% set N = "q"
//% elif X == 2
//% set N = "decay"
//% end
//% if X < 2 || DECAY == 2
// Channels i .. i + 3 of the row that starts at `at`; zeros past DK.
fn quad_${N}(at: u32, i: u32) -> vec4<f32> {
//% if DK % 4 == 0
    if (i >= ${DK}u) { return vec4<f32>(0.0); }
    return load4_${N}(at + i);
//% else
    var x = vec4<f32>(0.0);
    if (i < ${DK}u) { x.x = load_${N}(at + i); }
    if (i + 1u < ${DK}u) { x.y = load_${N}(at + i + 1u); }
    if (i + 2u < ${DK}u) { x.z = load_${N}(at + i + 2u); }
    if (i + 3u < ${DK}u) { x.w = load_${N}(at + i + 3u); }
    return x;
//% end
}
//% end
//% end

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let wg = group_index(wid, nwg);
    if (wg >= p.groups) { return; }
    let m = wg % ${M}u;
    let h = wg / ${M}u % ${HKV}u;
//% if SLOTS
    let mine = sequence_of(wg / ${M * HKV}u);
    if (mine.slot >= ${SLOTS}u) { return; }
//% if ACTIVE >= 0
    if (var_u32(${ACTIVE}u + min(mine.slot, ${SLOTS - 1}u)) == 0u) { return; }
//% end
    let chunk = wg / ${M * HKV}u - mine.before;
    let first = mine.first + chunk * ${L}u;
    let n = min(${L}u, mine.tokens - chunk * ${L}u);
//% else
    let chunk = wg / ${M * HKV}u % p.chunks;
    let first = wg / ${M * HKV}u / p.chunks * p.tokens + chunk * ${L}u;
    let n = min(${L}u, p.tokens - chunk * ${L}u);
//% end
    let pairs = wg / ${M}u * ${SIZE}u;
    let kh = h % ${KM}u / ${KD}u;
    let c = lid % ${L}u;
    let rt = lid / ${L}u;
//% if HQ >= HKV
    let qh = h * ${OH}u + (m - ${DELTA}u) * ${OG}u;
//% else
    let qh = h % ${QM}u / ${QD}u;
//% end

//% if DECAY == 1
    for (var r = lid; r < ${L}u; r += ${WG}u) {
        var x = 0.0;
        if (r < n) { x = at_least(vec4<f32>(load_decay((first + r) * ${HKV}u + h)), -100.0).x; }
        decays[r] = x;
    }
    workgroupBarrier();
    if (lid == 0u) {
        var sum = 0.0;
        for (var r = 0u; r < ${L}u; r++) {
            sum += decays[r];
            decays[r] = sum;
        }
    }
    workgroupBarrier();
    if (m == 0u) {
        for (var r = lid; r < ${L}u; r += ${WG}u) { store_pairs(pairs + ${M * L * L}u + r, decays[r]); }
    }
//% end

//% for j in 0..PB
    var sum_${j} = vec4<f32>(0.0);
//% end
    for (var i0 = 0u; i0 < ${DK}u; i0 += ${KS}u) {
        for (var x = lid; x < ${L * KS4}u; x += ${WG}u) {
            let r = x / ${KS4}u;
            let i = i0 + x % ${KS4}u * 4u;
            var a = vec4<f32>(0.0);
            var b = vec4<f32>(0.0);
//% if DECAY == 2
            var g = vec4<f32>(0.0);
//% end
            if (r < n) {
                b = quad_k(((first + r) * ${HK}u + kh) * ${DK}u, i);
//% if DELTA
                if (m == 0u) { a = b; } else { a = quad_q(((first + r) * ${HQ}u + qh) * ${DK}u, i); }
//% else
                a = quad_q(((first + r) * ${HQ}u + qh) * ${DK}u, i);
//% end
//% if DECAY == 2
                g = at_least(quad_decay(((first + r) * ${HKV}u + h) * ${DK}u, i), -100.0);
//% end
            }
            left[x] = a;
            right[x] = b;
//% if DECAY == 2
            decays[x] = g;
//% end
        }
        workgroupBarrier();
//% if DECAY == 2
        for (var x = lid; x < ${KS4}u; x += ${WG}u) {
            var sum = vec4<f32>(0.0);
            for (var r = 0u; r < ${L}u; r++) {
                sum += decays[r * ${KS4}u + x];
                decays[r * ${KS4}u + x] = sum;
                if (m == 0u && i0 + x * 4u < ${DK}u) {
//% for e in 0..4
                    store_pairs(pairs + ${M * L * L + e}u + r * ${DKP}u + i0 + x * 4u, sum[${e}]);
//% end
                }
            }
        }
        workgroupBarrier();
//% end
        for (var x = 0u; x < ${KS4}u; x++) {
            let b = right[c * ${KS4}u + x];
//% if DECAY == 2
            let g = decays[c * ${KS4}u + x];
//% end
//% for j in 0..PB
            {
                let r = (rt * ${PB}u + ${j}u) * ${4 * KS4}u + x;
//% if DECAY == 2
                sum_${j} += vec4<f32>(
                    dot(left[r] * exp4_c(at_most_0(decays[r] - g)), b),
                    dot(left[r + ${KS4}u] * exp4_c(at_most_0(decays[r + ${KS4}u] - g)), b),
                    dot(left[r + ${2 * KS4}u] * exp4_c(at_most_0(decays[r + ${2 * KS4}u] - g)), b),
                    dot(left[r + ${3 * KS4}u] * exp4_c(at_most_0(decays[r + ${3 * KS4}u] - g)), b));
//% else
                sum_${j} += vec4<f32>(dot(left[r], b), dot(left[r + ${KS4}u], b), dot(left[r + ${2 * KS4}u], b),
                                      dot(left[r + ${3 * KS4}u], b));
//% end
            }
//% end
        }
        workgroupBarrier();
    }

//% if DELTA
    if (m == 0u) {
//% for j in 0..PB
//% for e in 0..4
        {
            let r = (rt * ${PB}u + ${j}u) * 4u + ${e}u;
            var x = 0.0;
            if (c < r && r < n) {
                x = sum_${j}[${e}] * strength(first + r, h);
//% if DECAY == 1
                x *= exp4_c(at_most_0(vec4<f32>(decays[r] - decays[c]))).x;
//% end
            }
            inverse[r * ${L}u + c] = x;
        }
//% end
//% end
        workgroupBarrier();
        // Row by row, in place: rows above r hold (I + A)^-1 already, row r and those below A.
        for (var r = 1u; r < ${L}u; r++) {
            var x = 0.0;
            if (lid < r) {
                x = inverse[r * ${L}u + lid];
                for (var i = lid + 1u; i < r; i++) { x += inverse[r * ${L}u + i] * inverse[i * ${L}u + lid]; }
            }
            workgroupBarrier();
            if (lid < r) { inverse[r * ${L}u + lid] = -x; }
            workgroupBarrier();
        }
        var beta = 0.0;
        if (c < n) { beta = strength(first + c, h); }
        for (var r = rt; r < ${L}u; r += ${RT}u) {
            var x = select(0.0, 1.0, r == c);
            if (c < r) { x = inverse[r * ${L}u + c]; }
            store_pairs(pairs + r * ${L}u + c, select(x * beta, 0.0, c > r));
        }
        return;
    }
//% end
//% for j in 0..PB
//% for e in 0..4
    {
        let r = (rt * ${PB}u + ${j}u) * 4u + ${e}u;
        var x = 0.0;
        if (c <= r) {
            x = sum_${j}[${e}];
//% if DECAY == 1
            x *= exp4_c(at_most_0(vec4<f32>(decays[r] - decays[c]))).x;
//% end
        }
        store_pairs(pairs + (m * ${L}u + r) * ${L}u + c, x);
    }
//% end
//% end
}
