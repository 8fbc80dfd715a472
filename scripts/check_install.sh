#!/usr/bin/env bash
# Installs the build into a scratch folder and uses it as a stranger would: a C program built through pkg-config,
# against the shared and against the static library, must compile, run and agree on a status name; so must the examples,
# as the README says to build them (the graph runs on the null device). The library may need the C library alone, and
# must be configurable on a machine that has nothing else.
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

# Libraries that FILE names and that are no part of the C library (glibc, musl), which has its parts in several files.
foreign() {
    readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
        grep -vE '^(lib(c|m|dl|rt|pthread)\.so\.[0-9]+|libc\.musl-.*|ld-(linux|musl)-?.*)$' || true
}
echo 'int weft_stray(void) { return 0; }' >"$scratch/stray.c"
echo 'int weft_stray(void); int weft_control(void) { return weft_stray(); }' >"$scratch/control.c"
cc -shared -fPIC "$scratch/stray.c" -o "$scratch/libstray.so"
cc -shared -fPIC "$scratch/control.c" -o "$scratch/libcontrol.so" -L"$scratch" -lstray -lm
if [ "$(foreign "$scratch/libcontrol.so")" != libstray.so ]; then
    echo "install: the check itself is broken: of a library that needs libstray.so it said" \
         "'$(foreign "$scratch/libcontrol.so")'" >&2
    exit 1
fi
strays=$(foreign "$libdir/libweft.so")
[ -z "$strays" ] || { echo "install: libweft.so needs more than the C library:" $strays >&2; exit 1; }
strays=$(pkg-config --libs --static weft | tr ' ' '\n' | grep '^-l' | grep -vE '^-l(weft|c|m|dl|rt|pthread)$' || true)
[ -z "$strays" ] || { echo "install: weft.pc names more than the C library:" $strays >&2; exit 1; }

# Without any package: the library alone can be built, and that is not because nothing was looked for.
mkdir "$scratch/nothing"
configure() { # configure ON|OFF
    PKG_CONFIG_LIBDIR=$scratch/nothing PKG_CONFIG_PATH='' cmake -S . -B "$scratch/app-$1" -DWEFT_APP="$1" \
        >"$scratch/configure.log" 2>&1
}
configure OFF || { cat "$scratch/configure.log" >&2; echo "install: the library alone needs a package" >&2; exit 1; }
if configure ON; then echo "install: the check itself is broken: the command needed no package" >&2; exit 1; fi

for example in examples/*.c; do
    cc "$example" -o "$scratch/$(basename "$example" .c)" $(pkg-config --cflags --libs weft)
done
said=$(LD_LIBRARY_PATH=$libdir WEFT_WEBGPU=null "$scratch/graph")
case $said in
*"T = 2"*"T = 1"*) ;;
*) echo "install: the example graph said '$said'" >&2; exit 1 ;;
esac
if ! readelf -d "$scratch/shared" | grep -q 'libweft\.so\.0'; then
    echo "install: the program does not name libweft.so.0.1" >&2
    exit 1
fi
if [ -x "$scratch/prefix/bin/weft" ]; then "$scratch/prefix/bin/weft" --help >/dev/null; fi
echo "install: a program and the examples build and run against the installed library, which needs only the C library"
