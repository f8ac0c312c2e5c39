/* norms.c - see norms.h. |B z| needs no output: it is sqrt(z' B'B z), and z = A x of all
 * experts at a site is one product. */
#include "eval/norms.h"

#include "eval/walk.h"
#include "library/library.h"
#include "lora/bank.h"
#include "op/gemm.h"

#include <math.h>
#include <string.h>

struct study {
    const qv_model *m;
    const qv_snapshot *snap;
    const struct qv_bank *bank;
    struct qv_bank *nothing;       // one expert of zeros at every site that experts adapt
    double **gram;                 // [sites] of each expert in turn, B'B [R, R]
    float *z, *y;                  // [n_ctx, R of all], [n_ctx, D_out]
    struct qv_linear_room product; // scratch of the base's maps
    struct qv_walk_at now;
    const char *known; // the task that learnt [K] is of
    bool *learnt;      // [K] whether an expert learnt it
    // Of the example in the pass: sums over its sites, and how many they are.
    double ratio, own, others;
    size_t n_sites;
    struct qv_norms *out;
    size_t room; // in out->ratio
};

/* ---- once ---- */

/* Expert j's B'B at a site: its columns of B lie as rows of Bt. */
static void gram_of(double *g, const struct qv_bank_site *s, size_t j)
{
    size_t R = s->first[j + 1] - s->first[j];
    const float *b = s->Bt[j];
    for (size_t p = 0; p < R; p++)
        for (size_t q = 0; q < R; q++) {
            double sum = 0;
            for (size_t o = 0; o < s->D_out; o++)
                sum += (double)b[p * s->D_out + o] * (double)b[q * s->D_out + o];
            g[p * R + q] = sum;
        }
}

static void prepare_sites(struct study *s, qv_arena *a)
{
    size_t most_z = 1, most_x = 1, most_y = 1, n_ctx = s->m->c.n_ctx;
    s->gram = qv_new_n(a, double *, s->bank->n_sites);
    for (size_t i = 0; i < s->bank->n_sites; i++) {
        const struct qv_bank_site *b = &s->bank->site[i];
        if (b->K == 0)
            continue;
        size_t n = 0;
        for (size_t j = 0; j < b->K; j++)
            n += (b->first[j + 1] - b->first[j]) * (b->first[j + 1] - b->first[j]);
        s->gram[i] = qv_new_n(a, double, n);
        double *g = s->gram[i];
        for (size_t j = 0; j < b->K; j++) {
            gram_of(g, b, j);
            g += (b->first[j + 1] - b->first[j]) * (b->first[j + 1] - b->first[j]);
        }
        most_z = qv__max(most_z, b->first[b->K]);
        most_y = qv__max(most_y, b->D_out);
        most_x = qv__max(most_x, b->D_in);
    }
    s->z = qv_new_n(a, float, n_ctx *most_z);
    s->y = qv_new_n(a, float, n_ctx *most_y);
    s->product.slab = qv_new_n(a, float, qv__linear_slab(most_x));
    if (s->m->wants_bf16)
        s->product.half = qv_new_n(a, uint16_t, n_ctx * qv__max(most_x, most_y));
}

/* What is bound in a pass that leaves the base as it is, but shows its inputs. */
static qv_status bind_nothing(struct study *s, qv_arena *a, qv_err *err)
{
    struct qv_expert_shape *shape = qv_new_n(a, struct qv_expert_shape, s->m->sites.n);
    struct qv_expert *zero;
    size_t n = 0;
    for (size_t i = 0; i < s->m->sites.n; i++) {
        const struct qv_site *at = &s->m->sites.at[i];
        if (s->bank->site[i].K)
            shape[n++] = (struct qv_expert_shape){at->path, at->D_in, at->D_out, 1, 1};
    }
    qv_status result = qv__expert_new(&zero, "nothing", shape, n, false, err);
    if (!result)
        result = qv__bank_new(&s->nothing, &s->m->sites, &zero, 1, err);
    qv__expert_free(zero);
    return result;
}

