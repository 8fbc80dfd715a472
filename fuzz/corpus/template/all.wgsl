//% set BLOCKS = K / 32
//%% a comment
//% for r in 0..R
let x${r} = ${r * 4 + BLOCKS % 3};
//% if SUBGROUPS && r > 1
${BODY}
//% elif FORMAT == "Q8_0" || !defined(NOTHING)
// ${FORMAT}
//% else
no
//% end
//% end
//% include "plan/reduce_slots.wgsl"
