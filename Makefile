# Thin: each target calls CMake, ctest or a script, so that all of it also works without make.
#   make run     install what is missing, build, fetch SmolLM2 135M and ask it a question; VERB=run continues a PROMPT,
#                which is what models without a chat template can do: make run MODEL=gemma3-270m VERB=run PROMPT="Once"
#   make test    install what is missing, build, run the whole test suite
#   make golden  compare the plans of tests/golden with what this build makes; REWRITE=1 writes them anew
#   make mutants break the sources one line at a time (tests/mutants.txt); the suite must notice each; ONLY=words
#   make nightly what CI has no time for: everything at length, fuzzing, mutants; PARTS="long fuzz" for some of it
#   make install PREFIX=$HOME/.local
MODEL  ?= smollm2-135m
VERB   ?= chat
PROMPT ?= Why is the sky blue?
TOKENS ?= 96
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
WERROR ?= OFF
PREFIX ?= /usr/local
DESTDIR ?=

space := $(subst ,, )
CONFIGURE = cmake -DWEFT_WERROR=$(WERROR) -DCMAKE_INSTALL_PREFIX="$(PREFIX)" --preset
.PHONY: all deps configure build run test golden bench debug sanitize tsan mutants nightly format lint docs clean \
	distclean install

all: build

deps:
	@scripts/deps.sh

build:
	$(CONFIGURE) release
	cmake --build --preset release -j $(JOBS)

run: deps
	@$(MAKE) --no-print-directory build
	build/weft pull $(MODEL)
	@printf '%s' "$(PROMPT)" | build/weft $(VERB) $(MODEL) --temp 0 -n $(TOKENS)

# Two real models run once a driver; they are fetched once. TESTS="-R core" and the like go to ctest. What is labelled
# nightly is left to scripts/nightly.sh.
test: deps
	@$(MAKE) --no-print-directory build
	build/weft pull gemma3-270m smollm2-135m
	ctest --preset release -j $(JOBS) -LE nightly $(TESTS)

# Also leaves every WGSL text of these plans in build/golden, by the hash that a plan has for it.
golden:
	$(CONFIGURE) release
	cmake --build --preset release -j $(JOBS) --target compile_test_golden weft_test_models
	@WEFT_TEST_BUILD=build WEFT_GOLDEN=$(if $(REWRITE),rewrite,all) build/tests/compile_test_golden

bench: build
	@scripts/bench.sh $(BENCH)

debug:
	$(CONFIGURE) debug
	cmake --build --preset debug -j $(JOBS)

# Leaks are looked for where no driver is loaded; see scripts/sanitizers.supp. The real model runs in `make test`. The
# host side of a driver suite is the same on both implementations, so the slow one (SwiftShader) runs only what touches
# Dawn itself. Operators, the compiler and the command are instrumented on the null device, and what batch invariance
# asks of the host by exec's suites of slots and prefixes; SANITIZE_SKIP= builds and runs these driver suites too. TESTS
# chooses among the first; the second have a choice of their own, of which ctest would take only the last.
# Warnings are not errors here: instrumented code makes GCC guess wrongly about uninitialised variables.
SANITIZE_SKIP ?= -E "^((app|ops|compile)_test_gpu|model_test_gpu_(invariant|slots))"
sanitize:
	@scripts/check_sanitizers.sh
	cmake -DWEFT_WERROR=OFF --preset sanitize
	cmake --build --preset sanitize -j $(JOBS) --target $(if $(SANITIZE_SKIP),weft_sanitized,all)
	ctest --preset sanitize -j $(JOBS) -LE "model|dawn|min|validation|nightly" $(SANITIZE_SKIP) $(TESTS)
	$(if $(TESTS),,ctest --preset sanitize -j $(JOBS) -L dawn -R "gpu_device|gpu_loss|gpu_cancel|gpu_small")

# The suites in which threads meet, on the null device: the implementations are not instrumented, and would drown what
# is ours. Only what these need is built.
TSAN_TESTS = core_test_thread core_test_cancel core_test_alloc core_test_error core_test_log gpu_test_front \
	gpu_test_pipelines exec_test_async exec_test_cancel exec_test_threads engine_test_open
tsan:
	@scripts/check_sanitizers.sh thread
	cmake -DWEFT_WERROR=OFF --preset tsan
	cmake --build --preset tsan -j $(JOBS) --target $(TSAN_TESTS)
	ctest --preset tsan -j $(JOBS) --no-tests=error -R "^($(subst $(space),|,$(strip $(TSAN_TESTS))))$$"

# A tree and a build of its own, in build/mutants.
mutants: deps
	@scripts/mutate.py --only "$(ONLY)"

nightly:
	@scripts/nightly.sh $(PARTS)

format:
	@scripts/format.sh

lint:
	@scripts/lint.sh

docs:
	@scripts/docs.sh

# Keeps what was fetched (build/webgpu, build/npm); distclean removes that too.
clean:
	@if [ -d build ]; then find build -mindepth 1 -maxdepth 1 ! -name webgpu ! -name npm -exec rm -rf {} +; fi

distclean:
	rm -rf build

install: build
	DESTDIR="$(DESTDIR)" cmake --install build
