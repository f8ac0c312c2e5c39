/* eval_test.c - scores of a tiny model against its logits, taken one example at a
 * time. */
#include <quiver/eval.h>

#include "base/file.h"
#include "base/json.h"
#include "data/task.h"
#include "eval/match.h"
#include "eval/rouge.h"
#include "library/library.h"
#include "model/reuse.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <quiver/session.h>

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 45, ANSWER = 6 };

static qv_reuse *oracle, *arrow;

static const char *const letters[] = {"aa", "a b c", "banana", "x", "so long a word"};
static const char *const things[] = {"cow", "elm"};

/* A library of three experts, two of them of tasks named as the things. */
static void make_library(void)
{
    static const char *const task[] = {"cow", "elm", "fir"};
    qv_library *lib;
    qv_err err;
    assert_works(qv_library_create(&lib, at("lib"), NULL, &err), &err);
    for (size_t k = 0; k < 3; k++)
        put_drawn(lib, task[k], task[k], 2, 40 + k);
    qv_library_close(lib);
}

static int set_up(void **state)
{
    qv_err err;
    open_place(state);
    model = tiny_model(at("model"), 3);
    make_library();
    for (size_t i = 0; i < 2; i++)
        write_tiny_task(task_at(things[i]), LINES + 5 * i, things[i], letters,
                        QV_COUNT(letters));
    assert_works(qv_reuse_open(&oracle, model,
                               &(qv_reuse_opts){.library = at("lib"), .router = "oracle"},
                               &err),
                 &err);
    assert_works(qv_reuse_open(&arrow, model,
                               &(qv_reuse_opts){.library = at("lib"), .router = "arrow"},
                               &err),
                 &err);
    return 0;
}

static int tear_down(void **state)
{
    qv_reuse_close(oracle);
    qv_reuse_close(arrow);
    return close_place(state);
}

static qv_eval_result *eval(const char *path, const qv_reuse *reuse, qv_eval_opts opts)
{
    qv_eval_result *r;
    qv_err err;
    opts.max_tokens = ANSWER;
    assert_works(qv_eval(&r, model, reuse, &path, 1, &opts, &err), &err);
    return r;
}

/* ---- by hand ---- */

static size_t encode(int *ids, const char *text)
{
    int *made;
    size_t n;
    qv_err err;
    assert_works(
        qv_tokenizer_encode(model->tokenizer, text, strlen(text), false, &made, &n, &err),
        &err);
    assert_true(n < 400);
    memcpy(ids, made, n * sizeof *ids);
    free(made);
    return n;
}

/* The mean log-probability of the target's tokens and EOS after BOS and the prompt,
 * by a model that reuses the expert for `task`. */
static double by_hand(const qv_reuse *reuse, const char *task, const char *prompt,
                      const char *target)
{
    int ids[404] = {qv_tokenizer_bos(model->tokenizer)};
    char text[256];
    snprintf(text, sizeof text, "%s %s", prompt, target);
    size_t first = 1 + encode(ids + 1, prompt), n = 1 + encode(ids + 1, text);
    ids[n++] = qv_tokenizer_eos(model->tokenizer);
    struct qv_update u;
    qv_err err;
    assert_works(qv__reuse_update(&u, reuse, task, n, &err), &err);
    float *logits = logits_of(model, &u, ids, n);
    double sum = 0;
    for (size_t i = first; i < n; i++) {
        const float *l = logits + (i - 1) * model->c.V;
        double all = 0;
        for (size_t v = 0; v < model->c.V; v++)
            all += exp((double)l[v]);
        sum += (double)l[ids[i]] - log(all);
    }
    free(logits);
    qv__update_end(&u);
    return sum / (double)(n - first);
}

static struct qv_dataset *read_task(const char *path)
{
    struct qv_dataset *d;
    qv_err err;
    assert_works(qv__dataset_read(&d, path, NULL, &err), &err);
    return d;
}

/* ---- tests ---- */

static void assert_near(double got, double want, double within)
{
    if (!(fabs(got - want) <= within))
        fail_msg("%.9g, should be %.9g within %g", got, want, within);
}

