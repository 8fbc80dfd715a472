/// Several sequences in one run: tokens by slot, caches and positions by slot.
#ifndef WEFT_TEST_OPS_CASES_SEQUENCES_H
#define WEFT_TEST_OPS_CASES_SEQUENCES_H

#define SLOT_SAMPLER(S, V, LOGITS)                                                                                     \
    "symbol R 0 " S "\nstate counts dense u32 [" S ", " V "]\nstate ring dense u32 [" S ", 8]\n"                       \
    "var on u32 [" S "] 0 1\nvar token u32 [" S "] 0 9999999\nvar n u32 [" S "] 0 9999\n"                              \
    "var rng u32 [" S "] 0 4294967295\nvar pos u32 [" S "] 0 9999\nvar n_max u32 [" S "] 0 9999\n"                     \
    "var pos_max u32 [" S "] 0 9999\ninput sampling u32 [" S ", 16]\ninput stops u32 [" S ", 3]\n"                     \
    "input x " LOGITS "\ninput whose u32 [R]\n"                                                                        \
    "%a %b %c %d %e %f = sample %counts %ring %on %token %n %rng %x %sampling %stops %pos %n_max %pos_max %whose "
#define BY_SLOT(S) "var pos u32 [" S "] 0 5000\nvar count u32 [" S "] 0 100\n"

