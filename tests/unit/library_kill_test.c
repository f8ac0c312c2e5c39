/* library_kill_test.c - the store is whole at every moment: processes change it
 * at once, and are killed at any instant. */
#include "library/library.h"
#include "base/file.h"
#include "support/experts.h"
#include "support/scratch.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char dir[80]; // of this process alone, made and removed by the test
static qv_library *lib;

static void put(const char *name)
{
    struct qv_expert *e = expert_filled(name, 1);
    qv_err err;
    assert_works(qv__library_put(lib, e, NULL, &err), &err);
    qv__expert_free(e);
}

/* Whether every weight of the expert is its alpha: one version, whole. */
static bool is_whole(const struct qv_expert *e)
{
    bool whole = e->n_sites == 2;
    for (size_t i = 0; i < e->n_w; i++)
        whole = whole && e->w[i] == e->site[0].alpha;
    return whole && e->site[0].alpha == e->site[1].alpha;
}

/* Changes at random until killed, from a child; ends with 1 on a real error.
 * "kept" is replaced and added to, never removed or renamed. */
static void change_forever(unsigned seed)
{
    static const char *const names[] = {"a", "b", "c", "d"};
    const float v[1] = {1};
    const struct qv_tensor_out t = {"v", QV_F32, 1, {1}, v};
    qv_library *mine;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (qv_library_open(&mine, dir, NULL))
        _exit(1);
    for (;;) {
        seed = seed * 1103515245 + 12345;
        unsigned what = seed >> 24 & 7;
        const char *other = names[seed >> 18 & 3];
        const char *name = what > 1 && (seed >> 21 & 1) ? "kept" : names[seed >> 16 & 3];
        const qv_expert_opts opts = {.replace = (seed >> 20 & 1) != 0};
        const qv_score score = {"t", "m", (double)(seed >> 16)};
        struct qv_expert *e = NULL, *read = NULL;
        char hash[65];
        qv_err err;
        qv_status result;
        switch (what) {
        case 0:
            result = qv_library_remove(mine, name, &err);
            break;
        case 1:
            result = qv_library_rename(mine, name, other, &err);
            break;
        case 2:
            result = qv_library_set_score(mine, name, &score, &err);
            break;
        case 3:
            result = qv__library_read(&read, mine, name, NULL, &err);
            if (!result && !is_whole(read))
                _exit(1);
            if (result)
                break;
            qv__expert_hash(hash, read);
            result = qv__library_put_artifact(mine, name, "proto", hash, &t, 1, &err);
            break;
        default:
            e = expert_filled(name, (float)(1 + (seed >> 16 & 0xff)));
            result = qv__library_put(mine, e, &opts, &err);
        }
        qv__expert_free(e);
        qv__expert_free(read);
        if (result && result != QV_ENOTFOUND && result != QV_EEXIST) {
            fprintf(stderr, "%s\n", err.msg);
            _exit(1);
        }
    }
}

static pid_t start_changing(unsigned seed)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        change_forever(seed);
    return pid;
}

static void print_problem(void *arg, const char *expert, const char *sentence)
{
    (void)arg;
    (void)expert;
    print_error("%s\n", sentence);
}

static void four_processes_killed_at_random_leave_whole_experts(void **state)
{
    (void)state;
    pid_t child[4];
    qv_err err;
    assert_works(qv_library_create(&lib, dir, NULL, &err), &err);
    put("kept");
    for (unsigned i = 0; i < 4; i++)
        child[i] = start_changing(i + 1);
    time_t until = time(NULL) + 10; // on a machine with much else to do
    for (unsigned kills = 0; kills < 30 && time(NULL) < until; kills++) {
        for (unsigned i = 0; i < 20 + kills * 7919 % 80; i++) {
            struct qv_expert *kept; // never absent, never a mixture
            assert_works(qv__library_read(&kept, lib, "kept", NULL, &err), &err);
            assert_true(is_whole(kept));
            qv__expert_free(kept);
        }
        int status;
        pid_t *killed = &child[kills % 4];
        assert_int_equal(kill(*killed, SIGKILL), 0);
        assert_int_equal(waitpid(*killed, &status, 0), *killed);
        assert_true(WIFSIGNALED(status)); // it had found nothing wrong
        *killed = start_changing(100 + kills);

        qv_snapshot *snap; // readers see whole experts meanwhile
        assert_works(qv_library_snapshot(&snap, lib, &err), &err);
        for (size_t i = 0; i < qv_snapshot_size(snap); i++) {
            struct qv_expert *e;
            qv_status result = qv__snapshot_read(&e, snap, i, NULL, &err);
            assert_true(result == QV_ENOTFOUND || (result == QV_OK && is_whole(e)));
            qv__expert_free(e);
        }
        qv_snapshot_release(snap);
    }
    for (unsigned i = 0; i < 4; i++) {
        kill(child[i], SIGKILL);
        waitpid(child[i], NULL, 0);
    }
    size_t n;
    assert_works(qv_library_verify(lib, print_problem, NULL, &n, &err), &err);
    assert_int_equal(n, 0);
    put("last"); // sweeps what the killed ones left
    char **left;
    qv_arena a = {0};
    assert_works(qv__list_dir(&left, &n, &a, qv__arena_fmt(&a, "%s/.tmp", dir), &err),
                 &err);
    assert_int_equal(n, 0);
    qv__arena_free(&a);
    qv_library_close(lib);
    assert_works(qv__remove_tree(dir, &err), &err);
}

int main(void)
{
    // In memory where possible: fsync costs nothing, so processes collide often.
    snprintf(dir, sizeof dir, "%s/quiver-library-%ld",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_processes_killed_at_random_leave_whole_experts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
