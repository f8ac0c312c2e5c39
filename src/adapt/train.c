/* train.c - training on the new task, in stages that are done once. */
#include "adapt/adapt.h"
#include "base/file.h"
#include "base/rng.h"
#include "build/build.h"
#include "lora/peft.h"
#include "model/model.h"

/* *log is ended by the caller. */
static qv_status train(struct qv_train_log *log, struct qv_expert *e,
                       struct qv_mixture *mix, struct qv_adapting *a, const char *stage,
                       qv_err *err)
{
    const qv_train_opts *o = &a->o->train;
    const char *checkpoint = qv__arena_fmt(&a->arena, "%s/%s.safetensors", a->work, stage);
    struct qv_source src = {0};
    *log = (struct qv_train_log){0};
    qv_status result = qv__source_init(&src, a->train, a->n_train, o->batch ? o->batch : 16,
                                       qv__seed_named(o->seed, stage), err);
    if (!result && e)
        result =
            qv__train_expert(e, a->m, &src, a->valid, a->n_valid, o, checkpoint, log, err);
    else if (!result)
        result = qv__train_mixture(mix, a->m, &src, a->valid, a->n_valid, o, checkpoint,
                                   log, err);
    qv__source_end(&src);
    return result;
}

/* The last stage says what came of it. */
static qv_status train_last(struct qv_expert *e, struct qv_mixture *mix,
                            struct qv_adapting *a, const char *stage, qv_err *err)
{
    struct qv_train_log log;
    qv_status result = train(&log, e, mix, a, stage, err);
    if (!result) {
        json_object_set_new(a->learnt, "steps", json_integer((json_int_t)log.steps));
        json_object_set_new(a->learnt, "loss", json_real((double)log.best));
    }
    qv__train_log_end(&log);
    return result;
}

qv_status qv__adapt_train(struct qv_expert *e, struct qv_adapting *a, const char *stage,
                          qv_err *err)
{
    return train_last(e, NULL, a, stage, err);
}

qv_status qv__adapt_mix(struct qv_mixture *mix, struct qv_adapting *a, qv_err *err)
{
    qv__mixture_init(mix, a->o->train.seed);
    return train_last(NULL, mix, a, "mixture", err);
}

qv_status qv__adapt_fresh(struct qv_expert **out, struct qv_adapting *a, qv_err *err)
{
    const char *dir = qv__arena_fmt(&a->arena, "%s/fresh", a->work);
    if (qv__is_file(qv__arena_fmt(&a->arena, "%s/adapter_config.json", dir)))
        return qv__peft_read(out, dir, &a->m->sites, err);
    struct qv_train_log log = {0};
    qv_status result = qv__build_expert(out, "fresh", a->m, &a->o->train, err);
    if (!result)
        result = train(&log, *out, NULL, a, "fresh", err);
    if (!result)
        result = qv__make_dir(dir, err);
    if (!result)
        result = qv__peft_write(*out, dir, err);
    qv__train_log_end(&log);
    return result;
}
