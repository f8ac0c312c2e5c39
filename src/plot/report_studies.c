/* report_studies.c - the files of RUN/studies, each drawn as what it is: a matrix and its
 * correlation, ratios of norms, a router site by site, singular values. */
#include "plot/html.h"
#include "plot/report_parts.h"
#include "plot/svg.h"
#include "base/file.h"
#include "base/json.h"
#include "base/select.h"

#include <math.h>
#include <string.h>

enum { MOST_BYTES = 256 << 20 };

static const char *const kinds[] = {"transfer", "joint", "norms", "routing", "spectra"};

qv_status qv__report_read_studies(struct qv_report *r, const char *dir, qv_err *err)
{
    char **names;
    size_t n;
    qv_status result = qv__list_dir(&names, &n, &r->arena, dir, err);
    for (size_t i = 0; !result && i < n; i++) {
        const char *path = qv__arena_fmt(&r->arena, "%s/%s", dir, names[i]);
        size_t k = 0;
        json_t *v;
        if (!qv__ends_with(names[i], ".json"))
            continue;
        result = qv__json_read(&v, path, MOST_BYTES, err);
        if (result)
            break;
        json_object_set_new(r->studies, qv__stem(&r->arena, names[i]), v);
        const char *kind = json_string_value(json_object_get(v, "study"));
        while (k < QV_COUNT(kinds) && strcmp(kinds[k], kind ? kind : "") != 0)
            k++;
        if (k == QV_COUNT(kinds))
            result = qv_fail(err, QV_EFORMAT, "%s: 'study' names none that is known", path);
    }
    return result;
}

