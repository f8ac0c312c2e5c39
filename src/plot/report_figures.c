/* report_figures.c - the pictures of the experts: their map and likeness, where
 * the tokens of a text went, and how training went. */
#include "plot/report_parts.h"
#include "plot/html.h"
#include "plot/svg.h"

#include <math.h>
#include <string.h>

/* names [n] (none NULL), each once, in order of appearance; which[i] is the place
 * of names[i] in it. */
static size_t distinct(const char **once, size_t *which, const char *const *names, size_t n)
{
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        which[i] = 0;
        while (which[i] < found && strcmp(once[which[i]], names[i]) != 0)
            which[i]++;
        if (which[i] == found)
            once[found++] = names[i];
    }
    return found;
}

/* What the points and the matrix are grouped by: clusters, else families. */
struct grouping {
    const char **name; // [n]
    size_t *of;        // [n_experts]
    size_t n;
};

static struct grouping group(const struct qv_report_map *m, qv_arena *a)
{
    struct grouping g = {qv_new_n(a, const char *, qv__max(m->n, m->n_clusters)),
                         qv_new_n(a, size_t, m->n), 0};
    if (!m->cluster) {
        if (m->family)
            g.n = distinct(g.name, g.of, m->family, m->n);
        return g;
    }
    g.n = m->n_clusters;
    for (size_t c = 0; c < g.n; c++)
        g.name[c] = m->cluster_name[c];
    for (size_t i = 0; i < m->n; i++)
        g.of[i] = (size_t)m->cluster[i];
    return g;
}

static void scatter(FILE *out, const struct qv_report_map *m, const struct grouping *g,
                    qv_arena *a)
{
    struct qv_point *point = qv_new_n(a, struct qv_point, m->n);
    for (size_t i = 0; i < m->n; i++)
        point[i] = (struct qv_point){m->name[i], (double)m->xy[2 * i],
                                     (double)m->xy[2 * i + 1], g->of[i]};
    qv__html_figure_begin(out);
    qv__plot_scatter(out, &(struct qv_scatter){.plot = {.title = "A map of the experts"},
                                               .points = point,
                                               .n_points = m->n,
                                               .groups = g->name,
                                               .n_groups = g->n,
                                               .hulls = m->cluster != NULL});
    qv__html_figure_end(
        out, "A map of the experts.",
        qv__arena_fmt(
            a,
            "%s, named by %s task%s. Distances on the page follow 1 \xe2\x88\x92 cosine "
            "of their weights as well as two dimensions can (classical scaling). %s",
            m->is_first ? "The experts of `mbc`'s first part" : "The experts of `private`",
            "their", m->family ? ", whose name begins with its family" : "",
            m->cluster  ? "Colour, shape and shade are the cluster that `mbc` put the task "
                          "in. Names that find no room are in the tooltips."
            : m->family ? "Colour and shape are the family."
                        : ""));
}

/* Experts that share their start can all be much alike: then the shades are of
 * what differs. */
static double shade_from(double least)
{
    return least < 0.25 ? 0 : fmin(floor(least * 100) / 100, 0.99);
}

static void matrix(FILE *out, const struct qv_report_map *m, const struct grouping *g,
                   qv_arena *a)
{
    float *value = qv_new_n(a, float, m->n * m->n);
    const char **name = qv_new_n(a, const char *, m->n);
    size_t *size = qv_new_n(a, size_t, m->n), n_groups = 0;
    float least = 1;
    for (size_t i = 0; i < m->n; i++) {
        size_t row = m->order[i];
        name[i] = m->name[row];
        for (size_t j = 0; j < m->n; j++)
            value[i * m->n + j] = m->sim[row * m->n + m->order[j]];
        for (size_t j = 0; j < m->n; j++)
            least = fminf(least, value[i * m->n + j]);
        n_groups += i == 0 || g->of[row] != g->of[m->order[i - 1]];
        size[n_groups - 1]++;
    }
    qv__html_figure_begin(out);
    qv__plot_heat(out, &(struct qv_heat){.plot = {.title = "Similarity of the experts"},
                                         .rows = name,
                                         .columns = name,
                                         .n_rows = m->n,
                                         .n_columns = m->n,
                                         .value = value,
                                         .from = shade_from((double)least),
                                         .group = m->cluster ? size : NULL,
                                         .n_groups = m->cluster ? n_groups : 0});
    qv__html_figure_end(out, "How alike the experts are.",
                        m->cluster ? "Cosine of their weights, as `mbc` compares them; "
                                     "neighbours are alike, lines part the clusters."
                                   : "Cosine of their weights; neighbours are alike.");
}

