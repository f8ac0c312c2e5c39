/* checkpoint.c - a safetensors file: p, m, v, best, loss, valid; step, tokens,
 * best loss and the run's fingerprint as metadata. */
#include "train/checkpoint.h"
#include "base/file.h"
#include "format/safetensors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

qv_status qv__state_init(struct qv_state *st, float *p, size_t n, size_t max_steps,
                         size_t max_valid, qv_err *err)
{
    *st = (struct qv_state){.n = n,
                            .p = p,
                            .best_loss = INFINITY,
                            .max_steps = max_steps,
                            .max_valid = max_valid};
    st->m = calloc(qv__max(n, 1), sizeof *st->m);
    st->v = calloc(qv__max(n, 1), sizeof *st->v);
    st->best = calloc(qv__max(n, 1), sizeof *st->best);
    st->loss = calloc(qv__max(max_steps, 1), sizeof *st->loss);
    st->valid = calloc(qv__max(max_valid, 1), sizeof *st->valid);
    if (st->m && st->v && st->best && st->loss && st->valid)
        return QV_OK;
    qv__state_end(st);
    return qv_fail(err, QV_ENOMEM, "no memory for the optimiser's state of %zu numbers", n);
}

void qv__state_end(struct qv_state *st)
{
    free(st->m);
    free(st->v);
    free(st->best);
    free(st->loss);
    free(st->valid);
    *st = (struct qv_state){0};
}

qv_status qv__state_save(const struct qv_state *st, const char *path,
                         const char *fingerprint, qv_err *err)
{
    const struct qv_tensor_out tensor[] = {
        {"p", QV_F32, 1, {st->n}, st->p},
        {"m", QV_F32, 1, {st->n}, st->m},
        {"v", QV_F32, 1, {st->n}, st->v},
        {"best", QV_F32, 1, {st->n}, st->best},
        {"loss", QV_F32, 1, {st->step}, st->loss},
        {"valid", QV_F32, 2, {st->n_valid, 2}, st->valid},
        {"best_loss", QV_F32, 1, {1}, &st->best_loss},
    };
    char step[32], tokens[32];
    snprintf(step, sizeof step, "%zu", st->step);
    snprintf(tokens, sizeof tokens, "%zu", st->tokens);
    const char *const meta[][2] = {
        {"fingerprint", fingerprint}, {"step", step}, {"tokens", tokens}};
    return qv__st_write(path, tensor, QV_COUNT(tensor), meta, QV_COUNT(meta), err);
}

static bool take(float *to, const struct qv_st *file, const char *name, size_t n)
{
    const struct qv_tensor *t = qv__st_find(file, name);
    if (!t || t->dtype != QV_F32 || t->n != n)
        return false;
    qv__st_f32(to, t, 0, n);
    return true;
}

static qv_status read_state(struct qv_state *st, const struct qv_st *file, const char *path,
                            const char *fingerprint, qv_err *err)
{
    const char *whose = qv__st_meta(file, "fingerprint");
    const char *step = qv__st_meta(file, "step"), *tokens = qv__st_meta(file, "tokens");
    const struct qv_tensor *valid = qv__st_find(file, "valid");
    if (!whose || !step || !tokens || !valid)
        return qv_fail(err, QV_EFORMAT, "%s: not a checkpoint", path);
    if (strcmp(whose, fingerprint) != 0)
        return qv_fail(err, QV_EFORMAT,
                       "%s: belongs to a run with other data or settings; remove it to "
                       "start anew",
                       path);
    size_t at = strtoul(step, NULL, 10), n_valid = valid->n / 2;
    if (at > st->max_steps || n_valid > st->max_valid || !take(st->p, file, "p", st->n) ||
        !take(st->m, file, "m", st->n) || !take(st->v, file, "v", st->n) ||
        !take(st->best, file, "best", st->n) || !take(st->loss, file, "loss", at) ||
        !take(&st->valid[0][0], file, "valid", 2 * n_valid) ||
        !take(&st->best_loss, file, "best_loss", 1))
        return qv_fail(err, QV_EFORMAT, "%s: a checkpoint of other sizes", path);
    st->step = at;
    st->n_valid = n_valid;
    st->tokens = st->tokens_before = strtoul(tokens, NULL, 10);
    return QV_OK;
}

qv_status qv__state_load(struct qv_state *st, const char *path, const char *fingerprint,
                         qv_err *err)
{
    if (!qv__is_file(path))
        return QV_OK;
    struct qv_st file;
    qv_status result = qv__st_open(&file, path, err);
    if (result)
        return result;
    result = read_state(st, &file, path, fingerprint, err);
    qv__st_close(&file);
    return result;
}
