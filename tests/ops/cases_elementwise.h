// Elementwise operators. Included by cases.h.
//
// Bounds of the functions come from the accuracy table of WGSL, in units in the last place (ulp, 1.2e-7 of the value):
// division 2.5, inverseSqrt 2, sqrt as 1 / inverseSqrt, exp 3 + 2 |x|, log 3 (absolute 2^-21 from 0.5 to 2), pow as
// exp2(y log2 x), sin and cos 2^-11 absolute in -pi..pi; below 1.2e-38 a device may round to 0. Those of
// plan/scalar are promised 4e-6, in tails 2e-5.
#define ROUND 1.2e-7 // one rounding, twice what it may be
// One rounding to f16, twice what it may be: values in between have errors of their own.
#define HALF 9.8e-4

#define UNARY_HEAD "symbol T 0 64\nsymbol N 0 70\ninput x f32 [T, N]\n"
#define BINARY_HEAD UNARY_HEAD "input y f32 [T, N]\n%s = neg %x\n%t = neg %y\n"
#define SIZES_2D "T=0 N=5 | T=1 N=1 | T=5 N=0 | T=13 N=33 | T=64 N=70"
#define BROADCAST_HEAD                                                                                                 \
    "symbol A 0 4\nsymbol M 0 40\nsymbol N 0 70\ninput x f32 [A, 1, N]\ninput y f32 [M, 1]\ninput v f32 [N]\n"         \
    "%z = sub %x %y\n"
#define SIZES_3D "A=2 M=3 N=5 | A=0 M=3 N=5 | A=2 M=0 N=5 | A=1 M=1 N=1 | A=4 M=40 N=70"
#define ODD_FLOATS                                                                                                     \
    "0 -0 0.5 -0.5 1.5 2.5 -1.5 -2.5 0.49999997 -0.49999997 4194304.5 8388609 -8388609 1e30 -1e30 1e-30 3 -7 "         \
    "2147483648"
#define ODD_INTS "0 1 -1 7 -7 2 -2 3 65536 46341 -46341 16777217 -16777219 1073741825 2147483647 -2147483648"
#define ODD_WORDS "0 1 7 2 3 65536 65537 16777217 16777219 2147483647 2147483648 4294967295 4294967294 100"

