// Reductions of the last axis, norms, softmax, and what fuses around them. Included by cases.h.
//
// A sum of n terms in f32 errs by at most about (n / threads + log2 threads) roundings of 6e-8 of the partial sums,
// which for terms of random sign stay near sqrt(n) / 2: with n = 1000 and 64 threads 22 * 6e-8 * 16 = 2e-5 at worst, a
// tenth of it as roundings go. Means are that over n.

static const struct op_case reduce_cases[] = {
    {.name = "reductions",
     .runs = "T=0 N=5 | T=1 N=1 | T=5 N=1 | T=13 N=33 | T=3 N=1000 | T=64 N=70",
     .levels = true,
     .abs = 2e-6,
     .rel = 2e-6,
     .graph = "symbol T 0 64\nsymbol N 1 1000\ninput x f32 [T, N]\n%s = neg %x\n%0 = sum %s\n%1 = mean %s\n"
              "%2 = amax %s\n%3 = amin %s\n"
              "output %s s\noutput %0 sum\noutput %1 mean\noutput %2 amax\noutput %3 amin\n"},
    {.name = "whole numbers sum exactly",
     .runs = "T=3 N=1000",
     .data = "x = int -9..9",
     .graph = "symbol T 0 4\nsymbol N 1 1000\ninput x f32 [T, N]\n%0 = sum %x\n%1 = amax %x\n%2 = amin %x\n"
              "output %0 sum\noutput %1 amax\noutput %2 amin\n"},
    {.name = "rows of no columns",
     .runs = "T=3 N=0 | T=3 N=2",
     .rel = ROUND,
     .graph = "symbol T 0 4\nsymbol N 0 70\ninput x f32 [T, N]\n%0 = sum %x\noutput %0 sum\n"},
    {.name = "extremes of no columns",
     .runs = "T=3 N=0 | T=3 N=2", // mean NaN, amax -inf, amin +inf
     .graph = "symbol T 0 4\nsymbol N 0 70\ninput x f32 [T, N]\n%0 = mean %x\n%1 = amax %x\n%2 = amin %x\n"
              "output %0 mean\noutput %1 amax\noutput %2 amin\n",
     .rel = ROUND},
    {.name = "extremes with a NaN and huge values",
     .runs = "T=5 N=70",
     .data = "x = 1 2 3e38 -3e38 0 7 8 9 1 2 3 nan "
             "4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 9 -3.4028234e38",
     .graph = "symbol T 0 5\nsymbol N 1 70\ninput x f32 [T, N]\n%0 = amax %x\n%1 = amin %x\noutput %0 amax\n"
              "output %1 amin\n"},
    // three exponentials and a division
    {.name = "70,000 rows",
     .runs = "T=70000 | T=65535 | T=65536 | T=1",
     .rel = 4e-6,
     .abs = 1e-6,
     .graph = "symbol T 0 70000\ninput x f32 [T, 3]\n%0 = softmax %x\n%1 = sum %x\noutput %0 softmax\noutput %1 sum\n"},
    {.name = "reductions of halves and views",
     .runs = "T=1 S=0 | T=9 S=3 | T=0 S=9 | T=8 S=1",
     .levels = true,
     // two roundings to f16, of a sum below 4 and of a difference; fused, the sum is not rounded in between
     .rel = 2 * HALF,
     .abs = 4 * HALF,
     .graph = "symbol T 0 9\nsymbol S 0 9\ninput x f16 [20, 7]\ninput y f32 [40]\n%a = slice %x {start=S, len=T}\n"
              "%0 = sum %a\n%1 = sub %a %0\n%b = slice %y {start=S, len=T}\n%2 = mean %b\n"
              "%c = slice %y {start=S, len=20}\n%d = reshape %c {shape=[5, 4]}\n%3 = amax %d\n%4 = amin %a\n"
              "%5 = cast %1 {to=f32}\noutput %0 sum\noutput %2 mean\noutput %3 amax\noutput %4 amin\n"
              "output %5 sub\n"},
    // differences of sums
    {.name = "two levels of reductions",
     .runs = "T=1 N=1 | T=0 N=9 | T=13 N=33 | T=3 N=1000 | T=64 N=70",
     .levels = true,
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol T 0 64\nsymbol N 1 1000\ninput x f32 [T, N]\n%m = mean %x\n%d = sub %x %m\n%q = square %d\n"
              "%v = mean %q\n%e = sub %q %v\n%t = amax %e\n%o = div %d %t\n%l = amin %o\n%p = add %o %l\n"
              "output %m mean\noutput %v var\noutput %t top\noutput %p out\noutput %e mid\n"},
    // a mean, rsqrt 2 ulp, three products
    {.name = "norms",
     .runs = "T=1 N=1 | T=0 N=5 | T=13 N=33 | T=3 N=1000 | T=64 N=70",
     .levels = true,
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol T 0 64\nsymbol N 1 1000\ninput x f32 [T, N]\ninput w f32 [N]\ninput b f32 [N]\n%s = neg %x\n"
              "%0 = rms_norm %s %w {eps=1e-6}\n%1 = rms_norm %s %w %b {eps=0.5}\n"
              "%2 = layer_norm %s %w %b {eps=1e-2}\n%3 = layer_norm %s %b {eps=1e-2}\noutput %s s\noutput %0 rms\n"
              "output %1 rmsb\noutput %2 layer\noutput %3 layer2\n"},
    {.name = "norms of empty rows",
     .runs = "T=3 N=0 | T=0 N=0 | T=2 N=1",
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol T 0 4\nsymbol N 0 8\ninput x f32 [T, N]\ninput w f32 [N]\n%0 = rms_norm %x %w\n"
              "%1 = layer_norm %x %w {eps=0.01}\n%2 = softmax %x\noutput %0 rms\noutput %1 layer\n"
              "output %2 softmax\n"},
    {.name = "norms of one vector thrice",
     .runs = "N=1 | N=33 | N=70",
     .rel = 4e-6,
     .abs = 4e-6,
     .data = "x = 0.5..2",
     .graph = "symbol N 1 70\ninput x f32 [N]\n%s = abs %x\n%0 = rms_norm %s %s %s\n"
              "%1 = layer_norm %s %s %s {eps=0.01}\n%2 = softmax %s\noutput %s s\noutput %0 rms\noutput %1 layer\n"
              "output %2 softmax\n"},
    // halves whose squares, sums and differences no half holds, with what stands around them fused and not; the results
    // are halves
    {.name = "norms of large and small halves",
     .runs = "T=3 | T=1",
     .data = "x = 600 -900 1200 30000 -60000 65504 7; "
             "y = 1e-4 -3e-4 2e-5 6e-8 -1e-3; q = 65504 -300 12 -65504 1e-3; z = 65504 60000 -65504",
     .levels = true,
     .rel = HALF,
     .abs = 1e-7,
     .graph = "symbol T 0 3\ninput x f16 [T, 7]\ninput y f16 [T, 5]\ninput q f16 [T, 5]\ninput z f16 [T, 3]\n"
              "input w f16 [7]\ninput v f32 [5]\n%t = amin %x\n%u = amax %y\n"
              "%0 = rms_norm %x %w {eps=1e-5}\n%1 = layer_norm %x %w %w\n%2 = rms_norm %y %v {eps=1e-9}\n"
              "%a = slice %v {start=0, len=1}\n%3 = rms_norm %t %a\n%4 = rms_norm %u %a {eps=1e-9}\n%5 = softmax %z\n"
              "%6 %7 = quantize %q {block=5}\noutput %0 rms\noutput %1 layer\noutput %2 small\noutput %3 one\n"
              "output %4 least\noutput %5 softmax\noutput %6 steps\noutput %7 scale\n"},
    {.name = "norms of huge and tiny rows",
     .runs = "T=4 N=64",
     .data = "x = -1e15..1e15; y = -1e-15..1e-15",
     .rel = 4e-6,
     .abs = 4e-6,
     .graph = "symbol T 0 4\nsymbol N 1 70\ninput x f32 [T, N]\ninput y f32 [T, N]\ninput w f32 [N]\n"
              "%0 = rms_norm %x %w {eps=1e-6}\n%1 = rms_norm %y %w {eps=0}\n"
              "output %0 huge\noutput %1 tiny\n"},
    {.name = "softmax",
     .runs = "T=1 N=1 | T=0 N=5 | T=13 N=33 | T=3 N=1000 | T=64 N=70",
     .levels = true,
     .data = "x = "
             "-10..10",
     .rel = 1e-5,
     .abs = 1e-7, // exp of -20 has 43 ulp
     .graph = "symbol T 0 64\nsymbol N 1 1000\ninput x f32 [2, T, N]\n%s = neg %x\n%0 = softmax %s\n%1 = softmax %0\n"
              "output %s s\noutput %0 once\noutput %1 twice\n"},
    {.name = "softmax of huge, masked and equal values",
     .runs = "T=4 N=9",
     .data = "x = 3e38 1e38 -3e38 0 1 2 3 4 5 "
             "1e4 1e4 9990 -1e30 -1e30 -1e30 7 7 7 -3e38 -3e38 -3e38 -3e38 -3e38 -3e38 -3e38 -3e38 -3e38 500",
     .rel = 1e-5,
     .abs = 1e-7,
     .graph = "symbol T 0 4\nsymbol N 1 9\ninput x f32 [T, N]\n%0 = softmax %x\noutput %0 softmax\n"},
    // two norms in a row
    {.name = "a residual chain",
     .runs = "T=1 | T=0 | T=9 | T=64",
     .levels = true,
     .split = "T",
     .rel = 6e-6,
     .abs = 6e-6,
     .graph = "symbol T 0 64\ninput x f32 [T, 40]\ninput r f32 [T, 40]\ninput g f32 [T, 1]\nweight w f32 [40]\n"
              "weight v f16 [40]\n%a = rms_norm %x %w {eps=1e-6}\n%b = add %a %r\n"
              "%c = rms_norm %b %v {eps=1e-6}\n%d = mul %c %g\n%e = mean %d\n%f = sub %e %g\noutput %b sum\n"
              "output %d out\noutput %f row\n"},
    {.name = "row values broadcast along rows",
     .runs = "A=2 M=3 N=5 | A=0 M=3 N=5 | A=1 M=1 N=1 | A=4 M=40 N=70",
     .levels = true,
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol A 0 4\nsymbol M 0 40\nsymbol N 1 70\ninput x f32 [A, M, N]\ninput y f32 [M, 1]\n"
              "input z f32 [A, 1, N]\ninput w f32 [A, 1, 1]\n%0 = add %x %y\n%1 = mul %0 %z\n%2 = sum %1\n"
              "%3 = add %2 %w\n%4 = mul %3 %y\n%5 = sub %1 %4\n%6 = amax %5\noutput %2 sum\noutput %4 row\n"
              "output %5 out\noutput %6 top\n"},
};
