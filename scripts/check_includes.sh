#!/usr/bin/env bash
# Fails when an #include under src/ goes against the arrows:
#
#     core <- ir <- plan <- kernels <- ops <- compile <- exec <- model <- engine <- api <- app
#     core <- gpu <------------------------------------ exec
#
# A folder includes itself and the folders to its left, but compile neither ops nor kernels, since operators and
# families of kernels come with the graph, and app only itself, core and the public headers, which it so tests. gpu is
# open to exec and everything right of it. Only gpu/webgpu sees webgpu.h. Within gpu, front, webgpu and null include no
# headers of each other or of what stands above them. Public headers (weft/...) are open to all and include only each
# other. One exception: gpu/caps.h holds what a device can do as plain numbers, without a call, so that plan, kernels,
# ops and compile may read it. Before the tree, the check runs on planted faults and on legal lines, and fails if it
# gets wrong one of them.
set -euo pipefail
cd "$(dirname "$0")/.."

validate='
# allowed[module] lists the folders that a folder may include.
BEGIN {
    allowed["core"] = "core"
    allowed["gpu"] = "core gpu"
    allowed["ir"] = "core ir"
    allowed["plan"] = "core ir plan"
    allowed["kernels"] = allowed["plan"] " kernels"
    allowed["ops"] = allowed["kernels"] " ops"
    allowed["compile"] = allowed["plan"] " compile"
    allowed["exec"] = allowed["ops"] " compile gpu exec"
    allowed["model"] = allowed["exec"] " model"
    allowed["engine"] = allowed["model"] " engine"
    allowed["api"] = allowed["engine"] " api"
    allowed["app"] = "core app"
    allowed["web"] = allowed["engine"] " web"
    allowed["include"] = ""
}
# Input: "file:line:#include ..."
{
    split($0, place, ":")
    file = place[1]
    depth = split(file, part, "/")
    module = part[1] == "include" ? "include" : part[2]
    rest = $0
    if (!match(rest, /#[ \t]*include[ \t]*[<"][^>"]+[>"]/)) next
    name = substr(rest, RSTART, RLENGTH)
    sub(/#[ \t]*include[ \t]*/, "", name)
    quoted = substr(name, 1, 1) == "\""
    name = substr(name, 2, length(name) - 2)
    if (name ~ /(^|\/)(webgpu|wgpu)\.h$/) {
        if (file !~ /^src\/gpu\/webgpu\//) report("only src/gpu/webgpu may include it")
        next
    }
    if (name ~ /^weft\//) next
    if (!(module in allowed)) { report("src/" module " is no folder of the list"); next }
    if (split(name, to, "/") < 2) {
        if (quoted) report("write the path from src/, such as \"" module "/" name "\"")
        next
    }
    target = to[1]
    if (target == "..") { report("write the path from src/"); next }
    if (module == "include") {
        if (quoted || (target in allowed)) report("a public header includes only weft/ and the C library")
        next
    }
    if (!(target in allowed)) { if (quoted) report("src/" target " is no folder of the list"); next }
    if (name == "gpu/caps.h" && module ~ /^(plan|kernels|ops|compile)$/) next
    if (module == "gpu" && target == "gpu" && depth > 3) {
        inner = "gpu/" part[3] "/"
        if (index(name, inner) != 1 && name !~ /^gpu\/(gpu|gpu_backend|gpu_test|caps)\.h$/)
            report("src/" inner " may include only its own headers, gpu.h, gpu_backend.h, gpu_test.h and caps.h of gpu")
        next
    }
    # sys/, pthread and the like are foreign folders; names of modules are ours in either quotes.
    if (index(" " allowed[module] " ", " " target " ") == 0) report("src/" module " may include only: " allowed[module])
}
function report(why) { printf "%s:%s: #include %s: %s\n", place[1], place[2], name, why; faults++ }
END { exit faults > 0 }
'

faults_of() { awk "$validate" | wc -l; }

control() { # control EXPECTED LINE
    local got
    got=$(printf '%s\n' "$2" | faults_of || true)
    [ "$got" -eq "$1" ] && return
    echo "check_includes: the check itself is broken: '$2' gave $got faults, expected $1" >&2
    exit 1
}
control 1 'src/core/a.c:1:#include "ir/graph.h"'
control 1 'src/gpu/a.c:1:#include "exec/session.h"'
control 1 'src/gpu/a.c:1:#include "ir/graph.h"'
control 1 'src/ir/a.c:1:#include "plan/step.h"'
control 1 'src/ops/a.c:1:#include "gpu/gpu.h"'
control 1 'src/plan/a.c:1:  #  include <gpu/gpu.h>'
control 1 'src/compile/a.c:1:#include "webgpu/webgpu.h"'
control 1 'src/compile/a.c:1:#include "ops/ops.h"'
control 1 'src/compile/a.c:1:#include "kernels/map.h"'
control 1 'src/exec/a.c:1:#include <webgpu.h>'
control 1 'src/gpu/front/a.c:1:#include <webgpu/webgpu.h>'
control 1 'src/gpu/front/a.c:1:#include "gpu/webgpu/impl.h"'
control 1 'src/gpu/front/a.c:1:#include "gpu/open.h"'
control 1 'src/gpu/null/a.c:1:#include "gpu/front/front.h"'
control 1 'src/gpu/webgpu/a.c:1:#include "exec/program.h"'
control 1 'src/kernels/map/a.c:1:#include "ops/ops.h"'
control 1 'src/plan/a.c:1:#include "kernels/map.h"'
control 1 'src/exec/a.c:1:#include "api/impl.h"'
control 1 'src/exec/a.c:1:#include "model/gguf.h"'
control 1 'src/model/a.c:1:#include "app/app.h"'
control 1 'src/core/a.c:1:#include "arena.h"'
control 1 'src/core/a.c:1:#include "../ir/graph.h"'
control 1 'src/cellar/a.c:1:#include "core/str.h"'
control 1 'include/weft/a.h:1:#include "core/str.h"'
control 1 'src/ir/a.c:1:#include "gpu/caps.h"'
control 0 'src/exec/a.c:1:#include "gpu/gpu.h"'
control 0 'src/plan/a.c:1:#include "gpu/caps.h"'
control 0 'src/gpu/webgpu/a.c:1:#include "webgpu/wgpu.h"'
control 0 'src/gpu/webgpu/a.c:1:#include "gpu/gpu_backend.h"'
control 0 'src/gpu/front/a.c:1:#include "gpu/front/front.h"'
control 0 'src/gpu/a.c:1:#include "gpu/front/front.h"'
control 0 'src/ops/a.c:1:#include "kernels/map/map.h"'
control 0 'src/kernels/map/a.c:1:#include "gpu/caps.h"'
control 1 'src/model/a.c:1:#include "api/impl.h"'
control 0 'src/api/a.c:1:#include "engine/slots.h"'
control 1 'src/app/a.c:1:#include "model/gguf.h"'
control 1 'src/app/a.c:1:#include "gpu/gpu.h"'
control 0 'src/app/a.c:1:#include "core/file.h"'
control 0 'src/ops/a.c:1:#include "core/str.h"'
control 0 'src/core/a.c:1:#include <sys/mman.h>'
control 0 'src/core/a.c:1:#include "weft/status.h"'
control 0 'include/weft/a.h:1:#include "weft/status.h"'

lines=$(grep -rnE --include='*.c' --include='*.h' '^[[:space:]]*#[[:space:]]*include' src include || true)
if [ -z "$lines" ]; then
    echo "check_includes: found no #include under src/ and include/" >&2
    exit 1
fi
printf '%s\n' "$lines" | awk "$validate" >&2 || exit 1
echo "lint: includes: $(printf '%s\n' "$lines" | wc -l) checked, all along the arrows"
