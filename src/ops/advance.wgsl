//%% Adds p.by to a variable, which stays within LO .. HI. SLOTS = 0: the word VAR, by one thread. Else a thread for
//%% each of SLOTS words from VAR on, which the word of its slot from COUNT on is added to as well; ACTIVE >= 0: a slot
//%% whose word from ACTIVE on is 0 stays where it is.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
//% if SLOTS
    if (lid >= ${SLOTS}u || !is_active()) { return; }
    let word = ${VAR}u + lid;
    let count = var_u32(${COUNT}u + lid);
//% if ACTIVE >= 0
    if (var_u32(${ACTIVE}u + lid) == 0u) { return; }
//% end
//% else
    if (lid != 0u || !is_active()) { return; }
    let word = ${VAR}u;
    let count = 0u;
//% end
    let v = clamp(var_u32(word), ${LO}u, ${HI}u);
    let more = min(count, ${HI}u); // so that the two do not go round
    let by = u32(max(p.by, 0));
    let up = v + min(more + min(by, 0xffffffffu - more), ${HI}u - v);
    set_var_u32(word, up - min(u32(max(-p.by, 0)), up - ${LO}u));
}
