//%% A thread moves UNIT elements of x to the row that the state gives to their position. SLOTS > 0: there are so many
//%% sequences, and position and slot are those of each token; a slot beyond them is nobody's. BY_SLOT: the state is
//%% declared so, else row is slot * p.capacity + position. ITEMS units make a row; p.count are moved. POS is the word
//%% of the position of row 0, MOST_POS what a larger one counts as. Rows are distinct: a run has no more of them than
//%% the state. FUNCTIONAL: s is no state but a value of p.capacity rows. ENDS: there is no row behind row p.capacity -
//%% 1, and what would go there is dropped.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.count) { return; }
//% if SLOTS
    let t = i / ${ITEMS}u;
    let slot = load_slot(t);
    if (slot >= ${SLOTS}u) { return; }
    let position = min(load_position(t), ${MOST_POS}u);
//% if FUNCTIONAL
    let row = slot * p.capacity + position % p.capacity;
//% elif BY_SLOT
    let row = row_s(slot, position);
//% else
    let row = slot * p.capacity + position; // of a dense state
//% end
//% else
    let position = min(var_u32(${POS}u), ${MOST_POS}u) + i / ${ITEMS}u;
//% if FUNCTIONAL
    let row = position % p.capacity;
//% else
    let row = row_s(position);
//% end
//% end
//% if ENDS
    if (position >= p.capacity) { return; }
//% end
    let at = (row * ${ITEMS}u + i % ${ITEMS}u) * ${UNIT}u;
//% if UNIT == 4
    store4_s(at, load4_x(i * 4u));
//% elif UNIT == 2
    store2_s(at, vec2<f32>(load_x(i * 2u), load_x(i * 2u + 1u)));
//% else
    store_s(at, load_x(i));
//% end
}
