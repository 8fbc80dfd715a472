/// What has no effect on outputs and states is not computed, and weights of it need not be given; inputs, states and
/// variables stay where a session finds them. On the null device, which keeps no data.
#include "api_graph.h"

static weft_device *device;

static const char text[] =
    "symbol T 1 5\ninput x f32 [T, 2]\ninput spare f32 [T]\nweight used f32 [2]\nweight gone f32 [2]\n"
    "weight never f32 [7]\nstate kept dense f32 [3]\nvar count u32 0 9\nvar idle i32 -4 4\n"
    "%0 = mul %x %used\n%1 = mul %x %gone\n%2 = exp %spare\n%3 = add %1 %1\n%4 = advance %count {by=1}\noutput %0 y\n";
static const float used[2] = {2, 3};

static void unused_weights_need_not_be_given(void **state) {
    (void)state;
    const struct weft_weight one = {"used", used, sizeof used}, wrong = {"gone", used, 4};
    struct weft_weight both[] = {one, wrong};
    struct weft_program_compile_params params = {.weights = &one, .n_weights = 1};
    weft_graph *g;
    weft_program *p;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &params, &p));
    weft_program_destroy(&p);
    params.weights = both, params.n_weights = 2; // never looked at
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &params, &p));
    weft_program_destroy(&p);
    params.weights = both + 1, params.n_weights = 1; // one that is used, is
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_fails(weft_program_compile(device, &g, &params, &p), WEFT_ERR_NOT_FOUND, "'used'");
}

static void unused_inputs_and_states_stay(void **state) {
    (void)state;
    const struct weft_weight one = {"used", used, sizeof used};
    struct weft_program_compile_params params = {.weights = &one, .n_weights = 1};
    const struct weft_size rows = {"T", 3};
    const float spare[3] = {1, 2, 3}, kept[3] = {4, 5, 6};
    float x[6] = {0}, back[3] = {0};
    uint32_t word;
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    struct weft_tensor_info info;
    api_must(weft_graph_parse_text(text, strlen(text), &g));
    api_must(weft_program_compile(device, &g, &params, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_must(weft_session_set_sizes(s, &rows, 1));
    api_must(weft_session_tensor(s, "spare", &info));
    assert_int_equal(info.bytes, sizeof spare);
    api_must(weft_session_write(s, "x", 0, x, sizeof x));
    api_must(weft_session_write(s, "spare", 0, spare, sizeof spare));
    api_fails(weft_session_write(s, "spare", 4, spare, sizeof spare), WEFT_ERR_LIMIT, "'spare' has 12 bytes");
    api_must(weft_session_write(s, "kept", 0, kept, sizeof kept));
    api_must(weft_session_set_var(s, "idle", 3));
    api_must(weft_session_run(s, 2, NULL));
    api_must(weft_session_read(s, "kept", 0, back, sizeof back));
    api_must(weft_session_get_var(s, "idle", &word));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

/// A graph without any effect is one of no steps.
static void nothing_to_compute(void **state) {
    (void)state;
    static const char none[] = "input x f32 [4]\nstate s dense f32 [2]\n%0 = exp %x\n";
    const float two[2] = {7, 8};
    float back[2] = {0};
    weft_graph *g;
    weft_program *p;
    weft_session *s;
    api_must(weft_graph_parse_text(none, strlen(none), &g));
    api_must(weft_program_compile(device, &g, NULL, &p));
    api_must(weft_session_create(p, NULL, &s));
    api_must(weft_session_write(s, "s", 0, two, sizeof two));
    api_must(weft_session_run(s, 3, NULL));
    api_must(weft_session_read(s, "s", 0, back, sizeof back));
    weft_session_destroy(&s);
    weft_program_destroy(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unused_weights_need_not_be_given),
        cmocka_unit_test(unused_inputs_and_states_stay),
        cmocka_unit_test(nothing_to_compute),
    };
    struct weft_device_params params = {.implementation = "null"};
    if (weft_device_open(&params, &device) != WEFT_OK) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    weft_device_close(&device);
    return failed;
}
