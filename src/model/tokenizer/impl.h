/// Inside of a tokenizer. For model/tokenizer/ only.
///
/// A text is cut at special tokens (special.c). What lies between is a section: steps rewrite it (rewrite.c), cuts
/// divide it into words (cut.c), and the model turns each word into ids (merge.c, wordpiece.c, unigram.c). A source
/// (source_gguf.c) says which steps, cuts and model a vocabulary has.
#ifndef WEFT_MODEL_TOKENIZER_IMPL_H
#define WEFT_MODEL_TOKENIZER_IMPL_H
#include "core/unicode.h"
#include "model/tokenizer/pattern.h"
#include "model/template/template.h"
#include "model/tokenizer/tokenizer.h"

#define WEFT_SPACE_MARK "\xE2\x96\x81" // U+2581, which stands for a space

// ---- words ---------------------------------------------------------------------------------------------------------

/// Memory that the words of a text share. Zero is empty.
struct weft_work {
    struct weft_symbol *symbols;
    struct weft_pair *heap;
    struct weft_path *path;
    char *text;
    size_t n_heap, cap_symbols, cap_heap, cap_path, cap_text;
};
void weft_work_free(struct weft_work *w);

/// How words become ids.
struct weft_token_model {
    weft_status (*prepare)(struct weft_tokenizer *t); ///< may be NULL; checks and makes what `encode` needs
    /// Appends the ids of a word of at least one byte.
    weft_status (*encode)(const struct weft_tokenizer *t, struct weft_work *w, const char *word, size_t len,
                          struct weft_ids *out);
};
extern const struct weft_token_model weft_model_scores; ///< merges of the pair whose joined token has the best score
extern const struct weft_token_model weft_model_ranks;  ///< merges of the pair that stands first in a list
extern const struct weft_token_model weft_model_wordpiece, weft_model_unigram;

/// How the text of a normal token becomes bytes.
enum weft_token_text {
    WEFT_TEXT_SPACES, ///< U+2581 is a space
    WEFT_TEXT_BYTES,  ///< each character is a byte, if all are of the alphabet of bytes.c
    WEFT_TEXT_PIECES, ///< a word's first piece has a space in front (mark_rest marks the others)
    WEFT_TEXT_PLAIN,
};

// ---- the alphabet of bytes -----------------------------------------------------------------------------------------

/// Byte-level vocabularies write each byte as a character that can be seen. Returns its code point.
uint32_t weft_byte_char(unsigned char byte);
/// The byte that a character of the alphabet stands for, -1 for any other.
int weft_char_byte(uint32_t code);
/// Writes `len` bytes as characters: at most 2 * len bytes, whose number is returned.
size_t weft_bytes_spell(const char *bytes, size_t len, char *out);

// ---- steps ---------------------------------------------------------------------------------------------------------

enum weft_step_kind {
    WEFT_STEP_FORM,           ///< a normal form, `value`
    WEFT_STEP_LOWER,          ///< lower case
    WEFT_STEP_STRIP_ACCENTS,  ///< drops marks that take no space, with a value of 1 all marks
    WEFT_STEP_STRIP,          ///< drops blanks at the left (value & 1) and right (value & 2) end
    WEFT_STEP_REPLACE,        ///< `text`, or what the pattern matches, becomes `with`
    WEFT_STEP_PREPEND,        ///< `with` in front of what is not empty
    WEFT_STEP_PREPEND_UNLESS, ///< the same, unless it begins so; value 1: only at the start of the whole text
    WEFT_STEP_CLEAN,          ///< drops control characters; blanks become spaces
    WEFT_STEP_CJK,            ///< spaces around each Chinese character
    WEFT_STEP_CHARSMAP,       ///< the mapping of a SentencePiece model
    WEFT_STEP_SQUEEZE,        ///< drops spaces at the ends, makes one of several
};

struct weft_step {
    enum weft_step_kind kind;
    unsigned value;
    char *text, *with; // owned
    size_t text_len, with_len;
    struct weft_pattern *pattern;
};

struct weft_steps {
    struct weft_step *items;
    size_t count, cap;
};
/// Takes over the step's memory, on failure too.
weft_status weft_steps_add(struct weft_steps *s, struct weft_step step);
weft_status weft_steps_add_text(struct weft_steps *s, enum weft_step_kind kind, unsigned value, const char *text,
                                const char *with);
/// What BERT's tokenizers do to a text.
weft_status weft_steps_add_bert(struct weft_steps *s, bool clean, bool cjk, bool strip_accents, bool lower);
void weft_steps_free(struct weft_steps *s);
/// Rewrites a section, which becomes `out`. `first`: it stands at the start of the whole text.
weft_status weft_steps_run(const struct weft_tokenizer *t, const char *text, size_t len, bool first,
                           struct weft_str *out);

