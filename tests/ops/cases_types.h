// Every block type in every use of a packed weight: a type that is added to ir/quant.h has these cases. Rows of three
// blocks begin inside the words of narrow scales, 70 rows leave tiles in part. Included by cases.h.
//
// Products as in cases_contract.h; types with a minimum take a sum of about the product's size off it, three times as
// large as without. "bytes" and "wild bytes" are those of cases_run.h: of eight blocks one of NaN and one of zeros,
// which leaves five rows of eight with numbers, and blocks of everything.
#include "ir/quant.h"

#define TYPE_CASES(type, k)                                                                                            \
    {.name = "products with " #type,                                                                                   \
     .runs = ROWS_ALL,                                                                                                 \
     .split = "T",                                                                                                     \
     .data = "w = bytes",                                                                                              \
     .abs = 3e-5,                                                                                                      \
     .rel = 4e-6,                                                                                                      \
     .graph = "symbol T 0 64\ninput x f32 [T, " #k "]\nweight w " #type " [70, " #k "]\n%0 = matmul %x %w\n"           \
              "output %0 y\n"},                                                                                        \
        {.name = "rows and elements of " #type,                                                                        \
         .runs = "T=1 | T=0 | T=9 | T=33",                                                                             \
         .rel = 1e-6,                                                                                                  \
         .abs = 1e-30,                                                                                                 \
         .data = "ids = 0 -1 5 99 -99 2147483647 -2147483648 3 -6 7 8 1 2 4; w = wild bytes",                          \
         .graph = "symbol T 0 64\ninput ids i32 [T]\nweight w " #type " [9, " #k "]\nweight v " #type " [7, " #k       \
                  "]\n%0 = gather %w %ids\n%1 = slice %v {start=1, len=5}\n%2 = gather %1 %ids {scale=-2.5}\n"         \
                  "%3 = cast %w {to=f32}\n%4 = square %3\n%5 = abs %2\noutput %0 rows\noutput %5 of_view\n"            \
                  "output %4 squares\n"},
#define TYPE_OF_32(type) TYPE_CASES(type, 96)
#define TYPE_OF_256(type) TYPE_CASES(type, 768)

static const struct op_case type_cases[] = {WEFT_QUANT_OF_32(TYPE_OF_32) WEFT_QUANT_OF_256(TYPE_OF_256)};
