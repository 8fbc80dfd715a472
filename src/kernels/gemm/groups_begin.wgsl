//%% The loop over blocks `blk` of 32 along k, from FIRST to LAST (texts), up to the end that groups_end.wgsl closes.
//%% Sums of the body are ${SUM}i_j, i below TM and j below TN. ORDERED: in groups (plan/order.h), of PIECE blocks one
//%% behind the other, or of every LANES-th block where PIECE is 0, SLICES groups
//%% a turn; T is f32 then, or the order is no matter.
//% if ORDERED
//% set SUM = "t"
//% if PIECE
    for (var from_blk = ${FIRST}; from_blk < ${LAST}; from_blk += ${PIECE}u) {
//% elif SLICES > 1
    for (var turn = 0u; turn < ${LANES}u; turn += ${SLICES}u) {
//% for i in 0..TM
//% for j in 0..TN
        var u${i}_${j} = ${T}(0);
//% end
//% end
    for (var from_blk = turn; from_blk < turn + ${SLICES}u; from_blk++) {
//% else
    for (var from_blk = 0u; from_blk < ${LANES}u; from_blk++) {
//% end
//% for i in 0..TM
//% for j in 0..TN
        var t${i}_${j} = ${T}(0);
//% end
//% end
//% if PIECE
    for (var blk = from_blk; blk < min(from_blk + ${PIECE}u, ${LAST}); blk++) {
//% else
    for (var blk = from_blk; blk < ${LAST}; blk += ${LANES}u) {
//% end
//% else
//% set SUM = "s"
    for (var blk = ${FIRST}; blk < ${LAST}; blk++) {
//% end
