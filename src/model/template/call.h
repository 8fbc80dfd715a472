/// What templates can call: methods, functions, filters and tests, each a row of a table, and what evaluates nodes.
#ifndef WEFT_MODEL_TEMPLATE_CALL_H
#define WEFT_MODEL_TEMPLATE_CALL_H
#include "model/template/ast.h"

enum weft_j_how { WEFT_J_AS_UPPER, WEFT_J_AS_LOWER, WEFT_J_AS_TITLE, WEFT_J_AS_WORDS, WEFT_J_AS_CAPITALIZED };

typedef bool (*weft_j_call)(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,
                            struct weft_jv *out);
/// `self` is what stands in front of the bar.
typedef bool (*weft_j_test_call)(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,
                                 bool *out);

struct weft_jfunction {
    const char *name;
    weft_j_call call;
};

struct weft_jmethod {
    const struct weft_jfunction *function;
    struct weft_jv self;
};

struct weft_jscope {
    struct weft_jscope *up;
    struct weft_jvar {
        const struct weft_js *name;
        struct weft_jv value;
    } * vars;
    size_t n, cap;
};

struct weft_jmacro {
    const struct weft_js *name; ///< NULL for the body of a call block
    const struct weft_jnode *parameters, *body;
    struct weft_jscope *scope; ///< where it was defined
    unsigned special;
};

struct weft_jloop {
    const struct weft_jnode *node;
    struct weft_jscope *scope; ///< around the loop, for loop(...)
    struct weft_jlist *items;
    size_t index, depth;
    struct weft_jv last; ///< what loop.changed saw
    bool finished;       ///< a turn came to its end
};

// ---- tables; NULL where there is none ------------------------------------------------------------------------------

const struct weft_jfunction *weft_j_find_filter(const struct weft_js *name);
weft_j_test_call weft_j_find_test(const char *name, size_t n);
const struct weft_jfunction *weft_j_find_method(const struct weft_jv *self, const struct weft_js *name);
const struct weft_jfunction *weft_j_functions(size_t *n); ///< the globals

// ---- access (access.c) ---------------------------------------------------------------------------------------------

bool weft_j_attr(struct weft_jrun *r, const struct weft_jv *v, const struct weft_js *name, struct weft_jv *out);
bool weft_j_item(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv *key, struct weft_jv *out);
/// v[from:to:step]; parts not given are MISSING.
bool weft_j_slice_of(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv part[3], struct weft_jv *out);
/// What `attribute='a.b.0'` of a filter means.
bool weft_j_path(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jv *path, struct weft_jv *out);

// ---- operators (operators.c) ---------------------------------------------------------------------------------------

bool weft_j_binary(struct weft_jrun *r, int op, const struct weft_jv *a, const struct weft_jv *b, struct weft_jv *out);
bool weft_j_negate(struct weft_jrun *r, const struct weft_jv *v, bool minus, struct weft_jv *out);
bool weft_j_related(struct weft_jrun *r, int op, const struct weft_jv *a, const struct weft_jv *b, bool *out);
/// "%s" % v and "{}".format(...).
bool weft_j_percent(struct weft_jrun *r, const struct weft_js *format, const struct weft_jv *v, struct weft_jv *out);
bool weft_j_braces(struct weft_jrun *r, const struct weft_js *format, const struct weft_jargs *args,
                   struct weft_jv *out);

// ---- texts that methods and filters share (strings.c) --------------------------------------------------------------

bool weft_j_strip(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *chars, int sides,
                  struct weft_jv *out); ///< sides: 1 left, 2 right; NULL chars are blanks
bool weft_j_change_case(struct weft_jrun *r, const struct weft_js *s, enum weft_j_how how, struct weft_jv *out);
bool weft_j_replace(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *old, const struct weft_js *new_,
                    int64_t count, struct weft_jv *out); ///< negative count: all
bool weft_j_join(struct weft_jrun *r, const struct weft_js *between, const struct weft_jlist *list, bool strict,
                 struct weft_jv *out); ///< strict: strings only, as the method has it

/// Where the line that begins at byte `from` ends; `*next` is where the one behind it begins. As str.splitlines has it.
size_t weft_j_line(const struct weft_js *s, size_t from, size_t *next);
bool weft_j_read_int(const struct weft_js *s, int64_t *x); ///< int("...")
bool weft_j_read_real(const struct weft_js *s, double *x); ///< float("..."), without inf and nan

// ---- JSON (tojson.c) -----------------------------------------------------------------------------------------------

bool weft_j_tojson(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args, struct weft_jv *out);
bool weft_j_fromjson(struct weft_jrun *r, const struct weft_jv *self, const struct weft_jargs *args,
                     struct weft_jv *out);

// ---- filters of lists and of texts ---------------------------------------------------------------------------------

extern const struct weft_jfunction weft_j_text_filters[], weft_j_list_filters[]; ///< ended by a NULL name

// ---- evaluation (eval.c, exec.c) -----------------------------------------------------------------------------------

bool weft_j_eval(struct weft_jrun *r, const struct weft_jnode *n, struct weft_jv *out);
bool weft_j_set(struct weft_jrun *r, const struct weft_js *name, struct weft_jv v); ///< in the scope at work
bool weft_j_apply_filter(struct weft_jrun *r, const struct weft_jnode *filter, struct weft_jv v, struct weft_jv *out);
bool weft_j_call_value(struct weft_jrun *r, const struct weft_jv *callee, const struct weft_jargs *args,
                       struct weft_jv *out);
/// The argument list of a call; `caller`, if any, is added by name.
bool weft_j_arguments(struct weft_jrun *r, const struct weft_jnode *call, const struct weft_jv *caller,
                      struct weft_jargs *out);
bool weft_j_exec(struct weft_jrun *r, const struct weft_jnode *list); ///< all of a template
bool weft_j_call_macro(struct weft_jrun *r, const struct weft_jmacro *m, const struct weft_jargs *args,
                       struct weft_jv *out);
bool weft_j_call_loop(struct weft_jrun *r, const struct weft_jloop *loop, const struct weft_jv *items,
                      struct weft_jv *out);
#endif
