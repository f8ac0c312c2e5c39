/* adapt_cli_test.c - every way to build a library and every way to adapt, as a user asks
 * for them; and kill -9 while they adapt.
 */
#include "base/file.h"
#include "build/build.h"
#include "adapt/adapt.h"
#include "support/scratch.h"
#include "support/world.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TRAIN "--steps 3 --batch 4 --lr 1e-2"

static char *line(const char *fmt, const char *name)
{
    static char text[512];
    snprintf(text, sizeof text, fmt, name, name, name);
    return text;
}

static void every_way_to_build_makes_a_library_that_can_be_used(void **state)
{
    (void)state;
    for (const struct qv_method *const *m = qv__methods(); *m; m++) {
        const char *name = (*m)->name;
        json_t *v = json_of(line("build --json --model m --tasks tasks --library built-%s "
                                 "--method %s --clusters 2 --skills 2 --heads 4 " TRAIN,
                                 name));
        assert_in_range(json_array_size(json_object_get(v, "experts")), 1, 3);
        json_decref(v);
        works(line("library verify built-%s", name));
        v = json_of(line("score --json --model m --library built-%s --router uniform "
                         "--text 'Say a 7:'",
                         name));
        assert_true(json_is_array(json_object_get(v, "logprobs")));
        json_decref(v);
    }
}

static void the_number_of_clusters_can_be_left_open(void **state)
{
    (void)state;
    works("build --model m --tasks tasks --library built-auto --method mbc --clusters auto "
          "--first-part 0.5 " TRAIN);
    assert_true(qv__is_dir(in_world("built-auto/.build/mbc-2")));
    assert_true(qv__is_dir(in_world("built-auto/.build/mbc-3")));
    assert_true(qv__is_dir(in_world("built-auto/mbc_00")));
    says("build --model m --tasks tasks --library x --method mbc --clusters some", 2,
         "--clusters");
}

/* The options of a method. */
static const char *with(const char *method)
{
    return strcmp(method, "lora") == 0      ? ""
           : strcmp(method, "shared") == 0  ? "--library lib --expert b"
           : strcmp(method, "mhr") == 0     ? "--library lib --heads 4"
           : strcmp(method, "lorahub") == 0 ? "--library lib --evaluations 8"
           : strcmp(method, "known") == 0   ? "--library built-mhr"
           : strcmp(method, "pi") == 0      ? "--library lib --nearest 2"
                                            : "--library lib";
}

static const char *command(const char *method, const char *out)
{
    static char text[512];
    snprintf(text, sizeof text,
             "adapt --json --model m --data tasks/c.jsonl --method %s --out %s --fraction "
             "0.5 --steps 6 --batch 4 --lr 1e-2 --lanes 1 --save-every 0.001 %s",
             method, out, with(method));
    return text;
}

static void every_way_to_adapt_makes_an_adapter_that_can_be_used(void **state)
{
    (void)state;
    double base = bits_of("m", "");
    for (const struct qv_adapter_ops *const *m = qv__adapters(); *m; m++) {
        const char *name = (*m)->name;
        char out[64];
        snprintf(out, sizeof out, "adapted-%s", name);
        json_t *v = json_of(command(name, out));
        assert_string_equal(json_string_value(json_object_get(v, "out")), out);
        assert_string_equal(json_string_value(json_object_get(v, "method")), name);
        assert_in_range(json_integer_value(json_object_get(v, "examples")), 10, 20);
        json_decref(v);
        assert_true(bits_of("m", line("--adapter adapted-%s", name)) != base);
        says(command(name, out), 1, "something finished is there");
        works(
            line("adapt --resume --model m --data tasks/c.jsonl --method %s --library lib "
                 "--out adapted-%s",
                 name));
    }
    works("eval --model m --adapter adapted-poly --suite tasks --metric exact");
}

static void the_same_file_of(const char *x, const char *y, const char *name)
{
    char of_x[128], of_y[128];
    snprintf(of_x, sizeof of_x, "%s/%s", x, name);
    snprintf(of_y, sizeof of_y, "%s/%s", y, name);
    assert_same_bytes(in_world(of_x), in_world(of_y));
}

static void what_kill_9_ends_goes_on_to_the_same_bytes(void **state)
{
    (void)state;
    static const char *const method[] = {"poly", "lorahub", "pi"};
    for (size_t i = 0; i < QV_COUNT(method); i++) {
        char whole[64], torn[64];
        snprintf(whole, sizeof whole, "adapted-%s", method[i]);
        snprintf(torn, sizeof torn, "torn-%s", method[i]);
        size_t kills = 0;
        said.code = -1;
        for (long ms = 10; said.code != 0; ms += 10) { // each lives a little longer
            char again[512]; // that may be killed when all is done but its exit
            snprintf(again, sizeof again, "%s --resume", command(method[i], torn));
            pid_t pid = start(again);
            const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
            nanosleep(&wait, NULL);
            kill(pid, SIGKILL);
            await(pid);
            kills += said.code == -SIGKILL;
            if (said.code != 0 && said.code != -SIGKILL)
                fail_msg("%s: exit %d: %s", torn, said.code, said.err);
        }
        assert_in_range(kills, 1, 1000);
        the_same_file_of(whole, torn, "adapter_model.safetensors");
        the_same_file_of(whole, torn, "adaptation.json");
    }
}

static void what_is_asked_wrongly_is_wrong_usage(void **state)
{
    (void)state;
    says("adapt --model m --data tasks/c.jsonl --out x", 2, "--method is missing");
    says("adapt --model m --data tasks/c.jsonl --method mu", 2, "--out is missing");
    says("adapt --model m --method mu --out x", 2, "--data is missing");
    says("adapt --model m --method magic", 2, "no way to adapt is named 'magic'");
    says("adapt --model m --data tasks/c.jsonl --method mu --out x --fraction 2", 2,
         "--fraction");
    says("adapt --model m --data tasks/c.jsonl --method mu --out x", 1,
         "mu needs a library");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_build_makes_a_library_that_can_be_used),
        cmocka_unit_test(the_number_of_clusters_can_be_left_open),
        cmocka_unit_test(every_way_to_adapt_makes_an_adapter_that_can_be_used),
        cmocka_unit_test(what_kill_9_ends_goes_on_to_the_same_bytes),
        cmocka_unit_test(what_is_asked_wrongly_is_wrong_usage),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
