// What models do with shapes: each is a few moves and views around what computes. tests/compile/test_patterns.c says
// how many steps each takes, and why. Included by cases.h.

#define PATTERN(title, text)                                                                                           \
    { .name = title, .runs = "T=3 | T=1 | T=2", .rel = 2e-5, .abs = 2e-6, .graph = "symbol T 1 3\n" text }

static const struct op_case pattern_cases[] = {
    PATTERN(
        "channel shuffle",
        "input x f32 [T, 12, 6, 6]\n%0 = relu %x\n%1 = reshape %0 {shape=[T, 3, 4, 36]}\n"
        "%2 = transpose %1 {perm=[0, 2, 1, 3]}\n%3 = reshape %2 {shape=[T, 12, 6, 6]}\n%4 = tanh %3\noutput %4 y\n"),
    PATTERN("pixel shuffle", "input x f32 [T, 12, 6, 6]\nweight b f32 [12, 1, 1]\n%0 = add %x %b\n"
                             "%1 = reshape %0 {shape=[T, 3, 2, 2, 6, 6]}\n%2 = transpose %1 {perm=[0, 1, 4, 2, 5, 3]}\n"
                             "%3 = reshape %2 {shape=[T, 3, 12, 12]}\n%4 = tanh %3\noutput %4 y\n"),
    PATTERN("window partition",
            "input x f32 [T, 8, 8, 16]\nweight w f32 [16]\n%0 = layer_norm %x %w\n%r = roll %0 {shift=-2, axis=1}\n"
            "%s = roll %r {shift=-2, axis=2}\n%1 = reshape %s {shape=[T, 2, 4, 2, 4, 16]}\n"
            "%2 = transpose %1 {perm=[0, 1, 3, 2, 4, 5]}\n%3 = reshape %2 {shape=[4*T, 16, 16]}\noutput %3 y\n"),
    PATTERN("window reverse",
            "input x f32 [T, 8, 8, 16]\ninput a f32 [4*T, 16, 16]\n%1 = reshape %a {shape=[T, 2, 2, 4, 4, 16]}\n"
            "%2 = transpose %1 {perm=[0, 1, 3, 2, 4, 5]}\n%3 = reshape %2 {shape=[T, 8, 8, 16]}\n"
            "%r = roll %3 {shift=2, axis=1}\n%s = roll %r {shift=2, axis=2}\n%4 = add %s %x\noutput %4 y\n"),
    PATTERN("rotated halves",
            "input x f32 [T, 4, 16]\ninput c f32 [T, 1, 16]\ninput s f32 [T, 1, 16]\n"
            "%0 = slice %x {start=0, len=8, axis=-1}\n%1 = slice %x {start=8, len=8, axis=-1}\n%2 = neg %1\n"
            "%3 = concat %2 %0 {axis=-1}\n%4 = mul %x %c\n%5 = mul %3 %s\n%6 = add %4 %5\noutput %6 y\n"),
    PATTERN(
        "rotated pairs",
        "input x f32 [T, 64]\ninput a f32 [T, 32]\n%0 = slice %x {start=0, len=32, axis=1, step=2}\n"
        "%1 = slice %x {start=1, len=32, axis=1, step=2}\n%c = cos %a\n%s = sin %a\n%2 = mul %0 %c\n%3 = mul %1 %s\n"
        "%4 = sub %2 %3\n%5 = mul %1 %c\n%6 = mul %0 %s\n%7 = add %5 %6\n%8 = reshape %4 {shape=[T, 32, 1]}\n"
        "%9 = reshape %7 {shape=[T, 32, 1]}\n%10 = concat %8 %9 {axis=-1}\n%11 = reshape %10 {shape=[T, 64]}\n"
        "output %11 y\n"),
    PATTERN("heads apart",
            "input x f32 [T, 64]\nweight b f32 [64]\n%0 = add %x %b\n%1 = reshape %0 {shape=[T, 4, 16]}\n"
            "%2 = transpose %1 {perm=[1, 0, 2]}\n%3 = tanh %2\noutput %3 y\n"),
    PATTERN("heads together",
            "input x f32 [4, T, 16]\nweight w f32 [64]\n%0 = softmax %x\n%1 = transpose %0 {perm=[1, 0, 2]}\n"
            "%2 = reshape %1 {shape=[T, 64]}\n%3 = mul %2 %w\noutput %3 y\n"),
    PATTERN("norm of heads",
            "input x f32 [T, 64]\nweight w f32 [16]\nstate s dense f32 [9, 4, 16]\nvar p u32 0 6\n%0 = tanh %x\n"
            "%1 = reshape %0 {shape=[T, 4, 16]}\n%2 = rms_norm %1 %w\n%3 = cache_append %s %2 %p\n"),
    PATTERN("patches",
            "input x f32 [3, 32, 32]\nweight w f32 [8, 192]\n%0 = reshape %x {shape=[3, 4, 8, 4, 8]}\n"
            "%1 = transpose %0 {perm=[1, 3, 0, 2, 4]}\n%2 = reshape %1 {shape=[16, 192]}\n%3 = matmul %2 %w\n"
            "output %3 y\n"),
    PATTERN(
        "product, heads, bias and residual",
        "input x f32 [T, 64]\ninput r f32 [T, 4, 8]\nweight w f16 [32, 64]\nweight b f32 [4, 8]\n%0 = matmul %x %w\n"
        "%1 = reshape %0 {shape=[T, 4, 8]}\n%2 = add %1 %b\n%3 = silu %2\n%4 = add %3 %r\n"
        "%5 = reshape %4 {shape=[T, 32]}\n%6 = neg %5\noutput %6 y\noutput %4 z\n"),
    PATTERN("product and a range",
            "input x f32 [T, 64]\nweight w q8_0 [8, 64]\nstate s dense f32 [40]\n%0 = matmul %x %w\n"
            "%1 = reshape %0 {shape=[8*T]}\n%2 = abs %1\n%3 = assign %s %2 {start=3}\n"),
    PATTERN("shift of one",
            "input x f32 [T, 64]\nweight m f32 [64]\n%0 = slice %x {start=0, len=T-1}\n"
            "%1 = pad %0 {before=[1, 0], after=[0, 0]}\n%2 = sub %1 %x\n%3 = mul %2 %m\n%4 = add %x %3\noutput %4 y\n"),
    PATTERN("sum of a transpose", "input x f32 [T, 64]\n%0 = tanh %x\n%1 = transpose %0\n%2 = sum %1\noutput %2 y\n"),
    PATTERN("gate and up of one tensor",
            "input x f32 [T, 128]\n%0 %1 = split %x {sizes=[64, 64], axis=-1}\n%2 = silu %0\n%3 = mul %2 %1\n"
            "output %3 y\n"),
    PATTERN("group norm and silu",
            "input x f16 [T, 32, 5, 5]\nweight w f32 [32]\nweight b f32 [32]\n%0 = group_norm %x %w %b {groups=8}\n"
            "%1 = silu %0\n%2 = cast %1 {to=f32}\noutput %2 y\n"),
    PATTERN("upsampled and added",
            "input x f32 [T, 8, 6, 6]\ninput y f32 [T, 8, 12, 12]\n%0 = repeat %x {times=2, axis=2}\n"
            "%1 = repeat %0 {times=2, axis=3}\n%2 = add %1 %y\noutput %2 z\n"),
    PATTERN("sums without their axis",
            "input x f32 [T, 4, 16]\n%0 = softmax %x\n%1 = amax %0\n%2 = reshape %1 {shape=[4*T]}\n%3 = log %2\n"
            "%4 = reshape %3 {shape=[T, 4]}\noutput %4 y\noutput %0 p\n"),
    PATTERN("shapes of one value",
            "input x f32 [T, 4, 16]\ninput y f32 [T, 64]\ninput z f32 [4*T, 16]\n%0 = tanh %x\n"
            "%1 = reshape %0 {shape=[T, 64]}\n%2 = add %1 %y\n%3 = reshape %2 {shape=[4*T, 16]}\n%4 = mul %3 %z\n"
            "%5 = bitcast %4 {dtype=u32}\n%6 = reshape %5 {shape=[2, 32*T]}\n%7 = bitcast %6 {dtype=f32}\n"
            "output %7 product\noutput %2 sum\n"),
};
#undef PATTERN
