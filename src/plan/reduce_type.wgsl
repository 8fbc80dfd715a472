//%% The reductions of plan/reduce.wgsl for one type: REDUCE_TYPE, with names ending in REDUCE_SUFFIX.
//%% Slots of REDUCE_HELD hold what threads or subgroups found; where more than 16 remain, the first threads fold them.
var<workgroup> ${REDUCE_HELD}: array<${REDUCE_WORD}, ${REDUCE_SLOTS}>;

// Integers of the order of floats with NaN above all, so that a maximum of them knows infinities and loses no NaN.
fn reduce_key${REDUCE_SUFFIX}(x: ${REDUCE_TYPE}) -> ${REDUCE_WORD} {
    let bits = bitcast<${REDUCE_WORD}>(x);
    let below = bits >= ${REDUCE_WORD}(0x80000000u);
    let nan = (bits & ${REDUCE_WORD}(0x7fffffffu)) > ${REDUCE_WORD}(0x7f800000u);
    return select(select(bits | ${REDUCE_WORD}(0x80000000u), ~bits, below), ${REDUCE_WORD}(0xffffffffu), nan);
}

fn reduce_value${REDUCE_SUFFIX}(key: ${REDUCE_WORD}) -> ${REDUCE_TYPE} {
    let above = key >= ${REDUCE_WORD}(0x80000000u);
    return bitcast<${REDUCE_TYPE}>(select(~key, key & ${REDUCE_WORD}(0x7fffffffu), above));
}
//% for REDUCE_MAX in 0..2
//% if REDUCE_MAX
//% set REDUCE_NAME = "max_key"
//% set REDUCE_ITEM = REDUCE_WORD
//% set REDUCE_OP = ", "
//% set REDUCE_CALL = "max"
//% set REDUCE_WAVE = "subgroupMax"
//% set REDUCE_NEUTRAL = "0u"
//% else
//% set REDUCE_NAME = "sum"
//% set REDUCE_ITEM = REDUCE_TYPE
//% set REDUCE_OP = " + "
//% set REDUCE_CALL = ""
//% set REDUCE_WAVE = "subgroupAdd"
//% set REDUCE_NEUTRAL = "0.0"
//% end

fn wg_${REDUCE_NAME}${REDUCE_SUFFIX}(x: ${REDUCE_ITEM}, lid: u32) -> ${REDUCE_ITEM} {
//% if SUBGROUPS && WG <= REDUCE_SG
    return ${REDUCE_WAVE}(x);
//% else
//% if SUBGROUPS
    let wave = ${REDUCE_WAVE}(x);
    let first = subgroupBroadcastFirst(lid);
    // A subgroup larger than SG has several slots: its result goes to the first, the neutral value to the others.
    if (first == lid) {
        ${REDUCE_HELD}[lid / ${REDUCE_SG}u] = bitcast<${REDUCE_WORD}>(wave);
    } else if (lid % ${REDUCE_SG}u == 0u) {
        ${REDUCE_HELD}[lid / ${REDUCE_SG}u] = bitcast<${REDUCE_WORD}>(${REDUCE_ITEM}(${REDUCE_NEUTRAL}));
    }
//% else
    ${REDUCE_HELD}[lid] = bitcast<${REDUCE_WORD}>(x);
//% end
//% set REDUCE_N = WG / REDUCE_SG
//% set REDUCE_BASE = "0u"
//% set REDUCE_LOCAL = "lid"
//% include again "plan/reduce_slots.wgsl"
//% end
}
//% if defined(LANES)

fn group_${REDUCE_NAME}${REDUCE_SUFFIX}(x: ${REDUCE_ITEM}, lid: u32) -> ${REDUCE_ITEM} {
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
    ${REDUCE_HELD}[lid] = bitcast<${REDUCE_WORD}>(v);
//% else
    if (lid % ${REDUCE_WIDTH}u == 0u) {
        ${REDUCE_HELD}[lid / ${REDUCE_WIDTH}u] = bitcast<${REDUCE_WORD}>(v);
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

fn wg_max${REDUCE_SUFFIX}(x: ${REDUCE_TYPE}, lid: u32) -> ${REDUCE_TYPE} {
    return reduce_value${REDUCE_SUFFIX}(wg_max_key${REDUCE_SUFFIX}(reduce_key${REDUCE_SUFFIX}(x), lid));
}
//% if defined(LANES)

fn group_max${REDUCE_SUFFIX}(x: ${REDUCE_TYPE}, lid: u32) -> ${REDUCE_TYPE} {
    return reduce_value${REDUCE_SUFFIX}(group_max_key${REDUCE_SUFFIX}(reduce_key${REDUCE_SUFFIX}(x), lid));
}
//% end
