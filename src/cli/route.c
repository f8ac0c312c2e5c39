/* route.c - quiver route: which experts each token of a text goes to. The text
 * takes one pass through the model, and the router's answers are written down as
 * they are made. */
#include "base/arena.h"
#include "cli/cli.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/reuse.h"

#include <stdlib.h>
#include <string.h>

struct args {
    struct qv_base base;
    qv_reuse_opts who;
    const char *text, *sites;
    bool as_json;
};

enum { KEY_SITE = 256 };

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        qv_inputs(state, &a->base, &a->who, &a->as_json);
        break;
    case KEY_SITE:
        a->sites = arg;
        break;
    case ARGP_KEY_ARG:
        if (a->text)
            argp_error(state, "one text at a time: quote it");
        a->text = arg;
        break;
    case ARGP_KEY_END:
        if (!a->text)
            argp_error(state, "there is no text");
        else if (!a->who.router)
            argp_error(state, "--library and --router are missing");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"site", KEY_SITE, "REGEX", 0, "These sites alone (all that experts adapt)", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "TEXT|-",
    .doc =
        "Which experts each token of a text goes to, site by site.\v"
        "With --json: {\"tokens\":[...],\"sites\":[{\"site\":...,\"experts\":[[name,...],"
        "...],\"weights\":[[...],...]},...]}, a list of experts and one of weights for "
        "each token, by decreasing weight.",
    .children = qv__reuse_children,
};

/* What the router said at one site: k experts of the bank and weights a token. */
struct note {
    size_t k;
    int *expert;   // [T, k]
    float *weight; // [T, k]
};

struct trace {
    const qv_model *m;
    const struct qv_bank *bank;
    int *ids; // [T]
    size_t T;
    const char **token; // [T] as text
    bool *is_chosen;    // [sites]
    struct note *note;  // [sites]
    qv_arena arena;
};

static void write_down(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct trace *t = arg;
    struct note *note = &t->note[site];
    if (!t->is_chosen[site])
        return;
    note->k = r->k;
    note->expert = qv_new_n(&t->arena, int, T * r->k);
    note->weight = qv_new_n(&t->arena, float, T * r->k);
    for (size_t i = 0; i < T * r->k; i++) {
        note->expert[i] = t->bank->site[site].expert[r->expert[i]];
        note->weight[i] = r->weight[i];
    }
}

static qv_status choose_sites(struct trace *t, const char *pattern, qv_err *err)
{
    size_t n = t->m->sites.n, chosen;
    t->is_chosen = qv_new_n(&t->arena, bool, n);
    t->note = qv_new_n(&t->arena, struct note, n);
    return qv__sites_match(t->is_chosen, &chosen, &t->m->sites, pattern ? pattern : ".*",
                           err);
}

/* A token as a person reads it; where its bytes are no text, as the vocabulary
 * writes it. */
static qv_status name_tokens(struct trace *t, qv_err *err)
{
    const qv_tokenizer *tok = t->m->tokenizer;
    t->token = qv_new_n(&t->arena, const char *, t->T);
    for (size_t i = 0; i < t->T; i++) {
        char *text;
        size_t size;
        qv_status result =
            qv_tokenizer_decode(tok, &t->ids[i], 1, false, &text, &size, err);
        if (result)
            return result;
        json_t *is_text = size ? json_stringn(text, size) : NULL;
        const char *name = is_text ? text : qv_tokenizer_token(tok, t->ids[i]);
        t->token[i] = qv__arena_str(&t->arena, name ? name : "");
        json_decref(is_text);
        free(text);
    }
    return QV_OK;
}

static qv_status read_tokens(struct trace *t, const struct args *a, qv_err *err)
{
    char *text;
    size_t size;
    qv_status result = qv__read_text(&text, &size, a->text, err);
    if (result)
        return result;
    result = qv__read_tokens(&t->ids, &t->T, t->m, text, size, err);
    free(text);
    size_t n_ctx = t->m->c.n_ctx, V = t->m->c.V;
    if (!result && (t->T == 0 || t->T > n_ctx))
        result = qv_fail(err, QV_ELIMIT,
                         "a text of %zu tokens, the model has %zu positions", t->T, n_ctx);
    for (size_t i = 0; !result && i < t->T; i++)
        if ((size_t)t->ids[i] >= V)
            result = qv_fail(err, QV_EFORMAT, "token %zu is %d, the vocabulary has %zu", i,
                             t->ids[i], V);
    return result ? result : name_tokens(t, err);
}

static qv_status run(struct trace *t, const qv_reuse *reuse, qv_err *err)
{
    struct qv_update update;
    struct qv_acts acts = {0};
    int *pos = qv_new_n(&t->arena, int, t->T);
    for (size_t i = 0; i < t->T; i++)
        pos[i] = (int)i;
    qv_status result = qv__reuse_update(&update, reuse, NULL, t->T, err);
    update.watch = write_down;
    update.watch_arg = t;
    if (!result)
        result = qv__acts_init(&acts, t->m, t->T, t->T, 1, 0, 0, err);
    if (!result) {
        struct qv_seq seq = {.n = t->T};
        struct qv_batch b = {
            .T = t->T, .token = t->ids, .pos = pos, .seq = &seq, .n_seq = 1};
        qv__forward(&(struct qv_pass){.m = t->m, .a = &acts, .b = &b, .update = &update});
    }
    qv__acts_end(&acts);
    qv__update_end(&update);
    return result;
}

