/// The families of models as documentation, from the rows of src/model/families.c: docs/models.md, or with --list the
/// cell of README.md.
#include "core/str.h"
#include "model/family.h"

#include <stdio.h>
#include <string.h>

static const char head[] =
    "# Models\n\n"
    "Made from the rows of `src/model/families.c` by `scripts/families.sh --write`. A family is a row of flags and\n"
    "names; one that computes something else has a builder. What a row does not list is refused by name: a tensor "
    "that\n"
    "nothing reads, a key that asks for what is not computed. Each row without a builder is compared with another\n"
    "implementation on tiny models of random weights (`scripts/make_family.py`, `scripts/family_oracle.py`): logits\n"
    "agree to 1e-3, whole, in chunks, token by token and after a rewind. Real files were run of `gemma3`, `llama`\n"
    "(SmolLM2) and `bert` (all-MiniLM-L6-v2). `bert` makes vectors of texts, see [embeddings](embeddings.md); all "
    "others\n"
    "generate.\n\n"
    "| architecture | models | norms | tensors | rotation | feed-forward | windows and caps |\n"
    "|---|---|---|---|---|---|---|\n";

static const char tail[] =
    "\nTensors: those after \"with\" must be there, those after \"may have\" need not. Without `output` the logits "
    "are\n"
    "products with the embeddings.\n\n"
    "## Rotation\n\n"
    "`neox` turns channels i and i + n/2 of a head, `normal` 2i and 2i + 1; n is `rope.dimension_count`. A context is\n"
    "stretched by\n\n"
    "- `rope.scaling.type` `linear`: positions are divided by `rope.scaling.factor`;\n"
    "- `llama3` (`rope.scaling.low_freq_factor`, `high_freq_factor`, `original_context_length`), or the tensor\n"
    "  `rope_freqs`, into which files have it written;\n"
    "- `yarn` (`rope.scaling.yarn_beta_fast`, `yarn_beta_slow`, `yarn_ext_factor`);\n"
    "- the tensors `rope_factors_short` and `rope_factors_long`: the short list for a context (`--ctx`) of up to\n"
    "  `original_context_length` tokens, the long one beyond. One list serves all tokens of a session, since caches "
    "hold\n"
    "  turned keys.\n\n"
    "`rope.scaling.attn_factor` scales what was turned, in all of them.\n\n"
    "## Experts\n\n"
    "Tokens choose the `expert_used_count` largest of softmax over `ffn_gate_inp`, on the device; `ffn_gate_exps`,\n"
    "`ffn_up_exps` and `ffn_down_exps` hold the matrices of all experts. `expert_weights_norm` says whether the "
    "weights\n"
    "of the chosen are divided by their sum, `expert_weights_scale` what they are multiplied by. Other ways to choose\n"
    "(`expert_gating_func` but softmax, groups of experts) are refused, and so are files with a tensor for each "
    "expert.\n";

static void add(struct weft_str *s, const char *text) { weft_str_addf(s, "%s%s", s->len ? ", " : "", text); }

static void add_parts(struct weft_str *s, uint32_t parts, const char *before) {
    static const struct {
        enum weft_family_part part;
        const char *name;
    } names[] = {
        {WEFT_PART_QKV_BIAS, "biases of q, k, v"},
        {WEFT_PART_OUTPUT_BIAS, "bias of attention's output"},
        {WEFT_PART_FFN_BIAS, "biases of the feed-forward"},
        {WEFT_PART_HEAD_NORMS, "norms of heads"},
        {WEFT_PART_HEAD, "`output`"},
        {WEFT_PART_ROPE_FREQS, "`rope_freqs`"},
        {WEFT_PART_ROPE_LISTS, "`rope_factors_*`"},
    };
    bool first = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(parts & names[i].part)) continue;
        if (first) weft_str_addf(s, "%s%s ", s->len ? "; " : "", before);
        weft_str_addf(s, "%s%s", first ? "" : ", ", names[i].name);
        first = false;
    }
}

static void tensors(struct weft_str *s, const struct weft_family *f) {
    if (f->fused_qkv) add(s, "`attn_qkv`");
    if (f->fused_gate_up) add(s, "`ffn_up` with the gate");
    if (f->learned_positions) add(s, "`position_embd`");
    if (f->encoder) add(s, "`token_types`");
    add_parts(s, f->must, "with");
    add_parts(s, f->may, "may have");
}

static void rotation(struct weft_str *s, const struct weft_family *f) {
    static const char *const kinds[] = {
        [WEFT_ROPE_NONE] = "none", [WEFT_ROPE_NEOX] = "neox", [WEFT_ROPE_NORMAL] = "normal"};
    add(s, kinds[f->rope]);
    if (f->local_rope) add(s, "local layers by a base of their own");
    if (f->unturned_period) weft_str_addf(s, ", but one layer in %u", f->unturned_period);
}

static void windows(struct weft_str *s, const struct weft_family *f) {
    if (f->local_period == WEFT_EVERY_LAYER) add(s, "in all layers, where a file has one");
    else if (f->local_period) weft_str_addf(s, "one layer in %u is global", f->local_period);
    if (f->window) weft_str_addf(s, ", %u tokens where a file has none", f->window);
    if (f->attn_softcap > 0) weft_str_addf(s, "; scores within %g, logits within %g", f->attn_softcap, f->softcap);
    if (!s->len) weft_str_addf(s, "none");
}

static const char *norms_after(const struct weft_family *f) {
    if (!f->norms_after) return "";
    return f->encoder ? ", behind residuals" : ", also behind branches";
}

static void row(const struct weft_family *f) {
    static const char *const experts[] = {[WEFT_EXPERTS_NONE] = "",
                                          [WEFT_EXPERTS_MAY] = ", or by experts where a file has some",
                                          [WEFT_EXPERTS_MUST] = ", by experts"};
    struct weft_str cells[4] = {{0}};
    tensors(&cells[0], f);
    rotation(&cells[1], f);
    windows(&cells[2], f);
    weft_str_addf(&cells[3], "`%s`%s%s%s%s", f->act, f->plain_ffn ? "" : ", gated", experts[f->experts],
                  f->shared_expert ? ", and one that all take" : "",
                  f->layer != WEFT_LAYER_PLAIN || f->encoder ? "; a builder" : "");
    printf("| `%s` | %s | %s%s | %s | %s | %s | %s |\n", f->architecture, f->models,
           f->norm == WEFT_NORM_LAYER ? "layer norm with bias" : "RMS", norms_after(f), weft_str_get(&cells[0]),
           weft_str_get(&cells[1]), weft_str_get(&cells[3]), weft_str_get(&cells[2]));
    for (int i = 0; i < 4; i++) weft_str_free(&cells[i]);
}

int main(int argc, char **argv) {
    bool list = argc > 1 && !strcmp(argv[1], "--list");
    const struct weft_family *f;
    if (!list) fputs(head, stdout);
    for (size_t i = 0; (f = weft_family_at(i)); i++) {
        if (list) printf("%s%s (`%s`)", i ? "; " : "", f->models, f->architecture);
        else row(f);
    }
    if (list)
        puts(". Gemma 3, SmolLM2 and MiniLM were run from real files, the others on random weights only "
             "([models](docs/models.md))");
    else fputs(tail, stdout);
    return 0;
}
