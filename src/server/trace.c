/* trace.c - see trace.h. */
#include "server/trace.h"
#include "base/carve.h"
#include "model/model.h"

#include <stdlib.h>

struct qv_trace {
    const struct qv_bank *bank;
    size_t n_sites;        // that experts adapt
    size_t *site, *place;  // [n_sites] of the model; [sites of the model] and back
    size_t *begin;         // [n_sites + 1] where a token's pairs of each site begin
    size_t first, n, next; // tokens that are kept; the first row of the next pass
    struct qv_share *pair; // [n, begin[n_sites]]
    void *mem;             // owns the arrays
};

static const struct qv_bank *bank_of(const qv_reuse *reuse)
{
    return reuse && reuse->router ? reuse->bank : NULL;
}

static size_t pairs_at(const qv_reuse *reuse, size_t site)
{
    return qv__min(reuse->router->top_k, reuse->bank->site[site].K);
}

size_t qv__trace_size(const qv_reuse *reuse, size_t n)
{
    const struct qv_bank *bank = bank_of(reuse);
    size_t size = 0;
    for (size_t i = 0; bank && i < bank->n_sites; i++)
        size += pairs_at(reuse, i);
    return n > 0 && size > SIZE_MAX / n ? SIZE_MAX : size * n;
}

static size_t lay_out(struct qv_trace *t, void *base, size_t n_pairs)
{
    qv_carve c = {.base = base};
    t->site = qv__carve(&c, t->n_sites, 1, 1, sizeof *t->site);
    t->place = qv__carve(&c, t->bank->n_sites, 1, 1, sizeof *t->place);
    t->begin = qv__carve(&c, t->n_sites + 1, 1, 1, sizeof *t->begin);
    t->pair = qv__carve(&c, n_pairs, 1, 1, sizeof *t->pair);
    return c.used;
}

qv_status qv__trace_new(struct qv_trace **out, const qv_reuse *reuse, size_t first,
                        size_t n, qv_err *err)
{
    size_t n_pairs = qv__trace_size(reuse, n), at = 0;
    *out = NULL;
    if (n_pairs == 0)
        return QV_OK;
    struct qv_trace *t = calloc(1, sizeof *t);
    if (!t)
        return qv_fail(err, QV_ENOMEM, "no memory for the routing of %zu tokens", n);
    *t = (struct qv_trace){.bank = reuse->bank, .first = first, .n = n};
    for (size_t i = 0; i < t->bank->n_sites; i++)
        t->n_sites += t->bank->site[i].K > 0;
    qv_carve need = {.used = lay_out(t, NULL, n_pairs)};
    t->mem = qv__carve_alloc(&need);
    if (!t->mem) {
        free(t);
        return qv_fail(err, QV_ENOMEM, "no memory for the routing of %zu tokens", n);
    }
    lay_out(t, t->mem, n_pairs);
    for (size_t i = 0; i < t->bank->n_sites; i++) {
        if (t->bank->site[i].K == 0)
            continue;
        t->site[at] = i;
        t->place[i] = at;
        t->begin[at + 1] = t->begin[at] + pairs_at(reuse, i);
        at++;
    }
    *out = t;
    return QV_OK;
}

void qv__trace_free(struct qv_trace *t)
{
    if (!t)
        return;
    free(t->mem);
    free(t);
}

bool qv__trace_begin(struct qv_trace *t, size_t first, size_t n)
{
    t->next = first;
    return first + n > t->first && first < t->first + t->n;
}

static struct qv_share *pairs_of(const struct qv_trace *t, size_t token, size_t i)
{
    return t->pair + (token - t->first) * t->begin[t->n_sites] + t->begin[i];
}

void qv__trace_see(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    struct qv_trace *t = arg;
    const struct qv_bank_site *s = &t->bank->site[site];
    const size_t i = t->place[site];
    qv_check(r->k == t->begin[i + 1] - t->begin[i]);
    for (size_t row = 0; row < T; row++) {
        size_t token = t->next + row;
        if (token < t->first || token - t->first >= t->n)
            continue;
        struct qv_share *to = pairs_of(t, token, i);
        for (size_t j = 0; j < r->k; j++)
            to[j] = (struct qv_share){s->expert[r->expert[row * r->k + j]],
                                      r->weight[row * r->k + j]};
    }
}

size_t qv__trace_sites(const struct qv_trace *t)
{
    return t->n_sites;
}

size_t qv__trace_site(const struct qv_trace *t, size_t i)
{
    return t->site[i];
}

const struct qv_share *qv__trace_at(const struct qv_trace *t, size_t token, size_t i,
                                    size_t *k)
{
    *k = t->begin[i + 1] - t->begin[i];
    return pairs_of(t, token, i);
}
