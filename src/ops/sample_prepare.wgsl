// Sampler, step 1: penalties; keys of the logits; the best key and index of each segment.
//
// A workgroup takes SEGMENT consecutive tokens. GREEDY: the keys themselves are not kept.

//% include "ops/sample_common.wgsl"

//% include "ops/keep_greatest.wgsl"

// Repetition first, then frequency and presence. Only tokens that occur in `counts` are touched.
fn penalised(logit: f32, count: u32) -> f32 {
    if (count == 0u) { return logit; }
    let v = logit * sampling_f32(select(REPETITION, INVERSE, logit > 0.0));
    return v - sampling_f32(FREQUENCY) * f32(count) - sampling_f32(PRESENCE);
}

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    let row = row_of(group, ${SEGMENTS}u);
    let segment = group - row * ${SEGMENTS}u;
    if (row >= p.rows || segment >= ${SEGMENTS}u) { return; }
    if (owner(row, lid) == NOBODY) { return; }
//% if SLOTS
    let first = row * ${V}u;
//% else
    let first = (p.rows - 1u) * ${V}u;
//% end
    let start = segment * ${SEGMENT}u;
    let penalise = flag(PENALISE);
    var best = 0u;
    var place = 0u;
    for (var i = start + lid; i < min(start + ${SEGMENT}u, ${V}u); i += ${WG}u) {
        var v = load_logits(first + i);
        if (penalise) { v = penalised(v, load_counts(mine * ${V}u + i)); }
        let key = logit_key(v);
        //% if !GREEDY
        store_keys(row * ${SEGMENTS * SEGMENT}u + i, key);
        //% end
        if (key > best) { // i only grows within a thread: the lowest index stays
            best = key;
            place = i;
        }
    }
    keep_greatest(best, place, lid);
    if (lid == 0u) {
        store_part(2u * group, keys[0]);
        store_part(2u * group + 1u, select(places[0], 0u, keys[0] == 0u));
    }
}
