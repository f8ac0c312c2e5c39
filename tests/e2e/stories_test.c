/* A published model, end to end: tools/llama2c converts it, and what it says after
 * "Once upon a time" is, token for token, what llama2.c's own run.c says.
 */
#include <quiver/session.h>
#include <quiver/tokenizer.h>

#include "base/base.h"
#include "base/file.h"
#include "support/golden.h"
#include "support/scratch.h"

#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#define STORIES "../shared/data/models/stories260K/"

/* Run the converter, which is built beside this program: build/x/tests/e2e/this and
 * build/x/tools/llama2c. Returns its exit status. */
static int convert(const char *model, const char *tokenizer, const char *out)
{
    char path[512];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    assert_true(n > 0);
    path[n] = 0;
    for (int i = 0; i < 3; i++)
        *strrchr(path, '/') = 0;
    memcpy(path + strlen(path), "/tools/llama2c", sizeof "/tools/llama2c");
    need(path);
    char *const argv[] = {path, strdup(model), strdup(tokenizer), strdup(out), NULL};
    pid_t pid;
    int status;
    assert_int_equal(posix_spawn(&pid, path, NULL, NULL, argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    for (int i = 1; i < 4; i++)
        free(argv[i]);
    return WEXITSTATUS(status);
}

static void a_story_goes_on_as_llama2c_tells_it(void **state)
{
    need(STORIES "stories260K.bin");
    enum { NEW = 200, MAX = 256 };
    int want[MAX], greedy[MAX], ids[MAX], *prompt;
    size_t n = golden_ids(want, MAX, "tests/golden/stories260K.json", "prompt_ids"),
           n_prompt;
    assert_int_equal(golden_ids(greedy, MAX, "tests/golden/stories260K.json", "greedy"),
                     NEW);
    assert_int_equal(convert(STORIES "stories260K.bin", STORIES "tok512.model", *state), 0);

    qv_model *m;
    qv_session *s;
    qv_err err = {0};
    const qv_model_opts f32 = {.compute = QV_COMPUTE_F32};
    assert_works(qv_model_open(&m, *state, &f32, &err), &err);
    const qv_tokenizer *tok = qv_model_tokenizer(m);
    assert_non_null(tok);
    assert_true(qv_tokenizer_adds_bos(tok));
    assert_works(
        qv_tokenizer_encode(tok, "Once upon a time", 16, false, &prompt, &n_prompt, &err),
        &err);
    ids[0] = qv_tokenizer_bos(tok);
    memcpy(ids + 1, prompt, n_prompt * sizeof *ids);
    free(prompt);
    assert_int_equal(n_prompt + 1, n);
    assert_memory_equal(ids, want, n * sizeof *ids);

    assert_works(qv_session_new(&s, m, NULL, 0, &err), &err);
    for (size_t i = 0; i < NEW; i++) {
        assert_works(qv_session_sync(s, ids, n, &err), &err);
        ids[n] = qv_sample(qv_session_logits(s), qv_model_vocabulary(m), NULL, n);
        assert_int_equal(ids[n++], greedy[i]);
    }
    qv_session_free(s);
    qv_model_close(m);
}

static void what_is_no_checkpoint_is_refused(void **state)
{
    const char *model = scratch_path(state, "model.bin");
    const char *out = scratch_path(state, "out");
    write_text(model, "too short");
    assert_int_equal(convert(model, model, out), 1);
    write_text(model, "seven numbers that are much too large for any model");
    assert_int_equal(convert(model, model, out), 1);
    assert_int_equal(convert("/nowhere", model, out), 1);
    const struct {
        int32_t header[7];
        float weights[100];
    } file[] = {{{4, 4, 1, 2, 2, 4, 4}, {0}},          // too few weights
                {{2, 1, 1, 1, 1, 1, 1}, {0}},          // too many
                {{4, 4, 1, 3, 1, 4, 4}, {0}},          // heads that do not fit
                {{4, 4, 1, 2, 2, INT32_MIN, 4}, {0}}}; // a vocabulary without end
    for (size_t i = 0; i < QV_COUNT(file); i++) {
        assert_int_equal(qv__write_file(model, &file[i], sizeof file[i], NULL), QV_OK);
        assert_int_equal(convert(model, model, out), 1);
    }
    assert_int_not_equal(access(out, F_OK), 0);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, make_scratch, remove_scratch)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(a_story_goes_on_as_llama2c_tells_it),
        IN_SCRATCH(what_is_no_checkpoint_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
