/// Conversations as JSON: saving, loading, what is refused, and lack of memory at any place.
#include "fake_engine.h"

// ---- saving and loading --------------------------------------------------------------------------------------------

static char *saved(const weft_chat *chat) {
    size_t length, again;
    must(weft_chat_save(chat, NULL, 0, &length));
    char *text = malloc(length + 1);
    assert_int_equal(weft_chat_save(chat, text, length, &again), WEFT_ERR_LIMIT);
    assert_int_equal(again, length);
    must(weft_chat_save(chat, text, length + 1, &again));
    assert_int_equal(strlen(text), length);
    return text;
}

static void test_save_and_load(void **state) {
    (void)state;
    static const char *const stops[] = {"\"\\\n", "\xE2\x82\xAC"};
    struct fake f = {.says = {"a \"quoted\"\n\x1b[31m \xE2\x82\xAC", "b", "c"}}, g = {.says = {"b", "c"}};
    const struct weft_chat_params params = {.sampling = {0.7f, 40, 0.95f, 0.05f, 1.1f, 0.2f, -0.3f, UINT64_MAX - 5},
                                            .max_tokens = 77,
                                            .stop_texts = stops,
                                            .n_stop_texts = 2,
                                            .tools = "[{\"name\": \"f\"}]",
                                            .variables = "{\"mood\": \"x\"}"};
    weft_chat *chat = begin(&f, &params), *other = begin(&g, NULL);
    must(weft_chat_system(chat, "\\ \t", 3));
    say(chat, "q");
    char *text = saved(chat), *back;
    must(weft_chat_load(other, text, strlen(text)));
    back = saved(other);
    assert_string_equal(back, text);
    free(back);
    const struct weft_chat_params *p = weft_chat_settings(other);
    assert_memory_equal(&p->sampling.temp, &params.sampling.temp, sizeof p->sampling.temp);
    assert_true(p->sampling.top_k == 40 && p->sampling.min_p == 0.05f && p->sampling.presence == -0.3f);
    assert_true(p->sampling.seed == UINT64_MAX - 5 && p->max_tokens == 77 && p->n_stop_texts == 2);
    assert_string_equal(p->stop_texts[0], stops[0]);
    say(chat, "r"); // both go on alike
    say(other, "r");
    assert_int_equal(f.seed, g.seed);
    assert_string_equal(f.prompt.data, g.prompt.data);
    free(text);
    // Messages of another program: settings stay, and so do members that templates know.
    const char *list = "[{\"role\": \"user\", \"content\": \"hi\", \"more\": \"!\"},"
                       " {\"role\": \"assistant\", \"content\": null, \"calls\": [1, {\"x\": [true, 2.5]}]},"
                       " {\"role\": \"tool\", \"content\": \"42\"}]";
    must(weft_chat_load(other, list, strlen(list)));
    expect(other, "user=hi|assistant=|tool=42");
    assert_int_equal(weft_chat_settings(other)->max_tokens, 77);
    must(weft_chat_reply(other, NULL));
    assert_non_null(strstr(g.prompt.data, "user:hi!<|im_end|>"));
    text = saved(other);
    assert_non_null(strstr(text, "\"calls\":"));
    free(text);
    // The settings may be those of the conversation itself.
    must(weft_chat_configure(other, weft_chat_settings(other)));
    assert_string_equal(weft_chat_settings(other)->stop_texts[1], stops[1]);
    end(chat, &f);
    end(other, &g);
}

