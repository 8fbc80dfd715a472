// Sampler, step 4, a workgroup a row: the exact ends of top-k and top-p, the draw, and everything that follows from the
// token.
//
// The order is descending key, then ascending index. A position in it is found inside one bin by histograms over 8
// bits at a time, first of the key, then, where several candidates share the key, of the index. All sums are integers.
// GREEDY: one thread takes the best of the segments.

//% include "ops/sample_common.wgsl"
//% if GREEDY
//% include "ops/sample_top.wgsl"
//% else
//% include "ops/sample_mass.wgsl"

const CACHE = 1024u; // candidates held in workgroup memory: usually all of them

var<workgroup> segment_end: array<u32, ${SEGMENTS}>;
var<workgroup> cached: array<vec2<u32>, CACHE>;
var<workgroup> low: array<atomic<u32>, 256>;
var<workgroup> high: array<atomic<u32>, 256>;
var<workgroup> sums: array<vec2<u32>, 256>;
var<workgroup> found: u32;
var<workgroup> ties: atomic<u32>;
var<workgroup> lowest: atomic<u32>;
var<workgroup> top_k: u32;

struct Place { key: u32, index: u32 } // a candidate; as an end, the last one that stays

fn candidates() -> u32 { return segment_end[${SEGMENTS - 1}]; }

// One step of a binary search for the first segment that ends behind n. Written out below rather than looped: some CPU
// drivers end a kernel's loops after 65,535 turns in all.
fn past(s: u32, by: u32, n: u32) -> u32 {
    if (s + by <= ${SEGMENTS}u && segment_end[min(s + by, ${SEGMENTS}u) - 1u] <= n) { return s + by; }
    return s;
}

fn stored(row: u32, n: u32) -> vec2<u32> {
    let s = past(past(past(past(past(past(0u, 32u, n), 16u, n), 8u, n), 4u, n), 2u, n), 1u, n);
    var start = 0u;
    if (s > 0u) { start = segment_end[s - 1u]; }
    let at = (row * ${SEGMENTS}u + s) * ${SEGMENT}u + (n - start);
    return vec2<u32>(load_cand(2u * at), load_cand(2u * at + 1u));
}

fn candidate(row: u32, n: u32) -> vec2<u32> {
    if (n < CACHE) { return cached[n]; }
    return stored(row, n);
}

fn top_key(row: u32) -> u32 { return load_narrow(row * N_WORDS + N_TOP); }

fn measure(row: u32, by: u32, key: u32) -> vec2<u32> {
    if (by == BY_COUNT) { return vec2<u32>(1u, 0u); }
    let gap = half_gap(top_key(row), key);
    if (by == BY_MASS) { return mass_of(gap); }
    return mass_t_of(gap);
}

fn add_sum(i: u32, m: vec2<u32>) {
    let before = atomicAdd(&low[i], m.x);
    let carry = m.y + select(0u, 1u, before + m.x < before);
    if (carry != 0u) { atomicAdd(&high[i], carry); }
}

fn sum_at(i: u32) -> vec2<u32> { return vec2<u32>(atomicLoad(&low[i]), atomicLoad(&high[i])); }

fn clear(lid: u32) {
    workgroupBarrier(); // earlier sums are read
    atomicStore(&low[lid], 0u);
    atomicStore(&high[lid], 0u);
    if (lid == 0u) { found = 255u; }
    workgroupBarrier(); // zeros are written
}

// After clear() and additions: the first of the 256 sums whose running total passes `t`; sums[] holds the totals.
fn locate(lid: u32, t: vec2<u32>) -> u32 {
    workgroupBarrier(); // additions are done
    sums[lid] = sum_at(lid);
    for (var reach = 1u; reach < 256u; reach <<= 1u) {
        workgroupBarrier(); // totals so far are written
        var m = vec2<u32>(0u);
        if (lid >= reach) { m = sums[lid - reach]; }
        workgroupBarrier(); // and read
        sums[lid] = add64(sums[lid], m);
    }
    workgroupBarrier(); // totals are complete
    var before = vec2<u32>(0u);
    if (lid > 0u) { before = sums[lid - 1u]; }
    if (less64(t, sums[lid]) && !less64(t, before)) { found = lid; }
    return workgroupUniformLoad(&found);
}