static void loglik_is_the_mean_log_probability_of_a_targets_tokens_and_eos(void **state)
{
    (void)state;
    const qv_reuse *const who[] = {NULL, oracle, arrow};
    double last = 0;
    for (size_t i = 0; i < QV_COUNT(who); i++) {
        qv_eval_result *r = eval(at("tasks"), who[i], (qv_eval_opts){.metric = "loglik"});
        assert_int_equal(qv_eval_tasks(r), 2);
        assert_null(qv_eval_task(r, 2));
        double mean = 0;
        for (size_t t = 0; t < 2; t++) {
            const qv_task_result *task = qv_eval_task(r, t);
            struct qv_dataset *d = read_task(task_at(things[t]));
            assert_string_equal(task->name, things[t]);
            assert_string_equal(task->metric, "loglik");
            assert_int_equal(task->n, LINES + 5 * t);
            double sum = 0;
            for (size_t j = 0; j < task->n; j++) {
                double want =
                    by_hand(who[i], things[t], d->at[j].prompt, d->at[j].targets[0]);
                assert_near(task->score[j], want, 1e-5);
                sum += want;
            }
            assert_near(task->mean, sum / (double)task->n, 1e-5);
            mean += sum / (double)task->n / 2;
            qv__dataset_free(d);
        }
        // Each task counts the same, though one is longer.
        assert_near(qv_eval_mean(r), mean, 1e-5);
        assert_true(fabs(mean - last) > 1e-3); // who is reused matters
        last = mean;
        qv_eval_free(r);
    }
}

static void a_choice_is_the_option_likeliest_a_token(void **state)
{
    (void)state;
    static const char *const option[] = {"x", "so long a word", "banana", "a b"};
    const char *path = at("choice.jsonl");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 8; i++) // every label for two prompts
        fprintf(f,
                "{\"prompt\":\"pick %d\",\"options\":[\"x\",\"so long a "
                "word\",\"banana\",\"a b\"],\"label\":%d}\n",
                i / 4, i % 4);
    // Equal options: the first is taken.
    fputs("{\"prompt\":\"tie\",\"options\":[\"one\",\"one\"],\"label\":0}\n"
          "{\"prompt\":\"tie\",\"options\":[\"one\",\"one\"],\"label\":1}\n",
          f);
    assert_int_equal(fclose(f), 0);
    qv_eval_result *r = eval(path, NULL, (qv_eval_opts){.metric = "choice"});
    const qv_task_result *t = qv_eval_task(r, 0);
    assert_int_equal(t->n, 10);
    for (size_t i = 0; i < 8; i++) {
        char prompt[16];
        size_t best = 0;
        double most = -INFINITY;
        snprintf(prompt, sizeof prompt, "pick %zu", i / 4);
        for (size_t j = 0; j < 4; j++) {
            double l = by_hand(NULL, NULL, prompt, option[j]);
            best = l > most ? j : best;
            most = fmax(l, most);
        }
        assert_true(t->score[i] == (i % 4 == best));
    }
    assert_true(t->score[8] == 1 && t->score[9] == 0);
    assert_near(t->mean, .3, 1e-12);
    qv_eval_free(r);
}

/* What the model says after a prompt, token by token. */
static char *answer(const qv_reuse *reuse, const char *prompt)
{
    int ids[404] = {qv_tokenizer_bos(model->tokenizer)};
    size_t n = 1 + encode(ids + 1, prompt), room = model->c.n_ctx - ANSWER, size;
    if (n > room) // the prompt's end, after BOS
        memmove(ids + 1, ids + 1 + n - room, (room - 1) * sizeof *ids);
    n = qv__min(n, room);
    qv_session *s;
    qv_err err;
    assert_works(qv_session_new(&s, model, reuse, 0, &err), &err);
    size_t begin = n;
    while (n < begin + ANSWER) {
        assert_works(qv_session_sync(s, ids, n, &err), &err);
        int id = qv_sample(qv_session_logits(s), model->c.V, NULL, n);
        if (id == qv_tokenizer_eos(model->tokenizer))
            break;
        ids[n++] = id;
    }
    qv_session_free(s);
    char *text;
    assert_works(qv_tokenizer_decode(model->tokenizer, ids + begin, n - begin, true, &text,
                                     &size, &err),
                 &err);
    return text;
}

/* A task of more prompts than are decoded side by side, some too long for the
 * model; the answers to every other one are what the model says. */