/* Which clusters the tasks of each family went to, as shares. */
static void families(FILE *out, const struct qv_report_map *m, qv_arena *a)
{
    const char **family = qv_new_n(a, const char *, m->n);
    size_t *of = qv_new_n(a, size_t, m->n);
    size_t n = distinct(family, of, m->family, m->n);
    float *share = qv_new_n(a, float, n * m->n_clusters);
    size_t *size = qv_new_n(a, size_t, n);
    for (size_t i = 0; i < m->n; i++)
        size[of[i]]++;
    for (size_t i = 0; i < m->n; i++)
        share[of[i] * m->n_clusters + (size_t)m->cluster[i]] += 1 / (float)size[of[i]];
    qv__html_figure_begin(out);
    qv__plot_heat(out, &(struct qv_heat){.plot = {.title = "Families and clusters"},
                                         .rows = family,
                                         .columns = m->cluster_name,
                                         .n_rows = n,
                                         .n_columns = m->n_clusters,
                                         .value = share});
    qv__html_figure_end(out, "Which cluster each family went to.",
                        "The share of a family's tasks in each cluster: a row of one dark "
                        "square is a family that stayed together.");
}

static void agreement(FILE *out, const struct qv_report_map *m, qv_arena *a)
{
    bool beyond = m->rand > m->chance;
    qv__html_prose(
        out, qv__arena_fmt(a,
                           "`mbc` saw the experts' weights, and neither the names of the "
                           "tasks nor their families. Its %zu clusters agree with the "
                           "families with an adjusted Rand index of %s (1 is the same "
                           "partition, 0 what chance gives on average). When families "
                           "are dealt out at random, 97.5%% of 2,000 deals stay at or "
                           "below %s: the agreement is %s.",
                           m->n_clusters, qv__num(a, m->rand, 2), qv__num(a, m->chance, 2),
                           beyond ? "more than chance explains"
                                  : "no more than chance explains"));
}

void qv__report_map(FILE *out, const struct qv_report *r)
{
    const struct qv_report_map *m = &r->map;
    qv_arena a = {0};
    if (!m->n) {
        qv__html_prose(out, "The run has no library with at least three experts of single "
                            "tasks to compare.");
        return;
    }
    if (!m->cluster)
        qv__html_prose(out, "The run has no library `mbc` of these tasks, so there are no "
                            "clusters to show.");
    if (isfinite(m->rand))
        agreement(out, m, &a);
    struct grouping g = group(m, &a);
    scatter(out, m, &g, &a);
    if (m->family && m->cluster)
        families(out, m, &a);
    matrix(out, m, &g, &a);
    qv__arena_free(&a);
}

/* The share of weight that the text's own expert has, and those of its family,
 * if the text is named after a task. */
static const char *own_share(const struct qv_report *r, const struct qv_report_route *t,
                             qv_arena *a)
{
    const char *family = qv__report_family(r, t->name);
    double own = 0, kin = 0;
    size_t n_kin = 0;
    bool has_own = false;
    for (size_t k = 0; k < t->K; k++) {
        const char *other = qv__report_family(r, t->expert[k]);
        bool is_own = strcmp(t->expert[k], t->name) == 0;
        has_own = has_own || is_own;
        own += is_own ? t->share[k] : 0;
        if (family && other && strcmp(family, other) == 0) {
            kin += t->share[k];
            n_kin++;
        }
    }
    const char *text = "";
    if (family && !has_own)
        text = n_kin ? "No expert was trained on this task."
                     : "No expert was trained on this task or one of its family.";
    if (has_own)
        text = qv__arena_fmt(a,
                             "The expert of this task got %s%% of all weight (an even "
                             "share is %s%%).",
                             qv__num(a, 100 * own, 1), qv__num(a, 100 / (double)t->K, 1));
    if (n_kin)
        text = qv__arena_fmt(a,
                             "%s The %zu %s of the family `%s` got %s%% (an even share is "
                             "%s%%).",
                             text, n_kin, n_kin == 1 ? "expert" : "experts", family,
                             qv__num(a, 100 * kin, 1),
                             qv__num(a, 100 * (double)n_kin / (double)t->K, 1));
    return text;
}

static void strip(FILE *out, const struct qv_report *r, const struct qv_report_route *t)
{
    qv_arena a = {0};
    qv__html_figure_begin(out);
    qv__plot_strip(out, &(struct qv_strip){.plot = {.title = t->name},
                                           .tokens = t->token,
                                           .T = t->T,
                                           .sites = t->site,
                                           .n_sites = t->n_sites,
                                           .experts = t->expert,
                                           .K = t->K,
                                           .top = t->top,
                                           .weight = t->weight,
                                           .share = t->share});
    qv__html_figure_end(out, qv__arena_fmt(&a, "%s.", t->name), own_share(r, t, &a));
    qv__arena_free(&a);
}

