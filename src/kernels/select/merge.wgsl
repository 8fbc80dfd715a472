//%% Merges up to FAN runs each of `part` (kernels/select/select.h): the first p.out_cap elements of what they hold,
//%% in order. A run stands for p.span elements of a row of p.n, and has p.cap pairs of key and place at most. A
//%% thread takes one pair. LAST: what becomes of them are the results; else runs of `merged`. Earlier runs hold
//%% earlier places.
fn length_of(run: u32) -> u32 {
    return min(p.n - run * p.span, p.cap);
}

// How many elements of the run that begins at pair `at` stand before `key`; equal ones do if `equal`.
fn before_in(at: u32, length: u32, key: u32, equal: bool) -> u32 {
    var lo = 0u;
    var hi = length;
    while (lo < hi) {
        let mid = (lo + hi) / 2u;
        let other = load_part((at + mid) * 2u);
        if (other > key || (equal && other == key)) { lo = mid + 1u; } else { hi = mid; }
    }
    return lo;
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.total) { return; }
    let own = i % p.cap;
    let run = i / p.cap % p.runs;
    let row = i / p.cap / p.runs;
    if (own >= length_of(run)) { return; }
    let key = load_part(i * 2u);
    let first = run / ${FAN}u * ${FAN}u;
    var at = own;
    for (var other = first; other < min(first + ${FAN}u, p.runs); other++) {
        if (other != run) {
            at += before_in((row * p.runs + other) * p.cap, length_of(other), key, other < run);
        }
    }
    if (at >= p.out_cap) { return; }
    let place = load_part(i * 2u + 1u);
//% if LAST
    store_indices(row * p.out_cap + at, i32(place));
    store_values(row * p.out_cap + at, load_x(row * p.n + place));
//% else
    let to = ((row * p.out_runs + run / ${FAN}u) * p.out_cap + at) * 2u;
    store_merged(to, key);
    store_merged(to + 1u, place);
//% end
}
