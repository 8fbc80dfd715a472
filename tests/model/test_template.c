/// Chat templates: the language feature by feature, what is refused and how, which bytes count as the template's, and
/// texts that would run or grow without end. scripts/check_templates.py compares whole templates with jinja2.
#include "core/alloc.h"
#include "core/error.h"
#include "model/template/template.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "template_cases.h"

static struct weft_arena arena;

static struct weft_json_value json(const char *text) {
    struct weft_json_value v;
    if (weft_json_read(text, strlen(text), "test", &arena, &v) != WEFT_OK) fail_msg("%s", weft_error_message());
    return v;
}

static int teardown(void **state) {
    (void)state;
    weft_arena_free(&arena);
    return 0;
}

static const struct tm noon = {.tm_year = 126,
                               .tm_mon = 10,
                               .tm_mday = 30,
                               .tm_hour = 12,
                               .tm_min = 34,
                               .tm_sec = 56,
                               .tm_wday = 1,
                               .tm_yday = 333};

// Parses and renders; the sentence of a failure stays.
static weft_status render(const char *text, const char *messages, const struct weft_template_options *options,
                          struct weft_str *out, struct weft_template_runs *runs) {
    struct weft_template *t;
    struct weft_json_value m = json(messages);
    weft_status status = weft_template_parse(text, strlen(text), &t);
    if (status == WEFT_OK) status = weft_template_render(t, &m, options, out, runs);
    weft_template_free(t);
    return status;
}

static weft_status render_case(const char *text, struct weft_str *out) {
    struct weft_json_value data = json(template_data);
    struct weft_template_options options = {.variables = &data, .now = &noon};
    return render(text, "[]", &options, out, NULL);
}

// ---- the language -------------------------------------------------------------------------------------------------

static void test_language(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof template_cases / sizeof *template_cases; i++) {
        const struct template_case *c = &template_cases[i];
        struct weft_str out = {0};
        if (render_case(c->text, &out) != WEFT_OK) fail_msg("%s: %s\n%s", c->feature, c->text, weft_error_message());
        if (strcmp(weft_str_get(&out), c->expected) != 0)
            fail_msg("%s: %s\ngave     %s\nexpected %s", c->feature, c->text, weft_str_get(&out), c->expected);
        weft_str_free(&out);
    }
}

static void test_refusals(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof template_refusals / sizeof *template_refusals; i++) {
        const struct template_case *c = &template_refusals[i];
        struct weft_str out = {0};
        weft_status status = render_case(c->text, &out);
        if (status == WEFT_OK || !strstr(weft_error_message(), c->expected) ||
            strncmp(weft_error_message(), "chat template, line ", 20) != 0)
            fail_msg("%s\ngave %d: %s%s", c->text, status, weft_error_message(), weft_str_get(&out));
        assert_int_equal(out.len, 0);
        weft_str_free(&out);
    }
}

static void test_syntax_errors(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof template_faults / sizeof *template_faults; i++) {
        const struct template_case *c = &template_faults[i];
        struct weft_template *t;
        weft_status status = weft_template_parse(c->text, strlen(c->text), &t);
        if (status == WEFT_OK || t || !strstr(weft_error_message(), c->expected))
            fail_msg("%s\ngave %d: %s", c->text, status, weft_error_message());
    }
}

static void test_conversation(void **state) {
    static const char text[] =
        "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m['content'] | trim }}<|end|>\n"
        "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
        "{{ tools is none }}{{ documents is none }}{{ enable_thinking }}";
    struct weft_json_value tokens = json("{\"bos_token\": \"<s>\"}"), more = json("{\"enable_thinking\": false}");
    struct weft_template_options options = {.tokens = &tokens, .variables = &more, .add_generation_prompt = true};
    struct weft_str out = {0};
    (void)state;
    assert_int_equal(render(text, "[{\"role\": \"user\", \"content\": \" hi \"}]", &options, &out, NULL), WEFT_OK);
    assert_string_equal(weft_str_get(&out), "<s><|user|>\nhi<|end|>\n<|assistant|>\nTrueTrueFalse");
    weft_str_free(&out);
}

static void test_missing_names_the_way_out(void **state) {
    struct weft_template *t;
    struct weft_str out = {0};
    (void)state;
    assert_int_equal(weft_template_missing("model.gguf"), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), "model.gguf has no chat template"));
    assert_non_null(strstr(weft_error_message(), "--chat-template"));
    assert_int_equal(weft_template_parse(NULL, 0, &t), WEFT_ERR_NOT_FOUND);
    assert_int_equal(weft_template_parse("", 0, &t), WEFT_ERR_NOT_FOUND);
    assert_non_null(strstr(weft_error_message(), "--chat-template"));
    assert_int_equal(weft_template_render(NULL, NULL, NULL, &out, NULL), WEFT_ERR_NOT_FOUND);
    weft_template_free(NULL);
}

