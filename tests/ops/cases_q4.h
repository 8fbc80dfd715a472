// Weights in groups of 4-bit numbers: both orders of halves, tied heads, odd K, tails of groups, N that is no multiple
// of 4. Included by cases.h.

// A product of an integer below 8 and an f32 scale is rounded once; sums of K of them (6e-8 sqrt(K) a step).
#define Q4_SUM .rel = 1e-5, .abs = 1e-5
#define Q4_BYTES "w = int 0..255; v = int 0..255; u = int 0..255"

static const struct op_case q4_cases[] = {
    {.name = "embedding_q4gsw in both orders",
     .runs = "T=1 | T=0 | T=9 | T=33",
     .rel = 1.2e-7,
     .data = Q4_BYTES "; ids = 0 -1 5 99 -99 2147483647 -2147483648 3 -6; j = int 0..6",
     .graph = "symbol T 0 64\ninput ids i32 [T]\ninput j u32 [2, T]\nweight w u8 [7, 32]\nweight s f32 [7, 2]\n"
              "weight v u8 [7, 5]\nweight t f32 [7, 3]\nweight u u8 [5, 18]\nweight r f32 [5, 2]\n"
              "%0 = embedding_q4gsw %w %s %ids {group=32}\n%1 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n"
              "%2 = embedding_q4gsw %v %t %j {group=4}\n%3 = embedding_q4gsw %v %t %j {group=4, linear_order=1}\n"
              "%4 = embedding_q4gsw %u %r %ids {group=24}\noutput %0 high\noutput %1 low\noutput %2 high10\n"
              "output %3 low10\noutput %4 tail\n"},
    {.name = "embedding_q4gsw by a variable",
     .runs = "id=0 | id=5 | id=4294967295",
     .rel = 1.2e-7,
     .data = Q4_BYTES,
     .graph = "var id u32 0 4294967295\nweight w u8 [6, 16]\nweight s f32 [6, 1]\n"
              "%0 = embedding_q4gsw %w %s %id {group=32}\n%1 = embedding_q4gsw %w %s %id {group=32, linear_order=1}\n"
              "output %0 y\noutput %1 z\n"},
    {.name = "linear_q4gsw of few rows",
     .runs = "T=1 | T=0 | T=3 | T=8",
     Q4_SUM,
     .data = Q4_BYTES,
     .graph = "symbol T 0 8\ninput x f32 [T, 64]\nweight w u8 [12, 32]\nweight s f32 [2, 12]\nweight b f32 [12]\n"
              "input z f16 [T, 37]\nweight v u8 [7, 19]\nweight t f32 [3, 8]\nweight c f32 [8]\n"
              "input o f32 [1, 1]\nweight u u8 [1, 1]\nweight r f32 [1, 4]\ninput h f32 [T, 70]\nweight k u8 [6, 35]\n"
              "weight l f32 [12, 8]\n%n = neg %x\n"
              "%0 = linear_q4gsw %n %w %s %b {group=32}\n%1 = linear_q4gsw %z %v %t %c {group=16}\n"
              "%2 = linear_q4gsw %o %u %r {group=32}\n%3 = linear_q4gsw %h %k %l {group=6}\n%4 = add %n %x\n"
              "output %0 y\noutput %1 odd\noutput %2 one\noutput %3 tails\noutput %4 zero\n"},
    {.name = "linear_q4gsw of many rows",
     .runs = "T=1 | T=0 | T=33 | T=64 | T=9",
     Q4_SUM,
     .data = Q4_BYTES,
     .graph = "symbol T 0 64\ninput x f32 [T, 2, 64]\nweight w u8 [36, 32]\nweight s f32 [2, 36]\n"
              "input z f16 [T, 37]\nweight v u8 [7, 19]\nweight t f32 [3, 8]\nweight c f32 [7]\n"
              "input h f32 [T, 70]\nweight k u8 [6, 35]\nweight l f32 [12, 8]\n"
              "%0 = linear_q4gsw %x %w %s {group=32}\n%1 = linear_q4gsw %z %v %t %c {group=16}\n"
              "%3 = linear_q4gsw %h %k %l {group=6}\noutput %0 y\noutput %1 odd\noutput %3 tails\n"},
    {.name = "a head tied to its embedding",
     .runs = "T=1 | T=9 | T=0 | T=20",
     .split = "T",
     Q4_SUM,
     .data = Q4_BYTES "; ids = int 0..29",
     .graph = "symbol T 0 20\ninput ids u32 [T]\nweight w u8 [30, 32]\nweight s f32 [30, 2]\nweight st f32 [2, 32]\n"
              "%0 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n%1 = linear_q4gsw %0 %w %st {group=32}\n"
              "output %0 rows\noutput %1 logits\n"},
    // K of 100 is three blocks of 32 and an eighth of one. A scale may serve an eighth, a half, three halves or two
    // blocks, or all of a row; groups of 7 and 24 end inside of halves.
    {.name = "linear_q4gsw in groups of all lengths",
     .runs = "T=1 | T=3 | T=33 | T=0",
     .split = "T",
     Q4_SUM,
     .data = "w = int 0..255",
     .graph = "symbol T 0 40\ninput x f32 [T, 100]\nweight w u8 [5, 50]\nweight s7 f32 [15, 8]\n"
              "weight s16 f32 [7, 8]\nweight s24 f32 [5, 8]\nweight s32 f32 [4, 8]\nweight s48 f32 [3, 8]\n"
              "weight s64 f32 [2, 8]\nweight s96 f32 [2, 8]\nweight s100 f32 [1, 8]\n"
              "%0 = linear_q4gsw %x %w %s7 {group=7}\n%1 = linear_q4gsw %x %w %s16 {group=16}\n"
              "%2 = linear_q4gsw %x %w %s24 {group=24}\n%3 = linear_q4gsw %x %w %s32 {group=32}\n"
              "%4 = linear_q4gsw %x %w %s48 {group=48}\n%5 = linear_q4gsw %x %w %s64 {group=64}\n"
              "%6 = linear_q4gsw %x %w %s96 {group=96}\n%7 = linear_q4gsw %x %w %s100 {group=1048576}\n"
              "output %0 g7\noutput %1 g16\noutput %2 g24\noutput %3 g32\noutput %4 g48\noutput %5 g64\n"
              "output %6 g96\noutput %7 all\n"},
    {.name = "embedding_q4gsw in groups of all lengths",
     .runs = "T=1 | T=13 | T=0",
     .rel = 1.2e-7,
     .data = "w = int 0..255; ids = int -6..6",
     .graph = "symbol T 0 40\ninput ids i32 [T]\nweight w u8 [5, 50]\nweight s9 f32 [5, 12]\nweight s16 f32 [5, 7]\n"
              "weight s48 f32 [5, 3]\nweight s64 f32 [5, 2]\nweight s100 f32 [5, 1]\n"
              "%0 = embedding_q4gsw %w %s9 %ids {group=9}\n%1 = embedding_q4gsw %w %s16 %ids {group=16}\n"
              "%2 = embedding_q4gsw %w %s48 %ids {group=48}\n%3 = embedding_q4gsw %w %s64 %ids {group=64}\n"
              "%4 = embedding_q4gsw %w %s100 %ids {group=100}\noutput %0 g9\noutput %1 g16\noutput %2 g48\n"
              "output %3 g64\noutput %4 all\n"},
    // As any packed weight: a norm in front, a gate and a bias behind, two products side by side.
    {.name = "linear_q4gsw with work in front and behind",
     .runs = "T=1 | T=8 | T=33",
     .split = "T",
     .levels = true,
     .rel = 5e-5, // of a product of two sums, each of which is rounded, so that their errors meet
     .abs = 5e-5,
     .data = Q4_BYTES,
     .graph = "symbol T 1 40\ninput x f32 [T, 64]\nweight n f32 [64]\nweight w u8 [12, 32]\nweight s f32 [2, 12]\n"
              "weight v u8 [12, 32]\nweight t f32 [1, 12]\nweight b f32 [12]\ninput r f32 [T, 12]\n"
              "%h = rms_norm %x %n\n%0 = linear_q4gsw %h %w %s %b {group=32}\n%1 = silu %0\n"
              "%2 = linear_q4gsw %h %v %t {group=64}\n%3 = mul %1 %2\n%4 = add %3 %r\noutput %4 y\n"},
    {.name = "dequant_q4gsw for whoever reads it",
     .runs = "T=1 | T=9 | T=0",
     Q4_SUM,
     .data = "w = int 0..255; v = int 0..255; o = int 0..255; ids = int 0..12",
     .graph = "symbol T 0 20\ninput x f32 [T, 2, 32]\ninput z f32 [T, 13]\ninput ids u32 [T]\nweight w u8 [13, 32]\n"
              "weight s f32 [13, 2]\nweight v u8 [3, 7]\nweight t f32 [4, 4]\nweight o u8 [1, 1]\n"
              "weight u f32 [1, 1]\n%q = reshape %v {shape=[3, 7]}\n%d = dequant_q4gsw %w %s {group=32}\n"
              "%a = dequant_q4gsw %q %t {group=4, columns=13, across=1}\n"
              "%b = dequant_q4gsw %q %t {group=4, columns=13, across=1, linear_order=1}\n"
              "%e = dequant_q4gsw %o %u {group=2, columns=1}\n%0 = sum %d\n%1 = mul %b %b\n"
              "%2 = slice %d {start=3, len=5}\n%g = gather %2 %ids\n%3 = reshape %d {shape=[26, 32]}\n"
              "%4 = matmul %x %3\n%5 = matmul %z %d {transpose_b=0}\n%6 = slice %3 {start=1, len=4}\n"
              "%7 = matmul %x %6\noutput %d all\noutput %a high\noutput %e one\noutput %0 sums\noutput %1 squares\n"
              "output %g rows\noutput %4 halves\noutput %5 back\noutput %7 few\n"},
};
