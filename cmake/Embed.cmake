# Writes text files as C arrays: cmake -DKIND=wgsl|catalogue -DROOT=dir -DLIST=file -DOUTPUT=file.c -P Embed.cmake
# Character constants rather than string literals: C compilers need not take literals above 4095 bytes, and bytes
# above 127 fit a `char` whatever its sign.

# The bytes of a file as character constants, eighteen a line, closed by a NUL.
function(bytes_of path out_text out_length)
    file(SIZE "${path}" length)
    file(READ "${path}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," text "${hex}")
    string(REPEAT "'.x[0-9a-f][0-9a-f]'," 16 row)
    string(REGEX REPLACE "(${row})" "\\1\n    " text "${text}")
    set(${out_text} "    ${text}0,\n" PARENT_SCOPE)
    set(${out_length} ${length} PARENT_SCOPE)
endfunction()

file(STRINGS "${LIST}" names)
set(code "// Made by cmake/Embed.cmake; edits are lost.\n#include <stddef.h>\n")

if(KIND STREQUAL "wgsl")
    string(APPEND code "#include \"plan/wgsl.h\"\n\n")
    set(rows "")
    set(count 0)
    foreach(name IN LISTS names)
        bytes_of("${ROOT}/${name}" text length)
        string(APPEND code "static const char text_${count}[] = {\n${text}};\n\n")
        string(APPEND rows "    {\"${name}\", text_${count}, ${length}},\n")
        math(EXPR count "${count} + 1")
    endforeach()
    # The closing row keeps the array legal when there is no file, and ends a walk that ignores the count.
    string(APPEND code "const struct weft_wgsl_file weft_wgsl_files[] = {\n${rows}    {NULL, NULL, 0},\n};\n\n")
    string(APPEND code "const size_t weft_wgsl_file_count = ${count};\n")
else()
    if(names)
        bytes_of("${ROOT}/${names}" text length)
    else()
        set(text "    '{', '}', 0,\n")
        set(length 2)
    endif()
    string(APPEND code "\nextern const char weft_catalogue_json[];\nextern const size_t weft_catalogue_json_len;\n\n")
    string(APPEND code "const char weft_catalogue_json[] = {\n${text}};\n\n")
    string(APPEND code "const size_t weft_catalogue_json_len = ${length};\n")
endif()
file(WRITE "${OUTPUT}" "${code}")
