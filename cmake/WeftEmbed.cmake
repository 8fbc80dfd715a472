# Text files that become part of the library. The work is done by Embed.cmake at build time, when a file changed.

# All src/**/*.wgsl, as declared in src/plan/wgsl.h. Sets `out` to the generated source.
function(weft_embed_wgsl out)
    set(root "${CMAKE_CURRENT_SOURCE_DIR}/src")
    file(GLOB_RECURSE names CONFIGURE_DEPENDS RELATIVE "${root}" "${root}/*.wgsl")
    list(SORT names)
    weft_embed(wgsl "${root}" "${names}" "${CMAKE_CURRENT_BINARY_DIR}/generated/wgsl_files.c")
    set(${out} "${CMAKE_CURRENT_BINARY_DIR}/generated/wgsl_files.c" PARENT_SCOPE)
endfunction()

# src/app/catalogue.json, as `const char weft_catalogue_json[]` (ending in NUL) and `const size_t
# weft_catalogue_json_len`. Without the file the text is an empty catalogue.
function(weft_embed_catalogue out)
    set(root "${CMAKE_CURRENT_SOURCE_DIR}/src")
    file(GLOB names CONFIGURE_DEPENDS RELATIVE "${root}" "${root}/app/catalogue.json")
    weft_embed(catalogue "${root}" "${names}" "${CMAKE_CURRENT_BINARY_DIR}/generated/catalogue.c")
    set(${out} "${CMAKE_CURRENT_BINARY_DIR}/generated/catalogue.c" PARENT_SCOPE)
endfunction()

# The list of names is kept in a file, rewritten only on a change, so that added and removed files are noticed too.
function(weft_embed kind root names output)
    set(list "${CMAKE_CURRENT_BINARY_DIR}/generated/${kind}.list")
    set(paths "")
    set(lines "")
    foreach(name IN LISTS names)
        list(APPEND paths "${root}/${name}")
        string(APPEND lines "${name}\n")
    endforeach()
    file(GENERATE OUTPUT "${list}" CONTENT "${lines}")
    add_custom_command(OUTPUT "${output}"
        COMMAND "${CMAKE_COMMAND}" "-DKIND=${kind}" "-DROOT=${root}" "-DLIST=${list}" "-DOUTPUT=${output}"
            -P "${CMAKE_CURRENT_SOURCE_DIR}/cmake/Embed.cmake"
        DEPENDS ${paths} "${list}" "${CMAKE_CURRENT_SOURCE_DIR}/cmake/Embed.cmake"
        COMMENT "Embedding ${kind}" VERBATIM)
endfunction()
