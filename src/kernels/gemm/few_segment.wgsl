//%% One segment of few.wgsl: outputs col0 .. col0 + N of NA contractions that share x. Lane groups of TPR threads
//%% own R outputs each. CHUNK (0: all) blocks of 32 columns are staged at a time. ORDERED: sums as plan/order.h says.
//%% EXPERTS: row m0 chooses a matrix
//%% of N rows of each weight; of these, rows PART .. PART + ROWS are here, and where that is not all, the others'
//%% outputs are another step's (MT is 1 then).
fn segment_${S}(tile: u32, m0: u32, lid: u32) {
    let lane = lid % ${TPR}u;
    let n0 = (tile * ${WG / TPR}u + lid / ${TPR}u) * ${R}u;
//% for a in 0..NA
//% for r in 0..R
//% for m in 0..MT
    var a${a}_${r}_${m} = 0.0;
//% end
//% end
//% end
//% if EXPERTS
//% for a in 0..NA
//% set AT = FIRST + a
    let own${a} = expert_w${AT}(m0) * ${N}u;
//% for r in 0..R
//% if ALL
    let row${a}_${r} = own${a} + min(n0 + ${r}u, ${N - 1}u);
//% else
    let row${a}_${r} = own${a} + min(n0 + ${r}u, ${N - 1}u) - ${PART}u; // wraps in front of the part
//% end
//% end
//% end
//% if !ALL
    var here = false;
//% for r in 0..R
    here |= row0_${r} < ${ROWS}u;
//% end
    let blocks = select(0u, ${KB}u, here); // no barrier stands in a loop that some threads leave out
//% end
//% end
//% if CHUNK
    for (var first = 0u; first < ${KB}u; first += ${CHUNK}u) {
        workgroupBarrier(); // all have read the chunk before
        stage_chunk(m0, first, lid);
        workgroupBarrier(); // xs is whole before any lane reads it
//% if !ALL
    for (var own = lane; own < min(${CHUNK}u, max(blocks, first) - first); own += ${TPR}u) {
//% else
    for (var own = lane; own < min(${CHUNK}u, ${KB}u - first); own += ${TPR}u) {
//% end
        let blk = first + own;
//% elif !ALL
    for (var blk = lane; blk < blocks; blk += ${TPR}u) {
//% else
    for (var blk = lane; blk < ${KB}u; blk += ${TPR}u) {
//% end
//% if ORDERED
//% for a in 0..NA
//% set AT = FIRST + a
//% for r in 0..R
        {
//% if !EXPERTS
            let w = w_load_w${AT}(min(n0 + ${r}u, ${N - 1}u), blk);
//% elif ALL
            let w = w_load_w${AT}(row${a}_${r}, blk);
//% else
            let w = w_load_w${AT}(min(row${a}_${r}, ${ROWS - 1}u), blk);
//% end
//% for m in 0..MT
//% for j in 0..8
            a${a}_${r}_${m} = fma4(a${a}_${r}_${m}, xs[${m}u * KQ + ${XB} * 8u + ${j}u], w[${j}]);
//% end
//% end
        }
//% end
//% end
//% elif MT == 1
//% for j in 0..8
        let x${j} = xs[${XB} * 8u + ${j}u];
//% end
        let sums = w_sums(x0, x1, x2, x3, x4, x5, x6, x7);
//% for a in 0..NA
//% set AT = FIRST + a
//% for r in 0..R
//% if !EXPERTS
        a${a}_${r}_0 += w_dots_w${AT}(min(n0 + ${r}u, ${N - 1}u), blk, x0, x1, x2, x3, x4, x5, x6, x7, sums);
//% elif ALL
        a${a}_${r}_0 += w_dots_w${AT}(row${a}_${r}, blk, x0, x1, x2, x3, x4, x5, x6, x7, sums);
//% else
        a${a}_${r}_0 += w_dots_w${AT}(min(row${a}_${r}, ${ROWS - 1}u), blk, x0, x1, x2, x3, x4, x5, x6, x7, sums);
//% end
//% end
//% end
//% else
//% for a in 0..NA
//% set AT = FIRST + a
//% for r in 0..R
        {
            let w = w_load_w${AT}(min(n0 + ${r}u, ${N - 1}u), blk);
//% for m in 0..MT
            {
                let at = ${m}u * KQ + ${XB} * 8u;
                let low = (w[0] * xs[at] + w[1] * xs[at + 1u]) + (w[2] * xs[at + 2u] + w[3] * xs[at + 3u]);
                let high = (w[4] * xs[at + 4u] + w[5] * xs[at + 5u]) + (w[6] * xs[at + 6u] + w[7] * xs[at + 7u]);
                a${a}_${r}_${m} += w_fold(low + high);
            }
//% end
        }
//% end
//% end
//% end
    }
//% if CHUNK
    }
//% end
//% if TPR > 1
//% for a in 0..NA
//% for r in 0..R
//% for m in 0..MT
//% if ORDERED
    a${a}_${r}_${m} = lanes_sum(a${a}_${r}_${m}, lid);
//% else
    a${a}_${r}_${m} = group_sum(a${a}_${r}_${m}, lid);
//% end
//% end
//% end
//% end
//% end
    if (lane == 0u) {
//% for r in 0..R
//% if ALL
        if (n0 + ${r}u < ${N}u) {
//% else
        if (n0 + ${r}u < ${N}u && row0_${r} < ${ROWS}u) {
//% end
//% for m in 0..MT
            if (m0 + ${m}u < p.rows) {
                epilogue_${S}(m0 + ${m}u, p.col0 + n0 + ${r}u
//% for a in 0..NA
                    , a${a}_${r}_${m}
//% end
                );
            }
//% end
        }
//% end
    }
}
