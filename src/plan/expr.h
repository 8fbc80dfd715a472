/// Scalar programs: what stands between a group of nodes and a kernel's text.
///
/// A program computes values at a point (row, column) of an index space. It is straight-line: an instruction reads
/// instructions before it, and an instruction that exists is never made again, so that equal work is shared. The space
/// has axes, some of which run along the column (those that are reduced; else the innermost), the others along the row.
/// A program knows neither threads nor loops: schedules (kernels/map) render it to WGSL (plan/expr_wgsl.h).
///
/// Indices are u32 instructions like any others. An index map (a transpose, a slice, an expanded axis) is therefore no
/// structure of its own: it is arithmetic on the coordinates at which a value is asked for.
///
/// Everything is allocated in the plan's arena; running out of memory is reported by weft_lower_fail.
#ifndef WEFT_PLAN_EXPR_H
#define WEFT_PLAN_EXPR_H
#include "plan/lower.h"
#include "plan/scalar.h"

#define WEFT_X_NONE UINT32_MAX

enum weft_xop {
    WEFT_XOP_CONST,     ///< bits u of type
    WEFT_XOP_DIM,       ///< live size number u of the step
    WEFT_XOP_COLUMNS,   ///< number of columns, in a parameter of the surrounding kernel
    WEFT_XOP_VAR,       ///< device variable in word u of the block
    WEFT_XOP_ROW,       ///< place along the row axes, u32
    WEFT_XOP_COL,       ///< place along the column axes, u32
    WEFT_XOP_CHUNK,     ///< chunk of the row that the schedule is at, u32
    WEFT_XOP_ARG,       ///< number u of what the surrounding kernel computed, such as a product
    WEFT_XOP_PLACE,     ///< number u of where the surrounding kernel is, beside row and column, u32; one value a row
    WEFT_XOP_LOAD,      ///< element a[0] of load u of the step, where a[1] (if n is 2) is not 0, else 0
    WEFT_XOP_STATE_ROW, ///< row of memory at which operand u, a state, keeps row a[0], if n is 2 of slot a[1]
    WEFT_XOP_CALL,      ///< fn of a[0 .. n)
    WEFT_XOP_REDUCE,    ///< a[0] over all columns of the row, by `u` (WEFT_X_REDUCTION); one value a row
};
/// What a REDUCE joins and of which elements, which decides the value of nothing; never MEAN, which is a sum divided.
#define WEFT_X_REDUCTION(kind, dtype) ((uint32_t)(kind) | (uint32_t)(dtype) << 8)
#define WEFT_X_REDUCTION_KIND(u) ((enum weft_reduction)((u)&255))
#define WEFT_X_REDUCTION_OF(u) ((weft_dtype)((u) >> 8))

/// How far a value varies: the same for the launch, the same for all columns of a row, one for each column.
enum weft_xscope { WEFT_X_LAUNCH, WEFT_X_ROW, WEFT_X_COL };

struct weft_x {
    uint8_t op;    ///< enum weft_xop
    uint8_t type;  ///< enum weft_xtype
    uint8_t scope; ///< enum weft_xscope
    uint8_t n;     ///< operands
    uint8_t level; ///< reductions on the deepest path to it, its own counted
    uint32_t a[3];
    uint32_t u;
    const struct weft_scalar *fn; ///< CALL
};

/// Writes value `x` to element `index` of an operand where `when` (WEFT_X_NONE: always) is not 0. `once`: the value is
/// one a row, and is stored once. `last`: after all stores that are not, since what it writes over may be read by them.
/// `packed`: elements that share words, which the schedule owns; `index` is then row * n + column.
struct weft_xstore {
    const char *name; ///< of the operand
    weft_value v;     ///< what it stores, or the version of a state that it makes
    uint32_t operand; ///< number in the step
    uint32_t x, index, when;
    weft_dtype dtype;
    bool once, last, packed;
};