/* ---- an example ---- */

/* The base's map at a site. */
static const struct qv_weight *weight_at(const qv_model *m, size_t site)
{
    const struct qv_layer *layer = &m->layer[site / m->n_maps];
    for (size_t map = 0; map < QV_N_MAPS; map++)
        if (m->slot[map] == site % m->n_maps)
            return &layer->map[map].w;
    qv_check(false); // every site is of a map
    return NULL;
}

/* The sum over rows of |W x|. */
static double base_norms(struct study *s, size_t site, const float *x, size_t n)
{
    const struct qv_weight *w = weight_at(s->m, site);
    double all = 0;
    qv__linear(s->y, x, w, n, s->product);
    for (size_t t = 0; t < n; t++) {
        double sum = 0;
        for (size_t o = 0; o < w->D_out; o++)
            sum += (double)s->y[t * w->D_out + o] * (double)s->y[t * w->D_out + o];
        all += sqrt(sum);
    }
    return all;
}

/* The sum over rows of |s B z| of one expert; z of a row lies `stride` after the last. */
static double expert_norms(const double *gram, const float *z, size_t R, size_t stride,
                           size_t n, double scale)
{
    double all = 0;
    for (size_t t = 0; t < n; t++) {
        double sum = 0;
        for (size_t p = 0; p < R; p++)
            for (size_t q = 0; q < R; q++)
                sum +=
                    (double)z[t * stride + p] * gram[p * R + q] * (double)z[t * stride + q];
        all += sqrt(fmax(sum, 0));
    }
    return fabs(scale) * all;
}

static void find_learnt(struct study *s)
{
    if (s->known && strcmp(s->known, s->now.task) == 0)
        return;
    s->known = s->now.task;
    for (size_t e = 0; e < s->bank->K; e++)
        s->learnt[e] = qv__expert_learnt(qv_snapshot_info(s->snap, e), s->now.task);
}

static void see(void *arg, size_t site, size_t T, const float *x)
{
    struct study *s = arg;
    const struct qv_bank_site *b = &s->bank->site[site];
    const size_t n = s->now.last - s->now.first, width = b->first[b->K];
    const double *gram = s->gram[site];
    double own = 0, others = 0;
    size_t n_own = 0;
    (void)T;
    find_learnt(s);
    x += s->now.first * b->D_in;
    qv__sgemm(false, true, n, width, b->D_in, 1, x, b->D_in, b->A[0], b->D_in, 0, s->z,
              width);
    for (size_t j = 0; j < b->K; j++) {
        size_t R = b->first[j + 1] - b->first[j];
        double norm =
            expert_norms(gram, s->z + b->first[j], R, width, n, (double)b->scale[j]);
        bool is_own = s->learnt[b->expert[j]];
        own += is_own ? norm : 0;
        others += is_own ? 0 : norm;
        n_own += is_own;
        gram += R * R;
    }
    if (n_own == 0 || n_own == b->K || others <= 0)
        return;
    double base = base_norms(s, site, x, n);
    own /= (double)n_own;
    others /= (double)(b->K - n_own);
    s->ratio += own / others;
    s->own += base > 0 ? own / base : 0;
    s->others += base > 0 ? others / base : 0;
    s->n_sites++;
}

static struct qv_norms_task *task_of(struct qv_norms *out, const char *name)
{
    for (size_t i = 0; i < out->n_tasks; i++)
        if (strcmp(out->task[i].name, name) == 0)
            return &out->task[i];
    struct qv_norms_task *t = &out->task[out->n_tasks++];
    *t = (struct qv_norms_task){.name = qv__arena_str(&out->arena, name)};
    return t;
}

static void put_ratio(struct study *s, double ratio)
{
    struct qv_norms *out = s->out;
    out->ratio = qv_more(&out->arena, double, out->ratio, out->n, &s->room);
    out->ratio[out->n++] = ratio;
}

