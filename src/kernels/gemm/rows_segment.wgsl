//%% One segment of rows.wgsl: NA contractions that share x, with N columns each, R of them a thread. SPLIT blocks of 32
//%% are a piece. The sums of an output are added up in the order of columns within a slice, then of slices.
//%% result_S(piece, row, col, sums of the contractions) is the caller's. NP: NA or the next power of two, R * NP is at
//%% most 4. ORDERED: sums as plan/order.h says, where slices have blocks LANES apart, a workgroup TURNS turns,
//%% and a piece is a turn (APART), or all turns are added up here.
fn segment_${S}(tile: u32, piece: u32, m0: u32, lid: u32) {
    let slice = lid / ${COLS}u;
    let own = lid % ${COLS}u;
    let n0 = tile * ${COLS * R}u;
//% set GROUPS = BM * R * NP / 4
//% if ORDERED
//% set STRIDE = LANES
    let end = ${KB}u;
    var begin = piece * ${TURNS * KS}u;
//% for i in 0..STEPS
    var x${i} = staged(m0, begin, lid + ${i * WG}u);
//% end
//% if !APART
//% for u in 0..(GROUPS + KS - 1) / KS
    var total${u} = vec4<f32>(0.0);
//% end
//% end
    for (var turn = piece * ${TURNS}u; turn < (piece + 1u) * ${TURNS}u; turn++) {
//% else
//% set STRIDE = KS
    let begin = piece * ${SPLIT}u;
    let end = min(begin + ${SPLIT}u, ${KB}u);
//% end
//% for m in 0..BM
//% for r in 0..R
//% for a in 0..NP
    var s${m}_${r}_${a} = 0.0;
//% end
//% end
//% end
    var buffer = 0u;
//% if !ORDERED
//% for i in 0..STEPS
    var x${i} = staged(m0, begin, lid + ${i * WG}u);
//% end
//% end
    for (var first = begin; first < end; first += ${STRIDE}u) {
//% if ORDERED
        let next = select(begin + ${KS}u, first + ${STRIDE}u, first + ${STRIDE}u < end); // in the turn, or behind it
//% end
        // Blocks of the weight are asked for in front of the barrier, and the next rows behind it, so that both are
        // under way while others compute.
        let blk = min(first + slice, ${KB - 1}u);
//% for a in 0..NA
//% set AT = FIRST + a
//% for r in 0..R
        let w${a}_${r} = w_load_w${AT}(min(n0 + own + ${r * COLS}u, ${N - 1}u), blk);
//% end
//% end
//% for i in 0..STEPS
        xs[buffer + lid + ${i * WG}u] = x${i};
//% end
        workgroupBarrier(); // the chunk is there, and all have read the one before the last
//% for i in 0..STEPS
//% if ORDERED
        x${i} = staged(m0, next, lid + ${i * WG}u);
//% else
        x${i} = staged(m0, first + ${KS}u, lid + ${i * WG}u);
//% end
//% end
        let at = buffer + slice * 8u;
        buffer = ${BM * KS * 8}u - buffer;
        if (first + slice < end) {
//% for j in 0..8
//% for m in 0..BM
            {
                let x = xs[${m * KS * 8 + j}u + at];
//% for a in 0..NA
//% for r in 0..R
                s${m}_${r}_${a} = fma(x.x, w${a}_${r}[${j}].x, s${m}_${r}_${a});
                s${m}_${r}_${a} = fma(x.y, w${a}_${r}[${j}].y, s${m}_${r}_${a});
                s${m}_${r}_${a} = fma(x.z, w${a}_${r}[${j}].z, s${m}_${r}_${a});
                s${m}_${r}_${a} = fma(x.w, w${a}_${r}[${j}].w, s${m}_${r}_${a});
//% end
//% end
            }
//% end
//% end
        }
    }
    workgroupBarrier(); // all have read the last chunk
//%% Vector g holds sums 4 g .. 4 g + 3 of a thread, in the order of rows, columns, contractions.
//% for g in 0..GROUPS
    xs[(${g * KS}u + slice) * ${COLS}u + own] = vec4<f32>(
//% for c in 0..4
//% set E = g * 4 + c
//% set M = E / (R * NP)
//% set RR = E / NP % R
//% set A = E % NP
//% if c < 3
        s${M}_${RR}_${A},
//% else
        s${M}_${RR}_${A});
//% end
//% end
//% end
    workgroupBarrier(); // sums of all slices are there
//% if ORDERED
//% for u in 0..(GROUPS + KS - 1) / KS
    if (lid + ${u * WG}u < ${GROUPS * COLS}u) {
        let i = lid + ${u * WG}u;
        let g = i / ${COLS}u;
        let col = i % ${COLS}u;
        var v = vec4<f32>(0.0);
//% for s in 0..KS
        v += xs[g * ${KS * COLS}u + ${s * COLS}u + col];
//% end
//% if APART
//% set PIECE = "turn"
//% include again "kernels/gemm/rows_results.wgsl"
//% else
        total${u} += v;
//% end
    }
//% end
    begin += ${KS}u;
    workgroupBarrier(); // all have read the sums
    }
//% if !APART
//% for u in 0..(GROUPS + KS - 1) / KS
    if (lid + ${u * WG}u < ${GROUPS * COLS}u) {
        let g = (lid + ${u * WG}u) / ${COLS}u;
        let col = (lid + ${u * WG}u) % ${COLS}u;
        let v = total${u};
//% set PIECE = "0u"
//% include again "kernels/gemm/rows_results.wgsl"
    }
//% end
//% end
//% else
//% set PIECE = "piece"
    for (var i = lid; i < ${GROUPS * COLS}u; i += WG) {
        let g = i / ${COLS}u;
        let col = i % ${COLS}u;
        var v = xs[g * ${KS * COLS}u + col];
//% for s in 1..KS
        v += xs[g * ${KS * COLS}u + ${s * COLS}u + col];
//% end
//% include again "kernels/gemm/rows_results.wgsl"
    }
//% end
}
