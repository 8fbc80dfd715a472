// Movement, rotary embedding, caches, attention, and the choice of tokens. Included by cases.h.

static const struct op_case movement_cases[] = {
    // one product
    {.name = "gather of plain types",
     .runs = "T=1 | T=0 | T=9 | T=33",
     .rel = ROUND,
     .data = "ids = 0 5 4294967295 3 "
             "99 1",
     .graph = "symbol T 0 64\ninput ids u32 [T, 2]\nweight a f32 [6, 37]\nweight b f16 [6, 36]\nweight c bf16 [6, 5]\n"
              "weight d f32 [1, 1]\ninput one u32 []\n"
              "%0 = gather %a %ids\n%1 = gather %b %ids {scale=3}\n%2 = gather %c %ids\n%3 = gather %d %one\n"
              "output %0 f32\noutput %1 f16\noutput %2 bf16\noutput %3 single\n"},
    {.name = "gather of values and views",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .rel = ROUND,
     .data = "ids "
             "= int -9..9",
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput y f16 [20, 5]\ninput z f32 [20, 8]\n"
              "input ids i32 [20]\n%i = slice %ids {start=S, len=T}\n%a = slice %x {start=S, len=4}\n"
              "%0 = gather %a %i {scale=2}\n%b = slice %y {start=S, len=7}\n%1 = gather %b %i\n%n = neg %z\n"
              "%2 = gather %n %i\n%3 = add %n %z\noutput %0 f32\noutput %1 f16\noutput %2 wide\noutput %3 zero\n"},
    {.name = "70,000 workgroups of a gather",
     .runs = "T=1120000 | T=1048576 | T=1",
     .data = "ids = int -6..5",
     .graph = "symbol T 0 1120000\ninput ids i32 [T]\ninput x f32 [6, 1]\n%0 = gather %x %ids\noutput %0 y\n"},
    {.name = "gather by a variable",
     .runs = "id=0 | id=5 | id=4294967295",
     .rel = ROUND,
     .graph = "var id u32 0 4294967295\nweight a q8_0 [6, 32]\nweight b f32 [6, 3]\n%0 = gather %a %id\n"
              "%1 = gather %b %id\n%2 = mul %0 %0\noutput %2 q8_0\noutput %1 f32\n"},
    // Elements are copied, so that all is exact.
    {.name = "gather of integers",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=1 | T=33 S=7",
     .data = "ids = 0 -1 4294967289 5 99 -99 2147483647 -2147483648 3; rows = 0 5 4294967295 3 99 1; b = int 0..1; "
             "i = -2147483648 2147483647 -1 16777217 5 0; u = 4294967295 16777217 0 7",
     .graph = "symbol T 0 64\nsymbol S 0 7\ninput ids i32 [T]\ninput rows u32 [T, 2]\ninput i i32 [6]\n"
              "input u u32 [6, S]\ninput c i8 [6, 3]\ninput d u8 [6, 2, 5]\ninput b bool [6, S]\n"
              "const %k i32 [1] -7\ninput one i32 []\nvar at u32 0 4294967295\nvar by u32 [6] 0 4294967295\n"
              "%0 = gather %i %ids\n%1 = gather %u %rows\n%2 = gather %c %ids\n%3 = gather %d %rows\n"
              "%4 = gather %b %ids\n%5 = gather %k %rows\n%6 = gather %i %one\n%7 = gather %c %at\n"
              "%8 = gather %by %ids\noutput %0 i32\noutput %1 u32\noutput %2 i8\noutput %3 u8\noutput %4 bool\n"
              "output %5 one_row\noutput %6 scalar\noutput %7 variable\noutput %8 variables\n"},
    {.name = "gather of integers among others",
     .runs = "T=1 S=0 | T=0 S=3 | T=9 S=1 | T=33 S=7",
     .data = "ids = int -8..8; i = int -99..99; x = int -9..9",
     .graph = "symbol T 0 64\nsymbol S 0 7\ninput ids i32 [T+7]\ninput i i32 [13, 4]\ninput x i32 [T, 4]\n"
              "weight w i32 [6]\nstate s dense i32 [6]\n"
              "%a = slice %ids {start=S, len=T}\n%b = slice %i {start=S, len=5}\n%c = neg %b\n%d = abs %a\n"
              "%0 = gather %c %d\n%1 = add %0 %x\n%2 = gather %w %a\n%3 = gather %i %2\n%e = gather %s %d\n"
              "%f = lt %e %a\n%4 = where %f %e %a\n%5 = transpose %1\n%6 = gather %5 %a\n%g = cast %6 {to=f32}\n"
              "%h = sum %g\noutput %1 sum\noutput %2 weight\noutput %3 twice\noutput %4 chosen\noutput %h sums\n"},
    {.name = "gather as a copy",
     .runs = "T=1 S=1 | T=0 S=3 | T=9 S=7 | T=3 S=0",
     .data = "ids = int -9..9; x = 1 -2 nan inf -inf 3e38; h = 1 nan -inf 60000 -0",
     .graph = "symbol T 0 9\nsymbol S 0 7\ninput ids i32 [T]\ninput x f32 [6, S]\ninput h f16 [6, 2, 3]\n"
              "input one u32 [1]\ninput y i32 [1]\n"
              "%0 = gather_copy %x %ids\n%1 = gather_copy %h %ids\n%2 = gather_copy %y %one\n"
              "%n = neg %x\n%3 = gather_copy %n %ids\n%4 = gather_copy %n %one\n%5 = gather_copy %y %ids\n"
              "output %0 words\noutput %1 halves\noutput %2 one_row\noutput %3 made\noutput %4 row\noutput %5 same\n"},
    {.name = "views of views",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [40, 6]\n%n = neg %x\n%a = slice %n {start=S, len=T+2}\n"
              "%b = slice %a {start=1, len=T}\n%c = reshape %b {shape=[T, 3, 2]}\n%d = neg %c\n"
              "%e = slice %n {start=39, len=1}\n%f = reshape %e {shape=[6]}\n%g = slice %f {start=5, len=1}\n"
              "%k = slice %g {start=0, len=1}\n%h = reshape %k {shape=[1, 1]}\n%i = neg %h\n%j = abs %g\n"
              "output %d rows\noutput %i one\noutput %j abs\noutput %n n\n"},

    // Angles: pos and 2^-33 turns a step, 2 pi a turn; sincos 2e-6 beside (sincos_turns).
    {.name = "rope",
     .runs = "T=1 pos=0 | T=0 pos=5 | T=17 pos=3 | T=2 pos=4000",
     .levels = true,
     .abs = 6e-6,
     .graph = "symbol T 0 20\nvar pos u32 0 5000\ninput x f32 [T, 3, 8]\ninput y f16 [T, 2, 80]\n%n = neg %x\n"
              "%0 = rope %n %pos\n%1 = rope %n %pos {pairing=normal, base=1000000}\n%2 = rope %n %pos {n_rot=4}\n"
              "%3 = rope %n %pos {n_rot=6, pairing=normal, freq_scale=0.125}\n%c = cast %y {to=f32}\n"
              "%4 = rope %c %pos {base=10000}\n"
              "output %n n\noutput %0 neox\noutput %1 normal\noutput %2 part\noutput %3 partn\noutput %4 half\n"},
    // bounded by what the table's 32 bits allow: 2e9 * 2^-33 turns; checks wrap-around only
    {.name = "rope far out",
     .runs = "pos=1000000 | pos=2000000000",
     .abs = 1.6,
     .graph = "var pos u32 0 4000000000\ninput x f32 [1, 1, 2]\n%0 = rope %x %pos\noutput %0 y\n"},
    {.name = "rope with factors",
     .runs = "T=1 pos=0 | T=7 pos=3 | T=2 pos=4000",
     .levels = true,
     .abs = 1e-5,
     .graph = "symbol T 0 20\nvar pos u32 0 5000\ninput x f32 [T, 3, 8]\nconst %f f32 [4] 1 2.5 0.5 32\n"
              "const %g f32 [2] 8 1\n%n = neg %x\n%0 = rope %n %pos %f {magnitude=1.25}\n"
              "%1 = rope %n %pos %g {n_rot=4, pairing=normal, freq_scale=0.5, magnitude=0}\n"
              "%2 = rope %n %pos\noutput %0 all\noutput %1 part\noutput %2 none\n"},
    {.name = "rope of a view, twice",
     .runs = "T=1 S=0 pos=7 | T=9 S=3 pos=1 | T=0 S=9 pos=0",
     .levels = true,
     .abs = 6e-6,
     .graph = "symbol T 0 9\nsymbol S 0 9\nvar pos u32 0 100\ninput x f32 [20, 6]\n%a = slice %x {start=S, len=T}\n"
              "%b = reshape %a {shape=[T, 1, 6]}\n%0 = rope %b %pos\n%1 = rope %0 %pos {pairing=normal}\n"
              "%2 = add %1 %b\noutput %2 y\n"},

    // rows round to f16, half of 2^-10
    {.name = "six ropes in a row",
     .runs = "pos=0 T=3 | pos=77",
     .levels = true,
     .abs = 2e-5, // six times one's error
     .graph = "symbol T 0 3\nvar pos u32 0 100\ninput x f32 [T, 2, 8]\n%0 = rope %x %pos\n"
              "%1 = rope %0 %pos {pairing=normal}\n%2 = rope %1 %pos {n_rot=4}\n"
              "%3 = rope %2 %pos {n_rot=6, pairing=normal}\n%4 = rope %3 %pos {n_rot=2}\n%5 = rope %4 %pos\n"
              "output %5 y\noutput %2 mid\n"},
    {.name = "constants as tables, matrices and targets",
     .runs = "T=3 | T=0 | T=1",
     .abs = 1e-5,
     .data = "i = int -4..4",
     .graph = "symbol T 0 3\ninput x f32 [T, 3]\ninput i i32 [T]\ninput z f32 [2, 3]\n"
              "const %w f32 [4, 3] 1 2 3 4 5 6 7 8 9 -1 -2 -3\nconst %h f16 [2, 3] 0.5 1 1.5 2 2.5 3\n"
              "const %t i32 [2] 2 -7\n%0 = matmul %x %w\n%1 = gather %w %i {scale=2}\n%2 = matmul %x %h\n"
              "%3 = gather %h %i\n%4 = nll %z %t\n%5 = add %1 %3\noutput %0 a\noutput %2 b\noutput %4 nll\n"
              "output %5 rows\n"},
    {.name = "cache_append to rings",
     .runs = "T=1 pos=0 | T=0 pos=3 | T=5 pos=0 | T=5 pos=4 | T=3 pos=14 | T=4 "
             "pos=100001",
     .levels = true,
     .abs = 5e-4,
     .graph = "symbol T 0 5\nvar pos u32 0 200000\ninput x f32 [T, 2, 6]\ninput y f16 [T, 3]\ninput z f32 [T, 8]\n"
              "state a ring f32 [7, 2, 6]\nstate b ring f16 [5, 2, 6]\nstate c ring f32 [6, 3]\n"
              "state d ring f16 [16, 8]\n"
              "%n = neg %x\n%0 = cache_append %a %n %pos\n%1 = cache_append %b %n %pos\n%2 = cache_append %c %y %pos\n"
              "%3 = cache_append %d %z %pos\noutput %n n\n"},
    {.name = "cache_append of one number, of a view, to a dense state",
     .runs = "T=1 S=0 pos=0 | T=3 S=2 pos=4 | T=0 "
             "S=1 pos=7",
     .abs = 5e-4,
     .graph = "symbol T 0 3\nsymbol S 0 3\nvar pos u32 0 7\ninput x f32 [9, 3]\ninput y f32 [1, 1]\n"
              "input h f16 [9, 3]\nstate a dense f32 [11, 3]\nstate b ring f32 [1, 1]\nstate c ring f16 [7, 2]\n"
              "%v = slice %x {start=S+1, len=T}\n%0 = cache_append %a %v %pos\n%1 = cache_append %b %y %pos\n"
              "%w = slice %h {start=S, len=T+1}\n%e = reshape %w {shape=[3*T+3]}\n%f = slice %e {start=1, len=2*T}\n"
              "%g = reshape %f {shape=[T, 2]}\n%2 = cache_append %c %g %pos\n%3 = mul %0 %0\noutput %3 square\n"},
    {.name = "advance",
     .runs = "T=1 pos=0 | T=0 pos=9 | T=5 pos=2147483643",
     .abs = ROUND,
     .graph = "symbol T 0 5\nvar pos u32 0 4294967295\ninput x f32 [T]\nstate a ring f32 [5]\n"
              "%0 = cache_append %a %x %pos\n%1 = advance %pos {by=T}\n%2 = advance %1 {by=2*T+1}\n"},
    // norm 4e-6, rotation 4e-6, then f16
    {.name = "norm, rope, cache_append",
     .runs = "T=1 pos=0 | T=5 pos=3 | T=9 pos=15 | T=0 pos=1",
     .split = "T",
     .levels = true,
     .abs = 1.5e-3,
     .rel = 5e-4,
     .graph = "symbol T 0 9\nvar pos u32 0 1000\ninput x f32 [T, 64]\nweight n f32 [64]\nweight m f32 [32]\n"
              "weight w q8_0 [64, 64]\nstate k ring f16 [16, 2, 32]\nstate v ring f16 [16, 1, 32]\n"
              "weight u q8_0 [32, 64]\n"
              "%0 = rms_norm %x %n {eps=1e-6}\n%1 = matmul %0 %w\n%2 = matmul %0 %u\n"
              "%3 = reshape %1 {shape=[T, 2, 32]}\n%4 = rms_norm %3 %m {eps=1e-6}\n%5 = rope %4 %pos\n"
              "%6 = cache_append %k %5 %pos\n"
              "%7 = reshape %2 {shape=[T, 1, 32]}\n%8 = cache_append %v %7 %pos\n%9 = advance %pos {by=T}\n"},
};

