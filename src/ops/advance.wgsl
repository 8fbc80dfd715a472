// One thread: adds p.by to a variable.
@compute @workgroup_size(${WG})
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(num_workgroups) nwg: vec3<u32>,
        @builtin(local_invocation_index) lid: u32) {
    if (lid == 0u && is_active()) { set_var_u32(${SLOT}u, var_u32(${SLOT}u) + p.by); }
}
