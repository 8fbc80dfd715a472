// The greatest key of a workgroup and its lowest place, in keys[0] and places[0]: each thread gives its own best pair.
// Called in uniform control flow; thread 0 may read the result without another barrier.
var<workgroup> keys: array<u32, ${WG}>;
var<workgroup> places: array<u32, ${WG}>;

fn keep_greatest(best: u32, place: u32, lid: u32) {
    keys[lid] = best;
    places[lid] = place;
    for (var half = ${WG / 2}u; half > 0u; half >>= 1u) {
        workgroupBarrier(); // the other half's pairs are written
        if (lid < half) {
            let key = keys[lid + half];
            let at = places[lid + half];
            if (key > keys[lid] || (key == keys[lid] && at < places[lid])) {
                keys[lid] = key;
                places[lid] = at;
            }
        }
    }
}