void qv__report_routes(FILE *out, const struct qv_report *r)
{
    if (!r->n_routes) {
        qv__html_prose(out, "The run has no results of `quiver route`.");
        return;
    }
    qv__html_prose(out,
                   "Each text is shown token by token; below a token, one cell a site, "
                   "from the first layer to the last. The colour is the expert that "
                   "weighed most there, its strength the weight. Percentages are "
                   "shares of the weight of all tokens and sites; experts with little "
                   "of it are grey. The router saw no name of a task.");
    for (size_t i = 0; i < r->n_routes; i++)
        strip(out, r, &r->route[i]);
}

/* Losses of single steps are of single batches: curves show means of windows of a
 * twentieth of the steps. */
static struct qv_series smooth(const struct qv_report_expert *e, size_t group, qv_arena *a)
{
    size_t window = qv__max(e->n_loss / 20, 1), n = e->n_loss / window;
    double *x = qv_new_n(a, double, n), *y = qv_new_n(a, double, n);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = i * window; k < (i + 1) * window; k++) {
            x[i] += e->step[k] / (double)window;
            y[i] += e->loss[k] / (double)window;
        }
    }
    return (struct qv_series){e->name, x, y, n, group};
}

static void draw_curves(FILE *out, const struct qv_lines *c, const char *caption)
{
    qv__html_figure_begin(out);
    qv__plot_lines(out, c);
    qv__html_figure_end(out, c->plot.title, caption);
}

/* A library of one expert: its training and its validation loss. */
static void curve(FILE *out, const struct qv_report_library *l, const char *title)
{
    qv_arena a = {0};
    const struct qv_report_expert *e = &l->expert[0];
    struct qv_series s[2] = {smooth(e, 0, &a),
                             {"validation", e->at, e->valid, e->n_valid, 1}};
    s[0].name = "training";
    draw_curves(out,
                &(struct qv_lines){.plot = {.title = title},
                                   .x_label = "step",
                                   .y_label = "loss",
                                   .series = s,
                                   .n_series = e->n_valid ? 2 : 1},
                "One expert, on all tasks together.");
    qv__arena_free(&a);
}

static void curves(FILE *out, const struct qv_report_library *l, const char *title)
{
    qv_arena a = {0};
    struct qv_series *s = qv_new_n(&a, struct qv_series, l->n);
    const char **family = qv_new_n(&a, const char *, l->n);
    const char **once = qv_new_n(&a, const char *, l->n);
    size_t *of = qv_new_n(&a, size_t, l->n), n = 0;
    for (size_t i = 0; i < l->n; i++)
        family[i] = l->expert[i].family ? l->expert[i].family : "several families";
    size_t n_groups = distinct(once, of, family, l->n);
    bool few = l->n <= 10; // then each has a name at its end, and a colour
    for (size_t i = 0; i < l->n; i++)
        if (l->expert[i].n_loss)
            s[n++] = smooth(&l->expert[i], few ? i : of[i], &a);
    draw_curves(
        out,
        &(struct qv_lines){.plot = {.title = title},
                           .x_label = "step",
                           .y_label = "loss",
                           .series = s,
                           .n_series = n,
                           .groups = once,
                           .n_groups = n_groups},
        few ? "One curve an expert."
            : "One curve an expert, in the colour of its family; its name is in the "
              "tooltip.");
    qv__arena_free(&a);
}

static bool has_curves(const struct qv_report_library *l)
{
    for (size_t k = 0; k < l->n; k++)
        if (l->expert[k].n_loss)
            return true;
    return false;
}

void qv__report_curves(FILE *out, const struct qv_report *r)
{
    qv_arena a = {0};
    size_t n = 0;
    for (size_t i = 0; i < r->n_libraries; i++)
        n += has_curves(&r->library[i]);
    qv__html_prose(out, n ? "The loss is the mean negative log-likelihood of a target's "
                            "tokens; each point is the mean over a twentieth of the steps."
                          : "The run's libraries hold no training curves.");
    for (size_t i = 0; i < r->n_libraries; i++) {
        const struct qv_report_library *l = &r->library[i];
        if (has_curves(l))
            (l->n == 1 ? curve : curves)(
                out, l, qv__arena_fmt(&a, "Training of the library %s.", l->name));
    }
    qv__arena_free(&a);
}
