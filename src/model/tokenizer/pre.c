/// What the values of `tokenizer.ggml.pre` mean: which expressions cut a text into words. They are those of the
/// vocabularies' own tokenizer.json files; characters beyond ASCII are written by their numbers.
#include "model/tokenizer/impl.h"

#include <string.h>

const char weft_pattern_gpt2[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
static const char p_digit[] = "\\p{N}";
static const char p_digits3[] = "\\p{N}{1,3}";
static const char p_numbers[] = "\\p{N}+";
static const char p_ascii3[] = "[0-9][0-9][0-9]";
static const char p_llama3[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*["
    "\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char p_qwen2[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n"
    "]+|\\s+(?!\\S)|\\s+";
static const char p_minicpm5[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r"
    "\\n]+|\\s+(?!\\S)|\\s+";
static const char p_qwen35[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n"
    "]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char p_jais2[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*["
    "\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}"
    "(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}";
static const char p_seed_coder[] =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|\\s*[\\r\\n"
    "]+|\\s+(?!\\S)|\\s+";
static const char p_bailing[] =
    "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s"
    "+(?!\\S)|\\s+";
static const char p_gpt4o[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'"
    "m|'ll|'d)?|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'"
    "t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char p_tekken[] =
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{"
    "N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/"
    "]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char p_falcon[] = "[\\p{P}\\$\\+<=>\\^~\\|`]+";
static const char p_punctuation[] = "[\\p{P}\\$\\+<=>\\^~\\|]+";
static const char p_break[] = "[\\r\\n]";
static const char p_letters[] = "\\s?\\p{L}+";
static const char p_marks[] = "\\s?\\p{P}+";
static const char p_cjk[] = "[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+";
static const char p_kana[] = "[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+";
static const char p_cased[] =
    "\\s?[A-Za-z\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293\\u0295-\\u"
    "02AF\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386\\u0388-\\u038A\\u038C\\u038E-\\u03A1\\u03"
    "A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F\\u0531-\\u0556\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-\\u13FD\\u1"
    "C90-\\u1CBA\\u1CBD-\\u1CBF\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15\\u1F18-\\u1F1D\\u"
    "1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D\\u1F5F-\\u1F7D\\u1F80-\\u1FB4\\u1FB6-\\u"
    "1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC\\u1FD0-\\u1FD3\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC\\u1FF2-\\u1FF4\\u"
    "1FF6-\\u1FFC\\u2102\\u2107\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128\\u212A-\\u212D\\u21"
    "2F-\\u2134\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184\\u2C00-\\u2C7B\\u2C7E-\\u2CE4\\u2CE"
    "B-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D\\uA680-\\uA69B\\uA722-\\uA76F\\uA771-\\uA787\\uA78B-\\uA78E\\uAB7"
    "0-\\uABBF\\uFB00-\\uFB06\\uFB13-\\uFB17\\uFF21-\\uFF3A\\uFF41-\\uFF5A\\x{10400}-\\x{1044F}\\x{104B0}-\\x"
    "{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-"
    "\\x{1E943}]+";
static const char p_full_marks[] = "\\s?[!-/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002]+";
static const char p_trailing[] = "\\s+$";
static const char p_deepseek3[] =
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}"
    "\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
static const char p_bloom[] = " ?[^(\\s|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+";
static const char p_lines[] = "[^\\n]+|[\\n]+";
static const char p_sentinel[] = "<sentinel:[0-9]+>";
static const char p_image[] = "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z";
static const char p_blanks[] = "([\\t\\n]|    |  )";
static const char p_ascii_marks[] = "[\\p{P}!-/:-@\\[-`{-~]";

static const char *const l_default[] = {p_punctuation, weft_pattern_gpt2, p_numbers, p_ascii3, NULL};
static const char *const l_gpt2[] = {weft_pattern_gpt2, NULL};
static const char *const l_digits_gpt2[] = {p_digit, weft_pattern_gpt2, NULL};
static const char *const l_falcon[] = {p_falcon, weft_pattern_gpt2, p_ascii3, NULL};
static const char *const l_llama3[] = {p_llama3, NULL};
static const char *const l_qwen2[] = {p_qwen2, NULL};
static const char *const l_qwen35[] = {p_qwen35, NULL};
static const char *const l_jais2[] = {p_jais2, NULL};
static const char *const l_seed_coder[] = {p_seed_coder, NULL};
static const char *const l_bailing[] = {p_bailing, NULL};
static const char *const l_minicpm5[] = {p_digits3, p_minicpm5, NULL};
static const char *const l_gpt4o[] = {p_gpt4o, NULL};
static const char *const l_tekken[] = {p_tekken, NULL};
static const char *const l_deepseek_llm[] = {p_break, p_cased, p_full_marks, p_trailing, p_cjk, p_numbers, NULL};
static const char *const l_deepseek_coder[] = {p_break, p_letters, p_marks, p_cjk, p_digit, NULL};
static const char *const l_deepseek3[] = {p_digits3, p_kana, p_deepseek3, NULL};
static const char *const l_bloom[] = {p_bloom, NULL};
static const char *const l_viking[] = {p_bloom, p_digit, NULL};
static const char *const l_chameleon[] = {p_sentinel,    p_image,           p_blanks, p_digit,
                                          p_ascii_marks, weft_pattern_gpt2, NULL};
static const char *const l_lines[] = {p_lines, NULL};
static const char *const l_laguna[] = {p_lines, p_qwen2, NULL};

static const struct {
    const char *name;
    struct weft_pre pre;
} rows[] = {
    {"default", {l_default, false, false, false}},
    {"llama3", {l_llama3, true, true, false}},
    {"llama-v3", {l_llama3, true, true, false}},
    {"llama-bpe", {l_llama3, true, true, false}},
    {"falcon3", {l_llama3, true, true, false}},
    {"falcon-h1", {l_llama3, true, true, false}},
    {"pixtral", {l_llama3, true, true, false}},
    {"midm-2.0", {l_llama3, true, true, false}},
    {"lfm2", {l_llama3, true, true, false}},
    {"jina-v5-nano", {l_llama3, true, true, false}},
    {"dbrx", {l_llama3, false, false, false}},
    {"smaug-bpe", {l_llama3, false, false, false}},
    {"chatglm-bpe", {l_llama3, false, false, false}},
    {"glm4", {l_llama3, true, false, false}},
    {"glm5", {l_llama3, true, false, false}},
    {"minicpm5", {l_minicpm5, true, false, false}},
    {"deepseek-llm", {l_deepseek_llm, false, false, false}},
    {"deepseek-coder", {l_deepseek_coder, false, false, false}},
    {"deepseek-v3", {l_deepseek3, false, false, false}},
    {"hunyuan-dense", {l_deepseek3, false, false, false}},
    {"joyai-llm", {l_deepseek3, false, false, false}},
    {"falcon", {l_falcon, false, false, false}},
    {"starcoder", {l_digits_gpt2, false, false, false}},
    {"refact", {l_digits_gpt2, false, false, false}},
    {"command-r", {l_digits_gpt2, false, false, false}},
    {"smollm", {l_digits_gpt2, false, false, false}},
    {"codeshell", {l_digits_gpt2, false, false, false}},
    {"exaone", {l_digits_gpt2, false, false, false}},
    {"minerva-7b", {l_digits_gpt2, false, false, false}},
    {"mellum2", {l_digits_gpt2, false, false, false}},
    {"gpt-2", {l_gpt2, false, false, false}},
    {"phi-2", {l_gpt2, false, false, false}},
    {"jina-es", {l_gpt2, false, false, false}},
    {"jina-de", {l_gpt2, false, false, false}},
    {"gigachat", {l_gpt2, false, false, false}},
    {"jina-v2-es", {l_gpt2, false, false, false}},
    {"jina-v2-de", {l_gpt2, false, false, false}},
    {"a.x-4.0", {l_gpt2, false, false, false}},
    {"mellum", {l_gpt2, false, false, false}},
    {"modern-bert", {l_gpt2, false, false, false}},
    {"mpt", {l_gpt2, false, false, false}},
    {"olmo", {l_gpt2, false, false, false}},
    {"jais", {l_gpt2, false, false, false}},
    {"trillion", {l_gpt2, false, false, false}},
    {"granite-docling", {l_gpt2, false, false, false}},
    {"exaone4", {l_gpt2, false, false, false}},
    {"jina-v1-en", {l_gpt2, false, true, true}},
    {"jina-v2-code", {l_gpt2, false, true, true}},
    {"roberta-bpe", {l_gpt2, false, true, true}},
    {"qwen2", {l_qwen2, false, false, false}},
    {"deepseek-r1-qwen", {l_qwen2, false, false, false}},
    {"kormo", {l_qwen2, false, false, false}},
    {"f2llmv2", {l_qwen2, false, false, false}},
    {"stablelm2", {l_qwen2, false, false, false}},
    {"hunyuan", {l_qwen2, false, false, false}},
    {"solar-open", {l_qwen2, false, false, false}},
    {"megrez", {l_qwen2, false, false, false}},
    {"grok-2", {l_qwen2, false, false, false}},
    {"qwen35", {l_qwen35, false, false, false}},
    {"jais-2", {l_jais2, false, false, false}},
    {"seed-coder", {l_seed_coder, false, false, false}},
    {"bailingmoe", {l_bailing, false, false, false}},
    {"bailingmoe2", {l_bailing, false, false, false}},
    {"llada-moe", {l_bailing, false, false, false}},
    {"gpt-4o", {l_gpt4o, false, false, false}},
    {"llama4", {l_gpt4o, false, false, false}},
    {"kanana2", {l_gpt4o, false, false, false}},
    {"talkie", {l_gpt4o, false, false, false}},
    {"minimax-m2", {l_gpt4o, false, false, false}},
    {"tekken", {l_tekken, true, true, false}},
    {"poro-chat", {l_bloom, false, false, false}},
    {"bloom", {l_bloom, false, false, false}},
    {"gpt3-finnish", {l_bloom, false, false, false}},
    {"viking", {l_viking, false, false, false}},
    {"chameleon", {l_chameleon, false, true, false}},
    {"laguna", {l_laguna, false, false, false}},
    {"gemma4", {l_lines, false, false, false}},
};

const struct weft_pre *weft_pre_find(const char *name, size_t len) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0) return &rows[i].pre;
    return NULL;
}
