/* build_test.c - from task files to a library: which experts, from what, with how
 * many steps, and the same bytes every time. */
#include <quiver/build.h>

#include "base/file.h"
#include "base/json.h"
#include "build/build.h"
#include "cluster/cluster.h"
#include "library/library.h"
#include "lora/prototypes.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 10, TASKS = 6 };

/* Six tasks of two families: the animals answer in letters, the others in digits. */
static int set_up(void **state)
{
    static const char *const letters[] = {"aa", "ab", "ba"}, *const digits[] = {"7", "77"};
    static const char *const animal[] = {"cow", "fox", "owl"};
    static const char *const plant[] = {"ash", "elm", "fir"};
    open_place(state);
    model = tiny_model(at("model"), 1);
    other_model = tiny_model(at("other"), 2);
    for (size_t i = 0; i < 3; i++) {
        write_tiny_task(task_at(animal[i]), 40, animal[i], letters, 3);
        write_tiny_task(task_at(plant[i]), 40, plant[i], digits, 2);
    }
    return 0;
}

static qv_build_opts options(const char *method)
{
    return (qv_build_opts){.method = method,
                           .clusters = 2,
                           .train = {.steps = STEPS, .batch = 4, .lr = 5e-3f, .lanes = 2}};
}

static qv_status build_with(const char *lib, const qv_build_opts *o, qv_err *err)
{
    const char *const tasks[] = {at("tasks")};
    return qv_build(model, tasks, 1, at(lib), o, err);
}

static void build(const char *lib, const qv_build_opts *o)
{
    qv_err err;
    assert_works(build_with(lib, o, &err), &err);
}

