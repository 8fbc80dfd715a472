# Tests: every test_<name>.c in tests/<module>/ or beneath is a program <module>_test_<name> and a ctest case of that
# name, so tests of a module have different names.
#
# test_gpu_*.c need a WebGPU driver and are registered once a backend configuration, one at a time because drivers share
# the machine:
#   <name>.wgpu  wgpu-native on Mesa's CPU driver
#   <name>.dawn  Dawn on SwiftShader
#   <name>.min   wgpu-native with everything optional masked (WEFT_LIMITS=min): of the modules ops and compile, since
#                the layers above run whatever kernels these choose
# CPU drivers spend a test's time on compiling, so a configuration's short form runs one case for each kernel;
# WEFT_TEST_LONG=1 runs all (tests/ops/cases_pick.h, weft_test_short).
# Those in weft_validated run once more under Vulkan's validation layer, where it is installed (Debian
# vulkan-validationlayers): <name>.validation fails if the layer reports an error. No message is filtered out.
# Labels: host or driver; driver tests also carry wgpu, dawn or min; test_*_real.c, which run a real model, model;
# nightly, what scripts/nightly.sh runs and CI does not.
#
# Where several run at a time, ctest begins with those of the highest cost: first Dawn, whose tests wait for one another
# and are the longest way through the suite, then the other drivers.

set(weft_lavapipe "/usr/share/vulkan/icd.d/lvp_icd.${CMAKE_SYSTEM_PROCESSOR}.json")
if(NOT EXISTS "${weft_lavapipe}")
    file(GLOB found "/usr/share/vulkan/icd.d/lvp_icd*.json" "/usr/local/share/vulkan/icd.d/lvp_icd*.json")
    if(found)
        list(GET found 0 weft_lavapipe)
    endif()
endif()
set(WEFT_LAVAPIPE_ICD "${weft_lavapipe}" CACHE FILEPATH "Vulkan driver file of Mesa's CPU driver, for the tests")
set(WEFT_SWIFTSHADER_ICD "/usr/lib/chromium/vk_swiftshader_icd.json" CACHE FILEPATH
    "Vulkan driver file of SwiftShader, for the tests")

set(WEFT_TEST_TIMEOUT 900 CACHE STRING "Seconds that a driver test may take; the nightly run gives them more")

# Environment of every test; leaks are reported where no driver is loaded (drivers keep memory until they exit).
set(weft_test_environment "WEFT_TEST_SHARED=${WEFT_SHARED_DIR}" "WEFT_TEST_SOURCE=${CMAKE_CURRENT_SOURCE_DIR}"
    "WEFT_TEST_BUILD=${CMAKE_CURRENT_BINARY_DIR}" "WEFT_PIPELINE_CACHE=off"
    "UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
    "LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/scripts/sanitizers.supp:print_suppressions=0"
    "TSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/scripts/tsan.supp:halt_on_error=1:second_deadlock_stack=1")
set(weft_host_environment "ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1")
set(weft_driver_environment "ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1")

set(weft_cost_dawn 1000)
set(weft_cost_wgpu 500)

