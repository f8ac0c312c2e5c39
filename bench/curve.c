/* curve.c - how the cost of a model grows: with the rank of a LoRA, with the number of
 * experts, with the text, with texts at once, with threads.
 *
 *     build/release/bench/curve MODEL lora|experts|context|batch|apart|threads [MOST]
 *
 * MODEL is 110m, 110 million random parameters as floats, or a path. The model alone and
 * the model with something beside it run in turn: in `lora` one LoRA at every site, in
 * `experts` Arrow over so many experts of rank 4 at the attention's maps, in the others
 * over 64 of them, 4 a token; in `apart` a LoRA of rank 16 for each of several texts. CSV:
 * milliseconds a pass by the clock and of the processor (of all threads), medians; how many
 * times the processor's time it is beside, the median of pairs; and the process's own
 * memory. MOST is where x ends.
 */
#include "parts.h"
#include "base/base.h"
#include "base/clock.h"
#include "base/rng.h"
#include "lora/thin.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/model.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    R = 4,
    FEW = 64, // experts where their number is not what is looked at
    PAIRS = 9,
    SLOW_PAIRS = 7, // of passes of many rows
    PASS = 512,
    CONTEXT = 4096,
    MOST_TEXTS = 64,
    PAST = 128 // tokens before the one that is decoded
};

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "curve: %s\n", why);
    exit(1);
}

/* MiB of this process in memory that no file has. */
static double own_mib(void)
{
    char line[256];
    double kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtod(line + 8, NULL);
    if (f)
        fclose(f);
    return kib / 1024;
}

static qv_model *open_model(const char *path)
{
    const struct qv_config c = shape_110m(CONTEXT);
    qv_model *m;
    qv_err err;
    if (strcmp(path, "110m") == 0 ? qv__model_new(&m, &c, 1, &err)
                                  : qv_model_open(&m, path, NULL, &err))
        stop(err.msg);
    return m;
}

/* ---- what stands beside the model ---- */

struct beside {
    struct qv_bank *bank;
    struct qv_router *router;
    struct qv_update update;
};

static struct qv_expert *new_expert(const qv_model *m, size_t rank, bool everywhere,
                                    size_t k)
{
    struct qv_expert_shape *shape = calloc(m->sites.n, sizeof *shape);
    struct qv_expert *e;
    char name[32];
    size_t n = 0;
    qv_err err;
    snprintf(name, sizeof name, "e%zu", k);
    for (size_t i = 0; shape && i < m->sites.n; i++) {
        const struct qv_site *s = &m->sites.at[i];
        if (everywhere || strstr(s->path, "attn"))
            shape[n++] =
                (struct qv_expert_shape){s->path, s->D_in, s->D_out, rank, (float)rank};
    }
    if (!shape)
        stop("no memory");
    if (qv__expert_new(&e, name, shape, n, false, &err))
        stop(err.msg);
    free(shape);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < e->n_w; i++)
        e->w[i] = 0.02f * (qv__uniform(k, i) - 0.5f);
    return e;
}

/* Arrow over K experts, or one LoRA of that rank at every site. */
static void stand(struct beside *b, const qv_model *m, size_t K, size_t lora, size_t T)
{
    struct qv_expert **e = calloc(K, sizeof *e);
    qv_err err;
    if (!e)
        stop("no memory");
    for (size_t k = 0; k < K; k++)
        e[k] = new_expert(m, lora ? lora : R, lora > 0, k);
    *b = (struct beside){0};
    if (qv__bank_take(&b->bank, &m->sites, e, K, &err) ||
        (!lora &&
         qv__router_open(&b->router, qv__router_find("arrow"), b->bank, NULL, &err)) ||
        qv__update_init(&b->update, b->bank, b->router, QV_FACTOR, T, &err))
        stop(err.msg);
    if (lora && m->has_blocks && qv__bank_thin(b->bank, &err))
        stop(err.msg);
    for (size_t k = 0; k < K; k++)
        qv__expert_free(e[k]);
    free(e);
}

static void leave(struct beside *b)
{
    qv__update_end(&b->update);
    qv__router_close(b->router);
    qv__bank_free(b->bank);
}

/* ---- passes ---- */

