//%% What becomes of vector g of the sums, v, of column `col` of a tile (rows_segment.wgsl).
//% for t in 0..4 / NP
        {
            let row = m0 + g * ${4 / NP / R}u + ${t / R}u;
            let at = n0 + col + ${t % R * COLS}u;
            if (row < p.rows && at < ${N}u) {
                result_${S}(${PIECE}, row, at
//% for a in 0..NA
                    , v[${t * NP + a}]
//% end
                );
            }
        }
//% end
