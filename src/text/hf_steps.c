/* hf_steps.c - the pipeline of a tokenizer.json: its normalizer, pre-tokenizer and
 * decoder, translated component by component into our steps. A component that is
 * not in the tables at the end of each part is refused by name.
 */
#include "text/tokenizer.h"

#include <string.h>

/* GPT-2's way of cutting text, which ByteLevel has built in. */
static const char gpt2_words[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"
                                 " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

enum { DEPTH_MAX = 8, STEPS_MAX = 64 };

/* What is being read: which tokenizer, and into how many Sequences deep. */
struct reader {
    qv_tokenizer *tok;
    const char *what; // "normalizer", ...
    int depth;
};

typedef qv_status (*read_fn)(struct reader *r, const json_t *v, qv_err *err);

/* One that says nothing but its type is a step of that kind, and has no function. */
struct component {
    const char *type;
    read_fn read;
    int kind;
};

/* Reads one component by its type, with the table of its kind. */
static qv_status
read_component(struct reader *r, const json_t *v, const struct component *table, size_t n,
               qv_status (*add_plain)(struct reader *r, int kind, qv_err *err), qv_err *err)
{
    if (!v || json_is_null(v))
        return QV_OK;
    const char *type = NULL;
    if (!json_is_object(v))
        return qv_fail(err, QV_EFORMAT, "%s: not an object", r->what);
    qv_status result = qv__json_str(v, "type", &type, err);
    if (result)
        return qv_wrap(err, result, "%s: ", r->what);
    if (!type)
        return qv_fail(err, QV_EFORMAT, "%s: has no type", r->what);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].type, type) != 0)
            continue;
        result =
            table[i].read ? table[i].read(r, v, err) : add_plain(r, table[i].kind, err);
        return result ? qv_wrap(err, result, "%s %s: ", r->what, type) : QV_OK;
    }
    return qv_fail(err, QV_EUNSUPPORTED, "%s '%.60s' is not supported", r->what, type);
}

/* Reads the components that a Sequence lists under `key`. */
static qv_status read_list(struct reader *r, const json_t *v, const char *key, read_fn read,
                           qv_err *err)
{
    const json_t *list = json_object_get(v, key);
    if (!json_is_array(list))
        return qv_fail(err, QV_EFORMAT, "'%s' is not a list", key);
    if (++r->depth > DEPTH_MAX)
        return qv_fail(err, QV_ELIMIT, "more than %d deep", DEPTH_MAX);
    qv_status result = QV_OK;
    for (size_t i = 0; i < json_array_size(list) && !result; i++)
        result = read(r, json_array_get(list, i), err);
    r->depth--;
    return result;
}

static const char *keep(struct reader *r, const char *text)
{
    return qv__arena_str(&r->tok->arena, text);
}

/* A string that must be there, kept. */
static qv_status read_text(const char **out, struct reader *r, const json_t *v,
                           const char *key, qv_err *err)
{
    const char *text = NULL;
    qv_status result = qv__json_str(v, key, &text, err);
    if (result)
        return result;
    if (!text)
        return qv_fail(err, QV_EFORMAT, "'%s' is missing", key);
    *out = keep(r, text);
    return QV_OK;
}

/* {"String": s} or {"Regex": s}, under "pattern". */
static qv_status read_pattern(struct qv__pattern *p, struct reader *r, const json_t *v,
                              qv_err *err)
{
    const json_t *pattern = json_object_get(v, "pattern");
    const json_t *literal = json_object_get(pattern, "String");
    const json_t *regex = json_object_get(pattern, "Regex");
    if (json_is_string(literal))
        return qv__pattern_literal(p, keep(r, json_string_value(literal)), err);
    if (json_is_string(regex))
        return qv__pattern_regex(p, json_string_value(regex), err);
    return qv_fail(err, QV_EFORMAT, "'pattern' is neither a String nor a Regex");
}

/* Each takes the step, pattern included, even on failure. */
static qv_status too_many(struct qv__pattern *p, qv_err *err)
{
    qv__pattern_end(p);
    return qv_fail(err, QV_ELIMIT, "more than %d steps", STEPS_MAX);
}

