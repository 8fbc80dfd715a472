//%% Ends what groups_begin.wgsl begins: groups are added up in their order.
    }
//% if ORDERED
//% for i in 0..TM
//% for j in 0..TN
        s${i}_${j} += t${i}_${j};
//% end
//% end
    }
//% end