static size_t write_answered(const char *path, const qv_reuse *reuse)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    size_t n = 0;
    for (int i = 0; n < 70; i++) {
        char prompt[700];
        int used = snprintf(prompt, sizeof prompt, "say %d", i);
        for (int j = 0; i % 16 == 5 && j < 100; j++)
            used += snprintf(prompt + used, sizeof prompt - (size_t)used, " and %d", j % 9);
        char *said = answer(reuse, prompt);
        json_t *text = json_string(said); // NULL if it is not UTF-8
        free(said);
        if (!text)
            continue;
        json_t *line = json_pack("{s:s, s:[s, o]}", "prompt", prompt, "completion", "never",
                                 n % 2 ? json_string("zebra") : json_incref(text));
        char *json = json_dumps(line, 0);
        fprintf(f, "%s\n", json);
        free(json);
        json_decref(line);
        json_decref(text);
        n++;
    }
    assert_int_equal(fclose(f), 0);
    return n;
}

static void generated_answers_are_what_the_model_says_alone(void **state)
{
    (void)state;
    const qv_reuse *const who[] = {NULL, arrow};
    const char *path = at("said.jsonl");
    for (size_t i = 0; i < 2; i++) {
        size_t n = write_answered(path, who[i]), rouge_of_one = 0;
        struct qv_dataset *d = read_task(path);
        qv_eval_result *exact = eval(path, who[i], (qv_eval_opts){.metric = "exact"});
        qv_eval_result *rouge = eval(path, who[i], (qv_eval_opts){0});
        const qv_task_result *e = qv_eval_task(exact, 0), *g = qv_eval_task(rouge, 0);
        assert_true(e->n == n && g->n == n);
        assert_string_equal(g->metric, "rougeL");
        for (size_t j = 0; j < n; j++) {
            const struct qv_example *x = &d->at[j];
            char *said = answer(who[i], x->prompt);
            assert_true(e->score[j] == (double)qv__exact_match(said, x->targets, 2));
            assert_true(j % 2 || e->score[j] == 1);
            assert_near(g->score[j], qv__rouge_l(said, x->targets, 2), 0);
            rouge_of_one += g->score[j] == 1;
            free(said);
        }
        assert_true(rouge_of_one >= n / 4);
        assert_near(e->mean, .5, .05); // hardly any says "zebra"
        qv_eval_free(exact);
        qv_eval_free(rouge);
        qv__dataset_free(d);
    }
}

static void a_split_and_a_limit_choose_examples_by_position(void **state)
{
    (void)state;
    static const char *const split[] = {"train", "valid", "test", "all"};
    const char *path = at("tasks/cow.jsonl");
    qv_eval_result *all = eval(path, NULL, (qv_eval_opts){.metric = "loglik"});
    const qv_task_result *whole = qv_eval_task(all, 0);
    size_t total = 0;
    for (size_t i = 0; i < 4; i++)
        for (size_t limit = 0; limit < 3; limit++) {
            qv_eval_result *r =
                eval(path, NULL,
                     (qv_eval_opts){.metric = "loglik", .split = split[i], .limit = limit});
            const qv_task_result *t = qv_eval_task(r, 0);
            size_t n = 0;
            for (size_t j = 0; j < whole->n; j++) {
                enum qv_split part = qv__part_of("cow", j);
                bool chosen = i == 3 || part == (i == 0   ? QV_TRAIN
                                                 : i == 1 ? QV_VALID
                                                          : QV_TEST);
                if (!chosen || (limit && n == limit))
                    continue;
                assert_true(n < t->n);
                assert_near(t->score[n++], whole->score[j], 1e-5);
            }
            assert_int_equal(t->n, n);
            total += limit == 0 && i < 3 ? n : 0;
            qv_eval_free(r);
        }
    assert_int_equal(total, whole->n);
    qv_eval_free(all);
}

static void a_suite_names_metrics_and_options_win_over_its_split_and_limit(void **state)
{
    (void)state;
    const char *path = at("suite.json");
    write_text(path, "{\"metric\":\"loglik\",\"split\":\"train\",\"limit\":4,\"tasks\":["
                     "\"tasks/cow.jsonl\",{\"file\":\"tasks/elm.jsonl\",\"metric\":"
                     "\"exact\",\"limit\":2}]}");
    qv_eval_result *r = eval(path, NULL, (qv_eval_opts){.metric = "choice"});
    assert_string_equal(qv_eval_task(r, 0)->metric, "loglik");
    assert_string_equal(qv_eval_task(r, 1)->metric, "exact");
    assert_int_equal(qv_eval_task(r, 0)->n, 4);
    assert_int_equal(qv_eval_task(r, 1)->n, 2);
    qv_eval_free(r);
    r = eval(path, NULL, (qv_eval_opts){.split = "all", .limit = 30});
    assert_int_equal(qv_eval_task(r, 0)->n, 30);
    assert_int_equal(qv_eval_task(r, 1)->n, 30);
    qv_eval_free(r);
}