/* An example's pass is over. */
static void ends(void *arg)
{
    struct study *s = arg;
    if (s->n_sites) {
        double n = (double)s->n_sites;
        struct qv_norms_task *t = task_of(s->out, s->now.task);
        t->ratio += s->ratio / n;
        t->own += s->own / n;
        t->others += s->others / n;
        t->n++;
        put_ratio(s, s->ratio / n);
    }
    s->ratio = s->own = s->others = 0;
    s->n_sites = 0;
}

/* ---- all of it ---- */

static qv_status run(struct study *s, const char *const *paths, size_t n,
                     const struct qv_norms_opts *opts, qv_err *err)
{
    struct qv_update u;
    qv_status result = qv__update_init(&u, s->nothing, NULL, QV_FACTOR, s->m->c.n_ctx, err);
    if (result)
        return result;
    u.see = see;
    u.watch_arg = s;
    result = qv__walk(&(struct qv_walk){.m = s->m,
                                        .paths = paths,
                                        .n = n,
                                        .limit = opts->limit,
                                        .update = &u,
                                        .at = &s->now,
                                        .ends = ends,
                                        .arg = s,
                                        .progress = opts->progress},
                      err);
    qv__update_end(&u);
    for (size_t i = 0; i < s->out->n_tasks; i++) {
        struct qv_norms_task *t = &s->out->task[i];
        t->own /= (double)t->n;
        t->others /= (double)t->n;
        t->ratio /= (double)t->n;
    }
    if (!result && s->out->n == 0)
        result = qv_fail(err, QV_ENOTFOUND,
                         "no expert learnt any of the tasks, or none did not");
    return result;
}

static qv_status read_bank(struct qv_bank **out, const qv_model *m, const qv_snapshot *snap,
                           qv_err *err)
{
    qv_arena a = {0};
    size_t K = qv_snapshot_size(snap);
    struct qv_expert **e = qv_new_n(&a, struct qv_expert *, K);
    qv_status result = QV_OK;
    for (size_t i = 0; !result && i < K; i++)
        result = qv__snapshot_read(&e[i], snap, i, &m->sites, err);
    if (!result)
        result = qv__bank_new(out, &m->sites, e, K, err);
    for (size_t i = 0; i < K; i++)
        qv__expert_free(e[i]);
    qv__arena_free(&a);
    return result;
}

/* At most so many tasks can be known. */
static size_t count_tasks(const qv_snapshot *snap)
{
    size_t n = 0;
    for (size_t i = 0; i < qv_snapshot_size(snap); i++)
        n += qv_snapshot_info(snap, i)->meta.n_tasks;
    return n;
}

qv_status qv__norms(struct qv_norms *out, const qv_model *m, const char *library,
                    const char *const *paths, size_t n, const struct qv_norms_opts *opts,
                    qv_err *err)
{
    static const struct qv_norms_opts none = {0};
    *out = (struct qv_norms){.n = 0};
    qv_snapshot *snap;
    struct qv_bank *bank = NULL;
    qv_arena a = {0};
    struct study s = {.m = m, .out = out};
    qv_status result = qv__library_view(&snap, library, m->origin, err);
    if (!result && qv_snapshot_size(snap) < 2)
        result = qv_fail(err, QV_ENOTFOUND, "%s: %zu experts, norms are compared of two",
                         library, qv_snapshot_size(snap));
    if (!result)
        result = read_bank(&bank, m, snap, err);
    s.snap = snap;
    s.bank = bank;
    if (!result)
        result = bind_nothing(&s, &a, err);
    if (!result) {
        out->task = qv_new_n(&out->arena, struct qv_norms_task, count_tasks(snap));
        s.learnt = qv_new_n(&a, bool, bank->K);
        prepare_sites(&s, &a);
        result = run(&s, paths, n, opts ? opts : &none, err);
    }
    qv__bank_free(s.nothing);
    qv__bank_free(bank);
    qv_snapshot_release(snap);
    qv__arena_free(&a);
    return result;
}

void qv__norms_end(struct qv_norms *s)
{
    qv__arena_free(&s->arena);
    *s = (struct qv_norms){.n = 0};
}