// Scores are sums of D products (6e-8 of sqrt(D) a step), softmax 2e-6, values are means of numbers below 1. An f16
// cache holds what the reference sees too, so halves add nothing.
#define SOFT .abs = 1e-5
#define QKV(T, H, HKV, D, CAP, TYPE)                                                                                   \
    "input q f32 [" T ", " H ", " D "]\nstate k ring " TYPE " [" CAP ", " HKV ", " D "]\n"                             \
    "state v ring " TYPE " [" CAP ", " HKV ", " D "]\n"

static const struct op_case attention_cases[] = {
    {.name = "windows of 7, 8, 9 against a ring of 11",
     .runs =
         "T=1 pos=0 | T=3 pos=0 | T=1 pos=6 | T=1 pos=7 | T=1 "
         "pos=8 | T=1 pos=9 | T=3 pos=7 | T=1 pos=10 | T=3 pos=10 | T=1 pos=11 | T=2 pos=31 | T=0 pos=5 | T=3 pos=4000",
     .split = "T",
     .data = "q = -4..4",
     SOFT,
     .graph = "symbol T 0 3\nvar pos u32 0 5000\n" QKV(
         "T", "2", "1", "32", "11",
         "f32") "%0 = attention %q %k %v %pos {window=7}\n%1 = attention %q %k %v %pos {window=8}\n"
                "%2 = attention %q %k %v %pos {window=9}\noutput %0 w7\noutput %1 w8\noutput %2 w9\n"},
    {.name = "attention, a head each",
     .runs = "T=1 pos=0 | T=3 pos=0 | T=17 pos=0 | T=1 pos=20 | T=3 pos=30 | T=17 "
             "pos=23 | T=17 pos=40 | T=1 pos=77 | T=3 pos=139 | T=0 pos=5",
     .split = "T",
     .data = "q = -4..4",
     SOFT,
     .graph = "symbol T 0 17\nvar pos u32 0 1000\n" QKV(
         "T", "3", "3", "32", "40", "f32") "%0 = attention %q %k %v %pos {scale=0.3}\noutput %0 y\n"},
    {.name = "attention, two heads a key head, f16",
     .runs = "T=1 pos=0 | T=3 pos=0 | T=17 pos=0 | T=1 pos=200 | T=3 "
             "pos=299 | T=17 pos=290 | T=1 pos=777 | T=3 pos=1399 | T=0 pos=5",
     .split = "T",
     .data = "q = -4..4",
     SOFT,
     .graph = "symbol T 0 17\nvar pos u32 0 2000\n" QKV(
         "T", "4", "2", "64", "300", "f16") "%0 = attention %q %k %v %pos {softcap=5}\noutput %0 y\n"},
    {.name = "attention, four heads a key head, 80 channels",
     .runs = "T=1 pos=0 | T=3 pos=0 | T=17 pos=0 | T=1 pos=20 "
             "| T=17 pos=40 | T=1 pos=77 | T=0 pos=5",
     .split = "T",
     SOFT,
     .graph = "symbol T 0 17\nvar pos u32 0 1000\n" QKV(
         "T", "4", "1", "80", "50", "f16") "%0 = attention %q %k %v %pos {window=20}\noutput %0 y\n"},
    {.name = "attention, 256 channels",
     .runs = "T=1 pos=0 | T=3 pos=0 | T=17 pos=0 | T=1 pos=150 | T=17 pos=140 | T=1 "
             "pos=577",
     .split = "T",
     SOFT,
     .graph = "symbol T 0 17\nvar pos u32 0 1000\n" QKV("T", "4", "1", "256", "200",
                                                        "f16") "%0 = attention %q %k %v %pos\noutput %0 y\n"},
    {.name = "attention of one channel, keys as values",
     .runs = "T=1 pos=0 | T=2 pos=1 | T=1 pos=9",
     SOFT,
     .graph = "symbol T 0 2\nvar pos u32 0 10\ninput q f32 [T, 1, 1]\nstate k dense f32 [12, 1, 1]\n"
              "%0 = attention %q %k %k %pos\noutput %0 y\n"},
    // f16 caches: one rounding of a key more or less
    {.name = "append, then attend to a view",
     .runs = "T=1 S=0 pos=0 P=1 | T=5 S=2 pos=3 P=8 | T=9 S=0 pos=17 P=26 | "
             "T=1 S=1 pos=31 P=32",
     .split = "T",
     .levels = true,
     .abs = 1e-3,
     .graph = "symbol T 0 9\nsymbol S 0 3\nsymbol P 1 32\nvar pos u32 0 40\ninput x f32 [12, 2, 6]\n"
              "input q f16 [12, 4, 6]\nstate k ring f16 [24, 2, 6]\nstate v ring f32 [24, 2, 6]\n"
              "%a = slice %x {start=S, len=T}\n"
              "%0 = rope %a %pos\n%1 = cache_append %k %0 %pos\n%n = neg %a\n%2 = cache_append %v %n %pos\n"
              "%b = slice %q {start=S+1, len=T}\n%3 = attention %b %1 %2 %pos {window=16}\n%4 = neg %3\n"
              "%5 = advance %pos {by=T}\noutput %4 y\n"},
    // which symbols a graph has, and what they are called, is the user's business
    {.name = "attention beside symbols P and reach",
     .runs = "T=1 P=3 reach=7 pos=333 | T=3 P=700 reach=0 pos=697 | "
             "T=2 P=1 reach=9 pos=40",
     .split = "T",
     SOFT,
     .graph =
         "symbol T 0 3\nsymbol P 1 700\nsymbol reach 0 9\nvar pos u32 0 1000\ninput o f32 [P]\n"
         "input r f32 [reach]\n" QKV(
             "T", "3", "1", "8", "700",
             "f32") "%0 = attention %q %k %v %pos\n%1 = neg %o\n%2 = neg %r\noutput %0 y\noutput %1 p\noutput %2 s\n"},
    {.name = "attention within its reach",
     .runs = "T=1 N=1 pos=0 | T=3 N=130 pos=127 | T=1 N=640 pos=639 | T=17 N=400 "
             "pos=383 | T=2 N=260 pos=200",
     .split = "T",
     SOFT,
     .graph = "symbol T 0 17\nsymbol N 1 640\nvar pos u32 0 1000\n" QKV(
         "T", "2", "1", "8", "700",
         "f32") "%0 = attention %q %k %v %pos {reach=N}\n%1 = attention %q %k %v %pos {reach=N+5, window=150}\n"
                "output %0 y\noutput %1 w\n"},
    // scores near 1e6 differ by 0.06 a unit: the largest wins, near ties move
    {.name = "attention with huge scores",
     .runs = "T=2 pos=5 | T=1 pos=0",
     .data = "q = -1e4..1e4; k = -100..100",
     .abs = 2e-2,
     .graph = "symbol T 0 2\nvar pos u32 0 20\n" QKV("T", "1", "1", "8", "12",
                                                     "f32") "%0 = attention %q %k %v %pos {scale=1}\noutput %0 y\n"},
};