static double number(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static double entry(const json_t *matrix, size_t i, size_t j)
{
    const json_t *v = json_array_get(json_array_get(matrix, i), j);
    return json_is_number(v) ? json_number_value(v) : (double)NAN;
}

static const char **names_of(const json_t *list, qv_arena *a)
{
    size_t i;
    const json_t *v;
    const char **names = qv_new_n(a, const char *, json_array_size(list));
    json_array_foreach(list, i, v) names[i] =
        json_string_value(v) ? json_string_value(v) : "";
    return names;
}

/* ---- transfer ---- */

static size_t place_of(const json_t *list, const char *name)
{
    size_t i = 0;
    while (i < json_array_size(list) &&
           (!name || strcmp(json_string_value(json_array_get(list, i)), name) != 0))
        i++;
    return i;
}

/* value [K, T]: the gains, as shares of the largest. */
static float *gains(const json_t *v, size_t K, size_t T, qv_arena *a)
{
    const json_t *score = json_object_get(v, "score"), *base = json_object_get(v, "base");
    float *gain = qv_new_n(a, float, K *T), most = 0;
    for (size_t e = 0; e < K; e++)
        for (size_t t = 0; t < T; t++) {
            double g = entry(score, e, t) - json_number_value(json_array_get(base, t));
            gain[e * T + t] = isfinite(g) ? (float)g : 0;
            most = fmaxf(most, fabsf(gain[e * T + t]));
        }
    for (size_t i = 0; i < K * T && most > 0; i++)
        gain[i] /= most;
    return gain;
}

/* Points of a likeness x and a gain y. */
static void plot_gains(FILE *out, const char *title, const double *x, const double *y,
                       size_t n)
{
    const struct qv_series s = {.name = "a pair", .x = x, .y = y, .n = n};
    qv__html_figure_begin(out);
    qv__plot_lines(out, &(struct qv_lines){.plot = {.title = title},
                                           .x_label = "cosine of the two experts",
                                           .y_label = "gain",
                                           .marks = true,
                                           .series = &s,
                                           .n_series = 1});
}

static void transfer(FILE *out, const json_t *v, const char *name, qv_arena *a)
{
    const json_t *experts = json_object_get(v, "experts"),
                 *tasks = json_object_get(v, "tasks"),
                 *like = json_object_get(v, "similarity"), *own = json_object_get(v, "own"),
                 *c = json_object_get(v, "correlation");
    size_t K = json_array_size(experts), T = json_array_size(tasks), n = 0;
    float *gain = gains(v, K, T, a);
    double *x = qv_new_n(a, double, K *T), *y = qv_new_n(a, double, K *T);
    qv__html_figure_begin(out);
    qv__plot_heat(out, &(struct qv_heat){.plot = {.title = "Gain of each expert"},
                                         .rows = names_of(experts, a),
                                         .columns = names_of(tasks, a),
                                         .n_rows = K,
                                         .n_columns = T,
                                         .value = gain});
    qv__html_figure_end(
        out, qv__arena_fmt(a, "Every expert on every task (%s).", name),
        "A row an expert, a column a task: what the expert's score is above "
        "the base's, as a share of the largest such number.");
    for (size_t e = 0; e < K; e++)
        for (size_t t = 0; t < T; t++) {
            size_t o = place_of(experts, json_string_value(json_array_get(own, t)));
            if (o == K || o == e)
                continue;
            x[n] = entry(like, e, o);
            y[n++] = entry(json_object_get(v, "score"), e, t) -
                     json_number_value(json_array_get(json_object_get(v, "base"), t));
        }
    plot_gains(out, "Likeness and gain", x, y, n);
    qv__html_figure_end(
        out, "Likeness of weights and transfer.",
        qv__arena_fmt(a,
                      "A point is an expert on the task of another: rightwards the cosine "
                      "of the two experts, upwards the gain. Correlation r = %s (interval "
                      "over tasks: %s to %s), %s pairs. What training two tasks together "
                      "gains, as the paper's figure 2 has it, is `quiver study joint`.",
                      qv__num(a, number(c, "r"), 2), qv__num(a, number(c, "low"), 2),
                      qv__num(a, number(c, "high"), 2),
                      qv__num(a, number(c, "n_pairs"), 0)));
}

/* ---- joint ---- */

static void joint(FILE *out, const json_t *v, const char *name, qv_arena *a)
{
    const json_t *pairs = json_object_get(v, "pairs"),
                 *c = json_object_get(v, "correlation"), *p;
    size_t i;
    double *x = qv_new_n(a, double, json_array_size(pairs));
    double *y = qv_new_n(a, double, json_array_size(pairs));
    json_array_foreach(pairs, i, p)
    {
        x[i] = number(p, "similarity");
        y[i] = number(p, "gain");
    }
    plot_gains(out, "Likeness and gain together", x, y, json_array_size(pairs));
    qv__html_figure_end(
        out, qv__arena_fmt(a, "Figure 2: likeness and learning together (%s).", name),
        qv__arena_fmt(a,
                      "A point is two tasks: rightwards the cosine of their experts, "
                      "upwards what one expert that learnt both scores above the two "
                      "(mean of both tasks). r = %s (95%% of resampled pairs: %s to %s), "
                      "%s pairs. The paper has 0.51 on Phi-2 and 0.75 on GPT-Neo.",
                      qv__num(a, number(c, "r"), 2), qv__num(a, number(c, "low"), 2),
                      qv__num(a, number(c, "high"), 2),
                      qv__num(a, number(c, "n_pairs"), 0)));
}

/* ---- tables of objects ---- */

/* A row an object of the list: its name under `key`, and numbers under the others. */
static void rows(FILE *out, const json_t *list, const char *const *keys, size_t n,
                 const char *title, const char *caption, qv_arena *a)
{
    size_t i, rows = json_array_size(list);
    const json_t *v;
    struct qv_cell *cell = qv_new_n(a, struct qv_cell, rows * n);
    int *decimals = qv_new_n(a, int, n);
    json_array_foreach(list, i, v)
    {
        const json_t *name = json_object_get(v, keys[0]);
        cell[i * n].text = json_is_string(name) ? json_string_value(name)
                                                : qv__num(a, json_number_value(name), 0);
        for (size_t k = 1; k < n; k++) {
            cell[i * n + k].number = (struct qv_estimate){number(v, keys[k]), 1, 0};
            decimals[k] = strcmp(keys[k], "n") == 0 ? 0 : 3;
        }
    }
    qv__html_table(out, &(struct qv_table){.title = title,
                                           .caption = caption,
                                           .columns = keys,
                                           .n_columns = n,
                                           .n_rows = rows,
                                           .cells = cell,
                                           .decimals = decimals});
}

static void norms(FILE *out, const json_t *v, const char *name, qv_arena *a)
{
    static const char *const keys[] = {"task", "n", "own", "others", "ratio"};
    const json_t *ratios = json_object_get(v, "ratios");
    size_t n = json_array_size(ratios);
    double *x = qv_new_n(a, double, n), *y = qv_new_n(a, double, n);
    for (size_t i = 0; i < n; i++) {
        y[i] = json_number_value(json_array_get(ratios, i));
        x[i] = n > 1 ? 100 * (double)i / (double)(n - 1) : 0;
    }
    qv__sort(y, n);
    const struct qv_series s = {.name = "own / others", .x = x, .y = y, .n = n};
    qv__html_figure_begin(out);
    qv__plot_lines(out, &(struct qv_lines){.plot = {.title = "Ratios of norms"},
                                           .x_label = "% of examples",
                                           .y_label = "own / others",
                                           .series = &s,
                                           .n_series = 1});
    qv__html_figure_end(
        out, qv__arena_fmt(a, "The own expert's update beside others' (%s).", name),
        qv__arena_fmt(
            a,
            "The ratio of norms of each example, in order. Its mean is %s, and it "
            "is above 1 for %s%% of examples (the paper's figure 5: for nearly "
            "all, by up to 0.016).",
            qv__num(a, number(v, "mean_ratio"), 3),
            qv__num(a, 100 * number(v, "share_above_1"), 0)));
    rows(out, json_object_get(v, "tasks"), keys, QV_COUNT(keys), "Norms by task.",
         "Of the update of the own expert and of the others, relative to what the base's "
         "map "
         "gives, and their ratio: means over sites and examples.",
         a);
}

static void routing(FILE *out, const json_t *v, const char *name, qv_arena *a)
{
    const char *keys[] = {"layer", "entropy", "agreement", "own_weight", "chance", "n"};
    const char *router = json_string_value(json_object_get(v, "router"));
    const char *caption = qv__arena_fmt(
        a,
        "Router `%s`, k = %s, temperature %s. Entropy of a token's weights, in nats; the "
        "share of tokens whose heaviest expert learnt their task, and the weight of such "
        "experts; and that share if experts were drawn by chance.",
        router ? router : "", qv__num(a, number(v, "top_k"), 0),
        qv__num(a, number(v, "temperature"), 2));
    rows(out, json_object_get(v, "layers"), keys, QV_COUNT(keys),
         qv__arena_fmt(a, "The router layer by layer (%s).", name), caption, a);
    keys[0] = "map";
    rows(out, json_object_get(v, "maps"), keys, QV_COUNT(keys),
         qv__arena_fmt(a, "The router map by map (%s).", name), caption, a);
}

static void spectra(FILE *out, const json_t *v, const char *name, qv_arena *a)
{
    static const char *const keys[] = {"expert", "mean_gap", "least_gap"};
    rows(
        out, json_object_get(v, "experts"), keys, QV_COUNT(keys),
        qv__arena_fmt(a, "How settled prototypes are (%s).", name),
        "The gap between an update's two largest singular values, as a share of the first: "
        "its mean and its least over sites.",
        a);
}

void qv__report_studies(FILE *out, const struct qv_report *r)
{
    static void (*const draw[])(FILE * out, const json_t *v, const char *name,
                                qv_arena *a) = {transfer, joint, norms, routing, spectra};
    qv_arena a = {0};
    const char *name;
    const json_t *v;
    if (json_object_size(r->studies) == 0)
        qv__html_prose(out, "The run has no results of `quiver study`.");
    json_object_foreach(r->studies, name, v)
    {
        const char *kind = json_string_value(json_object_get(v, "study"));
        for (size_t k = 0; k < QV_COUNT(kinds); k++)
            if (strcmp(kinds[k], kind) == 0)
                draw[k](out, v, name, &a);
    }
    qv__arena_free(&a);
}
