/* kmeans.c - k-means: seeds far apart (k-means++), then Lloyd's rounds.
 *
 * Each new seed is the best of a few candidates drawn by their squared distance
 * to the seeds so far, as scikit-learn does it. A cluster that loses its last
 * point takes the one worst served where it is, so that none stays empty.
 */
#include "cluster/cluster.h"

#include "base/carve.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300, RESTARTS = 10 };

struct work {
    const float *x; // [n, dim]
    size_t n, dim, k;
    double *centre;    // [k, dim]
    double *distance;  // [n] squared, to the nearest centre
    double *candidate; // [n] the same if a candidate became a seed
    double *chosen;    // [n] the same for the best candidate
    size_t *size;      // [k] points of each cluster
    int *label;        // [n]
};

static size_t layout(struct work *w, void *base)
{
    qv_carve c = {.base = base};
    w->centre = qv__carve(&c, w->k, w->dim, 1, sizeof *w->centre);
    w->distance = qv__carve(&c, w->n, 1, 1, sizeof *w->distance);
    w->candidate = qv__carve(&c, w->n, 1, 1, sizeof *w->candidate);
    w->chosen = qv__carve(&c, w->n, 1, 1, sizeof *w->chosen);
    w->size = qv__carve(&c, w->k, 1, 1, sizeof *w->size);
    w->label = qv__carve(&c, w->n, 1, 1, sizeof *w->label);
    return c.used;
}

static double squared(const float *x, const double *centre, size_t dim)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t d = 0; d < dim; d++)
        sum += (x[d] - centre[d]) * (x[d] - centre[d]);
    return sum;
}

/* distance' [n] to the nearest of the seeds so far and point p; their sum. */
static double with_seed(double *to, const struct work *w, size_t p, bool is_first,
                        double *centre)
{
    for (size_t d = 0; d < w->dim; d++)
        centre[d] = w->x[p * w->dim + d];
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < w->n; i++) {
        double s = squared(w->x + i * w->dim, centre, w->dim);
        to[i] = is_first ? s : fmin(s, w->distance[i]);
    }
    double sum = 0;
    for (size_t i = 0; i < w->n; i++)
        sum += to[i];
    return sum;
}

/* A point drawn with probability proportional to its distance. */
static size_t draw(const struct work *w, double total, double u)
{
    double left = u * total;
    size_t i = 0;
    while (i + 1 < w->n && left >= w->distance[i])
        left -= w->distance[i++];
    return i;
}

static void choose_seeds(struct work *w, uint64_t seed)
{
    size_t trials = 2 + (size_t)log((double)w->k);
    double total = with_seed(w->distance, w, qv__below(seed, 0, w->n), true, w->centre);
    for (size_t c = 1; c < w->k; c++) {
        double *centre = w->centre + c * w->dim, best = INFINITY;
        size_t best_point = 0;
        for (size_t t = 0; t < trials; t++) {
            size_t p = draw(w, total, (double)qv__uniform(seed, c * trials + t));
            double sum = with_seed(w->candidate, w, p, false, centre);
            if (sum < best) {
                best = sum;
                best_point = p;
                memcpy(w->chosen, w->candidate, w->n * sizeof *w->chosen);
            }
        }
        for (size_t d = 0; d < w->dim; d++)
            centre[d] = w->x[best_point * w->dim + d];
        memcpy(w->distance, w->chosen, w->n * sizeof *w->distance);
        total = best;
    }
}

/* Every point to its nearest centre. */
static void assign(struct work *w)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < w->n; i++) {
        double best = INFINITY;
        for (size_t c = 0; c < w->k; c++) {
            double s = squared(w->x + i * w->dim, w->centre + c * w->dim, w->dim);
            if (s < best) {
                best = s;
                w->label[i] = (int)c;
            }
        }
        w->distance[i] = best;
    }
}

static void fill_empty(struct work *w)
{
    memset(w->size, 0, w->k * sizeof *w->size);
    for (size_t i = 0; i < w->n; i++)
        w->size[w->label[i]]++;
    for (size_t c = 0; c < w->k; c++) {
        if (w->size[c] > 0)
            continue;
        size_t worst = w->n;
        for (size_t i = 0; i < w->n; i++)
            if (w->size[w->label[i]] > 1 &&
                (worst == w->n || w->distance[i] > w->distance[worst]))
                worst = i;
        w->size[w->label[worst]]--;
        w->size[c] = 1;
        w->label[worst] = (int)c;
        w->distance[worst] = 0;
    }
}

static void move_centres(struct work *w)
{
    memset(w->centre, 0, w->k * w->dim * sizeof *w->centre);
    for (size_t i = 0; i < w->n; i++) {
        double *centre = w->centre + (size_t)w->label[i] * w->dim;
        double share = 1 / (double)w->size[w->label[i]];
        for (size_t d = 0; d < w->dim; d++)
            centre[d] += share * w->x[i * w->dim + d];
    }
}

/* One run from one choice of seeds. Returns the inertia. */
static double run(struct work *w, uint64_t seed)
{
    choose_seeds(w, seed);
    double before = INFINITY, inertia = INFINITY;
    for (size_t round = 0; round < ROUNDS; round++) {
        assign(w);
        fill_empty(w);
        move_centres(w);
        inertia = 0;
        for (size_t i = 0; i < w->n; i++)
            inertia += squared(w->x + i * w->dim, w->centre + (size_t)w->label[i] * w->dim,
                               w->dim);
        if (inertia >= before * (1 - 1e-12))
            break;
        before = inertia;
    }
    return inertia;
}

/* Numbers the labels by first appearance; `name` [k] is scratch. */
static void renumber(int *label, size_t n, size_t k, size_t *name)
{
    size_t next = 0;
    for (size_t c = 0; c < k; c++)
        name[c] = k;
    for (size_t i = 0; i < n; i++) {
        if (name[label[i]] == k)
            name[label[i]] = next++;
        label[i] = (int)name[label[i]];
    }
}

qv_status qv__kmeans(int *label, double *inertia, const float *x, size_t n, size_t dim,
                     size_t k, size_t n_init, uint64_t seed, qv_err *err)
{
    if (k == 0 || k > n)
        return qv_fail(err, QV_EFORMAT, "%zu clusters cannot be made of %zu experts", k, n);
    struct work w = {.x = x, .n = n, .dim = dim, .k = k};
    qv_carve need = {.used = layout(&w, NULL)};
    void *mem = qv__carve_alloc(&need);
    if (!mem)
        return qv_fail(err, QV_ENOMEM, "no memory to cluster %zu experts", n);
    layout(&w, mem);
    double best = INFINITY;
    for (size_t i = 0; i < (n_init ? n_init : RESTARTS); i++) {
        double got = run(&w, qv__seed_of(seed, i));
        if (i > 0 && got >= best)
            continue;
        best = got;
        memcpy(label, w.label, n * sizeof *label);
    }
    renumber(label, n, k, w.size);
    if (inertia)
        *inertia = best;
    free(mem);
    return QV_OK;
}
