/* mixture.c - see mixture.h. */
#include "lora/mixture.h"
#include "base/hash.h"
#include "base/rng.h"
#include "kern/kern.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float EPSILON = 1e-8f; // in the authors' denominator

/* Site i's weights begin there in a block laid out as like->w. */
static size_t start_of(const struct qv_mixture *m, size_t i)
{
    return (size_t)(m->like->site[i].A - m->like->w);
}

/* The parts of a site that one head's weight multiplies: R Q pieces of rows of A, then
 * Q pieces of B. */
struct block {
    size_t at, n, q;
};

static size_t n_blocks(const struct qv_mixture *m, size_t site)
{
    return (m->like->site[site].R + 1) * m->Q;
}

static struct block block(const struct qv_mixture *m, size_t site, size_t i)
{
    const struct qv_expert_site *s = &m->like->site[site];
    size_t Q = m->Q, A = start_of(m, site), q = i % Q;
    if (i < s->R * Q)
        return (struct block){A + i / Q * s->D_in + q * (s->D_in / Q), s->D_in / Q, q};
    size_t n = s->D_out / Q * s->R;
    return (struct block){A + s->R * s->D_in + q * n, n, q};
}

/* The weights of one set of heads, within w or dw. */
static size_t group(const struct qv_mixture *m, size_t site)
{
    return m->n_groups == 1 ? 0 : site * m->Q * m->S;
}

static qv_status add_site(struct qv_expert_shape *shape, size_t *n,
                          const struct qv_expert_site *s, const char *expert, size_t heads,
                          qv_err *err)
{
    size_t i = 0;
    while (i < *n && strcmp(shape[i].path, s->path) != 0)
        i++;
    if (i == *n)
        shape[(*n)++] = (struct qv_expert_shape){s->path, s->D_in, s->D_out, 0,
                                                 s->scale != 0 ? s->scale : 1};
    if (shape[i].D_in != s->D_in || shape[i].D_out != s->D_out)
        return qv_fail(err, QV_EFORMAT,
                       "expert '%s': site '%s' maps %zu to %zu, another expert's %zu to "
                       "%zu",
                       expert, s->path, s->D_in, s->D_out, shape[i].D_in, shape[i].D_out);
    if (s->D_in % heads || s->D_out % heads)
        return qv_fail(err, QV_EFORMAT,
                       "site '%s' maps %zu to %zu, which %zu heads do not divide", s->path,
                       s->D_in, s->D_out, heads);
    shape[i].R = qv__max(shape[i].R, s->R);
    return QV_OK;
}

/* The union of the experts' sites, at the largest ranks and the first one's scales. */
static qv_status make_like(struct qv_mixture *m, struct qv_expert *const *experts,
                           qv_err *err)
{
    qv_arena a = {0};
    size_t most = 0, n = 0;
    for (size_t s = 0; s < m->S; s++)
        most += experts[s]->n_sites;
    struct qv_expert_shape *shape = qv_new_n(&a, struct qv_expert_shape, most);
    qv_status result = QV_OK;
    for (size_t s = 0; s < m->S && !result; s++)
        for (size_t i = 0; i < experts[s]->n_sites && !result; i++)
            result = add_site(shape, &n, &experts[s]->site[i], experts[s]->name, m->Q, err);
    for (size_t i = 0; i < n; i++)
        shape[i].alpha *= (float)shape[i].R;
    if (!result)
        result = qv__expert_new(&m->like, experts[0]->name, shape, n, false, err);
    if (!result) {
        const char *base = experts[0]->base;
        m->like->base = base ? qv__arena_str(&m->like->arena, base) : NULL;
        m->like->dropout = experts[0]->dropout;
    }
    qv__arena_free(&a);
    return result;
}

