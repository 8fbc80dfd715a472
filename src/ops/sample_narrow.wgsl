// Sampler, step 3: which bins can hold the end of top-k, the end of top-p or the token to be drawn, and their
// elements.
//
// Every workgroup adds up all segments' histograms (the same integers everywhere), finds the bins, and writes the
// elements of its own segment that lie in them to its part of `cand`. Where a filter ends inside a bin, what follows
// is known between two bounds only; then all bins between the bounds are kept, so nothing is lost. Workgroup 0 writes
// the sums for step 4.

//% include "ops/sample_common.wgsl"
//% include "ops/sample_top.wgsl"

var<workgroup> count: array<u32, 256>; // up to and with a bin, after the scan
var<workgroup> mass: array<vec2<u32>, 256>;
var<workgroup> mass_t: array<vec2<u32>, 256>;
var<workgroup> found: array<u32, 5>; // bins: end of top-k; end of top-p, at least and at most; the draw, likewise
var<workgroup> wanted: array<u32, 256>;
var<workgroup> kept: atomic<u32>;

const K_END = 0u;
const P_LOW = 1u;
const P_HIGH = 2u;
const D_LOW = 3u;
const D_HIGH = 4u;

fn mass_before(b: u32) -> vec2<u32> {
    if (b == 0u) { return vec2<u32>(0u); }
    return mass[b - 1u];
}

fn mass_t_before(b: u32) -> vec2<u32> {
    if (b == 0u) { return vec2<u32>(0u); }
    return mass_t[b - 1u];
}

