// Index of the largest element of a row; the lowest index wins ties, NaN never wins (see argmax.c).
//
// MODE 0: a workgroup takes a whole row. MODE 1: it takes CHUNK elements of a row and stores (key, index) in `part`.
// MODE 2: it finishes the p.chunks pairs of a row. The grid is folded; groups beyond p.groups return as a whole.

//% include "ops/order_key.wgsl"

//% include "ops/keep_greatest.wgsl"

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let group = group_index(wid, nwg);
    if (group >= p.groups) { return; }
    var best = 0u;
    var place = 0u;
    //% if MODE == 2
    let row = group;
    for (var c = lid; c < p.chunks; c += ${WG}u) {
        let key = load_part((row * p.chunks + c) * 2u);
        if (key > best) {
            best = key;
            place = load_part((row * p.chunks + c) * 2u + 1u);
        }
    }
    //% else
    //% if MODE == 1
    let row = group / p.chunks;
    let start = (group % p.chunks) * ${CHUNK}u;
    let end = min(start + ${CHUNK}u, p.n);
    //% else
    let row = group;
    let start = 0u;
    let end = p.n;
    //% end
    // Indices only grow within a thread, so a strict comparison keeps the lowest.
    for (var i = start + lid; i < end; i += ${WG}u) {
        let key = order_key(load_x(row * p.n + i));
        if (key > best) {
            best = key;
            place = i;
        }
    }
    //% end
    keep_greatest(best, place, lid);
    if (lid == 0u) {
        //% if MODE == 1
        store_part(group * 2u, keys[0]);
        store_part(group * 2u + 1u, places[0]);
        //% else
        store_y(row, select(places[0], 0u, keys[0] == 0u)); // key 0: nothing but NaN, or an empty row
        //% end
    }
}
