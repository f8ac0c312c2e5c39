/* sequence.c - a prompt and a target as one list of token ids; see dataset.h.
 *
 * The rules about spaces look odd because they repeat those the paper's experts
 * were trained with: an expert sees the same tokens here as there. One thing is
 * not repeated. The paper's code takes as many tokens from the end as the target
 * has alone, which is one too many where a tokenizer puts a space before every
 * text (SentencePiece): the prompt's last token then counts as target. Here the
 * target is what follows the tokens that the prompt has alone.
 */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

static qv_status count_tokens(size_t *n, const qv_tokenizer *tok, const char *text,
                              qv_err *err)
{
    int *ids;
    qv_status result = qv_tokenizer_encode(tok, text, strlen(text), false, &ids, n, err);
    if (!result)
        free(ids);
    return result;
}

/* Whether " this" is as many tokens as "this". */
static qv_status merges_space(bool *merges, const qv_tokenizer *tok, qv_err *err)
{
    size_t bare, spaced;
    qv_status result = count_tokens(&bare, tok, "this", err);
    if (!result)
        result = count_tokens(&spaced, tok, " this", err);
    if (!result)
        *merges = bare == spaced;
    return result;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n';
}

/* How many bytes of the prompt stay with it: all, or all but its last space. */
static qv_status prompt_share(size_t *n, const qv_tokenizer *tok, const char *prompt,
                              qv_err *err)
{
    bool merges;
    qv_status result = merges_space(&merges, tok, err);
    *n = strlen(prompt);
    if (!result && merges && *n && prompt[*n - 1] == ' ')
        --*n;
    return result;
}

/* ids[0..n) without its first tokens, so that `room` are left, after BOS. */
static const int *lay_out(size_t *n_out, qv_arena *a, const qv_tokenizer *tok,
                          const int *ids, size_t n, bool ends, size_t room)
{
    bool starts = qv_tokenizer_adds_bos(tok) && qv_tokenizer_bos(tok) >= 0;
    size_t extra = (size_t)starts + (size_t)ends;
    size_t kept = n + extra <= room ? n : room > extra ? room - extra : 0, at = 0;
    int *out = qv_new_n(a, int, kept + 2);
    if (starts)
        out[at++] = qv_tokenizer_bos(tok);
    if (kept)
        memcpy(out + at, ids + n - kept, kept * sizeof *out);
    at += kept;
    if (ends)
        out[at++] = qv_tokenizer_eos(tok);
    *n_out = at;
    return out;
}

/* How many tokens of the whole text are the prompt's: those that it has alone. A
 * token that reaches over the border, or that only a text's start has, is not. */
static qv_status shared_with_prompt(size_t *n_shared, const qv_tokenizer *tok,
                                    const char *text, size_t n_bytes, const int *ids,
                                    size_t n, qv_err *err)
{
    int *alone;
    size_t n_alone;
    qv_status result =
        qv_tokenizer_encode(tok, text, n_bytes, false, &alone, &n_alone, err);
    if (result)
        return result;
    *n_shared = 0;
    while (*n_shared < qv__min(n, n_alone) && ids[*n_shared] == alone[*n_shared])
        ++*n_shared;
    free(alone);
    return QV_OK;
}

qv_status qv__sequence_make(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                            const char *prompt, const char *target, size_t max_tokens,
                            qv_err *err)
{
    if (max_tokens < 2)
        return qv_fail(err, QV_ELIMIT, "a sequence of %zu tokens has no room for a target",
                       max_tokens);
    if (qv_tokenizer_eos(tok) < 0)
        return qv_fail(err, QV_EUNSUPPORTED, "the tokenizer has no token that ends a text");

    size_t n_bytes;
    qv_status result = prompt_share(&n_bytes, tok, prompt, err);
    if (result)
        return result;
    bool moved = prompt[n_bytes] == ' ';
    bool added = !moved && n_bytes && *target && !is_space(prompt[n_bytes - 1]) &&
                 !is_space(*target);
    char *text = qv__arena_fmt(a, "%s%s%s", qv__arena_strn(a, prompt, n_bytes),
                               moved || added ? " " : "", target);

    int *ids = NULL;
    size_t n, n_shared;
    result = qv_tokenizer_encode(tok, text, strlen(text), false, &ids, &n, err);
    if (!result)
        result = shared_with_prompt(&n_shared, tok, text, n_bytes, ids, n, err);
    if (result) {
        free(ids);
        return result;
    }

    size_t n_target = n - n_shared;
    bool starts = qv_tokenizer_adds_bos(tok) && qv_tokenizer_bos(tok) >= 0;
    size_t fits = max_tokens - (size_t)starts;
    *out = (struct qv_sequence){0};
    if (n_target + 1 <= fits) {
        out->ids = lay_out(&out->n, a, tok, ids, n, true, max_tokens);
        out->n_prompt = qv__max(out->n - n_target - 1, 1);
    } else { // the first tokens of the target alone
        out->ids = lay_out(&out->n, a, tok, ids + n - n_target, fits, false, max_tokens);
        out->n_prompt = 1;
    }
    free(ids);
    return QV_OK;
}

qv_status qv__sequence_prompt(struct qv_sequence *out, qv_arena *a, const qv_tokenizer *tok,
                              const char *prompt, size_t max_tokens, qv_err *err)
{
    size_t n_bytes, n;
    int *ids = NULL;
    if (max_tokens < 1)
        return qv_fail(err, QV_ELIMIT, "a sequence of 0 tokens has no room for a prompt");
    qv_status result = prompt_share(&n_bytes, tok, prompt, err);
    if (!result)
        result = qv_tokenizer_encode(tok, prompt, n_bytes, false, &ids, &n, err);
    if (result)
        return result;
    *out = (struct qv_sequence){0};
    out->ids = lay_out(&out->n, a, tok, ids, n, false, max_tokens);
    out->n_prompt = out->n;
    free(ids);
    if (out->n == 0)
        return qv_fail(err, QV_EFORMAT,
                       "the prompt is empty and the model needs a first token");
    return QV_OK;
}
