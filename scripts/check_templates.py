#!/usr/bin/env python3
"""Whether chat templates render as jinja2 renders them, byte for byte.

    scripts/check_templates.py [--verbose] [FOLDER | FILE.jinja...]

Without arguments the templates are those of PyPI llama-cpp-python 0.3.36, whose source package pip brings into
$WEFT_TEMPLATES_CACHE (build/templates) on the first run. Each is rendered by build/weft_render_template and by jinja2
with the settings of transformers, for conversations with and without system text, tools, calls, results, images and
reasoning. Where jinja2 fails, Weft must fail, and the reverse. Runs are checked too: the texts of users, which hold
control tokens, must come out as data. Needs jinja2. Exit status: 0 all agree, 1 some do not, 77 no templates.

Two things differ from transformers, in favour of templates that use them: methods that change a list or a map
(append, pop) are allowed, and there is a filter from_json.
"""
import copy
import datetime
import glob
import json
import os
import subprocess
import sys
import tarfile
import tempfile

from jinja2 import nodes
from jinja2.exceptions import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import SandboxedEnvironment

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("WEFT_BUILD_DIR", "build"))
PACKAGE = "llama-cpp-python==0.3.36"
INSIDE = "/vendor/llama.cpp/models/templates/"
NOW = datetime.datetime(2026, 11, 30, 12, 34, 56)