/* Expert e into `to`, laid out as like->w. */
static void place(float *to, const struct qv_mixture *m, const struct qv_expert *e)
{
    for (size_t i = 0; i < m->like->n_sites; i++) {
        const struct qv_expert_site *l = &m->like->site[i];
        float *A = to + start_of(m, i), *B = A + l->R * l->D_in;
        for (size_t j = 0; j < e->n_sites; j++) {
            const struct qv_expert_site *s = &e->site[j];
            if (strcmp(s->path, l->path) != 0)
                continue;
            float b = s->scale == l->scale ? 1 : s->scale / l->scale;
            memcpy(A, s->A, s->R * s->D_in * sizeof *A);
            for (size_t o = 0; o < s->D_out; o++)
                for (size_t r = 0; r < s->R; r++)
                    B[o * l->R + r] = b * s->B[o * s->R + r];
        }
    }
}

qv_status qv__mixture_new(struct qv_mixture **out, struct qv_expert *const *experts,
                          size_t S, const struct qv_mixture_opts *opts, qv_err *err)
{
    const struct qv_mixture_opts o = opts ? *opts : (struct qv_mixture_opts){0};
    qv_check(S > 0);
    *out = NULL;
    struct qv_mixture *m = calloc(1, sizeof *m);
    if (!m)
        return qv_fail(err, QV_ENOMEM, "no memory for a mixture of %zu experts", S);
    *m = (struct qv_mixture){.S = S,
                             .T = qv__max(o.n_tasks, 1),
                             .Q = qv__max(o.heads, 1),
                             .weights = o.weights,
                             .is_frozen = o.is_frozen};
    qv_status result = make_like(m, experts, err);
    size_t n = 0, bytes;
    if (!result) {
        m->n_groups = o.is_shared ? 1 : m->like->n_sites;
        bool fits = !__builtin_mul_overflow(S, m->like->n_w, &m->n_skill) &&
                    !__builtin_mul_overflow(m->T, qv__mixture_n_weights(m), &m->n_logit) &&
                    !__builtin_add_overflow(m->n_skill, m->n_logit, &n) &&
                    !__builtin_mul_overflow(n, sizeof *m->skill, &bytes);
        m->skill = fits ? calloc(n, sizeof *m->skill) : NULL;
        if (!m->skill)
            result = qv_fail(err, QV_ENOMEM, "no memory for a mixture of %zu experts", S);
    }
    if (result) {
        qv__mixture_free(m);
        return result;
    }
    m->logit = m->skill + m->n_skill;
    for (size_t s = 0; s < S; s++)
        place(m->skill + s * m->like->n_w, m, experts[s]);
    *out = m;
    return QV_OK;
}

void qv__mixture_free(struct qv_mixture *m)
{
    if (!m)
        return;
    qv__expert_free(m->like);
    free(m->skill);
    free(m);
}

void qv__mixture_init(struct qv_mixture *m, uint64_t seed)
{
    uint64_t stream = qv__seed_named(seed, "logits");
    for (size_t i = 0; i < m->n_logit; i++)
        m->logit[i] = (2 * qv__uniform(stream, i) - 1) * 1e-3f;
}

float *qv__mixture_trained(const struct qv_mixture *m, size_t *n)
{
    *n = m->is_frozen ? m->n_logit : m->n_skill + m->n_logit;
    return m->is_frozen ? m->logit : m->skill;
}

size_t qv__mixture_n_weights(const struct qv_mixture *m)
{
    return m->n_groups * m->Q * m->S;
}

static float sigmoid(float z)
{
    return 1 / (1 + expf(-z));
}

/* The weights w [S] of one head's logits z [S]; returns their denominator. */
static float weigh(float *w, const float *z, size_t S, enum qv_mixing how)
{
    float sum = how == QV_MIX_SIGMOID ? EPSILON : 0, top = z[0];
    for (size_t s = 1; s < S; s++)
        top = fmaxf(top, z[s]);
    for (size_t s = 0; s < S; s++) {
        w[s] = how == QV_MIX_SIGMOID ? sigmoid(z[s]) : expf(z[s] - top);
        sum += w[s];
    }
    for (size_t s = 0; s < S; s++)
        w[s] /= sum;
    return sum;
}

void qv__mixture_weights(float *w, const struct qv_mixture *m, size_t task)
{
    qv_check(task < m->T);
    size_t n = qv__mixture_n_weights(m);
    for (size_t i = 0; i < n; i += m->S)
        weigh(w + i, m->logit + task * n + i, m->S, m->weights);
}

