/* single.c - one expert, or a whole base, trained into a directory. */
#include "base/file.h"
#include "base/rng.h"
#include "build/build.h"
#include "data/corpus.h"
#include "lora/peft.h"
#include "model/gguf_adapter.h"
#include "model/model.h"

#include <stdlib.h>

/* The training and validation parts of some tasks. */
struct pool {
    struct qv_task **task; // [n_tasks]
    size_t n_tasks;
    struct qv_sequence *train;        // [n_train]
    const struct qv_sequence **valid; // [n_valid]
    size_t n_train, n_valid;
    qv_arena arena;
};

static qv_status read_pool(struct pool *p, const qv_model *m, const char *const *paths,
                           size_t n, const qv_train_opts *o, qv_err *err)
{
    const qv_build_opts b = {.train = *o};
    qv_status result =
        qv__build_tasks(&p->task, &p->n_tasks, &p->arena, m, paths, n, &b, err);
    for (size_t i = 0; i < p->n_tasks; i++) {
        p->n_train += p->task[i]->n_train;
        p->n_valid += p->task[i]->n_valid;
    }
    p->train = calloc(qv__max(p->n_train, 1), sizeof *p->train);
    p->valid = calloc(qv__max(p->n_valid, 1), sizeof *p->valid);
    if (!result && (!p->train || !p->valid))
        result = qv_fail(err, QV_ENOMEM, "no memory for %zu examples", p->n_train);
    size_t t = 0, v = 0;
    for (size_t i = 0; !result && i < p->n_tasks; i++) {
        for (size_t j = 0; j < p->task[i]->n_train; j++)
            p->train[t++] = p->task[i]->train[j];
        for (size_t j = 0; j < p->task[i]->n_valid; j++)
            p->valid[v++] = &p->task[i]->valid[j];
    }
    return result;
}

static void end_pool(struct pool *p)
{
    for (size_t i = 0; i < p->n_tasks; i++)
        qv__task_free(p->task[i]);
    free(p->train);
    free(p->valid);
    qv__arena_free(&p->arena);
}

/* A fresh expert, or a copy of the adapter at `init` under the name of `out`. */
static qv_status start(struct qv_expert **e, const qv_model *m, const char *out,
                       const char *init, const qv_train_opts *o, qv_err *err)
{
    if (!init)
        return qv__build_expert(e, qv__base_name(out), m, o, err);
    qv_status result = qv__adapter_read(e, init, m, err);
    if (!result)
        (*e)->name = qv__arena_str(&(*e)->arena, qv__base_name(out));
    return result;
}

qv_status qv_train(const qv_model *model, const char *const *paths, size_t n,
                   const char *out, const char *init, const qv_train_opts *opts,
                   qv_err *err)
{
    struct pool p = {0};
    struct qv_source src = {0};
    struct qv_train_log log = {0};
    struct qv_expert *e = NULL;
    const qv_train_opts o = opts ? *opts : (qv_train_opts){0};
    qv_status result = read_pool(&p, model, paths, n, &o, err);
    if (!result)
        result = start(&e, model, out, init, &o, err);
    if (!result)
        result = qv__source_init(&src, p.train, p.n_train, o.batch ? o.batch : 16,
                                 qv__seed_named(o.seed, e->name), err);
    const char *checkpoint = qv__arena_fmt(&p.arena, "%s.checkpoint", out);
    if (!result)
        result = qv__make_dir(out, err); // and its parents, where the checkpoint goes
    if (!result)
        result =
            qv__train_expert(e, model, &src, p.valid, p.n_valid, &o, checkpoint, &log, err);
    if (!result)
        result = qv__peft_write(e, out, err);
    if (!result)
        result = qv__remove_tree(checkpoint, err);
    qv__train_log_end(&log);
    qv__source_end(&src);
    qv__expert_free(e);
    end_pool(&p);
    return result;
}

/* Files of a model directory that training leaves as they are. */
static qv_status copy_tokenizer(const char *from, const char *to, qv_arena *a, qv_err *err)
{
    static const char *const names[] = {
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "vocab.json",
        "merges.txt",
        "special_tokens_map.json",
        "added_tokens.json",
        "generation_config.json",
    };
    for (size_t i = 0; i < QV_COUNT(names); i++) {
        const char *path = qv__arena_fmt(a, "%s/%s", from, names[i]);
        if (!qv__is_file(path))
            continue;
        struct qv_map map;
        qv_status result = qv__map(&map, path, err);
        if (result)
            return result;
        result = qv__write_file(qv__arena_fmt(a, "%s/%s", to, names[i]), map.bytes,
                                map.size, err);
        qv__unmap(&map);
        if (result)
            return result;
    }
    return QV_OK;
}

static qv_status open_base(qv_model **m, const qv_full_opts *o, qv_err *err)
{
    if (!o->random)
        return qv_model_open(m, o->model_dir, &(qv_model_opts){.trainable = true}, err);
    struct qv_config c;
    qv_status result = qv__config_read(&c, o->model_dir, err);
    if (!result)
        result = qv__model_new(m, &c, o->train.seed, err);
    if (result)
        return result;
    (*m)->dir = qv__arena_str(&(*m)->arena, o->model_dir);
    return qv_tokenizer_open(&(*m)->tokenizer, o->model_dir, err);
}

qv_status qv_train_full(const char *const *paths, size_t n, const char *out,
                        const qv_full_opts *opts, qv_err *err)
{
    struct pool p = {0};
    struct qv_corpus *corpus = NULL;
    struct qv_source src = {0};
    struct qv_train_log log = {0};
    qv_model *m = NULL;
    const qv_train_opts *o = &opts->train;
    qv_status result = open_base(&m, opts, err);
    if (!result && opts->window > m->c.n_ctx)
        result =
            qv_fail(err, QV_ELIMIT, "windows of %zu tokens, the model has %zu positions",
                    opts->window, m->c.n_ctx);
    if (!result && opts->window)
        result = qv__corpus_read(&corpus, paths, n, m->tokenizer, opts->window, err);
    else if (!result)
        result = read_pool(&p, m, paths, n, o, err);
    if (!result)
        result = qv__source_init(&src, corpus ? corpus->at : p.train,
                                 corpus ? corpus->n_windows : p.n_train,
                                 o->batch ? o->batch : 16, o->seed, err);
    const char *checkpoint = qv__arena_fmt(&p.arena, "%s.checkpoint", out);
    if (!result)
        result = qv__make_dir(out, err);
    if (!result)
        result = qv__train_full(m, &src, p.valid, p.n_valid, o, checkpoint, &log, err);
    if (!result)
        result = copy_tokenizer(opts->model_dir, out, &p.arena, err);
    if (!result)
        result = qv__model_write(m, out, opts->keep_f32 ? QV_F32 : QV_BF16, err);
    if (!result)
        result = qv__remove_tree(checkpoint, err);
    qv__train_log_end(&log);
    qv__source_end(&src);
    qv__corpus_free(corpus);
    qv_model_close(m);
    end_pool(&p);
    return result;
}
