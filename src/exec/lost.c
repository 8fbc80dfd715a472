/// What the objects of exec have in common when a device was lost: each remembers why it could not be made again.
#include "core/error.h"
#include "exec/exec_impl.h"
#include <stdio.h>

weft_status weft_stay_lost(char why[WEFT_LOST_WHY], weft_status status) {
    if (status == WEFT_OK) why[0] = 0;
    else snprintf(why, WEFT_LOST_WHY, "%s", weft_error_message());
    return status;
}

const char *weft_plan_title(const struct weft_plan *plan) {
    for (uint32_t i = 0; i < plan->n_ios; i++)
        if (plan->ios[i].is_output && plan->ios[i].name) return plan->ios[i].name;
    return plan->n_ios && plan->ios[0].name ? plan->ios[0].name : "";
}