/* What is generated may turn on the last bit of two close logits, which another
 * packing may round otherwise: it repeats only as it was packed. */
static void scores_repeat_and_likelihoods_do_not_depend_on_threads_or_passes(void **state)
{
    (void)state;
    static const char *const metric[] = {"loglik", "exact", "rougeL", "choice"};
    int threads = omp_get_max_threads();
    for (size_t i = 0; i < QV_COUNT(metric); i++) {
        const char *path = at(i == 3 ? "choice.jsonl" : "said.jsonl");
        qv_eval_opts opts = {.metric = metric[i]};
        qv_eval_result *r[4];
        omp_set_num_threads(1);
        r[0] = eval(path, arrow, opts);
        omp_set_num_threads(2);
        r[1] = eval(path, arrow, opts);
        r[2] = eval(path, arrow, opts);
        opts.pass_tokens = 9;
        r[3] = eval(path, arrow, opts);
        const qv_task_result *t = qv_eval_task(r[0], 0);
        // sums of floats near 7, whose last place is 5e-7, in another order
        for (size_t j = 1; i == 0 && j < 4; j++)
            for (size_t e = 0; e < t->n; e++)
                assert_near(qv_eval_task(r[j], 0)->score[e], t->score[e], 5e-6);
        assert_memory_equal(qv_eval_task(r[2], 0)->score, qv_eval_task(r[1], 0)->score,
                            t->n * sizeof *t->score);
        for (size_t j = 0; j < 4; j++)
            qv_eval_free(r[j]);
    }
    omp_set_num_threads(threads);
}

static void a_split_without_examples_counts_for_nothing(void **state)
{
    (void)state;
    qv_err err;
    assert_works(qv__make_dir(at("small"), &err), &err);
    const char *const one = "{\"prompt\":\"p\",\"completion\":\"c\"}\n";
    const char *file[2]; // its line is for training or validation, and for testing
    for (size_t i = 0, found = 0; found < 2; i++) {
        const char *name = qv__arena_fmt(&names, "t%zu", i);
        bool is_test = qv__part_of(name, 0) == QV_TEST;
        if (is_test != (found == 1))
            continue;
        file[found] = at(qv__arena_fmt(&names, "small/%s.jsonl", name));
        write_text(file[found++], one);
    }
    static const char *const metric[] = {"loglik", "rougeL"};
    for (size_t i = 0; i < 2; i++) {
        qv_eval_result *r =
            eval(at("small"), NULL, (qv_eval_opts){.metric = metric[i], .split = "test"});
        size_t full = qv_eval_task(r, 1)->n ? 1 : 0;
        assert_int_equal(qv_eval_task(r, full)->n, 1);
        assert_int_equal(qv_eval_task(r, !full)->n, 0);
        assert_true(isnan(qv_eval_task(r, !full)->mean));
        assert_near(qv_eval_mean(r), qv_eval_task(r, full)->mean, 0);
        qv_eval_free(r);
    }
    qv_eval_result *none = eval(file[0], NULL, (qv_eval_opts){.split = "test"});
    assert_int_equal(qv_eval_tasks(none), 1);
    assert_true(isnan(qv_eval_mean(none)));
    qv_eval_free(none);
}

static bool stop_at_the_second(void *arg, const char *what, double done, double total,
                               const char *note)
{
    assert_string_equal(what, "eval");
    assert_true(total == 2);
    assert_string_equal(note, things[(size_t)done]);
    ++*(int *)arg;
    return done > 0;
}

