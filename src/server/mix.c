/* mix.c - see mix.h. */
#include "server/mix.h"
#include "model/decoder.h"
#include "model/reader.h"
#include "model/reading.h"
#include "model/reuse.h"
#include "server/prefix.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP = 16 }; // prompt rows whose logits or hidden states are looked at at a time

struct slot {
    struct qv_job *job; // shared; NULL: free
    struct qv_cache cache;
    struct qv_update update;
    struct qv_reader reader;
    struct qv_chain chain;  // of the prompt's tokens that were fed in whole chunks
    bool is_begun;          // the chain
    struct qv_trace *trace; // the job's, or NULL
    size_t n_fed;           // tokens in the cache
    int last;               // token said last
    uint64_t since;         // smaller: came earlier
};

/* A pass being made. */
struct pass {
    struct qv_batch b;
    struct qv_parts parts;
    size_t n_rows; // of logits that lead to tokens
};

struct qv_mix {
    const qv_model *m;
    struct qv_acts acts;
    size_t n_slots, n_ctx, chunk;
    uint64_t n_added;
    struct qv_prefix *prefix; // or NULL
    size_t n_reused;
    struct slot *slot;         // [n_slots]
    struct qv_cache **cache;   // [n_slots]
    struct qv_seq *seq;        // [n_slots]
    struct qv_pass_part *part; // [n_slots]
    int *token, *pos, *group;  // [n_slots + the last chunk], twice; [GROUP]
    int *row;                  // [n_slots] rows that lead to a token
    struct slot **speaker;     // [n_slots] and whose they are
};

/* The most tokens of a prompt's last chunk: one of a few tokens more costs less than a
 * pass for those. */
static size_t last_chunk(const struct qv_mix *x)
{
    return x->chunk + x->chunk / 2;
}

/* Tokens of the next chunk of a prompt of which n are left. */
static size_t next_chunk(const struct qv_mix *x, size_t n)
{
    return n <= last_chunk(x) ? n : x->chunk;
}

/* Chunks of a prompt of n tokens before its last one. */
static size_t chunks_before_last(const struct qv_mix *x, size_t n)
{
    return n <= last_chunk(x) ? 0 : (n - last_chunk(x) + x->chunk - 1) / x->chunk;
}

qv_status qv__mix_new(struct qv_mix **out, const qv_model *m, size_t n_slots, size_t n_ctx,
                      size_t chunk, size_t prefix_bytes, qv_err *err)
{
    qv_check(n_slots > 0 && chunk > 0 && n_ctx <= m->c.n_ctx);
    *out = NULL;
    struct qv_mix *x = calloc(1, sizeof *x);
    if (!x)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu requests", n_slots);
    *x = (struct qv_mix){.m = m, .n_slots = n_slots, .n_ctx = n_ctx, .chunk = chunk};
    size_t T = n_slots + last_chunk(x);
    qv_status result =
        qv__acts_init(&x->acts, m, T, n_ctx, qv__max(n_slots, GROUP), 0, 0, err);
    if (!result && prefix_bytes)
        result = qv__prefix_new(&x->prefix, m, chunk, prefix_bytes, err);
    x->slot = calloc(n_slots, sizeof *x->slot);
    x->cache = calloc(n_slots, sizeof *x->cache);
    x->seq = calloc(n_slots, sizeof *x->seq);
    x->part = calloc(n_slots, sizeof *x->part);
    x->token = calloc(T, sizeof *x->token);
    x->pos = calloc(T, sizeof *x->pos);
    x->group = calloc(GROUP, sizeof *x->group);
    x->row = calloc(n_slots, sizeof *x->row);
    x->speaker = calloc(n_slots, sizeof *x->speaker);
    if (!result && (!x->slot || !x->cache || !x->seq || !x->part || !x->token || !x->pos ||
                    !x->group || !x->row || !x->speaker))
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu requests", n_slots);
    for (size_t i = 0; !result && i < n_slots; i++)
        x->cache[i] = &x->slot[i].cache;
    if (result)
        qv__mix_free(x);
    else
        *out = x;
    return result;
}

/* The job is done with; its slot is free. */
static void leave(struct slot *s, enum qv_finish finish, const qv_err *err)
{
    qv__job_end(s->job, finish, err);
    qv__job_release(s->job);
    qv__update_end(&s->update);
    qv__cache_end(&s->cache);
    s->job = NULL;
}

void qv__mix_free(struct qv_mix *x)
{
    if (!x)
        return;
    qv_err err;
    qv_fail(&err, QV_ECANCEL, "the server is shutting down");
    for (size_t i = 0; x->slot && i < x->n_slots; i++)
        if (x->slot[i].job)
            leave(&x->slot[i], QV_FINISH_FAILED, &err);
    qv__acts_end(&x->acts);
    qv__prefix_free(x->prefix);
    free(x->slot);
    free(x->cache);
    free(x->seq);
    free(x->part);
    free(x->token);
    free(x->pos);
    free(x->group);
    free(x->row);
    free(x->speaker);
    free(x);
}