static const struct op_case elementwise_cases[] = {
    {.name = "exact functions of one float",
     .runs = SIZES_2D,
     .data = "x = " ODD_FLOATS,
     .graph = UNARY_HEAD "%s = neg %x\n%0 = abs %s\n%1 = sign %s\n%2 = relu %s\n%3 = floor %s\n%4 = ceil %s\n"
                         "%5 = round %s\n"
                         "output %s s\noutput %0 abs\noutput %1 sign\noutput %2 relu\noutput %3 floor\noutput %4 ceil\n"
                         "output %5 round\n"},
    {.name = "neg of what is read again",
     .runs = SIZES_2D,
     .levels = true,
     .graph = UNARY_HEAD "%0 = abs %x\n%1 = neg %0\n%2 = sub %1 %0\noutput %0 abs\noutput %1 neg\noutput %2 both\n",
     .rel = ROUND},
    // exp: 3 + 2 * 8 ulp
    {.name = "functions of a positive float",
     .runs = SIZES_2D,
     .data = "x = 0.001..8",
     .rel = 2.4e-6,
     .abs = 5e-7,
     .graph = UNARY_HEAD
     "%s = neg %x\n%a = abs %s\n%0 = log %a\n%1 = sqrt %a\n%2 = rsqrt %a\n%3 = recip %a\n"
     "%4 = square %a\n%5 = exp %a\n"
     "output %0 log\noutput %1 sqrt\noutput %2 rsqrt\noutput %3 recip\noutput %4 square\noutput %5 exp\n"},
    // the promise of plan/scalar in tails
    {.name = "activations",
     .runs = SIZES_2D,
     .data = "x = -12..12",
     .rel = 2e-5,
     .abs = 1e-7,
     .graph = UNARY_HEAD "%s = neg %x\n%0 = tanh %s\n%1 = sigmoid %s\n%2 = silu %s\n%3 = gelu %s\n%4 = gelu_tanh %s\n"
                         "output %0 tanh\noutput %1 sigmoid\noutput %2 silu\noutput %3 gelu\noutput %4 gelu_tanh\n"},
    {.name = "activations of huge and tiny floats",
     .runs = "T=2 N=8",
     .data = "x = 1e30 -1e30 3e38 -3e38 1e-30 -1e-30 "
             "90 -90 0 -0 1000 -1000 50 -50 1e-38 88",
     .rel = 2e-5,
     .abs = 2e-36, // e^-87 = 1.6e-38 is where sigmoid stays; silu stays at 87 times that
     .graph = UNARY_HEAD "%s = neg %x\n%0 = tanh %s\n%1 = sigmoid %s\n%2 = silu %s\n%3 = gelu %s\n%4 = gelu_tanh %s\n"
                         "output %0 tanh\noutput %1 sigmoid\noutput %2 silu\noutput %3 gelu\noutput %4 gelu_tanh\n"},
    // the sum, two products and the rounding of 1 / 6
    {.name = "hard_swish",
     .runs = SIZES_2D,
     .data = "x = -7..7",
     .rel = 4 * ROUND,
     .levels = true,
     .graph = UNARY_HEAD "%s = neg %x\n%0 = hard_swish %s\noutput %s s\noutput %0 y\n"},
    {.name = "hard_swish of halves",
     .runs = SIZES_2D,
     .data = "x = -7..7",
     .rel = HALF,
     .abs = 6.2e-5,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x f16 [T, N]\n%0 = hard_swish %x\noutput %0 y\n"},
    {.name = "hard_swish where it bends, of huge values, infinities and NaN",
     .runs = "T=3 N=6",
     .rel = 4 * ROUND,
     .data = "x = 3 -3 2.9999998 -2.9999998 3.0000002 -3.0000002 0 -0 3e38 -3e38 1e-30 -1e-30 inf -inf nan 5 -1.5 "
             "65504",
     .graph = UNARY_HEAD "%0 = hard_swish %x\noutput %0 y\n"},
    {.name = "angles",
     .runs = SIZES_2D,
     .data = "x = -3.14..3.14",
     .abs = 4.9e-4, // 2^-11
     .graph = UNARY_HEAD "%s = neg %x\n%0 = sin %s\n%1 = cos %s\noutput %0 sin\noutput %1 cos\n"},
    {.name = "functions of huge and tiny floats",
     .runs = "T=2 N=6",
     .data = "x = 1e30 3e38 1e-30 1.2e-38 1e-20 1e20 "
             "-3 -100 -1 2 4 1",
     .rel = 6e-7,
     .abs = 1.2e-38, // sqrt
     .graph = UNARY_HEAD "%a = abs %x\n%1 = sqrt %a\n%2 = rsqrt %a\n%3 = recip %a\n%4 = log %a\noutput %1 sqrt\n"
                         "output %2 rsqrt\noutput %3 recip\noutput %4 log\n"},
    {.name = "two floats",
     .runs = SIZES_2D,
     .data = "x = -4..4; y = int 1..9",
     .rel = 3e-7,
     .graph = BINARY_HEAD "%0 = add %s %t\n%1 = sub %s %t\n%2 = mul %s %t\n%3 = div %s %t\n%4 = max %s %t\n"
                          "%5 = min %s %t\n"
                          "output %0 add\noutput %1 sub\noutput %2 mul\noutput %3 div\noutput %4 max\noutput %5 min\n"},
    {.name = "one float twice",
     .runs = SIZES_2D,
     .data = "x = 0.5..4; y = 0.5..4",
     .rel = 3e-7,
     .graph = BINARY_HEAD "%0 = add %s %s\n%1 = sub %s %s\n%2 = mul %s %s\n%3 = div %s %s\n%4 = max %s %s\n"
                          "%5 = min %s %s\n"
                          "output %0 add\noutput %1 sub\noutput %2 mul\noutput %3 div\noutput %4 max\noutput %5 min\n"
                          "output %s s\n"},
    {.name = "two floats broadcast",
     .runs = SIZES_3D,
     .data = "y = int 1..9",
     .rel = 3e-7,
     .graph =
         BROADCAST_HEAD "%0 = add %z %y\n%1 = sub %y %x\n%2 = mul %v %z\n%3 = div %z %y\n%4 = max %y %z\n"
                        "%5 = min %z %v\n"
                        "output %0 add\noutput %1 sub\noutput %2 mul\noutput %3 div\noutput %4 max\noutput %5 min\n"},
    {.name = "max, min, relu with a NaN",
     .runs = "T=4 N=6",
     .data = "x = 1 nan -0 2 nan; y = nan 2 3 0 nan 1 -7",
     .graph = BINARY_HEAD "%0 = max %x %y\n%1 = min %x %y\n%2 = relu %x\noutput %0 max\noutput %1 min\n"
                          "output %2 relu\n"},
    // 16 * 3 ulp and exp2's
    {.name = "pow",
     .runs = SIZES_2D " | T=1 N=1",
     .data = "x = 0 0.5 1 2 3.5 10 -2 -3 -1; y = 2 3 0 1 -1 0.5 5",
     .rel = 1e-5,
     .graph = BINARY_HEAD "%y1 = abs %y\n%x1 = abs %x\n%0 = pow %x %y1\n%1 = pow %x1 %x1\noutput %0 pow\n"
                          "output %1 self\n"},
    {.name = "pow broadcast",
     .runs = SIZES_3D,
     .data = "x = 1..8; y = int 1..3; v = -2..2",
     .rel = 1e-5,
     .graph = BROADCAST_HEAD "%w = add %y %x\n%0 = pow %w %y\n%1 = pow %w %v\noutput %0 left\noutput %1 right\n"},
    {.name = "compares",
     .runs = SIZES_2D,
     .data = "x = int -2..2; y = int -2..2",
     .graph = BINARY_HEAD "%0 = eq %s %t\n%1 = ne %s %t\n%2 = lt %s %t\n%3 = le %s %t\n%4 = gt %s %t\n%5 = ge %s %t\n"
                          "output %0 eq\noutput %1 ne\noutput %2 lt\noutput %3 le\noutput %4 gt\noutput %5 ge\n"},
    {.name = "compares of one value",
     .runs = SIZES_2D,
     .data = "x = int -2..2; y = int -2..2",
     .graph = BINARY_HEAD
     "%0 = eq %s %s\n%1 = ne %s %s\n%2 = lt %s %s\n%3 = le %s %s\n%4 = gt %s %s\n%5 = ge %s %s\n"
     "output %0 eq\noutput %1 ne\noutput %2 lt\noutput %3 le\noutput %4 gt\noutput %5 ge\noutput %s s\n"},
    {.name = "compares broadcast",
     .runs = SIZES_3D,
     .data = "x = int -2..2; y = int -2..2; v = int -2..2",
     .graph = BROADCAST_HEAD "%0 = eq %z %y\n%1 = ne %y %z\n%2 = lt %z %v\n%3 = le %z %y\n%4 = gt %v %z\n"
                             "%5 = ge %z %y\n"
                             "output %0 eq\noutput %1 ne\noutput %2 lt\noutput %3 le\noutput %4 gt\noutput %5 ge\n"},
    {.name = "compares with a NaN",
     .runs = "T=4 N=6",
     .data = "x = 1 nan 0 nan 2; y = nan nan 0 1 2 nan 1",
     .graph = BINARY_HEAD "%0 = eq %x %y\n%1 = ne %x %y\n%2 = lt %x %y\n%3 = le %x %y\n%4 = gt %x %y\n%5 = ge %x %y\n"
                          "output %0 eq\noutput %1 ne\noutput %2 lt\noutput %3 le\noutput %4 gt\noutput %5 ge\n"},
    {.name = "where",
     .runs = SIZES_2D,
     .data = "x = 0 1 -1 nan -0 2",
     .levels = true,
     .graph =
         BINARY_HEAD "%c = gt %y %s\n%0 = where %c %y %t\n%1 = where %y %y %y\n%2 = where %x %t %y\n%n = neg %x\n"
                     "%3 = where %n %y %t\noutput %0 compare\noutput %1 self\noutput %2 float\noutput %3 negated\n"},
    {.name = "where broadcast",
     .runs = SIZES_3D,
     .data = "y = int 0..1",
     .rel = ROUND,
     .abs = ROUND, // one difference
     .graph = BROADCAST_HEAD "const %k f32 [] -3\n%0 = where %y %z %k\n%1 = where %z %v %x\noutput %0 scalar\n"
                             "output %1 vector\n"},
    {.name = "a constant, a variable and a vector as operands",
     .runs = "T=3 N=7 s=0.5 n=3 | T=1 N=1 s=-2 "
             "n=4294967295",
     .rel = ROUND,
     .abs = ROUND,
     .graph = UNARY_HEAD
     "var s f32 -10 10\nvar n u32 0 4294967295\nconst %c f32 [] 1.5\nconst %k f32 [1, 1] -2\n"
     "const %h f16 [2, 1, 1] 0.25 8\n"
     "%0 = mul %x %s\n%1 = add %0 %c\n%2 = sub %k %1\n%3 = mul %2 %h\n%m = cast %n {to=f32}\n%4 = add %3 %m\n"
     "output %4 out\noutput %2 mid\n"},
    {.name = "scalars",
     .runs = " ",
     .rel = ROUND,
     .graph = "input x f32 []\ninput y f32 [1]\n%0 = add %x %x\n%1 = mul %0 %y\n%2 = neg %0\noutput %1 one\n"
              "output %2 none\n"},
    {.name = "seven axes",
     .runs = "T=2 | T=0 | T=1",
     .levels = true,
     .rel = ROUND,
     .abs = ROUND,
     .graph = "symbol T 0 3\ninput x f32 [2, 1, T, 1, 3, 1, 5]\ninput y f32 [3, 1, 2, 1, 2, 1]\n"
              "input w f32 [1, 1, T, 1, 1, 1, 1]\n"
              "%0 = add %x %y\n%1 = mul %0 %w\n%2 = sub %1 %y\noutput %0 sum\noutput %2 out\n"},

    // Integers: exact, wrapping to their width; division truncates and gives x for x / 0.
    {.name = "i32, one operand",
     .runs = SIZES_2D,
     .data = "x = " ODD_INTS,
     .levels = true,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x i32 [T, N]\n%s = neg %x\n%0 = abs %s\n%1 = sign %s\n"
              "%2 = square %s\n%3 = neg %s\n"
              "output %s s\noutput %0 abs\noutput %1 sign\noutput %2 square\noutput %3 back\n"},
    {.name = "u32, one operand",
     .runs = SIZES_2D,
     .data = "x = " ODD_WORDS,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x u32 [T, N]\n%s = neg %x\n%0 = abs %s\n%1 = sign %s\n"
              "%2 = square %s\n%3 = neg %s\n"
              "output %s s\noutput %0 abs\noutput %1 sign\noutput %2 square\noutput %3 back\n"},
    {.name = "i32, two operands",
     .runs = SIZES_2D,
     .data = "x = " ODD_INTS "; y = 3 -1 0 7 -2 16777217 2147483647 "
             "-2147483648 5",
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x i32 [T, N]\ninput y i32 [T, N]\n%s = sub %x %y\n%0 = add %s %y\n"
              "%1 = mul %s %y\n%2 = div %s %y\n%3 = max %s %y\n"
              "%4 = min %s %y\n%5 = div %2 %y\noutput %s s\noutput %0 add\noutput %1 mul\noutput %3 max\n"
              "output %4 min\noutput %5 div\n"},
    {.name = "u32, two operands",
     .runs = SIZES_2D,
     .data = "x = " ODD_WORDS "; y = 3 1 0 7 16777217 2147483648 "
             "4294967295 5 10",
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x u32 [T, N]\ninput y u32 [T, N]\n%s = sub %x %y\n%0 = add %s %y\n"
              "%1 = mul %s %y\n%2 = div %s %y\n%3 = max %s %y\n"
              "%4 = min %s %y\n%5 = div %2 %y\noutput %s s\noutput %0 add\noutput %1 mul\noutput %3 max\n"
              "output %4 min\noutput %5 div\n"},
    {.name = "compares and where of integers",
     .runs = SIZES_2D,
     .data = "x = 16777217 16777216 -5 2147483647 0; y = "
             "16777216 16777217 -5 2147483646 0 1",
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x i32 [T, N]\ninput y i32 [T, N]\n%0 = lt %x %y\n%1 = eq %x %y\n"
              "%2 = where %0 %x %y\n%3 = where %y %x %2\n%4 = ne %0 %1\n"
              "output %0 lt\noutput %1 eq\noutput %2 where\noutput %3 whole\noutput %4 bools\n"},
    {.name = "bytes",
     .runs = SIZES_2D,
     .data = "x = -128 127 -1 0 5 100; y = 255 0 1 128 200",
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x i8 [T, N]\ninput y u8 [T, N]\n%0 = add %x %x\n%1 = neg %0\n"
              "%2 = mul %y %y\n%3 = sub %2 %y\noutput %0 twice\noutput %1 neg\noutput %3 u8\n"},

    {.name = "cast of floats",
     .runs = SIZES_2D,
     .data = "x = 0 -0 1.5 -1.5 2.7 -2.7 1e30 -1e30 nan 300 -300 0.1 "
             "2147483520 2147483648 4294967040 4294967296 -2147483648 127.9 -128.9",
     .graph = UNARY_HEAD "%1 = cast %x {to=i32}\n%2 = cast %x {to=u32}\n%3 = cast %x {to=i8}\n%4 = cast %x {to=u8}\n"
                         "%5 = cast %x {to=bool}\n%6 = cast %1 {to=f32}\n"
                         "output %1 i32\noutput %2 u32\noutput %3 i8\noutput %4 u8\noutput %5 bool\noutput %6 f32\n"},
    {.name = "cast to halves",
     .runs = SIZES_2D,
     .levels = true,
     .data = "x = 0 -0 1.5 -1.5 0.1 -0.1 65504 -65504 "
             "6.1035e-5 1000.4 1.0009765625 1.00048828125 1.00146484375 6e-8 -3.1e-8 2.9e-8 5.9e-5 65519 65520 -7e4 "
             "3.39e38 "
             "1.2e-38",
     .graph = UNARY_HEAD "%s = neg %x\n%0 = cast %s {to=f16}\n%1 = cast %s {to=bf16}\n%2 = cast %0 {to=f32}\n"
                         "%3 = cast %1 {to=f32}\n%4 = relu %0\n"
                         "output %0 f16\noutput %1 bf16\noutput %2 a\noutput %3 b\noutput %4 c\n"},
    {.name = "cast of integers",
     .runs = SIZES_2D,
     .data = "x = " ODD_INTS "; y = " ODD_WORDS "; b = 0 1",
     .rel = ROUND, // an i32 above 2^24 is rounded
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x i32 [T, N]\ninput y u32 [T, N]\ninput b bool [T, N]\n"
              "%0 = cast %x {to=u32}\n%1 = cast %y {to=i32}\n%2 = cast %x {to=i8}\n"
              "%3 = cast %y {to=u8}\n%4 = cast %x {to=f32}\n%5 = cast %b {to=f32}\n%6 = cast %y {to=bool}\n"
              "%7 = cast %b {to=i32}\n%8 = add %1 %7\n"
              "output %0 u32\noutput %1 i32\noutput %2 i8\noutput %3 u8\noutput %4 f32\noutput %5 bool\n"
              "output %6 tobool\noutput %8 sum\n"},
    {.name = "halves in and out",
     .runs = "T=1 N=1 | T=0 N=3 | T=3 N=5 | T=13 N=33 | T=64 N=70",
     .levels = true,
     .rel = HALF,
     .abs = 1e-6,
     .graph = "symbol T 0 64\nsymbol N 0 70\ninput x f16 [T, N]\ninput y bf16 [N]\ninput r f16 [T, 1]\n"
              "%0 = add %x %r\n%1 = mul %0 %y\n%2 = abs %0\noutput %0 f16\noutput %1 f32\noutput %2 abs\n"},

    {.name = "views in front of elementwise",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     .rel = ROUND,
     .abs = ROUND,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f32 [20, 6]\ninput y f16 [20, 3]\ninput z i32 [20]\n"
              "%a = slice %x {start=S, len=T}\n%b = reshape %a {shape=[T, 2, 3]}\n"
              "%c = slice %y {start=S+1, len=T}\n%d = reshape %c {shape=[T, 1, 3]}\n%0 = add %b %d\n"
              "%e = slice %z {start=S, len=T}\n%1 = neg %e\n"
              "%f = reshape %0 {shape=[T, 6]}\n%2 = sub %f %a\n%g = slice %2 {start=0, len=T}\n%3 = neg %g\n"
              "output %0 sum\noutput %1 ints\noutput %2 sub\noutput %3 last\n"},
    {.name = "what is one a row, beside rows of no columns",
     .runs = "T=5 S=0 | T=1 S=1 | T=0 S=0 | T=7 S=3",
     .levels = true,
     .rel = ROUND,
     .abs = ROUND,
     .graph =
         "symbol T 0 9\nsymbol S 0 9\ninput x f32 [T, S]\ninput r f32 [T, 1]\ninput h f16 [T, S]\ninput y f32 [S, T]\n"
         "%0 = add %x %r\n%1 = neg %r\n%2 = mul %0 %1\n%3 = mul %2 %h\n%t = transpose %y\n%4 = add %3 %t\n"
         "output %1 row\noutput %2 both\noutput %4 all\n"},
};