/// Live numbers that programs of a step use, as parameter words e0, e1, ... after the kernel's own fields. It is the
/// head of the step's cfg.
#define WEFT_X_DIMS 24
struct weft_xdims {
    uint32_t n;
    weft_dim dims[WEFT_X_DIMS];
};

/// What the programs of one step have in common: its operands and parameters.
struct weft_xstep {
    struct weft_lower *l;
    struct weft_step *s;
    uint32_t group; ///< of nodes
    struct weft_xdims dims;
    struct weft_xload {
        weft_value v;
        weft_dtype dtype;
        uint32_t operand;
        const char *name;
        bool raw;
    } loads[WEFT_MAX_OPERANDS];
    uint32_t n_loads, n_stores;
    uint32_t trees; ///< mask of the functions of plan/reduce_tree.wgsl that its text calls
    bool uses_sincos;
    struct {
        weft_value v;
        uint32_t tensor;
    } narrow[16]; ///< values whose elements share words, stored as a word each in a scratch tensor
    uint32_t n_narrow;
};

/// Where a value is asked for. Either the point (row, col) of a space, with axes aligned at the last, or explicit
/// coordinates, one for each axis of the value.
struct weft_at {
    bool explicit_;                ///< `c` counts, with `rank` axes
    uint32_t when;                 ///< condition under which the value is there; WEFT_X_NONE: always
    const struct weft_type *space; ///< of a point: NULL for the program's own, else a shape of as many elements,
    uint32_t cols;                 ///< whose axes in this mask run along `col`, the others along `row`
    uint32_t row, col;
    uint32_t rank, c[WEFT_MAX_RANK];
};

struct weft_xmemo {
    weft_value v;
    uint32_t x;
    struct weft_at at;
};

struct weft_expr {
    struct weft_xstep *step;
    struct weft_type space; ///< index space
    struct weft_type shape; ///< of the values that have it: the space, but for an empty axis that counts as one
    uint32_t cols;          ///< mask of the axes that run along the column
    bool suffix;            ///< these are the last ones: element row * n + col of the space is in row-major order
    bool raw;               ///< values are bits, never numbers: a program that only moves elements keeps every pattern
    bool row_words;         ///< the schedule of a program with rows owns the words of tensors of that shape
    bool padded;            ///< an axis counts as one where it has no elements: values that have it are not there
    bool flat;              ///< all axes run along the column, and a thread has whole words of a tensor of that shape
    const char *phase;      ///< a packed store that may begin inside a word; NULL: none does
    const char *columns_field; ///< see weft_expr_begin
    uint32_t each;             ///< rows of a workgroup, by a schedule that has any; 0: flat
    weft_dim rows, n;          ///< product of the row axes, of the column axes
    struct weft_x *x;
    uint32_t n_x, cap_x;
    uint32_t *table, cap_table; ///< instructions by hash
    struct weft_xmemo *memo;    ///< values at places
    uint32_t n_memo, cap_memo;
    struct {
        weft_value v;
        uint32_t x;
    } given[32]; ///< values that the surrounding kernel computed
    uint32_t n_given;
    struct weft_xstore stores[32];
    uint32_t n_stores;
    uint32_t roots[4], n_roots; ///< values that the surrounding kernel takes
    uint32_t x_row, x_col, x_n; ///< instructions ROW and COL, and the number of columns
    uint32_t x_number;          ///< see weft_x_number; WEFT_X_NONE until somebody asks
};

void weft_xstep_begin(struct weft_xstep *t, struct weft_lower *l, struct weft_step *s, uint32_t group);
/// Goes on with another step of the same group, which stores other elements of the same values.
void weft_xstep_next(struct weft_xstep *t, struct weft_step *s);
/// A program over `space` whose axes in `cols` run along the column. `columns_field` (NULL: none): the parameter, such
/// as "p.width", in which the surrounding kernel has the number of columns; programs of other widths then have equal
/// text.
void weft_expr_begin(struct weft_expr *e, struct weft_xstep *step, struct weft_type space, uint32_t cols,
                     const char *columns_field);
