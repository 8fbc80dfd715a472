//%% A thread finds one token's slot and position. SLOTS slots have their numbers of tokens in the words from COUNT on
//%% and their positions in those from POS on; ACTIVE >= 0: their activities in those from it on. Tokens that no slot
//%% has, or an idle one, get slot SLOTS. MOST_POS: what a larger position counts as.
//% include "ops/sequence_of.wgsl"

fn tiles_of(tokens: u32) -> u32 { return tokens; }

fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let t = group_index(wid, nwg) * ${WG}u + lid;
    if (t >= p.tokens) { return; }
    let mine = sequence_of(t);
    var slot = mine.slot;
    var position = 0u;
    if (slot < ${SLOTS}u) { position = min(var_u32(${POS}u + slot), ${MOST_POS}u) + (t - mine.first); }
//% if ACTIVE >= 0
    if (slot < ${SLOTS}u && var_u32(${ACTIVE}u + min(slot, ${SLOTS - 1}u)) == 0u) { slot = ${SLOTS}u; }
//% end
    store_position(t, position);
    store_slot(t, slot);
}
