#!/usr/bin/env bash
# Installs the build into a scratch folder and uses it as a stranger would: a C program built through pkg-config,
# against the shared and against the static library, must compile, run and agree on a status name; so must the examples,
# as the README says to build them (the graph runs on the null device).
set -euo pipefail
cd "$(dirname "$0")/.."
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cmake --install "${WEFT_BUILD_DIR:-build}" --prefix "$scratch/prefix" >/dev/null
libdir=$(dirname "$(find "$scratch/prefix" -name libweft.so)")

cat >"$scratch/user.c" <<'C'
#include <weft/status.h>
#include <stdio.h>
int main(void) { return puts(weft_status_name(WEFT_ERR_LIMIT)) < 0; }
C
export PKG_CONFIG_PATH=$libdir/pkgconfig
cc "$scratch/user.c" -o "$scratch/shared" $(pkg-config --cflags --libs weft)
# Only Weft is taken from its archive: the libraries from outside need not have one.
cc "$scratch/user.c" -o "$scratch/static" $(pkg-config --cflags weft) \
   $(pkg-config --libs --static weft | sed 's/-lweft\b/-l:libweft.a/')
for kind in shared static; do
    said=$(LD_LIBRARY_PATH=$libdir "$scratch/$kind")
    [ "$said" = WEFT_ERR_LIMIT ] || { echo "install: the $kind program said '$said'" >&2; exit 1; }
done
for example in examples/*.c; do
    cc "$example" -o "$scratch/$(basename "$example" .c)" $(pkg-config --cflags --libs weft)
done
said=$(LD_LIBRARY_PATH=$libdir WEFT_WEBGPU=null "$scratch/graph")
case $said in
*"T = 2"*"T = 1"*) ;;
*) echo "install: the example graph said '$said'" >&2; exit 1 ;;
esac
if ! readelf -d "$scratch/shared" | grep -q 'libweft\.so\.0'; then
    echo "install: the program does not name libweft.so.0" >&2
    exit 1
fi
if [ -x "$scratch/prefix/bin/weft" ]; then "$scratch/prefix/bin/weft" --help >/dev/null; fi
echo "install: a program and the examples build and run against the installed library"