/// The point at hand.
struct weft_at weft_x_point(const struct weft_expr *e);
/// Number of the element at the point, in row-major order.
uint32_t weft_x_number(struct weft_expr *e);
/// The place of a value of the group at the point: the point where it has the space's shape, or one element a row; the
/// element of the same number where it has another shape of as many elements, or of as many as there are rows.
struct weft_at weft_x_place_of(struct weft_expr *e, const struct weft_type *t);

// ---- instructions --------------------------------------------------------------------------------------------------
uint32_t weft_x_f32(struct weft_expr *e, float x);
uint32_t weft_x_u32(struct weft_expr *e, uint32_t x);
uint32_t weft_x_const(struct weft_expr *e, enum weft_xtype type, double x);
uint32_t weft_x_dim(struct weft_expr *e, weft_dim d);
uint32_t weft_x_arg(struct weft_expr *e, uint32_t number, enum weft_xtype type);
uint32_t weft_x_place(struct weft_expr *e, uint32_t number);
uint32_t weft_x_var(struct weft_expr *e, weft_value var);
/// Value of a CONST instruction.
double weft_x_const_value(const struct weft_x *x);
/// Calls of all-constant operands are folded through fn->host.
uint32_t weft_x_call(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, const uint32_t *args,
                     uint32_t n);
uint32_t weft_x_call1(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a);
uint32_t weft_x_call2(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a, uint32_t b);
uint32_t weft_x_call3(struct weft_expr *e, const struct weft_scalar *fn, enum weft_xtype type, uint32_t a, uint32_t b,
                      uint32_t c);
/// Element type `dtype` as the program has it: a number, or bits where it is raw.
uint32_t weft_x_element(struct weft_expr *e, weft_dtype dtype, double x);
/// The bits of x as another type of 32 bits.
uint32_t weft_x_as_bits(struct weft_expr *e, enum weft_xtype type, uint32_t x);
/// First (0) or second (1) value of a PAIR.
uint32_t weft_x_part(struct weft_expr *e, uint32_t pair, uint32_t part);
extern const struct weft_scalar weft_fn_first, weft_fn_second;
/// `when` (WEFT_X_NONE: always): where it is 0 nothing is read, and the value is 0.
uint32_t weft_x_load(struct weft_expr *e, uint32_t load, enum weft_xtype type, uint32_t index, uint32_t when);
uint32_t weft_x_state_row(struct weft_expr *e, uint32_t operand, uint32_t row, uint32_t slot); ///< WEFT_X_NONE: no slot
/// `dtype`: of the elements that x stands for.
uint32_t weft_x_reduce(struct weft_expr *e, enum weft_reduction kind, weft_dtype dtype, uint32_t x);

/// The mean of the columns, of which `sum` is the sum: NaN without columns.
uint32_t weft_x_mean(struct weft_expr *e, uint32_t sum);

// u32 arithmetic of indices, with x + 0, x * 1, 0 * x, x / 1 and x % 1 folded.
uint32_t weft_x_add(struct weft_expr *e, uint32_t a, uint32_t b);
uint32_t weft_x_sub(struct weft_expr *e, uint32_t a, uint32_t b); ///< wraps
uint32_t weft_x_mul(struct weft_expr *e, uint32_t a, uint32_t b);
uint32_t weft_x_div(struct weft_expr *e, uint32_t a, uint32_t b); ///< a constant divisor 0 counts as 1
uint32_t weft_x_mod(struct weft_expr *e, uint32_t a, uint32_t b); ///< likewise
uint32_t weft_x_min(struct weft_expr *e, uint32_t a, uint32_t b);
uint32_t weft_x_less(struct weft_expr *e, uint32_t a, uint32_t b); ///< of u32: 1 or 0, f32
uint32_t weft_x_both(struct weft_expr *e, uint32_t a, uint32_t b); ///< of truth values; WEFT_X_NONE counts as true
/// By how much u32 value `x` grows with `by`, which is ROW or COL: a constant, or -1 where it is none.
int64_t weft_x_slope(const struct weft_expr *e, uint32_t x, uint32_t by);
/// `yes` where `when` is not 0, else `no`; of one type, whatever it is.
uint32_t weft_x_select(struct weft_expr *e, uint32_t when, uint32_t yes, uint32_t no);