/// The mapping that SentencePiece calls precompiled_charsmap, copied and checked.
struct weft_charsmap {
    uint32_t *units; // a double array: the trie of what is replaced
    size_t n_units;
    char *texts; // what it is replaced by, each with a 0 behind
    size_t n_texts;
};
weft_status weft_charsmap_load(struct weft_charsmap *map, const char *where, const uint8_t *data, size_t size);
void weft_charsmap_free(struct weft_charsmap *map);
/// The longest replaced prefix of text[0, len): its length, 0 if there is none.
size_t weft_charsmap_find(const struct weft_charsmap *map, const char *text, size_t len, const char **with);

// ---- cuts ----------------------------------------------------------------------------------------------------------

enum weft_cut_rule {
    WEFT_CUT_ISOLATED,
    WEFT_CUT_REMOVED,
    WEFT_CUT_WITH_PREVIOUS,
    WEFT_CUT_WITH_NEXT,
    WEFT_CUT_CONTIGUOUS
};

struct weft_cut {
    struct weft_pattern *pattern;
    enum weft_cut_rule rule;
    bool inverted; // what lies between matches is what the rule speaks of
};

struct weft_cuts {
    struct weft_cut *items;
    size_t count, cap;
};
weft_status weft_cuts_add(struct weft_cuts *c, const char *pattern, size_t len, enum weft_cut_rule rule, bool inverted);
void weft_cuts_free(struct weft_cuts *c);
/// Divides a section into words and encodes each.
weft_status weft_cuts_run(const struct weft_tokenizer *t, struct weft_work *w, const char *text, size_t len,
                          struct weft_ids *out);

/// What a value of `tokenizer.ggml.pre` means.
struct weft_pre {
    const char *const *patterns;              // up to NULL, each cuts what those before left
    bool ignores_merges, adds_bos, adds_ends; // adds_ends: BOS and separator
};
const struct weft_pre *weft_pre_find(const char *name, size_t len); ///< NULL: unknown
extern const char weft_pattern_gpt2[];

// ---- special tokens ------------------------------------------------------------------------------------------------

enum weft_special_flags {
    WEFT_SPECIAL_LSTRIP = 1, ///< takes the blanks to its left
    WEFT_SPECIAL_RSTRIP = 2, ///< and to its right
    WEFT_SPECIAL_WORD = 4,   ///< not within a word
    WEFT_SPECIAL_LATE = 8,   ///< looked for in the text that the steps made
};

/// Special tokens in two orders: by text, to find those that start at a position, and by rank, the order in which
/// they claim their places (longest first, then by id).
struct weft_splitter {
    struct weft_special {
        int32_t id;
        uint32_t rank;
    } * sorted; // by text, byte by byte; of equal texts the lowest id only
    size_t count;
    uint32_t first[257]; // those whose text begins with byte b are sorted[first[b] .. first[b + 1])
    uint32_t *by_rank;   // rank -> index in sorted
};

// ---- vocabulary ----------------------------------------------------------------------------------------------------

/// All texts that the model may make, for those that begin at a place: a trie in a hash table.
struct weft_trie {
    struct weft_edge {
        uint32_t key; // node << 8 | byte, plus 1; 0: empty
        uint32_t node;
    } * edges;
    size_t mask, n_nodes, cap_ids;
    int32_t *ids; // node -> id, -1: none
};
weft_status weft_trie_create(struct weft_trie *trie, const struct weft_tokenizer *t, bool (*wanted)(uint8_t type));
void weft_trie_free(struct weft_trie *trie);
/// The node behind `node` (0 is the root) and a byte; 0 if there is none.
uint32_t weft_trie_step(const struct weft_trie *trie, uint32_t node, unsigned char byte);

/// Pairs of ids that merge.
struct weft_merges {
    struct weft_merge {
        uint64_t key; // left id << 32 | right id, plus 1; 0: empty
        uint32_t rank;
        int32_t id;
    } * slots;
    size_t mask;
};

