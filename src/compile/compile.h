/// From a graph to a plan. driver.c lists the passes in order, passes.h declares them; each has its file.
#ifndef WEFT_COMPILE_COMPILE_H
#define WEFT_COMPILE_COMPILE_H
#include "plan/lower.h"
#include "weft/program.h"

struct weft_compile_params {
    /// Cuts the range of one symbol into schedules: {1, 16} makes [lo, 1], [2, 16], [17, hi].
    const char *split_symbol;
    int64_t split_at[8];
    uint32_t n_splits;
    const struct weft_plan *weights_of; ///< place weights of equal name, type and shape where this plan has them
    /// Checked build: every accessor compares its index with the operand's live length; outside it reads zeros, writes
    /// nothing, and records step, operand and index for weft_session_fault. Slow; steps that have no binding or
    /// parameter words left for it stay unchecked, and the report names them.
    bool checked;
    /// Tests of the checkers: 1: overlaps with a written range are taken for one element map; 2: and no plan is
    /// checked.
    int skip_alias_check;
    uint32_t page_rows;                  ///< rows of a page of paged states: a power of two from 4 to 4096; 0: chosen
    enum weft_state_policy state_policy; ///< as in weft_program_compile_params
    enum weft_numbers numbers;           ///< likewise
    /// Specialises for one size: values of all symbols in the graph's order, or NULL. Of the schedules only the one
    /// that covers them is made, with the kernels that it has without this; values, inputs and outputs get memory for
    /// that size alone, and sessions of the program take no other (INVALID).
    const int64_t *bind;
    const char *tune;         ///< file of measured shapes (weft_profile_tune); NULL: that of WEFT_TUNE, if it is set
    const char *show;         ///< name of a pass, or NULL
    struct weft_str *show_to; ///< receives what stands behind that pass, as text (weft inspect --passes)
    /// The graph is compiled as it is written: nothing is folded, simplified, merged or removed. For tests of kernels,
    /// which constants and equal nodes are to reach, and of these passes.
    bool as_written;
    int no_fuse; ///< 1: every node its own step; 2: regions, but no prologues or epilogues (tests, checker of fusion)
    /// May be NULL. Called behind the passes over the graph, and behind each schedule.
    void (*progress)(void *user, size_t done, size_t total);
    void *progress_user;
};

/// Compiles `graph` (consumed, also on failure: the plan owns it afterwards) for a device's capabilities.
/// Errors name node, shape and limit; CANCELLED, looked at for each pass, and for each group and step in long ones.
weft_status weft_compile(struct weft_graph *graph, const struct weft_gpu_caps *caps,
                         const struct weft_compile_params *params, struct weft_plan **out);
void weft_plan_destroy(struct weft_plan *plan);

/// What a pass works on.
enum weft_pass_scope {
    WEFT_PASS_PLAN,  ///< the graph, and the plan as a whole
    WEFT_PASS_LOWER, ///< a schedule that becomes groups and steps
    WEFT_PASS_STEPS, ///< a schedule that has its steps
    WEFT_PASS_END    ///< all schedules
};
struct weft_pass_info {
    const char *name;
    enum weft_pass_scope scope;
    const char *leaves; /* a sentence */
};
/// Pass number `index` in the order in which they run, NULL behind the last.
const struct weft_pass_info *weft_pass_list(size_t index);

/// Grid at the guard's upper end, workgroup and workgroup memory against the device. Errors: LIMIT.
weft_status weft_plan_check_limits(const struct weft_plan *plan, const struct weft_schedule *schedule,
                                   const struct weft_step *step);
/// Checks a whole schedule as WebGPU would, independently of the binder: usage by buffer, overlaps by range, limits,
/// every read of a transient preceded by a write in the run, no transient's range reused while it is alive, and what
/// the policies of states ask (weft_plan_check_states).
weft_status weft_plan_check(const struct weft_plan *plan, const struct weft_schedule *schedule);

/// Of states of two buffers: the past is written by nobody but the commit of a double-buffered one, which comes last,
/// whole and always; the present is written before it is read; whoever writes it has the past at hand; no step of a
/// state in place names a present.
weft_status weft_plan_check_states(const struct weft_plan *plan, const struct weft_schedule *schedule);

/// Text or JSON for `weft inspect`.
void weft_plan_print(const struct weft_plan *plan, bool json, struct weft_str *out);
#endif