void qv__mix_add(struct qv_mix *x, struct qv_job *job)
{
    size_t i = 0;
    while (i < x->n_slots && x->slot[i].job)
        i++;
    qv_check(i < x->n_slots);
    struct slot *s = &x->slot[i];
    const struct qv_job_opts *o = qv__job_opts(job);
    qv_check(o->n_prompt + o->max_new <= x->n_ctx);
    *s = (struct slot){.job = qv__job_share(job), .since = x->n_added++};
    qv_err err;
    qv_status result = qv__cache_init(&s->cache, x->m, o->n_prompt + o->max_new, &err);
    if (!result)
        result = qv__reuse_update(&s->update, o->reuse, NULL, last_chunk(x), &err);
    if (!result)
        qv__reader_init(&s->reader, &s->update, o->prompt, o->n_prompt);
    s->trace = qv__job_trace(job);
    if (s->trace) {
        s->update.watch = qv__trace_see;
        s->update.watch_arg = s->trace;
    }
    if (result)
        leave(s, QV_FINISH_FAILED, &err);
}

size_t qv__mix_busy(const struct qv_mix *x)
{
    size_t n = 0;
    for (size_t i = 0; i < x->n_slots; i++)
        n += x->slot[i].job != NULL;
    return n;
}

size_t qv__mix_reused(const struct qv_mix *x)
{
    return x->n_reused;
}

size_t qv__mix_prefix_bytes(const struct qv_mix *x)
{
    return qv__prefix_bytes(x->prefix);
}

static void drop_canceled(struct qv_mix *x)
{
    qv_err err;
    qv_fail(&err, QV_ECANCEL, "canceled");
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slot[i].job && qv__job_is_canceled(x->slot[i].job))
            leave(&x->slot[i], QV_FINISH_FAILED, &err);
}

static bool is_reading(const struct slot *s)
{
    return s->job && s->n_fed < qv__job_opts(s->job)->n_prompt;
}

/* The job whose prompt has waited longest, or NULL. */
static struct slot *next_reader(struct qv_mix *x)
{
    struct slot *first = NULL;
    for (size_t i = 0; i < x->n_slots; i++)
        if (is_reading(&x->slot[i]) && (!first || x->slot[i].since < first->since))
            first = &x->slot[i];
    return first;
}

/* The next n tokens of a slot go into the pass. */
static void feed(struct qv_mix *x, struct pass *p, struct slot *s, size_t n)
{
    const struct qv_job_opts *o = qv__job_opts(s->job);
    const bool reads = is_reading(s);
    const size_t begin = p->b.T;
    x->seq[p->b.n_seq++] = (struct qv_seq){
        .begin = begin, .n = n, .n_past = s->n_fed, .cache = (size_t)(s - x->slot)};
    x->part[p->parts.n++] =
        (struct qv_pass_part){begin, n, s->update.bank ? &s->update : NULL};
    if (s->trace)
        qv__trace_begin(s->trace, s->n_fed);
    p->parts.n_single += n == 1;
    for (size_t i = 0; i < n; i++) {
        x->token[begin + i] = reads ? o->prompt[s->n_fed + i] : s->last;
        x->pos[begin + i] = (int)(s->n_fed + i);
    }
    p->b.T += n;
    s->n_fed += n;
    if (s->n_fed >= o->n_prompt && s->n_fed < o->n_prompt + o->max_new) {
        x->row[p->n_rows] = (int)(p->b.T - 1);
        x->speaker[p->n_rows++] = s;
    }
}

/* What is asked about rows of a chunk: how likely each next token was, and their mean.
 * The logits of a group have a product of their own. */
static void look_at_chunk(struct qv_mix *x, const struct qv_pass *pass, struct slot *s,
                          size_t begin, size_t n)
{
    const struct qv_job_opts *o = qv__job_opts(s->job);
    const size_t first = s->n_fed - n, V = x->m->c.V, D = x->m->c.D;
    struct qv_pass whole = *pass;
    whole.parts = NULL;
    for (size_t i = 0; i < n; i += GROUP) {
        size_t m = qv__min(GROUP, n - i);
        for (size_t j = 0; j < m; j++)
            x->group[j] = (int)(begin + i + j);
        if (o->wants_prompt)
            qv__decoder_logits(&whole, x->group, m);
        else
            qv__decoder_normed(&whole, x->group, m);
        if (o->wants_mean)
            qv__job_add_hidden(s->job, x->acts.row_normed, m, D);
        for (size_t j = 0; o->wants_prompt && j < m && first + i + j + 1 < o->n_prompt; j++)
            qv__job_read(s->job, first + i + j + 1, x->acts.logits + j * V, V);
    }
}

