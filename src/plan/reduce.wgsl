//%% Reductions over a workgroup and over aligned groups of its threads.
//%%
//%% Values: WG, threads of the workgroup, a power of two; SUBGROUPS, 0 or 1; SG, the smallest subgroup size that may
//%% occur, a power of two, 0 if not known (then 4, which WebGPU promises); LANES, optional, for group_*: a power of two
//%% up to WG.
//%%
//%%   wg_sum, wg_max      (x: f32, lid: u32) -> f32                  over all threads
//%%   wg_sum2, wg_max2    (x: vec2<f32>, lid: u32) -> vec2<f32>      likewise, by component
//%%   wg_sum4, wg_max4    (x: vec4<f32>, lid: u32) -> vec4<f32>
//%%   group_sum, group_sum2, group_sum4, group_max, ...              over threads k LANES .. k LANES + LANES - 1
//%%
//%% A maximum is NaN if an x is, and -infinity only if all are.
//%%
//%% lid is local_invocation_index. Every thread gets the result. Call them in uniform control flow: they may hold
//%% barriers. They need not (a workgroup that is one subgroup has none), so they do not order the caller's own memory
//%% of the workgroup. Tint counts the result as non-uniform: pass it through workgroupUniformLoad before a barrier
//%% depends on it.
//%%
//%% The order of a sum depends on WG, LANES, SG and the device's subgroup size alone: equal runs give equal bits.
//%% Workgroup memory, for each of f32, vec2, vec4 that is used: its size times WG, or times WG / SG with subgroups.
//%%
//%% With subgroups it is taken that a subgroup's threads have consecutive lids and start at a multiple of its size, as
//%% implementations fill one-dimensional workgroups; its size may be any power of two from SG up.
//% set REDUCE_SG = 1
//% if SUBGROUPS
//% if SG > 0
//% set REDUCE_SG = SG
//% else
//% set REDUCE_SG = 4
//% end
//% end
//% set REDUCE_SLOTS = WG / REDUCE_SG
//% if REDUCE_SLOTS == 0
//% set REDUCE_SLOTS = 1
//% end
const_assert ${WG} > 0 && (${WG} & (${WG} - 1)) == 0;
//% if defined(LANES)
const_assert ${LANES} > 0 && ${LANES} <= ${WG} && (${LANES} & (${LANES} - 1)) == 0;
//% end

//% if defined(TREE)
//% include "plan/reduce_tree.wgsl"
//% end
//% set REDUCE_TYPE = "f32"
//% set REDUCE_WORD = "u32"
//% set REDUCE_SUFFIX = ""
//% set REDUCE_HELD = "reduce_slots"
//% include again "plan/reduce_type.wgsl"
//% set REDUCE_TYPE = "vec2<f32>"
//% set REDUCE_WORD = "vec2<u32>"
//% set REDUCE_SUFFIX = "2"
//% set REDUCE_HELD = "reduce_slots2"
//% include again "plan/reduce_type.wgsl"
//% set REDUCE_TYPE = "vec4<f32>"
//% set REDUCE_WORD = "vec4<u32>"
//% set REDUCE_SUFFIX = "4"
//% set REDUCE_HELD = "reduce_slots4"
//% include again "plan/reduce_type.wgsl"
