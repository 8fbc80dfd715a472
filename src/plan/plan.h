/// The compiled form of a graph: schedules of steps over a common set of tensors. Made by compile/, replayed by exec/.
#ifndef WEFT_PLAN_PLAN_H
#define WEFT_PLAN_PLAN_H
#include "core/map.h"
#include "plan/kernel.h"
#include "plan/profile.h"
#include "plan/wpair.h"

#define WEFT_HEAPS 4

/// A run of rows of a weight in one shard: what one dispatch can bind. A weight above the binding limit has several.
struct weft_weight_part {
    uint64_t row0, rows;
    uint32_t shard;
    uint64_t offset;
    uint64_t bytes;
    uint64_t plane[WEFT_PLANE_COUNT];
    uint32_t tensor;
};

/// How a weight lies on the device follows from who reads it. One weight may have several forms.
enum weft_weight_form {
    WEFT_FORM_PACKED,   ///< tiles of plan/wlayout.h, for products and lookups of rows; may have parts
    WEFT_FORM_ELEMENTS, ///< what an accessor reads element by element, as any other value (weft_lower_dtype); one part
    WEFT_FORM_TABLE,    ///< words that a lowering made; one part
    WEFT_FORMS
};

/// What of its leaves a form holds.
enum weft_weight_from {
    WEFT_FROM_LEAF,   ///< all of `value`
    WEFT_FROM_QUANTS, ///< PACKED: the numbers of a pair (plan/wpair.h), which are `value`; pairs may share them
    WEFT_FROM_SCALES, ///< PACKED: the scales of a pair, which are `value`; its numbers are another weight's
    WEFT_FROM_BOTH,   ///< the elements of a pair, whose numbers are `value`
};

/// One form of a weight, a constant or a table. `plane` offsets in a part are relative to the part's offset.
struct weft_plan_weight {
    uint32_t index;   ///< in plan->weights
    const char *name; ///< NULL: a constant
    weft_value value; ///< graph leaf, or WEFT_NO_VALUE for a table made by lowering
    enum weft_weight_form form;
    enum weft_weight_from from;
    struct weft_wpair pair;            ///< but FROM_LEAF: what matters of it for this form, else zeros
    uint32_t quants;                   ///< FROM_SCALES: index of the weight that has plane q
    weft_dtype dtype;                  ///< of the file; FROM_BOTH: F32
    const struct weft_wlayout *layout; ///< PACKED
    uint64_t rows, k;                  ///< [rows, k]
    uint64_t first;                    ///< element of the leaf (FROM_BOTH: of the pair) that is element 0 here
    const void *data;                  ///< plain tables made by lowering (arena)
    uint64_t data_bytes;
    struct weft_weight_part *parts;
    uint32_t n_parts;
};

struct weft_plan_state {
    weft_value value; ///< initial version in the graph
    const char *name;
    enum weft_state_kind kind;
    enum weft_state_policy policy; ///< IN_PLACE, PING_PONG or DOUBLE
    uint64_t bytes;                ///< one session's, of each buffer
    uint32_t tensor;
    uint32_t var_slot;        ///< VAR: (first) word in the variables block
    uint32_t slots;           ///< sequences that it is kept for: rows of each lie together; of VAR: words. 1 for most
    uint64_t row_bytes, rows; ///< a row, and rows of one slot
    // what a run does to it (compile/positions.c)
    bool written;        ///< by an operator; else it is the host's
    bool raised;         ///< by one that writes other things than zeros (weft_state_access.clears)
    bool non_positional; ///< written by operators beside the sequence (weft_state_access.beside)
    uint32_t position;   ///< rows are written from this position on (in plan->positions); WEFT_NO_POSITION
    uint64_t window;     ///< rows before a position that its readers need; UINT64_MAX: all
    uint32_t pages;      ///< PAGED: its group in plan->page_groups
    uint64_t page_bytes; ///< PAGED: of one page of this state
};

/// What messages and prints call it.
static inline const char *weft_weight_name(const struct weft_plan_weight *w) { return w->name ? w->name : "constant"; }

/// Bytes of a plane of `rows` rows in this weight itself.
static inline uint64_t weft_weight_plane_bytes(const struct weft_plan_weight *w, enum weft_wplane plane,
                                               uint64_t rows) {
    return w->from == WEFT_FROM_SCALES && plane == WEFT_PLANE_Q ? 0 : weft_wlayout_bytes(w->layout, plane, rows, w->k);
}

