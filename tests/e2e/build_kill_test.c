/* build_kill_test.c - kill -9 at any moment of a build loses nothing: the library
 * opens and verifies, and the build that goes on ends with the same weights.
 *
 * The program starts itself as the builder (build_kill_test LIBRARY METHOD) and
 * kills it after a while drawn at random: never long enough to finish, so that one
 * library sees many kills. */
#include <quiver/build.h>

#include "base/rng.h"
#include "library/library.h"
#include "support/place.h"
#include "support/scratch.h"
#include "support/tiny.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { KILLS = 20, TASKS = 4 };

static const char *self;

static int set_up(void **state)
{
    static const char *const answer[] = {"aa", "7", "banana", "ba"};
    static const char *const task[TASKS] = {"cow", "elm", "fir", "owl"};
    open_place(state);
    write_tiny_model(at("model"), 1);
    for (size_t i = 0; i < TASKS; i++)
        write_tiny_task(task_at(task[i]), 40, task[i], answer + i / 2 * 2, 2);
    return 0;
}

/* The builder: ends with 0 when the library is whole. A checkpoint follows every
 * step, so that a kill can fall into the writing of one. */
static int build(const char *dir, const char *lib, const char *method)
{
    char base[256], tasks[256];
    const char *const paths[] = {tasks};
    qv_model *m;
    qv_err err;
    snprintf(base, sizeof base, "%s/model", dir);
    snprintf(tasks, sizeof tasks, "%s/tasks", dir);
    const qv_build_opts o = {.method = method,
                             .clusters = 2,
                             .skills = 3,
                             .train = {.steps = 40,
                                       .batch = 4,
                                       .lr = 5e-3f,
                                       .valid_every = 5,
                                       .save_every = -1,
                                       .lanes = 1}};
    qv_status result =
        qv_model_open(&m, base, &(qv_model_opts){.compute = QV_COMPUTE_F32}, &err);
    if (!result)
        result = qv_build(m, paths, 1, lib, &o, &err);
    if (result)
        fprintf(stderr, "%s\n", err.msg);
    qv_model_close(m);
    return result ? 1 : 0;
}

static pid_t start_building(const char *lib, const char *method)
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(self, self, root, lib, method, (char *)NULL);
        _exit(2);
    }
    return pid;
}

static void sleep_for(double seconds)
{
    const struct timespec t = {(time_t)seconds,
                               (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&t, NULL);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void tell(void *arg, const char *expert, const char *sentence)
{
    (void)arg;
    print_error("%s: %s\n", expert ? expert : "-", sentence);
}

/* Opens, and holds what it says it holds; if it is there at all. */
static qv_snapshot *verified(const char *dir)
{
    qv_library *lib;
    qv_snapshot *snap;
    qv_err err;
    size_t problems;
    qv_status result = qv_library_open(&lib, dir, &err);
    if (result == QV_ENOTFOUND) // killed before it was made
        return NULL;
    assert_works(result, &err);
    assert_works(qv_library_verify(lib, tell, NULL, &problems, &err), &err);
    assert_int_equal(problems, 0);
    assert_works(qv_library_snapshot(&snap, lib, &err), &err);
    qv_library_close(lib);
    return snap;
}

/* Every expert, the artifacts beside it, and of mbc the experts of the first part. */
static void assert_same(const char *got, const char *want)
{
    qv_snapshot *a = verified(got), *b = verified(want);
    qv_library *lib;
    qv_err err;
    assert_true(a && b);
    assert_int_equal(qv_snapshot_size(a), qv_snapshot_size(b));
    assert_works(qv_library_open(&lib, got, &err), &err);
    for (size_t i = 0; i < qv_snapshot_size(a); i++) {
        static const char *const kinds[] = {"curve", "prototypes"};
        const qv_expert_info *p = qv_snapshot_info(a, i), *q = qv_snapshot_info(b, i);
        assert_string_equal(p->name, q->name);
        assert_string_equal(p->hash, q->hash);
        for (size_t k = 0; k < 2; k++) {
            struct qv_st st;
            assert_works(qv__library_artifact(&st, lib, p->name, kinds[k], p->hash, &err),
                         &err);
            qv__st_close(&st);
        }
    }
    qv_library_close(lib);
    qv_snapshot_release(a);
    qv_snapshot_release(b);
}

/* Kill builds of one library after another, until there have been enough kills. The
 * longest wait is halved when a build was faster: the first, which it was taken from, may
 * have run beside other work. */
static void kill_builds(const char *method, uint64_t seed)
{
    int status;
    const char *whole = at(qv__arena_fmt(&names, "%s-whole", method));
    double begin = now();
    pid_t pid = start_building(whole, method);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    double longest = 0.5 * (now() - begin);

    for (size_t kills = 0, lives = 0, libraries = 0; kills < KILLS; libraries++) {
        const char *lib = at(qv__arena_fmt(&names, "%s-%zu", method, libraries));
        bool is_whole = false;
        while (!is_whole) {
            pid = start_building(lib, method);
            bool kills_it = kills < KILLS;
            if (kills_it) {
                sleep_for(longest * (double)qv__uniform(seed, lives++));
                assert_int_equal(kill(pid, SIGKILL), 0);
            }
            assert_int_equal(waitpid(pid, &status, 0), pid);
            is_whole = WIFEXITED(status);
            assert_true(!is_whole || WEXITSTATUS(status) == 0);
            kills += !is_whole;
            if (is_whole && kills_it)
                longest /= 2;
            qv_snapshot_release(verified(lib));
        }
        assert_same(lib, whole);
        if (strcmp(method, "mbc") == 0)
            assert_same(qv__arena_fmt(&names, "%s/.build/first", lib),
                        qv__arena_fmt(&names, "%s/.build/first", whole));
    }
}

static void
a_private_build_killed_at_random_moments_ends_with_the_same_weights(void **state)
{
    (void)state;
    kill_builds("private", 1);
}

static void an_mbc_build_killed_at_random_moments_ends_with_the_same_weights(void **state)
{
    (void)state;
    kill_builds("mbc", 2);
}

static void a_poly_build_killed_at_random_moments_ends_with_the_same_weights(void **state)
{
    (void)state;
    kill_builds("poly", 3);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return build(argv[1], argv[2], argv[3]);
    self = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_private_build_killed_at_random_moments_ends_with_the_same_weights),
        cmocka_unit_test(an_mbc_build_killed_at_random_moments_ends_with_the_same_weights),
        cmocka_unit_test(a_poly_build_killed_at_random_moments_ends_with_the_same_weights),
    };
    return cmocka_run_group_tests(tests, set_up, close_place);
}
