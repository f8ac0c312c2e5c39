/* sandbox_test.c - programs that do what programs should not are contained and fail; a
 * right one passes. Where the machine has no sandbox these tests are skipped, with the
 * reason, but for those of the refusal. */
#include "eval/program.h"
#include "eval/sandbox.h"
#include "base/clock.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct qv_sandbox box;
static bool has_box;
static qv_err why_not;

static int open_box(void **state)
{
    (void)state;
    has_box = !qv__sandbox_open(&box, &(struct qv_sandbox_opts){.seconds = 2}, &why_not);
    return 0;
}

static int close_box(void **state)
{
    (void)state;
    qv__sandbox_end(&box);
    return 0;
}

static void need_box(void)
{
    if (has_box)
        return;
    print_message("# skipped: %s\n", why_not.msg);
    skip();
}

/* Whether it passed, and in how many seconds. */
static bool passes(const char *program, double *seconds)
{
    bool passed;
    qv_err err;
    double t0 = qv__seconds();
    assert_works(qv__sandbox_run(&passed, &box, program, &err), &err);
    *seconds = qv__seconds() - t0;
    return passed;
}

static void a_program_that_comes_to_its_end_passes(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_true(passes("", &took));
    assert_true(passes("def f(x):\n    return x + 1\nassert f(1) == 2\n", &took));
    assert_true(passes("from typing import List\nimport math, re, heapq, itertools\n"
                       "assert math.gcd(6, 4) == 2\nprint('a word', end='')\n",
                       &took));
    assert_true(passes("caf\xc3\xa9 = '\xc3\xa9'\nassert len(caf\xc3\xa9) == 1\n", &took));
}

static void a_program_that_does_not_come_to_its_end_fails(void **state)
{
    (void)state;
    static const char *const program[] = {
        "assert 1 == 2\n",
        "def f(:\n",
        "raise SystemExit(0)\n",
        "import os\nos._exit(0)",
        "quit()\n",
        "import os\nos.kill(os.getpid(), 9)\n",
        "1 / 0\n",
        "f = lambda: f()\nf()\n",
    };
    need_box();
    for (size_t i = 0; i < QV_COUNT(program); i++) {
        double took;
        if (passes(program[i], &took))
            fail_msg("it passed: %s", program[i]);
    }
}

static void a_program_that_loops_is_killed_on_time(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_false(passes("while True:\n    pass\n", &took));
    assert_true(took < 10); // 2, and what a busy machine adds
    assert_false(passes("import time\ntime.sleep(100)\n", &took));
    assert_true(took >= 1.9 && took < 10);
    // Nor can it be outlived by what it starts, or by ignoring signals.
    assert_false(passes("import os, signal, time\n"
                        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                        "os.fork()\nos.setsid() if os.getpid() > 2 else 0\n"
                        "while True:\n    time.sleep(1)\n",
                        &took));
    assert_true(took < 10);
}

static void there_is_no_network(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_false(passes("import socket\n"
                        "s = socket.socket()\ns.settimeout(1)\n"
                        "s.connect(('192.0.2.1', 80))\n",
                        &took));
    assert_false(passes("import socket\nsocket.getaddrinfo('example.org', 80)\n", &took));
    assert_true(passes("import socket\n"
                       "assert [n for _, n in socket.if_nameindex()] == ['lo']\n",
                       &took));
}

static void files_are_out_of_reach(void **state)
{
    (void)state;
    double took;
    char there[64];
    need_box();
    assert_false(passes("open('/etc/passwd').read()\n", &took));
    static const char *const written[] = {"here", "/tmp/there", "/usr/there", "/dev/shm/x"};
    for (size_t i = 0; i < QV_COUNT(written); i++) {
        char program[96];
        snprintf(program, sizeof program, "open('%s', 'w').write('x')\n", written[i]);
        assert_false(passes(program, &took));
    }
    // A file that the test has made, which whoever runs it can read.
    snprintf(there, sizeof there, "/tmp/quiver-sandbox-%d", (int)getpid());
    write_text(there, "secret");
    char program[128];
    snprintf(program, sizeof program, "open('%s').read()\n", there);
    assert_false(passes(program, &took));
    snprintf(program, sizeof program, "import os\nos.remove('%s')\n", there);
    assert_false(passes(program, &took));
    assert_int_equal(access(there, R_OK), 0);
    assert_int_equal(unlink(there), 0);
}