static json_t *site_json(const struct trace *t, size_t site)
{
    const struct note *note = &t->note[site];
    json_t *experts = json_array(), *weights = json_array();
    for (size_t i = 0; i < t->T; i++) {
        json_t *names = json_array(), *shares = json_array();
        for (size_t j = i * note->k; j < (i + 1) * note->k; j++) {
            json_array_append_new(names, json_string(t->bank->name[note->expert[j]]));
            json_array_append_new(shares, json_real((double)note->weight[j]));
        }
        json_array_append_new(experts, names);
        json_array_append_new(weights, shares);
    }
    return json_pack("{s:s, s:o, s:o}", "site", t->m->sites.at[site].path, "experts",
                     experts, "weights", weights);
}

static void print_json(const struct trace *t)
{
    json_t *tokens = json_array(), *sites = json_array();
    for (size_t i = 0; i < t->T; i++)
        json_array_append_new(tokens, json_string(t->token[i]));
    for (size_t i = 0; i < t->m->sites.n; i++)
        if (t->note[i].k)
            json_array_append_new(sites, site_json(t, i));
    qv__print(json_pack("{s:o, s:o}", "tokens", tokens, "sites", sites), true);
}

/* share [K] += the weights of token `i` at a site. */
static void add_shares(float *share, const struct trace *t, size_t site, size_t i)
{
    const struct note *note = &t->note[site];
    for (size_t j = i * note->k; j < (i + 1) * note->k; j++)
        share[note->expert[j]] += note->weight[j];
}

/* The experts with the largest shares, of a sum of `total`. */
static void put_shares(float *share, const struct trace *t, size_t total)
{
    enum { SHOWN = 4 };
    for (size_t n = 0; n < SHOWN; n++) {
        size_t best = 0;
        for (size_t e = 1; e < t->bank->K; e++)
            if (share[e] > share[best])
                best = e;
        if (share[best] <= 0)
            break;
        printf("  %s %.2f", t->bank->name[best], (double)share[best] / (double)total);
        share[best] = 0;
    }
    putchar('\n');
}

/* A token's spelling on one line, in `room` columns or more. */
static void put_token(const char *token, int room)
{
    for (; *token; token++) {
        bool breaks = *token == '\n' || *token == '\t' || *token == '\r';
        if (breaks)
            printf("\\%c", *token == '\n' ? 'n' : *token == '\t' ? 't' : 'r');
        else
            putchar(*token);
        room -= breaks ? 2 : ((unsigned char)*token & 0xc0) != 0x80;
    }
    printf("%*s", room > 0 ? room : 0, "");
}

static void print_plain(struct trace *t)
{
    float *share = qv_new_n(&t->arena, float, t->bank->K);
    size_t n_sites = 0, n = t->m->sites.n, K = t->bank->K;
    for (size_t i = 0; i < n; i++)
        n_sites += t->note[i].k > 0;
    printf("each token, over %zu sites\n", n_sites);
    for (size_t i = 0; i < t->T; i++) {
        memset(share, 0, K * sizeof *share);
        for (size_t s = 0; s < n; s++)
            add_shares(share, t, s, i);
        put_token(t->token[i], 14);
        put_shares(share, t, n_sites);
    }
    printf("\neach site, over %zu tokens\n", t->T);
    for (size_t s = 0; s < n; s++) {
        if (!t->note[s].k)
            continue;
        memset(share, 0, K * sizeof *share);
        for (size_t i = 0; i < t->T; i++)
            add_shares(share, t, s, i);
        printf("%s", t->m->sites.at[s].path);
        put_shares(share, t, t->T);
    }
}

int cmd_route(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_model *m;
    qv_reuse *reuse;
    struct trace t = {0};
    qv_status result = qv__reuse_begin(&m, &reuse, &a.base, &a.who, &err);
    if (!result && !reuse->router)
        result = qv_fail(&err, QV_EUNSUPPORTED,
                         "router '%s' does not look at tokens: there is nothing to show",
                         a.who.router);
    t.m = m;
    t.bank = reuse ? reuse->bank : NULL;
    if (!result)
        result = choose_sites(&t, a.sites, &err);
    if (!result)
        result = read_tokens(&t, &a, &err);
    if (!result)
        result = run(&t, reuse, &err);
    if (!result && a.as_json)
        print_json(&t);
    else if (!result)
        print_plain(&t);
    free(t.ids);
    qv__arena_free(&t.arena);
    qv_reuse_close(reuse);
    qv_model_close(m);
    return result ? qv__say_failure(&err) : 0;
}