static qv_status add_norm(struct reader *r, struct qv__norm step, qv_err *err)
{
    qv_tokenizer *tok = r->tok;
    if (tok->n_norms == STEPS_MAX)
        return too_many(&step.pattern, err);
    if (!tok->norm)
        tok->norm = qv_new_n(&tok->arena, struct qv__norm, STEPS_MAX);
    tok->norm[tok->n_norms++] = step;
    return QV_OK;
}

static qv_status add_cut(struct reader *r, struct qv__cut step, qv_err *err)
{
    qv_tokenizer *tok = r->tok;
    if (tok->n_cuts == STEPS_MAX)
        return too_many(&step.pattern, err);
    if (!tok->cut)
        tok->cut = qv_new_n(&tok->arena, struct qv__cut, STEPS_MAX);
    tok->cut[tok->n_cuts++] = step;
    return QV_OK;
}

static qv_status add_undo(struct reader *r, struct qv__undo step, qv_err *err)
{
    qv_tokenizer *tok = r->tok;
    if (tok->n_undos == STEPS_MAX)
        return too_many(&step.pattern, err);
    if (!tok->undo)
        tok->undo = qv_new_n(&tok->arena, struct qv__undo, STEPS_MAX);
    tok->undo[tok->n_undos++] = step;
    return QV_OK;
}

/* ---- normalizers ---- */

static qv_status norm_any(struct reader *r, const json_t *v, qv_err *err);

static qv_status norm_sequence(struct reader *r, const json_t *v, qv_err *err)
{
    return read_list(r, v, "normalizers", norm_any, err);
}

static qv_status norm_plain(struct reader *r, int kind, qv_err *err)
{
    return add_norm(r, (struct qv__norm){.kind = (enum qv__norm_kind)kind}, err);
}

static qv_status norm_prepend(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__norm step = {.kind = QV__NORM_PREPEND};
    qv_status result = read_text(&step.text, r, v, "prepend", err);
    return result ? result : add_norm(r, step, err);
}

static qv_status norm_replace(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__norm step = {.kind = QV__NORM_REPLACE};
    qv_status result = read_text(&step.text, r, v, "content", err);
    if (!result)
        result = read_pattern(&step.pattern, r, v, err);
    return result ? result : add_norm(r, step, err);
}

static qv_status norm_strip(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__norm step = {.kind = QV__NORM_STRIP, .left = true, .right = true};
    qv_status result = qv__json_bool(v, "strip_left", &step.left, err);
    if (!result)
        result = qv__json_bool(v, "strip_right", &step.right, err);
    return result ? result : add_norm(r, step, err);
}

static qv_status norm_precompiled(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__norm step = {.kind = QV__NORM_MAP};
    const char *text = NULL;
    qv_status result = qv__json_str(v, "precompiled_charsmap", &text, err);
    if (!result && text)
        result = qv__charsmap_read64(&step.spm.map, &r->tok->arena, text, err);
    return result || !text ? result : add_norm(r, step, err);
}

static const struct component normalizers[] = {
    {"Sequence", norm_sequence, 0}, {"NFC", NULL, QV__NORM_NFC},
    {"NFD", NULL, QV__NORM_NFD},    {"NFKC", NULL, QV__NORM_NFKC},
    {"NFKD", NULL, QV__NORM_NFKD},  {"Lowercase", NULL, QV__NORM_LOWER},
    {"Prepend", norm_prepend, 0},   {"Replace", norm_replace, 0},
    {"Strip", norm_strip, 0},       {"Precompiled", norm_precompiled, 0},
};

static qv_status norm_any(struct reader *r, const json_t *v, qv_err *err)
{
    return read_component(r, v, normalizers, QV_COUNT(normalizers), norm_plain, err);
}

/* ---- pre-tokenizers ---- */

static qv_status cut_any(struct reader *r, const json_t *v, qv_err *err);

static qv_status cut_sequence(struct reader *r, const json_t *v, qv_err *err)
{
    return read_list(r, v, "pretokenizers", cut_any, err);
}

static qv_status split_at(struct reader *r, const char *regex, enum qv__behavior behavior,
                          bool invert, qv_err *err)
{
    struct qv__cut step = {.kind = QV__CUT_SPLIT, .behavior = behavior, .invert = invert};
    qv_status result = qv__pattern_regex(&step.pattern, regex, err);
    return result ? result : add_cut(r, step, err);
}