static void what_cannot_be_evaluated_is_refused(void **state)
{
    (void)state;
    int calls = 0;
    write_text(at("fir.jsonl"), "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    write_text(at("bad.jsonl"), "{\"prompt\":\"p\",\"completion\":\"c\"}\n{}\n");
    write_text(at("none.jsonl"), "");
    write_text(at("stranger.jsonl"), "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    write_text(at("unsure.jsonl"), "{\"prompt\":\"p\",\"completion\":\"c\","
                                   "\"options\":[\"a\",\"b\"]}\n");
    const struct {
        const char *path;
        const qv_reuse *reuse;
        qv_eval_opts opts;
        qv_status status;
        const char *says;
    } lie[] = {
        {"stranger.jsonl",
         oracle,
         {.metric = "loglik"},
         QV_ENOTFOUND,
         "the oracle has no expert for task 'stranger'"},
        {"stranger.jsonl",
         oracle,
         {.metric = "rougeL"},
         QV_ENOTFOUND,
         "the oracle has no expert for task 'stranger'"},
        {"fir.jsonl", NULL, {.split = "half"}, QV_ENOTFOUND, "no split is named 'half'"},
        {"fir.jsonl",
         NULL,
         {.metric = "bleu"},
         QV_EFORMAT,
         "no metric 'bleu': there are rougeL, exact, choice, choice_sum, choice_char, "
         "loglik, "
         "pass@1"},
        {"fir.jsonl",
         NULL,
         {.metric = "choice"},
         QV_EFORMAT,
         "fir.jsonl: example 0 has no options to choose from"},
        {"unsure.jsonl",
         NULL,
         {.metric = "choice"},
         QV_EFORMAT,
         "unsure.jsonl: example 0 has no options to choose from"},
        {"bad.jsonl", NULL, {0}, QV_EFORMAT, "bad.jsonl: line 2: no 'prompt'"},
        {"none.jsonl", NULL, {0}, QV_EFORMAT, "none.jsonl: no examples"},
        {"nowhere.jsonl", NULL, {0}, QV_ENOTFOUND, "nowhere.jsonl: no such file"},
        {"tasks",
         NULL,
         {.metric = "loglik", .progress = {stop_at_the_second, &calls}},
         QV_ECANCEL,
         "stopped after 1 of 2 tasks"},
    };
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        qv_eval_result *r;
        qv_err err;
        const char *path = at(lie[i].path);
        assert_fails(qv_eval(&r, model, lie[i].reuse, &path, 1, &lie[i].opts, &err),
                     lie[i].status, &err, lie[i].says);
        assert_null(r);
    }
    assert_int_equal(calls, 2);
}

static void a_model_that_cannot_read_or_begin_is_refused(void **state)
{
    (void)state;
    qv_eval_result *r;
    qv_err err;
    assert_fails(qv_eval(&r, model, NULL, NULL, 0, NULL, &err), QV_ENOTFOUND, &err,
                 "no tasks to evaluate");
    const char *path = at("fir.jsonl");
    qv_model *mute;
    assert_works(qv__model_new(&mute, &model->c, 1, &err), &err);
    assert_fails(qv_eval(&r, mute, NULL, &path, 1, NULL, &err), QV_ENOTFOUND, &err,
                 "the model has no tokenizer to read tasks with");

    // Without BOS, nothing comes before the answer to an empty prompt.
    assert_works(qv_tokenizer_open(&mute->tokenizer, "tests/golden/text/tiny_gpt2", &err),
                 &err);
    path = at("silent.jsonl");
    write_text(path, "{\"prompt\":\"\",\"completion\":\"c\"}\n");
    assert_fails(qv_eval(&r, mute, NULL, &path, 1, NULL, &err), QV_EFORMAT, &err,
                 "silent.jsonl: the prompt is empty and the model needs a first token");
    qv_model_close(mute);
    qv_eval_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loglik_is_the_mean_log_probability_of_a_targets_tokens_and_eos),
        cmocka_unit_test(a_choice_is_the_option_likeliest_a_token),
        cmocka_unit_test(generated_answers_are_what_the_model_says_alone),
        cmocka_unit_test(a_split_and_a_limit_choose_examples_by_position),
        cmocka_unit_test(a_suite_names_metrics_and_options_win_over_its_split_and_limit),
        cmocka_unit_test(scores_repeat_and_likelihoods_do_not_depend_on_threads_or_passes),
        cmocka_unit_test(a_split_without_examples_counts_for_nothing),
        cmocka_unit_test(what_cannot_be_evaluated_is_refused),
        cmocka_unit_test(a_model_that_cannot_read_or_begin_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
