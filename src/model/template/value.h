/// Values of chat templates: Python's, as far as templates see them. All lie in the arena of one render, whose limits
/// every allocation and every step counts against. Each byte of a text knows whether it came from the template or from
/// data, through all that is done with it.
///
/// Functions that return bool return false after the render's failure was set (weft_j_fail).
#ifndef WEFT_MODEL_TEMPLATE_VALUE_H
#define WEFT_MODEL_TEMPLATE_VALUE_H
#include "core/arena.h"
#include "core/json_read.h"
#include "weft/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum weft_j_kind {
    WEFT_J_MISSING, ///< an argument that was not given; never a value of a template
    WEFT_J_UNDEFINED,
    WEFT_J_NONE,
    WEFT_J_BOOL,
    WEFT_J_INT,
    WEFT_J_REAL,
    WEFT_J_STR,
    WEFT_J_LIST,
    WEFT_J_MAP,
    WEFT_J_SPACE, ///< namespace()
    WEFT_J_MACRO,
    WEFT_J_METHOD,
    WEFT_J_FUNCTION,
    WEFT_J_LOOP,
};

enum weft_j_flavour { WEFT_J_PLAIN, WEFT_J_TUPLE, WEFT_J_RANGE, WEFT_J_VIEW, WEFT_J_GENERATOR };

/// A text, never changed once made. Without `marks` all bytes are as `data` says.
struct weft_js {
    const char *text;
    const uint8_t *marks; ///< a byte each: 1 from data, 0 from the template
    size_t len;
    bool data;
    bool markup;             ///< behind `|safe`: `+` escapes what it is joined with
    struct weft_jbuf *owner; ///< the buffer that it begins, or NULL; where it ends the buffer, more may be appended
};

struct weft_jv {
    enum weft_j_kind kind;
    union {
        bool b;
        int64_t i;
        double r;
        const struct weft_js *s; ///< of UNDEFINED what is missing, as a sentence
        struct weft_jlist *list;
        struct weft_jmap *map; ///< of MAP and SPACE
        struct weft_jmacro *macro;
        struct weft_jmethod *method;
        const struct weft_jfunction *function;
        struct weft_jloop *loop;
    };
};

struct weft_jlist {
    struct weft_jv *items;
    size_t n, cap;
    enum weft_j_flavour flavour;
    bool spent; ///< a generator that was read
};

struct weft_jmap {
    struct weft_jv *keys, *values;
    size_t n, cap;
};

struct weft_jargs {
    struct weft_jv *items;
    size_t n;
    const struct weft_js **names; ///< of the last `named` items
    size_t named;                 ///< items behind the first n
};

/// A text that grows.
struct weft_jbuf {
    char *text;
    uint8_t *marks;
    size_t len, cap;
};

/// What one render has and may use up.
struct weft_jrun {
    struct weft_arena arena;
    uint64_t steps, turns;
    size_t bytes, output, depth, most_depth;
    uint32_t line, column; ///< of the node at work
    weft_status status;
    const struct weft_template *t;
    const struct weft_template_options *options;
    struct weft_jscope *scope;
    struct weft_jbuf *out;
    bool is_root_output;
};

// ---- failing, counting --------------------------------------------------------------------------------------------

