//%% Body shared by wg_* and group_*: folds REDUCE_N slots from REDUCE_BASE on, and returns. REDUCE_LOCAL counts threads
//%% from the group's first.
    workgroupBarrier(); // slots are written
//% if REDUCE_N > 16
//% set REDUCE_M = REDUCE_N / 16
//% if REDUCE_N > 256
//% set REDUCE_M = REDUCE_N / 32
//% end
    // ${REDUCE_M} threads fold ${REDUCE_N} slots; each writes only a slot that it alone reads.
    if (${REDUCE_LOCAL} < ${REDUCE_M}u) {
        let at = ${REDUCE_BASE} + ${REDUCE_LOCAL};
        var part = bitcast<${REDUCE_ITEM}>(${REDUCE_HELD}[at]);
//% for REDUCE_K in 1..REDUCE_N / REDUCE_M
        part = ${REDUCE_CALL}(part${REDUCE_OP}bitcast<${REDUCE_ITEM}>(${REDUCE_HELD}[at + ${REDUCE_K * REDUCE_M}u]));
//% end
        ${REDUCE_HELD}[at] = bitcast<${REDUCE_WORD}>(part);
    }
    workgroupBarrier(); // folded slots are written
//% set REDUCE_N = REDUCE_M
//% end
    var total = bitcast<${REDUCE_ITEM}>(${REDUCE_HELD}[${REDUCE_BASE}]);
//% for REDUCE_K in 1..REDUCE_N
    total = ${REDUCE_CALL}(total${REDUCE_OP}bitcast<${REDUCE_ITEM}>(${REDUCE_HELD}[${REDUCE_BASE} + ${REDUCE_K}u]));
//% end
    workgroupBarrier(); // slots are read, the next call may write
    return total;
