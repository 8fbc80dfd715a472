// Weights of two axes and more, which lie packed, read by operators other than products. Included by cases.h.
static const struct op_case weight_cases[] = {
    {.name = "packed weights read element by element", .runs = "T=3 | T=0 | T=5", .levels = true, .rel = 2e-6,
     .abs = 2e-6,
     .graph = "symbol T 0 5\ninput x f32 [T, 5, 40]\ninput z f32 [5, 33]\nweight a f32 [5, 40]\nweight h f16 [5, 1]\n"
              "weight b bf16 [5, 33]\nweight n f32 [40]\nconst %c f32 [5, 1] 1 2 3 4 5\n"
              "%0 = mul %x %a\n%1 = add %0 %h\n%2 = rms_norm %1 %n {eps=1e-6}\n%3 = sum %b\n%4 = add %z %3\n"
              "%5 = softmax %a\n%6 = sub %4 %b\n%7 = mul %c %h\noutput %2 norm\noutput %5 softmax\noutput %6 sums\n"
              "output %7 scaled\n"},
    {.name = "a packed weight as left and right operand", .runs = " ", .rel = 1e-5, .abs = 1e-5,
     .graph = "weight a f32 [6, 36]\nweight b f16 [9, 36]\ninput x f32 [2, 36]\n%0 = matmul %a %b\n%1 = matmul %x %b\n"
              "%2 = amax %b\n%3 = concat %x %a\n%4 = transpose %b\noutput %0 y\noutput %1 z\noutput %2 top\n"
              "output %3 rows\noutput %4 turned\n"},
    {.name = "elements of quantised weights", .runs = "T=3", .rel = 1e-6, .abs = 1e-6,
     .graph = "symbol T 0 3\ninput x f32 [T, 256]\nweight a q8_0 [7, 256]\nweight b q4_k [2, 256]\n"
              "weight c q6_k [1, 256]\nweight d q4_0 [3, 32]\n"
              "%0 = cast %a {to=f32}\n%1 = cast %b {to=f32}\n%2 = cast %c {to=f32}\n%3 = mul %x %2\n"
              "%4 = cast %d {to=f32}\n%5 = square %4\noutput %0 q8\noutput %1 q4k\noutput %3 q6k\n"
              "output %5 q4\n"},
    // rounding to f16 is up to the driver: SwiftShader's cuts
    {.name = "elements of quantised weights as f16", .runs = "T=3", .rel = 1e-3, .abs = 1e-6,
     .graph = "symbol T 0 3\ninput x f16 [T, 256]\nweight b q4_k [2, 256]\n%0 = cast %b {to=f16}\n%1 = neg %x\n"
              "output %0 q4k\noutput %1 y\n"},
    {.name = "a weight turned by position", .runs = "pos=5", .abs = 1e-5,
     .graph = "var pos u32 0 99\nweight a f32 [3, 2, 8]\n%0 = rope %a %pos\n%1 = argmax %0\noutput %0 y\n"
              "output %1 i\n"},
};
