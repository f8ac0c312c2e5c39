/* agreement.c - how often Arrow's first choice is the expert of the text's own task.
 *
 *     build/release/bench/agreement MODEL LIBRARY TASK...
 *
 * LIBRARY is a private one and holds an expert for each task file. For every kind of
 * linear map, over the validation examples' positions that predict a target token, in all
 * layers: the share of (token, site) pairs at which the example's own expert scores
 * highest. Tokens are computed with the own expert's choice left to the router (top 1).
 */
#include "base/file.h"
#include "data/task.h"
#include "model/decoder.h"
#include "model/reuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct count {
    const qv_model *m;
    const qv_reuse *reuse;
    const char *own;
    size_t first, last; // rows that predict a target
    size_t right[QV_N_MAPS], all[QV_N_MAPS];
};

static void watch(void *arg, size_t site, size_t T, const struct qv_routing *r)
{
    (void)T;
    struct count *c = arg;
    const int *expert = c->reuse->bank->site[site].expert;
    for (size_t t = c->first; t < c->last; t++) {
        const char *name = c->reuse->name[expert[r->expert[t * r->k]]];
        c->right[site % c->m->n_maps] += strcmp(name, c->own) == 0;
        c->all[site % c->m->n_maps]++;
    }
}

static qv_status run_task(struct count *c, const char *path, qv_err *err)
{
    size_t n_ctx = c->m->c.n_ctx;
    const struct qv_task_opts opts = {.max_tokens = n_ctx};
    struct qv_acts acts = {0};
    struct qv_update u = {0};
    struct qv_task *task = NULL;
    int *pos = calloc(n_ctx, sizeof *pos);
    qv_status result = pos ? QV_OK : qv_fail(err, QV_ENOMEM, "no memory");
    for (size_t i = 0; pos && i < n_ctx; i++)
        pos[i] = (int)i;
    if (!result)
        result = qv__task_read(&task, path, c->m->tokenizer, &opts, err);
    if (!result)
        result = qv__acts_init(&acts, c->m, n_ctx, n_ctx, 1, 0, 0, err);
    if (!result)
        result = qv__reuse_update(&u, c->reuse, NULL, n_ctx, err);
    u.watch = watch;
    u.watch_arg = c;
    for (size_t i = 0; !result && i < task->n_valid; i++) {
        const struct qv_sequence *s = &task->valid[i];
        const struct qv_seq seq = {.n = s->n - 1};
        const struct qv_batch b = {
            .T = s->n - 1, .token = s->ids, .pos = pos, .seq = &seq, .n_seq = 1};
        c->own = task->name;
        c->first = s->n_prompt ? s->n_prompt - 1 : 0;
        c->last = s->n - 1;
        qv__decoder_forward(
            &(struct qv_pass){.m = c->m, .a = &acts, .b = &b, .update = &u});
    }
    qv__update_end(&u);
    qv__acts_end(&acts);
    qv__task_free(task);
    free(pos);
    return result;
}

int main(int argc, char **argv)
{
    qv_err err = {0};
    qv_model *m = NULL;
    qv_reuse *reuse = NULL;
    if (argc < 4) {
        fprintf(stderr, "agreement MODEL LIBRARY TASK...\n");
        return 2;
    }
    const qv_reuse_opts who = {.library = argv[2], .router = "arrow", .top_k = 1};
    struct count c = {0};
    qv_status result = qv_model_open(&m, argv[1], NULL, &err);
    if (!result)
        result = qv_reuse_open(&reuse, m, &who, &err);
    c.m = m;
    c.reuse = reuse;
    for (int i = 3; !result && i < argc; i++)
        result = run_task(&c, argv[i], &err);
    size_t right = 0, all = 0;
    for (size_t i = 0; !result && i < m->n_maps; i++) {
        right += c.right[i];
        all += c.all[i];
        if (c.all[i])
            printf("%-9s %5.1f%%\n", strrchr(qv_model_site(m, i), '.') + 1,
                   100.0 * (double)c.right[i] / (double)c.all[i]);
    }
    if (!result && all)
        printf("all       %5.1f%%  of %zu; chance %.1f%%\n",
               100.0 * (double)right / (double)all, all,
               100.0 / (double)qv_reuse_experts(reuse));
    if (result)
        fprintf(stderr, "agreement: %s\n", err.msg);
    qv_reuse_close(reuse);
    qv_model_close(m);
    return result ? 1 : 0;
}
