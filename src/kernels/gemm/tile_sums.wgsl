//%% Products of a block of 32 along k from a_tile and b_tile, added to ${SUM}i_j, i below TM and j below TN.
        workgroupBarrier(); // tiles are whole
        for (var q = 0u; q < 8u; q++) {
//% for i in 0..TM
            let x${i} = a_tile[(ty + ${i * TY}u) * 9u + q];
//% end
//% for j in 0..TN
            let w${j} = b_tile[(tx + ${j * TX}u) * 9u + q];
//% end
//% for i in 0..TM
//% for j in 0..TN
//% if ORDERED && T == "f32"
            ${SUM}${i}_${j} = fma4(${SUM}${i}_${j}, x${i}, w${j});
//% else
            ${SUM}${i}_${j} += dot(x${i}, w${j});
//% end
//% end
//% end
        }
        workgroupBarrier(); // all have read before the next block is staged
