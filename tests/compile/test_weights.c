/// Which forms of a weight lie on the device: what follows from who reads it, counted and reported. And outputs that
/// have no memory of their own.
#include "plan_fixture.h"

static uint32_t forms(const struct weft_plan *p, const char *name, enum weft_weight_form form) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_weights; i++)
        n += p->weights[i].name && strcmp(p->weights[i].name, name) == 0 && p->weights[i].form == form;
    return n;
}

static void products_and_lookups_share_tiles(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("symbol T 1 9\ninput i u32 [T]\nweight w q8_0 [24, 64]\n%0 = gather %w %i\n"
                                       "%1 = matmul %0 %w\noutput %1 y\n",
                                       NULL, NULL);
    assert_int_equal(forms(p, "w", WEFT_FORM_PACKED), 1);
    assert_int_equal(p->n_weights, 1);
    fixture_report(p, "lies on the device", false);
    weft_plan_destroy(p);
}

static void others_read_elements(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("input x f32 [2, 40]\nweight w f16 [3, 40]\nweight v f16 [40]\n"
                                       "weight u i8 [2, 7]\n%0 = matmul %x %w\n%1 = mul %x %v\n%2 = sum %w\n"
                                       "%3 = neg %u\noutput %0 y\n"
                                       "output %1 z\noutput %2 s\noutput %3 n\n",
                                       NULL, NULL);
    assert_int_equal(forms(p, "w", WEFT_FORM_PACKED), 1);
    assert_int_equal(forms(p, "w", WEFT_FORM_ELEMENTS), 1);
    assert_int_equal(forms(p, "v", WEFT_FORM_ELEMENTS), 1);
    assert_int_equal(forms(p, "v", WEFT_FORM_PACKED), 0);
    assert_int_equal(forms(p, "u", WEFT_FORM_ELEMENTS), 1);
    fixture_report(p, "weight 'w' lies on the device packed in 512 bytes and as elements in 256 bytes", true);
    fixture_report(p, "weight 'v'", false);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->n_shards; i++) bytes += p->shard_bytes[i];
    assert_int_equal(bytes, 512 + 256 + 256 + 256); // 3 rows of 64 halves; 120 and 40 halves; 14 words
    weft_plan_destroy(p);
}

/// What only products see of a weight is packed by itself; nothing else of it lies on the device.
static void runs_of_rows_are_packed(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("input x f32 [2, 32]\nweight w q4_0 [10, 32]\nconst %z f32 [2, 32] hex:"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f"
                                       "0000803f0000803f0000803f0000803f0000803f0000803f0000803f0000803f\n"
                                       "%a %b = split %w {sizes=[4, 6]}\n%0 = matmul %x %a\n%1 = matmul %x %b\n"
                                       "%2 = matmul %x %z\noutput %0 y\noutput %1 z\noutput %2 c\n",
                                       NULL, NULL);
    assert_int_equal(forms(p, "w", WEFT_FORM_PACKED), 2);
    assert_int_equal(forms(p, "w", WEFT_FORM_ELEMENTS), 0);
    for (uint32_t i = 0; i < p->n_weights; i++) {
        const struct weft_plan_weight *w = &p->weights[i];
        if (w->form == WEFT_FORM_PACKED) assert_int_equal(w->first, w->rows == 6 ? 4 * 32 : 0);
        else assert_null(w->name); // the constant, which is read element by element
    }
    weft_plan_destroy(p);
}

static void quantised_elements_are_reported(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("weight w q8_0 [10, 32]\n%0 = cast %w {to=f32}\noutput %0 y\n", NULL, NULL);
    assert_int_equal(p->n_weights, 1);
    fixture_report(p, "weight 'w' lies on the device as elements in 1280 bytes", true);
    weft_plan_destroy(p);
}

static const char pairs[] =
    "symbol T 0 9\ninput ids u32 [T]\ninput x f32 [T, 60]\nweight w u8 [24, 32]\nweight s f32 [24, 2]\n"
    "weight t f32 [2, 24]\nweight v u8 [6, 30]\nweight r f32 [6, 8]\n"
    "%0 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n%1 = linear_q4gsw %0 %w %t {group=32}\n"
    "%2 = linear_q4gsw %x %v %r {group=10}\noutput %1 y\noutput %2 z\n";