struct bed {
    const qv_model *m;
    struct beside *own; // [n_texts] of each text, as a server has it; or NULL
    struct qv_acts acts;
    struct qv_cache cache[MOST_TEXTS], *at[MOST_TEXTS];
    size_t n_texts;
    int token[PASS], pos[PASS], row[MOST_TEXTS];
};

static void make_bed(struct bed *b, const qv_model *m, size_t n_texts, size_t n_ctx)
{
    qv_err err;
    memset(b, 0, sizeof *b);
    b->m = m;
    b->n_texts = n_texts;
    if (n_ctx > m->c.n_ctx)
        stop("the model has no such positions");
    if (qv__acts_init(&b->acts, m, PASS, n_ctx, MOST_TEXTS, 0, 0, &err))
        stop(err.msg);
    for (size_t i = 0; i < n_texts; i++) {
        struct qv_cache *c = b->at[i] = &b->cache[i];
        if (qv__cache_init(c, m, n_ctx, &err))
            stop(err.msg);
        for (size_t j = 0; j < m->c.L * n_ctx * m->c.Hk * m->c.E; j++)
            c->k[j] = c->v[j] = 0.01f * (float)(j % 31) - 0.15f;
    }
    for (size_t i = 0; i < PASS; i++)
        b->token[i] = (int)(qv__bits(7, i) % m->c.V);
}

static void end_bed(struct bed *b)
{
    for (size_t i = 0; i < b->n_texts; i++)
        qv__cache_end(&b->cache[i]);
    qv__acts_end(&b->acts);
}

/* n more tokens of each text after `past` ones, as many passes as that takes, and the
 * logits of the last of each. */
static void run(struct bed *b, struct qv_update *u, size_t past, size_t n)
{
    struct qv_seq seq[MOST_TEXTS];
    const size_t chunk = qv__min(n, PASS / b->n_texts);
    for (size_t done = 0; done < n; done += chunk) {
        const size_t rows = qv__min(chunk, n - done);
        const bool is_last = done + rows == n;
        struct qv_batch batch = {.token = b->token, .pos = b->pos, .seq = seq};
        struct qv_pass_part part[MOST_TEXTS];
        const struct qv_parts parts = {.at = part, .n = b->n_texts};
        for (size_t i = 0; i < b->n_texts; i++) {
            seq[batch.n_seq++] = (struct qv_seq){.begin = batch.T,
                                                 .n = rows,
                                                 .n_unread = is_last ? rows - 1 : rows,
                                                 .n_past = past + done,
                                                 .cache = i};
            part[i] = (struct qv_pass_part){batch.T, rows,
                                            b->own && u ? &b->own[i].update : NULL};
            for (size_t j = 0; j < rows; j++)
                b->pos[batch.T++] = (int)(past + done + j);
            b->row[i] = (int)batch.T - 1;
        }
        const struct qv_pass p = {.m = b->m,
                                  .a = &b->acts,
                                  .b = &batch,
                                  .update = b->own ? NULL : u,
                                  .parts = b->own ? &parts : NULL,
                                  .cache = b->at};
        qv__forward(&p);
        if (is_last)
            qv__decoder_logits(&p, b->row, b->n_texts);
    }
}

/* One line: alone and with u, in turn. */
static void pair(const char *what, size_t x, struct bed *b, struct qv_update *u,
                 size_t past, size_t n)
{
    double wall[2][PAIRS], busy[2][PAIRS], times[PAIRS];
    const size_t pairs = n * b->n_texts > 64 ? SLOW_PAIRS : PAIRS;
    for (size_t i = 0; i < 2; i++)
        run(b, i ? u : NULL, past, n);
    for (size_t i = 0; i < 2 * pairs; i++) {
        const double t0 = qv__seconds(), p0 = processor_seconds();
        run(b, i % 2 ? u : NULL, past, n);
        busy[i % 2][i / 2] = processor_seconds() - p0;
        wall[i % 2][i / 2] = qv__seconds() - t0;
    }
    for (size_t i = 0; i < pairs; i++)
        times[i] = busy[1][i] / busy[0][i];
    printf("%s,%zu,%zu,%.3f,%.3f,%.3f,%.3f,%.3f,%.0f\n", what, x, n * b->n_texts,
           1e3 * median(wall[0], pairs), 1e3 * median(wall[1], pairs),
           1e3 * median(busy[0], pairs), 1e3 * median(busy[1], pairs), median(times, pairs),
           own_mib());
    fflush(stdout);
}

