/// The generated tables. For unicode*.c only; scripts/unicode.py says what the numbers mean.
#ifndef WEFT_CORE_UNICODE_IMPL_H
#define WEFT_CORE_UNICODE_IMPL_H
#include "core/unicode.h"

extern const uint32_t weft_unicode_categories[], weft_unicode_canonical[], weft_unicode_compatible[],
    weft_unicode_pool[], weft_unicode_compositions[];
extern const int32_t weft_unicode_cases[];
extern const uint64_t weft_unicode_classes[];
extern const size_t weft_unicode_categories_count, weft_unicode_canonical_count, weft_unicode_compatible_count,
    weft_unicode_pool_count, weft_unicode_compositions_count, weft_unicode_cases_count, weft_unicode_classes_count;
#endif