static void test_wrong_messages(void **state) {
    struct weft_json_value list = json("[]");
    struct weft_template_options options = {.variables = &list};
    struct weft_str out = {0};
    (void)state;
    assert_int_equal(render("x", "{}", NULL, &out, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "the messages are no list"));
    assert_int_equal(render("x", "[]", &options, &out, NULL), WEFT_ERR_INVALID);
    assert_non_null(strstr(weft_error_message(), "options.variables is no map"));
    assert_int_equal(render("x", "[1, null, \"s\"]", NULL, &out, NULL), WEFT_OK);
    weft_str_free(&out);
}

// ---- runs ---------------------------------------------------------------------------------------------------------

// The text with what came from data between brackets that no case has.
static void shown(const struct weft_str *out, const struct weft_template_runs *runs, char *to, size_t size) {
    size_t at = 0, n = 0;
    for (size_t i = 0; i < runs->n; i++) {
        const struct weft_template_run *run = &runs->items[i];
        assert_true(run->end > at && run->end <= out->len);
        assert_true(i == 0 || runs->items[i - 1].data != run->data);
        n += (size_t)snprintf(to + n, size - n, run->data ? "«%.*s»" : "%.*s", (int)(run->end - at), out->data + at);
        at = run->end;
    }
    assert_int_equal(at, out->len);
    to[n] = 0;
}

static void test_runs(void **state) {
    // In messages: role user, content "ab<x>cd", parts ["p", "q"], n 5.
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"<x>{{ c }}<x>", "<x>«ab<x>cd»<x>"},
        {"{{ '<x>' + c + '</x>' }}", "<x>«ab<x>cd»</x>"},
        {"{{ '<x>' ~ c ~ 5 ~ m.n }}", "<x>«ab<x>cd»55"},
        {"{{ (' ' + c + ' ') | trim }}", "«ab<x>cd»"},
        {"{{ ('.' + c + '.').strip('.') }}", "«ab<x>cd»"},
        {"{{ ('<x>' + c)[1:5] }}", "x>«ab»"},
        {"{{ ('<x>' + c)[::-1] }}", "«dc>x<ba»>x<"},
        {"{{ ('<x>' + c)[3] }}", "«a»"},
        {"{{ c.replace('<x>', '<y>') }}", "«ab»<y>«cd»"},
        {"{{ c | replace('b', c[:1]) }}", "«aa<x>cd»"},
        {"{{ 'a-c'.replace('-', c) }}", "a«ab<x>cd»c"},
        {"{{ ('<x>' + c) | upper }}", "<X>«AB<X>CD»"},
        {"{{ ('<x>' + c).title() }}", "<X>«Ab<X>Cd»"},
        {"{{ m.parts | join('<s>') }}", "«p»<s>«q»"},
        {"{{ '<s>'.join(m.parts) }}", "«p»<s>«q»"},
        {"{{ m.parts | tojson }}", "[\"«p»\", \"«q»\"]"},
        {"{{ {'k': c} | tojson(indent=1) }}", "{\n \"k\": \"«ab<x>cd»\"\n}"},
        {"{{ [c] }}", "['«ab<x>cd»']"},
        {"{{ '%s!' % c }}{{ '{}!'.format(c) }}", "«ab<x>cd»!«ab<x>cd»!"},
        {"{{ c.split('<x>')[1] }}<x>", "«cd»<x>"},
        {"{{ c | list | join }}", "«ab<x>cd»"},
        {"{{ c | indent(2, true) }}", "  «ab<x>cd»"},
        {"{{ c | safe + '<b>' }}", "«ab<x>cd»&lt;b&gt;"},
        {"{{ c | escape }}", "«ab&lt;x&gt;cd»"},
        {"{% set t %}<x>{{ c }}{% endset %}{{ t }}", "<x>«ab<x>cd»"},
        {"{% macro f(a) %}<f>{{ a }}{% endmacro %}{{ f(c) | upper }}", "<F>«AB<X>CD»"},
        {"{% set ns = namespace(t='') %}{% for i in [1, 2] %}{% set ns.t = ns.t + '<' + c[0] %}{% endfor %}{{ ns.t }}",
         "<«a»<«a»"},
        {"{% for k in m %}{{ k }},{% endfor %}", "«role»,«content»,«parts»,«n»,"},
        {"{{ {'<k>': 1} | tojson }}", "{\"<k>\": 1}"},
        {"{{ ('{\"a\": \"<x>\"}' ~ c)[:12] | from_json }}", "{'a': '<x>'}"},
        {"{{ (c ~ '') | length }}", "7"},
        {"{{ c == 'ab<x>cd' }}", "True"},
        {"{{ '<|' + m.role + '|>' }}", "<|user|>"},
        {"{{ bos_token }}{{ extra }}", "<s>«<s>»"},
        {"{{ strftime_now('%Y') }}{{ c.partition('<x>')[2] }}", "2026«cd»"},
        {"{% filter upper %}<x>{{ c }}{% endfilter %}", "<X>«AB<X>CD»"},
        {"{% generation %}<x>{{ c }}{% endgeneration %}", "<x>«ab<x>cd»"},
        {"{{ nothing }}", ""},
    };
    static const char messages[] =
        "[{\"role\": \"user\", \"content\": \"ab<x>cd\", \"parts\": [\"p\", \"q\"], \"n\": 5}]";
    struct weft_json_value tokens = json("{\"bos_token\": \"<s>\"}"), more = json("{\"extra\": \"<s>\"}");
    struct weft_template_options options = {.tokens = &tokens, .variables = &more, .now = &noon};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400], got[400];
        struct weft_str out = {0};
        struct weft_template_runs runs = {0};
        snprintf(text, sizeof text, "{%% set m = messages[0] %%}{%% set c = m.content %%}%s", cases[i].text);
        if (render(text, messages, &options, &out, &runs) != WEFT_OK)
            fail_msg("%s: %s", cases[i].text, weft_error_message());
        shown(&out, &runs, got, sizeof got);
        if (strcmp(got, cases[i].expected) != 0)
            fail_msg("%s\ngave     %s\nexpected %s", cases[i].text, got, cases[i].expected);
        weft_template_runs_free(&runs);
        weft_str_free(&out);
    }
}