static qv_status cut_byte_level(struct reader *r, const json_t *v, qv_err *err)
{
    bool prefix = true, use_regex = true;
    qv_status result = qv__json_bool(v, "add_prefix_space", &prefix, err);
    if (!result)
        result = qv__json_bool(v, "use_regex", &use_regex, err);
    if (!result && prefix)
        result = add_cut(r, (struct qv__cut){.kind = QV__CUT_PREFIX, .text = " "}, err);
    if (!result && use_regex)
        result = split_at(r, gpt2_words, QV__ISOLATED, false, err);
    return result ? result : add_cut(r, (struct qv__cut){.kind = QV__CUT_BYTES}, err);
}

static qv_status read_behavior(enum qv__behavior *out, const json_t *v, qv_err *err)
{
    static const char *const names[] = {
        [QV__REMOVED] = "Removed",
        [QV__ISOLATED] = "Isolated",
        [QV__MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
        [QV__MERGED_WITH_NEXT] = "MergedWithNext",
        [QV__CONTIGUOUS] = "Contiguous",
    };
    const char *name = NULL;
    qv_status result = qv__json_str(v, "behavior", &name, err);
    if (result || !name)
        return result;
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        *out = (enum qv__behavior)i;
        return QV_OK;
    }
    return qv_fail(err, QV_EFORMAT, "behavior '%.60s' is unknown", name);
}

static qv_status cut_split(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__cut step = {.kind = QV__CUT_SPLIT, .behavior = QV__ISOLATED};
    qv_status result = read_behavior(&step.behavior, v, err);
    if (!result)
        result = qv__json_bool(v, "invert", &step.invert, err);
    if (!result)
        result = read_pattern(&step.pattern, r, v, err);
    return result ? result : add_cut(r, step, err);
}

static qv_status cut_digits(struct reader *r, const json_t *v, qv_err *err)
{
    bool single = false;
    qv_status result = qv__json_bool(v, "individual_digits", &single, err);
    return result
               ? result
               : split_at(r, "\\p{N}", single ? QV__ISOLATED : QV__CONTIGUOUS, false, err);
}

static qv_status cut_punctuation(struct reader *r, const json_t *v, qv_err *err)
{
    enum qv__behavior behavior = QV__ISOLATED;
    qv_status result = read_behavior(&behavior, v, err);
    return result ? result : split_at(r, "[\\p{P}$+<=>^`|~]", behavior, false, err);
}

static qv_status cut_whitespace(struct reader *r, const json_t *v, qv_err *err)
{
    static const char words[] =
        "[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}]+|"
        "[^\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\p{Join_Control}\\s]+";
    (void)v;
    return split_at(r, words, QV__REMOVED, true, err);
}

static qv_status cut_whitespace_split(struct reader *r, const json_t *v, qv_err *err)
{
    (void)v;
    return split_at(r, "\\s", QV__REMOVED, false, err);
}

/* The scheme of a Metaspace: whether it prepends, and where. Older files say
 * add_prefix_space instead. */
static qv_status read_scheme(bool *prepends, bool *first_only, const json_t *v, qv_err *err)
{
    const char *scheme = NULL;
    *prepends = true;
    qv_status result = qv__json_bool(v, "add_prefix_space", prepends, err);
    if (!result)
        result = qv__json_str(v, "prepend_scheme", &scheme, err);
    if (result || !scheme)
        return result;
    *first_only = !strcmp(scheme, "first");
    *prepends = *first_only || !strcmp(scheme, "always");
    if (!*prepends && strcmp(scheme, "never") != 0)
        return qv_fail(err, QV_EFORMAT, "prepend_scheme '%.60s' is unknown", scheme);
    return QV_OK;
}

static qv_status cut_metaspace(struct reader *r, const json_t *v, qv_err *err)
{
    bool prepends, first_only = false, splits = true;
    struct qv__cut space = {.kind = QV__CUT_REPLACE}, split = {.kind = QV__CUT_SPLIT};
    qv_status result = read_text(&space.text, r, v, "replacement", err);
    if (!result)
        result = read_scheme(&prepends, &first_only, v, err);
    if (!result)
        result = qv__json_bool(v, "split", &splits, err);
    if (!result)
        result = qv__pattern_literal(&split.pattern, space.text, err);
    if (!result)
        result = qv__pattern_literal(&space.pattern, " ", err);
    if (!result)
        result = add_cut(r, space, err);
    struct qv__cut prefix = {
        .kind = QV__CUT_PREFIX, .text = space.text, .first_only = first_only};
    if (!result && prepends)
        result = add_cut(r, prefix, err);
    split.behavior = QV__MERGED_WITH_NEXT;
    return result || !splits ? result : add_cut(r, split, err);
}

