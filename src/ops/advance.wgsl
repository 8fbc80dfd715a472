// One thread: adds p.by to a variable, which stays within LO .. HI.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    if (lid != 0u || !is_active()) { return; }
    let v = clamp(var_u32(${SLOT}u), ${LO}u, ${HI}u);
    let up = v + min(u32(max(p.by, 0)), ${HI}u - v);
    set_var_u32(${SLOT}u, up - min(u32(max(-p.by, 0)), up - ${LO}u));
}