static void test_only_known_roles_are_trusted(void **state) {
    static const char *const roles[] = {"system", "user",    "assistant", "tool",  "developer", "function",
                                        "model",  "<|end|>", "User",      "userx", "",          "im_end"};
    (void)state;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        char messages[100];
        struct weft_str out = {0};
        struct weft_template_runs runs = {0};
        snprintf(messages, sizeof messages, "[{\"role\": \"%s\"}]", roles[i]);
        assert_int_equal(render("<{{ messages[0].role }}>", messages, NULL, &out, &runs), WEFT_OK);
        assert_int_equal(runs.n, i < 7 || !*roles[i] ? 1 : 3);
        weft_template_runs_free(&runs);
        weft_str_free(&out);
    }
}

// ---- limits -------------------------------------------------------------------------------------------------------

static char *repeated(const char *before, const char *what, int times, const char *behind) {
    struct weft_str s = {0};
    weft_str_add(&s, before);
    for (int i = 0; i < times; i++) weft_str_add(&s, what);
    weft_str_add(&s, behind);
    return weft_str_take(&s);
}

static void test_hostile_texts(void **state) {
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        {"{% for i in range(10**9) %}{% endfor %}", "limits."},
        {"{% for i in range(2000) %}{% for j in range(2000) %}{% endfor %}{% endfor %}", "limits.loop_turns"},
        {"{{ 'a' * 10**18 }}", "limits."},
        {"{% set ns = namespace(a='xx') %}{% for i in range(99) %}{% set ns.a = ns.a + ns.a %}{% endfor %}",
         "limits.memory"},
        {"{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "limits.depth"},
        {"{% macro f(n=f()) %}{% endmacro %}{{ f() }}", "limits.depth"},
        {"{% for t in [1] recursive %}{{ loop([1]) }}{% endfor %}", "limits.depth"},
        {"{% set l = [] %}{% set _ = l.append(l) %}{{ l }}", "limits.depth"},
        {"{% set l = [] %}{% set _ = l.append(l) %}{{ l | tojson }}", "limits.depth"},
        {"{% set l = [] %}{% set m = [] %}{% set _ = l.append(l) %}{% set _ = m.append(m) %}{{ l == m }}",
         "limits.depth"},
        {"{% set l = [] %}{% set m = [] %}{% set _ = l.append(l) %}{% set _ = m.append(m) %}{{ l < m }}",
         "limits.depth"},
        {"{% set l = [1] %}{% for i in range(60) %}{% set _ = l.extend(l) %}{% endfor %}", "limits."},
        {"{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
         "limits."},
        {"{% set a = 'a' * 300000 %}{% set b = a ~ 'b' %}{% for i in range(999) %}{{ b in (a ~ a ~ a ~ 'c') }}{% "
         "endfor %}",
         "limits.steps"},
        {"{% set a = 'a' * 1000000 %}{{ a.replace('', a) }}", "limits.memory"},
        {"{% set a = 'x' * 500000 %}{{ a.strip('"
         "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy"
         "' * 9000 ~ 'x') }}{% for i in range(9000) %}{{ a.strip('y' * 9000 ~ 'x') }}{% endfor %}",
         "limits.steps"},
        {"{% set a = 'x' * 500000 %}{% for i in range(999999) %}{{ a | length }}{% endfor %}", "limits.steps"},
        {"{% set d = {} %}{% for i in range(999999) %}{% set _ = d.update({i: i}) %}{% endfor %}", "limits.steps"},
        {"{% set a = 'x' * 100000 %}{% for i in range(999) %}{{ a }}{% endfor %}", "limits.output"},
        {"{{ ('[' * 1000) | from_json }}", "256 deep"},
        {"{{ ('[' ~ '0,' * 5000000 ~ '0]') | from_json | length }}", "limits.memory"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_str out = {0};
        weft_status status = render(cases[i].text, "[]", NULL, &out, NULL);
        if (status == WEFT_OK || !strstr(weft_error_message(), cases[i].sentence))
            fail_msg("%s\ngave %d: %s", cases[i].text, status, weft_error_message());
        weft_str_free(&out);
    }
}

static void test_deep_texts(void **state) {
    static const struct {
        const char *before, *what;
        int times;
        const char *behind;
    } cases[] = {{"{{ ", "(", 100000, ""},
                 {"{{ ", "-", 100000, "1 }}"},
                 {"{{ ", "not ", 100000, "1 }}"},
                 {"{{ 1", "+1", 100000, " }}"},
                 {"{{ 1", "~1|string", 9000,
                  "|e|e"
                  " }}"},
                 {"{{ x", ".a", 100000, " }}"},
                 {"{{ x", "|e", 100000, " }}"},
                 {"{{ x", "()", 100000, " }}"},
                 {"{{ x", " is defined", 1000, " }}"},
                 {"", "{% if 1 %}", 20000, ""},
                 {"{% if 1 %}", "{% elif 1 %}", 20000, "{% endif %}"},
                 {"{{ 1", " if 1 else 1", 20000, " }}"},
                 {"{{ 1", " if 1", 20000, " }}"},
                 {"{{ ", "[", 100000, ""},
                 {"{{ ", "{1:", 100000, ""},
                 {"", "{% for x in y %}", 20000, ""},
                 {"{% set ", "(", 90000, "a = 1 %}"},
                 {"{% filter e", "|e", 90000, " %}{% endfilter %}"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_template *t;
        char *text = repeated(cases[i].before, cases[i].what, cases[i].times, cases[i].behind);
        weft_status status = weft_template_parse(text, strlen(text), &t);
        bool flat = strstr(cases[i].what, "~") != NULL; // a list, not a chain
        if ((status != WEFT_OK) == flat) fail_msg("%s...: %s", cases[i].before, weft_error_message());
        weft_template_free(t);
        weft_free(text);
    }
}

static void test_limits_are_the_callers(void **state) {
    static const struct {
        struct weft_template_limits limits;
        const char *text, *sentence;
    } cases[] = {{{.steps = 100}, "{% for i in range(100) %}{% endfor %}", "more than 100 steps"},
                 {{.loop_turns = 5}, "{% for i in range(6) %}{% endfor %}", "more than 5 turns"},
                 {{.depth = 20}, "{{ [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]] }}", "more than 20 deep"},
                 {{.memory = 20000}, "{{ range(1000) | list }}", "more than 20000 bytes of memory"},
                 {{.output = 9}, "0123456789", "beyond 9 bytes"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct weft_template_options options = {.limits = cases[i].limits};
        struct weft_str out = {0};
        assert_int_equal(render(cases[i].text, "[]", &options, &out, NULL), WEFT_ERR_LIMIT);
        if (!strstr(weft_error_message(), cases[i].sentence)) fail_msg("%s", weft_error_message());
        assert_int_equal(render(cases[i].text, "[]", NULL, &out, NULL), WEFT_OK);
        weft_str_free(&out);
    }
}

static void test_too_long_a_template(void **state) {
    struct weft_template *t;
    char *text = repeated("", "0123456789abcdef", 65537, "");
    (void)state;
    assert_int_equal(weft_template_parse(text, strlen(text), &t), WEFT_ERR_LIMIT);
    assert_int_equal(weft_template_parse(text, 1 << 20, &t), WEFT_OK);
    weft_template_free(t);
    weft_free(text);
}

// A text that grows by + in a loop: memory in proportion to it, where copies would take 4 GB.
static void test_growing_text_is_cheap(void **state) {
    struct weft_template_options options = {.limits = {.memory = 40 << 20}};
    struct weft_str out = {0};
    (void)state;
    assert_int_equal(
        render("{% set ns = namespace(a='') %}{% for i in range(10000) %}"
               "{% set ns.a = ns.a + 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' ~ i %}"
               "{% endfor %}{{ ns.a | length }}",
               "[]", &options, &out, NULL),
        WEFT_OK);
    assert_string_equal(weft_str_get(&out), "758890");
    weft_str_free(&out);
}

// ---- memory and threads -------------------------------------------------------------------------------------------

static const char everything[] =
    "{% macro f(a, b=2) %}{{ a }}{{ b }}{% endmacro %}{% set ns = namespace(x=1) %}{% set l = [1, 2] %}"
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ m.content | trim | upper }}{{ f(m, b='c') }}"
    "{{ m | tojson(indent=2) }}{{ m.content.split(' ') | join('-') }}{% set ns.x = ns.x + 1 %}{% endfor %}"
    "{{ {'a': [1, 2.5, none]} }}{{ l | sort(reverse=true) | map('string') | list }}{{ '[1]' | from_json }}";

static void test_refused_memory(void **state) {
    struct weft_json_value messages = json("[{\"role\": \"user\", \"content\": \" a b \"}]");
    uint64_t n = 1;
    (void)state;
    for (;; n++) {
        struct weft_template *t;
        struct weft_str out = {0};
        struct weft_template_runs runs = {0};
        int64_t live = weft_alloc_stats().live;
        weft_alloc_fail_at(n, 0);
        weft_status status = weft_template_parse(everything, strlen(everything), &t);
        if (status == WEFT_OK) status = weft_template_render(t, &messages, NULL, &out, &runs);
        weft_alloc_fail_at(0, 0);
        weft_template_free(t);
        if (status != WEFT_OK) assert_true(out.len == 0 && runs.n == 0);
        weft_str_free(&out);
        weft_template_runs_free(&runs);
        assert_int_equal(weft_alloc_stats().live, live);
        if (status == WEFT_OK) break;
        assert_int_equal(status, WEFT_ERR_NOMEM);
    }
    assert_true(n > 10);
}

struct shared {
    const struct weft_template *t;
    const struct weft_json_value *messages;
    struct weft_str out;
    bool ok;
};

static void *render_often(void *user) {
    struct shared *s = user;
    s->ok = true;
    for (int i = 0; i < 50; i++) s->ok &= weft_template_render(s->t, s->messages, NULL, &s->out, NULL) == WEFT_OK;
    return NULL;
}

static void test_threads_share_a_template(void **state) {
    struct weft_json_value messages = json("[{\"role\": \"user\", \"content\": \" a b \"}]");
    struct weft_template *t;
    struct shared all[4] = {{0}};
    pthread_t threads[4];
    (void)state;
    assert_int_equal(weft_template_parse(everything, strlen(everything), &t), WEFT_OK);
    for (int i = 0; i < 4; i++) {
        all[i] = (struct shared){.t = t, .messages = &messages};
        assert_int_equal(pthread_create(&threads[i], NULL, render_often, &all[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_true(all[i].ok);
        assert_string_equal(weft_str_get(&all[i].out), weft_str_get(&all[0].out));
    }
    for (int i = 0; i < 4; i++) weft_str_free(&all[i].out);
    weft_template_free(t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_language),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_syntax_errors),
                                       cmocka_unit_test(test_conversation),
                                       cmocka_unit_test(test_missing_names_the_way_out),
                                       cmocka_unit_test(test_wrong_messages),
                                       cmocka_unit_test(test_runs),
                                       cmocka_unit_test(test_only_known_roles_are_trusted),
                                       cmocka_unit_test(test_hostile_texts),
                                       cmocka_unit_test(test_deep_texts),
                                       cmocka_unit_test(test_limits_are_the_callers),
                                       cmocka_unit_test(test_too_long_a_template),
                                       cmocka_unit_test(test_growing_text_is_cheap),
                                       cmocka_unit_test(test_refused_memory),
                                       cmocka_unit_test(test_threads_share_a_template)};
    return cmocka_run_group_tests_name("template", tests, NULL, teardown);
}
