/* sample.c - see sample.h. */
#include "support/sample.h"

#include "base/rng.h"
#include "plot/html.h"

#include <math.h>

enum { FAMILIES = 10, EXPERTS = 36, SITES = 42, STEPS = 500, METHODS = 4, ROWS = 3 };

static const char *const families[FAMILIES] = {
    "opposites",    "word forms", "sentiment", "topic",       "who, where, when",
    "common sense", "dates",      "sums",      "translation", "formatting",
};

static size_t family_of(size_t k)
{
    return k * FAMILIES / EXPERTS;
}

static void table(FILE *out)
{
    static const char *const columns[] = {"library", "router", "ROUGE-L", "log-likelihood",
                                          "n"};
    static const int decimals[] = {0, 0, 1, 3, 0};
    static const size_t rules[] = {1, 2};
    static const struct qv_cell cells[] = {
        {.text = "base"},
        {.text = "\xe2\x80\x94"},
        {.number = {12.3, 11.1, 13.6}},
        {.number = {-2.914, -2.951, -2.877}},
        {.number = {1200, 1, 0}},
        {.text = "shared"},
        {.text = "\xe2\x80\x94"},
        {.number = {41.07, 39.2, 43.0}},
        {.number = {-1.202, -1.23, -1.174}},
        {.number = {1200, 1, 0}},
        {.text = "private"},
        {.text = "uniform"},
        {.number = {24.6, 22.9, 26.1}},
        {.number = {-2.033, -2.07, -1.996}},
        {.number = {1200, 1, 0}},
        {.text = "private"},
        {.text = "arrow"},
        {.number = {44.9, 43.1, 46.8}, .best = true},
        {.number = {-1.071, -1.1, -1.042}, .best = true},
        {.number = {1200, 1, 0}},
    };
    qv__html_table(out,
                   &(struct qv_table){
                       .title = "Made-up scores.",
                       .caption = "Mean over tasks, with a bootstrap interval of 95% in "
                                  "grey. The best router of a column is bold.",
                       .columns = columns,
                       .n_columns = 5,
                       .n_rows = 4,
                       .cells = cells,
                       .decimals = decimals,
                       .rules = rules,
                       .n_rules = 2,
                   });
}

static void dots(FILE *out)
{
    static const char *const rows[ROWS] = {"upstream", "held out, seen family",
                                           "held out, new family"};
    static const char *const methods[METHODS] = {"base", "uniform", "arrow", "oracle"};
    struct qv_estimate at[ROWS * METHODS];
    for (size_t i = 0; i < ROWS * METHODS; i++) {
        double v = 12 + 11 * (double)(i % METHODS) - 3 * (double)(i / METHODS);
        at[i] = (struct qv_estimate){v, v - 1.5 - (double)(i / METHODS), v + 2};
    }
    struct qv_dots c = {.plot = {.title = "ROUGE-L by method"},
                        .x_label = "mean ROUGE-L",
                        .rows = rows,
                        .n_rows = ROWS,
                        .series = methods,
                        .n_series = METHODS,
                        .at = at};
    qv__html_figure_begin(out);
    qv__plot_dots(out, &c);
    qv__html_figure_end(out, "Routing recovers most of what the oracle knows.",
                        "Dots are means over tasks; lines are bootstrap intervals of 95%.");
    c.bars = true;
    qv__html_figure_begin(out);
    qv__plot_dots(out, &c);
    qv__html_figure_end(out, "The same as bars.", "Bars start at zero.");
}

static void curves(FILE *out, size_t n, const char *title)
{
    static double x[STEPS], y[EXPERTS][STEPS];
    static char names[EXPERTS][40];
    struct qv_series series[EXPERTS];
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < STEPS; i++) {
            double t = (double)i;
            x[i] = t;
            y[k][i] = 0.5 + 0.08 * (double)(k % 7) +
                      3 * exp(-t / (40 + 6 * (double)(k % 9))) +
                      0.06 * (double)qv__normal(k, i);
        }
        snprintf(names[k], sizeof names[k], "%s %zu", families[family_of(k)], k);
        series[k] = (struct qv_series){names[k], x, y[k], STEPS, n > 10 ? family_of(k) : k};
    }
    qv__html_figure_begin(out);
    qv__plot_lines(out, &(struct qv_lines){.plot = {.title = title},
                                           .x_label = "step",
                                           .y_label = "loss on the target",
                                           .series = series,
                                           .n_series = n,
                                           .groups = families,
                                           .n_groups = FAMILIES});
    qv__html_figure_end(out, title, "Each curve is one expert; hover to see its name.");
}

