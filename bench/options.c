/* options.c - what it is worth that an example's options share their prompt.
 *
 *     build/release/bench/options DATA [base|110m] [examples a task [task]]
 *
 * Scores the multiple choices of suites/choice.json, whose files are in DATA, by a model of
 * 110 million random parameters or by the bundled one, four ways:
 *
 *     shared  prompts once and their options as branches, packed
 *     packed  every option from its first token, packed as tightly
 *     single  every option from its first token, in a pass of its own
 *     full    the same with the logits of every row, as the paper's code computes them
 *
 * Tokens are the bundled tokenizer's. Prints the rows that are computed and the processor's
 * seconds, which other programs on the machine disturb least.
 */
#include "parts.h"
#include "data/mapping.h"
#include "eval/options.h"
#include "eval/suite.h"
#include "model/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PASS = 1024, MOST = 5, WAYS = 4 };

static _Noreturn void stop(const qv_err *err)
{
    fprintf(stderr, "options: %s\n", err->msg);
    exit(1);
}

static qv_model *open_model(bool big)
{
    const struct qv_config c = shape_110m(1024);
    qv_model *m;
    qv_err err;
    qv_status result =
        big ? qv__model_new(&m, &c, 1, &err) : qv_model_open(&m, "models/base", NULL, &err);
    if (!result && big)
        result = qv_tokenizer_open(&m->tokenizer, "models/base", &err);
    if (result)
        stop(&err);
    return m;
}

/* The sequences of a task, as groups of options and as groups of one. */
struct work {
    struct qv_sequence *s, *all; // [n] all: every token but the first is a target
    struct qv_group *options, *one, *one_all;
    size_t n_examples, n;
    size_t rows_shared, rows_apart;
    qv_arena arena;
};

static void prepare(struct work *w, const qv_model *m, const struct qv_suite_task *task,
                    size_t limit)
{
    struct qv_dataset *d;
    qv_err err;
    if (qv__mapping_read(&d, task->map, task->name, task->paths, task->n_paths, &err))
        stop(&err);
    *w = (struct work){.n_examples = qv__min(limit, d->n)};
    w->s = qv_new_n(&w->arena, struct qv_sequence, MOST * w->n_examples);
    w->all = qv_new_n(&w->arena, struct qv_sequence, MOST * w->n_examples);
    w->one_all = qv_new_n(&w->arena, struct qv_group, MOST * w->n_examples);
    w->options = qv_new_n(&w->arena, struct qv_group, w->n_examples);
    w->one = qv_new_n(&w->arena, struct qv_group, MOST * w->n_examples);
    for (size_t i = 0; i < w->n_examples; i++) {
        const struct qv_example *e = &d->at[i];
        struct qv_group *g = &w->options[i];
        *g = (struct qv_group){&w->s[w->n], e->n_options};
        for (size_t j = 0; j < e->n_options; j++, w->n++) {
            const char *prompt = e->prompts ? e->prompts[j] : e->prompt;
            if (qv__sequence_make(&w->s[w->n], &w->arena, m->tokenizer, prompt,
                                  e->options[j], m->c.n_ctx, &err))
                stop(&err);
            w->one[w->n] = (struct qv_group){&w->s[w->n], 1};
            w->all[w->n] = w->s[w->n];
            w->all[w->n].n_prompt = 1;
            w->one_all[w->n] = (struct qv_group){&w->all[w->n], 1};
            w->rows_apart += w->s[w->n].n - 1;
        }
        size_t shared = qv__group_shares(g);
        w->rows_shared += shared;
        for (size_t j = 0; j < g->n; j++)
            w->rows_shared += g->s[j].n - 1 - shared;
    }
    qv__dataset_free(d);
}

/* The processor's seconds of scoring, the least of two runs. */
static double seconds(double *logprob, const qv_model *m, const struct qv_group *g,
                      size_t n, size_t pass)
{
    double best = INFINITY;
    for (int run = 0; run < 2; run++) {
        qv_err err;
        clock_t t0 = clock();
        if (qv__score_groups(logprob, m, NULL, NULL, g, n, pass, &err))
            stop(&err);
        double took = (double)(clock() - t0) / CLOCKS_PER_SEC;
        best = took < best ? took : best;
    }
    return best;
}

static void print_row(const char *name, const double *rows, const double *took)
{
    printf("%-14s %8.0f %8.0f", name, rows[0], rows[1]);
    for (int i = 0; i < WAYS; i++)
        printf(" %8.2f", took[i]);
    for (int i = 1; i < WAYS; i++)
        printf(" %8.2f", took[i] / took[0]);
    printf("\n");
    fflush(stdout);
}

/* One task's row, added to the sums; and the largest difference of a log-likelihood. */
static double run_task(double *rows, double *took, const qv_model *m,
                       const struct qv_suite_task *task, size_t limit)
{
    struct work w;
    prepare(&w, m, task, limit);
    double *shared = qv_new_n(&w.arena, double, w.n);
    double *apart = qv_new_n(&w.arena, double, w.n);
    double *full = qv_new_n(&w.arena, double, w.n);
    const double r[] = {(double)w.rows_shared, (double)w.rows_apart};
    const double t[WAYS] = {seconds(shared, m, w.options, w.n_examples, PASS),
                            seconds(apart, m, w.one, w.n, PASS),
                            seconds(apart, m, w.one, w.n, 1),
                            seconds(full, m, w.one_all, w.n, 1)};
    double worst = 0;
    for (size_t i = 0; i < w.n; i++)
        worst = fmax(worst, fabs(shared[i] - apart[i]));
    print_row(task->name, r, t);
    for (int i = 0; i < 2; i++)
        rows[i] += r[i];
    for (int i = 0; i < WAYS; i++)
        took[i] += t[i];
    qv__arena_free(&w.arena);
    return worst;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "options DATA [base|110m] [examples a task [task]]\n");
        return 2;
    }
    qv_model *m = open_model(argc < 3 || strcmp(argv[2], "110m") == 0);
    size_t limit = argc > 3 ? strtoul(argv[3], NULL, 10) : 16;
    const char *path = "suites/choice.json";
    struct qv_suite suite;
    qv_err err;
    if (qv__suite_open(&suite, &path, 1, NULL, argv[1], &err))
        stop(&err);
    double rows[2] = {0}, took[WAYS] = {0}, worst = 0;
    printf("%-14s %8s %8s %8s %8s %8s %8s %8s %8s %8s\n", "task", "rows", "apart",
           "shared s", "packed s", "single s", "full s", "packed x", "single x", "full x");
    for (size_t i = 0; i < suite.n; i++)
        if (argc < 5 || strcmp(argv[4], suite.at[i].name) == 0)
            worst = fmax(worst, run_task(rows, took, m, &suite.at[i], limit));
    print_row("all", rows, took);
    printf("log-likelihoods differ by at most %.2g\n", worst);
    qv__suite_end(&suite);
    qv_model_close(m);
    return 0;
}