/* The expert was trained on those tasks, for that many steps. */
static void assert_expert(const struct listing *l, const char *name, size_t steps,
                          const char *const *task, size_t n)
{
    const qv_expert_info *info = expert_in(l, name);
    assert_int_equal(info->meta.n_tasks, n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(info->meta.task[i], task[i]);
    json_t *o = settings_of(info);
    assert_int_equal(json_integer_value(json_object_get(o, "steps")), steps);
    json_decref(o);

    struct qv_st st;
    qv_err err;
    assert_works(qv__library_artifact(&st, l->lib, name, "curve", info->hash, &err), &err);
    assert_int_equal(qv__st_find(&st, "loss")->n, steps);
    qv__st_close(&st);
    assert_works(qv__library_artifact(&st, l->lib, name, "prototypes", info->hash, &err),
                 &err);
    qv__st_close(&st);
}

static const char *const all[] = {"ash", "cow", "elm", "fir", "fox", "owl"};
static const char *const plants[] = {"ash", "elm", "fir"};
static const char *const animals[] = {"cow", "fox", "owl"};

static void private_trains_one_expert_a_task(void **state)
{
    (void)state;
    const qv_build_opts o = options("private");
    build("private", &o);
    struct listing l = list("private");
    assert_int_equal(l.n, TASKS);
    for (size_t i = 0; i < TASKS; i++)
        assert_expert(&l, all[i], STEPS, &all[i], 1);
    end_list(&l);
}

static void shared_trains_one_expert_with_everybodys_steps(void **state)
{
    (void)state;
    const qv_build_opts o = options("shared");
    build("shared", &o);
    struct listing l = list("shared");
    assert_int_equal(l.n, 1);
    assert_expert(&l, "shared", TASKS * STEPS, all, TASKS);
    end_list(&l);
}

static void mbc_trains_a_little_apart_then_one_expert_a_family(void **state)
{
    (void)state;
    static const char *const similarity[] = {NULL, "mbc", "gauge"};
    for (size_t i = 0; i < 3; i++) {
        const char *lib = qv__arena_fmt(&names, "mbc%zu", i);
        qv_build_opts o = options("mbc");
        o.similarity = similarity[i];
        build(lib, &o);
        struct listing l = list(lib);
        assert_int_equal(l.n, 2);
        assert_expert(&l, "mbc_00", 3 * STEPS * 6 / 10, plants, 3);
        assert_expert(&l, "mbc_01", 3 * STEPS * 6 / 10, animals, 3);
        end_list(&l);
        l = list(qv__arena_fmt(&names, "%s/.build/first", lib));
        assert_int_equal(l.n, TASKS);
        for (size_t j = 0; j < TASKS; j++)
            assert_expert(&l, all[j], STEPS * 4 / 10, &all[j], 1);
        end_list(&l);
    }
}

/* Which of the 3 clusters each task's first expert is put in, by a similarity. */
static void cluster_first(int label[TASKS], const char *lib, enum qv_similarity kind,
                          uint64_t seed)
{
    struct listing l = list(qv__arena_fmt(&names, "%s/.build/first", lib));
    struct qv_expert *e[TASKS];
    float sim[TASKS * TASKS];
    qv_err err;
    for (size_t i = 0; i < TASKS; i++)
        assert_works(qv__library_read(&e[i], l.lib, all[i], &model->sites, &err), &err);
    assert_works(
        qv__similarity(sim, e, TASKS, &(struct qv_similarity_opts){.kind = kind}, &err),
        &err);
    assert_works(qv__kmeans(label, NULL, sim, TASKS, TASKS, 3, 10, seed, &err), &err);
    for (size_t i = 0; i < TASKS; i++)
        qv__expert_free(e[i]);
    end_list(&l);
}

static void mbc_groups_by_the_similarity_that_is_asked_for(void **state)
{
    (void)state;
    static const char *const similarity[] = {"mbc", "gauge"};
    int label[2][TASKS];
    for (size_t i = 0; i < 2; i++) {
        const char *lib = qv__arena_fmt(&names, "three-by-%s", similarity[i]);
        qv_build_opts o = options("mbc");
        o.clusters = 3;
        o.similarity = similarity[i];
        o.train.seed = 1;
        build(lib, &o);
        cluster_first(label[i], lib, i ? QV_SIM_GAUGE : QV_SIM_MBC, o.train.seed);
        struct listing l = list(lib);
        for (size_t j = 0; j < TASKS; j++) {
            const qv_expert_info *info =
                expert_in(&l, qv__arena_fmt(&names, "mbc_%02d", label[i][j]));
            bool is_in = false;
            for (size_t k = 0; k < info->meta.n_tasks; k++)
                is_in = is_in || strcmp(info->meta.task[k], all[j]) == 0;
            assert_true(is_in);
        }
        end_list(&l);
    }
    assert_memory_not_equal(label[0], label[1], sizeof label[0]); // or nothing was seen
}

static void the_first_part_of_mbc_can_be_chosen(void **state)
{
    (void)state;
    qv_build_opts o = options("mbc");
    o.first_part = 0.7f;
    o.clusters = 99; // no more than there are tasks
    build("seven", &o);
    struct listing l = list("seven");
    assert_int_equal(l.n, TASKS);
    for (size_t i = 0; i < TASKS; i++)
        assert_expert(&l, qv__arena_fmt(&names, "mbc_%02zu", i), 3, &all[i], 1);
    end_list(&l);
}

static void random_deals_the_tasks_evenly(void **state)
{
    (void)state;
    qv_build_opts o = options("random");
    o.clusters = 4;
    build("random", &o);
    struct listing l = list("random");
    assert_int_equal(l.n, 4);
    size_t times[TASKS] = {0};
    for (size_t i = 0; i < 4; i++) {
        const char *name = qv__arena_fmt(&names, "random_%02zu", i);
        const qv_expert_info *info = expert_in(&l, name);
        assert_in_range(info->meta.n_tasks, 1, 2);
        assert_expert(&l, name, info->meta.n_tasks * STEPS, info->meta.task,
                      info->meta.n_tasks);
        for (size_t j = 0; j < TASKS; j++)
            for (size_t k = 0; k < info->meta.n_tasks; k++)
                times[j] += strcmp(info->meta.task[k], all[j]) == 0;
    }
    for (size_t j = 0; j < TASKS; j++)
        assert_int_equal(times[j], 1);
    end_list(&l);
}

/* Which of 4 experts has each task, with a seed. */
static void deal(size_t to[TASKS], uint64_t seed)
{
    qv_build_opts o = options("random");
    o.clusters = 4;
    o.train.seed = seed;
    o.train.steps = 1;
    const char *lib = qv__arena_fmt(&names, "dealt%d", (int)seed);
    build(lib, &o);
    struct listing l = list(lib);
    for (size_t i = 0; i < 4; i++) {
        const qv_expert_info *info =
            expert_in(&l, qv__arena_fmt(&names, "random_%02zu", i));
        for (size_t k = 0; k < info->meta.n_tasks; k++)
            for (size_t j = 0; j < TASKS; j++)
                if (strcmp(info->meta.task[k], all[j]) == 0)
                    to[j] = i;
    }
    end_list(&l);
}

static void another_seed_deals_the_tasks_another_way(void **state)
{
    (void)state;
    size_t to[3][TASKS] = {0};
    bool together[3];
    for (uint64_t seed = 0; seed < 3; seed++) {
        deal(to[seed], seed);
        together[seed] = to[seed][0] == to[seed][4] && to[seed][1] == to[seed][5];
    }
    assert_memory_not_equal(to[0], to[1], sizeof to[0]);
    assert_memory_not_equal(to[1], to[2], sizeof to[0]);
    assert_false(together[0] && together[1] && together[2]); // as in order they would be
}

static void without_steps_a_task_is_trained_for_whole_epochs(void **state)
{
    (void)state;
    const char *const tasks[] = {at("tasks/cow.jsonl"), at("tasks/ash.jsonl")};
    qv_build_opts o = options("shared");
    qv_err err;
    size_t n[2] = {0};
    for (size_t i = 0; i < 40; i++) {
        n[0] += qv__part_of("cow", i) == QV_TRAIN;
        n[1] += qv__part_of("ash", i) == QV_TRAIN;
    }
    o.train.steps = 0;
    o.train.epochs = 2;
    assert_works(qv_build(model, tasks, 2, at("epochs"), &o, &err), &err);
    struct listing l = list("epochs");
    const char *const both[] = {"ash", "cow"};
    assert_expert(&l, "shared", 2 * ((n[0] + 3) / 4 + (n[1] + 3) / 4), both, 2);
    end_list(&l);
}

static void an_expert_knows_where_it_comes_from(void **state)
{
    (void)state;
    const char *const tasks[] = {at("tasks/fox.jsonl")};
    qv_build_opts o = options("private");
    qv_err err;
    char hash[65];
    o.train.rank = 3;
    o.train.alpha = 6;
    o.train.sites = "v_proj|down_proj";
    o.train.seed = 77;
    o.train.dropout = -1;
    assert_works(qv_build(model, tasks, 1, at("facts"), &o, &err), &err);
    struct listing l = list("facts");
    assert_int_equal(l.n, 1);
    const qv_expert_info *info = expert_in(&l, "fox");
    assert_int_equal(info->n_sites, 4);
    assert_true(info->min_rank == 3 && info->max_rank == 3);
    assert_string_equal(info->meta.base_name, "model");
    assert_string_equal(info->meta.base_hash, qv_model_identity(model));
    assert_int_equal(info->meta.n_data, 1);
    assert_string_equal(info->meta.data[0].path, tasks[0]);
    hash_file(hash, tasks[0]);
    assert_string_equal(info->meta.data[0].hash, hash);
    assert_int_equal(info->meta.n_scores, 1);
    assert_string_equal(info->meta.score[0].task, "fox");
    assert_string_equal(info->meta.score[0].metric, "valid_loss");
    assert_true(info->meta.score[0].value > 0 && info->meta.score[0].value < 7);

    json_t *got = settings_of(info);
    assert_true(json_real_value(json_object_get(got, "seconds")) >= 0);
    assert_true(json_integer_value(json_object_get(got, "tokens")) > STEPS * 4 * 5);
    assert_int_equal(strlen(json_string_value(json_object_get(got, "run"))), 64);
    json_object_del(got, "seconds");
    json_object_del(got, "tokens");
    json_object_del(got, "run");
    json_t *want =
        json_pack("{s:s, s:i, s:f, s:f, s:s, s:f, s:f, s:f, s:f, s:f, s:i, s:i, "
                  "s:i}",
                  "method", "private", "rank", 3, "alpha", 6.0, "dropout", 0.0, "sites",
                  "v_proj|down_proj", "lr", .005, "warmup", .06, "weight_decay", 0.0,
                  "beta2", .999, "clip", .1, "steps", STEPS, "batch", 4, "seed", 77);
    char *said = json_dumps(got, JSON_SORT_KEYS), *due = json_dumps(want, JSON_SORT_KEYS);
    assert_string_equal(said, due);
    free(said);
    free(due);
    json_decref(got);
    json_decref(want);

    const qv_library_opts *facts = qv_library_facts(l.lib);
    assert_string_equal(facts->base_name, "model");
    assert_string_equal(facts->base_hash, qv_model_identity(model));
    assert_string_equal(facts->settings, "{\"method\":\"private\"}");
    end_list(&l);
}

static struct qv_expert *expert(const struct listing *l, const char *name)
{
    struct qv_expert *e;
    qv_err err;
    assert_works(qv__library_read(&e, l->lib, name, &model->sites, &err), &err);
    return e;
}

static void what_is_kept_beside_an_expert_is_its_own(void **state)
{
    (void)state;
    const qv_build_opts o = options("private");
    build("private", &o);
    struct listing l = list("private");
    const qv_expert_info *info = expert_in(&l, "owl");
    struct qv_expert *e = expert(&l, "owl");
    struct qv_prototypes p;
    struct qv_st st;
    qv_err err;
    assert_works(qv__prototypes_of(&p, e, &err), &err);
    assert_works(qv__library_artifact(&st, l.lib, "owl", "prototypes", info->hash, &err),
                 &err);
    const struct qv_tensor *v = qv__st_find(&st, "v"), *sigma = qv__st_find(&st, "sigma");
    assert_int_equal(v->n, p.first[p.n_sites]);
    assert_memory_equal(v->data, p.v, v->n * sizeof *p.v);
    assert_true(sigma->rank == 2 && sigma->shape[0] == e->n_sites && sigma->shape[1] == 2);
    assert_memory_equal(sigma->data, p.sigma, sigma->n * sizeof *p.sigma);
    qv__st_close(&st);
    qv__prototypes_end(&p);
    qv__expert_free(e);

    // The curve falls, and its lowest validation loss is the score.
    assert_works(qv__library_artifact(&st, l.lib, "owl", "curve", info->hash, &err), &err);
    float loss[STEPS], valid[2 * STEPS + 4];
    const struct qv_tensor *t = qv__st_find(&st, "valid");
    qv__st_f32(loss, qv__st_find(&st, "loss"), 0, STEPS);
    assert_in_range(t->n, 2, 2 * STEPS + 4);
    qv__st_f32(valid, t, 0, t->n);
    float best = valid[1];
    for (size_t i = 0; i < t->n / 2; i++)
        best = valid[2 * i + 1] < best ? valid[2 * i + 1] : best;
    assert_true(valid[t->n - 2] == STEPS); // the last one is after the last step
    assert_true(loss[STEPS - 1] < loss[0]);
    assert_close(&(float){(float)info->meta.score[0].value}, &best, 1, 0, 1e-6);
    qv__st_close(&st);
    end_list(&l);
}

static void experts_start_from_one_A(void **state)
{
    (void)state;
    qv_build_opts o = options("private");
    o.train.lr = 1e-30f; // so small that nothing moves
    o.train.warmup = -1;
    build("start", &o);
    struct listing l = list("start");
    struct qv_expert *first = expert(&l, all[0]), *fresh;
    qv_err err;
    for (size_t i = 1; i < TASKS; i++) {
        struct qv_expert *e = expert(&l, all[i]);
        assert_int_equal(e->n_sites, first->n_sites);
        for (size_t s = 0; s < e->n_sites; s++)
            assert_memory_equal(e->site[s].A, first->site[s].A,
                                e->site[s].R * e->site[s].D_in * sizeof(float));
        qv__expert_free(e);
    }
    assert_works(qv__build_expert(&fresh, "x", model, &o.train, &err), &err);
    bool differ = false; // from one site to the next
    for (size_t s = 0; s < fresh->n_sites; s++) {
        const struct qv_expert_site *f = &fresh->site[s];
        assert_memory_equal(f->A, first->site[s].A, f->R * f->D_in * sizeof(float));
        differ = differ || memcmp(f->A, fresh->site[0].A, sizeof(float)) != 0;
        for (size_t i = 0; i < f->R * f->D_out; i++)
            assert_true(f->B[i] == 0);
    }
    assert_true(differ);
    qv__expert_free(fresh);
    qv__expert_free(first);
    end_list(&l);
}

/* Hash of a file of the library. */
static void hash_of(char hash[65], const char *lib, const char *file)
{
    hash_file(hash, at(qv__arena_fmt(&names, "%s/%s", lib, file)));
}

static void building_again_changes_nothing(void **state)
{
    (void)state;
    static const char *const method[] = {"private", "shared", "mbc", "random"};
    static const char *const file[] = {
        "ash/expert.json", "shared/adapter_model.safetensors", "mbc_01/expert.json",
        "random_01/artifacts/curve.safetensors"};
    for (size_t i = 0; i < QV_COUNT(method); i++) {
        qv_build_opts o = options(method[i]);
        const char *lib = qv__arena_fmt(&names, "again-%s", method[i]);
        char once[65], twice[65];
        build(lib, &o);
        hash_of(once, lib, file[i]);
        int calls = 0;
        o.train.progress = (qv_progress){stop_at_once, &calls}; // would stop training
        build(lib, &o);
        assert_int_equal(calls, 0);
        hash_of(twice, lib, file[i]);
        assert_string_equal(once, twice);
    }
}

static void assert_same_experts(const char *x, const char *y, bool same)
{
    struct listing a = list(x), b = list(y);
    assert_int_equal(a.n, b.n);
    for (size_t i = 0; i < a.n; i++) {
        const qv_expert_info *p = qv_snapshot_info(a.snap, i),
                             *q = qv_snapshot_info(b.snap, i);
        assert_string_equal(p->name, q->name);
        if ((strcmp(p->hash, q->hash) == 0) != same)
            fail_msg("expert '%s' of %s and %s", p->name, x, y);
    }
    end_list(&a);
    end_list(&b);
}

static void the_same_seed_gives_the_same_experts_and_another_gives_others(void **state)
{
    (void)state;
    static const char *const method[] = {"private", "shared", "mbc"};
    for (size_t i = 0; i < QV_COUNT(method); i++) {
        qv_build_opts o = options(method[i]);
        const char *lib = qv__arena_fmt(&names, "seed-%s", method[i]);
        const char *same = qv__arena_fmt(&names, "%s-same", lib);
        const char *other = qv__arena_fmt(&names, "%s-other", lib);
        build(lib, &o);
        build(same, &o);
        o.train.seed = 5;
        build(other, &o);
        assert_same_experts(lib, same, true);
        assert_same_experts(lib, other, false);
        char x[65], y[65];
        const char *file[] = {"ash/adapter_model.safetensors",
                              "shared/adapter_model.safetensors",
                              "mbc_01/artifacts/curve.safetensors"};
        hash_of(x, lib, file[i]);
        hash_of(y, same, file[i]);
        assert_string_equal(x, y);
    }
}

static void a_build_adds_the_experts_of_new_tasks(void **state)
{
    (void)state;
    const qv_build_opts o = options("private");
    const char *const two[] = {at("tasks/elm.jsonl"), at("tasks/cow.jsonl")};
    qv_err err;
    assert_works(qv_build(model, two, 2, at("grows"), &o, &err), &err);
    struct listing l = list("grows");
    assert_int_equal(l.n, 2);
    end_list(&l);
    build("grows", &o);
    build("private", &o);
    assert_same_experts("grows", "private", true);
}

static void what_a_killed_build_did_not_store_is_stored_by_the_next(void **state)
{
    (void)state;
    const qv_build_opts o = options("private");
    build("private", &o);
    build("torn", &o);
    // Killed after an expert was put, before one of its artifacts was: the
    // checkpoint is still there, too.
    qv_err err;
    assert_works(qv__remove_tree(at("torn/fox/artifacts/prototypes.safetensors"), &err),
                 &err);
    assert_works(qv__remove_tree(at("torn/elm/artifacts"), &err), &err);
    build("torn", &o);
    assert_same_experts("private", "torn", true);
    struct listing l = list("torn");
    for (size_t i = 0; i < TASKS; i++)
        assert_expert(&l, all[i], STEPS, &all[i], 1);
    end_list(&l);

    write_text(at("torn/.build/owl.safetensors"), "a checkpoint nobody needs");
    build("torn", &o);
    char **left;
    size_t n;
    assert_works(qv__list_dir(&left, &n, &names, at("torn/.build"), &err), &err);
    assert_int_equal(n, 0);
}

static bool stop_in_the_middle(void *arg, const char *what, double done, double total,
                               const char *note)
{
    (void)note;
    assert_true(done <= total);
    snprintf(arg, 64, "%s", what);
    return done > 100;
}

static void a_stopped_build_goes_on_where_it_was(void **state)
{
    (void)state;
    const char *const task[] = {at("tasks/fox.jsonl")};
    qv_build_opts o = options("private");
    qv_err err;
    char what[64] = "";
    o.train.steps = 3000;
    o.train.valid_every = 500;
    assert_works(qv_build(model, task, 1, at("whole"), &o, &err), &err);
    o.train.progress = (qv_progress){stop_in_the_middle, what};
    assert_fails(qv_build(model, task, 1, at("parts"), &o, &err), QV_ECANCEL, &err,
                 "expert 'fox': stopped after ");
    assert_string_equal(what, "private 1/1 fox");
    assert_true(qv__is_file(at("parts/.build/fox.safetensors")));

    // Other settings do not go on from there.
    qv_build_opts other = o;
    other.train.alpha = 4;
    assert_fails(qv_build(model, task, 1, at("parts"), &other, &err), QV_EFORMAT, &err,
                 "fox.safetensors: belongs to a run with other data or settings; remove it "
                 "to start anew");
    other = o;
    other.train.sites = "k_proj|v_proj|q_proj|up_proj";
    assert_fails(qv_build(model, task, 1, at("parts"), &other, &err), QV_EFORMAT, &err,
                 "fox.safetensors: belongs to a run with other data");

    o.train.progress = (qv_progress){0};
    assert_works(qv_build(model, task, 1, at("parts"), &o, &err), &err);
    assert_same_experts("whole", "parts", true);
    assert_false(qv__is_file(at("parts/.build/fox.safetensors")));
}

static void another_run_does_not_replace_an_expert(void **state)
{
    (void)state;
    qv_build_opts o = options("private"), other[9];
    qv_err err;
    build("private", &o);
    char was[65], is[65];
    hash_of(was, "private", "ash/expert.json");
    for (size_t i = 0; i < QV_COUNT(other); i++)
        other[i] = o;
    other[0].train.lr = 1e-3f;
    other[1].train.rank = 2;
    other[2].train.alpha = 8;
    other[3].train.steps = 9;
    other[4].train.batch = 5;
    other[5].train.seed = 1;
    other[6].train.beta2 = .99f;
    other[7].train.max_tokens = 4;
    other[8].limit = 7;
    for (size_t i = 0; i < QV_COUNT(other); i++)
        assert_fails(build_with("private", &other[i], &err), QV_EEXIST, &err,
                     "expert 'ash': one is there from another run; remove it or build "
                     "into another library");
    hash_of(is, "private", "ash/expert.json");
    assert_string_equal(is, was);
    // Saying a default aloud is not another run.
    o.train.clip = .1f;
    o.train.warmup = .06f;
    o.train.rank = 4;
    build("private", &o);
}

static void what_cannot_be_built_is_refused(void **state)
{
    (void)state;
    const char *const tasks[] = {at("tasks")}, *const twice[] = {at("tasks"), at("more")};
    const char *const none[] = {at("model")};
    const qv_build_opts good = options("private");
    qv_build_opts o = {0};
    qv_err err;
    assert_fails(build_with("no", &o, &err), QV_ENOTFOUND, &err, "no method is named ''");
    o.method = "magic";
    assert_fails(build_with("no", &o, &err), QV_ENOTFOUND, &err,
                 "no method is named 'magic'");
    assert_fails(qv_build(model, tasks, 0, at("no"), &good, &err), QV_ENOTFOUND, &err,
                 "no task files in ''");
    assert_fails(
        qv_build(model, (const char *const[]){at("nowhere")}, 1, at("no"), &good, &err),
        QV_ENOTFOUND, &err, "/nowhere: no such file or directory");
    assert_works(qv__make_dir(at("bare"), &err), &err);
    assert_fails(
        qv_build(model, (const char *const[]){at("bare")}, 1, at("no"), &good, &err),
        QV_ENOTFOUND, &err, "/bare: no task files (*.jsonl, *.json)");
    assert_fails(qv_build(model, none, 1, at("no"), &good, &err), QV_EFORMAT, &err,
                 "model/config.json: no list 'Instances'");
    assert_works(qv__make_dir(at("more"), &err), &err);
    write_text(at("more/cow.jsonl"), "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    assert_fails(qv_build(model, twice, 2, at("no"), &good, &err), QV_EEXIST, &err,
                 "two tasks are named 'cow'");
    assert_false(qv__is_dir(at("no"))); // nothing was begun

    o = options("mbc");
    o.similarity = "looks";
    assert_fails(build_with("mbc-no", &o, &err), QV_ENOTFOUND, &err,
                 "no similarity is named 'looks' (mbc and gauge are)");
    o.similarity = NULL;
    o.first_part = 1;
    assert_fails(build_with("mbc-no", &o, &err), QV_ELIMIT, &err,
                 "a first part of 1 leaves nothing for the second");

    o = good;
    o.train.sites = "nonsense";
    assert_fails(build_with("sites-no", &o, &err), QV_ENOTFOUND, &err, "expert 'ash': ");

    build("private", &good);
    assert_fails(qv_build(other_model, tasks, 1, at("private"), &good, &err), QV_EFORMAT,
                 &err, "base model '");
    write_text(at("library.json"), "[]");
    assert_fails(qv_build(model, tasks, 1, root, &good, &err), QV_EFORMAT, &err,
                 "/library.json: not an object");

    // One line that happens to be for validation leaves nothing to learn from.
    size_t i = 0;
    char name[64];
    do
        snprintf(name, sizeof name, "lone%zu", i++);
    while (qv__part_of(name, 0) == QV_TRAIN);
    const char *const only[] = {at(qv__arena_fmt(&names, "%s.jsonl", name))};
    write_text(only[0], "{\"prompt\":\"p\",\"completion\":\"c\"}\n");
    assert_fails(qv_build(model, only, 1, at("lone"), &good, &err), QV_EFORMAT, &err,
                 qv__arena_fmt(&names, "expert '%s': no examples to train on", name));

    qv_model *mute;
    struct qv_config c = model->c;
    assert_works(qv__model_new(&mute, &c, 1, &err), &err);
    assert_fails(qv_build(mute, tasks, 1, at("no"), &good, &err), QV_ENOTFOUND, &err,
                 "the model has no tokenizer to read tasks with");
    qv_model_close(mute);
}

static void every_method_has_a_name_and_a_line(void **state)
{
    (void)state;
    static const char *const want[] = {
        "private", "shared", "mbc", "poly", "mhr", "random", "random-example", "embedding"};
    const struct qv_method *const *m = qv__methods();
    for (size_t i = 0; i < QV_COUNT(want); i++) {
        assert_string_equal(m[i]->name, want[i]);
        assert_true(strlen(m[i]->about) > 0);
    }
    assert_null(m[QV_COUNT(want)]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(private_trains_one_expert_a_task),
        cmocka_unit_test(shared_trains_one_expert_with_everybodys_steps),
        cmocka_unit_test(mbc_trains_a_little_apart_then_one_expert_a_family),
        cmocka_unit_test(mbc_groups_by_the_similarity_that_is_asked_for),
        cmocka_unit_test(the_first_part_of_mbc_can_be_chosen),
        cmocka_unit_test(random_deals_the_tasks_evenly),
        cmocka_unit_test(another_seed_deals_the_tasks_another_way),
        cmocka_unit_test(without_steps_a_task_is_trained_for_whole_epochs),
        cmocka_unit_test(an_expert_knows_where_it_comes_from),
        cmocka_unit_test(what_is_kept_beside_an_expert_is_its_own),
        cmocka_unit_test(experts_start_from_one_A),
        cmocka_unit_test(building_again_changes_nothing),
        cmocka_unit_test(the_same_seed_gives_the_same_experts_and_another_gives_others),
        cmocka_unit_test(a_build_adds_the_experts_of_new_tasks),
        cmocka_unit_test(what_a_killed_build_did_not_store_is_stored_by_the_next),
        cmocka_unit_test(a_stopped_build_goes_on_where_it_was),
        cmocka_unit_test(another_run_does_not_replace_an_expert),
        cmocka_unit_test(what_cannot_be_built_is_refused),
        cmocka_unit_test(every_method_has_a_name_and_a_line),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
