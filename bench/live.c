/* bench/live.c - what a change of the library costs a server that is running.
 *
 *     build/release/bench/live MODEL [EXPERTS [BUDGET]]
 *
 * A library of so many random experts (256), rank 4 at every site, in a new directory in
 * the current one; Arrow over it has been asked for, so that each change binds it anew.
 * CSV: milliseconds until an expert that is sent is on disk, known and routed to, and until
 * one is gone: the median and the largest of RUNS; the processor's milliseconds for it, of
 * all threads; and the process's memory, with a BUDGET in MiB for the factors or without.
 */
#include "parts.h"
#include "base/clock.h"
#include "base/file.h"
#include "library/library.h"
#include "lora/peft.h"
#include "model/model.h"
#include "server/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { RUNS = 21, R = 4 };

static char dir[] = "bench-live-XXXXXX";

static _Noreturn void stop(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    if (qv__remove_tree(dir, NULL))
        fprintf(stderr, "bench: %s is left\n", dir);
    exit(1);
}

static void must(qv_status result, const qv_err *err)
{
    if (result)
        stop(err->msg);
}

static struct qv_expert *expert(const qv_model *m, const char *name, uint64_t seed)
{
    struct qv_expert *e;
    qv_err err;
    must(random_expert(&e, m, name, R, 0.01f, seed, &err), &err);
    return e;
}

/* MiB of this process in memory, files' pages included. */
static double resident(void)
{
    char line[128];
    double mib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, "VmRSS:", 6) == 0)
            mib = strtod(line + 6, NULL) / 1024;
    if (f)
        fclose(f);
    return mib;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void print(const char *what, size_t n, double *took, double cpu)
{
    qsort(took, RUNS, sizeof *took, by_size);
    printf("%s,%zu,%.1f,%.1f,%.1f\n", what, n, 1e3 * took[RUNS / 2], 1e3 * took[RUNS - 1],
           1e3 * cpu / RUNS);
}

/* Experts on disk, as a hand would have put them there. */
static void fill(qv_library *lib, const qv_model *m, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char name[32];
        qv_err err;
        snprintf(name, sizeof name, "e%05zu", i);
        struct qv_expert *e = expert(m, name, i);
        must(qv__library_put(lib, e, NULL, &err), &err);
        qv__expert_free(e);
    }
}

static void measure(struct qv_live *l, const char *from, size_t n)
{
    double added[RUNS], removed[RUNS], cpu_added = 0, cpu_removed = 0;
    for (size_t i = 0; i < RUNS; i++) {
        bool is_new;
        size_t generation;
        qv_err err;
        double begun = qv__seconds(), cpu = processor_seconds();
        must(qv__live_add(l, "new", &(struct qv_arrival){.dir = from}, &is_new, &generation,
                          &err),
             &err);
        added[i] = qv__seconds() - begun;
        cpu_added += processor_seconds() - cpu;
        begun = qv__seconds(), cpu = processor_seconds();
        must(qv__live_remove(l, "new", &generation, &err), &err);
        removed[i] = qv__seconds() - begun;
        cpu_removed += processor_seconds() - cpu;
    }
    print("add", n, added, cpu_added);
    print("remove", n, removed, cpu_removed);
}

int main(int argc, char **argv)
{
    const size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
    const size_t budget = argc > 3 ? strtoul(argv[3], NULL, 10) << 20 : 0;
    qv_model *m;
    qv_library *lib;
    struct qv_roster *roster;
    struct qv_live *l;
    const char *param;
    struct qv_who *who;
    char path[64], from[64];
    qv_err err;
    if (argc < 2 || !mkdtemp(dir))
        stop("live MODEL [EXPERTS [BUDGET]]");
    snprintf(path, sizeof path, "%s/lib", dir);
    snprintf(from, sizeof from, "%s/new", dir);
    must(qv_model_open(&m, argv[1], NULL, &err), &err);
    must(qv_library_create(&lib, path, NULL, &err), &err);
    must(qv__make_dir(from, &err), &err);
    struct qv_expert *e = expert(m, "new", 12345);
    must(qv__peft_write(e, from, &err), &err);
    printf("# expert of %zu bytes\n", e->n_w * sizeof *e->w);
    qv__expert_free(e);
    fill(lib, m, n);
    const double before = resident();
    const struct qv_live_opts o = {.model_path = argv[1], .memory = budget};
    double begun = qv__seconds();
    must(qv__roster_open(&roster, m, lib, &err), &err);
    must(qv__live_open(&l, roster, lib, m, &o, &err), &err);
    printf("# opened in %.2f s, %.1f MiB for all\n", qv__seconds() - begun,
           resident() - before);
    must(
        qv__roster_bind(&who, roster, &(struct qv_choice){.router = "arrow"}, &param, &err),
        &err);
    printf("# with arrow %.1f MiB\nwhat,experts,ms,most_ms,cpu_ms\n", resident() - before);
    qv__who_let_go(who);
    measure(l, from, n);
    qv__live_close(l);
    qv__roster_close(roster);
    qv_library_close(lib);
    qv_model_close(m);
    return qv__remove_tree(dir, NULL) != QV_OK;
}
