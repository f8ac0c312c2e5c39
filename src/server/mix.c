/* mix.c - see mix.h. */
#include "server/mix.h"
#include "model/forward.h"
#include "model/layout.h"
#include "model/reader.h"
#include "model/reading.h"
#include "model/reuse.h"
#include "server/lane.h"
#include "server/prefix.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum {
    GROUP = 16,     // prompt rows whose logits or hidden states are looked at at a time
    SMALL = 1 << 24 // weights of a model that threads had better not share a pass over
};

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

struct qv_mix {
    const qv_model *m;
    size_t n_slots, n_ctx, chunk;
    uint64_t n_added;
    struct qv_prefix *prefix; // or NULL
    size_t n_reused;
    struct slot *slot;       // [n_slots]
    struct qv_cache **cache; // [n_slots]
    struct slot **reader;    // [n_readers] whose prompts are read in this turn
    size_t n_readers;
    int group[GROUP];     // rows that are looked at
    struct qv_lane whole; // the team's
    struct qv_lane *lane; // [n_lanes] of a thread each
    size_t n_lanes;       // 0: the model is not small
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

static qv_status count(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)name, (void)err;
    *(size_t *)arg += w->D_out * w->D_in;
    return QV_OK;
}

/* A lane for each thread, if the model is small and several jobs may speak at once. */
static qv_status open_lanes(struct qv_mix *x, qv_err *err)
{
    const size_t n = qv__min((size_t)omp_get_max_threads(), x->n_slots);
    size_t n_weights = 0;
    qv_status result = qv__model_each((qv_model *)(uintptr_t)x->m, count, &n_weights, err);
    if (result || n_weights > SMALL || n < 2)
        return result;
    x->lane = calloc(n, sizeof *x->lane);
    if (!x->lane)
        return qv_fail(err, QV_ENOMEM, "no memory for %zu requests", x->n_slots);
    const size_t share = (x->n_slots + n - 1) / n;
    for (; !result && x->n_lanes < n; x->n_lanes += !result)
        result =
            qv__lane_init(&x->lane[x->n_lanes], x->m, share, share, x->n_ctx, share, err);
    return result;
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
    qv_status result = qv__lane_init(&x->whole, m, n_slots, n_slots + last_chunk(x), n_ctx,
                                     qv__max(n_slots, GROUP), err);
    if (!result)
        result = open_lanes(x, err);
    if (!result && prefix_bytes)
        result = qv__prefix_new(&x->prefix, m, chunk, prefix_bytes, err);
    x->slot = calloc(n_slots, sizeof *x->slot);
    x->cache = calloc(n_slots, sizeof *x->cache);
    x->reader = calloc(n_slots, sizeof *x->reader);
    if (!result && (!x->slot || !x->cache || !x->reader))
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
    for (size_t i = 0; i < x->n_lanes; i++)
        qv__lane_end(&x->lane[i]);
    qv__lane_end(&x->whole);
    qv__prefix_free(x->prefix);
    free(x->lane);
    free(x->slot);
    free(x->cache);
    free(x->reader);
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
    s->update.watch_arg = s->trace;
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

/* The job whose prompt has waited longest, of those that came after `since`; or NULL. */
static struct slot *next_reader(struct qv_mix *x, uint64_t since)
{
    struct slot *first = NULL;
    for (size_t i = 0; i < x->n_slots; i++)
        if (is_reading(&x->slot[i]) && x->slot[i].since >= since &&
            (!first || x->slot[i].since < first->since))
            first = &x->slot[i];
    return first;
}

/* Whether something is asked about each token of the prompt. */
static bool is_looked_at(const struct qv_job_opts *o)
{
    return o->wants_prompt || o->wants_mean;
}

/* The next n tokens of a slot go into a lane. */
static void feed(struct qv_mix *x, struct qv_lane *l, struct slot *s, size_t n)
{
    const struct qv_job_opts *o = qv__job_opts(s->job);
    const bool reads = is_reading(s);
    const size_t first = s->n_fed;
    s->n_fed += n;
    const bool leads = s->n_fed >= o->n_prompt && s->n_fed < o->n_prompt + o->max_new;
    const struct qv_seq rows = {
        .n = n, .n_past = first, .n_unread = reads && is_looked_at(o) ? 0 : n - leads};
    const size_t begin = qv__lane_feed(l, (size_t)(s - x->slot), rows,
                                       s->update.bank ? &s->update : NULL, leads);
    const bool is_seen = s->trace && qv__trace_begin(s->trace, first, n);
    s->update.watch = is_seen ? qv__trace_see : NULL;
    for (size_t i = 0; i < n; i++) {
        l->token[begin + i] = reads ? o->prompt[first + i] : s->last;
        l->pos[begin + i] = (int)(first + i);
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
            qv__job_add_hidden(s->job, pass->a->row_normed, m, D);
        for (size_t j = 0; o->wants_prompt && j < m && first + i + j + 1 < o->n_prompt; j++)
            qv__job_read(s->job, first + i + j + 1, pass->a->logits + j * V, V);
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
    const struct qv_pass pass = qv__lane_pass(x->m, &x->whole, x->cache);
    size_t n = qv__reader_next(&s->reader, x->chunk);
    if (n)
        qv__reader_read(&s->reader, &pass, (size_t)(s - x->slot), x->whole.token,
                        x->whole.pos, n);
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
    if (is_looked_at(o) || o->routes_prompt)
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

/* After a pass: what was fed is told, and the tokens that its rows lead to. */
static void speak_all(struct qv_mix *x, struct qv_lane *l)
{
    const size_t V = x->m->c.V;
    for (size_t i = 0; i < l->b.n_seq; i++) {
        struct slot *s = &x->slot[l->seq[i].cache];
        qv__job_fed(s->job, s->n_fed);
    }
#pragma omp parallel for schedule(dynamic) if (l->n_rows > 1)
    for (size_t i = 0; i < l->n_rows; i++)
        speak(x, &x->slot[l->slot[i]], l->acts.logits + i * V);
}

/* The team's pass, and what is to be done with what it read. */
static void pass_together(struct qv_mix *x)
{
    struct qv_lane *l = &x->whole;
    const struct qv_pass pass = qv__lane_pass(x->m, l, x->cache);
    if (l->b.T == 0)
        return;
    qv__forward(&pass);
    for (size_t i = 0; i < l->b.n_seq; i++) {
        const struct qv_seq *q = &l->seq[i];
        struct slot *s = &x->slot[q->cache];
        const struct qv_job_opts *o = qv__job_opts(s->job);
        if (q->n_past >= o->n_prompt)
            continue; // it speaks
        remember(x, s, q->n);
        if (is_looked_at(o))
            look_at_chunk(x, &pass, s, q->begin, q->n);
    }
    qv__decoder_logits(&pass, l->row, l->n_rows);
    speak_all(x, l);
}

/* A pass in each lane. Inside them a product has one thread, as that of a single row has
 * anyway: to the bit, what comes of a row does not depend on which way it goes. */
static void pass_apart(struct qv_mix *x)
{
#pragma omp parallel for schedule(static, 1) num_threads((int)x->n_lanes)
    for (size_t i = 0; i < x->n_lanes; i++) {
        struct qv_lane *l = &x->lane[i];
        const struct qv_pass pass = qv__lane_pass(x->m, l, x->cache);
        qv__forward(&pass);
        qv__decoder_logits(&pass, l->row, l->n_rows);
        speak_all(x, l);
    }
}

/* All that speak, a row each: into the lanes, if there are at least two for each, and else
 * into the whole. Returns whether into the lanes. */
static bool feed_speakers(struct qv_mix *x)
{
    size_t n = 0, n_speakers = 0;
    for (size_t i = 0; i < x->n_slots; i++)
        n_speakers += x->slot[i].job && !is_reading(&x->slot[i]);
    const bool are_apart = x->n_lanes && n_speakers >= 2 * x->n_lanes;
    for (size_t i = 0; i < x->n_slots; i++)
        if (x->slot[i].job && !is_reading(&x->slot[i]))
            feed(x, are_apart ? &x->lane[n++ % x->n_lanes] : &x->whole, &x->slot[i], 1);
    return are_apart;
}

/* The next chunks of prompts, in the order in which they came: one, and as many more as
 * fit into the room of one. Returns how many tokens routers have read instead. */
static size_t choose_readers(struct qv_mix *x)
{
    size_t n_ahead = 0, room = x->chunk;
    x->n_readers = 0;
    for (struct slot *s = next_reader(x, 0); s; s = next_reader(x, s->since + 1)) {
        size_t n = read_ahead(x, s); // its own tokens come in a later turn
        n_ahead += n;
        if (n == 0) {
            recall(x, s);
            n = next_chunk(x, qv__job_opts(s->job)->n_prompt - s->n_fed);
            if (n > room && room < x->chunk)
                break;
            x->reader[x->n_readers++] = s;
        }
        if (n >= room)
            break;
        room -= n;
    }
    return n_ahead;
}

static void feed_readers(struct qv_mix *x)
{
    for (size_t i = 0; i < x->n_readers; i++) {
        struct slot *s = x->reader[i];
        feed(x, &x->whole, s, next_chunk(x, qv__job_opts(s->job)->n_prompt - s->n_fed));
    }
}

size_t qv__mix_turn(struct qv_mix *x)
{
    qv__lane_begin(&x->whole);
    for (size_t i = 0; i < x->n_lanes; i++)
        qv__lane_begin(&x->lane[i]);
    drop_canceled(x);
    size_t n = choose_readers(x);
    if (feed_speakers(x))
        pass_apart(x);
    feed_readers(x);
    pass_together(x);
    end_what_is_done(x);
    n += x->whole.b.T;
    for (size_t i = 0; i < x->n_lanes; i++)
        n += x->lane[i].b.T;
    return n;
}