// ---- values --------------------------------------------------------------------------------------------------------
/// The type in which operators compute a value: i32 and u32 for integers, f32 for floats and truth values.
enum weft_xtype weft_x_type_of(weft_dtype dtype);
/// Coordinate of axis `axis` of a value of rank `rank` at `at`.
uint32_t weft_x_coord(struct weft_expr *e, const struct weft_at *at, uint32_t rank, uint32_t axis);
/// The same of a value of type t: 0 along an axis of one element, which may be broadcast there.
uint32_t weft_x_coord_of(struct weft_expr *e, const struct weft_at *at, const struct weft_type *t, uint32_t axis);
/// A graph value: computed if a node of the group makes it, else loaded.
uint32_t weft_x_value(struct weft_expr *e, weft_value v, const struct weft_at *at);
/// The same at coordinates c[0 .. rank) of the value's own axes, where `when` is not 0; `at` is where it is asked from.
uint32_t weft_x_value_at(struct weft_expr *e, weft_value v, const uint32_t *c, uint32_t when, const struct weft_at *at);
/// Lets `v` be number `number` of what the surrounding kernel computed.
void weft_x_give(struct weft_expr *e, weft_value v, uint32_t number);
/// A constant table as an operand that weft_x_load reads; made once a step for each name.
uint32_t weft_x_table(struct weft_expr *e, const char *name, const void *data, uint64_t bytes);
// Rows in chunks, which leave partial results to steps behind in tensors of words.
uint32_t weft_x_chunk(struct weft_expr *e);
/// The value of `type` in word `index` of a scratch tensor.
uint32_t weft_x_scratch(struct weft_expr *e, uint32_t tensor, enum weft_xtype type, uint32_t index);
/// Stores x, one a row or a chunk, in word `index` of a scratch tensor.
void weft_x_store_scratch(struct weft_expr *e, uint32_t tensor, uint32_t x, uint32_t index);
/// The REDUCE of a node: of a mean, the sum.
uint32_t weft_x_reduction(struct weft_expr *e, const struct weft_node *n);
/// Gives a value of the graph, which is then not computed.
void weft_x_know(struct weft_expr *e, weft_value v, uint32_t x);
/// Stores the value (of a sink: its operand, into the state).
void weft_x_store_value(struct weft_expr *e, weft_value v);
void weft_x_store_sink(struct weft_expr *e, const struct weft_node *n);
/// The node that makes v, if it is one that writes a range of a state; else NULL.
const struct weft_node *weft_x_range_writer(const struct weft_lower *l, weft_value v);
/// The value in whose memory v, which a view of the group makes, lies: its operand, if that is stored too, or an
/// earlier view of the same elements. WEFT_NO_VALUE: v is computed and stored like any other.
weft_value weft_x_rests_in(const struct weft_lower *l, uint32_t group, weft_value v);
/// Type of what is stored under the name of v: of a range of a state, not all of the state.
const struct weft_type *weft_x_stored_type(const struct weft_lower *l, weft_value v);

// ---- finishing a step ----------------------------------------------------------------------------------------------
/// Installs the kernel's fields followed by the live sizes, and the cfg (whose first member is weft_xdims).
void weft_xstep_finish(struct weft_xstep *t, const struct weft_field *own);
/// Fills the words of live sizes after the kernel's own `n_own`.
void weft_x_update(const struct weft_update *u, uint32_t n_own, uint32_t *words);
/// Lets the step be split (weft_emit_items): its workgroups do `items` rows each (`by_row`) or elements of the one
/// space.
void weft_x_split(struct weft_expr *e, bool by_row, uint32_t items);
/// The same where each workgroup does `chunk` columns of a row, and `chunks` (0: not known) of them make a row.
void weft_x_split_chunks(struct weft_expr *e, uint64_t chunk, uint64_t chunks);
#endif
