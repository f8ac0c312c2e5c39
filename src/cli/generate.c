/* generate.c - quiver generate: continue a prompt, shown as it is made. */
#include "cli/cli.h"
#include "data/dataset.h"
#include "text/utf8.h"

#include <stdlib.h>
#include <string.h>

struct args {
    struct qv_base base;
    qv_reuse_opts who;
    const char *prompt;
    size_t max_tokens;
    qv_sample_opts sample;
    struct qv_words stop;
    struct qv_talk talk;
    bool as_json;
};

enum { KEY_MAX_TOKENS = 256, KEY_TEMPERATURE, KEY_TOP_P, KEY_TOP_K, KEY_STOP };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->who, &a->sample.seed, &a->talk, &a->as_json);
        break;
    case 'p':
        a->prompt = arg;
        break;
    case KEY_MAX_TOKENS:
        a->max_tokens = qv__arg_size(state, "--max-tokens", arg, 1);
        break;
    case KEY_TEMPERATURE:
        a->sample.temperature = qv__arg_float(state, "--temperature", arg, 0, 1e6);
        break;
    case KEY_TOP_P:
        a->sample.top_p = qv__arg_float(state, "--top-p", arg, 0, 1);
        break;
    case KEY_TOP_K:
        a->sample.top_k = qv__arg_size(state, "--top-k", arg, 0);
        break;
    case KEY_STOP:
        if (*arg == '\0')
            argp_error(state, "--stop: an empty text is everywhere");
        qv__words_add(&a->stop, arg);
        break;
    case ARGP_KEY_END:
        if (!a->prompt && !a->talk.messages)
            argp_error(state, "--prompt is missing");
        else if (a->prompt && a->talk.messages)
            argp_error(state, "--messages stands instead of a --prompt");
        else if (a->sample.temperature <= 0 && (a->sample.top_k || a->sample.top_p > 0))
            argp_error(state,
                       "--top-k and --top-p choose among tokens and need a --temperature "
                       "above 0 (the router's are --router-top-k and "
                       "--router-temperature)");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"prompt", 'p', "T", 0, "What to continue; - is standard input", 0},
    {"max-tokens", KEY_MAX_TOKENS, "N", 0, "Tokens to make at most (128)", 0},
    {"temperature", KEY_TEMPERATURE, "X", 0,
     "0: always the likeliest token; 1: as likely as the model says (0)", 0},
    {"top-k", KEY_TOP_K, "K", 0, "Draw among the K likeliest tokens (all)", 0},
    {"top-p", KEY_TOP_P, "P", 0,
     "Draw among the fewest tokens that share the probability P (all)", 0},
    {"stop", KEY_STOP, "S", 0, "End before this text; may be given again", 0},
    {0},
};
static const struct argp_child children[] = {
    {&qv__base_argp, 0, NULL, 0}, {&qv__who_gen_argp, 0, NULL, 0},
    {&qv__seed_argp, 0, NULL, 0}, {&qv__talk_argp, 0, NULL, 0},
    {&qv__json_argp, 0, NULL, 0}, {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .doc =
        "Continue a prompt until the model ends it.\v"
        "The prompt is read as in training: after BOS if the tokenizer adds it, and "
        "without a space at its end if words begin with theirs.\n\n"
        "With --json: {\"text\":...,\"ids\":[...],\"n_prompt\":...,\"finish\":...}, where "
        "finish is \"stop\" (EOS, the end of a turn, or a --stop) or \"length\".",
    .children = children,
};

/* A text being made. */
struct story {
    const struct args *a;
    const qv_tokenizer *tok;
    int *ids; // [n_prompt + n_new], room for cap
    size_t n_prompt, n_new, cap;
    int turn_end;       // the token that ends the assistant's turn, or -1
    char *text;         // of all ids
    size_t begin, size; // what was made is text[begin .. size)
    size_t shown;
    const char *finish; // NULL: not yet
};

/* The prompt's tokens; *q lives in the arena, or for a chat in *owned. */
static qv_status prompt_tokens(struct qv_sequence *q, int **owned, qv_arena *arena,
                               struct story *s, const char *text, size_t size, qv_err *err)
{
    int eos = qv_tokenizer_eos(s->tok);
    if (s->a->talk.is_on) {
        *q = (struct qv_sequence){0};
        qv_status result = qv__talk_ids(owned, &q->n, &s->turn_end, &s->a->talk,
                                        s->a->base.dir, s->tok, text, err);
        q->ids = *owned;
        return result;
    }
    if (size || qv_tokenizer_adds_bos(s->tok) || eos < 0)
        return qv__sequence_prompt(q, arena, s->tok, text, SIZE_MAX, err);
    int *one = qv_new(arena, int); // nothing to go on: a new document
    *one = eos;
    *q = (struct qv_sequence){.ids = one, .n = 1};
    return QV_OK;
}

static qv_status read_prompt(struct story *s, size_t n_ctx, qv_err *err)
{
    char *text = NULL;
    int *owned = NULL;
    size_t size = 0;
    qv_arena arena = {0};
    struct qv_sequence q;
    qv_status result = QV_OK;
    if (s->a->prompt)
        result = qv__read_text(&text, &size, s->a->prompt, err);
    if (!result)
        result = prompt_tokens(&q, &owned, &arena, s, text, size, err);
    if (!result && q.n >= n_ctx)
        result = qv_fail(err, QV_ELIMIT,
                         "a prompt of %zu tokens, the model has %zu positions", q.n, n_ctx);
    if (!result) {
        s->cap = q.n + qv__min(s->a->max_tokens, n_ctx - q.n);
        s->ids = malloc(s->cap * sizeof *s->ids);
        if (!s->ids)
            result = qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", s->cap);
    }
    if (!result) {
        memcpy(s->ids, q.ids, q.n * sizeof *q.ids);
        s->n_prompt = q.n;
    }
    qv__arena_free(&arena);
    free(owned);
    free(text);
    return result;
}

static qv_status write_out(struct story *s, qv_err *err)
{
    free(s->text);
    s->text = NULL;
    return qv_tokenizer_decode(s->tok, s->ids, s->n_prompt + s->n_new, true, &s->text,
                               &s->size, err);
}

/* Bytes at the end of what was made that may yet change: half a character, or
 * the beginning of a stop. */
static size_t unsure(const struct story *s)
{
    const char *made = s->text + s->begin;
    size_t n = s->size - s->begin, most = 0;
    for (size_t k = 1; k <= qv__min(n, 3) && !most; k++) {
        unsigned char c = (unsigned char)made[n - k];
        if (c >= 0xc0 && !qv__utf8_valid(made + n - k, k))
            most = k;
    }
    for (size_t i = 0; i < s->a->stop.n; i++)
        for (size_t k = qv__min(n, strlen(s->a->stop.at[i])); k > most; k--)
            if (memcmp(made + n - k, s->a->stop.at[i], k) == 0)
                most = k;
    return most;
}

/* Where the earliest stop begins in what was made, or its end. */
static size_t find_stop(const struct story *s)
{
    size_t at = s->size - s->begin;
    for (size_t i = 0; i < s->a->stop.n; i++) {
        const char *hit = strstr(s->text + s->begin, s->a->stop.at[i]);
        if (hit)
            at = qv__min(at, (size_t)(hit - s->text) - s->begin);
    }
    return at;
}

/* Show what is certain by now; at the end, everything. */
static void show(struct story *s)
{
    size_t at = find_stop(s);
    if (at < s->size - s->begin) {
        s->size = s->begin + at;
        s->finish = "stop";
    }
    size_t sure = s->size - (s->finish ? 0 : unsure(s));
    if (!s->a->as_json && sure > s->begin + s->shown) {
        fwrite(s->text + s->begin + s->shown, 1, sure - s->begin - s->shown, stdout);
        fflush(stdout);
        s->shown = sure - s->begin;
    }
}

static qv_status tell(struct story *s, qv_session *session, size_t V, qv_err *err)
{
    qv_status result = write_out(s, err);
    s->begin = s->size;
    while (!result && !s->finish) {
        size_t n = s->n_prompt + s->n_new;
        result = qv_session_sync(session, s->ids, n, err);
        if (result)
            break;
        int id = qv_sample(qv_session_logits(session), V, &s->a->sample, n);
        if (id == qv_tokenizer_eos(s->tok) || id == s->turn_end) {
            s->finish = "stop";
        } else {
            s->ids[n] = id;
            s->n_new++;
            if (n + 1 == s->cap)
                s->finish = "length";
            result = write_out(s, err);
        }
        s->begin = qv__min(s->begin, s->size);
        if (!result)
            show(s);
    }
    return result;
}

static void print_story(const struct story *s)
{
    if (!s->a->as_json) {
        putchar('\n');
        return;
    }
    json_t *ids = json_array();
    for (size_t i = 0; i < s->n_new; i++)
        json_array_append_new(ids, json_integer(s->ids[s->n_prompt + i]));
    qv__print(json_pack("{s:o, s:o, s:I, s:s}", "text",
                        qv__json_text(s->text + s->begin, s->size - s->begin), "ids", ids,
                        "n_prompt", (json_int_t)s->n_prompt, "finish", s->finish),
              true);
}

int cmd_generate(int argc, char **argv)
{
    struct args a = {.max_tokens = 128};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m = NULL;
    qv_reuse *reuse = NULL;
    qv_session *session = NULL;
    struct story s = {.a = &a, .turn_end = -1};
    qv_status result = qv_model_open(&m, a.base.dir, &a.base.opts, &err);
    if (!result && !(s.tok = qv_model_tokenizer(m)))
        result = qv_fail(&err, QV_ENOTFOUND, "%s: the model has no tokenizer", a.base.dir);
    if (!result)
        result = qv_reuse_open(&reuse, m, &a.who, &err);
    if (!result)
        result = read_prompt(&s, qv_model_context(m), &err);
    if (!result)
        result = qv_session_new(&session, m, reuse, s.cap, &err);
    if (!result)
        result = tell(&s, session, qv_model_vocabulary(m), &err);
    if (!result)
        print_story(&s);
    free(s.ids);
    free(s.text);
    qv__words_free(&a.stop);
    qv_session_free(session);
    qv_reuse_close(reuse);
    qv_model_close(m);
    return result ? qv__say_failure(&err) : 0;
}