// The candidate of `bin` at which the running measure passes t, t counted from the start of the bin. Eight bits a
// round: four rounds find the key (of its complement, whose ascending order is the keys' descending one), three the
// index (24 bits).
fn select_in(row: u32, lid: u32, bin: u32, by: u32, t: vec2<u32>) -> Place {
    let top = top_key(row);
    var rest = t;
    var known = 0u;
    var key = 0u;
    for (var round = 0u; round < 7u; round++) {
        if (round == 4u) {
            key = ~known;
            known = 0u;
            if (lid == 0u) {
                atomicStore(&ties, 0u);
                atomicStore(&lowest, 0xffffffffu);
            }
            workgroupBarrier(); // both are reset
            for (var n = lid; n < candidates(); n += ${WG}u) {
                let c = candidate(row, n);
                if (c.x != key) { continue; }
                atomicAdd(&ties, 1u);
                atomicMin(&lowest, c.y);
            }
            if (workgroupUniformLoad(&ties) == 1u) { return Place(key, workgroupUniformLoad(&lowest)); }
        }
        clear(lid);
        let shift = select(48u, 24u, round < 4u) - 8u * round; // of this round's digit
        for (var n = lid; n < candidates(); n += ${WG}u) {
            let c = candidate(row, n);
            let word = select(c.y, ~c.x, round < 4u);
            let fits = select(c.x == key, bin_of(half_gap(top, c.x)) == bin, round < 4u);
            if (!fits || (shift < 24u && (word >> (shift + 8u)) != known)) { continue; }
            add_sum((word >> shift) & 255u, measure(row, by, c.x));
        }
        let digit = locate(lid, rest);
        if (digit > 0u) { rest = sub64(rest, sums[digit - 1u]); }
        known = (known << 8u) | digit;
    }
    return Place(key, known);
}

// Measure of the candidates of `bin` up to and with `end`.
fn measure_to(row: u32, lid: u32, bin: u32, by: u32, end: Place) -> vec2<u32> {
    let top = top_key(row);
    clear(lid);
    for (var n = lid; n < candidates(); n += ${WG}u) {
        let c = candidate(row, n);
        if (bin_of(half_gap(top, c.x)) != bin || c.x < end.key || (c.x == end.key && c.y > end.index)) { continue; }
        add_sum(0u, measure(row, by, c.x));
    }
    workgroupBarrier(); // additions are done
    return sum_at(0u);
}

// Running total of the bins before `bin`.
fn total(row: u32, by: u32, bin: u32) -> vec2<u32> {
    if (bin == 0u) { return vec2<u32>(0u); }
    let at = row * N_WORDS + N_RUNNING + by * 512u + 2u * (bin - 1u);
    return vec2<u32>(load_narrow(at), load_narrow(at + 1u));
}

// The bin in which a running total passes t.
fn bin_past(row: u32, lid: u32, by: u32, t: vec2<u32>) -> u32 {
    workgroupBarrier(); // `found` is read
    if (lid == 0u) { found = 255u; }
    workgroupBarrier(); // and reset
    if (less64(t, total(row, by, lid + 1u)) && !less64(t, total(row, by, lid))) { found = lid; }
    return workgroupUniformLoad(&found);
}

// Three positions in turn, each in terms of its own running total: the end of top-k, the end of top-p, the token drawn.
// One loop, so that the search is in the kernel once.
fn draw_token(row: u32, lid: u32, use_p: bool) -> u32 {
    let n = total(row, BY_COUNT, 256u).x;
    if (lid == 0u) { top_k = select(min(setting(TOP_K), n), n, setting(TOP_K) == 0u); }
    let k = workgroupUniformLoad(&top_k);
    // The end of what stays so far: a bin, all of it or up to a place; last, the token.
    var bin = 255u;
    var whole = true;
    var end = Place(0u, 0u);
    for (var by = BY_COUNT; by <= BY_MASS_T; by++) {
        if ((by == BY_COUNT && k >= n) || (by == BY_MASS && !use_p)) { continue; }
        var t = vec2<u32>(k - 1u, 0u);
        if (by != BY_COUNT) {
            var m = total(row, by, bin + 1u);
            if (!whole) { m = add64(total(row, by, bin), measure_to(row, lid, bin, by, end)); }
            let random = row * N_WORDS + N_RANDOM;
            t = mul64(m, vec2<u32>(load_narrow(random), load_narrow(random + 1u))).zw;
            if (by == BY_MASS) { t = share_of(m); }
        }
        bin = bin_past(row, lid, by, t);
        if (by == BY_COUNT && total(row, by, bin + 1u).x == k) { continue; } // top-k ends with the bin
        end = select_in(row, lid, bin, by, sub64(t, total(row, by, bin)));
        whole = false;
    }
    return end.index;
}