struct weft_tokenizer {
    const char *kind;
    const struct weft_token_model *model;
    int32_t size;
    char *text;      // all texts, one behind the other
    uint32_t *start; // size + 1 offsets into it
    uint8_t *type;
    uint8_t *flags;  // enum weft_special_flags of special tokens; NULL: none has any
    double *score;   // NULL if the model has none
    uint64_t *slots; // text -> id: open addressing by weft_hash; low half id + 1 (0: empty), high half of the hash
    size_t slot_mask;
    size_t longest;     // bytes of the longest text
    int32_t bytes[256]; // byte -> id, -1: none
    int32_t bos, eos, unknown;
    int32_t lead[8], tail[8]; // what stands around a text
    unsigned n_lead, n_tail;
    int32_t *stops;
    size_t n_stops;
    struct weft_splitter user[2], all[2]; // user-defined only; with control and unknown. [1]: late ones
    struct weft_splitter marks, plain[2]; // of rendered texts: all early ones and control ones; user-defined that are
                                          // not used as control
    bool leftmost;                        // special tokens claim their places from left to right, the longest first
    struct weft_steps steps;
    struct weft_cuts cuts;
    struct weft_charsmap charsmap;
    // Of models:
    struct weft_merges merges;
    struct weft_trie trie;
    bool byte_level;                    // words are bytes, which bytes[] has as tokens; else characters
    bool ignores_merges;                // a word that is a token is one
    bool fuses_unknown;                 // unknown tokens in a row are one
    bool pieces_bytes;                  // unigram: characters that are no token become byte tokens
    const char *mark_first, *mark_rest; // WordPiece: what stands before a word's first piece and before the others
    size_t longest_word;                // WordPiece: longer words (in characters) are unknown
    char *own_mark;                     // memory of mark_rest, if it is not constant
    const char *word_prefix;            // in front of each word that does not begin so; NULL: none
    double unknown_score;
    enum weft_token_text text_rule;
};

weft_status weft_ids_push(struct weft_ids *ids, int32_t id);

/// Copies the texts into one block and enters them into the hash table; all tokens are normal.
weft_status weft_vocabulary_load(struct weft_tokenizer *t, const struct weft_source_str *texts, size_t count);
/// Byte tokens are written "<0x00>" to "<0xFF>". A source without types has them by their text alone.
void weft_vocabulary_find_bytes(struct weft_tokenizer *t, bool typed);
/// The tokens of single bytes by the alphabet of bytes.c.
void weft_vocabulary_spell_bytes(struct weft_tokenizer *t);
int weft_vocabulary_byte_of(const struct weft_tokenizer *t, int32_t id); ///< -1 if the text is not like <0x41>
/// The token that a piece of plain text is, -1 if there is none: never one that is used as control.
int32_t weft_vocabulary_word(const struct weft_tokenizer *t, const char *text, size_t len);
/// Adds a stop once; -1 is none.
weft_status weft_vocabulary_add_stop(struct weft_tokenizer *t, size_t *cap, int32_t id);
/// Adds the control tokens whose text is a known end of a turn.
weft_status weft_vocabulary_add_marks(struct weft_tokenizer *t, size_t *cap);

/// Room for `count` merges, and one of them. `add` refuses texts that are no tokens.
weft_status weft_merges_create(struct weft_merges *m, size_t count);
weft_status weft_merges_add(struct weft_tokenizer *t, size_t rank, struct weft_source_str left,
                            struct weft_source_str right);

/// Makes what the vocabulary, types and flags ask for: splitters, and the trie of models that need one.
weft_status weft_tokenizer_finish(struct weft_tokenizer *t);
/// A tokenizer of the keys "tokenizer.ggml.".
weft_status weft_tokenizer_create_keys(const struct weft_source *file, struct weft_tokenizer **out);
/// BOS, EOS and stops of such keys, for one that came from elsewhere.
weft_status weft_tokenizer_take_ids(struct weft_tokenizer *t, const struct weft_source *file);
struct weft_tokenizer *weft_tokenizer_new(void);

/// Which special tokens a splitter looks for.
enum weft_splitter_set {
    WEFT_SPLIT_USER,      ///< user-defined ones
    WEFT_SPLIT_ALL,       ///< control and unknown ones too
    WEFT_SPLIT_PLAIN,     ///< user-defined ones that are not used as control
    WEFT_SPLIT_LATE = 4,  ///< of these, those that are looked for behind the steps; else those in front of them
    WEFT_SPLIT_MARKS = 8, ///< all in front of the steps, and all that are used as control
};
weft_status weft_splitter_create(const struct weft_tokenizer *t, unsigned set, struct weft_splitter *out);
void weft_splitter_destroy(struct weft_splitter *s);

/// Places of special tokens in a text, in rising order; freed with weft_free. What lies in [at, at + len) becomes the
/// id.
struct weft_special_at {
    size_t at, len;
    int32_t id;
};
weft_status weft_splitter_find(const struct weft_tokenizer *t, const struct weft_splitter *s, const char *text,
                               size_t len, struct weft_special_at **out, size_t *count);
/// Places of control tokens of which each byte is the template's.
weft_status weft_splitter_find_marks(const struct weft_tokenizer *t, const char *text, size_t len,
                                     const struct weft_template_run *runs, size_t n_runs, struct weft_special_at **out,
                                     size_t *count);
#endif
