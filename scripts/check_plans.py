#!/usr/bin/env python3
"""Whether the plans that docs/ shows are those that `weft inspect` prints.

    scripts/check_plans.py [--write]

A fenced block of a page that begins with `$ weft inspect examples/...` must be what that command prints, and the plan
must stand in what the example program of that name prints with --plan. A block that begins with
`$ weft inspect --passes` is the list of passes. --write puts the present plans and lists in. The build
folder is $WEFT_BUILD_DIR, else build. Exit status: 0 all agree, 1 some do not.
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("WEFT_BUILD_DIR", "build"))
BLOCK = re.compile(r"^```\n\$ (weft inspect (?:examples/(\w+)\.weft[^\n]*|--passes))\n(.*?)^```\n", re.M | re.S)
ENV = dict(os.environ, WEFT_WEBGPU="null")


def output(args):
    """What an example computes on the null device is nobody's business, so its status is not looked at."""
    return subprocess.run(args, cwd=ROOT, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()


def plan_of(command):
    return output([os.path.join(BUILD, "weft")] + command.split()[1:])


def example_of(graph):
    """alias_part.weft is one of the graphs of examples/alias.c."""
    return os.path.join(BUILD, "examples", graph.split("_")[0])


def main():
    write = "--write" in sys.argv[1:]
    count, bad = 0, 0
    for path in sorted(glob.glob(os.path.join(ROOT, "docs", "*.md"))):
        with open(path) as f:
            text = f.read()

        def fresh(m):
            nonlocal count, bad
            command, graph, shown = m.groups()
            plan = plan_of(command)
            count += 1
            if plan != shown and not write:
                print("%s: `%s` prints another plan (scripts/check_plans.py --write)" % (path, command))
                bad += 1
            if graph and plan not in output([example_of(graph), "--plan"]):
                print("examples/%s.weft: its plan is not among those of `%s --plan`" % (graph, example_of(graph)))
                bad += 1
            return "```\n$ %s\n%s```\n" % (command, plan)

        new = BLOCK.sub(fresh, text)
        if write and new != text:
            with open(path, "w") as f:
                f.write(new)
    if count == 0:
        print("no page shows a plan")
    return bad > 0 or count == 0


if __name__ == "__main__":
    sys.exit(main())