bool weft_j_fail(struct weft_jrun *r, weft_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool weft_j_steps(struct weft_jrun *r, size_t n);
bool weft_j_charge(struct weft_jrun *r, size_t bytes); ///< counts memory that is taken elsewhere
void *weft_j_alloc(struct weft_jrun *r, size_t size);  ///< zeroed; NULL after a failure
/// One level deeper; weft_j_leave takes it back, also after a failure of what lies between.
bool weft_j_enter(struct weft_jrun *r);
static inline void weft_j_leave(struct weft_jrun *r) { r->depth--; }

// ---- making -------------------------------------------------------------------------------------------------------

static inline struct weft_jv weft_j_none(void) { return (struct weft_jv){.kind = WEFT_J_NONE}; }
static inline struct weft_jv weft_j_bool(bool b) { return (struct weft_jv){.kind = WEFT_J_BOOL, .b = b}; }
static inline struct weft_jv weft_j_int(int64_t i) { return (struct weft_jv){.kind = WEFT_J_INT, .i = i}; }
static inline struct weft_jv weft_j_real(double x) { return (struct weft_jv){.kind = WEFT_J_REAL, .r = x}; }
static inline struct weft_jv weft_j_text(const struct weft_js *s) {
    return (struct weft_jv){.kind = WEFT_J_STR, .s = s};
}

/// A text whose bytes stay where they are.
bool weft_j_str(struct weft_jrun *r, const char *text, size_t n, bool data, struct weft_jv *out);
bool weft_j_slice(struct weft_jrun *r, const struct weft_js *s, size_t from, size_t to, struct weft_jv *out); ///< bytes
bool weft_j_undefined(struct weft_jrun *r, struct weft_jv *out, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool weft_j_list(struct weft_jrun *r, size_t cap, enum weft_j_flavour flavour, struct weft_jv *out);
bool weft_j_append(struct weft_jrun *r, struct weft_jlist *list, struct weft_jv v);
bool weft_j_pair(struct weft_jrun *r, struct weft_jv a, struct weft_jv b, struct weft_jv *out); ///< a tuple of two
bool weft_j_map(struct weft_jrun *r, struct weft_jv *out);
bool weft_j_put(struct weft_jrun *r, struct weft_jmap *map, struct weft_jv key, struct weft_jv v);
bool weft_j_get(struct weft_jrun *r, const struct weft_jmap *map, struct weft_jv key, size_t *place);
bool weft_j_get_text(const struct weft_jmap *map, const char *key, size_t n, size_t *place); ///< without counting
bool weft_j_from_json(struct weft_jrun *r, const struct weft_json_value *v, bool data, struct weft_jv *out);

bool weft_j_add(struct weft_jrun *r, struct weft_jbuf *b, const char *text, size_t n, const uint8_t *marks, bool data);
bool weft_j_add_js(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_js *s, size_t from, size_t to);
bool weft_j_add_word(struct weft_jrun *r, struct weft_jbuf *b, const char *word); ///< of the template
/// A buffer that begins with `s`. Where `s` ends its own buffer this is that one, so that a text which grows by `+` in
/// a loop takes time and memory in proportion to its length; shorter texts in it stay what they are.
struct weft_jbuf *weft_j_tail(struct weft_jrun *r, const struct weft_js *s);
bool weft_j_owned(struct weft_jrun *r, struct weft_jbuf *b, struct weft_jv *out); ///< the text of such a buffer
bool weft_j_done(struct weft_jrun *r, struct weft_jbuf *b, bool markup, struct weft_jv *out);

// ---- asking -------------------------------------------------------------------------------------------------------

bool weft_j_true(const struct weft_jv *v);
const char *weft_j_type(const struct weft_jv *v); ///< "a string"
bool weft_j_is(const struct weft_jv *v, const char *word);
static inline bool weft_j_js_is(const struct weft_js *s, const char *word, size_t n) {
    if (s->len != n) return false;
    for (size_t i = 0; i < n; i++)
        if (s->text[i] != word[i]) return false;
    return true;
}
/// BOOL, INT and REAL as a double.
bool weft_j_number(const struct weft_jv *v, double *x);
bool weft_j_whole(const struct weft_jv *v, int64_t *x); ///< BOOL and INT

/// Python's ==, which never fails but by limits.
bool weft_j_equal(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, bool *equal);
/// Python's <=>, which fails for what has no order.
bool weft_j_compare(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, int *order);
/// Python's `a in b`.
bool weft_j_contains(struct weft_jrun *r, const struct weft_jv *a, const struct weft_jv *b, bool *in);
/// Where `needle` begins at or behind byte `from`; SIZE_MAX where it doesn't.
bool weft_j_find(struct weft_jrun *r, const struct weft_js *s, const struct weft_js *needle, size_t from, size_t *at);
/// What a loop over `v` meets, as a list: elements, keys, characters. A generator is spent by it.
bool weft_j_iterate(struct weft_jrun *r, const struct weft_jv *v, struct weft_jlist **out);

/// str(v), and repr(v) where `quoted`, appended or as a value; a text comes back as it is.
bool weft_j_print(struct weft_jrun *r, struct weft_jbuf *b, const struct weft_jv *v, bool quoted);
bool weft_j_to_str(struct weft_jrun *r, const struct weft_jv *v, struct weft_jv *out);
size_t weft_j_real_text(double x, char *to); ///< repr of a float; `to` holds 40 bytes

/// Puts arguments in the order of `names` ("a,b,c"); those not given are MISSING.
bool weft_j_bind(struct weft_jrun *r, const char *what, const struct weft_jargs *args, const char *names,
                 struct weft_jv *out);
#endif