#define WEFT_NO_POSITION UINT32_MAX
/// A word of a variable that says where in a sequence a run stands: the host follows it without reading it back. A
/// variable by slot has one for each, one behind the other.
struct weft_plan_position {
    uint32_t state;   ///< the variable
    uint32_t word;    ///< in the variables block
    weft_dim by;      ///< a run moves it on by this much, and
    uint32_t by_word; ///< by the value of this word, which only the host writes; WEFT_NO_WORD: none
    /// While this word is 0 nothing moves it, and what runs ask of its slot asks nothing of the host. The host writes
    /// it, operators at most clear it. WEFT_NO_WORD: none.
    uint32_t gate_word;
    bool untracked; ///< other operators than `advance` write it: only the device knows it
};
#define WEFT_NO_WORD UINT32_MAX

/// What runs must keep to, as the host can tell: the value of a variable, moved on by `span`, is at most `most` (and,
/// of BOUND, at least `least`).
struct weft_plan_limit {
    enum weft_limit_kind kind;
    uint32_t variable; ///< in plan->states
    uint32_t word;     ///< of it, in the variables block
    uint32_t position; ///< in plan->positions; WEFT_NO_POSITION: no operator writes it
    const char *name;  ///< of the state whose rows it is about; of REACH, of the operator
    weft_dim span;     ///< live: rows or steps from the value at the start of a run on; 0 or less: none
    weft_dim by;       ///< a run moves the variable on by this much
    uint32_t by_word;  ///< and both by the value of this word, which only the host writes; WEFT_NO_WORD: none
    weft_dim most;
    int64_t least;
};

/// Buffers of a state in each session: the version that a run reads and the one that it leaves lie in one or in two.
static inline uint32_t weft_state_buffers(const struct weft_plan_state *s) {
    return s->policy == WEFT_STATE_PING_PONG || s->policy == WEFT_STATE_DOUBLE ? 2 : 1;
}

/// In the number of a state's tensor and in its memory key: the present of a state of two buffers. Without it: its
/// past, or the only buffer.
#define WEFT_STATE_PRESENT (1u << 23)

/// Why a pair of past and present is no state in this plan.
enum weft_separation {
    WEFT_SEPARATE_BY_PAIR = 1,    ///< its own policy
    WEFT_SEPARATE_BY_PROGRAM = 2, ///< the program's policy
};
struct weft_plan_pair {
    const char *past, *present;
    uint8_t separate; /* enum weft_separation, or-ed */
};

struct weft_plan_io {
    const char *name;
    weft_value value;
    uint32_t tensor;
    weft_dtype dtype;
    bool is_output;
};

/// Steps for a range of host dims.
struct weft_schedule {
    const char *name;
    int64_t lo[WEFT_MAX_SYMBOLS], hi[WEFT_MAX_SYMBOLS]; ///< guard: symbol ranges, inclusive
    struct weft_step *steps;
    uint32_t n_steps;
    struct weft_tensor *tensors; ///< all tensors of this schedule; shared kinds have equal indices and offsets in each
    uint32_t n_tensors;
    uint64_t heap_bytes[WEFT_HEAPS]; ///< what this schedule needs of each heap
    uint64_t lower_bound;            ///< bytes of the largest set of transients alive at once
    uint64_t copied_bytes;           ///< by is_copy steps: because of aliasing, and commits of double-buffered states
};

struct weft_plan;
/// The largest value of a dim that inputs and outputs need room for: its upper bound, or the one value of a bound plan.
int64_t weft_plan_max(const struct weft_plan *plan, weft_dim d);

/// a * b, or a bound that no device has when that overflows; adding 255 to it does not.
static inline uint64_t weft_bytes_times(uint64_t a, uint64_t b) {
    return b && a > UINT64_MAX / 4 / b ? UINT64_MAX / 4 : a * b;
}

/// Bytes of a state's elements, of all slots.
static inline uint64_t weft_plan_state_used_bytes(const struct weft_plan_state *s) {
    return weft_bytes_times(weft_bytes_times(s->rows, s->slots), s->row_bytes);
}

/// The same in whole words; the rest of its buffer is padding, which nobody reads.
static inline uint64_t weft_plan_state_live_bytes(const struct weft_plan_state *s) {
    return (weft_plan_state_used_bytes(s) + 3) & ~(uint64_t)3;
}

/// Bytes that so many words of variables take, without the page tables behind them.
static inline uint64_t weft_vars_bytes(uint32_t words) { return weft_align256(words * 4ull); }

/// Index of the tensor that stands for part `part` of weight `weight`.
static inline uint32_t weft_part_key(uint32_t weight, uint32_t part) { return weight << 12 | part; }

/// Words of a session's fault buffer, which the accessors of a checked plan write. The first fault wins.
enum weft_fault_word {
    WEFT_FAULT_SET,
    WEFT_FAULT_STEP,
    WEFT_FAULT_OPERAND,
    WEFT_FAULT_INDEX,
    WEFT_FAULT_LENGTH,
    WEFT_FAULT_WORDS
};
#define WEFT_FAULT_BYTES 256
#define WEFT_VAR_ACTIVE 0 ///< word 0 of the variables block