/// Numbers of 4 bits are shared by all whose halves lie alike; groups that end inside of 16 are elements, and reported.
static void numbers_and_scales_are_packed(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan(pairs, NULL, NULL);
    assert_int_equal(p->n_weights, 4);
    assert_int_equal(forms(p, "w", WEFT_FORM_PACKED), 1);
    assert_int_equal(forms(p, "s", WEFT_FORM_PACKED), 1);
    assert_int_equal(forms(p, "t", WEFT_FORM_PACKED), 1);
    assert_int_equal(forms(p, "v", WEFT_FORM_PACKED), 1);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < p->n_shards; i++) bytes += p->shard_bytes[i];
    assert_int_equal(bytes, 768 + 256 + 256 + 6 * 64 * 4); // 24 rows of 32 bytes; 48 scales twice; rows of 60 padded
    fixture_report(p, "weight 'v' lies on the device packed in 1536 bytes", true);
    fixture_report(p, "weight 'w'", false);
    weft_plan_destroy(p);
    p = fixture_plan("input ids u32 [3]\ninput x f32 [2, 64]\nweight w u8 [24, 32]\nweight s f32 [24, 2]\n"
                     "weight t f32 [2, 24]\n%0 = embedding_q4gsw %w %s %ids {group=32}\n"
                     "%1 = linear_q4gsw %x %w %t {group=32}\noutput %0 y\noutput %1 z\n",
                     NULL, NULL);
    assert_int_equal(forms(p, "w", WEFT_FORM_PACKED), 2); // the halves of its bytes in both orders
    fixture_report(p, "weight 'w' lies on the device packed in 768 bytes and packed in 768 bytes", true);
    weft_plan_destroy(p);
}

