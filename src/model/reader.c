/* reader.c - see reader.h; what is read is that of model/reading.c. */
#include "model/reader.h"
#include "kern/kern.h"
#include "model/reading.h"
#include "route/ngrams.h"

#include <string.h>

/* Layers that what is read goes through. */
static size_t layers_of(const struct qv_update *u, const struct qv_pass *pass)
{
    return u->router->ops->reads == QV_READS_SITES ? pass->m->c.L
                                                   : u->router->texts->n_layers;
}

/* A router by text hears a site at the last of these rows. */
static void hear(void *arg, size_t site, size_t T, const float *x)
{
    struct qv_update *u = arg;
    u->router->ops->hear(u->router, site, x + (T - 1) * u->bank->site[site].D_in,
                         u->texts.logit, u->z, &u->routing);
}

void qv__reader_init(struct qv_reader *r, struct qv_update *u, const int *prompt, size_t n)
{
    *r = (struct qv_reader){0};
    if (!qv__update_reads(u))
        return;
    struct qv_texts *x = &u->texts;
    n = qv__read_length(u->router->ops->reads, n);
    x->is_one = true;
    memset(x->slot, 0, u->T_max * sizeof *x->slot);
    if (u->router->ops->reads == QV_READS_NGRAMS) {
        qv__ngrams(x->f, QV_READ_BUCKETS, prompt, n);
        qv__update_judge(u, 0, x->f);
        return;
    }
    memset(x->f, 0, u->router->texts->F * sizeof *x->f);
    memset(x->logit, 0, u->bank->K * sizeof *x->logit);
    *r = (struct qv_reader){.update = u, .prompt = prompt, .n = n};
}

size_t qv__reader_next(const struct qv_reader *r, size_t chunk)
{
    return qv__min(chunk, r->n - r->n_read);
}

void qv__reader_read(struct qv_reader *r, const struct qv_pass *pass, size_t cache,
                     int *token, int *pos, size_t n)
{
    struct qv_update *u = r->update;
    struct qv_seq seq = {.n = n, .n_past = r->n_read, .cache = cache};
    struct qv_batch b = {.T = n, .token = token, .pos = pos, .seq = &seq, .n_seq = 1};
    const bool hears = u->router->ops->reads == QV_READS_SITES;
    const bool is_last = r->n_read + n == r->n;
    struct qv_update ear = {
        .bank = u->bank, .T_max = u->T_max, .see = hear, .watch_arg = u, .only_sees = true};
    const struct qv_pass_part part = {.n = n, .update = hears && is_last ? &ear : NULL};
    const struct qv_parts parts = {.at = &part, .n = 1};
    struct qv_pass own = *pass;
    const size_t D = pass->m->c.D;
    own.b = &b;
    own.parts = &parts;
    for (size_t i = 0; i < n; i++) {
        token[i] = r->prompt[r->n_read + i];
        pos[i] = (int)(r->n_read + i);
    }
    const float *x = qv__decoder_hidden(&own, layers_of(u, pass));
    for (size_t i = 0; !hears && i < n; i++)
        qv__kern()->axpy(u->texts.f, 1 / (float)r->n, x + i * D, D);
    r->n_read += n;
    if (is_last)
        qv__update_judge(u, 0, u->texts.f);
}
