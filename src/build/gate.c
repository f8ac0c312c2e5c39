/* gate.c - a gate for every site of an expert, trained on the expert's own tasks with
 * base and expert frozen: PHATGOOSE, route/phatgoose.c.
 *
 * The defaults are its paper's 100 steps at a rate of 5e-3, from zero, and the authors'
 * clipping at 1. */
#include "base/rng.h"
#include "build/prepare.h"
#include "model/model.h"
#include "train/trainer.h"

qv_status qv__prepare_gate(struct qv_preparer *p, const struct qv_pupil *who, qv_err *err)
{
    struct qv_expert *e = NULL;
    struct qv_prototypes gates = {0};
    struct qv_source src = {0};
    struct qv_train_log log = {0};
    qv_train_opts o = p->o->train;
    o.lr = o.lr != 0 ? o.lr : 5e-3f;
    o.clip = o.clip != 0 ? o.clip : 1;
    o.steps = o.steps ? o.steps : o.epochs ? 0 : 100;
    o.batch = o.batch ? o.batch : 16;
    qv_status result =
        qv__snapshot_read(&e, p->snap, (size_t)(who - p->pupil), &p->m->sites, err);
    if (!result)
        result = qv__prototypes_init(&gates, e, err);
    if (!result)
        result = qv__source_init(&src, who->at, who->n, o.batch,
                                 qv__seed_named(o.seed, e->name), err);
    if (!result)
        result = qv__train_gates(&gates, e, p->m, &src, &o, &log, err);
    if (!result) {
        const struct qv_tensor_out t = {
            "v", QV_F32, 1, {gates.first[gates.n_sites]}, gates.v};
        result = qv__prepare_put(p, who, "each", &t, 1, err);
    }
    qv__train_log_end(&log);
    qv__source_end(&src);
    qv__prototypes_end(&gates);
    qv__expert_free(e);
    return result;
}