void qv__mixture_fold(float *to, const struct qv_mixture *m, const float *w)
{
    const struct qv_kern *k = qv__kern();
    size_t n_w = m->like->n_w;
    memset(to, 0, n_w * sizeof *to);
    for (size_t i = 0; i < m->like->n_sites; i++) {
        const float *own = w + group(m, i);
        for (size_t j = 0; j < n_blocks(m, i); j++) {
            struct block b = block(m, i, j);
            for (size_t s = 0; s < m->S; s++)
                k->axpy(to + b.at, own[b.q * m->S + s], m->skill + s * n_w + b.at, b.n);
        }
    }
}

/* dz [S] += the gradient of the logits z [S] of a head whose weights are w [S]. */
static void weigh_back(float *dz, const float *z, const float *w, const float *dw, size_t S,
                       enum qv_mixing how)
{
    float mean = 0, sum = EPSILON;
    for (size_t s = 0; s < S; s++) {
        mean += w[s] * dw[s];
        sum += sigmoid(z[s]);
    }
    for (size_t s = 0; s < S; s++) {
        float p = sigmoid(z[s]);
        float slope = how == QV_MIX_SIGMOID ? p * (1 - p) / sum : w[s];
        dz[s] += slope * (dw[s] - mean);
    }
}

void qv__mixture_back(float *g, const struct qv_mixture *m, size_t task, const float *w,
                      const float *d, float *dw)
{
    const struct qv_kern *k = qv__kern();
    size_t n_w = m->like->n_w, n = qv__mixture_n_weights(m);
    memset(dw, 0, n * sizeof *dw);
    for (size_t i = 0; i < m->like->n_sites; i++)
        for (size_t j = 0; j < n_blocks(m, i); j++) {
            struct block b = block(m, i, j);
            size_t at = group(m, i) + b.q * m->S;
            for (size_t s = 0; s < m->S; s++) {
                dw[at + s] += k->dot(d + b.at, m->skill + s * n_w + b.at, b.n);
                if (!m->is_frozen)
                    k->axpy(g + s * n_w + b.at, w[at + s], d + b.at, b.n);
            }
        }
    float *dz = g + (m->is_frozen ? 0 : m->n_skill) + task * n;
    for (size_t i = 0; i < n; i += m->S)
        weigh_back(dz + i, m->logit + task * n + i, w + i, dw + i, m->S, m->weights);
}

static qv_status named_like(struct qv_expert **out, const char *name,
                            const struct qv_mixture *m, qv_err *err)
{
    qv_status result = qv__expert_copy(out, m->like, err);
    if (!result)
        (*out)->name = qv__arena_str(&(*out)->arena, name);
    return result;
}

qv_status qv__mixture_expert(struct qv_expert **out, const char *name,
                             const struct qv_mixture *m, const float *w, qv_err *err)
{
    qv_status result = named_like(out, name, m, err);
    if (!result)
        qv__mixture_fold((*out)->w, m, w);
    return result;
}

qv_status qv__mixture_skill(struct qv_expert **out, const char *name,
                            const struct qv_mixture *m, size_t s, qv_err *err)
{
    qv_status result = named_like(out, name, m, err);
    if (!result)
        memcpy((*out)->w, m->skill + s * m->like->n_w, m->like->n_w * sizeof *m->skill);
    return result;
}

void qv__mixture_hash(char hex[65], const struct qv_mixture *m)
{
    qv_arena a = {0};
    char shape[QV_HASH_TEXT], numbers[QV_HASH_TEXT];
    qv__expert_hash(shape, m->like);
    qv__hash_bytes(numbers, m->skill, (m->n_skill + m->n_logit) * sizeof *m->skill);
    char *all = qv__arena_fmt(&a, "%s %s %zu %zu %zu %zu %d %d", shape, numbers, m->S, m->T,
                              m->Q, m->n_groups, m->weights, m->is_frozen);
    qv__hash_bytes(hex, all, strlen(all));
    qv__arena_free(&a);
}
