/// Three groups of pages: keys and values of 8 floats, halves of 6 and of 12, and halves of 2 and of 4. Under bindings
/// of BANK_LIMIT bytes and in pages of 4 rows their banks have 8, 10 and 32 pages, and the last has one bank only.
#ifndef WEFT_TEST_BANK_GRAPH_H
#define WEFT_TEST_BANK_GRAPH_H

enum { BANK_LIMIT = 1040 };

#define BANK_GRAPH(KIND)                                                                                               \
    "symbol T 1 8\ninput q f32 [T, 2, 8]\ninput k f32 [T, 1, 8]\ninput v f32 [T, 1, 8]\nvar pos u32 0 1000\n"          \
    "var at u32 0 1000\nvar there u32 0 1000\nstate kf " KIND " f32 [48, 1, 8]\nstate vf " KIND " f32 [48, 1, 8]\n"    \
    "state kh " KIND " f16 [64, 1, 6]\nstate vh " KIND " f16 [64, 1, 12]\nstate ks " KIND " f16 [48, 1, 2]\n"          \
    "state vs " KIND " f16 [48, 1, 4]\n"                                                                               \
    "%0 = cache_append %kf %k %pos\n%1 = cache_append %vf %v %pos\n%2 = attention %q %0 %1 %pos\n"                     \
    "%3 = cast %k {to=f16}\n%4 = slice %3 {start=1, len=6, axis=2}\n%5 = cache_append %kh %4 %at\n"                    \
    "%6 = cast %v {to=f16}\n%7 = slice %6 {start=0, len=4, axis=2}\n%8 = concat %6 %7 {axis=2}\n"                      \
    "%9 = cache_append %vh %8 %at\n%10 = slice %q {start=2, len=6, axis=2}\n%11 = attention %10 %5 %9 %at\n"           \
    "%12 = slice %3 {start=3, len=2, axis=2}\n%13 = cache_append %ks %12 %there\n%14 = cache_append %vs %7 %there\n"   \
    "%15 = slice %q {start=0, len=2, axis=2}\n%16 = attention %15 %13 %14 %there\n"                                    \
    "%17 = advance %pos {by=T}\n%18 = advance %at {by=T}\n%19 = advance %there {by=T}\n"                               \
    "%20 = slice %11 {start=0, len=8, axis=2}\n%21 = add %2 %20\n%22 = slice %11 {start=8, len=4, axis=2}\n"           \
    "%23 = add %16 %22\n%24 = concat %23 %23 {axis=2}\n%25 = add %21 %24\noutput %25 y\n"
#endif