/* The next token of a job, from its logits. */
static void speak(struct qv_mix *x, struct slot *s, const float *logits)
{
    const struct qv_job_opts *o = qv__job_opts(s->job);
    const size_t V = x->m->c.V;
    int id = qv_sample(logits, V, &o->sample, s->n_fed);
    s->last = id == o->end[0] || id == o->end[1] ? -1 : id;
    if (s->last >= 0)
        qv__job_say(s->job, id, logits, V);
    else
        qv__job_stop(s->job, id, logits, V);
}

static void end_what_is_done(struct qv_mix *x)
{
    for (size_t i = 0; i < x->n_slots; i++) {
        struct slot *s = &x->slot[i];
        if (!s->job || is_reading(s))
            continue;
        const struct qv_job_opts *o = qv__job_opts(s->job);
        // With the token that is not yet fed; where routing is wanted, that comes as well.
        size_t n_said = s->n_fed - o->n_prompt + 1;
        if (o->max_new > 0 && s->last < 0)
            leave(s, QV_FINISH_STOP, NULL);
        else if (o->max_new == 0 || n_said == o->max_new + (s->trace != NULL))
            leave(s, QV_FINISH_LENGTH, NULL);
    }
}

/* Let the router of that slot read; returns how many tokens. */
static size_t read_ahead(struct qv_mix *x, struct slot *s)
{
    const struct qv_pass pass = {.m = x->m, .a = &x->acts, .cache = x->cache};
    size_t n = qv__reader_next(&s->reader, x->chunk);
    if (n)
        qv__reader_read(&s->reader, &pass, (size_t)(s - x->slot), x->token, x->pos, n);
    return n;
}

/* Before the first token of a prompt: what is remembered of how it begins, but for its last
 * chunk. A prompt of which more is asked is read whole. */
static void recall(struct qv_mix *x, struct slot *s)
{
    const struct qv_job_opts *o = qv__job_opts(s->job);
    if (s->is_begun || !x->prefix || !o->who_id)
        return;
    const struct qv_router *r = qv__update_reads(&s->update) ? s->update.router : NULL;
    qv__chain_begin(&s->chain, o->who_id, o->prompt,
                    r ? qv__read_length(r->ops->reads, o->n_prompt) : 0);
    s->is_begun = true;
    if (o->wants_prompt || o->wants_mean || o->routes_prompt)
        return;
    s->n_fed = x->chunk * qv__prefix_fetch(x->prefix, &s->chain, o->prompt,
                                           chunks_before_last(x, o->n_prompt), &s->cache);
    qv__job_set_recalled(s->job, s->n_fed);
    x->n_reused += s->n_fed;
}

/* Its last n prompt tokens were fed. */
static void remember(struct qv_mix *x, struct slot *s, size_t n)
{
    if (s->is_begun && n == x->chunk)
        qv__prefix_keep(x->prefix, &s->chain, qv__job_opts(s->job)->prompt + s->n_fed - n,
                        &s->cache, s->n_fed - n);
}

size_t qv__mix_turn(struct qv_mix *x)
{
    struct pass p = {.b = {.token = x->token, .pos = x->pos, .seq = x->seq},
                     .parts = {.at = x->part}};
    drop_canceled(x);
    struct slot *reader = next_reader(x);
    const size_t n_ahead = reader ? read_ahead(x, reader) : 0;
    if (n_ahead)
        reader = NULL; // its own tokens come in a later turn
    if (reader)
        recall(x, reader);
    size_t n =
        reader ? next_chunk(x, qv__job_opts(reader->job)->n_prompt - reader->n_fed) : 0;
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slot[i].job && !is_reading(&x->slot[i]))
            feed(x, &p, &x->slot[i], 1);
    if (reader)
        feed(x, &p, reader, n);
    if (p.b.T == 0)
        return n_ahead;
    struct qv_pass pass = {
        .m = x->m, .a = &x->acts, .b = &p.b, .parts = &p.parts, .cache = x->cache};
    qv__decoder_forward(&pass);
    if (reader)
        remember(x, reader, n);
    if (reader &&
        (qv__job_opts(reader->job)->wants_prompt || qv__job_opts(reader->job)->wants_mean))
        look_at_chunk(x, &pass, reader, p.b.T - n, n);
    qv__decoder_logits(&pass, x->row, p.n_rows);
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slot[i].job)
            qv__job_fed(x->slot[i].job, x->slot[i].n_fed);
    const float *logits = x->acts.logits;
#pragma omp parallel for schedule(dynamic) if (p.n_rows > 1)
    for (size_t i = 0; i < p.n_rows; i++)
        speak(x, x->speaker[i], logits + i * x->m->c.V);
    end_what_is_done(x);
    return n_ahead + p.b.T;
}
