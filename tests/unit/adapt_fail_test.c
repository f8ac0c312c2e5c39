/* adapt_fail_test.c - adapting that is stopped goes on to the same bytes, and what cannot
 * be done is refused.
 */
#include "adapt/adapt.h"
#include "base/file.h"
#include "build/build.h"
#include "model/model.h"
#include "support/adapted.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <math.h>
#include <stdio.h>

static bool stop(void *arg, const char *what, double done, double total, const char *note)
{
    (void)what, (void)done, (void)total, (void)note;
    return ++*(int *)arg >= 0;
}

static void what_was_stopped_goes_on_to_the_same_bytes(void **state)
{
    (void)state;
    for (const struct qv_adapter_ops *const *m = qv__adapters(); *m; m++) {
        if (*m == &qv__adapt_known) // which has nothing to stop
            continue;
        const char *whole = qv__arena_fmt(&names, "whole-%s", (*m)->name);
        const char *torn = qv__arena_fmt(&names, "torn-%s", (*m)->name);
        qv_adapt_opts o = options((*m)->name);
        qv_err err = {0};
        json_decref(adapt(whole, &o));
        // Each time one step or evaluation further; in pi through two trainings.
        size_t times = 0;
        do {
            int calls = 0;
            o.train.progress = (qv_progress){stop, &calls};
            qv_status result = adapt_with(torn, &o, &err);
            if (!result)
                break;
            assert_fails(result, QV_ECANCEL, &err, "stopped after ");
            assert_true(qv__is_dir(at(qv__arena_fmt(&names, "%s.checkpoint", torn))));
        } while (++times < 100);
        assert_in_range(times, STEPS, 99);
        assert_same_files(whole, torn);
        assert_false(qv__is_dir(at(qv__arena_fmt(&names, "%s.checkpoint", torn))));
    }
}

static void a_search_for_another_task_is_not_gone_on_with(void **state)
{
    (void)state;
    qv_adapt_opts o = options("lorahub");
    qv_err err = {0};
    int calls = 0;
    o.train.progress = (qv_progress){stop, &calls};
    assert_fails(adapt_with("search", &o, &err), QV_ECANCEL, &err,
                 "stopped after 1 of 12 evaluations");
    o.evaluations = 5;
    assert_fails(
        adapt_with("search", &o, &err), QV_EFORMAT, &err,
        "evaluations.safetensors: belongs to a search with other data or settings");

    // The right search, but for a file that does not hold it.
    struct qv_st st;
    const char *path = at("search.checkpoint/evaluations.safetensors");
    assert_works(qv__st_open(&st, path, &err), &err);
    const char *const meta[][2] = {{"fingerprint", qv__st_meta(&st, "fingerprint")}};
    const double two[2] = {0};
    const struct qv_tensor_out out[] = {{"w", QV_F64, 1, {2}, two},
                                        {"f", QV_F64, 1, {2}, two}};
    assert_works(qv__st_write(path, out, 2, meta, 1, &err), &err);
    qv__st_close(&st);
    o.evaluations = 12;
    assert_fails(adapt_with("search", &o, &err), QV_EFORMAT, &err,
                 "evaluations.safetensors: evaluations of other sizes");
}

static void what_nothing_can_be_learnt_from_is_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("lorahub");
    // One line that happens to be for validation.
    size_t i = 0;
    char name[64];
    do
        snprintf(name, sizeof name, "lone%zu", i++);
    while (qv__part_of(name, 0) == QV_TRAIN);
    const char *const only[] = {at(qv__arena_fmt(&names, "%s.jsonl", name))};
    write_text(only[0], "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    assert_fails(qv_adapt(model, only, 1, at("no-data"), &o, &err), QV_EFORMAT, &err,
                 "no examples to search by");
    o = options("mu");
    assert_fails(qv_adapt(model, only, 1, at("no-data"), &o, &err), QV_EFORMAT, &err,
                 "no examples to train on");

    const char *const data[] = {at("fox.jsonl")};
    const qv_model_opts opts = {.trainable = true};
    qv_model *broken;
    assert_works(qv_model_open(&broken, at("model"), &opts, &err), &err);
    for (size_t j = 0; j < broken->n_own; j++)
        broken->own[j] = NAN;
    o = options("lorahub");
    assert_fails(qv_adapt(broken, data, 1, at("no-loss"), &o, &err), QV_EFORMAT, &err,
                 "no weights have a finite loss");
    qv_model_close(broken);
}