static void map_and_matrix(FILE *out)
{
    static char text[EXPERTS][40];
    static float similar[EXPERTS * EXPERTS];
    const char *names[EXPERTS];
    struct qv_point points[EXPERTS];
    size_t sizes[FAMILIES] = {0};
    for (size_t k = 0; k < EXPERTS; k++) {
        size_t g = family_of(k);
        double turn = 6.2832 * (double)g / FAMILIES;
        snprintf(text[k], sizeof text[k], "%s %zu", families[g], k);
        names[k] = text[k];
        sizes[g]++;
        points[k] = (struct qv_point){text[k], cos(turn) + 0.16 * (double)qv__normal(1, k),
                                      sin(turn) + 0.16 * (double)qv__normal(2, k), g};
    }
    for (size_t i = 0; i < EXPERTS; i++)
        for (size_t j = 0; j <= i; j++) {
            float s = i == j ? 1 : 0.12f * qv__normal(i, j);
            s += i != j && family_of(i) == family_of(j) ? 0.6f : 0;
            similar[i * EXPERTS + j] = similar[j * EXPERTS + i] = s;
        }
    qv__html_figure_begin(out);
    qv__plot_scatter(out, &(struct qv_scatter){.plot = {.title = "Map of the experts"},
                                               .points = points,
                                               .n_points = EXPERTS,
                                               .groups = families,
                                               .n_groups = FAMILIES,
                                               .hulls = true});
    qv__html_figure_end(out, "A map of the experts.",
                        "Distances follow the similarity of their updates.");
    qv__html_figure_begin(out);
    qv__plot_heat(out, &(struct qv_heat){.plot = {.title = "Similarity of experts"},
                                         .rows = names,
                                         .columns = names,
                                         .n_rows = EXPERTS,
                                         .n_columns = EXPERTS,
                                         .value = similar,
                                         .group = sizes,
                                         .n_groups = FAMILIES});
    qv__html_figure_end(out, "How alike the experts are.",
                        "Cosine of their updates; lines part the clusters.");
}

static void strip(FILE *out, size_t n_sites)
{
    static const char *const tokens[] = {
        "The",  " opp",     "osite", " of",   " \"",     "hot",   "\"",
        " is",  " cold",    ".",     "\n",    "Trans",   "late",  " \"",
        "good", " morning", "\"",    " into", " German", ":",     " Guten",
        " Mor", "gen",      " <",    "end",   "> &",     " done", "\xff"};
    enum { T = QV_COUNT(tokens) };
    static const char *const modules[] = {"q", "k", "v", "o", "gate", "up", "down"};
    static char text[SITES][32];
    const char *sites[SITES];
    for (size_t s = 0; s < n_sites; s++) {
        size_t n = n_sites == SITES ? QV_COUNT(modules) : 2;
        snprintf(text[s], sizeof text[s], "%zu %s", s / n, modules[s % n]);
        sites[s] = text[s];
    }
    int top[SITES * T];
    float weight[SITES * T];
    for (size_t i = 0; i < SITES * T; i++) {
        size_t t = i % T, pick = t < 10 ? 0 : t < 22 ? 8 : 3;
        top[i] = (int)(qv__uniform(7, i) < 0.7f ? pick : qv__below(9, i, FAMILIES));
        weight[i] = 0.3f + 0.7f * qv__uniform(8, i);
    }
    qv__html_figure_begin(out);
    qv__plot_strip(out, &(struct qv_strip){.plot = {.title = "Where each token went"},
                                           .tokens = tokens,
                                           .T = T,
                                           .sites = sites,
                                           .n_sites = n_sites,
                                           .experts = families,
                                           .K = FAMILIES,
                                           .top = top,
                                           .weight = weight});
    qv__html_figure_end(out, "Where each token went.",
                        "Columns are tokens, rows are sites. Colour is the expert with the "
                        "largest weight; the stronger, the larger.");
}

void write_sample_report(FILE *out)
{
    static const char *const ids[] = {"scores", "curves", "map", "routing"};
    static const char *const titles[] = {"Scores", "Training", "The library", "Routing"};
    static const struct qv_fact facts[] = {
        {"36", "experts in 10 families"},
        {"44.9", "ROUGE-L with arrow, 46.2 with the oracle"},
        {"94%", "of the gap from uniform to oracle closed"},
        {"6 min", "on two cores"}};
    qv__html_begin(out, "A library of experts, routed token by token",
                   "Thirty-six small updates of one frozen model, each trained alone, and "
                   "what happens when every token may choose among them. All numbers on "
                   "this page are made up.");
    qv__html_contents(out, ids, titles, 4);
    qv__html_facts(out, facts, 4);
    qv__html_section(out, ids[0], titles[0]);
    qv__html_prose(out,
                   "Each library is scored on tasks it was trained on and on tasks held "
                   "out, as `quiver eval` does.");
    table(out);
    dots(out);
    qv__html_section(out, ids[1], titles[1]);
    curves(out, 6, "Six experts.");
    curves(out, EXPERTS, "All experts.");
    qv__html_section(out, ids[2], titles[2]);
    map_and_matrix(out);
    qv__html_section(out, ids[3], titles[3]);
    strip(out, 8);
    strip(out, SITES);
    qv__html_code(out,
                  "./quiver route --model M --library LIB --router arrow \"2 < 3 & 4\"");
    qv__html_end(out, "Made by quiver 0.1.0.");
}
