#!/usr/bin/env bash
# API pages from the public headers into build/docs, with Doxygen. Contracts live in the headers; this only sets them.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v doxygen >/dev/null || { echo "docs: doxygen is not installed (apt-get install doxygen)" >&2; exit 1; }
mkdir -p build/docs
doxygen - <<'D'
PROJECT_NAME = Weft
INPUT = include/weft README.md CONTRIBUTING.md docs
RECURSIVE = YES
OUTPUT_DIRECTORY = build/docs
OPTIMIZE_OUTPUT_FOR_C = YES
EXTRACT_ALL = YES
GENERATE_LATEX = NO
QUIET = YES
USE_MDFILE_AS_MAINPAGE = README.md
PREDEFINED = WEFT_API=
MACRO_EXPANSION = YES
D
echo "docs: build/docs/html/index.html"
