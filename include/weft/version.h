/// The version of these headers, and how structs grow.
///
/// Within one minor version (0.1.x; from 1.0 on within one major version) a program that was compiled with older
/// headers works with a newer library. For this
///   - a params struct begins with `struct_size`. `{WEFT_SIZED(weft_device_params), .adapter = 1}` sets it to what the
///     program was compiled with, and the library takes fields beyond it as zero. 0, as in `{0}` or `{.adapter = 1}`,
///     stands for the fields of the first release, so a field that is marked as later needs WEFT_SIZED;
///   - a struct that a call fills, or that others embed, ends in `reserved` words, which are zero and become fields
///     later;
///   - other structs, values of enums and macros stay as they are.
#ifndef WEFT_VERSION_H
#define WEFT_VERSION_H

#if defined(_WIN32)
#define WEFT_API __declspec(dllexport)
#elif defined(__GNUC__)
#define WEFT_API __attribute__((visibility("default")))
#else
#define WEFT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION_MAJOR 0
#define WEFT_VERSION_MINOR 1
#define WEFT_VERSION_PATCH 0

#define WEFT_VERSION_NUMBER_OF(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
/// To be compared: `#if WEFT_VERSION_NUMBER >= WEFT_VERSION_NUMBER_OF(0, 2, 0)`.
#define WEFT_VERSION_NUMBER WEFT_VERSION_NUMBER_OF(WEFT_VERSION_MAJOR, WEFT_VERSION_MINOR, WEFT_VERSION_PATCH)

#define WEFT_TEXT_OF_(x) #x
#define WEFT_TEXT_OF(x) WEFT_TEXT_OF_(x)
/// A literal such as "0.1.0"; weft_version() gives the library's.
#define WEFT_VERSION                                                                                                   \
    WEFT_TEXT_OF(WEFT_VERSION_MAJOR) "." WEFT_TEXT_OF(WEFT_VERSION_MINOR) "." WEFT_TEXT_OF(WEFT_VERSION_PATCH)

/// The first initialiser of a params struct, see above.
#define WEFT_SIZED(name) .struct_size = sizeof(struct name)

/// Version of the library that runs, such as "0.1.0". Static storage. Thread-safety: safe.
WEFT_API const char *weft_version(void);

#ifdef __cplusplus
}
#endif
#endif