/* ---- what x is ---- */

static void over_ranks(const qv_model *m, size_t most)
{
    static struct bed bed;
    make_bed(&bed, m, 1, PASS);
    for (size_t n = 1; n <= PASS / 2; n *= PASS / 2)
        for (size_t rank = 4; rank <= (most ? most : 64); rank *= 4) {
            struct beside b;
            stand(&b, m, 1, rank, PASS);
            pair("lora", rank, &bed, &b.update, n == 1 ? PAST : 0, n);
            leave(&b);
        }
    end_bed(&bed);
}

static void over_experts(const qv_model *m, size_t most)
{
    static struct bed bed;
    make_bed(&bed, m, 1, PASS);
    for (size_t K = 1; K <= (most ? most : 4096); K *= 4) {
        struct beside b;
        stand(&b, m, K, 0, PASS);
        pair("experts", K, &bed, &b.update, PAST, 1);
        pair("experts", K, &bed, &b.update, 0, PASS / 2);
        leave(&b);
    }
    end_bed(&bed);
}

static void over_context(const qv_model *m, size_t most)
{
    static struct bed bed;
    struct beside b;
    const size_t end = qv__min(most ? most : CONTEXT, m->c.n_ctx);
    make_bed(&bed, m, 1, end);
    stand(&b, m, FEW, 0, PASS);
    for (size_t n = 16; n <= end; n *= 4) {
        pair("context", n, &bed, &b.update, n - 1, 1);
        pair("context", n, &bed, &b.update, 0, n);
    }
    leave(&b);
    end_bed(&bed);
}

static void over_texts(const qv_model *m, size_t most)
{
    static struct bed bed;
    struct beside b;
    stand(&b, m, FEW, 0, PASS);
    for (size_t n = 1; n <= qv__min(most ? most : MOST_TEXTS, MOST_TEXTS); n *= 2) {
        make_bed(&bed, m, n, PAST + 1);
        pair("batch", n, &bed, &b.update, PAST, 1);
        end_bed(&bed);
    }
    leave(&b);
}

/* One LoRA of rank 16 at every site for each text, another for each. */
static void over_owners(const qv_model *m, size_t most)
{
    static struct bed bed;
    static struct beside own[MOST_TEXTS];
    for (size_t n = 1; n <= qv__min(most ? most : 16, MOST_TEXTS); n *= 2) {
        make_bed(&bed, m, n, PAST + 1);
        bed.own = own;
        for (size_t i = 0; i < n; i++)
            stand(&own[i], m, 1, 16, PASS);
        pair("apart", n, &bed, &own[0].update, PAST, 1);
        for (size_t i = 0; i < n; i++)
            leave(&own[i]);
        end_bed(&bed);
    }
}

static void over_threads(const qv_model *m, size_t most)
{
    static struct bed one, many;
    struct beside b;
    const int end = most ? (int)most : omp_get_max_threads();
    make_bed(&one, m, 1, PASS);
    make_bed(&many, m, 16, PAST + 1);
    stand(&b, m, FEW, 0, PASS);
    for (int n = 1; n <= end; n++) {
        omp_set_num_threads(n);
        pair("threads", (size_t)n, &one, &b.update, PAST, 1);
        pair("threads", (size_t)n, &many, &b.update, PAST, 1);
        pair("threads", (size_t)n, &one, &b.update, 0, PASS / 2);
    }
    leave(&b);
    end_bed(&one);
    end_bed(&many);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*over)(const qv_model *m, size_t most);
    } what[] = {{"lora", over_ranks},      {"experts", over_experts},
                {"context", over_context}, {"batch", over_texts},
                {"apart", over_owners},    {"threads", over_threads}};
    if (argc < 3)
        stop("give a model, and lora, experts, context, batch, apart or threads");
    qv_model *m = open_model(argv[1]);
    printf("what,x,tokens,alone_ms,with_ms,alone_cpu_ms,with_cpu_ms,times,own_mib\n");
    for (size_t i = 0; i < QV_COUNT(what); i++)
        if (strcmp(argv[2], what[i].name) == 0)
            what[i].over(m, argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
    qv_model_close(m);
    return 0;
}