#define SAMPLER(V, LOGITS)                                                                                             \
    "symbol R 0 3\nstate counts dense u32 [" V "]\nstate ring dense u32 [8]\nstate tokens dense i32 [4]\n"             \
    "var token u32 0 9999999\nvar n u32 0 9999\nvar rng u32 0 4294967295\nvar pos u32 0 9999\n"                        \
    "var n_max u32 0 9999\nvar pos_max u32 0 9999\ninput sampling u32 [16]\ninput stops u32 [3]\ninput x " LOGITS "\n"
#define SAMPLE "%a %b %c %d %e %f = sample %counts %ring %tokens %token %n %rng "

static const struct op_case choice_cases[] = {
    {.name = "argmax",
     .runs = "T=1 N=1 | T=0 N=5 | T=3 N=0 | T=13 N=33 | T=5 N=1000",
     .data = "x = 0 -0 1 3 3 -1 2 3 "
             "1; y = nan -1 nan -2 -1 -inf 0 -0 nan; h = int -3..3",
     .graph = "symbol T 0 70\nsymbol N 0 1000\ninput x f32 [T, N]\ninput y f32 [T, N]\ninput h f16 [T, N]\n"
              "input z f32 [N]\ninput c f32 [N]\n%n = neg %x\n%0 = argmax %n\n%1 = argmax %y\n%2 = argmax %h\n"
              "%3 = argmax %z\n"
              "output %0 ties\noutput %1 nans\noutput %2 f16\noutput %3 vector\noutput %n n\n"},
    {.name = "argmax of nothing but NaN, of infinities",
     .runs = "T=3",
     .data = "x = nan; y = -inf -inf -inf inf nan "
             "inf; z = nan -inf nan",
     .graph = "symbol T 0 3\ninput x f32 [T, 3]\ninput y f32 [T, 6]\ninput z f32 [T, 3]\n%0 = argmax %x\n"
              "%1 = argmax %y\n%2 = argmax %z\noutput %0 nans\noutput %1 infs\noutput %2 both\n"},
    {.name = "argmax of long rows and a view",
     .runs = "T=1 S=0 | T=2 S=1 | T=0 S=2",
     .data = "x = int -100..100",
     .graph = "symbol T 0 2\nsymbol S 0 2\ninput x f32 [4, 20001]\ninput y f32 [40]\n%v = slice %x {start=S, len=T}\n"
              "%0 = argmax %v\n%w = slice %y {start=S, len=17}\n%1 = argmax %w\noutput %0 long\noutput %1 view\n"},
    // exp of up to 20 has 43 ulp, weighted by its share of the sum; a logarithm
    {.name = "nll",
     .runs = "R=1 | R=0 | R=5 | R=33",
     .data = "x = -10..10; y = -10..10; t = 0 5 -3 99 36 2147483647; "
             "u = 0 1 4294967295 1023 512",
     .abs = 1e-5,
     .rel = 1e-6,
     .graph = "symbol R 0 40\ninput x f32 [R, 37]\ninput y f16 [R, 1024]\ninput o f32 [R, 1]\ninput t i32 [R]\n"
              "input u u32 [R]\n%n = neg %x\n%0 = nll %n %t\n%1 = nll %y %u\n%2 = nll %o %t\n"
              "output %0 narrow\noutput %1 wide\noutput %2 single\noutput %n n\n"},
    {.name = "nll of infinities, NaN and huge values",
     .runs = "R=9",
     .data = "x = 0 1 nan 0 inf 0 0 0 -inf -inf -inf "
             "5 1 1 1 1 -inf 0 0 0 -inf -inf -inf -inf 1e38 1e38 -1e38 1 1e38 -1e38 0 0 500 500 499 -500; t = 0 1 2 0 "
             "0 3 0 1 "
             "2",
     .abs = 1e-5,
     .rel = 1e-6,
     .graph = "symbol R 0 9\ninput x f32 [R, 4]\ninput t i32 [R]\n%0 = nll %x %t\noutput %0 y\n"},
    {.name = "nll of views",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9",
     .data = "t = int 0..9",
     .abs = 1e-5,
     .rel = 1e-6,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput y f32 [20, 8]\ninput t i32 [20]\n"
              "%a = slice %x {start=S, len=T}\n%b = slice %y {start=S, len=T}\n%i = slice %t {start=S+1, len=T}\n"
              "%0 = nll %a %i\n%1 = nll %b %i\noutput %0 a\noutput %1 b\n"},

    {.name = "greedy sampling: ties, NaN, limits",
     .runs = "R=1 n=0 n_max=9 pos_max=9 pos=1 | R=0 | R=2 n=3 pos=9 | "
             "R=3 n=8 rng=4294967295",
     .data = "sampling = sampling temperature=0; stops = 1 3; ring = 0; counts = 0; x = 1 "
             "nan -0 3 3 nan -inf 3 2",
     .graph = SAMPLER("31", "f32 [R, 31]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max {greedy=1}\n"},
    {.name = "greedy sampling with penalties, one limit twice",
     .runs = "R=1 n=0 n_max=9 pos=1 | R=2 n=7 pos=2",
     .data = "sampling = sampling temperature=0 repetition=1.5 presence=0.25 window=4; stops = 0; ring = 1 2 3 4 5 6 7 "
             "8; counts = 0 1 2 0 0 1; x = -2..2",
     .graph = SAMPLER("1031", "f16 [R, 1031]") SAMPLE "%x %sampling %stops %pos %n_max %n_max\n"},
    {.name = "sampling",
     .runs = "R=1 n=0 rng=0 n_max=99 pos_max=99 pos=1 | R=2 rng=1 | R=3 rng=2 | R=1 rng=3 | R=1 "
             "rng=4 | R=0 rng=5 | R=1 rng=77 | R=2 rng=4294967295",
     .data = "sampling = sampling temperature=0.9 top_k=40 "
             "top_p=0.9 min_p=0.02 seed=12345; stops = 0; ring = 0; counts = 0; x = -6..6",
     .graph = SAMPLER("1031", "f32 [R, 1031]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max\n"},
    {.name = "sampling of ties, NaN and infinities",
     .runs = "R=1 n=0 rng=0 n_max=99 pos_max=99 pos=1 | R=1 rng=1 | "
             "R=1 rng=2 | R=1 rng=3",
     .data = "sampling = sampling temperature=1 top_k=0 top_p=1 min_p=0 seed=7; stops = 0; "
             "ring = 0; counts = 0; x = 1 1 nan 1 -inf 1 1 0 nan -0",
     .graph = SAMPLER("1031", "f32 [1031]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max\n"},
    {.name = "sampling of nothing but NaN: a mark in place of a token",
     .runs = "R=1 n=0 rng=0 n_max=9 pos_max=9 pos=1",
     .data = "sampling = sampling temperature=1 top_k=3 top_p=0.9 seed=5; stops = 0; ring = 0; counts = 2; x = nan",
     .graph = SAMPLER("517", "f32 [R, 517]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max\n"},
    {.name = "greedy sampling of nothing but NaN",
     .runs = "R=1 n=3 n_max=9 pos_max=9 pos=1",
     .data = "sampling = sampling temperature=0 window=2; stops = 0; ring = 4294967295 1 4294967295 2; counts = 1; "
             "x = nan",
     .graph = SAMPLER("300", "f32 [R, 300]") SAMPLE "%x %sampling %stops %pos %n_max %pos_max {greedy=1}\n"},
    {.name = "sampling from a view",
     .runs = "R=1 n=0 rng=0 n_max=99 pos_max=99 pos=1 | R=3 rng=1 | R=2 rng=3",
     .data = "sampling = sampling temperature=0.9 top_k=40 top_p=0.9 seed=3; stops = 0; ring = 0; counts = 0; "
             "x = -6..6",
     .graph = SAMPLER("1031", "f32 [6, 1031]") "%v = slice %x {start=R, len=R}\n" SAMPLE
                                               "%v %sampling %stops %pos %n_max %pos_max\n"},
    {.name = "sampling from a vocabulary of one",
     .runs = "R=0 n=0 n_max=99 pos_max=99 pos=1 | R=1 n=2 token=5",
     .data = "sampling = sampling temperature=1; stops = 0; ring = 0; counts = 3",
     .graph = SAMPLER("1", "bf16 [1]") "%y = reshape %x {shape=[1, 1]}\n" SAMPLE
                                       "%x %sampling %stops %pos %n_max %pos_max\n"},
};