static const struct component pre_tokenizers[] = {
    {"Sequence", cut_sequence, 0},
    {"ByteLevel", cut_byte_level, 0},
    {"Split", cut_split, 0},
    {"Digits", cut_digits, 0},
    {"Punctuation", cut_punctuation, 0},
    {"Whitespace", cut_whitespace, 0},
    {"WhitespaceSplit", cut_whitespace_split, 0},
    {"Metaspace", cut_metaspace, 0},
};

static qv_status cut_any(struct reader *r, const json_t *v, qv_err *err)
{
    return read_component(r, v, pre_tokenizers, QV_COUNT(pre_tokenizers), NULL, err);
}

/* ---- decoders ---- */

static qv_status undo_any(struct reader *r, const json_t *v, qv_err *err);

static qv_status undo_sequence(struct reader *r, const json_t *v, qv_err *err)
{
    return read_list(r, v, "decoders", undo_any, err);
}

static qv_status undo_plain(struct reader *r, int kind, qv_err *err)
{
    return add_undo(r, (struct qv__undo){.kind = (enum qv__undo_kind)kind}, err);
}

static qv_status undo_replace(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__undo step = {.kind = QV__UNDO_REPLACE};
    qv_status result = read_text(&step.text, r, v, "content", err);
    if (!result)
        result = read_pattern(&step.pattern, r, v, err);
    return result ? result : add_undo(r, step, err);
}

static qv_status undo_strip(struct reader *r, const json_t *v, qv_err *err)
{
    struct qv__undo step = {.kind = QV__UNDO_STRIP};
    qv_status result = read_text(&step.text, r, v, "content", err);
    if (!result)
        result = qv__json_size(v, "start", &step.left, err);
    if (!result)
        result = qv__json_size(v, "stop", &step.right, err);
    if (!result && !*step.text)
        result = qv_fail(err, QV_EFORMAT, "'content' is empty");
    return result ? result : add_undo(r, step, err);
}

static qv_status undo_metaspace(struct reader *r, const json_t *v, qv_err *err)
{
    bool prepends, first_only;
    struct qv__undo space = {.kind = QV__UNDO_REPLACE, .text = " "};
    struct qv__undo first = {.kind = QV__UNDO_REPLACE_FIRST, .text = ""};
    const char *replacement;
    qv_status result = read_text(&replacement, r, v, "replacement", err);
    if (!result)
        result = read_scheme(&prepends, &first_only, v, err);
    if (!result)
        result = qv__pattern_literal(&space.pattern, replacement, err);
    first.pattern = space.pattern;
    if (!result && prepends)
        result = add_undo(r, first, err);
    return result ? result : add_undo(r, space, err);
}

static const struct component decoders[] = {
    {"Sequence", undo_sequence, 0},   {"ByteLevel", NULL, QV__UNDO_BYTES},
    {"Replace", undo_replace, 0},     {"ByteFallback", NULL, QV__UNDO_BYTE_FALLBACK},
    {"Fuse", NULL, QV__UNDO_FUSE},    {"Strip", undo_strip, 0},
    {"Metaspace", undo_metaspace, 0},
};

static qv_status undo_any(struct reader *r, const json_t *v, qv_err *err)
{
    return read_component(r, v, decoders, QV_COUNT(decoders), undo_plain, err);
}

/* ---- the three together ---- */

qv_status qv__hf_normalizer(qv_tokenizer *tok, const json_t *v, qv_err *err)
{
    return norm_any(&(struct reader){.tok = tok, .what = "normalizer"}, v, err);
}

qv_status qv__hf_pre_tokenizer(qv_tokenizer *tok, const json_t *v, qv_err *err)
{
    return cut_any(&(struct reader){.tok = tok, .what = "pre-tokenizer"}, v, err);
}

qv_status qv__hf_decoder(qv_tokenizer *tok, const json_t *v, qv_err *err)
{
    return undo_any(&(struct reader){.tok = tok, .what = "decoder"}, v, err);
}
