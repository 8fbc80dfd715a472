/// What stands behind `is`.
#include "model/template/methods.h"

#include <string.h>

#define TEST(name)                                                                                                     \
    static bool name(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, bool *out)

static bool plain(struct weft_jrun *r, const struct weft_jargs *args, bool yes, bool *out) {
    *out = yes;
    return weft_j_bind(r, "the test", args, "", NULL);
}

TEST(is_defined) { return plain(r, args, v->kind != WEFT_J_UNDEFINED, out); }
TEST(is_undefined) { return plain(r, args, v->kind == WEFT_J_UNDEFINED, out); }
TEST(is_none) { return plain(r, args, v->kind == WEFT_J_NONE, out); }
TEST(is_boolean) { return plain(r, args, v->kind == WEFT_J_BOOL, out); }
TEST(is_true) { return plain(r, args, v->kind == WEFT_J_BOOL && v->b, out); }
TEST(is_false) { return plain(r, args, v->kind == WEFT_J_BOOL && !v->b, out); }
TEST(is_integer) { return plain(r, args, v->kind == WEFT_J_INT, out); }
TEST(is_float) { return plain(r, args, v->kind == WEFT_J_REAL, out); }
TEST(is_number) { return plain(r, args, v->kind >= WEFT_J_BOOL && v->kind <= WEFT_J_REAL, out); }
TEST(is_string) { return plain(r, args, v->kind == WEFT_J_STR, out); }
TEST(is_mapping) { return plain(r, args, v->kind == WEFT_J_MAP, out); }
TEST(is_escaped) { return plain(r, args, v->kind == WEFT_J_STR && v->s->markup, out); }

// What has a length and elements by place or key; Jinja counts strings, maps and undefined values.
TEST(is_sequence) {
    bool list = v->kind == WEFT_J_LIST && v->list->flavour <= WEFT_J_RANGE;
    return plain(r, args, list || v->kind == WEFT_J_STR || v->kind == WEFT_J_MAP || v->kind == WEFT_J_UNDEFINED, out);
}

TEST(is_iterable) {
    bool yes = v->kind == WEFT_J_LIST || v->kind == WEFT_J_STR || v->kind == WEFT_J_MAP || v->kind == WEFT_J_LOOP ||
               v->kind == WEFT_J_UNDEFINED;
    return plain(r, args, yes, out);
}

TEST(is_callable) { return plain(r, args, v->kind >= WEFT_J_MACRO || v->kind == WEFT_J_UNDEFINED, out); }

static bool cased(struct weft_jrun *r, const struct weft_jv *v, const struct weft_jargs *args, bool upper, bool *out) {
    struct weft_jv s;
    if (!weft_j_to_str(r, v, &s) || !weft_j_steps(r, s.s->len / 16)) return false;
    return plain(r, args, weft_j_all_cased(s.s, upper), out);
}

TEST(is_upper) { return cased(r, v, args, true, out); }
TEST(is_lower) { return cased(r, v, args, false, out); }

static bool operand(struct weft_jrun *r, const struct weft_jargs *args, struct weft_jv *other) {
    if (!weft_j_bind(r, "the test", args, "other", other)) return false;
    return other->kind != WEFT_J_MISSING || weft_j_fail(r, WEFT_ERR_INVALID, "the test needs a value behind it");
}

static bool leaves(struct weft_jrun *r, const struct weft_jv *v, struct weft_jv by, int64_t rest, bool *out) {
    struct weft_jv got, want = weft_j_int(rest);
    return weft_j_binary(r, '%', v, &by, &got) && weft_j_equal(r, &got, &want, out);
}

TEST(is_odd) { return weft_j_bind(r, "odd", args, "", NULL) && leaves(r, v, weft_j_int(2), 1, out); }
TEST(is_even) { return weft_j_bind(r, "even", args, "", NULL) && leaves(r, v, weft_j_int(2), 0, out); }

TEST(is_divisible) {
    struct weft_jv other;
    return operand(r, args, &other) && leaves(r, v, other, 0, out);
}

static bool related(struct weft_jrun *r, int op, const struct weft_jv *v, const struct weft_jargs *args, bool *out) {
    struct weft_jv other;
    return operand(r, args, &other) && weft_j_related(r, op, v, &other, out);
}

TEST(is_equal) { return related(r, WEFT_J_OP2('=', '='), v, args, out); }
TEST(is_other) { return related(r, WEFT_J_OP2('!', '='), v, args, out); }
TEST(is_less) { return related(r, '<', v, args, out); }
TEST(is_at_most) { return related(r, WEFT_J_OP2('<', '='), v, args, out); }
TEST(is_greater) { return related(r, '>', v, args, out); }
TEST(is_at_least) { return related(r, WEFT_J_OP2('>', '='), v, args, out); }
TEST(is_in) { return related(r, 'i', v, args, out); }

TEST(is_same) {
    struct weft_jv other;
    if (!operand(r, args, &other)) return false;
    *out = v->kind == other.kind && (v->kind > WEFT_J_STR ? v->map == other.map : true);
    return v->kind > WEFT_J_STR || !*out || weft_j_equal(r, v, &other, out);
}

static bool names(struct weft_jrun *r, const struct weft_jv *v) {
    return v->kind == WEFT_J_STR || weft_j_fail(r, WEFT_ERR_INVALID, "%s is no name", weft_j_type(v));
}

TEST(is_filter) { return names(r, v) && plain(r, args, weft_j_find_filter(v->s) != NULL, out); }
TEST(is_test) { return names(r, v) && plain(r, args, weft_j_find_test(v->s->text, v->s->len) != NULL, out); }

weft_j_test_call weft_j_find_test(const char *name, size_t n) {
    static const struct {
        const char *name;
        weft_j_test_call call;
    } tests[] = {{"defined", is_defined},
                 {"undefined", is_undefined},
                 {"none", is_none},
                 {"string", is_string},
                 {"mapping", is_mapping},
                 {"iterable", is_iterable},
                 {"sequence", is_sequence},
                 {"number", is_number},
                 {"boolean", is_boolean},
                 {"true", is_true},
                 {"false", is_false},
                 {"integer", is_integer},
                 {"float", is_float},
                 {"callable", is_callable},
                 {"odd", is_odd},
                 {"even", is_even},
                 {"divisibleby", is_divisible},
                 {"upper", is_upper},
                 {"lower", is_lower},
                 {"escaped", is_escaped},
                 {"sameas", is_same},
                 {"in", is_in},
                 {"filter", is_filter},
                 {"test", is_test},
                 {"==", is_equal},
                 {"eq", is_equal},
                 {"equalto", is_equal},
                 {"!=", is_other},
                 {"ne", is_other},
                 {"<", is_less},
                 {"lt", is_less},
                 {"lessthan", is_less},
                 {"<=", is_at_most},
                 {"le", is_at_most},
                 {">", is_greater},
                 {"gt", is_greater},
                 {"greaterthan", is_greater},
                 {">=", is_at_least},
                 {"ge", is_at_least}};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        if (strlen(tests[i].name) == n && memcmp(tests[i].name, name, n) == 0) return tests[i].call;
    return NULL;
}
