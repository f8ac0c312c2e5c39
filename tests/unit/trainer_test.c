/* Training: twenty steps equal PyTorch's and PEFT's, an interrupted run ends with the
 * bits of one that never was, and what cannot go on is refused.
 *
 * "trainer_test child DIR" trains in DIR and saves after every step: what the last
 * test starts again and again, and kills.
 */
#include "train/trainer.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "lora/peft.h"
#include "support/golden.h"
#include "support/scratch.h"
#include "train/checkpoint.h"

#include <math.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

extern char **environ;

#define TRAIN "tests/golden/train/"
#define LLAMA "tests/golden/llama/"

static qv_model *base; // frozen

static int open_model(void **state)
{
    (void)state;
    const qv_model_opts f32 = {.compute = QV_COMPUTE_F32};
    return qv_model_open(&base, LLAMA "gqa_untied", &f32, NULL);
}

static int close_model(void **state)
{
    (void)state;
    qv_model_close(base);
    return 0;
}

static struct qv_expert *adapter(const char *name, const char *which)
{
    char dir[128];
    struct qv_expert *e;
    qv_err err = {0};
    snprintf(dir, sizeof dir, TRAIN "%s/%s", name, which);
    assert_works(qv__peft_read(&e, dir, &base->sites, &err), &err);
    return e;
}

static void the_schedule_is_the_authors(void **state)
{
    (void)state;
    static const double w3[] = {0,      1 / 3., 2 / 3., 1,      6 / 7., 5 / 7.,
                                4 / 7., 3 / 7., 2 / 7., 1 / 7., 0,      0};
    for (size_t i = 0; i < QV_COUNT(w3); i++)
        assert_true(fabs(qv__schedule(i, 3, 10) - w3[i]) < 1e-15);
    assert_true(qv__schedule(0, 0, 4) == 1 && qv__schedule(3, 0, 4) == 0.25);
    assert_true(qv__schedule(3, 4, 4) == 0.75 && qv__schedule(4, 4, 4) == 0);
}

/* The recipe's settings: one step is the whole batch, whose order is nothing. */
static struct qv_train_opts recipe(float weight_decay)
{
    return (struct qv_train_opts){.dropout = -1,
                                  .lr = 1e-3f,
                                  .warmup = 3 / 20.f,
                                  .weight_decay = weight_decay,
                                  .clip = 0.1f,
                                  .steps = 20,
                                  .lanes = 2,
                                  .pass_tokens = 16};
}

static void check_losses(const struct qv_train_log *log, const char *name, const char *run)
{
    char path[128];
    json_t *expect, *one;
    qv_err err = {0};
    size_t i;
    float want[20];
    snprintf(path, sizeof path, TRAIN "%s/expect.json", name);
    assert_works(qv__json_read(&expect, path, 1 << 20, &err), &err);
    json_t *list = json_object_get(json_object_get(expect, run), "loss");
    assert_int_equal(json_array_size(list), 20);
    json_array_foreach(list, i, one) want[i] = (float)json_number_value(one);
    assert_int_equal(log->steps, 20);
    assert_close(log->loss, want, 20, 0, 1e-5);
    assert_true(log->best == log->loss[19]);
    assert_int_equal(log->tokens, 20 * 25);
    json_decref(expect);
}

static const struct {
    float decay;
    const char *run, *after;
} decays[] = {{0, "wd0", "adapter_wd0"}, {0.1f, "wd0.1", "adapter_wd0.1"}};

static void twenty_steps_on_a_lora_are_those_of_pytorch_and_peft(void **state)
{
    (void)state;
    static const char *const loras[] = {"lora_attn", "lora_all"};
    for (size_t i = 0; i < 4; i++) {
        const char *name = loras[i / 2];
        struct golden_batch b;
        struct qv_source src;
        struct qv_train_log log;
        qv_err err = {0};
        golden_batch(&b, GOLDEN_BATCH);
        struct qv_expert *e = adapter(name, "adapter_in"),
                         *want = adapter(name, decays[i % 2].after);
        struct qv_train_opts o = recipe(decays[i % 2].decay);
        assert_works(qv__source_init(&src, b.s, 3, 3, 1, &err), &err);
        assert_works(qv__train_expert(e, base, &src, NULL, 0, &o, NULL, &log, &err), &err);
        check_losses(&log, name, decays[i % 2].run);
        assert_int_equal(e->n_w, want->n_w);
        assert_close_to_scale(e->w, want->w, e->n_w, 1e-4);
        qv__train_log_end(&log);
        qv__source_end(&src);
        qv__expert_free(e);
        qv__expert_free(want);
    }
}