#define WEFT_MOST_VARS 4096 ///< words of variables; page tables stand behind them
#define WEFT_MAX_SPANS 4

/// Rows that a run writes to paged states from where they stand: `rows`, and as many as the word says which the host
/// writes (that of slot 0; those of the others follow).
struct weft_plan_span {
    weft_dim rows;
    uint32_t word; ///< WEFT_NO_WORD: none
};

/// Paged states whose rows are written from one position on, or of each slot from the slot's own. They share their
/// pages: page n is the same place in the pool of each of them. Page 0 belongs to nobody: table entries without a page
/// lead there. A pool lies in banks, buffers of at most one binding: bank b has pages b * bank_pages .. (b + 1) *
/// bank_pages - 1.
struct weft_plan_pages {
    uint32_t position;   ///< in plan->positions; of states by slot that of slot 0, those of the others follow
    uint32_t shift;      ///< a page has 1 << shift rows
    uint32_t n;          ///< pages of a whole context of one slot
    uint32_t slots;      ///< each of which has a table; 1 where states have none
    uint32_t first;      ///< number of slot 0's table among those of all groups
    uint32_t table;      ///< first word of slot 0's table in the variables block; those of the others follow
    uint64_t rows;       ///< least capacity of its states, of one slot
    uint64_t page_bytes; ///< of one page of all its states
    uint32_t bank_pages; ///< most that a binding holds of each of its states
    uint32_t n_banks;    ///< that kernels bind: 1 where a context fits it, else those of two, or as many as there are
                         ///< bindings for
    struct weft_plan_span spans[WEFT_MAX_SPANS]; ///< rows that a run writes: the largest of these
    uint32_t n_spans;
};

/// Words of a table: an entry for each page and one that stays 0.
static inline uint32_t weft_table_words(const struct weft_plan_pages *g) { return g->n + 1; }

/// What a plan needs while it is compiled, and not afterwards.
struct weft_plan_scratch {
    struct weft_map texts; ///< expanded templates and whole kernels, by what they are made of
};

struct weft_plan {
    struct weft_arena arena;
    struct weft_graph *graph;    ///< after the graph passes; owns dims
    struct weft_gpu_caps caps;   ///< for which it was compiled
    struct weft_profile profile; ///< of the caps
    struct weft_schedule *schedules;
    uint32_t n_schedules;
    struct weft_plan_weight *weights;
    uint32_t n_weights;
    uint64_t *shard_bytes;
    uint32_t n_shards;
    uint32_t shared_shards; ///< the first so many belong to another plan (weft_compile_params.weights_of)
    struct weft_plan_state *states;
    uint32_t n_states;
    struct weft_plan_io *ios;
    uint32_t n_ios;
    struct weft_plan_pair *pairs;
    uint32_t n_pairs; ///< those that are kept separate
    struct weft_plan_position *positions;
    uint32_t n_positions;
    struct weft_plan_limit *limits;
    uint32_t n_limits; ///< by kind
    struct weft_plan_pages *page_groups;
    uint32_t n_page_groups;
    uint32_t n_page_tables; ///< of all groups: one for each slot
    uint64_t vars_bytes;    ///< of a session's variables block with its page tables
    /// Sequences that it serves: slots of all states that are kept by slot, and words of the variables that say where
    /// they stand. 1 where there are none, 0 where these differ.
    uint32_t slots;
    bool may_stop;   ///< a step may clear `active`: the host's positions are then upper bounds
    uint32_t n_vars; ///< words in the variables block
    uint64_t heap_bytes[WEFT_HEAPS];
    uint32_t n_pipelines;           ///< distinct (wgsl, kinds)
    bool bound;                     ///< for one size only: weft_compile_params.bind
    int64_t bind[WEFT_MAX_SYMBOLS]; ///< if bound
    bool checked;                   ///< checked build of the accessors (weft_compile_params.checked)
    struct weft_str report;         ///< what was fused, copied and why, a line each
    struct weft_plan_scratch scratch;
};

/// Whether a state or variable has a part for each slot of the plan. Where there is one slot, everything is that
/// slot's.
static inline bool weft_plan_by_slot(const struct weft_plan *plan, uint32_t state) {
    const struct weft_plan_state *s = &plan->states[state];
    if (s->slots != plan->slots) return false;
    return s->slots == 1 || s->kind == WEFT_STATE_VAR || plan->graph->values[s->value].by_slot;
}

/// Bytes that a reader of a part reads: with scales that have their numbers in another weight, those too.
static inline uint64_t weft_weight_bytes(const struct weft_plan *plan, const struct weft_plan_weight *w,
                                         uint32_t part) {
    return w->parts[part].bytes + (w->from == WEFT_FROM_SCALES ? plan->weights[w->quants].parts[part].bytes : 0);
}
#endif