/// Another program takes numbers and scales that lie alike, and loads those that do not.
static void numbers_and_scales_are_shared(void **state) {
    (void)state;
    struct weft_plan *first = fixture_plan(pairs, NULL, NULL);
    struct weft_compile_params params = {.weights_of = first};
    struct weft_plan *second = fixture_plan(pairs, NULL, &params);
    assert_int_equal(second->n_shards, first->n_shards);
    weft_plan_destroy(second);
    static const struct {
        const char *graph, *fresh;
    } cases[] = {
        {"input x f32 [2, 64]\nweight w u8 [24, 32]\nweight q f32 [2, 24]\n%0 = linear_q4gsw %x %w %q {group=32}\n"
         "output %0 y\n",
         "q"},
        {"input i u32 [2]\nweight w u8 [24, 32]\nweight s f32 [24, 2]\n%0 = embedding_q4gsw %w %s %i {group=32}\n"
         "output %0 y\n",
         "w"},
        {"input x f32 [2, 64]\nweight w u8 [24, 32]\nweight t f32 [2, 24]\n%0 = linear_q4gsw %x %w %t {group=48}\n"
         "output %0 y\n",
         "t"},
        {"input x f32 [2, 60]\nweight v u8 [6, 30]\nweight q f32 [6, 8]\n%0 = linear_q4gsw %x %v %q {group=10}\n"
         "output %0 y\n",
         "v"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        second = fixture_plan(cases[i].graph, NULL, &params);
        for (uint32_t k = 0; k < second->n_weights; k++) {
            bool fresh = second->weights[k].parts[0].shard >= first->n_shards;
            assert_int_equal(fresh, strcmp(second->weights[k].name, cases[i].fresh) == 0);
        }
        weft_plan_destroy(second);
    }
    weft_plan_destroy(first);
}

/// Each output that is a leaf, or has its second name, costs a copy; the state under its own name costs none.
static void outputs_are_copied(void **state) {
    (void)state;
    struct weft_plan *p = fixture_plan("input x f32 [6]\nweight w f32 [3]\nstate s dense f32 [6]\nvar v i32 0 3\n"
                                       "%0 = state_write %s %x\n%1 = neg %x\noutput %x a\noutput %w b\noutput %0 s\n"
                                       "output %0 now\noutput %v c\noutput %1 d\noutput %1 e\n",
                                       NULL, NULL);
    static const char *const copied[] = {"a", "b", "now", "c", "e"};
    uint32_t copies = 0;
    for (uint32_t i = 0; i < p->schedules[0].n_steps; i++)
        copies += p->schedules[0].steps[i].copy.kind != WEFT_COPY_NONE;
    assert_int_equal(copies, sizeof copied / sizeof *copied);
    for (size_t i = 0; i < copies; i++) {
        char words[64];
        snprintf(words, sizeof words, "'copy to output '%s''", copied[i]);
        fixture_report(p, words, true);
    }
    assert_int_equal(p->n_ios, 1 + 6);
    weft_plan_destroy(p);
}

static void blocks_are_no_inputs_or_outputs(void **state) {
    (void)state;
    static const struct {
        const char *graph, *words;
    } bad[] = {
        {"weight w q8_0 [2, 32]\noutput %w y\n", "output 'y' would hold blocks of q8_0"},
        {"weight w q4_k [2, 256]\n%0 = slice %w {start=1, len=1}\noutput %0 part\n", "output 'part' would hold"},
        {"input t q8_0 [2, 32]\ninput i u32 [1]\n%0 = gather %t %i\noutput %0 y\n", "input 't' would hold blocks"},
        {"weight w q8_0 [96]\n%0 = slice %w {start=3, len=5}\n%1 = cast %0 {to=f32}\noutput %1 y\n",
         "would cut blocks"},
        {"input x f32 [2, 64]\nweight w u8 [8, 32]\ninput s f32 [2, 8]\n%0 = linear_q4gsw %x %w %s {group=32}\n"
         "output %0 y\n",
         "must be weights or constants"},
        {"input i u32 [2]\ninput w u8 [8, 32]\nweight s f32 [8, 2]\n%0 = embedding_q4gsw %w %s %i {group=32}\n"
         "output %0 y\n",
         "must be weights or constants"},
        {"symbol T 1 3\nweight w f32 [2, T]\n%0 = neg %w\noutput %0 y\n", "axis 1 depends on symbols"},
        {"input x f32 [1, 2, 8]\ninput pos u32 []\n%0 = rope %x %pos\noutput %0 y\n", "pos must be a variable"},
        {"var p u32 0 9\ninput x f32 [1, 2, 4]\nweight f f32 [2]\n%0 = rope %x %p %f\noutput %0 y\n",
         "rope takes its factors as a constant"},
        {"var p u32 0 9\ninput x f32 [1, 2, 4]\nconst %f f32 [2] 1 0\n%0 = rope %x %p %f\noutput %0 y\n",
         "factor 1 of rope is 0"},
        {"var p u32 0 9\ninput x f32 [1, 2, 4]\nconst %f f32 [2] nan 1\n%0 = rope %x %p %f\noutput %0 y\n",
         "factor 0 of rope is nan"},
        {"state c dense f32 [4, 2]\ninput x f32 [1, 2]\nstate pos dense u32 []\n%0 = cache_append %c %x %pos\n",
         "pos must be a variable"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct weft_gpu_caps caps = fixture_caps();
        struct weft_graph *g = NULL;
        struct weft_plan *p = NULL;
        weft_error_clear();
        weft_status status = weft_graph_parse(weft_ops(), bad[i].graph, strlen(bad[i].graph), &g);
        if (status == WEFT_OK) status = weft_compile(g, &caps, NULL, &p);
        if (status == WEFT_OK || !strstr(weft_error_message(), bad[i].words))
            fail_msg("'%s' gives '%s'", bad[i].graph, weft_error_message());
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_and_lookups_share_tiles),
        cmocka_unit_test(others_read_elements),
        cmocka_unit_test(runs_of_rows_are_packed),
        cmocka_unit_test(quantised_elements_are_reported),
        cmocka_unit_test(numbers_and_scales_are_packed),
        cmocka_unit_test(numbers_and_scales_are_shared),
        cmocka_unit_test(outputs_are_copied),
        cmocka_unit_test(blocks_are_no_inputs_or_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