static void twenty_steps_on_all_weights_are_those_of_pytorch(void **state)
{
    (void)state;
    static const char *const models[] = {"mha_tied", "gqa_untied"};
    for (size_t i = 0; i < 4; i++) {
        char path[128];
        struct golden_batch b;
        struct qv_source src;
        struct qv_train_log log;
        qv_model *m;
        qv_err err = {0};
        golden_batch(&b, GOLDEN_BATCH);
        snprintf(path, sizeof path, LLAMA "%s", models[i / 2]);
        assert_works(qv_model_open(&m, path, &(qv_model_opts){.trainable = true}, &err),
                     &err);
        struct qv_train_opts o = recipe(decays[i % 2].decay);
        assert_works(qv__source_init(&src, b.s, 3, 3, 1, &err), &err);
        assert_works(qv__train_full(m, &src, NULL, 0, &o, NULL, &log, &err), &err);
        snprintf(path, sizeof path, "full_%s", models[i / 2]);
        check_losses(&log, path, decays[i % 2].run);
        qv__train_log_end(&log);
        qv__source_end(&src);
        qv_model_close(m);
    }
}

/* A run with all there is to resume: several epochs in batches of two, dropout,
 * weight decay, and validation on other sequences. */
enum { N = 7, N_VALID = 3, LENGTH = 12, STEPS = 12 };

struct run {
    int ids[N + N_VALID][LENGTH];
    struct qv_sequence s[N + N_VALID];
    const struct qv_sequence *valid[N_VALID];
    struct qv_source src;
    struct qv_train_opts o;
    struct qv_expert *e;
    struct qv_train_log log;
};

static void run_init(struct run *r)
{
    qv_err err = {0};
    *r = (struct run){.o = {.dropout = 0.2f,
                            .lr = 0.05f,
                            .weight_decay = 0.01f,
                            .steps = STEPS,
                            .valid_every = 2,
                            .lanes = 2,
                            .pass_tokens = 16,
                            .seed = 4}};
    for (size_t i = 0; i < N + N_VALID; i++) {
        for (size_t j = 0; j < LENGTH; j++)
            r->ids[i][j] = (int)qv__below(6, i * LENGTH + j, 101);
        r->s[i] =
            (struct qv_sequence){.ids = r->ids[i], .n = LENGTH - i, .n_prompt = 1 + i % 3};
    }
    for (size_t i = 0; i < N_VALID; i++)
        r->valid[i] = &r->s[N + i];
    r->e = adapter("lora_all", "adapter_in");
    assert_works(qv__source_init(&r->src, r->s, N, 2, 8, &err), &err);
}

static void run_end(struct run *r)
{
    qv__train_log_end(&r->log);
    qv__source_end(&r->src);
    qv__expert_free(r->e);
}

static qv_status train(struct run *r, const char *checkpoint, qv_err *err)
{
    return qv__train_expert(r->e, base, &r->src, r->valid, N_VALID, &r->o, checkpoint,
                            &r->log, err);
}

static bool stop_at_once(void *arg, const char *what, double done, double total,
                         const char *note)
{
    *(double *)arg = done;
    assert_true(total == STEPS && what && strncmp(note, "loss ", 5) == 0);
    return true;
}