fn load_candidates(row: u32, lid: u32) {
    if (lid == 0u) {
        var n = 0u;
        for (var s = 0u; s < ${SEGMENTS}u; s++) {
            n += min(load_narrow(row * N_WORDS + N_SEGMENT + s), ${SEGMENT}u);
            segment_end[s] = n;
        }
    }
    workgroupBarrier(); // segment_end
    for (var n = lid; n < min(candidates(), CACHE); n += ${WG}u) { cached[n] = stored(row, n); }
    workgroupBarrier(); // cached
}
//% end

// In place of a token: the row is nothing but NaN (ops/sample.h).
const NONE = 0xffffffffu;

fn is_stop(token: u32) -> bool {
    let list = mine * ${STOPS}u;
    let n = min(load_stops(list), ${STOPS - 1}u);
    for (var i = 1u; i <= n; i++) {
        if (load_stops(list + i) == token) { return true; }
    }
    return false;
}

// The only thread that touches a sequence's states and variables. ACTIVE falls last, because the stores ask for it.
fn commit(token: u32) {
    let n = var_u32(${VAR_N_OUT}u + mine);
    let window = setting(WINDOW);
    let counts = mine * ${V}u;
    let ring = mine * ${RING}u;
    if (window > 0u && window <= ${RING}u && n >= window) { // before its place may be written anew
        let left = load_ring(ring + (n - window) % ${RING}u);
        let old = min(left, ${V - 1}u);
        let count = load_counts(counts + old);
        if (left == old && count > 0u) { store_counts(counts + old, count - 1u); }
    }
    if (token != NONE) { store_counts(counts + token, load_counts(counts + token) + 1u); }
    store_ring(ring + n % ${RING}u, token);
    //% if TOKENS > 0
    store_tokens(0u, i32(select(token, 0u, token == NONE)));
    //% end
    set_var_u32(${VAR_TOKEN}u + mine, min(token, ${TOKEN_HI}u));
    let more = min(n, ${N_OUT_HI - 1}u) + 1u;
    let step = max(var_u32(${VAR_RNG}u + mine), ${RNG_LO}u);
    set_var_u32(${VAR_N_OUT}u + mine, more);
    set_var_u32(${VAR_RNG}u + mine, select(${RNG_LO}u, step + 1u, step < ${RNG_HI}u)); // goes round within its bounds
    let most = min(var_u32(${VAR_N_MAX}u + mine), ${N_OUT_HI}u);
    let full = more >= most || var_u32(${VAR_POS}u + mine) >= var_u32(${VAR_POS_MAX}u + mine);
    if (token == NONE || full || is_stop(token)) { set_var_u32(${ACTIVE}u + mine, 0u); }
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let row = row_of(group_index(wid, nwg), 1u);
    if (row >= p.rows) { return; }
    //% if GREEDY
    if (owner(row, lid) == NOBODY || lid != 0u) { return; }
    let top = top_of_segments(row);
    commit(select(top.y, NONE, top.x == 0u));
    //% else
    let held = owner(row, lid);
    if (held == NOBODY) { return; }
    let none = top_key(row) == 0u;
    var token = load_narrow(row * N_WORDS + N_GREEDY);
    if ((held & DRAW) != 0u && !none) {
        fill_masses(lid);
        load_candidates(row, lid); // its barriers also separate the masses from their use
        token = draw_token(row, lid, (held & USE_TOP_P) != 0u);
    }
    if (lid == 0u) { commit(select(min(token, ${V - 1}u), NONE, none)); }
    //% end
}
