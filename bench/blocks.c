/* bench/blocks.c - weights in blocks. Prints CSV, a line a type and measurement:
 *
 *   1 to 8         bytes a second of W with so many rows of x, and how that is to reading W
 *   512            operations a second, and how they are to a float product's
 *   cached         bytes a second of one thread and one row, W in its cache: what could be
 *                  done were memory no limit; widening the same, and encoding; each in the
 *                  processor's seconds, beside the plain kernels'
 *
 *     bench/blocks [TYPE]...      all types, unless some are named
 *
 * A matrix of Mistral's width, [D_out, 4096]. What is compared runs in turn, so that
 * whatever else the machine does strikes all alike; each figure is the median of a few
 * turns.
 */
#include "parts.h"
#include "base/clock.h"
#include "base/rng.h"
#include "format/block_encode.h"
#include "kern/kern.h"
#include "op/gemm.h"
#include "op/linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { D_IN = 4096, MANY = 512, MANY_OUT = 4096, ENCODED = 32, TURNS = 9 };
enum { BIG = 128 << 20, CACHE = 160 << 10 }; // bytes: more than caches hold, and less

static void *room(size_t bytes)
{
    void *p = malloc(bytes);
    if (!p) {
        fprintf(stderr, "bench: no memory for %zu bytes\n", bytes);
        exit(1);
    }
    return p;
}

/* Bytes beyond caches, and what reading them gives, for it must not be left out. */
static uint64_t read_all(const uint64_t *at, size_t n)
{
    uint64_t all = 0;
#pragma omp parallel for simd reduction(^ : all) schedule(static)
    for (size_t i = 0; i < n; i++)
        all ^= at[i];
    return all;
}

/* D_out rows, all alike: what they hold does not matter, only where. */
static void fill(char *blocks, const struct qv_block_type *b, size_t D_out)
{
    float row[D_IN];
    const size_t bytes = qv__block_bytes(b, D_IN);
    for (size_t i = 0; i < D_IN; i++)
        row[i] = 0.02f * qv__normal(1, i);
    qv__block_encode(blocks, b, row, D_IN);
    for (size_t o = 1; o < D_out; o++)
        memcpy(blocks + o * bytes, blocks, bytes);
}

struct buffers {
    char *blocks; // [BIG]
    float *x, *y, *slab;
};

static void few(const struct qv_block_type *b, const struct buffers *m, size_t T)
{
    const size_t D_out = BIG / qv__block_bytes(b, D_IN);
    const size_t bytes = D_out * qv__block_bytes(b, D_IN);
    const struct qv_weight w = {
        .blocks = m->blocks, .type = b, .D_out = D_out, .D_in = D_IN};
    double took[TURNS], reading[TURNS];
    volatile uint64_t seen = 0;
    for (size_t i = 0; i < TURNS; i++) {
        double t0 = qv__seconds();
        seen ^= read_all((const uint64_t *)(const void *)m->blocks, bytes / 8);
        double t1 = qv__seconds();
        qv__linear(m->y, m->x, &w, T, (struct qv_linear_room){.slab = m->slab});
        took[i] = qv__seconds() - t1;
        reading[i] = t1 - t0;
    }
    (void)seen;
    const double t = median(took, TURNS), r = median(reading, TURNS);
    printf("%s,%zu,%.2f,GB/s,%.1f,%.2f\n", b->name, T, 1e3 * t, 1e-9 * (double)bytes / t,
           r / t);
    fflush(stdout);
}

static void many(const struct qv_block_type *b, const struct buffers *m, const float *f32)
{
    const struct qv_weight w = {
        .blocks = m->blocks, .type = b, .D_out = MANY_OUT, .D_in = D_IN};
    double took[TURNS], plain[TURNS];
    for (size_t i = 0; i < TURNS; i++) {
        double t0 = qv__seconds();
        qv__sgemm(false, true, MANY, MANY_OUT, D_IN, 1, m->x, D_IN, f32, D_IN, 0, m->y,
                  MANY_OUT);
        double t1 = qv__seconds();
        qv__linear(m->y, m->x, &w, MANY, (struct qv_linear_room){.slab = m->slab});
        took[i] = qv__seconds() - t1;
        plain[i] = t1 - t0;
    }
    const double t = median(took, TURNS), p = median(plain, TURNS);
    printf("%s,%d,%.2f,GFLOP/s,%.1f,%.2f\n", b->name, MANY, 1e3 * t,
           2e-9 * MANY * MANY_OUT * D_IN / t, p / t);
    fflush(stdout);
}

