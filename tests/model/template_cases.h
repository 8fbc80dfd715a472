/// Templates and what they become, one feature at a time, with `x` as in template_data below. What is expected is what
/// Jinja's documentation and Python say, and what jinja2 3.1 gives with trim_blocks and lstrip_blocks.
#ifndef WEFT_TESTS_TEMPLATE_CASES_H
#define WEFT_TESTS_TEMPLATE_CASES_H

// clang-format off
static const char template_data[] =
    "{\"x\": {\"n\": 3, \"list\": [5, 6, 7], \"map\": {\"a\": 1, \"b\": \"two\"}, \"has_items\": {\"items\": \"own\""
    "}, \"people\": [{\"name\": \"Bo\", \"age\": 30, \"tags\": [\"x\", \"y\"]}, {\"name\": \"al\", \"age\": 0, \"tag"
    "s\": [\"z\"]}, {\"name\": \"Cy\", \"age\": 40, \"tags\": [\"w\"]}], \"tree\": [{\"n\": 1, \"kids\": [{\"n\": 2,"
    " \"kids\": []}, {\"n\": 3}]}, {\"n\": 4}]}}";

struct template_case {
    const char *feature, *text, *expected;
};

/// Renderings.
static const struct template_case template_cases[] = {
    {"literals", "{{ 1 }} {{ 2.0 }} {{ 1e20 }} {{ 1.5e-7 }} {{ 1e16 }} {{ 123456789012345.6 }}",
     "1 2.0 1e+20 1.5e-07 1e+16 123456789012345.6"},
    {"literals", "{{ 1_000 }} {{ 0.1 + 0.2 }}", "1000 0.30000000000000004"},
    {"literals", "{{ true }} {{ True }} {{ none }} {{ None }} {{ false }}", "True True None None False"},
    {"literals", "{{ 'a\\n\\t\\\\\\'\\\"\\x41\\u00e9\\U0001f600\\101\\q' }}", "a\n\t\\'\"Aé😀A\\q"},
    {"literals", "{{ \"a'b\" 'c' \"d\" }}", "a'bcd"},
    {"literals", "{{ [1, 'a', [2.5, none]] }}", "[1, 'a', [2.5, None]]"},
    {"literals", "{{ {'a': 1, 'b': [true]} }}", "{'a': 1, 'b': [True]}"},
    {"literals", "{{ (1, 'x') }} {{ (1,) }} {{ () }}", "(1, 'x') (1,) ()"},
    {"literals", "{{ ['\\n', \"it's\", 'say \"x\"', 'both \\' and \"', 'é\\x07\\u200b'] }}",
     "['\\n', \"it's\", 'say \"x\"', 'both \\' and \"', 'é\\x07\\u200b']"},
    {"literals", "{{ {1: 2, 'k': 'v', none: 3} }}", "{1: 2, 'k': 'v', None: 3}"},
    {"literals", "{{ [] }}{{ {} }}", "[]{}"},
    {"literals", "{{ -0.0 }} {{ 5.0 }} {{ 1e100 }}", "-0.0 5.0 1e+100"},
    {"literals", "{{ 1, 2 }}", "(1, 2)"},
    {"operators", "{{ 7 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 % -3 }} {{ -7.5 % 2 "
     "}} {{ 7.5 // 2 }} {{ -7.5 // 2 }}",
     "3.5 3 -4 1 2 -2 0.5 3.0 -4.0"},
    {"operators", "{{ 2 ** 10 }} {{ 2 ** -1 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2.0 ** 0.5 }}",
     "1024 0.5 64 4 1.4142135623730951"},
    {"operators", "{{ 1 + 2 * 3 - 4 }} {{ (1 + 2) * 3 }}", "3 9"},
    {"operators", "{{ 'a' + 'b' }} {{ 'ab' * 3 }} {{ 3 * 'x' }} {{ [1] + [2] }} {{ [0] * 3 }} {{ (1,) + (2,)"
     " }}",
     "ab ababab xxx [1, 2] [0, 0, 0] (1, 2)"},
    {"operators", "{{ 1 ~ 'a' ~ none ~ 2.5 ~ true ~ [1] }}", "1aNone2.5True[1]"},
    {"operators", "{{ 'x' ~ 3 * 2 }}", "x6"},
    {"operators", "{{ 'a' + 'b' ~ 1 }}", "ab1"},
    {"operators", "{{ 1 < 2 < 3 }} {{ 1 < 3 < 2 }} {{ 1 == 1.0 }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ t"
     "rue == 1 }} {{ none == false }}",
     "True False True True True True False"},
    {"operators", "{{ 1 in [1, 2] }} {{ 'b' in 'abc' }} {{ 'k' in {'k': 1} }} {{ 3 not in [1] }} {{ '' in 'x"
     "' }}",
     "True True True True True"},
    {"operators", "{{ 0 or 'x' }} {{ 'a' and 'b' }} {{ '' and 1 }}|{{ none or [] }}", "x b |[]"},
    {"operators", "{{ not 1 }} {{ not '' }} {{ not not 2 }}", "False True True"},
    {"operators", "{{ 'a' if true else 'b' }} {{ 'a' if false else 'b' }} [{{ 'a' if false }}]", "a b []"},
    {"operators", "{{ 1 if 0 else 2 if 0 else 3 }}", "3"},
    {"operators", "{{ -3 }} {{ +3 }} {{ - -3 }} {{ -x.n }}", "-3 3 3 -3"},
    {"operators", "{{ true + true }} {{ 5 - false }}", "2 5"},
    {"operators", "{{ '%s is %d, %r, %.2f, %x %%' % ('a', 5, 'q', 1.005, 255) }}", "a is 5, 'q', 1.00, ff %"},
    {"operators", "{{ '%s' % 'one' }} {{ '%s' % [1] }}", "one [1]"},
    {"operators", "{{ 1 != 2 }} {{ 1 >= 1 }} {{ 2 <= 1 }} {{ 2 > 1 }}", "True True False True"},
    {"operators", "{{ {'a': 1} == {'a': 1.0} }} {{ [1] == (1,) }}", "True False"},
    {"operators", "{{ 10 % 4 * 2 }} {{ 2 * 10 % 4 }}", "4 0"},
    {"operators", "{{ 1 if x is defined else 2 }}", "1"},
    {"operators", "{{ not x.n == 3 }}", "False"},
    {"operators", "{{ (1, 2) == (1, 2) }}", "True"},
    {"operators", "{{ 'x' * -1 }}|", "|"},
    {"operators", "{{ 'c' > 'a' }} {{ 'c' >= 'a' }} {{ 'a' > 'c' }} {{ 'ab' > 'a' }} {{ ['c'] > ['a'] }} {{ "
     "'é' > 'z' }} {{ 2.5 > 1 }} {{ 'a' <= 'a' }}",
     "True True False True True True True True"},
    {"operators", "{{ 'a' % [1, 2] }} {{ 'a' % {'b': 1} }} {{ '%s' % [1] }}", "a a [1]"},
    {"access", "{{ x.n }} {{ x['n'] }} {{ x.list[0] }} {{ x.list[-1] }} {{ x.list.0 }}", "3 3 5 7 5"},
    {"access", "[{{ x.none_such }}] [{{ x['none_such'] }}] [{{ x.list[9] }}]", "[] [] []"},
    {"access", "{{ 'héllo'[1] }} {{ 'héllo'[-1] }} {{ 'héllo'[1:3] }} {{ 'héllo'[::-1] }} {{ 'héllo'"
     "[::2] }} {{ 'héllo'[-3:] }} {{ 'héllo'[:-1] }} {{ 'abc'[5:] }}|",
     "é o él olléh hlo llo héll |"},
    {"access", "{{ x.list[1:] }} {{ x.list[:-1] }} {{ x.list[::-1] }} {{ x.list[::2] }} {{ x.list[2:0:-1]"
     " }} {{ x.list[-100:100] }} {{ x.list[none:2] }}",
     "[6, 7] [5, 6] [7, 6, 5] [5, 7] [7, 6] [5, 6, 7] [5, 6]"},
    {"access", "{{ (1, 2, 3)[1:] }} {{ range(10)[2:8:3] | list }}", "(2, 3) [2, 5]"},
    {"access", "{{ x.map.get('a') }} {{ x.map.get('zz') }} {{ x.map.get('zz', 5) }}", "1 None 5"},
    {"access", "{{ x.map.keys() | list }} {{ x.map.values() | list }} {{ x.map.items() | list }}",
     "['a', 'b'] [1, 'two'] [('a', 1), ('b', 'two')]"},
    {"access", "{{ x.map['items'] is defined }} {{ x.map.items is defined }} {{ x.has_items['items'] }}",
     "True True own"},
    {"access", "[{{ none.a }}] [{{ 5['a'] }}] [{{ 'text'['key'] }}]", "[] [] []"},
    {"access", "{{ x.map | attr('none') is undefined }}", "True"},
    {"access", "{{ x.list[true] }}", "6"},
    {"access", "{{ 'abc'[0:2][1] }}", "b"},
    {"text methods", "[{{ '  a b '.strip() }}] [{{ '  a '.lstrip() }}] [{{ ' a  '.rstrip() }}] [{{ 'xxaxyx'.str"
     "ip('xy') }}] [{{ '\\u2003\\xa0a\\u3000'.strip() }}]",
     "[a b] [a ] [ a] [a] [a]"},
    {"text methods", "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a b c'.s"
     "plit(none, 1) }} {{ ''.split(',') }} {{ ''.split() }}",
     "['a', 'b', '', 'c'] ['a', 'b'] ['a', 'b,c'] ['a', 'b c'] [''] []"},
    {"text methods", "{{ 'a,b,c'.rsplit(',', 1) }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }} {{ 'a=b=c'.partition('="
     "') }}",
     "['a,b', 'c'] ['a', 'b', 'c'] ('a', '=', 'b=c')"},
    {"text methods", "{{ 'abc'.startswith('ab') }} {{ 'abc'.endswith(('x', 'bc')) }} {{ 'abc'.startswith('') }}",
     "True True True"},
    {"text methods", "{{ 'aBc é ß'.upper() }} {{ 'ABC É'.lower() }} {{ \"they're BILL's friends\".title() }}"
     " {{ 'hELLO wORLD'.capitalize() }}",
     "ABC É SS abc é They'Re Bill'S Friends Hello world"},
    {"text methods", "{{ 'aXbXc'.replace('X', '--') }} {{ 'aaa'.replace('a', 'b', 2) }} {{ 'ab'.replace('', '-'"
     ") }}",
     "a--b--c bba -a-b-"},
    {"text methods", "{{ ', '.join(['a', 'b']) }} {{ ''.join('abc') }}", "a, b abc"},
    {"text methods", "{{ '{} {1} {x} {{}} {0}'.format('a', 'b', x=3) if false else '{} {} {x} {{}}'.format('a',"
     " 'b', x=3) }}",
     "a b 3 {}"},
    {"text methods", "{{ '{0}{1}{0}'.format('a', 'b') }}", "aba"},
    {"text methods", "{{ 'hello'.find('l') }} {{ 'hello'.rfind('l') }} {{ 'hello'.find('z') }} {{ 'éél'.find("
     "'l') }} {{ 'hello'.count('l') }} {{ 'hello'.index('o') }}",
     "2 3 -1 2 2 4"},
    {"text methods", "{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ 'AB"
     "'.isupper() }} {{ 'aB'.islower() }} {{ ''.isdigit() }}",
     "True True True True True False False"},
    {"text methods", "{{ 'prefix-x'.removeprefix('prefix-') }} {{ 'x.txt'.removesuffix('.txt') }} {{ '42'.zfill"
     "(5) }} {{ '-42'.zfill(5) }}",
     "x x 00042 -0042"},
    {"containers", "{% set l = [3, 1] %}{% set _ = l.append(2) %}{{ l }} {{ l.pop() }} {{ l.pop(0) }} {{ l }}",
     "[3, 1, 2] 2 3 [1]"},
    {"containers", "{% set l = [1, 2] %}{% set _ = l.insert(0, 9) %}{% set _ = l.extend([7]) %}{% set _ = l.r"
     "emove(2) %}{% set _ = l.reverse() %}{{ l }} {{ l.index(9) }} {{ l.count(7) }} {{ l.copy()"
     " }}",
     "[7, 1, 9] 2 1 [7, 1, 9]"},
    {"containers", "{% set d = {'a': 1} %}{% set _ = d.update({'b': 2}) %}{% set _ = d.update(c=3) %}{{ d }} "
     "{{ d.pop('a') }} {{ d.pop('zz', 0) }} {{ d.setdefault('q', 4) }} {{ d }}",
     "{'a': 1, 'b': 2, 'c': 3} 1 0 4 {'b': 2, 'c': 3, 'q': 4}"},
    {"containers", "{{ dict(a=1, b='x') }} {{ dict([('k', 'v')]) }}", "{'a': 1, 'b': 'x'} {'k': 'v'}"},
    {"containers", "{{ {'a': 1, 'a': 2} }}", "{'a': 2}"},
    {"text filters", "[{{ '  a ' | trim }}] [{{ 'xax' | trim('x') }}]", "[a] [a]"},
    {"text filters", "{{ 'aB' | upper }} {{ 'aB' | lower }} {{ \"hello wORLD-foo (bar) it's\" | title }} {{ 'hE"
     "LLO' | capitalize }}",
     "AB ab Hello World-Foo (Bar) It's Hello"},
    {"text filters", "{{ 'abab' | replace('a', 'X') }} {{ 'abab' | replace('a', 'X', 1) }} {{ 15 | replace(5, '"
     "x') }}",
     "XbXb Xbab 1x"},
    {"text filters", "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, first=True) }}|{{ 'a\\n\\nb\\n' | in"
     "dent(2, blank=true) }}|{{ 'a\\nb' | indent('--') }}",
     "a\n    b\n\n    c|  a\n  b|a\n  \n  b\n  |a\n--b"},
    {"text filters", "{{ 5 | string + 'x' }} {{ none | string }} {{ [1, 'a'] | string }}", "5x None [1, 'a']"},
    {"text filters", "{{ '%s-%s' | format(1, 'b') }}", "1-b"},
    {"text filters", "{{ '<a>' | safe }} {{ '<a> & \"b\" \\'c\\'' | escape }} {{ ('a'|safe) + '<b>' }} {{ '<b>'"
     " + ('<c>'|safe) }} {{ ('a'|safe) ~ '<b>' }}",
     "<a> &lt;a&gt; &amp; &#34;b&#34; &#39;c&#39; a&lt;b&gt; &lt;b&gt;<c> a<b>"},
    {"text filters", "{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(7) }} {{ '3.9' | int }} {{ 3.9 | int }} {{ "
     "-3.9 | int }} {{ ' 12 ' | int }} {{ '1_000' | int }} {{ true | int }} {{ none | int }}",
     "42 0 7 3 3 -3 12 1000 1 0"},
    {"text filters", "{{ '3.5' | float }} {{ 'x' | float }} {{ 2 | float }} {{ '1e3' | float }}",
     "3.5 0.0 2.0 1000.0"},
    {"text filters", "{{ -5 | abs }} {{ -2.5 | abs }}", "5 2.5"},
    {"text filters", "{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.675 | round(2) }} {{ 42 | round }} {{ 2.1 | roun"
     "d(method='ceil') }} {{ 2.19 | round(1, 'floor') }}",
     "2.0 4.0 2.67 42 3.0 2.1"},
    {"json", "{{ x | tojson }}",
     "{\"n\": 3, \"list\": [5, 6, 7], \"map\": {\"a\": 1, \"b\": \"two\"}, \"has_items\": {\"items\": \"own\"}, "
     "\"people\": [{\"name\": \"Bo\", \"age\": 30, \"tags\": [\"x\", \"y\"]}, {\"name\": \"al\", \"age\": 0, \"ta"
     "gs\": [\"z\"]}, {\"name\": \"Cy\", \"age\": 40, \"tags\": [\"w\"]}], \"tree\": [{\"n\": 1, \"kids\": [{\"n"
     "\": 2, \"kids\": []}, {\"n\": 3}]}, {\"n\": 4}]}"},
    {"json", "{{ x.map | tojson(indent=2) }}", "{\n  \"a\": 1,\n  \"b\": \"two\"\n}"},
    {"json", "{{ [] | tojson(indent=4) }} {{ {} | tojson }} {{ [[], {}] | tojson(indent=1) }}",
     "[] {} [\n [],\n {}\n]"},
    {"json", "{{ 'é\\n\\t\"\\\\/\\x01\\x7f<\\U0001f600' | tojson }} {{ 'é\\U0001f600\\x7f' | tojson(e"
     "nsure_ascii=true) }}",
     "\"é\\n\\t\\\"\\\\/\\u0001\177<😀\" \"\\u00e9\\ud83d\\ude00\\u007f\""},
    {"json", "{{ [1.0, 1e20, 2.5, true, none, -0.0] | tojson }}", "[1.0, 1e+20, 2.5, true, null, -0.0]"},
    {"json", "{{ {'b': 1, 'a': {'d': 1, 'c': 2}} | tojson(sort_keys=true) }}",
     "{\"a\": {\"c\": 2, \"d\": 1}, \"b\": 1}"},
    {"json", "{{ [1, {'a': 2}] | tojson(separators=(',', ':')) }}", "[1,{\"a\":2}]"},
    {"json", "{{ {1: 2, none: 3, true: 4, 1.5: 5} | tojson }}", "{\"1\": 4, \"null\": 3, \"1.5\": 5}"},
    {"json", "{{ (1, 2) | tojson }}", "[1, 2]"},
    {"json", "{{ [1, [2]] | tojson(indent='-') }}", "[\n-1,\n-[\n--2\n-]\n]"},
    {"json", "{{ '{\"a\": [1, 2.5, \"x\\\\u00e9\"]}' | from_json }}", "{'a': [1, 2.5, 'xé']}"},
    {"list filters", "{{ [1, 2] | length }} {{ 'héé' | length }} {{ {'a': 1} | count }} {{ nothing | length }"
     "}",
     "2 3 1 0"},
    {"list filters", "{{ nothing | default('d') }} {{ '' | default('d') }}| {{ '' | default('d', true) }} {{ no"
     "ne | default('d') }} {{ nothing | d }}|",
     "d | d None |"},
    {"list filters", "{{ [1, 'a', none] | join }} {{ [1, 2] | join(', ') }} {{ x.people | join(', ', attribute="
     "'name') }} {{ 'abc' | join('-') }}",
     "1aNone 1, 2 Bo, al, Cy a-b-c"},
    {"list filters", "{{ [1, 2] | first }} {{ [1, 2] | last }} {{ 'é!' | first }} [{{ [] | first }}] {{ x.map "
     "| first }}",
     "1 2 é [] a"},
    {"list filters", "{{ 'abc' | list }} {{ x.map | list }} {{ range(3) | list }} {{ (1, 2) | list }}",
     "['a', 'b', 'c'] ['a', 'b'] [0, 1, 2] [1, 2]"},
    {"list filters", "{{ [1, 2, 3] | reverse | list }} {{ 'abé' | reverse }}", "[3, 2, 1] éba"},
    {"list filters", "{{ x.map | items | list }} {{ nothing | items | list }}", "[('a', 1), ('b', 'two')] []"},
    {"list filters", "{{ x.people | map(attribute='name') | list }} {{ x.people | map(attribute='zz', default='"
     "-') | list }} {{ ['a', 'b'] | map('upper') | join }} {{ [1, 2] | map('string') | list }} "
     "{{ x.people | map(attribute='tags.0') | list }}",
     "['Bo', 'al', 'Cy'] ['-', '-', '-'] AB ['1', '2'] ['x', 'z', 'w']"},
    {"list filters", "{{ [0, 1, 2, none] | select | list }} {{ [1, 2, 3] | select('odd') | list }} {{ [1, 2, 3]"
     " | reject('odd') | list }} {{ [1, 5] | select('>', 2) | list }}",
     "[1, 2] [1, 3] [2] [5]"},
    {"list filters", "{{ x.people | selectattr('age') | map(attribute='name') | list }} {{ x.people | selectatt"
     "r('name', 'equalto', 'Bo') | list | length }} {{ x.people | rejectattr('name', 'in', ['Bo"
     "']) | map(attribute='name') | list }} {{ x.people | selectattr('zz', 'defined') | list }}",
     "['Bo', 'Cy'] 1 ['al', 'Cy'] []"},
    {"list filters", "{{ [3, 1, 2] | sort }} {{ ['b', 'A', 'c'] | sort }} {{ ['b', 'A', 'c'] | sort(case_sensit"
     "ive=true) }} {{ [1, 3, 2] | sort(reverse=true) }} {{ x.people | sort(attribute='name') | "
     "map(attribute='name') | list }}",
     "[1, 2, 3] ['A', 'b', 'c'] ['A', 'b', 'c'] [3, 2, 1] ['al', 'Bo', 'Cy']"},
    {"list filters", "{{ {'b': 1, 'A': 3, 'c': 2} | dictsort }} {{ {'b': 1, 'A': 3} | dictsort(by='value', reve"
     "rse=true) }} {{ {'b': 1, 'A': 2} | dictsort(true) }}",
     "[('A', 3), ('b', 1), ('c', 2)] [('A', 3), ('b', 1)] [('A', 2), ('b', 1)]"},
    {"list filters", "{{ ['a', 'A', 'b', 'a'] | unique | list }} {{ [1, 1, 2] | unique | list }}",
     "['a', 'b'] [1, 2]"},
    {"list filters", "{{ [3, 1, 2] | min }} {{ [3, 1, 2] | max }} {{ ['b', 'A'] | min }} {{ ['b', 'z', 'A'] | m"
     "ax }} {{ 'qzb' | sort(reverse=true) }} {{ [1, 2.5] | sum }} {{ x.people | sum(attribute='"
     "age') }} [{{ [] | max }}]",
     "1 3 A z ['z', 'q', 'b'] 3.5 70 []"},
    {"list filters", "{{ none | selectattr('a') | list }} {{ x.people | selectattr('age', '>', 30) | map(attrib"
     "ute='name') | first }}",
     "[] Cy"},
    {"list filters", "{% if [] | select %}true{% endif %}", "true"},
    {"tests", "{{ x is defined }} {{ nothing is defined }} {{ nothing is undefined }} {{ x.zz is defined"
     " }} {{ none is none }}",
     "True False True False True"},
    {"tests", "{{ 'a' is string }} {{ 1 is number }} {{ true is number }} {{ 1.5 is float }} {{ 1 is int"
     "eger }} {{ true is integer }} {{ true is boolean }} {{ 1 is boolean }}",
     "True True True True True False True False"},
    {"tests", "{{ {} is mapping }} {{ [] is mapping }} {{ [] is sequence }} {{ 'a' is sequence }} {{ {} "
     "is sequence }} {{ 5 is sequence }} {{ [] is iterable }} {{ 5 is iterable }} {{ nothing is"
     " iterable }} {{ {}.items() is sequence }}",
     "True False True True True False True False True False"},
    {"tests", "{{ true is true }} {{ 1 is true }} {{ false is false }} {{ 0 is false }}", "True False True False"},
    {"tests", "{{ 3 is odd }} {{ -3 is odd }} {{ 2.5 is odd }} {{ 4.0 is even }} {{ 9 is divisibleby(-1)"
     " }} {{ 4 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }}",
     "True True False True True True True False"},
    {"tests", "{{ 1 is equalto 1 }} {{ 1 is eq(2) }} {{ 1 is ne 2 }} {{ 2 is gt 1 }} {{ 2 is lessthan 1 "
     "}} {{ 1 is in [1] }} {{ 1 is not in [1] }}",
     "True False True True False True False"},
    {"tests", "{{ 'a' is not string }} {{ not 'a' is string }} {{ x is not none and x is mapping }}",
     "False False True"},
    {"tests", "{{ 'ab' is lower }} {{ 'AB' is upper }} {{ none is sameas none }} {{ x is sameas x }} {{ "
     "range is callable }} {{ 'upper' is filter }} {{ 'odd' is test }}",
     "True True True True True True True"},
    {"tests", "{{ 1 is string or 2 is number }}", "True"},
    {"tests", "{{ 'x' is string and 'y' is mapping }}", "False"},
    {"if", "{% if 1 %}a{% elif 1 %}b{% else %}c{% endif %}{% if 0 %}a{% elif 1 %}b{% else %}c{% endif"
     " %}{% if 0 %}a{% elif 0 %}b{% else %}c{% endif %}",
     "abc"},
    {"if", "{% if x.list %}{% if x.map %}both{% endif %}{% endif %}", "both"},
    {"if", "{% if 0 %}{% elif 0 %}{% elif 2 %}deep{% endif %}", "deep"},
    {"if", "{% if true %}{% set y = 5 %}{% endif %}{{ y }}", "5"},
    {"for", "{% for i in x.list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex"
     "0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ i }};{% endfor %}",
     "1032TrueFalse35;2121FalseFalse36;3210FalseTrue37;"},
    {"for", "{% for k, v in x.map.items() %}{{ k }}={{ v }};{% endfor %}{% for k in x.map %}{{ k }}{% "
     "endfor %}",
     "a=1;b=two;ab"},
    {"for", "{% for i in [] %}x{% else %}none{% endfor %}{% for i in nothing %}x{% else %}none{% endfo"
     "r %}",
     "nonenone"},
    {"for", "{% for i in range(10) if i is odd %}{{ loop.index }}:{{ i }}/{{ loop.length }} {% endfor "
     "%}",
     "1:1/5 2:3/5 3:5/5 4:7/5 5:9/5 "},
    {"for", "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i > 4 %}{% break %}{"
     "% endif %}{{ i }}{% endfor %}",
     "0134"},
    {"for", "{% for i in [1, 2] %}{% for j in [3, 4] %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ "
     "loop.index }}{% endfor %}",
     "1121111212"},
    {"for", "{% for i in x.list %}{{ loop.previtem if loop.previtem is defined else '-' }}>{{ loop.nex"
     "titem if not loop.last else '-' }} {% endfor %}",
     "->6 5>7 6>- "},
    {"for", "{% for i in [1, 2, 3] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i // 2) }} {% endfor %}",
     "aTrue bTrue aFalse "},
    {"for", "{% for t in x.tree recursive %}{{ t.n }}{{ loop.depth }}{% if t.kids %}({{ loop(t.kids) }"
     "}){% endif %}{% endfor %}",
     "11(2232)41"},
    {"for", "{% set y = 1 %}{% for i in [1, 2] %}{% set y = y + i %}{{ y }} {% endfor %}{{ y }}", "2 3 1"},
    {"for", "{% for i in [1, 2] %}{% if loop.first %}{% set z = 'set' %}{% endif %}[{{ z }}]{% endfor "
     "%}",
     "[set][]"},
    {"for", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"},
    {"for", "{% for c in 'aé' %}{{ c }}.{% endfor %}", "a.é."},
    {"for", "{% for i in [1, 2, 3] if i > 5 %}{% else %}empty{% endfor %}", "empty"},
    {"for", "{% for i in 1, 2 %}{{ i }}{% endfor %}", "12"},
    {"for", "{% set ns = namespace(n=0) %}{% for i in x.list %}{% set ns.n = ns.n + i %}{% endfor %}{{"
     " ns.n }}",
     "18"},
    {"for", "{% for i in [[1, 2], [3, 4]] %}{% for j in i %}{{ j }}{% endfor %};{% endfor %}", "12;34;"},
    {"for", "{% for i in [1] %}{{ i }}{% endfor %}{{ i }}|", "1|"},
    {"for", "{% for i in [1, 2] %}{% break %}{% else %}cut{% endfor %}{% for i in [1, 2] %}{% if i == "
     "2 %}{% break %}{% endif %}{% else %}cut{% endfor %}",
     "cut"},
    {"set", "{% set a = 1 %}{% set b, c = 2, 3 %}{{ a }}{{ b }}{{ c }}", "123"},
    {"set", "{% set t %}text {{ 1 + 1 }}{% endset %}[{{ t }}]", "[text 2]"},
    {"set", "{% set t | upper | replace('A', '_') %}abc{% endset %}{{ t }}", "_BC"},
    {"set", "{% set ns = namespace(a=1, b='x') %}{% set ns.c = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{{ ns.c "
     "}}{{ ns.zz is defined }}",
     "1x2False"},
    {"set", "{% set a = 1, 2 %}{{ a }}", "(1, 2)"},
    {"set", "{% with a = 1, b = 2 %}{{ a + b }}{% set c = 3 %}{{ c }}{% endwith %}[{{ c }}]", "33[]"},
    {"set", "{% set a = 'outer' %}{% with a = 'inner', b = a %}{{ a }}{{ b }}{% endwith %}", "innerouter"},
    {"set", "{% set a = 'x' if false else 'y' %}{{ a }}", "y"},
    {"set", "{% set a = 'ab' + 'cd' %}{% set b = a + '1' %}{% set c = a + '2' %}{% set d = b ~ (b ~ '3"
     "') ~ b %}{{ a }} {{ b }} {{ c }} {{ d }}",
     "abcd abcd1 abcd2 abcd1abcd13abcd1"},
    {"macros", "{% macro f(a, b=2, c='z') %}{{ a }}{{ b }}{{ c }};{% endmacro %}{{ f(1) }}{{ f(1, c=3) }}"
     "{{ f(b=5, a=4) }}{{ f() }}",
     "12z;123;45z;2z;"},
    {"macros", "{% macro fact(n) %}{{ n if n < 2 else n * fact(n - 1) | int }}{% endmacro %}{{ fact(5) }}", "120"},
    {"macros", "{% macro outer() %}[{{ caller() }}]{% endmacro %}{% call outer() %}in{% endcall %}", "[in]"},
    {"macros", "{% macro each(l) %}{% for i in l %}{{ caller(i, loop.index) }}{% endfor %}{% endmacro %}{"
     "% call(v, n) each(['a', 'b']) %}{{ n }}{{ v }} {% endcall %}",
     "1a 2b "},
    {"macros", "{% macro f() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ f(1, 2, k=3) }}", "(1, 2){'k': 3}"},
    {"macros", "{% set g = 'one' %}{% macro f() %}{{ g }}{% endmacro %}{{ f() }}{% set g = 'two' %}{{ f()"
     " }}",
     "onetwo"},
    {"macros", "{% macro f(x) %}{% set y = x %}{{ y }}{% endmacro %}{{ f(1) }}[{{ y }}]", "1[]"},
    {"macros", "{% macro f(x) %}{{ x | upper }}{% endmacro %}{{ f('a') ~ f('b') }} {{ f('c') | length }}", "AB 1"},
    {"macros", "{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}", "11"},
    {"macros", "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}", "B"},
    {"macros", "{% macro f(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ f(*[1, 2]) }}{{ f(**{'a': 3, 'b': 4}) }"
     "}",
     "1234"},
    {"macros", "{% macro f(x) %}{{ x is defined }}{% endmacro %}{{ f() }}{{ f(nothing) }}", "FalseFalse"},
    {"blocks", "{% raw %}{{ not }} {% if %}{# x #}{% endraw %}", "{{ not }} {% if %}{# x #}"},
    {"blocks", "{%- raw -%}  a {{ b }}  {%- endraw -%}  c", "a {{ b }}c"},
    {"blocks", "a{# comment {{ x }} #}b{#- c -#}  d", "abd"},
    {"blocks", "{% filter upper %}abc {{ 'd' }}{% endfilter %}", "ABC D"},
    {"blocks", "{% filter trim | upper %}  abc {% endfilter %}", "ABC"},
    {"blocks", "{% generation %}text {{ 1 }}{% endgeneration %}", "text 1"},
    {"blocks", "{% print 'p' %}", "p"},
    {"blocks", "{% for i in [1, 2] %}{% generation %}{% set w = i %}{{ w }}{% endgeneration %}{% endfor %"
     "}",
     "12"},
    {"whitespace", "a\n{% if true %}\nb\n{% endif %}\nc\n", "a\nb\nc"},
    {"whitespace", "a\n  {% if true %}\n  b\n  {% endif %}\nc", "a\n  b\nc"},
    {"whitespace", "a\n  {{ 1 }}\n  b\n", "a\n  1\n  b"},
    {"whitespace", "a  {%- if true -%}  b  {%- endif -%}  c", "abc"},
    {"whitespace", "a {{- 1 -}} b {{ 2 }} c", "a1b 2 c"},
    {"whitespace", "a\n\n", "a\n"},
    {"whitespace", "  {% set q = 1 %}\n  x\n\n  {# c #}\n y", "  x\n\n y"},
    {"whitespace", "a\n  {%+ if true %}b{%+ endif %}\n", "a\n  b"},
    {"whitespace", "x {% if true +%}\ny{% endif %}", "x \ny"},
    {"whitespace", "a\r\nb\rc\r\n", "a\nb\nc"},
    {"whitespace", "\n\n{%- if true %} z {% endif -%}\n\n", " z "},
    {"whitespace", "{# a #}\n{# b -#}\n\n c", "c"},
    {"whitespace", "a\n\t {%- set q = 1 %}\nb", "ab"},
    {"whitespace", "x{% raw %}\n  y\n  {% endraw %}\nz", "x\n  y\nz"},
    {"whitespace", "{{ '}}' }}{{ '%}' }}{{ {'a': {'b': 1}}.a.b }}{{ {'a': {}}}}", "}}%}1{'a': {}}"},
    {"whitespace", "  {{ 1 }}  {% set a = 1 %}  \n b", "  1    \n b"},
    {"whitespace", "{%- set a = 1 -%}\n  b  \n{%- set a = 2 %}\n  c", "b  c"},
    {"whitespace", "\n x", "\n x"},
    {"whitespace", "a {#-#} b {#--#} c", "a bc"},
    {"whitespace", "a{% if true %} {% endif %}b", "a b"},
    {"whitespace", "a\n {% set q = 1 %} {% set q = 2 %}\nb", "a\n b"},
    {"undefined", "[{{ nothing }}] [{{ nothing | upper }}] [{{ nothing ~ 'x' }}] {{ nothing == nothing }} {{"
     " nothing == none }} {{ not nothing }} {{ 1 in nothing }} {{ nothing | list }} {{ [nothing"
     "] | length }}",
     "[] [] [x] True False True False [] 1"},
    {"undefined", "{{ nothing or 'x' }} {{ nothing is none }} {{ nothing | trim | length }}", "x False 0"},
    {"undefined", "{% if nothing %}a{% else %}b{% endif %}", "b"},
    {"functions", "{{ range(3) | list }} {{ range(1, 7, 2) | list }} {{ range(3, 0, -1) | list }} {{ range(0"
     ") | list }}",
     "[0, 1, 2] [1, 3, 5] [3, 2, 1] []"},
    {"functions", "{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %a %A %j %y %I %p %-d %-m %%') }}",
     "2026-11-30 12:34:56 30 Nov November Mon Monday 334 26 12 PM 30 11 %"},
    {"functions", "{{ namespace(a=1).a }}", "1"},
    {"functions", "{{ range(5)[-1] }} {{ range(2, 4) == range(2, 4) }} {{ 3 in range(5) }} {{ range(3) | len"
     "gth }}",
     "4 True True 3"},
    {"unicode", "{{ 'ŉß ǆ ﬁ Σας ΑΣ' | upper }} {{ 'ÀÉİ' | lower | length }} {{ 'ǆabc ßx' | "
     "title }} {{ 'ǆ ﬁx' | capitalize }}",
     "ʼNSS Ǆ FI ΣΑΣ ΑΣ 4 Ǆabc SSx ǅ ﬁx"},
    {"unicode", "{{ '日本語テキスト'[2:4] }} {{ '🙂🙃' | length }} {{ '🙂🙃' | reverse }} {"
     "{ ['日', '🙂', '\342\200\213', '\302\240', '\356\200\200'] }}",
     "語テ 2 🙃🙂 ['日', '🙂', '\\u200b', '\\xa0', '\\ue000']"},
    {"unicode", "{{ 'ÀÉ'.lower() }} {{ 'привет мир'.title() }} {{ 'ПРИВЕТ' | capitalize }"
     "} {{ 'ΑΣ ΣΑΣΑ' | lower }} {{ 'ΌΣΟΣ' | title }} {{ 'é'.isupper() }} {{ 'É'.isu"
     "pper() }}",
     "àé Привет Мир Привет ας σασα Όσος False True"},
};

/// Refusals, each with a part of its sentence.
static const struct template_case template_refusals[] = {
    {"refusal", "{{ nothing.a }}", "line 1, column 4: 'nothing' is undefined, so it has no 'a'"},
    {"refusal", "{{ nothing['a'] }}", "'nothing' is undefined"},
    {"refusal", "{{ x.zz.y }}", "'zz' of a map is undefined"},
    {"refusal", "{{ nothing() }}", "can't be called"},
    {"refusal", "{{ 1 + 'a' }}", "'+' can't take an integer and a string"},
    {"refusal", "{{ 1 / 0 }}", "division by zero"},
    {"refusal", "{{ nothing + 'a' }}", "'nothing' is undefined"},
    {"refusal", "{{ 1 < 'a' }}", "have no order"},
    {"refusal", "{{ raise_exception('no <such> thing') }}", "the template refuses the conversation: no <such> thing"},
    {"refusal", "a\n b {{ 1 | nofilter }}", "line 2, column 11: there is no filter 'nofilter'"},
    {"refusal", "{{ 1 is notest }}", "there is no test 'notest'"},
    {"refusal", "{% for a, b in [(1, 2, 3)] %}{% endfor %}", "2 names can't take 3 values"},
    {"refusal", "{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}", "takes at most 1 arguments"},
    {"refusal", "{% macro f(a) %}{% endmacro %}{{ f(b=1) }}", "has no parameter 'b'"},
    {"refusal", "{% for x in 5 %}{% endfor %}", "an integer can't be iterated over"},
    {"refusal", "{{ none | length }}", "none has no length"},
    {"refusal", "{% set y.a = 1 %}", "is no namespace"},
    {"refusal", "{% set x.a = 1 %}", "is no namespace"},
    {"refusal", "{{ 9223372036854775807 + 1 if false else {[1]: 2} }}", "can't be a key"},
    {"refusal", "{{ 'a'.index('z') }}", "no such part"},
    {"refusal", "{{ [1].pop(7) }}", "no such element"},
    {"refusal", "{{ nothing | tojson }}", "'nothing' is undefined"},
    {"refusal", "{{ range | tojson }}", "a function has no JSON"},
    {"refusal", "{{ range(1, 2, 0) }}", "the step is 0"},
    {"refusal", "{{ [1, 'a'] | sort }}", "have no order"},
    {"refusal", "{{ ''.join([1]) }}", "strings only"},
    {"refusal", "{{ 5() }}", "an integer can't be called"},
    {"refusal", "{{ 'abc'[::0] }}", "a step other than 0"},
    {"refusal", "{{ 'a' in 5 }}", "can't be iterated over"},
    {"refusal", "{{ 5 in 'a' }}", "holds strings only"},
    {"refusal", "{{ '{}'.format() }}", "got nothing for the field"},
    {"refusal", "{{ '%d' % 'a' }}", "takes a number"},
    {"refusal", "{{ '%s %s' % 1 }}", "wants more than 1"},
    {"refusal", "{{ 'a' | from_json }}", "from_json: line 1, column 1"},
    {"refusal", "{{ -'a' }}", "has no sign"},
    {"refusal", "{{ x.n[1:] }}", "an integer has no slices"},
    {"refusal", "{{ 5 is divisibleby 0 }}", "division by zero"},
    {"refusal", "{{ x.map[:2] }}", "a map has no slices"},
    {"refusal", "{{ 'a' is odd }}", "wants 0 values"},
    {"refusal", "{{ 5 | indent }}", "indent takes a string"},
    {"refusal", "{{ '%s' % () }}", "wants more than 0"},
    {"refusal", "{{ 'a' % 1 }}", "wants 0 values, not 1"},
    {"refusal", "{{ [1] | map('nope') | list }}", "the name of a filter"},
};

/// Texts that do not parse.
static const struct template_case template_faults[] = {
    {"syntax", "{{ 1", "the expression does not end; '}}' is missing"},
    {"syntax", "{% if 1", "the block does not end"},
    {"syntax", "{# x", "'#}' is missing"},
    {"syntax", "{% if 1 %}a", "one of the tags |elif|else|endif| is missing; the template ends here"},
    {"syntax", "{% for x in y %}", "endfor"},
    {"syntax", "{% raw %}x", "endraw"},
    {"syntax", "{{ 'a }}", "the string does not end"},
    {"syntax", "{{ 1 + }}", "line 1, column 8: expected an expression"},
    {"syntax", "a\n\n  {{ é ) }}", "line 3, column 8: this bracket closes none"},
    {"syntax", "{{ (1] }}", "closes none"},
    {"syntax", "{% nope %}", "unknown tag; 'nope' stands here"},
    {"syntax", "{% if 1 %}{% endfor %}", "unknown tag; the block that is open waits for |elif|else|endif|"},
    {"syntax", "{% include 'x' %}", "'include' is not supported in chat templates"},
    {"syntax", "{% import 'x' as y %}", "'import' is not supported"},
    {"syntax", "{% block x %}{% endblock %}", "'block' is not supported"},
    {"syntax", "{% do x %}", "'do' is not supported"},
    {"syntax", "{% break %}", "'break' stands outside of a loop"},
    {"syntax", "{% for i in x %}{% macro f() %}{% continue %}{% endmacro %}{% endfor %}",
     "'continue' stands outside"},
    {"syntax", "{{ $ }}", "no token begins with this character"},
    {"syntax", "{% set 1 = 2 %}", "expected a name that gets a value"},
    {"syntax", "{% set true = 2 %}", "expected a name that gets a value"},
    {"syntax", "{% for a.b in x %}{% endfor %}", "only by 'set'"},
    {"syntax", "{% for x of y %}{% endfor %}", "expected 'in'; 'of' stands here"},
    {"syntax", "{{ f(a=1, 2) }}", "without a name stands behind one with a name"},
    {"syntax", "{% macro f(a=1, b) %}{% endmacro %}", "without a default"},
    {"syntax", "{{ 1 2 }}", "expected the end of the expression"},
    {"syntax", "{% call 5 %}{% endcall %}", "'call' needs a call"},
    {"syntax", "{{ 99999999999999999999 }}", "more than 64 bits"},
    {"syntax", "{{ '\\N{DASH}' }}", "characters by name"},
    {"syntax", "{{ '\\xzz' }}", "two (\\x)"},
    {"syntax", "{{ a. }}", "a name or a number behind '.'"},
    {"syntax", "{{ a[] }}", "expected an"},
    {"syntax", "{{ x | }}", "expected filter"},
    {"syntax", "{{ {1} }}", "expected ':'"},
    {"syntax", "a\377", "UTF-8"},
};
// clang-format on
#endif