static void test_load_refusals(void **state) {
    (void)state;
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"", "line 1"},
        {"{", "line 1"},
        {"{}", "messages"},
        {"7", "messages"},
        {"{\"messages\": {}}", "messages"},
        {"{\"weft_chat\": 2, \"messages\": []}", "version"},
        {"{\"weft_chat\": \"1\", \"messages\": []}", "version"},
        {"[7]", "message 0"},
        {"[{\"role\": \"user\"}, {\"role\": \"\"}]", "message 1"},
        {"[{\"role\": 1}]", "message 0"},
        {"[{\"role\": \"a\\u0000b\"}]", "message 0"},
        {"[{\"role\": \"a\", \"b\\u0000c\": 1}]", "a name with a NUL"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": []}", "settings"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"temp\": \"x\"}}", "temp"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"temp\": -1}}", "temperature"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"temp\": 1e300}}", "temp"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"top_k\": -1}}", "top_k"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"top_k\": 4294967296}}", "top_k"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"seed\": \"99999999999999999999\"}}", "seed"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"seed\": \"-1\"}}", "seed"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"max_tokens\": 1.5}}", "max_tokens"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"stop\": [\"\"]}}", "empty"},
        {"{\"weft_chat\": 1, \"messages\": [], \"settings\": {\"stop\": \"x\"}}", "stop"},
        {"{\"weft_chat\": 1, \"messages\": [], \"replies\": -1}", "replies"},
        {"{\"weft_chat\": 1, \"messages\": [], \"tools\": {}}", "tools"},
        {"{\"weft_chat\": 1, \"messages\": [], \"variables\": 1}", "variables"},
    };
    struct fake f = {.says = {"a"}};
    weft_chat *chat = begin(&f, &(struct weft_chat_params){.max_tokens = 3});
    say(chat, "q");
    char *before = saved(chat);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        weft_status status = weft_chat_load(chat, cases[i].json, strlen(cases[i].json));
        if (status == WEFT_OK) fail_msg("%s is loaded", cases[i].json);
        if (!strstr(weft_error_message(), cases[i].part)) fail_msg("%s: %s", cases[i].json, weft_error_message());
        char *after = saved(chat);
        assert_string_equal(after, before);
        free(after);
    }
    struct weft_str deep = {0};
    weft_str_add(&deep, "[{\"role\":\"user\",\"content\":");
    for (int i = 0; i < 100; i++) weft_str_add(&deep, "[");
    for (int i = 0; i < 100; i++) weft_str_add(&deep, "]");
    weft_str_add(&deep, "}]");
    fails(weft_chat_load(chat, deep.data, deep.len), WEFT_ERR_FORMAT, "deep");
    weft_str_free(&deep);
    free(before);
    end(chat, &f);
}

/// Each allocation refused in turn: the error is NOMEM, nothing is lost or kept, and the conversation is as it was.
static void test_out_of_memory(void **state) {
    (void)state;
    struct fake f = {.says = {"a", NULL}};
    weft_chat *chat = begin(&f, NULL);
    say(chat, "q");
    char *text = saved(chat);
    int64_t live = weft_alloc_stats().live;
    for (int call = 0; call < 5; call++)
        for (uint64_t n = 1;; n++) {
            struct weft_str out = {0};
            weft_chat *made = NULL;
            const struct weft_conversation_model m = {file, tokenizer, CTX, true, fake_generate, &f};
            struct weft_ids ids = {0};
            weft_alloc_fail_at(n, 0);
            weft_status status = call == 0
                                     ? weft_conversation_create(&m, &(struct weft_chat_params){.tools = "[]"}, &made)
                                 : call == 1 ? weft_conversation_tokens(chat, &ids)
                                 : call == 2 ? weft_conversation_save(chat, &out)
                                 : call == 3 ? weft_chat_load(chat, text, strlen(text))
                                             : weft_chat_add(chat, "user", "x", 1);
            weft_alloc_fail_at(0, 0);
            weft_str_free(&out);
            weft_ids_free(&ids);
            weft_chat_destroy(&made);
            if (status == WEFT_OK) break;
            assert_int_equal(status, WEFT_ERR_NOMEM);
            assert_int_equal(weft_alloc_stats().live, live);
            expect(chat, "user=q|assistant=a");
            assert_true(n < 2000);
        }
    free(text);
    end(chat, &f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_save_and_load),
        cmocka_unit_test(test_load_refusals),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests_name("conversation_json", tests, setup, teardown);
}
