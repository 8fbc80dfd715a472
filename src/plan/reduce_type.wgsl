//%% The reductions of plan/reduce.wgsl for one type: REDUCE_TYPE, with names ending in REDUCE_SUFFIX.
//%% Slots of reduce_slots hold what threads or subgroups found; where more than 16 remain, the first threads fold them.
var<workgroup> reduce_slots${REDUCE_SUFFIX}: array<${REDUCE_TYPE}, ${REDUCE_SLOTS}>;
//% for REDUCE_MAX in 0..2
//% if REDUCE_MAX
//% set REDUCE_NAME = "max"
//% set REDUCE_OP = ", "
//% set REDUCE_CALL = "max"
//% set REDUCE_WAVE = "subgroupMax"
//% set REDUCE_NEUTRAL = "-3.4028234e38"
//% else
//% set REDUCE_NAME = "sum"
//% set REDUCE_OP = " + "
//% set REDUCE_CALL = ""
//% set REDUCE_WAVE = "subgroupAdd"
//% set REDUCE_NEUTRAL = "0.0"
//% end

fn wg_${REDUCE_NAME}${REDUCE_SUFFIX}(x: ${REDUCE_TYPE}, lid: u32) -> ${REDUCE_TYPE} {
//% if SUBGROUPS && WG <= REDUCE_SG
    return ${REDUCE_WAVE}(x);
//% else
//% if SUBGROUPS
    let wave = ${REDUCE_WAVE}(x);
    let first = subgroupBroadcastFirst(lid);
    // A subgroup larger than SG has several slots: its result goes to the first, the neutral value to the others.
    if (first == lid) {
        reduce_slots${REDUCE_SUFFIX}[lid / ${REDUCE_SG}u] = wave;
    } else if (lid % ${REDUCE_SG}u == 0u) {
        reduce_slots${REDUCE_SUFFIX}[lid / ${REDUCE_SG}u] = ${REDUCE_TYPE}(${REDUCE_NEUTRAL});
    }
//% else
    reduce_slots${REDUCE_SUFFIX}[lid] = x;
//% end
//% set REDUCE_N = WG / REDUCE_SG
//% set REDUCE_BASE = "0u"
//% set REDUCE_LOCAL = "lid"
//% include again "plan/reduce_slots.wgsl"
//% end
}
//% if defined(LANES)

fn group_${REDUCE_NAME}${REDUCE_SUFFIX}(x: ${REDUCE_TYPE}, lid: u32) -> ${REDUCE_TYPE} {
//% set REDUCE_WIDTH = REDUCE_SG
//% if LANES < REDUCE_SG
//% set REDUCE_WIDTH = LANES
//% end
//% set REDUCE_N = LANES / REDUCE_WIDTH
    var v = x;
//% set REDUCE_STEP = 1
//% for REDUCE_I in 0..8
//% if REDUCE_STEP < REDUCE_WIDTH
    v = ${REDUCE_CALL}(v${REDUCE_OP}subgroupShuffleXor(v, ${REDUCE_STEP}u));
//% end
//% set REDUCE_STEP = REDUCE_STEP * 2
//% end
//% if REDUCE_N == 1
    return v;
//% else
//% if REDUCE_WIDTH == 1
    reduce_slots${REDUCE_SUFFIX}[lid] = v;
//% else
    if (lid % ${REDUCE_WIDTH}u == 0u) {
        reduce_slots${REDUCE_SUFFIX}[lid / ${REDUCE_WIDTH}u] = v;
    }
//% end
    let base = lid / ${LANES}u * ${REDUCE_N}u;
    let local = lid % ${LANES}u;
//% set REDUCE_BASE = "base"
//% set REDUCE_LOCAL = "local"
//% include again "plan/reduce_slots.wgsl"
//% end
}
//% end
//% end
