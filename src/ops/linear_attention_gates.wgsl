//%% Puts decay and beta behind one another, where a step that reads both would need more bindings than the device has.
fn body(wid: vec3<u32>, nwg: vec3<u32>, lid: u32) {
    let i = group_index(wid, nwg) * ${WG}u + lid;
    if (i < p.decays) { store_gates(i, load_decay(i)); }
    if (i < p.betas) { store_gates(p.decays + i, load_beta(i)); }
}
