# Options of the build, the warnings, and the libraries that are linked.

option(WEFT_WERROR "Warnings are errors (on in CI)" OFF)
option(WEFT_APP "Build the command, which needs jansson, libcurl and libzip; the library needs none of them" ON)
option(WEFT_TESTS "Build the tests, of the command too" ON)
if(WEFT_TESTS AND NOT WEFT_APP)
    message(STATUS "weft: WEFT_APP is off, so the tests are left out")
    set(WEFT_TESTS OFF)
endif()
option(WEFT_SANITIZE "Build with AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(WEFT_SANITIZE_THREAD "Build with ThreadSanitizer instead" OFF)
if(WEFT_SANITIZE AND WEFT_SANITIZE_THREAD)
    message(FATAL_ERROR "WEFT_SANITIZE and WEFT_SANITIZE_THREAD cannot be on together")
endif()
set(WEFT_WEBGPU_DIR "${CMAKE_CURRENT_SOURCE_DIR}/build/webgpu" CACHE PATH
    "Where scripts/deps.sh unpacked the WebGPU implementations and their headers")
# Where `install` puts the WebGPU implementations, and where an installed Weft looks for them.
set(WEFT_WEBGPU_INSTALL_DIR "${CMAKE_INSTALL_FULL_LIBDIR}/weft")
set(WEFT_SHARED_DIR "${CMAKE_CURRENT_SOURCE_DIR}/../shared" CACHE PATH
    "Material that some tests compare against; tests that miss it skip themselves")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
# Line tables only: faults name their line, and the build stays small. These are normal variables, which hide cached
# ones, so a preset can't say otherwise.
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
if(WEFT_SANITIZE OR WEFT_SANITIZE_THREAD)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g1")
endif()

if(NOT EXISTS "${WEFT_WEBGPU_DIR}/include/webgpu/webgpu.h")
    message(WARNING "${WEFT_WEBGPU_DIR}/include/webgpu/webgpu.h is missing, so src/gpu will not compile. "
        "Run `make deps` first.")
endif()

# The library takes what belongs to the C library and nothing else (scripts/check_install.sh holds it to that). What the
# command needs besides is looked for only if it is built.
find_package(Threads REQUIRED)
set(weft_app_modules jansson libcurl libzip)
if(WEFT_APP)
    find_package(PkgConfig REQUIRED)
    foreach(module IN LISTS weft_app_modules)
        pkg_check_modules(${module} REQUIRED IMPORTED_TARGET ${module})
    endforeach()
endif()
if(WEFT_TESTS)
    pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()

# Warnings, language and sanitizers of everything that is Weft's own code.
function(weft_compile_options target)
    target_include_directories(${target} PRIVATE
        "${CMAKE_CURRENT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}/src")
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    # A host reference must give the same bits on every machine: no contraction into fused multiply-adds.
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -ffp-contract=off -fno-math-errno
        $<$<BOOL:${WEFT_WERROR}>:-Werror>)
    if(WEFT_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=address,undefined -fno-sanitize-recover=undefined
            -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    endif()
    if(WEFT_SANITIZE_THREAD)
        target_compile_options(${target} PRIVATE -fsanitize=thread -fno-omit-frame-pointer)
        target_link_options(${target} PUBLIC -fsanitize=thread)
    endif()
endfunction()

# The parts of the C library that some systems keep apart: public for the static library, whose users link them too.
function(weft_libraries target)
    get_target_property(kind ${target} TYPE)
    set(scope PUBLIC)
    if(kind STREQUAL "SHARED_LIBRARY")
        set(scope PRIVATE)
    endif()
    target_link_libraries(${target} ${scope} Threads::Threads m ${CMAKE_DL_LIBS})
    if(WEFT_SANITIZE)
        target_link_options(${target} PUBLIC -fsanitize=address,undefined)
    endif()
    if(WEFT_SANITIZE_THREAD)
        target_link_options(${target} PUBLIC -fsanitize=thread)
    endif()
endfunction()

# One program a file of a folder: examples and benches.
function(weft_programs folder)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.c")
    foreach(source IN LISTS sources)
        get_filename_component(name "${source}" NAME_WE)
        add_executable(${folder}_${name} "${source}")
        weft_compile_options(${folder}_${name})
        target_link_libraries(${folder}_${name} PRIVATE weft_static)
        set_target_properties(${folder}_${name} PROPERTIES
            OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/${folder}")
    endforeach()
endfunction()

# fuzz/fuzz_*.c define LLVMFuzzerTestOneInput. With Clang and sanitizers they become libFuzzer programs; else
# fuzz/replay.c gives them a main that runs the files named on its command line. fuzz/fuzz_control.c breaks a promise.
function(weft_fuzzers)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/fuzz_*.c")
    foreach(source IN LISTS sources)
        get_filename_component(name "${source}" NAME_WE)
        if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND WEFT_SANITIZE)
            add_executable(${name} "${source}")
            target_link_options(${name} PRIVATE -fsanitize=fuzzer)
        else()
            add_executable(${name} "${source}" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.c")
        endif()
        weft_compile_options(${name})
        target_link_libraries(${name} PRIVATE weft_static)
        set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/fuzz")
    endforeach()
endfunction()