// Philox 4x32, 10 rounds, of the counter (step, 0, 0, 0): its first two words.
fn random(step: u32) -> vec2<u32> {
    var c = vec4<u32>(step, 0u, 0u, 0u);
    var k = vec2<u32>(setting(SEED), setting(SEED + 1u));
    for (var round = 0u; round < 10u; round++) {
        let a = mul32(0xD2511F53u, c.x);
        let b = mul32(0xCD9E8D57u, c.z);
        c = vec4<u32>(b.y ^ c.y ^ k.x, b.x, a.y ^ c.w ^ k.y, a.x);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c.xy;
}

fn sum_segments(row: u32, b: u32) {
    var n = 0u;
    var m = vec2<u32>(0u);
    var t = vec2<u32>(0u);
    for (var s = 0u; s < ${SEGMENTS}u; s++) {
        let at = (row * ${SEGMENTS}u + s) * 1280u + b;
        n += load_hist(at);
        m = add64(m, vec2<u32>(load_hist(at + 256u), load_hist(at + 512u)));
        t = add64(t, vec2<u32>(load_hist(at + 768u), load_hist(at + 1024u)));
    }
    count[b] = n;
    mass[b] = m;
    mass_t[b] = t;
}

fn scan(b: u32) { // inclusive, over the bins
    for (var reach = 1u; reach < 256u; reach <<= 1u) {
        workgroupBarrier(); // sums so far are written
        var n = 0u;
        var m = vec2<u32>(0u);
        var t = vec2<u32>(0u);
        if (b >= reach) {
            n = count[b - reach];
            m = mass[b - reach];
            t = mass_t[b - reach];
        }
        workgroupBarrier(); // and read
        count[b] += n;
        mass[b] = add64(mass[b], m);
        mass_t[b] = add64(mass_t[b], t);
    }
    workgroupBarrier(); // the scan is complete
}

// Marks the bin in which the running mass passes `t`.
fn find_mass(b: u32, t: vec2<u32>, slot: u32) {
    if (less64(t, mass[b]) && !less64(t, mass_before(b))) { found[slot] = b; }
}

fn find_mass_t(b: u32, t: vec2<u32>, slot: u32) {
    if (less64(t, mass_t[b]) && !less64(t, mass_t_before(b))) { found[slot] = b; }
}

// Sets wanted[b] for every bin. `r` is the draw.
fn choose_bins(b: u32, r: vec2<u32>) {
    let total = count[255];
    let k = select(min(setting(TOP_K), total), total, setting(TOP_K) == 0u);
    if (b < 5u) { found[b] = 255u; }
    if (b == 0u) { atomicStore(&kept, 0u); } // for main; not every driver starts workgroup memory as zeros
    workgroupBarrier(); // defaults are set
    var before = 0u;
    if (b > 0u) { before = count[b - 1u]; }
    if (k > 0u && count[b] >= k && before < k) { found[K_END] = b; }
    workgroupBarrier(); // K_END
    let k_end = found[K_END];
    let k_whole = count[k_end] == k || k == total;
    let use_p = flag(USE_TOP_P);
    if (use_p) { // the mass of the top k lies between these two, and so does the share of it
        let most = mass[k_end];
        let least = select(mass_before(k_end), most, vec2<bool>(k_whole));
        find_mass(b, share_of(least), P_LOW);
        find_mass(b, share_of(most), P_HIGH);
    }
    workgroupBarrier(); // P_LOW, P_HIGH
    let end_low = select(k_end, found[P_LOW], use_p);
    let end_high = select(k_end, found[P_HIGH], use_p);
    let most = mass_t[end_high];
    let least = select(mass_t_before(end_low), most, vec2<bool>(!use_p && k_whole));
    find_mass_t(b, mul64(least, r).zw, D_LOW);
    find_mass_t(b, mul64(most, r).zw, D_HIGH);
    workgroupBarrier(); // D_LOW, D_HIGH
    let for_k = b == k_end && !k_whole;
    let for_p = use_p && b >= end_low && b <= end_high;
    let for_draw = b >= found[D_LOW] && b <= found[D_HIGH];
    wanted[b] = select(0u, 1u, for_k || for_p || for_draw);
    workgroupBarrier(); // wanted
}

fn store_running(row: u32, by: u32, b: u32, total: vec2<u32>) {
    let at = row * N_WORDS + N_RUNNING + by * 512u + 2u * b;
    store_narrow(at, total.x);
    store_narrow(at + 1u, total.y);
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    let row = row_of(group, ${SEGMENTS}u);
    let segment = group - row * ${SEGMENTS}u;
    if (row >= p.rows || segment >= ${SEGMENTS}u) { return; }
    let held = owner(row, lid);
    if (held == NOBODY) { return; }
    let first = top_of_segments(row);
    let top = first.x;
    let r = random(var_u32(${VAR_RNG}u + mine));
    let sums = row * N_WORDS;
    if (segment == 0u && lid == 0u) {
        store_narrow(sums + N_TOP, top);
        store_narrow(sums + N_GREEDY, first.y);
        store_narrow(sums + N_RANDOM, r.x);
        store_narrow(sums + N_RANDOM + 1u, r.y);
    }
    if ((held & DRAW) == 0u) { return; }
    sum_segments(row, lid); // WG is 256, a thread a bin
    scan(lid);
    choose_bins(lid, r);
    if (segment == 0u) {
        store_running(row, BY_COUNT, lid, vec2<u32>(count[lid], 0u));
        store_running(row, BY_MASS, lid, mass[lid]);
        store_running(row, BY_MASS_T, lid, mass_t[lid]);
    }
    let start = segment * ${SEGMENT}u;
    for (var i = start + lid; i < min(start + ${SEGMENT}u, ${V}u); i += ${WG}u) {
        let key = load_keys(row * ${SEGMENTS * SEGMENT}u + i);
        if (key == 0u || wanted[bin_of(half_gap(top, key))] == 0u) { continue; }
        // Their order in `cand` is open; step 4 asks only questions whose answers do not depend on it.
        let at = group * ${SEGMENT}u + atomicAdd(&kept, 1u);
        store_cand(2u * at, key);
        store_cand(2u * at + 1u, i);
    }
    workgroupBarrier(); // all are counted
    if (lid == 0u) { store_narrow(sums + N_SEGMENT + segment, atomicLoad(&kept)); }
}
