/* tiny.c - see tiny.h. */
#include "support/tiny.h"
#include "base/file.h"
#include "model/decoder.h"
#include "model/forward.h"
#include "model/layout.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The usual start of 0.02 says nearly the same of every token; ten times that
 * makes tokens differ. */
static qv_status enlarge(void *arg, const char *name, struct qv_weight *w, qv_err *err)
{
    (void)name, (void)err;
    qv_model *m = arg;
    float *at = m->own + (w->f32 - m->own);
    for (size_t i = 0; w->D_out > 1 && i < w->D_out * w->D_in; i++)
        at[i] *= 10;
    return QV_OK;
}

void write_tiny_model(const char *dir, uint64_t seed)
{
    const struct qv_config c = {.D = 32,
                                .L = 2,
                                .H = 4,
                                .Hk = 2,
                                .E = 8,
                                .F = 48,
                                .V = 400,
                                .n_ctx = 128,
                                .theta = 1e4f,
                                .eps = 1e-5f,
                                .is_tied = true,
                                .bos = 1,
                                .eos = 0};
    qv_model *m;
    qv_err err;
    qv_arena a = {0};
    assert_works(qv__model_new(&m, &c, seed, &err), &err);
    assert_works(qv__model_each(m, enlarge, m, &err), &err);
    assert_works(qv__make_dir(dir, &err), &err);
    assert_works(qv__model_write(m, dir, QV_F32, &err), &err);
    qv_model_close(m);
    copy_file("tests/golden/text/tiny_llama3/tokenizer.json",
              qv__arena_fmt(&a, "%s/tokenizer.json", dir));
    qv__arena_free(&a);
}

qv_model *opened(const char *path)
{
    qv_model *m;
    qv_err err;
    assert_works(qv_model_open(&m, path, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err),
                 &err);
    return m;
}

qv_model *tiny_model(const char *dir, uint64_t seed)
{
    write_tiny_model(dir, seed);
    return opened(dir);
}

void assert_same_config(const struct qv_config *a, const struct qv_config *b)
{
    assert_true(a->D == b->D && a->L == b->L && a->H == b->H && a->Hk == b->Hk);
    assert_true(a->E == b->E && a->F == b->F && a->V == b->V && a->n_ctx == b->n_ctx);
    assert_true(a->theta == b->theta && a->eps == b->eps && a->is_tied == b->is_tied);
    assert_true(a->bos == b->bos && a->eos == b->eos);
}

void write_tiny_task(const char *path, size_t n, const char *opening,
                     const char *const *answer, size_t n_answers)
{
    static const char *const word[] = {"sun",  "rain", "wood", "iron",
                                       "salt", "milk", "sand"};
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (size_t i = 0; i < n; i++)
        fprintf(f, "{\"prompt\":\"%s %s %s\",\"completion\":\"%s\"}\n", opening,
                word[i % QV_COUNT(word)], word[i / QV_COUNT(word) % QV_COUNT(word)],
                answer[i % n_answers]);
    assert_int_equal(fclose(f), 0);
}

float *logits_of(const qv_model *m, struct qv_update *u, const int *ids, size_t n)
{
    return logits_after(m, u, ids, n, n);
}

float *logits_after(const qv_model *m, struct qv_update *u, const int *ids, size_t n,
                    size_t n_prompt)
{
    struct qv_acts acts;
    qv_err err;
    int *row = malloc(n * sizeof *row);
    assert_non_null(row);
    for (size_t i = 0; i < n; i++)
        row[i] = (int)i;
    assert_works(qv__acts_init(&acts, m, n, n, n, 0, 0, &err), &err);
    struct qv_seq seq = {.begin = 0, .n = n, .n_prompt = n_prompt};
    struct qv_batch b = {.T = n, .token = ids, .pos = row, .seq = &seq, .n_seq = 1};
    struct qv_pass p = {.m = m, .a = &acts, .b = &b, .update = u};
    qv__forward(&p);
    qv__decoder_logits(&p, row, n);
    float *logits = malloc(n * m->c.V * sizeof *logits);
    assert_non_null(logits);
    memcpy(logits, acts.logits, n * m->c.V * sizeof *logits);
    qv__acts_end(&acts);
    free(row);
    return logits;
}
