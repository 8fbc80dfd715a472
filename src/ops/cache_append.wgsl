//%% A thread moves UNIT elements of x to the row that the state gives to their position. ITEMS units make a row;
//%% p.count are moved. POS is the word of the position of row 0. Rows are distinct: a run has no more of them than the
//%% state. FUNCTIONAL: s is no state but a value of p.capacity rows.
@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i >= p.count) { return; }
//% if FUNCTIONAL
    let row = (var_u32(${POS}u) + i / ${ITEMS}u) % p.capacity;
//% else
    let row = row_s(var_u32(${POS}u) + i / ${ITEMS}u);
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
