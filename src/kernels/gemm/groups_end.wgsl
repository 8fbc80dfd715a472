//%% Ends what groups_begin.wgsl begins: groups are added up in their order, those of a turn first.
    }
//% if ORDERED
//% if SLICES > 1
//% for i in 0..TM
//% for j in 0..TN
        u${i}_${j} += t${i}_${j};
//% end
//% end
    }
//% set TURN = "u"
//% else
//% set TURN = "t"
//% end
//% for i in 0..TM
//% for j in 0..TN
        s${i}_${j} += ${TURN}${i}_${j};
//% end
//% end
    }
//% end
