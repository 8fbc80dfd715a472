//% include "plan/no_such.wgsl"
//% end
${UNKNOWN}