class Generation(Extension):
    """{% generation %}, which marks what the assistant wrote and changes no text."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def raise_exception(message):
        raise TemplateError(message)

    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    env = SandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols])
    env.filters["tojson"] = tojson
    env.filters["from_json"] = json.loads
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


# ---- conversations -------------------------------------------------------------------------------------------------

USER = 'What\'s <b>new</b> & "good"? <|im_end|><|eot_id|></s>\n  naïve Straße 你好 \U0001f600\t{{ messages }} '
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather's \"state\" in a <place>.\nSecond line.",
    "parameters": {"type": "object", "required": ["city"], "properties": {
        "city": {"type": "string", "description": "City & country", "enum": ["Zürich", "Paris"]},
        "days": {"type": ["integer", "null"], "description": "How many", "default": 3},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "place": {"type": "object", "properties": {"lat": {"type": "number", "minimum": -90.5}, "ok": {
            "type": "boolean"}}, "required": ["lat"]},
        "either": {"anyOf": [{"type": "string"}, {"type": "number"}], "nullable": True}}},
    "return": {"type": "string"}, "response": {"type": "object"}}}
PLAIN = {"type": "function", "function": {"name": "ping", "description": "No parameters",
                                          "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, PLAIN]
ARGUMENTS = {"city": "Zürich <x>", "days": 2, "tags": ["a", "b'c"], "place": {"lat": 1.5, "ok": True}, "none": None}


def text(role, content, **more):
    return dict({"role": role, "content": content}, **more)


def call(arguments, name="get_weather", ident="call_12a9"):
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    user, hello = text("user", USER), text("assistant", "  Hello <|im_start|>there.\n")
    system = text("system", "You are\n helpful & <kind>. ")
    result = text("tool", '{"degrees": 21.5}', name="get_weather", tool_call_id="call_12a9")
    other = text("tool", "pong", name="ping", tool_call_id="call_2b7c5")
    image = text("user", [{"type": "text", "text": USER}, {"type": "image", "image": "x.png"},
                          {"type": "image_url", "image_url": {"url": "y"}}, {"type": "text", "text": "end"}])
    thinks = text("assistant", "21.5 degrees", reasoning_content="Let me think.\nWell. ")
    inline = text("assistant", "<think>\nHidden \n</think>\n\nShown </think> twice")
    empty_call = text("assistant", "", tool_calls=[call(ARGUMENTS)])
    none_call = text("assistant", None, tool_calls=[call(ARGUMENTS), call({}, "ping", "call_2b7c5")])
    text_call = text("assistant", "I look.", tool_calls=[call(json.dumps(ARGUMENTS))])
    yield "user", [user]
    yield "system", [system, user]
    yield "turns", [user, hello, text("user", "And?"), text("assistant", "So."), text("user", "Ok")]
    yield "system turns", [system, user, hello, text("user", "And?")]
    yield "ends with assistant", [system, user, hello]
    yield "developer", [text("developer", "Be short."), user]
    yield "empty", []
    yield "assistant first", [hello, user]
    yield "two users", [user, text("user", "Again")]
    yield "parts", [text("system", [{"type": "text", "text": "Parts."}]), image, hello]
    yield "text parts", [text("user", [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])]
    yield "call", [system, user, empty_call, result, thinks, text("user", "Thanks")]
    yield "calls", [user, none_call, result, other]
    yield "call, then ends", [user, none_call, result, other, text("assistant", "Done.")]
    yield "text call", [system, user, text_call, result, hello]
    yield "call without id", [user, text("assistant", "", tool_calls=[{"type": "function", "function": {
        "name": "ping", "arguments": {}}}]), text("tool", "pong")]
    yield "call last", [user, text_call]
    yield "short ids", [user, text("assistant", "", tool_calls=[call(ARGUMENTS, ident="abcdef123")]),
                        text("tool", {"degrees": [1, 2.5, None, True]}, name="get_weather", tool_call_id="abcdef123")]
    yield "result parts", [user, empty_call, text("tool", [{"type": "text", "text": "warm"}], tool_call_id="call_12a9")]
    yield "reasoning", [system, user, thinks, text("user", "More"), inline, text("user", "Yet more")]
    yield "thinking", [user, text("assistant", "x", thinking="Deep."), text("user", "/no_think go"), thinks]
    yield "reasoning call", [user, dict(empty_call, reasoning_content="Which? ", thinking="Hm"), result]
    yield "unknown role", [text("alien", "x"), user]
    yield "system last", [user, hello, system]


def requests():
    tokens = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    extras = [{}, {"enable_thinking": False, "datetime": "Nov 30", "date_string": "30 Nov 2026", "thinking": False},
              {"enable_thinking": True, "thinking": True, "reasoning_effort": "high", "preserve_thinking": True,
               "add_vision_id": True, "builtin_tools": ["browser", "python"], "datetime": "x", "functions": TOOLS}]
    documents = [{"title": "A <doc>", "text": "Body & soul"}, {"title": "B", "text": "Two"}]
    for name, messages in conversations():
        for tools in (None, TOOLS, [PLAIN], [WEATHER["function"]], []):
            for prompt in (True, False):
                for number, extra in enumerate(extras):
                    docs = documents if number == 2 and tools is None else None
                    label = "%s, %s tools, prompt %s, extras %d" % (name, tools and len(tools), prompt, number)
                    yield label, {"messages": messages, "tools": tools, "documents": docs, "tokens": tokens,
                                  "variables": extra, "add_generation_prompt": prompt}


def expected(template, request):
    r = copy.deepcopy(request)
    return template.render(messages=r["messages"], tools=r["tools"], documents=r["documents"],
                           add_generation_prompt=r["add_generation_prompt"], **r["tokens"], **r["variables"])


# ---- comparison ----------------------------------------------------------------------------------------------------

def runs_fault(answer):
    """Control tokens of users' texts may not be marked as the template's."""
    data, end = answer["text"].encode(), 0
    marks = bytearray(len(data))
    for stop, is_data in answer["runs"]:
        if stop <= end:
            return "a run that is empty"
        marks[end:stop] = bytes([is_data]) * (stop - end)
        end = stop
    if end != len(data):
        return "runs that end before the text"
    for whole in (USER.split("\n")[0], USER.split("\n")[1].strip(), "<|im_start|>there"):
        place = data.find(whole.encode())
        while place >= 0:
            if not all(marks[place:place + len(whole.encode())]):
                return "'%s' of a user as the template's text" % whole
            place = data.find(whole.encode(), place + 1)
    return None


def compare(path, env, cases, verbose):
    """(equal renderings, renderings that both refuse, faults) of one template."""
    with open(path, newline="", encoding="utf-8") as f:
        source = f.read()
    template = env.from_string(source)
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as f:
        json.dump([c for _, c in cases], f)
        f.flush()
        done = subprocess.run([os.path.join(BUILD, "weft_render_template"), path, f.name], capture_output=True)
    lines = done.stdout.decode().split("\n")[:-1]
    if done.returncode or len(lines) != len(cases):
        return 0, 0, ["does not parse or end: " + done.stderr.decode().strip()]
    equal, refused, faults = 0, 0, []
    for (name, case), line in zip(cases, lines):
        answer = json.loads(line)
        try:
            want, why = expected(template, case), None
        except Exception as e:  # jinja2 lets any error of Python's through
            want, why = None, "%s: %s" % (type(e).__name__, e)
        got = answer.get("text")
        if want is None and got is None:
            refused += 1
            if verbose > 1:
                print("    %s: %s | %s" % (name, why, answer["error"]))
        elif want == got:
            fault = runs_fault(answer)
            equal += fault is None
            if fault:
                faults.append("%s: %s" % (name, fault))
        else:
            faults.append("%s\n  jinja2: %s\n  weft:   %s" % (
                name, show(want, got, why), show(got, want, answer.get("error"))))
    return equal, refused, faults


def show(text_, other, error):
    if text_ is None:
        return "refuses: %s" % error
    at = 0
    while other is not None and at < min(len(text_), len(other)) and text_[at] == other[at]:
        at += 1
    return "at %d: %r" % (at, text_[max(0, at - 40):at + 60])


def fetched():
    folder = os.environ.get("WEFT_TEMPLATES_CACHE", os.path.join(BUILD, "templates"))
    if not glob.glob(folder + "/*.jinja"):
        with tempfile.TemporaryDirectory() as place:
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d",
                            place, PACKAGE], check=False)
            archives = glob.glob(place + "/*.tar.gz")
            if not archives:
                return []
            os.makedirs(folder, exist_ok=True)
            with tarfile.open(archives[0]) as tar:
                for member in tar:
                    if INSIDE in member.name and member.name.endswith(".jinja"):
                        with open(os.path.join(folder, os.path.basename(member.name)), "wb") as f:
                            f.write(tar.extractfile(member).read())
    return sorted(glob.glob(folder + "/*.jinja"))


def control(env):
    """A comparison that sees nothing is noticed: a rendering with other text, and one with other runs, must fail."""
    wrong = {"text": USER, "runs": [[len(USER.encode()), False]]}
    right = {"text": USER, "runs": [[len(USER.encode()), True]]}
    if runs_fault(wrong) is None or runs_fault(right) is not None:
        sys.exit("check_templates: the check of runs itself is broken")
    with tempfile.NamedTemporaryFile("w", suffix=".jinja") as f:
        f.write("{{ messages[0].content }}\n\n")
        f.flush()
        request = {"messages": [text("user", USER)], "tools": None, "documents": None, "tokens": {}, "variables": {},
                   "add_generation_prompt": False}
        if compare(f.name, env, [("control", request)], 0)[0] != 1:
            sys.exit("check_templates: the control does not render")
        env = env.overlay(keep_trailing_newline=True)
        if not compare(f.name, env, [("control", request)], 0)[2]:
            sys.exit("check_templates: the comparison itself is broken")


def main():
    verbose = sum(a == "--verbose" for a in sys.argv[1:])
    paths = [a for a in sys.argv[1:] if not a.startswith("--")]
    if len(paths) == 1 and os.path.isdir(paths[0]):
        paths = sorted(glob.glob(paths[0] + "/*.jinja"))
    paths = paths or fetched()
    if not paths:
        print("check_templates: no templates; pip could not bring %s" % PACKAGE)
        return 77
    env, cases = environment(), list(requests())
    control(env)
    good, total = 0, [0, 0]
    for path in paths:
        equal, refused, faults = compare(path, env, cases, verbose)
        good += not faults
        total[0] += equal
        total[1] += refused
        if faults or verbose:
            print("%s: %d equal, %d refused by both, %d differ" % (os.path.basename(path), equal, refused, len(faults)))
        for fault in faults[:None if verbose else 2]:
            print("  " + fault)
    print("check_templates: %d of %d templates agree; %d renderings are equal, %d are refused by both" % (
        good, len(paths), total[0], total[1]))
    return int(good != len(paths))


if __name__ == "__main__":
    sys.exit(main())
