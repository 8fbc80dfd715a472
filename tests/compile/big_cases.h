/// One case an operator, or for a few of a kind, with operands of 1.1 to 2.5 MiB: run with bindings of at most 1 MiB,
/// which cuts the dispatch or gives operands segments. big_listed names every operator, so that one without a case is
/// noticed.
#ifndef WEFT_TEST_BIG_CASES_H
#define WEFT_TEST_BIG_CASES_H
#include "../ops/cases.h"

#define BIG_LIMIT ((uint64_t)1 << 20)

/// Operators whose operands are never large, and why.
static const struct {
    const char *op, *reason;
} big_exempt[] = {{"advance", "its operand is one variable"}, {"place_tokens", "its operands are variables"}};

#define BIG_HEAD "symbol T 0 300\ninput x f32 [T, 1000]\n"
#define BIG_TWO BIG_HEAD "input y f32 [T, 1000]\n"
#define BIG_RUNS "T=300 | T=1 | T=0 | T=263"

static const struct op_case big_cases[] = {
    {.name = "exact functions",
     .runs = BIG_RUNS,
     .data = "x = -9..9",
     .graph = BIG_HEAD "%0 = abs %x\n%1 = sign %x\n%2 = relu %x\n%3 = floor %x\n%4 = ceil %x\n%5 = round %x\n"
                       "%6 = neg %x\noutput %0 abs\noutput %1 sign\noutput %2 relu\noutput %3 floor\noutput %4 ceil\n"
                       "output %5 round\noutput %6 neg\n"},
    {.name = "functions of a live width",
     .runs = "N=7 T=300 | N=1000 T=300 | N=999 T=299 | N=0 T=9",
     .data = "x = 0.001..8",
     .rel = 2.4e-6,
     .abs = 5e-7,
     .graph = "symbol T 0 300\nsymbol N 0 1000\ninput x f32 [T, N]\n%0 = log %x\n%1 = sqrt %x\n%2 = rsqrt %x\n"
              "%3 = recip %x\n%4 = square %x\n%5 = exp %x\noutput %0 log\noutput %1 sqrt\noutput %2 rsqrt\n"
              "output %3 recip\noutput %4 square\noutput %5 exp\n"},
    {.name = "activations",
     .runs = BIG_RUNS,
     .data = "x = -12..12",
     .rel = 2e-5,
     .abs = 1e-7,
     .graph = BIG_HEAD "%0 = tanh %x\n%1 = sigmoid %x\n%2 = silu %x\n%3 = gelu %x\n%4 = gelu_tanh %x\n"
                       "%5 = softplus %x\noutput %0 tanh\noutput %1 sigmoid\noutput %2 silu\noutput %3 gelu\n"
                       "output %4 gelu_tanh\noutput %5 softplus\n"},
    {.name = "hard_swish",
     .runs = BIG_RUNS,
     .data = "x = -7..7",
     .rel = 5e-7,
     .graph = BIG_HEAD "%0 = hard_swish %x\noutput %0 y\n"},
    {.name = "angles",
     .runs = BIG_RUNS,
     .data = "x = -3.14..3.14",
     .abs = 4.9e-4,
     .graph = BIG_HEAD "%0 = sin %x\n%1 = cos %x\noutput %0 sin\noutput %1 cos\n"},
    {.name = "two operands",
     .runs = BIG_RUNS,
     .data = "x = -4..4; y = int 1..9",
     .rel = 3e-7,
     .graph = BIG_TWO "%0 = add %x %y\n%1 = sub %x %y\n%2 = mul %x %y\n%3 = div %x %y\n%4 = max %x %y\n"
                      "%5 = min %x %y\noutput %0 add\noutput %1 sub\noutput %2 mul\noutput %3 div\noutput %4 max\n"
                      "output %5 min\n"},
    {.name = "one operation of 2.3 MiB operands",
     .runs = "T=600 | T=599 | T=17",
     .rel = 3e-7,
     .graph = "symbol T 0 600\ninput x f32 [T, 1000]\ninput y f32 [T, 1000]\n%0 = add %x %y\noutput %0 z\n"},
    {.name = "broadcast",
     .runs = "T=600 | T=1",
     .rel = 3e-7,
     .abs = 1e-7,
     .levels = true,
     .graph = "symbol T 0 600\ninput x f32 [T, 1000]\ninput r f32 [T, 1]\ninput v f32 [1000]\n"
              "%0 = mul %x %r\n%1 = add %0 %v\n%2 = sub %1 %r\noutput %2 z\n"},
    {.name = "a large vector for all rows",
     .runs = "T=2 | T=1",
     .rel = 3e-7,
     .abs = 1e-7,
     .graph = "symbol T 0 2\ninput x f32 [T, 300000]\ninput v f32 [300000]\nweight w f32 [300000]\n"
              "%0 = mul %x %v\n%1 = add %0 %w\noutput %1 z\n"},
    // 1.3 MiB of MXFP4 and 1.2 of Q3_K; rows of the former have three bytes of scales.
    {.name = "block types in parts",
     .runs = "T=1 | T=12",
     .split = "T",
     .abs = 3e-5,
     .rel = 4e-6,
     .data = "ids = 0 -1 24575 24576 20000 3",
     .graph =
         "symbol T 0 12\ninput x f32 [T, 96]\ninput z f32 [T, 256]\ninput ids i32 [6]\nweight w mxfp4 [26001, 96]\n"
         "weight v q3_k [10999, 256]\n%0 = matmul %x %w\n%1 = matmul %z %v\n%2 = gather %w %ids\n"
         "%3 = gather %v %ids\noutput %0 p\noutput %1 q\noutput %2 r\noutput %3 s\n"},
    {.name = "pow",
     .runs = "T=300",
     .data = "x = 0.5..8; y = -2..2",
     .rel = 1e-5,
     .graph = BIG_TWO "%0 = pow %x %y\noutput %0 pow\n"},
    {.name = "compares, where, cast",
     .runs = BIG_RUNS,
     .data = "x = int -2..2; y = int -2..2",
     .graph =
         BIG_TWO "%0 = eq %x %y\n%1 = ne %x %y\n%2 = lt %x %y\n%3 = le %x %y\n%4 = gt %x %y\n%5 = ge %x %y\n"
                 "%6 = where %2 %x %y\n%7 = cast %6 {to=i32}\noutput %0 eq\noutput %1 ne\noutput %3 le\noutput %4 gt\n"
                 "output %5 ge\noutput %6 where\noutput %7 cast\n"},
    {.name = "halves",
     .runs = "T=601 | T=2 | T=1",
     .rel = HALF,
     .abs = 6.2e-5,
     .levels = true,
     .graph = "symbol T 0 601\ninput x f16 [T, 1001]\ninput b bf16 [1001]\n%0 = mul %x %b\n%1 = cast %0 {to=f16}\n"
              "%2 = abs %x\noutput %1 f16\noutput %2 abs\n"},
    {.name = "8 bits",
     .runs = "T=301 | T=2 | T=1 | T=0",
     .levels = true,
     .data = "a = int 0..255; b = int -128..127; v = int -128..127",
     .graph = "symbol T 0 301\ninput a u8 [T, 4001]\ninput b i8 [T, 4001]\ninput v i8 [4001]\ninput m bool [T, 4001]\n"
              "%0 = add %a %a\n%1 = mul %b %v\n%2 = lt %b %v\n%3 = any %m\n%4 = all %m {axes=[0]}\n"
              "output %0 add\noutput %1 mul\noutput %2 less\noutput %3 any\noutput %4 all\n"},
    {.name = "large rows of elements that share words",
     .runs = "T=301 | T=2 | T=1 | T=0",
     .rel = HALF,
     .abs = 6.2e-5,
     .data = "h = int -9..9",
     .graph = "symbol T 0 301\ninput h f16 [T, 4000]\n%m = amax %h\n%n = sub %h %m\n%0 = cast %n {to=f16}\n"
              "%1 = lt %h %m\n%2 = cast %n {to=i8}\noutput %0 sub\noutput %1 less\noutput %2 i8\n"},
    {.name = "ranges of large states of 8 bits",
     .runs = BIG_RUNS,
     .data = "x = int -99..99; m = int -128..127",
     .graph = "symbol T 0 300\ninput x i8 [T, 4001]\nstate m dense i8 [2400701]\n%0 = assign %m %x {start=3}\n"
              "%c = slice %0 {start=1, len=4001*T}\n%1 = assign %0 %c {start=4001*T+11}\n"},
    {.name = "ranges of large states, read and written",
     .runs = BIG_RUNS,
     .rel = HALF,
     .abs = 6.2e-5,
     .graph = BIG_HEAD
     "state m dense f32 [700001]\nstate h dense f16 [700001]\n%a = slice %m {start=3, len=1000*T}\n"
     "%v = reshape %a {shape=[T, 1000]}\n%y = mul %x %v\n%z = sub %x %v\n"
     "%0 = assign %m %y {start=3}\n%1 = assign %0 %z {start=1000*T+5}\n%b = slice %1 {start=9, len=1000*T}\n"
     "%2 = assign %1 %b {start=13}\n%3 = assign %h %x {start=7}\n%c = slice %3 {start=1, len=1000*T}\n"
     "%4 = assign %3 %c {start=1000*T+11}\n"},
    {.name = "large views of another type",
     .runs = BIG_RUNS, // low halves are 0: no NaN, which the reference changes
     .data = "x = int -64..64",
     .graph = BIG_HEAD "%u = bitcast %x {dtype=u32}\n%0 = max %u %u\n%h = bitcast %u {dtype=bf16}\n"
                       "%f = bitcast %h {dtype=f32}\n%1 = neg %f\noutput %0 u\noutput %1 f\n"},
    {.name = "bytes by block",
     .runs = BIG_RUNS,
     .data = "x = 127 1 -9 44 -127 0 3 8",
     .rel = 3e-7,
     .graph = BIG_HEAD "%q %s = quantize %x {block=40}\noutput %q q\noutput %s s\n"},
    {.name = "reductions",
     .runs = BIG_RUNS,
     .rel = 1e-5,
     .abs = 1e-4,
     .graph = BIG_HEAD "%0 = sum %x\n%1 = mean %x\n%2 = amax %x\n%3 = amin %x\n%4 = sub %x %2\n"
                       "output %0 sum\noutput %1 mean\noutput %2 max\noutput %3 min\noutput %4 sub\n"},
    {.name = "reductions of other axes and types",
     .runs = BIG_RUNS,
     .rel = 1e-5,
     .abs = 1e-4,
     .graph = BIG_HEAD "const %h f32 [] 0.5\n%b = gt %x %h\n%0 = any %b\n%1 = all %b {axes=[0]}\n"
                       "%2 = prod %x {axes=[0, 1]}\n%3 = sum %x {axes=[0]}\n%4 = sub %x %3\n"
                       "output %0 any\noutput %1 all\noutput %2 prod\noutput %3 sum\noutput %4 sub\n"},
    {.name = "one row in chunks",
     .runs = "N=1000000 | N=999999 | N=1 | N=0",
     .rel = 1e-5,
     .abs = 1e-3,
     .graph = "symbol N 0 1000000\ninput x f32 [N]\n%0 = mean %x\n%1 = sub %x %0\noutput %1 y\n"},
    {.name = "rows of a live width, reduced",
     .runs = "T=300 N=1000 | T=299 N=1 | T=3 N=0",
     .rel = 1e-5,
     .abs = 1e-4,
     .graph = "symbol T 0 300\nsymbol N 0 1000\ninput x f32 [T, N]\n%0 = amax %x\n%1 = sub %x %0\noutput %1 y\n"},
    {.name = "norms",
     .runs = BIG_RUNS,
     .rel = 1e-4,
     .abs = 1e-4,
     .graph = BIG_HEAD "weight w f32 [1000]\nweight b f32 [1000]\n%0 = rms_norm %x %w {eps=1e-6}\n"
                       "%1 = layer_norm %x %w %b {eps=1e-6}\n%2 = softmax %x\noutput %0 rms\noutput %1 layer\n"
                       "output %2 softmax\n"},
    {.name = "log_softmax and group_norm",
     .runs = BIG_RUNS,
     .rel = 1e-4,
     .abs = 1e-4,
     .data = "x = -9..9",
     .graph =
         BIG_HEAD "weight w f32 [1000]\nweight b f32 [1000]\n%0 = log_softmax %x\n%1 = log_softmax %x {axis=0}\n"
                  "%2 = group_norm %x %w %b {groups=40, eps=0.01}\noutput %0 last\noutput %1 first\noutput %2 norm\n"},
    {.name = "running totals",
     .runs = BIG_RUNS,
     .data = "x = int -9..9",
     .graph = BIG_HEAD "input h f16 [T, 2001]\n%0 = cumsum %x\n%1 = cumsum %x {axis=0, reverse=1}\n"
                       "%2 = cumsum %h {exclusive=1}\noutput %0 last\noutput %1 first\noutput %2 half\n",
     .rel = HALF,
     .abs = 6.2e-5},
    {.name = "running totals of long rows",
     .runs = "N=300000 | N=1 | N=0 | N=299999 | N=2049",
     .data = "x = int 0..9",
     .graph = "symbol N 0 300000\ninput x u32 [N]\ninput z i32 [N, 2]\n%0 = cumsum %x {reverse=1}\n"
              "%1 = cumsum %z {axis=0, exclusive=1}\noutput %0 y\noutput %1 before\n"},
    {.name = "matmul of a weight, all sides large",
     .runs = "T=300 | T=1 | T=33",
     .rel = 1e-4,
     .abs = 1e-3,
     .graph = BIG_HEAD "weight w f32 [1000, 1000]\ninput r f32 [T, 1000]\n%0 = matmul %x %w\n%1 = add %0 %r\n"
                       "output %1 y\n"},
    // Each part of the weight stores its columns of the sum, and of the halves in common memory.
    {.name = "a weight in parts with an epilogue",
     .runs = "T=300 | T=1 | T=9",
     .rel = 1e-3,
     .abs = 4e-2,
     .levels = true,
     .graph = "symbol T 0 300\ninput x f32 [T, 1000]\nweight w f16 [1500, 1000]\ninput r f32 [T, 1500]\n"
              "%0 = matmul %x %w\n%1 = add %0 %r\n%2 = cast %1 {to=f16}\noutput %1 y\noutput %2 half\n"},
    {.name = "matmul of a value",
     .runs = "T=300 | T=1",
     .rel = 1e-4,
     .abs = 1e-3,
     .levels = true,
     .graph = BIG_HEAD "input w f32 [1001, 1000]\n%0 = matmul %x %w\n%1 = silu %0\noutput %1 y\n"},
    {.name = "matmul of few rows",
     .runs = "T=2 | T=1",
     .rel = 1e-4,
     .abs = 1e-3,
     .graph = "symbol T 0 2\ninput x f32 [T, 64]\nweight w q8_0 [160000, 64]\n%0 = matmul %x %w\noutput %0 y\n"},
    {.name = "rope",
     .runs = "T=300 pos=3 | T=1 pos=0",
     .abs = 6e-6,
     .graph = "symbol T 0 300\nvar pos u32 0 5000\ninput x f32 [T, 4, 250]\n%0 = rope %x %pos\noutput %0 y\n"},
    {.name = "views",
     .runs = "T=250 S=37 | T=1 S=300",
     .rel = 3e-7,
     .graph = "symbol T 0 300\nsymbol S 0 300\ninput x f32 [600, 1000]\n%a = slice %x {start=S, len=T}\n"
              "%b = reshape %a {shape=[T, 4, 250]}\n%c = slice %x {start=299, len=300}\n%0 = neg %b\n%1 = neg %c\n"
              "output %0 live\noutput %1 fixed\n"},
    {.name = "cache_append",
     .runs = "T=300 pos=0 | T=300 pos=200 | T=1 pos=399 | T=7 pos=398",
     .levels = true,
     .abs = 5e-4,
     .graph = "symbol T 0 300\nvar pos u32 0 5000\ninput x f32 [T, 1000]\nstate s ring f32 [400, 1000]\n"
              "state h ring f16 [1200, 1000]\n%n = neg %x\n%0 = cache_append %s %n %pos\n%1 = cache_append %h %x %pos\n"
              "%2 = advance %pos {by=T}\n"},
    {.name = "states written whole",
     .runs = "S=0 | S=2",
     .graph = "symbol S 0 2\ninput x f32 [300, 1000]\ninput h f16 [602, 1001]\ninput g f16 [700, 1000]\n"
              "state a dense f32 [300, 1000]\nstate b dense f32 [300, 1000] ping_pong\n"
              "state c dense f16 [600, 1001] ping_pong\nstate d dense f16 [700, 1000] double\n"
              "state e dense f32 [300, 1000] double\n%n = neg %x\n%v = slice %h {start=S, len=600}\n"
              "%0 = state_write %a %n\n%1 = state_write %b %x\n%2 = state_write %c %v\n%3 = state_write %d %g\n"
              "%m = max %e %x\n%4 = state_write %e %m\n%5 = abs %2\noutput %5 y\n"},
    {.name = "attention to large states",
     .runs = "T=1 pos=699 | T=9 pos=690 | T=1 pos=3 | T=5 pos=900",
     .data = "q = -4..4",
     .abs = 1e-5,
     .graph = "symbol T 0 9\nvar pos u32 0 5000\ninput q f32 [T, 4, 256]\nstate k ring f32 [700, 2, 256]\n"
              "state v ring f16 [1200, 2, 256]\nstate w ring f16 [700, 2, 256]\nstate j ring f16 [1200, 2, 256]\n"
              "%0 = attention %q %k %w %pos\n%1 = attention %q %j %v %pos {window=600}\noutput %0 y\noutput %1 z\n"},
    {.name = "attention of many queries",
     .runs = "T=300 pos=0 | T=299 pos=1",
     .data = "q = -4..4",
     .abs = 1e-5,
     .graph = "symbol T 0 300\nvar pos u32 0 20\ninput q f32 [T, 4, 250]\nstate k dense f32 [320, 1, 250]\n"
              "state v dense f32 [320, 1, 250]\n%0 = attention %q %k %v %pos\noutput %0 y\n"},
    {.name = "gather",
     .runs = "I=400 | I=1 | I=0 | I=399",
     .data = "i = int 0..399; j = int -1200..1199",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = "symbol I 0 400\ninput t f32 [400, 1001]\nweight w q8_0 [1200, 1024]\ninput i u32 [I]\ninput j i32 [I]\n"
              "const %c f32 [2, 3] 1 2 3 4 5 6\n"
              "%0 = gather %t %i {scale=2}\n%1 = gather %w %j\noutput %0 plain\noutput %1 packed\n"},
    {.name = "gather of many integers",
     .runs = "I=400 | I=1 | I=0 | I=399",
     .data = "i = int 0..399; j = int -400..399; t = int -9..9; u = int 0..9",
     .graph = "symbol I 0 400\ninput t i32 [400, 1001]\ninput u u32 [400, 999]\ninput i u32 [I]\ninput j i32 [I]\n"
              "%0 = gather %t %i\n%1 = gather_copy %u %j\noutput %0 signed\noutput %1 bits\n"},
    {.name = "gather by many ids",
     .runs = "I=300000 | I=299999",
     .data = "i = int 0..3",
     .graph = "symbol I 0 300000\ninput t f32 [4, 2]\ninput i u32 [I]\n%0 = gather %t %i\noutput %0 y\n"},
    {.name = "argmax and nll",
     .runs = BIG_RUNS,
     .data = "x = -9..9; t = int 0..999",
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = BIG_HEAD "input t i32 [T]\n%0 = argmax %x\n%1 = nll %x %t\noutput %0 top\noutput %1 nll\n"},
    {.name = "experts",
     .runs = "T=40 | T=1 | T=300",
     .split = "T",
     .data = "i = int -1..8",
     .rel = 1e-5,
     .abs = 5e-4, // sums of 600 products with sums of 1,024, each near 10
     .graph = "symbol T 1 300\ninput x f32 [T, 1024]\ninput i i32 [T, 4]\nweight w q8_0 [8, 600, 1024]\n"
              "input v f32 [8, 37, 1024]\nweight u f16 [8, 300, 600]\n%0 = matmul_experts %x %w %i\n"
              "%1 = matmul_experts %x %v %i\n%2 = silu %0\n%3 = matmul_experts %2 %u %i\noutput %0 y\noutput %1 plain\n"
              "output %3 down\n"},
    {.name = "topk",
     .runs = "T=300 | T=1 | T=299",
     .graph = BIG_HEAD "input h f16 [T, 2001]\ninput z f32 [300001]\n%0 %1 = topk %x {k=600}\n%2 %3 = topk %h {k=999}\n"
                       "%4 %5 = topk %z {k=50}\noutput %0 top\noutput %1 at\noutput %2 halves\noutput %3 places\n"
                       "output %4 few\noutput %5 of\n"},
    {.name = "sample",
     .runs = "R=1 n=0 n_max=9 pos_max=9 pos=1",
     .data = "sampling = sampling temperature=0; stops = 1 3; ring = 0; counts = 0; x = -9..9",
     .graph = SAMPLER("300000", "f32 [300000]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max {greedy=1}\n"},
    {.name = "sample at random",
     .runs = "R=3 n=0 rng=1 n_max=99 pos_max=99 pos=1 | R=1 rng=2",
     .data = "sampling = sampling temperature=0.9 top_k=40 top_p=0.9 min_p=0.02 seed=12345; stops = 0; ring = 0; "
             "counts = 0; x = -6..6",
     .graph = SAMPLER("100000", "f32 [R, 100000]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max\n"},
    // candidates of two rows alone are too many, so that a piece of the dispatch has one row
    {.name = "sample by slot",
     .runs = "R=2 whose=1,0 rng=1,2 | R=1 whose=1 | R=2 whose=2,0 | R=0",
     .data = "on = 1; n = 0; n_max = 99; pos_max = 99; pos = 1; stops = 0; ring = 0; counts = 0 0 1; x = -6..6; "
             "sampling = sampling temperature=0.9 top_k=0 top_p=0.9 seed=5 / temperature=3 top_p=1 top_k=0",
     .graph = SLOT_SAMPLER("2", "100000", "f32 [R, 100000]") "\n"},
    {.name = "concat",
     .runs = "T=300 | T=1 | T=299",
     .graph = BIG_TWO "input h f16 [T, 2001]\ninput g f16 [T, 1]\n%0 = concat %x %y {axis=1}\n%1 = concat %x %y %x\n"
                      "%2 = concat %h %g %h {axis=1}\noutput %0 columns\n"
                      "output %1 rows\noutput %2 halves\n"},
    {.name = "copies by strides",
     .runs = "T=300 | T=1 | T=299",
     .graph = BIG_HEAD
     "input h f16 [1001, T, 2]\n%0 = transpose %x\n%1 = transpose %h\n"
     "%2 = slice_copy %x {start=-999, len=999, axis=1}\n%3 = pad %x {before=[1, 2], after=[T, 3], value=-1}\n"
     "%4 %5 = split %x {sizes=[992, 8], axis=1}\n%6 = select %h {index=-1, axis=1}\noutput %0 swap\n"
     "output %1 halves\noutput %2 columns\noutput %3 padded\noutput %4 wide\noutput %5 rest\n"
     "%7 = slice_copy %x {start=0, len=T}\noutput %6 last\noutput %7 copy\n"},
    {.name = "index maps",
     .runs = "T=300 | T=1 | T=299",
     .graph = BIG_HEAD
     "input h f16 [T, 2001]\ninput c f32 [T, 1]\n%0 = slice %x {start=-1, len=500, axis=1, step=-2}\n%1 = flip %x\n"
     "%2 = expand %c {shape=[T, 1000]}\n%3 = tile %h {repeats=[2, 1]}\n%4 = repeat %x {times=2}\n"
     "%5 = roll %h {shift=300, axis=1}\n"
     "output %0 back\noutput %1 flipped\noutput %2 columns\noutput %3 tiles\n"
     "output %4 twice\noutput %5 rolled\n"},
    {.name = "packed weights, element by element",
     .runs = "T=400 | T=1",
     .rel = 1e-6,
     .abs = 1e-4,
     .graph = "symbol T 0 400\ninput x f32 [T, 1000]\nweight w f32 [400, 1000]\nweight h f16 [700, 1001]\n"
              "weight q q8_0 [10, 32000]\n%0 = sum %w\n%1 = slice %0 {start=0, len=T}\n%2 = add %x %1\n"
              "%3 = neg %h\n%4 = cast %q {to=f32}\noutput %2 y\noutput %3 z\noutput %4 q\n"},
    {.name = "causal convolution",
     .runs = "T=300 | T=1 | T=2 | T=299",
     .rel = 1e-6,
     .abs = 1e-6,
     .graph = BIG_HEAD "state s dense f32 [3, 1000]\nweight w f32 [1000, 1, 4]\nweight b f32 [1000]\n"
                       "state r dense f32 [700, 500]\ninput z f32 [T, 500]\nweight v f16 [500, 1, 8]\n"
                       "%n %y = causal_conv %s %x %w %b {layout=last, activation=silu}\n"
                       "%m %q = causal_conv %r %z %v {layout=last, dilation=100}\noutput %y y\noutput %q q\n"},
    {.name = "linear attention",
     .runs = "T=300 | T=1 | T=40",
     .split = "T",
     .rel = 1e-4,
     .abs = 1e-4,
     .data = "k = -0.1..0.1; v = -0.1..0.1",
     .graph = "symbol T 0 300\nstate s dense f32 [1, 8, 64, 16]\ninput q f32 [T, 1024]\ninput k f32 [T, 512]\n"
              "input v f32 [T, 128]\n"
              "%n %y = linear_attention %s %q %k %v {rule=linear, q_heads=16, kv_heads=8, chunk=16}\noutput %y y\n"},
    {.name = "recurrences by slot",
     .runs = "T=300 count=1,1,0,50,0,1,0,0 | T=17 count=1,1,1,0,0,0,0,0 | T=90 count=0,2,1,0,0,0,9,0 on=1,1,0",
     .split = "T",
     .rel = 1e-4,
     .abs = 1e-4,
     .data = "on = 1; k = -0.1..0.1; v = -0.1..0.1",
     .graph = "symbol T 0 300\nvar count u32 [40] 0 300\nvar on u32 [40] 0 1\nstate s dense f32 [40, 2, 64, 64] slots\n"
              "state c dense f32 [40, 200, 40] slots\ninput q f32 [T, 128]\ninput x f32 [T, 40]\nweight w f32 [40, 3]\n"
              "%n %y = linear_attention %s %q %q %q %count %on {rule=linear, q_heads=2, kv_heads=2, chunk=16}\n"
              "%m %z = causal_conv %c %x %w %count %on {layout=last, dilation=100}\noutput %y y\noutput %z z\n"},
    {.name = "linear attention with a large state",
     .runs = "T=1 | T=3",
     .rel = 1e-4,
     .abs = 1e-4,
     .graph = "symbol T 0 3\nstate s dense f32 [1, 20, 128, 128]\ninput q f32 [T, 2560]\ninput v f32 [T, 2560]\n"
              "%n %y = linear_attention %s %q %q %v {rule=linear, q_heads=20, kv_heads=20}\noutput %y y\n"},
    {.name = "gated delta net with a large state",
     .runs = "T=40 | T=3 | T=1",
     .split = "T",
     .data = "A_log = -2..1; k = -1..1",
     .rel = 1e-4,
     .abs = 1e-4,
     .graph = "symbol T 0 40\nstate s dense f32 [1, 20, 120, 128]\ninput q f32 [T, 2560]\ninput k f32 [T, 2560]\n"
              "input v f32 [T, 2400]\ninput a f32 [T, 20]\ninput b f32 [T, 20]\nweight A_log f32 [20]\n"
              "weight dt f32 [20]\n"
              "%n %y = gated_delta_net %s %q %k %v %a %b %A_log %dt {gate_activation=qwen, beta_activation=sigmoid, "
              "qk_l2_norm=1, q_heads=20, kv_heads=20, chunk=16}\noutput %y y\n"},
    {.name = "rope by tables",
     .runs = "T=300 S=0 | T=1 S=1199",
     .abs = 1e-6,
     .graph = "symbol T 0 300\nsymbol S 0 1200\nrelate S+T <= 1200\ninput q f32 [T, 4, 250]\ninput k f32 [T, 1, 500]\n"
              "input c f32 [1200, 120]\ninput s f32 [1200, 120]\n%0 %1 = rope_table %q %k %c %s {start=S}\n"
              "output %0 y\noutput %1 z\n"},
    {.name = "q4gsw",
     .runs = "T=30 | T=1 | T=9",
     .rel = 1e-5,
     .abs = 1e-4,
     .split = "T",
     .data = "w = int 0..255; ids = int -20002..20002",
     .graph = "symbol T 0 30\ninput ids i32 [T]\nweight w u8 [20002, 61]\nweight s f32 [20002, 4]\n"
              "weight t f32 [4, 20004]\n%0 = embedding_q4gsw %w %s %ids {group=32, linear_order=1}\n"
              "%1 = linear_q4gsw %0 %w %t {group=32}\noutput %0 rows\noutput %1 logits\n"},
    // Groups of 10 are read as elements, of which no binding holds all; so are rows that another shape cuts.
    {.name = "the elements of q4gsw",
     .runs = "T=3 | T=1 | T=20",
     .rel = 1e-5,
     .abs = 1e-4,
     .split = "T",
     .data = "w = int 0..255",
     .graph = "symbol T 1 20\ninput x f32 [T, 100]\ninput z f32 [T, 50]\nweight w u8 [6002, 50]\n"
              "weight s f32 [10, 6004]\n%d = dequant_q4gsw %w %s {group=10, across=1, linear_order=1}\n"
              "%0 = matmul %x %d\n%h = reshape %d {shape=[12004, 50]}\n%1 = matmul %z %h\n%2 = neg %d\n"
              "output %0 y\noutput %1 halves\noutput %2 all\n"},
};
#define N_BIG (sizeof big_cases / sizeof *big_cases)

#define X(name) #name,
static const char *const big_listed[] = {
#include "ops/ops.def"
};
#undef X
#define N_BIG_LISTED (sizeof big_listed / sizeof *big_listed)
#endif