static void check_same(const struct run *got, const struct run *want)
{
    assert_memory_equal(got->e->w, want->e->w, want->e->n_w * sizeof *want->e->w);
    assert_int_equal(got->log.steps, STEPS);
    assert_memory_equal(got->log.loss, want->log.loss, STEPS * sizeof *want->log.loss);
    assert_int_equal(got->log.n_valid, STEPS / 2);
    assert_memory_equal(got->log.valid, want->log.valid,
                        STEPS / 2 * sizeof *want->log.valid);
    assert_int_equal(got->log.tokens, want->log.tokens);
    assert_true(got->log.best == want->log.best);
}

/* Every start makes one step and is stopped: so the run is cut after each of them.
 * Returns the weights after each step, [STEPS][n_w]. */
static float *cut_everywhere(const struct run *whole, const char *path)
{
    size_t n = whole->e->n_w;
    float *after = malloc(STEPS * n * sizeof *after);
    assert_non_null(after);
    for (size_t step = 1; step <= STEPS; step++) {
        struct run r;
        qv_err err = {0};
        double done = 0;
        char says[64];
        run_init(&r);
        r.o.progress = (qv_progress){stop_at_once, &done};
        snprintf(says, sizeof says, "stopped after %zu of %d steps", step, STEPS);
        assert_fails(train(&r, path, &err), QV_ECANCEL, &err, says);
        assert_true(done == (double)step);
        memcpy(after + (step - 1) * n, r.e->w, n * sizeof *after);
        run_end(&r);
    }
    return after;
}

static void a_run_cut_after_every_step_ends_with_the_same_bits(void **state)
{
    struct run whole, r;
    qv_err err = {0};
    const char *path = scratch_path(state, "checkpoint");
    run_init(&whole);
    assert_works(train(&whole, NULL, &err), &err);
    float *after = cut_everywhere(&whole, path);
    for (size_t twice = 0; twice < 2; twice++) { // finished, it only hands over
        run_init(&r);
        assert_works(train(&r, path, &err), &err);
        check_same(&r, &whole);
        run_end(&r);
    }
    size_t n = whole.e->n_w;
    assert_memory_not_equal(after + (STEPS - 2) * n, after + (STEPS - 1) * n, n * 4);
    free(after);
    run_end(&whole);
}

static void the_weights_of_the_lowest_validation_loss_are_kept(void **state)
{
    struct run r;
    qv_err err = {0};
    run_init(&r);
    float *after = cut_everywhere(&r, scratch_path(state, "checkpoint"));
    assert_works(train(&r, NULL, &err), &err);
    size_t best = 0;
    for (size_t i = 0; i < r.log.n_valid; i++) {
        assert_true(r.log.valid[i][0] == (float)(2 * (i + 1)));
        if (r.log.valid[i][1] < r.log.valid[best][1])
            best = i;
    }
    assert_true(r.log.best == r.log.valid[best][1]);
    assert_true(best + 1 < r.log.n_valid); // or the last weights would do
    const float *want = after + (2 * (best + 1) - 1) * r.e->n_w;
    assert_memory_equal(r.e->w, want, r.e->n_w * sizeof *want);
    free(after);
    run_end(&r);
}

static void without_a_validation_the_last_weights_are_kept(void **state)
{
    struct run r;
    qv_err err = {0};
    run_init(&r);
    r.o.valid_every = 1000;
    float *after = NULL;
    assert_works(train(&r, NULL, &err), &err);
    assert_int_equal(r.log.n_valid, 1); // at the end, whatever valid_every says
    assert_true(r.log.valid[0][0] == STEPS);
    run_end(&r);
    run_init(&r);
    after = cut_everywhere(&r, scratch_path(state, "checkpoint"));
    r.o.valid_every = 0; // of an epoch, and there is nothing to validate on
    assert_works(qv__train_expert(r.e, base, &r.src, NULL, 0, &r.o, NULL, &r.log, &err),
                 &err);
    assert_int_equal(r.log.n_valid, 0);
    assert_true(r.log.best == r.log.loss[STEPS - 1]);
    assert_memory_equal(r.e->w, after + (STEPS - 1) * r.e->n_w, r.e->n_w * 4);
    free(after);
    run_end(&r);
}

