//%% A thread finds one token's slot and position. SLOTS slots have their numbers of tokens in the words from COUNT on
//%% and their positions in those from POS on; ACTIVE >= 0: their activities in those from it on. Tokens that no slot
//%% has, or an idle one, get slot SLOTS. MOST_POS: what a larger position counts as.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let t = group_index(wid, nwg) * ${WG}u + lid;
    if (t >= p.tokens) { return; }
    var first = 0u; // token of the slot
    var slot = ${SLOTS}u;
    var position = 0u;
    for (var s = 0u; s < ${SLOTS}u; s++) {
        let n = min(var_u32(${COUNT}u + s), p.tokens - first);
        if (t >= first && t - first < n) {
            slot = s;
            position = min(var_u32(${POS}u + s), ${MOST_POS}u) + (t - first);
        }
        first += n;
    }
//% if ACTIVE >= 0
    if (slot < ${SLOTS}u && var_u32(${ACTIVE}u + min(slot, ${SLOTS - 1}u)) == 0u) { slot = ${SLOTS}u; }
//% end
    store_position(t, position);
    store_slot(t, slot);
}