static void the_environment_is_not_inherited(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_true(
        passes("import os\n"
               "assert set(os.environ) <= {'PATH', 'PWD', 'LC_CTYPE'}, os.environ\n",
               &took));
}

/* It forks whatever it is allowed to; what is allowed is a handful. */
static void processes_are_few(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_false(passes("import os, time\n"
                        "for i in range(64):\n"
                        "    if os.fork() == 0:\n"
                        "        time.sleep(30)\n",
                        &took));
    assert_true(took < 10);
    assert_false(passes("import os\n"
                        "while True:\n"
                        "    os.fork()\n",
                        &took));
    assert_true(took < 10);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    double took;
    need_box();
    assert_false(passes("x = bytearray(600 << 20)\n", &took));
    assert_false(passes("x = [0]\nwhile True:\n    x += x\n", &took));
    assert_true(passes("x = bytearray(100 << 20)\n", &took));
}

static void without_a_sandbox_nothing_is_run(void **state)
{
    (void)state;
    struct qv_sandbox s;
    qv_err err;
    assert_fails(
        qv__sandbox_open(&s, &(struct qv_sandbox_opts){.bwrap = "no-such-bwrap"}, &err),
        QV_EUNSUPPORTED, &err, "no sandbox, so no program is run");
    assert_null(s.argv);
    // One that only pretends: it runs what comes after --, behind no wall.
    assert_fails(qv__sandbox_open(&s, &(struct qv_sandbox_opts){.bwrap = "true"}, &err),
                 QV_EUNSUPPORTED, &err, "could not start Python");
    assert_fails(
        qv__sandbox_open(&s, &(struct qv_sandbox_opts){.python = "no-python"}, &err),
        QV_EUNSUPPORTED, &err, "could not start Python");
}

static void a_wall_that_does_not_stand_is_named(void **state)
{
    struct qv_sandbox s;
    qv_err err;
    need_box();
    // A bwrap that forgets its first argument, --unshare-all, and one that binds all files.
    static const struct {
        const char *script, *says;
    } fake[] = {
        {"#!/bin/sh\nshift\nexec bwrap --unshare-user --unshare-pid \"$@\"\n",
         "could not keep the network away"},
        {"#!/bin/sh\nexec bwrap --ro-bind / / \"$@\"\n", "could not"},
    };
    for (size_t i = 0; i < QV_COUNT(fake); i++) {
        const char *path = scratch_path(state, "bwrap");
        write_text(path, fake[i].script);
        assert_int_equal(chmod(path, 0755), 0);
        assert_int_equal(chmod(*state, 0755), 0); // for nobody, when root runs this
        assert_fails(qv__sandbox_open(&s, &(struct qv_sandbox_opts){.bwrap = path}, &err),
                     QV_EUNSUPPORTED, &err, fake[i].says);
    }
}

static void a_completion_is_cut_and_indented_as_the_authors_do(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *program;
    } is[] = {
        {"    return 1\n", "    return 1\n"},
        {"   return 1\n     x\n", "    return 1\n      x\n"}, // the first space was lost
        {"\n\n  a\n  b\n\n  c", "  a\n  b"},
        {"\treturn 1", "\treturn 1"},
        {"", ""},
        {" ", "  "},
        {"a\n \nb", "a\n  \nb"}, // a line of spaces is not an empty one
    };
    qv_arena a = {0};
    for (size_t i = 0; i < QV_COUNT(is); i++)
        assert_string_equal(qv__completion(&a, is[i].answer), is[i].program);
    qv__arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_comes_to_its_end_passes),
        cmocka_unit_test(a_program_that_does_not_come_to_its_end_fails),
        cmocka_unit_test(a_program_that_loops_is_killed_on_time),
        cmocka_unit_test(there_is_no_network),
        cmocka_unit_test(files_are_out_of_reach),
        cmocka_unit_test(the_environment_is_not_inherited),
        cmocka_unit_test(processes_are_few),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(without_a_sandbox_nothing_is_run),
        cmocka_unit_test_setup_teardown(a_wall_that_does_not_stand_is_named, make_scratch,
                                        remove_scratch),
        cmocka_unit_test(a_completion_is_cut_and_indented_as_the_authors_do),
    };
    return cmocka_run_group_tests(tests, open_box, close_box);
}