static void with_rate(struct run *r)
{
    r->o.lr = 0.04f;
}
static void with_seed(struct run *r)
{
    r->o.seed++;
}
static void with_dropout(struct run *r)
{
    r->o.dropout = -1;
}
static void with_steps(struct run *r)
{
    r->o.steps++;
}
static void with_token(struct run *r)
{
    qv_err err = {0};
    r->ids[2][3] = (r->ids[2][3] + 1) % 101;
    qv__source_end(&r->src);
    assert_works(qv__source_init(&r->src, r->s, N, 2, 8, &err), &err);
}
static void with_start(struct run *r)
{
    r->e->w[3] += 0.25f;
}
static void with_scale(struct run *r)
{
    r->e->site[0].scale *= 2;
}

static void a_checkpoint_of_another_run_is_refused(void **state)
{
    void (*const change[])(struct run *) = {
        with_rate, with_seed, with_dropout, with_steps, with_token, with_start, with_scale};
    const char *path = scratch_path(state, "checkpoint");
    struct run r;
    qv_err err = {0};
    double done;
    run_init(&r);
    r.o.progress = (qv_progress){stop_at_once, &done};
    assert_int_equal(train(&r, path, &err), QV_ECANCEL);
    run_end(&r);
    for (size_t i = 0; i < QV_COUNT(change); i++) {
        run_init(&r);
        change[i](&r);
        float *was = malloc(r.e->n_w * sizeof *was);
        assert_non_null(was);
        memcpy(was, r.e->w, r.e->n_w * sizeof *was);
        assert_fails(train(&r, path, &err), QV_EFORMAT, &err,
                     "checkpoint: belongs to a run with other data or settings; remove it "
                     "to start anew");
        assert_memory_equal(r.e->w, was, r.e->n_w * sizeof *was);
        free(was);
        run_end(&r);
    }
}

static void a_loss_that_is_no_number_is_refused(void **state)
{
    (void)state;
    struct run r;
    qv_err err = {0};
    run_init(&r);
    r.o.lr = 1e30f;
    r.o.warmup = -1; // none: the first step has the full rate
    assert_fails(train(&r, NULL, &err), QV_EFORMAT, &err, "lower the learning rate");
    assert_int_equal(strncmp(err.msg, "step 1: the loss is ", 20), 0);
    run_end(&r);
}

static void a_checkpoint_that_cannot_be_written_stops_the_run(void **state)
{
    (void)state;
    struct run r;
    qv_err err = {0};
    run_init(&r);
    r.o.save_every = -1; // every step
    assert_int_not_equal(train(&r, "/nowhere/checkpoint", &err), QV_OK);
    assert_non_null(strstr(err.msg, "/nowhere/checkpoint"));
    run_end(&r);
}

/* The state's own file: what is no checkpoint, and one that does not fit. */
static void files_that_are_no_checkpoint_are_refused(void **state)
{
    const char *path = scratch_path(state, "state");
    float p[4] = {1, 2, 3, 4}, q[5] = {0};
    struct qv_state a, b;
    qv_err err = {0};
    assert_works(qv__state_init(&a, p, 4, 10, 2, &err), &err);
    a.step = 3;
    a.n_valid = 2;
    a.tokens = 77;
    a.best_loss = 1.5f;
    assert_works(qv__state_save(&a, path, "mine", &err), &err);

    const struct {
        size_t n, max_steps, max_valid;
        const char *whose, *says;
    } bad[] = {{5, 10, 2, "mine", "state: a checkpoint of other sizes"},
               {4, 2, 2, "mine", "state: a checkpoint of other sizes"},
               {4, 10, 1, "mine", "state: a checkpoint of other sizes"},
               {4, 10, 2, "yours", "state: belongs to a run with other data or settings"}};
    for (size_t i = 0; i < QV_COUNT(bad); i++) {
        assert_works(
            qv__state_init(&b, q, bad[i].n, bad[i].max_steps, bad[i].max_valid, &err),
            &err);
        assert_fails(qv__state_load(&b, path, bad[i].whose, &err), QV_EFORMAT, &err,
                     bad[i].says);
        assert_int_equal(b.step, 0);
        qv__state_end(&b);
    }
    assert_works(qv__state_init(&b, q, 4, 10, 2, &err), &err);
    assert_works(qv__state_load(&b, scratch_path(state, "none"), "mine", &err), &err);
    assert_int_equal(b.step, 0);
    assert_works(qv__state_load(&b, path, "mine", &err), &err);
    assert_memory_equal(q, p, sizeof p);
    assert_true(b.step == 3 && b.n_valid == 2 && b.tokens == 77 && b.tokens_before == 77);
    assert_true(b.best_loss == 1.5f);
    write_text(path, "not one");
    assert_int_equal(qv__state_load(&b, path, "mine", &err), QV_EFORMAT);
    const struct qv_tensor_out lone = {"p", QV_F32, 1, {4}, p};
    assert_works(qv__st_write(path, &lone, 1, NULL, 0, &err), &err);
    assert_fails(qv__state_load(&b, path, "mine", &err), QV_EFORMAT, &err,
                 "state: not a checkpoint");
    qv__state_end(&a);
    qv__state_end(&b);
}

