/* score.c - quiver score: how likely a text is, token by token and in all. */
#include "cli/cli.h"
#include "base/file.h"
#include "eval/score.h"
#include "text/utf8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct args {
    struct qv_base base;
    qv_reuse_opts who;
    const char *text, *file;
    bool has_no_start, as_json;
    struct qv_score_opts opts;
};

enum { KEY_FILE = 256, KEY_NO_START, KEY_WINDOW, KEY_STRIDE };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->who, &a->as_json);
        break;
    case 't':
        a->text = arg;
        break;
    case KEY_FILE:
        a->file = arg;
        break;
    case KEY_NO_START:
        a->has_no_start = true;
        break;
    case KEY_WINDOW:
        a->opts.window = qv__arg_size(state, "--window", arg, 2);
        break;
    case KEY_STRIDE:
        a->opts.stride = qv__arg_size(state, "--stride", arg, 1);
        break;
    case ARGP_KEY_END:
        if (!a->text == !a->file)
            argp_error(state, "give --text or --file, one of them");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"text", 't', "T", 0, "The text; - is standard input", 0},
    {"file", KEY_FILE, "F", 0, "A file that is the text", 0},
    {"no-start", KEY_NO_START, NULL, 0,
     "Put no BOS or EOS before the text; nothing then predicts its first token", 0},
    {"window", KEY_WINDOW, "N", 0, "Tokens seen at once (the model's context)", 0},
    {"stride", KEY_STRIDE, "N", 0, "Tokens from one window's start to the next's (half)",
     0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .doc = "How likely a text is.\v"
           "The text stands after the tokenizer's BOS, or else its EOS, which ends "
           "documents in training. Longer than the window, it is seen through windows "
           "that overlap, and every token has at least window - stride before it.\n\n"
           "With --json: {\"ids\":[...],\"logprobs\":[null,...],\"bits_per_char\":..., "
           "\"bits_per_byte\":...,\"n_chars\":...}; logarithms are natural, the first id "
           "is what the text stands after, and characters are Unicode code points.",
    .children = qv__reuse_children,
};

struct scored {
    char *text;
    struct qv_map map; // of --file
    size_t size, n_chars;
    int *ids;       // [n]
    float *logprob; // [n]
    size_t n;
};

static qv_status read_text(struct scored *s, const struct args *a, qv_err *err)
{
    if (!a->file)
        return qv__read_text(&s->text, &s->size, a->text, err);
    qv_status result = qv__map(&s->map, a->file, err);
    s->size = s->map.size;
    return result;
}

/* A character that is not UTF-8 counts as one. */
static size_t count_chars(const char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; n++)
        i += qv__max(qv__utf8_valid(text + i, size - i), 1);
    return n;
}

/* The tokens, after what starts a text. */
static qv_status tokenize(struct scored *s, const struct args *a, const qv_tokenizer *tok,
                          qv_err *err)
{
    if (!tok)
        return qv_fail(err, QV_ENOTFOUND, "%s: the model has no tokenizer", a->base.dir);
    const char *text = a->file ? s->map.bytes : s->text;
    s->n_chars = count_chars(text, s->size);
    if (s->n_chars == 0)
        return qv_fail(err, QV_EFORMAT, "an empty text has no likelihood");
    int *ids;
    size_t n;
    qv_status result = qv_tokenizer_encode(tok, text, s->size, false, &ids, &n, err);
    if (result)
        return result;
    int start = qv_tokenizer_bos(tok) >= 0 ? qv_tokenizer_bos(tok) : qv_tokenizer_eos(tok);
    s->ids = malloc((n + 1) * sizeof *s->ids);
    s->logprob = malloc((n + 1) * sizeof *s->logprob);
    if (!s->ids || !s->logprob)
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", n);
    if (!result && start >= 0 && !a->has_no_start)
        s->ids[s->n++] = start;
    if (!result && n)
        memcpy(s->ids + s->n, ids, n * sizeof *ids);
    s->n += n;
    free(ids);
    return result;
}

static double bits(const struct scored *s)
{
    double sum = 0;
    for (size_t i = 1; i < s->n; i++)
        sum -= (double)s->logprob[i];
    return sum / log(2);
}

static void print_json(const struct scored *s)
{
    json_t *ids = json_array(), *logprobs = json_array();
    for (size_t i = 0; i < s->n; i++) {
        json_array_append_new(ids, json_integer(s->ids[i]));
        json_array_append_new(logprobs,
                              i ? qv__json_number((double)s->logprob[i]) : json_null());
    }
    json_t *out =
        json_pack("{s:o, s:o, s:o, s:o, s:I, s:I}", "ids", ids, "logprobs", logprobs,
                  "bits_per_char", qv__json_number(bits(s) / (double)s->n_chars),
                  "bits_per_byte", qv__json_number(bits(s) / (double)s->size), "n_chars",
                  (json_int_t)s->n_chars, "n_bytes", (json_int_t)s->size);
    qv__print(out, true);
}

/* A short text token by token; of a long one the sums alone. */
static void print_plain(const struct scored *s, const qv_tokenizer *tok)
{
    enum { SHORT = 200 };
    for (size_t i = 0; i < s->n && s->n <= SHORT; i++) {
        if (i)
            printf("%10.4f", (double)s->logprob[i]);
        else
            printf("%10s", "");
        printf("  %6d  %s\n", s->ids[i], qv_tokenizer_token(tok, s->ids[i]));
    }
    printf("%.4f bits a character (%zu), %.4f a byte (%zu), %.4f a token (%zu)\n",
           bits(s) / (double)s->n_chars, s->n_chars, bits(s) / (double)s->size, s->size,
           s->n > 1 ? bits(s) / (double)(s->n - 1) : 0, s->n - 1);
}

int cmd_score(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m;
    qv_reuse *reuse;
    struct scored s = {0};
    struct qv_teller teller;
    a.opts.progress = qv__teller_begin(&teller);
    qv_status result = qv__reuse_begin(&m, &reuse, &a.base, &a.who, &err);
    if (!result)
        result = read_text(&s, &a, &err);
    if (!result)
        result = tokenize(&s, &a, qv_model_tokenizer(m), &err);
    if (!result)
        result = qv__score(s.logprob, m, reuse, s.ids, s.n, &a.opts, &err);
    qv__teller_end(&teller);
    if (!result && a.as_json)
        print_json(&s);
    else if (!result)
        print_plain(&s, qv_model_tokenizer(m));
    free(s.text);
    free(s.ids);
    free(s.logprob);
    qv__unmap(&s.map);
    qv_reuse_close(reuse);
    qv_model_close(m);
    return result ? qv__say_failure(&err) : 0;
}