function(weft_add_driver_test name suffix target icd environment)
    add_test(NAME ${name}.${suffix} COMMAND ${target} WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
    set(all ${weft_test_environment} ${weft_driver_environment} ${environment})
    list(APPEND all "VK_ICD_FILENAMES=${icd}" "VK_DRIVER_FILES=${icd}")
    set(lane_lock ${suffix})
    if(lane_lock MATCHES "^(min|validation)$")
        set(lane_lock wgpu) # both are lavapipe, which uses all processors; SwiftShader mostly compiles, on one
    endif()
    set_tests_properties(${name}.${suffix} PROPERTIES ENVIRONMENT "${all}"
        SKIP_RETURN_CODE 77 LABELS "driver;${suffix};${ARGN}" RESOURCE_LOCK "driver-${lane_lock}"
        TIMEOUT ${WEFT_TEST_TIMEOUT} COST ${weft_cost_${lane_lock}})
endfunction()

# The Vulkan layer that lets calls fail, and its manifest. Without Vulkan's headers its tests are skipped.
function(weft_fault_layer)
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/vulkan")
    find_path(WEFT_VULKAN_INCLUDE vulkan/vk_layer.h)
    if(NOT WEFT_VULKAN_INCLUDE)
        message(STATUS "vulkan/vk_layer.h was not found (Debian: libvulkan-dev); tests of driver faults are skipped")
        return()
    endif()
    add_library(weft_fault_layer MODULE "${CMAKE_CURRENT_SOURCE_DIR}/tests/vulkan/fault_layer.c")
    weft_compile_options(weft_fault_layer)
    target_include_directories(weft_fault_layer SYSTEM PRIVATE "${WEFT_VULKAN_INCLUDE}")
    set_target_properties(weft_fault_layer PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${folder}" PREFIX "lib" SUFFIX ".so")
    configure_file("${CMAKE_CURRENT_SOURCE_DIR}/tests/vulkan/fault_layer.json.in" "${folder}/fault_layer.json" COPYONLY)
endfunction()

# What these do on Dawn, others do in CI with the same kernels (engine_test_gpu_lm, model_test_gpu_hybrid,
# exec_test_gpu_policy); what they show is the host's side, which is the same on both implementations.
set(weft_dawn_nightly engine_test_gpu_chat engine_test_gpu_reuse model_test_gpu_hybrid_state)

function(weft_add_test source module)
    get_filename_component(program "${source}" NAME_WE)
    set(name ${module}_${program})
    add_executable(${name} "${source}")
    weft_compile_options(${name})
    target_include_directories(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/tests")
    if(TARGET weft_test_support)
        target_link_libraries(${name} PRIVATE weft_test_support)
    endif()
    target_link_libraries(${name} PRIVATE weft_app PkgConfig::cmocka)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tests")
    if(module MATCHES "^(compile|engine|exec|model)$")
        add_dependencies(${name} weft_test_models) # which some of them open
    endif()
    if(name STREQUAL "model_test_gpu_slots") # counts the bytes that Weft takes of the host
        target_sources(${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/tests/support/wrap/host_bytes.c")
        target_link_options(${name} PRIVATE LINKER:--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free)
    endif()
    set(labels "")
    if(program MATCHES "_real$")
        set(labels model)
    endif()
    if(name MATCHES "^(exec_test_gpu_soak|compile_test_peak|model_test_damage_runs)$")
        set(labels nightly)
    endif()
    if(program MATCHES "^test_gpu_(vulkan_.*|cancel|threads)$" AND TARGET weft_fault_layer)
        set(folder "${CMAKE_CURRENT_BINARY_DIR}/vulkan")
        list(APPEND weft_test_environment "VK_LAYER_PATH=${folder}" "VK_INSTANCE_LAYERS=VK_LAYER_WEFT_fault"
            "WEFT_TEST_FAULT_LAYER=${folder}/libweft_fault_layer.so")
        add_dependencies(${name} weft_fault_layer)
    endif()
    if(NOT name MATCHES "^((app|ops|compile)_test_gpu_|model_test_gpu_(invariant|slots)$)")
        add_dependencies(weft_sanitized ${name})
    endif()
    if(program MATCHES "^test_gpu_")
        weft_add_driver_test(${name} wgpu ${name} "${WEFT_LAVAPIPE_ICD}" "WEFT_WEBGPU=wgpu" ${labels})
        set(on_dawn ${labels})
        if(name IN_LIST weft_dawn_nightly)
            list(APPEND on_dawn nightly)
        endif()
        weft_add_driver_test(${name} dawn ${name} "${WEFT_SWIFTSHADER_ICD}" "WEFT_WEBGPU=dawn" ${on_dawn})
        if(module MATCHES "^(ops|compile)$")
            weft_add_driver_test(${name} min ${name} "${WEFT_LAVAPIPE_ICD}" "WEFT_WEBGPU=wgpu;WEFT_LIMITS=min"
                ${labels})
        endif()
    else()
        add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
        set_tests_properties(${name} PROPERTIES ENVIRONMENT "${weft_test_environment};${weft_host_environment}"
            LABELS "host;${labels}" TIMEOUT ${WEFT_TEST_TIMEOUT})
    endif()
endfunction()

set(weft_validated compile_test_gpu_alias exec_test_gpu_replay)
find_file(WEFT_VALIDATION_LAYER VkLayer_khronos_validation.json
    PATHS /usr/share/vulkan/explicit_layer.d /usr/local/share/vulkan/explicit_layer.d /etc/vulkan/explicit_layer.d
    NO_DEFAULT_PATH DOC "Manifest of Vulkan's validation layer, for the tests")

# Validated tests, and one that shows that the layer is heard: with advice on, it must say something.
function(weft_add_validation)
    if(NOT WEFT_VALIDATION_LAYER)
        message(STATUS "weft: no Vulkan validation layer (vulkan-validationlayers): its tests are left out")
        return()
    endif()
    set(layer "WEFT_WEBGPU=wgpu" "VK_INSTANCE_LAYERS=VK_LAYER_KHRONOS_validation")
    set(settings "${CMAKE_CURRENT_SOURCE_DIR}/tests/validation")
    foreach(name IN LISTS weft_validated)
        weft_add_driver_test(${name} validation ${name} "${WEFT_LAVAPIPE_ICD}"
            "${layer};VK_LAYER_SETTINGS_PATH=${settings}")
        set_tests_properties(${name}.validation PROPERTIES FAIL_REGULAR_EXPRESSION "Validation Error")
    endforeach()
    weft_add_driver_test(validation_control validation compile_test_gpu_alias "${WEFT_LAVAPIPE_ICD}"
        "${layer};VK_LAYER_SETTINGS_PATH=${settings}/control;WEFT_TEST_CASE=chain: distinct")
    set_tests_properties(validation_control.validation PROPERTIES PASS_REGULAR_EXPRESSION "Validation Warning")
endfunction()

# tests/support/*.c is a small library for all tests; every other folder of tests/ is a module.
# Models of random weights, which a script writes: models/NAME.gguf in the build folder.
function(weft_test_models)
    find_package(Python3 COMPONENTS Interpreter REQUIRED)
    set(scripts "${CMAKE_CURRENT_SOURCE_DIR}/scripts")
    set(folder "${CMAKE_CURRENT_BINARY_DIR}/models")
    add_custom_command(OUTPUT "${folder}/hybrid.gguf" "${folder}/hybrid-golden.gguf" "${folder}/hybrid-long.gguf"
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${folder}"
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/make_hybrid.py" "${folder}/hybrid.gguf"
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/make_hybrid.py" "${folder}/hybrid-golden.gguf" --layers 4
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/make_hybrid.py" "${folder}/hybrid-long.gguf" --layers 4
                --ctx 1024
        DEPENDS "${scripts}/make_hybrid.py" "${scripts}/gguf_writer.py" VERBATIM)
    add_custom_command(OUTPUT "${folder}/families.stamp"
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/make_family.py" "${folder}"
        COMMAND "${CMAKE_COMMAND}" -E touch "${folder}/families.stamp"
        DEPENDS "${scripts}/make_family.py" "${scripts}/gguf_writer.py" VERBATIM)
    add_custom_command(OUTPUT "${folder}/bert.gguf" # and the folder "${folder}/bert"
        COMMAND "${Python3_EXECUTABLE}" -B "${scripts}/make_encoder.py" "${folder}"
        DEPENDS "${scripts}/make_encoder.py" "${scripts}/gguf_writer.py" VERBATIM)
    add_custom_target(weft_test_models ALL DEPENDS "${folder}/bert.gguf" "${folder}/hybrid.gguf"
        "${folder}/hybrid-golden.gguf"
        "${folder}/hybrid-long.gguf" "${folder}/families.stamp")
endfunction()

# The corpora of fuzz/corpus go through their targets; the graphs of examples and golden plans are inputs too. In the
# nightly run changed copies of them follow (scripts/nightly.sh).
function(weft_fuzz_tests)
    set(corpus "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus")
    file(GLOB graphs CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/examples/*.weft"
        "${CMAKE_CURRENT_SOURCE_DIR}/tests/golden/*.weft")
    set(names "")
    foreach(subject chat gguf graph history safetensors template tokenizer tokenizer_json tune)
        set(more "")
        if(subject STREQUAL "graph")
            set(more ${graphs})
        endif()
        add_test(NAME fuzz_${subject} COMMAND fuzz_${subject} "${corpus}/${subject}" ${more})
        add_dependencies(weft_sanitized fuzz_${subject})
        list(APPEND names fuzz_${subject})
    endforeach()
    add_dependencies(weft_sanitized fuzz_control)
    # The driver must notice a broken promise, and a run without inputs.
    add_test(NAME fuzz_control COMMAND sh -c "printf control >fuzz/control.txt; ! \"$0\" fuzz/control.txt"
        $<TARGET_FILE:fuzz_control>)
    add_test(NAME fuzz_nothing COMMAND sh -c "! \"$0\" fuzz/no_such_file" $<TARGET_FILE:fuzz_control>)
    set_tests_properties(${names} fuzz_control fuzz_nothing PROPERTIES
        ENVIRONMENT "${weft_test_environment};${weft_host_environment}" LABELS "host;fuzz" TIMEOUT 600
        WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()

function(weft_tests)
    # What `make sanitize` runs in CI, and so builds.
    add_custom_target(weft_sanitized)
    add_dependencies(weft_sanitized weft)
    weft_fault_layer()
    weft_test_models()
    file(GLOB support CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/tests/support/*.c")
    if(support)
        add_library(weft_test_support STATIC ${support})
        weft_compile_options(weft_test_support)
        target_include_directories(weft_test_support PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/tests")
        target_link_libraries(weft_test_support PUBLIC weft_app PkgConfig::cmocka)
        add_dependencies(weft_test_support weft_test_models) # whatever single test is built
    endif()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/tests"
        "${CMAKE_CURRENT_SOURCE_DIR}/tests/test_*.c")
    foreach(source IN LISTS sources)
        string(REGEX REPLACE "/.*" "" module "${source}")
        if(NOT module STREQUAL "support")
            weft_add_test("${CMAKE_CURRENT_SOURCE_DIR}/tests/${source}" ${module})
        endif()
    endforeach()
    add_dependencies(model_test_hf weft_test_models) # so that they can be built and run alone
    add_dependencies(model_test_hf_families weft_test_models)
    foreach(example alias event_loop replay resize state) # they say whether their results agree
        if(TARGET examples_${example})
            weft_add_driver_test(examples_${example} wgpu examples_${example} "${WEFT_LAVAPIPE_ICD}" "WEFT_WEBGPU=wgpu")
            add_dependencies(weft_sanitized examples_${example})
        endif()
    endforeach()
    if(TARGET examples_chat) # its model and the null device have nothing to say, but it takes every step
        add_dependencies(weft_sanitized examples_chat)
        add_test(NAME examples_chat COMMAND examples_chat models/hybrid-long.gguf chatml
            WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
        set_tests_properties(examples_chat PROPERTIES LABELS host TIMEOUT ${WEFT_TEST_TIMEOUT}
            ENVIRONMENT "${weft_test_environment};${weft_host_environment};WEFT_WEBGPU=null"
            PASS_REGULAR_EXPRESSION "regenerated: ([0-9]+) tokens.*edited.*as it was saved:.*4 assistant:")
    endif()
    if(TARGET examples_batch)
        add_dependencies(weft_sanitized examples_batch)
        add_test(NAME examples_batch COMMAND examples_batch models/llama.gguf 9
            WORKING_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}")
        set_tests_properties(examples_batch PROPERTIES LABELS host TIMEOUT ${WEFT_TEST_TIMEOUT}
            ENVIRONMENT "${weft_test_environment};${weft_host_environment};WEFT_WEBGPU=null"
            PASS_REGULAR_EXPRESSION "The opposite of cold is.*. 9 tokens.*tokens in [0-9]+ runs")
    endif()
    weft_add_validation()
    weft_fuzz_tests()
    # Writes docs/operators.md and the list in README.md, for scripts/operators.sh.
    add_executable(weft_operators "${CMAKE_CURRENT_SOURCE_DIR}/scripts/operators.c")
    weft_compile_options(weft_operators)
    target_link_libraries(weft_operators PRIVATE weft_static)
    # Writes docs/models.md and the list in README.md, for scripts/families.sh.
    add_executable(weft_families "${CMAKE_CURRENT_SOURCE_DIR}/scripts/families.c")
    weft_compile_options(weft_families)
    target_link_libraries(weft_families PRIVATE weft_static)
    # Renders chat templates for scripts/check_templates.py.
    add_executable(weft_render_template "${CMAKE_CURRENT_SOURCE_DIR}/scripts/render_template.c")
    weft_compile_options(weft_render_template)
    target_link_libraries(weft_render_template PRIVATE weft_static)
endfunction()