/* What a killed process does: train, saving after each step, and leave the weights
 * in DIR/weights. */
static int child(const char *dir)
{
    struct run r;
    qv_err err = {0};
    char checkpoint[256], weights[256];
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", dir);
    snprintf(weights, sizeof weights, "%s/weights", dir);
    if (open_model(NULL))
        return 2;
    run_init(&r);
    r.o.save_every = -1;
    r.o.steps = 60;
    if (train(&r, checkpoint, &err) ||
        qv__write_file(weights, r.e->w, r.e->n_w * sizeof *r.e->w, &err)) {
        fprintf(stderr, "child: %s\n", err.msg);
        return 1;
    }
    run_end(&r);
    return close_model(NULL);
}

/* Start a child and kill it after so many milliseconds; 0 lets it live. Returns its
 * status as wait gives it. */
static int live(const char *dir, long milliseconds)
{
    char *const argv[] = {(char[]){"trainer_test"}, (char[]){"child"}, strdup(dir), NULL};
    pid_t pid;
    int status;
    assert_int_equal(posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    if (milliseconds) {
        nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000}, NULL);
        kill(pid, SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    free(argv[2]);
    return status;
}

static void a_process_killed_at_any_moment_resumes_with_the_same_bits(void **state)
{
    struct run whole;
    qv_err err = {0};
    size_t killed = 0;
    run_init(&whole);
    whole.o.steps = 60;
    assert_works(train(&whole, NULL, &err), &err);
    for (uint64_t i = 0; i < 12; i++)
        killed += WIFSIGNALED(live(*state, 20 + (long)qv__below(1, i, 60))) != 0;
    assert_true(killed > 0);
    int status = live(*state, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct qv_map map;
    assert_works(qv__map(&map, scratch_path(state, "weights"), &err), &err);
    assert_int_equal(map.size, whole.e->n_w * sizeof *whole.e->w);
    assert_memory_equal(map.bytes, whole.e->w, map.size);
    qv__unmap(&map);
    run_end(&whole);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "child") == 0)
        return child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schedule_is_the_authors),
        cmocka_unit_test(twenty_steps_on_a_lora_are_those_of_pytorch_and_peft),
        cmocka_unit_test(twenty_steps_on_all_weights_are_those_of_pytorch),
        IN_SCRATCH(a_run_cut_after_every_step_ends_with_the_same_bits),
        IN_SCRATCH(the_weights_of_the_lowest_validation_loss_are_kept),
        IN_SCRATCH(without_a_validation_the_last_weights_are_kept),
        IN_SCRATCH(a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(a_loss_that_is_no_number_is_refused),
        cmocka_unit_test(a_checkpoint_that_cannot_be_written_stops_the_run),
        IN_SCRATCH(files_that_are_no_checkpoint_are_refused),
        IN_SCRATCH(a_process_killed_at_any_moment_resumes_with_the_same_bits),
    };
    return cmocka_run_group_tests(tests, open_model, close_model);
}
