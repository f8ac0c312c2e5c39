/* embedding.c - tasks grouped by what the base makes of their inputs, before anything
 * is learnt: the paper's baseline "embeddings".
 *
 * A task is the mean hidden state of at most 100 of its prompts, at length 1
 * (qv__task_embedding); k-means on those vectors.
 */
#include "build/build.h"
#include "cluster/cluster.h"
#include "model/decoder.h"

#include <math.h>
#include <stdlib.h>

enum { MOST = 100 }; // as many as the authors' code takes for hidden states

qv_status qv__task_embedding(float *x, const qv_model *m, const struct qv_task *t,
                             size_t most, qv_err *err)
{
    size_t n = qv__min(t->n_train, most), longest = 1, D = m->c.D;
    for (size_t i = 0; i < n; i++)
        longest = qv__max(longest, t->train[i].n_prompt);
    int *pos = malloc(longest * sizeof *pos);
    double *sum = calloc(D, sizeof *sum);
    struct qv_acts a = {0}; // given a byte: each layer has its input, and no more
    qv_status result = pos && sum
                           ? qv__acts_init(&a, m, longest, longest, 1, 1, 1, err)
                           : qv_fail(err, QV_ENOMEM, "no memory for %zu tokens", longest);
    for (size_t i = 0; !result && i < longest; i++)
        pos[i] = (int)i;
    for (size_t i = 0; !result && i < n; i++) {
        const struct qv_sequence *s = &t->train[i];
        struct qv_seq whole = {.n = s->n_prompt};
        const struct qv_batch b = {
            .T = s->n_prompt, .token = s->ids, .pos = pos, .seq = &whole, .n_seq = 1};
        const struct qv_pass p = {.m = m, .a = &a, .b = &b};
        qv__decoder_forward(&p);
        const float *h = a.layer[m->c.L - 1].x; // [T, D]
        for (size_t j = 0; j < s->n_prompt * D; j++)
            sum[j % D] += (double)h[j] / (double)(s->n_prompt * n);
    }
    double square = 0;
    for (size_t d = 0; !result && d < D; d++)
        square += sum[d] * sum[d];
    for (size_t d = 0; !result && d < D; d++)
        x[d] = square > 0 ? (float)(sum[d] / sqrt(square)) : 0;
    qv__acts_end(&a);
    free(pos);
    free(sum);
    return result;
}

static qv_status group(int *label, struct qv_builder *b, void *arg, size_t K, qv_err *err)
{
    return qv__kmeans(label, NULL, arg, b->n_tasks, b->m->c.D, K, 10, b->o->train.seed,
                      err);
}

static qv_status build(struct qv_builder *b, qv_err *err)
{
    size_t D = b->m->c.D;
    float *x = calloc(b->n_tasks * D, sizeof *x);
    qv_status result =
        x ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory for %zu tasks", b->n_tasks);
    b->n_planned = qv__clusters_planned(b);
    for (size_t i = 0; !result && i < b->n_tasks; i++)
        result = qv__task_embedding(x + i * D, b->m, b->task[i], MOST, err);
    if (!result)
        result = qv__build_clusters(b, "embedding", group, x, 1, err);
    free(x);
    return result;
}

const struct qv_method qv__embedding = {
    "embedding", "one expert a cluster of tasks whose prompts are alike", build};
