/* recipe_test.c - a recipe at its smallest size over a tiny model: it comes to its end,
 * draws its table, does nothing twice, and keeps to its settings; and others over the
 * paper's architectures. */
#include "base/arena.h"
#include "base/file.h"
#include "support/scratch.h"
#include "support/world.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Run a shell's line; its exit status. What it says goes to the file "said". */
static int shell(const char *line)
{
    qv_arena a = {0};
    int status = system(qv__arena_fmt(&a, "%s > %s 2>&1", line, in_world("said")));
    qv__arena_free(&a);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Run recipes/table5-held-out.sh with more settings. */
static int recipe(const char *settings)
{
    qv_arena a = {0};
    int status = shell(qv__arena_fmt(
        &a, "SMOKE=1 MODEL=%s RUN=%s TRAIN_TASKS=3 %s recipes/table5-held-out.sh",
        in_world("m"), in_world("run"), settings));
    qv__arena_free(&a);
    return status;
}

/* A file of the world; the caller frees it. */
static char *text_of(const char *name)
{
    qv_arena a = {0};
    qv_err err = {0};
    char *bytes;
    size_t size;
    assert_works(qv__read_file(&bytes, &size, &a, in_world(name), 1 << 24, &err), &err);
    char *text = strdup(bytes);
    qv__arena_free(&a);
    return text;
}

static void assert_holds(const char *file, const char *words)
{
    char *text = text_of(file);
    if (!strstr(text, words))
        fail_msg("no '%s' in %s:\n%s", words, file, text);
    free(text);
}

static void a_recipe_ends_in_its_table_and_does_nothing_twice(void **state)
{
    (void)state;
    if (recipe("") != 0)
        fail_msg("%s", text_of("said"));
    assert_holds("run/report.html", "Table 5: held-out tasks.");
    assert_holds("run/report.html", "Private, arrow");
    assert_holds("run/report.html", "the paper");
    assert_holds("run/versions.txt", "recipes/steps.sh");
    assert_holds("run/versions.txt", "seeds 1");
    assert_holds("run/versions.txt", "model.safetensors");
    char *first = text_of("run/commands.tsv");
    assert_int_equal(recipe(""), 0);
    char *second = text_of("run/commands.tsv");
    assert_string_equal(first, second);
    free(second);

    // Killed in its last step: that one is done again, and no other.
    char *last = strstr(first, "mbc-arrow.upstream");
    assert_non_null(last);
    while (last[-1] != '\n')
        last--;
    const char *lost = strdup(last);
    *last = '\0';
    write_text(in_world("run/commands.tsv"), first);
    assert_int_equal(recipe(""), 0);
    second = text_of("run/commands.tsv");
    assert_memory_equal(second, first, strlen(first));
    assert_string_equal(strchr(second + strlen(first), '\t'), strchr(lost, '\t'));
    free((char *)(uintptr_t)lost);
    free(second);
    free(first);
}

static void other_settings_in_the_same_run_are_refused(void **state)
{
    (void)state;
    assert_int_equal(recipe("STEPS=7"), 1);
    assert_holds("said", "was made with other settings: remove it, or set RUN");
}

/* Two of the quickest of them; recipes/smoke.sh by itself is all. */
static void recipes_run_over_both_architectures_of_the_paper(void **state)
{
    (void)state;
    qv_arena a = {0};
    const char *smoke = qv__arena_fmt(
        &a, "OUT=%s RECIPES='figure5-norms table9_10-clusters' recipes/smoke.sh",
        in_world("smoke"));
    if (shell(smoke) != 0)
        fail_msg("%s", text_of("said"));
    assert_holds("said", "phi      figure5-norms ");
    assert_holds("said", "mistral  table9_10-clusters ");
    assert_holds("smoke/phi/model/config.json", "\"phi\"");
    assert_holds("smoke/mistral/model/config.json", "\"mistral\"");
    assert_holds("smoke/mistral/figure5-norms/report.html", "figure 5");
    assert_int_equal(shell(smoke), 1);
    assert_holds("said", "is there: remove it, or set OUT to another place");
    assert_int_equal(shell(qv__arena_fmt(&a,
                                         "OUT=%s MODELS=phi RECIPES=no-such "
                                         "recipes/smoke.sh",
                                         in_world("smoke2"))),
                     1);
    assert_holds("said", "FAILED: ");
    qv__arena_free(&a);
}

int main(void)
{
    if (!getenv("QUIVER"))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_recipe_ends_in_its_table_and_does_nothing_twice),
        cmocka_unit_test(other_settings_in_the_same_run_are_refused),
        cmocka_unit_test(recipes_run_over_both_architectures_of_the_paper),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