static void options_of_another_method_are_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("lora");
    static const char *const words[] = {"lora has no use for a library",
                                        "lora has no use for an expert's name",
                                        "lora has no use for a way to retrieve experts",
                                        "lora has no use for a number of nearest experts",
                                        "lora has no use for heads",
                                        "lora has no use for evaluations",
                                        "lora has no use for a number of examples to "
                                        "judge by"};
    for (size_t i = 0; i < QV_COUNT(words); i++) {
        o = options("lora");
        o.library = i == 0 ? "lib" : NULL;
        o.expert = i == 1 ? "owl" : NULL;
        o.retrieve = i == 2 ? "random" : NULL;
        o.nearest = i == 3;
        o.heads = i == 4;
        o.evaluations = i == 5;
        o.judged = i == 6;
        assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err, words[i]);
    }
    o = options("mu");
    o.library = NULL;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err, "mu needs a library");
    o = options("lora");
    o.fraction = 1.5;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err,
                 "a fraction of 1.5 is not above 0 and up to 1");
    o.method = "magic";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no way to adapt is named 'magic'");
}

static void what_the_library_cannot_give_is_refused(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("shared");
    o.expert = "yak";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no expert is named 'yak'");
    o.expert = NULL;
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "none of the 4 experts is named 'shared': name the one to start from");
    o = options("mu");
    o.retrieve = "smell";
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no way to retrieve experts is named 'smell' (random, lora, svd, gauge");
    o = options("mhr");
    o.heads = 5;
    assert_fails(adapt_with("no", &o, &err), QV_EFORMAT, &err,
                 "which 5 heads do not divide");
    o = options("mu");
    const char *const data[] = {at("fox.jsonl")};
    assert_fails(qv_adapt(other_model, data, 1, at("no"), &o, &err), QV_EFORMAT, &err,
                 "base model '");
    qv_library *lib;
    assert_works(qv_library_create(&lib, at("empty"), NULL, &err), &err);
    qv_library_close(lib);
    o.library = at("empty");
    assert_fails(adapt_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "/empty: the library has no experts");
}

/* Experts of rank 4; data that is gone or changed; an expert that came from outside. */
static void pi_needs_experts_of_its_shape_and_their_data(void **state)
{
    (void)state;
    qv_err err = {0};
    qv_adapt_opts o = options("pi");
    o.train.rank = 2;
    assert_fails(adapt_with("no-pi", &o, &err), QV_EFORMAT, &err,
                 "expert 'cow': its sites or ranks are not those of the new LoRA");
    o = options("pi");
    const char *const tasks[] = {at("tasks/cow.jsonl")};
    const qv_build_opts b = {.method = "private", .train = {.steps = 2, .batch = 4}};
    assert_works(qv_build(model, tasks, 1, at("moved"), &b, &err), &err);
    o.library = at("moved");
    write_tiny_task(tasks[0], LINES, "yak", expert, 2);
    assert_fails(adapt_with("no-pi2", &o, &err), QV_ENOTFOUND, &err,
                 "cow.jsonl: not what it was trained on any more");
    write_tasks();
    json_decref(adapt("pi-again", &o)); // and now it is kept
    assert_works(qv__remove_tree(tasks[0], &err), &err);
    json_decref(adapt("pi-kept", &o));
    assert_same_files("pi-again", "pi-kept");
    qv_library *moved;
    qv_snapshot *snap;
    const float one = 1;
    const struct qv_tensor_out F = {"F", QV_F32, 1, {1}, &one};
    assert_works(qv_library_open(&moved, at("moved"), &err), &err);
    assert_works(qv_library_snapshot(&snap, moved, &err), &err);
    assert_works(qv__library_put_artifact(moved, "cow", "fisher",
                                          qv_snapshot_info(snap, 0)->hash, &F, 1, &err),
                 &err);
    qv_snapshot_release(snap);
    qv_library_close(moved);
    assert_fails(adapt_with("no-pi5", &o, &err), QV_EFORMAT, &err,
                 "expert 'cow': artifact 'fisher' is not of its shape");
    assert_works(qv__remove_tree(at("moved/cow/artifacts"), &err), &err);
    assert_fails(adapt_with("no-pi3", &o, &err), QV_ENOTFOUND, &err, "expert 'cow': ");
    write_tasks();

    qv_library *lib;
    assert_works(qv_library_create(&lib, at("foreign"), NULL, &err), &err);
    assert_works(qv_library_add(lib, "owl", at("lib/owl"), NULL, &err), &err);
    qv_library_close(lib);
    o.library = at("foreign");
    assert_fails(adapt_with("no-pi4", &o, &err), QV_ENOTFOUND, &err,
                 "expert 'owl': it does not say what it was trained on");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_stopped_goes_on_to_the_same_bytes),
        cmocka_unit_test(a_search_for_another_task_is_not_gone_on_with),
        cmocka_unit_test(what_nothing_can_be_learnt_from_is_refused),
        cmocka_unit_test(options_of_another_method_are_refused),
        cmocka_unit_test(what_the_library_cannot_give_is_refused),
        cmocka_unit_test(pi_needs_experts_of_its_shape_and_their_data),
    };
    return cmocka_run_group_tests(tests, make_library, close_place);
}