static const struct op_case sequence_cases[] = {
    {.name = "place_tokens",
     .runs =
         "T=5 pos=5,0,9 count=2,0,3 on=1,1,1 | T=5 pos=5,0,9 count=2,0,3 on=1,1,0 | T=8 pos=0,1,2 count=3,1,2 on=0,1,1 "
         "| T=0 count=0 | T=1 pos=7,8,5000 count=0,0,1 on=1,0,1 | T=3 count=0",
     .data = "on = 1; n = 0",
     .graph = "symbol T 0 8\n" BY_SLOT(
         "3") "var on u32 [3] 0 1\nvar at u32 [1] 0 4294967295\nvar n u32 [1] 0 8\n"
              "%p %s = place_tokens %pos %count {tokens=T}\n%q %r = place_tokens %pos %count %on {tokens=T}\n"
              "%t %u = place_tokens %at %n {tokens=T}\n"
              "output %p p\noutput %s s\noutput %q q\noutput %r r\noutput %t t\noutput %u u\n"},
    {.name = "place_tokens of one slot and one token",
     .runs = "at=3 n=1 | at=4294967295 n=1 | at=2147483647 n=0",
     .graph = "var at u32 [1] 0 4294967295\nvar n u32 [1] 0 8\n%t %u = place_tokens %at %n {tokens=1}\n"
              "output %t t\noutput %u u\n"},
    {.name = "variables by slot as operands",
     .runs = "pos=3,0,5 count=1,2,0",
     .graph = BY_SLOT("3") "input t f32 [7, 3]\n%g = gather %t %pos\n%a = add %pos %count\n%m = max %a %count\n"
                           "%r = reshape %pos {shape=[3, 1]}\n%c = concat %pos %m {axis=0}\n"
                           "output %g g\noutput %m m\noutput %r r\noutput %c c\n"},
    {.name = "advance by slot",
     .runs = "T=0 pos=3,4998,0 count=1,2,0 on=1,1,1 | T=3 pos=3,4999,0 count=4,0,100 on=1,0,1",
     .data = "other = 5 2 6",
     .graph = "symbol T 0 3\n" BY_SLOT("3") "var on u32 [3] 0 1\nvar other u32 [3] 2 107\n"
                                            "%a = advance %pos %count %on\n%b = advance %other %count {by=T-2}\n"},
    // as one sequence does, each in its slot
    {.name = "rope, append, attend, advance by slot",
     .runs = "T=5 pos=3,0,17 count=2,0,3 P=20 | T=9 pos=0,0,0 count=4,4,1 P=32 | T=9 pos=23,22,2 count=1,1,1 P=32 | "
             "T=0 count=0 P=1 | T=1 pos=9,9,9 count=0,1,0 P=10 | T=3 pos=23,0,7 count=1,1,1 P=24 | "
             "T=9 pos=5,15,0 count=0,9,0 P=24",
     .split = "T",
     .levels = true,
     .abs = 1e-3,
     .graph = "symbol T 0 9\nsymbol P 1 32\n" BY_SLOT(
         "3") "input x f32 [T, 2, 6]\ninput q f16 [T, 4, 6]\nstate k dense f16 [3, 24, 2, 6] slots\n"
              "state v dense f32 [3, 24, 2, 6] slots\n%at %slot = place_tokens %pos %count {tokens=T}\n"
              "%0 = rope %x %at {base=100}\n%1 = cache_append %k %0 %at %slot\n%n = neg %x\n"
              "%2 = cache_append %v %n %at %slot\n%3 = attention %q %1 %2 %pos %count {reach=P}\n%4 = neg %3\n"
              "%5 = advance %pos %count\noutput %4 y\n"},
    {.name = "rings by slot",
     .runs = "T=5 pos=3,0,17,40 count=2,0,2,1 | T=9 pos=10,11,12,13 count=4,0,4,1 | T=4 pos=100,99,0,1 count=1,1,1,1 | "
             "T=9 pos=7,15,0,0 count=0,9,0,0 | T=2 pos=0,0,0,4000 count=0,0,0,2",
     .split = "T",
     .levels = true,
     .abs = 1e-3,
     .graph = "symbol T 0 9\n" BY_SLOT(
         "4") "input x f32 [T, 1, 8]\ninput q f32 [T, 3, 8]\n"
              "state k ring f32 [4, 21, 1, 8] slots\nstate v ring f16 [4, 21, 1, 8] slots\n"
              "%at %slot = place_tokens %pos %count {tokens=T}\n%0 = rope %x %at {pairing=normal, n_rot=4}\n"
              "%1 = cache_append %k %0 %at %slot\n%n = neg %x\n%2 = cache_append %v %n %at %slot\n"
              "%3 = attention %q %1 %2 %pos %count {window=7}\n%4 = attention %q %1 %2 %pos %count {softcap=3}\n"
              "%5 = advance %pos %count\noutput %3 y\noutput %4 z\n"},
    // pages of 64 rows: slots on either side of their border, behind it, and without any
    {.name = "pages by slot",
     .runs = "T=5 pos=62,0,130 count=2,0,3 P=140 | T=9 pos=63,64,0 count=4,4,1 P=140 | T=3 pos=139,0,7 count=1,1,1 "
             "P=140 | T=0 count=0 P=1 | T=1 pos=9,128,9 count=0,1,0 P=130 | T=9 pos=5,60,0 count=0,9,0 P=80",
     .split = "T",
     .levels = true,
     .rel = 1e-4,
     .abs = 1e-3,
     .graph = "symbol T 0 9\nsymbol P 1 200\n" BY_SLOT(
         "3") "input x f32 [T, 2, 6]\ninput q f16 [T, 4, 6]\nstate k paged f16 [3, 140, 2, 6] slots\n"
              "state v paged f32 [3, 140, 2, 6] slots\n%at %slot = place_tokens %pos %count {tokens=T}\n"
              "%0 = rope %x %at {base=100}\n%1 = cache_append %k %0 %at %slot\n%n = neg %x\n"
              "%2 = cache_append %v %n %at %slot\n%3 = attention %q %1 %2 %pos %count {reach=P}\n%4 = neg %3\n"
              "%5 = advance %pos %count\noutput %4 y\n"},
    {.name = "pages beside rings and dense rows by slot",
     .runs = "T=4 pos=20,0 count=1,3 | T=17 pos=280,200 count=3,13 | T=17 pos=0,0 count=17,0 | T=2 pos=299,150 "
             "count=1,1",
     .split = "T",
     .data = "q = -4..4",
     .rel = 1e-4,
     .abs = 1e-4,
     .graph = "symbol T 0 17\n" BY_SLOT(
         "2") "input q f32 [T, 4, 64]\ninput x f32 [T, 2, 64]\nstate k paged f16 [2, 300, 2, 64] slots\n"
              "state v dense f32 [2, 300, 2, 64] slots\nstate r ring f32 [2, 300, 2, 64] slots\n"
              "%at %slot = place_tokens %pos %count {tokens=T}\n%1 = cache_append %k %x %at %slot\n"
              "%0 = attention %q %1 %v %pos %count\n%2 = attention %q %r %1 %pos %count {window=100}\n"
              "%3 = advance %pos %count\noutput %0 y\noutput %2 z\n"},
    {.name = "attention by slot, pieces",
     .runs =
         "T=2 pos=0,299 count=1,1 | T=2 pos=150,7 count=1,1 | T=17 pos=280,200 count=3,13 | T=17 pos=0,0 count=17,0",
     .split = "T",
     .data = "q = -4..4",
     .rel = 1e-4,
     .abs = 1e-4,
     .graph = "symbol T 0 17\n" BY_SLOT(
         "2") "input q f32 [T, 4, 64]\nstate k dense f16 [2, 300, 2, 64] slots\n"
              "state v dense f32 [2, 300, 2, 64] slots\n%0 = attention %q %k %v %pos %count\noutput %0 y\n"},
    // by the product behind, of few rows: windows, a ring that wraps, idle slots and nobody's rows
    {.name = "attention by slot, pieces joined by a product",
     .runs = "T=1 pos=0,299,7 count=0,1,0 | T=1 pos=211,0,7 count=1,0,0 | T=3 pos=150,7,290 count=1,1,1 | "
             "T=8 pos=280,200,9 count=3,4,0 | T=1 count=0 | T=8 pos=0,0,0 count=0,0,8",
     .split = "T",
     .data = "q = -4..4",
     .rel = 1e-4,
     .abs = 2e-4,
     .graph = "symbol T 1 8\n" BY_SLOT(
         "3") "input q f32 [T, 4, 64]\nstate k dense f16 [3, 300, 2, 64] slots\n"
              "state v dense f32 [3, 300, 2, 64] slots\nstate r ring f32 [3, 200, 2, 64] slots\n"
              "weight w q8_0 [5, 256]\n%0 = attention %q %k %v %pos %count\n%1 = reshape %0 {shape=[T, 256]}\n"
              "%2 = matmul %1 %w\n%3 = attention %q %r %r %pos %count {window=150, softcap=3}\n"
              "%4 = reshape %3 {shape=[T, 256]}\n%5 = matmul %4 %w\noutput %2 y\noutput %5 z\n"},
    // each slot as the only one would be: rows in any order, idle slots, nobody's rows, two of a slot, limits and stops
    {.name = "sample by slot",
     .runs = "R=4 whose=2,0,3,1 n=0,3,8,1 rng=5,6,7,4294967295 | R=2 whose=1,3 on=1,0,1,1 | R=3 whose=9,2,4294967295 | "
             "R=4 whose=1,1,0,1 | R=0 | R=4 whose=0,1,2,3 pos=9,7,9,8 n=8,7,8,40 | R=1 whose=3 stops=2,77,78 x=1 | "
             "R=4 whose=3,2,1,0 on=1,0,0,1 n_max=1",
     .data = "on = 1; n_max = 9 9 9 50; pos_max = 9; stops = 0 1 2 1 5 6 2 77 78 0 0 0; x = -6..6; rng = 3 1 4 1; "
             "counts = 0 0 0 2 0 1; sampling = sampling temperature=0 / temperature=0.9 top_k=40 top_p=0.9 seed=7 / "
             "temperature=1.5 min_p=0.01 repetition=2 presence=0.5 window=3 / temperature=3 top_k=0 top_p=1 seed=99",
     .graph = SLOT_SAMPLER("4", "600", "f32 [R, 600]") "\n"},
    {.name = "the likeliest by slot",
     .runs = "R=3 whose=2,0,1 | R=2 whose=2,2 | R=1 whose=0 x=nan | R=3 whose=0,3,2 on=1,1,0 | R=3 whose=1,2,0 x=7",
     .data = "on = 1; n_max = 9; pos_max = 9; stops = 0; x = nan 1 nan 3 -inf 2 9 inf nan nan nan; "
             "sampling = sampling repetition=2 / presence=1",
     .graph = SLOT_SAMPLER("3", "11", "f16 [R, 11]") "{greedy=1}\n"},
    // 40 columns are more than one step makes; a state behind tokens of none, one and many
    {.name = "causal convolution by slot",
     .runs = "T=5 count=2,0,3 | T=9 count=1,1,1 | T=0 count=0 | T=4 count=0,4,0 on=1,0,1 | T=40 count=1,30,1 | "
             "T=37 count=9,9,19 on=0,1,1 | T=40 count=0,0,40 | T=3 count=1,1,1",
     .split = "T",
     .data = "on = 1; w = int -3..3; v = int -3..3; b = int -3..3; x = int -9..9; z = int -9..9; s = int -9..9; c = "
             "int -9..9",
     .graph = "symbol T 0 40\nvar count u32 [3] 0 100\nvar on u32 [3] 0 1\nstate s dense f32 [3, 3, 6] slots\n"
              "state c dense f32 [3, 5, 4]\ninput x f32 [T, 6]\ninput z f16 [5, T]\nweight w f32 [6, 1, 4]\n"
              "weight v f32 [5, 3]\nweight b f32 [5]\n%n %y = causal_conv %s %x %w %count %on {layout=last}\n"
              "%m %u = causal_conv %c %z %v %b %count {dilation=2}\noutput %y y\noutput %u u\n"},
    {.name = "linear attention by slot, token by token and in chunks",
     .runs = "T=3 count=1,1,1 | T=7 count=0,3,2 | T=0 count=0 | T=8 count=1,5,1 on=1,0,1 | T=90 count=40,1,48 | "
             "T=90 count=33,32,20 | T=90 count=1,89,0 | T=90 count=34,0,36 on=0,1,1 | T=1 count=0",
     .split = "T",
     .data = "on = 1; decay = -1.5..0; beta = 0..1; k = -0.4..0.4",
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol T 0 90\nvar count u32 [3] 0 100\nvar on u32 [3] 0 1\nstate s dense f32 [3, 2, 8, 12] slots\n"
              "input q f32 [T, 32]\ninput k f32 [T, 16]\ninput v f32 [T, 24]\ninput decay f32 [T, 2]\n"
              "input beta f32 [T, 2]\n"
              "%n %y = linear_attention %s %q %k %v %decay %beta %count %on {q_heads=4, kv_heads=2, chunk=16}\n"
              "output %y y\n"},
    {.name = "linear attention by slot, odd sizes, two buffers and values",
     .runs = "T=3 count=1,1 | T=40 count=3,36 | T=40 count=40,0 | T=36 count=0,35 | T=0 count=0",
     .split = "T",
     .data = "decay = -1.5..0; beta = 0..1; k = -0.4..0.4",
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol T 0 40\nvar count u32 [2] 0 100\nstate s dense f32 [2, 2, 5, 7] slots ping_pong\n"
              "input f f32 [2, 2, 7, 5]\ninput q f32 [T, 14]\ninput k f32 [T, 14]\ninput v f16 [T, 10]\n"
              "input decay f32 [T, 14]\ninput beta f16 [T, 1]\n"
              "%n %y = linear_attention %s %q %k %v %decay %beta %count {q_heads=2, kv_heads=2, layout=value}\n"
              "%m %z = linear_attention %f %q %k %v %beta %count {rule=delta, q_heads=2, kv_heads=2}\n"
              "output %y y\noutput %m m\noutput %z z\n"},
    {.name = "gated delta net by slot",
     .runs = "T=2 count=1,1 | T=7 count=3,4 on=0,1 | T=48 count=1,47 | T=48 count=47,0 | T=5 count=0",
     .split = "T",
     .data = "on = 1; A_log = -2..1; k = -1..1",
     .levels = true,
     .rel = 1e-5,
     .abs = 1e-5,
     .graph = "symbol T 0 48\nvar count u32 [2] 0 100\nvar on u32 [2] 0 1\nstate s dense f32 [2, 4, 12, 8] slots\n"
              "input q f32 [T, 16]\ninput k f32 [T, 16]\ninput v f32 [T, 48]\ninput a f32 [T, 4]\n"
              "input b f32 [T, 4]\nweight A_log f32 [4]\nweight dt f32 [4]\n%v2 = neg %v\n"
              "%n %y = gated_delta_net %s %q %k %v2 %a %b %A_log %dt %count %on {gate_activation=qwen, "
              "beta_activation=sigmoid, qk_l2_norm=1, q_heads=2, kv_heads=4, chunk=16}\n%z = mul %y %v2\n"
              "output %z z\n"},
    {.name = "sequences as functions",
     .runs = "T=1 pos=3,0 count=0,1 | T=0 count=0 | T=4 pos=1,11 count=3,1 | T=4 pos=6,3 count=1,1",
     .levels = true,
     .abs = 1e-3,
     .graph = "symbol T 0 4\n" BY_SLOT(
         "2") "input x f32 [T, 1, 6]\ninput q f32 [T, 2, 6]\n"
              "input k f32 [2, 12, 1, 6]\ninput v f16 [2, 12, 1, 6]\n%at %slot = place_tokens %pos %count {tokens=T}\n"
              "%1 = cache_append %k %x %at %slot\n%2 = cache_append %v %x %at %slot\n"
              "%3 = attention %q %1 %2 %pos %count\noutput %1 k2\noutput %2 v2\noutput %3 y\n"},
};
#undef BY_SLOT
#endif