/* Seconds that the processor gave this thread. */
static double processor(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* What one thread does with rows in blocks, n of them at `blocks`. */
typedef void work(const struct qv_block_type *b, const struct buffers *m, size_t n);

static void dot(const struct qv_block_type *b, const struct buffers *m, size_t n)
{
    const struct qv_kern *k = qv__kern();
    struct qv_narrow q;
    if (!b->layout) {
        k->dots(m->y, b->id, m->blocks, m->x, (struct qv_dots){D_IN, n, D_IN, 1, 0});
        return;
    }
    qv__narrow_init(&q, b, m->x, 1, D_IN, m->slab);
    k->narrow(&q);
    for (size_t o = 0; o < n; o++)
        k->dot_blocks(m->y + o, 1, b, m->blocks + o * qv__block_bytes(b, D_IN), &q);
}

static void widen(const struct qv_block_type *b, const struct buffers *m, size_t n)
{
    for (size_t o = 0; o < n; o++)
        qv__kern()->widen(m->y, b, m->blocks + o * qv__block_bytes(b, D_IN), D_IN);
}

static void encode(const struct qv_block_type *b, const struct buffers *m, size_t n)
{
    qv__block_encode(m->blocks, b, m->x, n * D_IN);
}

static void alone(const char *name, const struct qv_block_type *b, const struct buffers *m,
                  work *f, size_t n, const char *unit, double amount)
{
    double took[TURNS], plain[TURNS];
    for (size_t i = 0; i < TURNS; i++) {
        qv__kern_use("ref");
        double t0 = processor();
        f(b, m, n);
        double t1 = processor();
        qv__kern_use(NULL);
        f(b, m, n); // into the cache again
        double t2 = processor();
        f(b, m, n);
        took[i] = processor() - t2;
        plain[i] = t1 - t0;
    }
    const double t = median(took, TURNS), p = median(plain, TURNS);
    printf("%s,%s,%.3f,%s,%.2f,%.1f\n", b->name, name, 1e3 * t, unit,
           amount * (double)n / t, p / t);
    fflush(stdout);
}

static void all_alone(const struct qv_block_type *b, const struct buffers *m)
{
    const size_t bytes = qv__block_bytes(b, D_IN);
    alone("cached", b, m, dot, CACHE / bytes, "GB/s", 1e-9 * (double)bytes);
    alone("widen", b, m, widen, CACHE / bytes, "Gweights/s", 1e-9 * D_IN);
    if (b->layout)
        alone("encode", b, m, encode, ENCODED, "Mweights/s", 1e-6 * D_IN);
}

static bool is_wanted(const char *name, char **names, int n)
{
    for (int i = 0; i < n; i++)
        if (qv__block_named(names[i]) == qv__block_named(name))
            return true;
    return n == 0;
}

int main(int argc, char **argv)
{
    size_t n;
    const struct qv_block_type *all = qv__block_all(&n);
    const size_t most = qv__max(BIG / qv__block_bytes(qv__block(QV_BLOCK_Q2_K), D_IN) * 16,
                                MANY * MANY_OUT);
    struct buffers m = {.blocks = room(BIG),
                        .x = room(MANY * D_IN * sizeof(float)),
                        .y = room(most * sizeof(float)),
                        .slab = room(qv__linear_slab(D_IN) * sizeof(float))};
    float *f32 = room((size_t)MANY_OUT * D_IN * sizeof *f32);
    for (size_t i = 0; i < MANY * D_IN; i++)
        m.x[i] = qv__normal(2, i);
    for (size_t i = 0; i < (size_t)MANY_OUT * D_IN; i++)
        f32[i] = 0.02f * qv__normal(3, i % (ENCODED * D_IN)); // enough of them
    printf("type,rows,ms,unit,speed,ratio\n");
    for (size_t i = 0; i < n; i++) {
        if (!all[i].computes || !is_wanted(all[i].name, argv + 1, argc - 1))
            continue;
        fill(m.blocks, &all[i], BIG / qv__block_bytes(&all[i], D_IN));
        const size_t rows[] = {1, 2, 4, 8};
        for (size_t k = 0; k < QV_COUNT(rows); k++)
            few(&all[i], &m, rows[k]);
        many(&all[i], &m, f32);
        all_alone(&all[i], &m);
    }
    free(m.blocks), free(m.x), free(m.y), free(m.slab), free(f32);
    return 0;
}
