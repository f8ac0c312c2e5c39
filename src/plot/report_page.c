/* report_page.c - the page from top to bottom: see report.h.
 *
 * Every sentence is made of the run's numbers. What they do not show, it does
 * not say.
 */
#include "plot/report_parts.h"
#include "plot/html.h"
#include "plot/svg.h"
#include "base/json.h"

#include <math.h>
#include <string.h>

static const char *plural(size_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

/* The library of that name, or NULL. */
static const struct qv_report_library *library(const struct qv_report *r, const char *name)
{
    for (size_t i = 0; i < r->n_libraries; i++)
        if (strcmp(r->library[i].name, name) == 0)
            return &r->library[i];
    return NULL;
}

static double mean(const struct qv_report *r, const char *suite, const char *system)
{
    return qv__report_mean(r, qv__report_suite(r, suite), QV_REPORT_ROUGE_L,
                           qv__report_system(r, system))
        .value;
}

static struct qv_estimate gap_closed(const struct qv_report *r)
{
    return qv__report_closed(
        r, qv__report_suite(r, "upstream"), qv__report_system(r, "private-uniform"),
        qv__report_system(r, "private-arrow"), qv__report_system(r, "private-oracle"));
}

static size_t families_of(const struct qv_report_map *m)
{
    size_t n = 0;
    for (size_t i = 0; m->family && i < m->n; i++) {
        size_t j = 0;
        while (strcmp(m->family[j], m->family[i]) != 0)
            j++;
        n += j == i;
    }
    return n;
}

static void facts(FILE *out, const struct qv_report *r, qv_arena *a)
{
    struct qv_fact fact[4];
    size_t n = 0;
    const struct qv_report_library *l = library(r, "private");
    if (l && r->map.family)
        fact[n++] = (struct qv_fact){
            qv__num(a, (double)l->n, 0),
            qv__arena_fmt(a, "experts, each trained on one task, of %zu families",
                          families_of(&r->map))};
    struct qv_estimate gap = gap_closed(r);
    if (isfinite(gap.value))
        fact[n++] =
            (struct qv_fact){qv__arena_fmt(a, "%s%%", qv__num(a, 100 * gap.value, 0)),
                             "of the way from uniform to oracle is covered by "
                             "arrow, with no further training"};
    double arrow = mean(r, "upstream", "private-arrow");
    if (isfinite(arrow) && isfinite(mean(r, "upstream", "base")))
        fact[n++] = (struct qv_fact){
            qv__num(a, arrow, 1),
            qv__arena_fmt(a,
                          "ROUGE-L with arrow on the experts' own tasks; %s without "
                          "experts",
                          qv__num(a, mean(r, "upstream", "base"), 1))};
    if (isfinite(r->map.rand))
        fact[n++] = (struct qv_fact){
            qv__num(a, r->map.rand, 2),
            "adjusted Rand index of clusters and families: 1 is the same partition, "
            "chance gives 0"};
    if (n)
        qv__html_facts(out, fact, n);
}

static const char *lead(const struct qv_report *r, qv_arena *a)
{
    const struct qv_report_library *l = library(r, "private");
    if (r->lead || !l)
        return r->lead;
    return qv__arena_fmt(
        a,
        "%zu small %s of one frozen language model%s%s%s, each trained alone, and what "
        "happens when every token may choose among them.",
        l->n, plural(l->n, "update", "updates"), l->base_name ? " (" : "",
        l->base_name ? l->base_name : "", l->base_name ? ")" : "");
}

/* One row a library: what was trained, and what it took. */
static void libraries(FILE *out, const struct qv_report *r, qv_arena *a)
{
    static const char *const columns[] = {"library", "experts", "steps",
                                          "tokens",  "seconds", "tokens/s"};
    static const int decimals[] = {0, 0, 0, 0, 0, 0};
    enum { COLUMNS = QV_COUNT(columns) };
    struct qv_cell *cell = qv_new_n(a, struct qv_cell, r->n_libraries * COLUMNS);
    for (size_t i = 0; i < r->n_libraries; i++) {
        const struct qv_report_library *l = &r->library[i];
        double sum[3] = {0};
        for (size_t k = 0; k < l->n; k++) {
            sum[0] += l->expert[k].steps;
            sum[1] += l->expert[k].tokens;
            sum[2] += l->expert[k].seconds;
        }
        double shown[COLUMNS - 1] = {(double)l->n, sum[0], sum[1], sum[2],
                                     sum[2] > 0 ? sum[1] / sum[2] : (double)NAN};
        cell[i * COLUMNS].text = l->name;
        for (size_t c = 1; c < COLUMNS; c++)
            cell[i * COLUMNS + c].number = (struct qv_estimate){shown[c - 1], 1, 0};
    }
    qv__html_table(out,
                   &(struct qv_table){
                       .title = "What was trained.",
                       .caption = "Steps, tokens and seconds of training of the experts "
                                  "in each library, added up. What `mbc` trained before "
                                  "it clustered is not among them.",
                       .columns = columns,
                       .n_columns = COLUMNS,
                       .n_rows = r->n_libraries,
                       .cells = cell,
                       .decimals = decimals,
                   });
}

/* The settings of training, from an expert's own record. */
static void settings(FILE *out, const struct qv_report *r, qv_arena *a)
{
    static const char *const key[] = {"rank", "alpha", "dropout", "lr",  "warmup",
                                      "clip", "batch", "sites",   "seed"};
    const struct qv_report_library *l = library(r, "private");
    l = l ? l : r->n_libraries ? &r->library[0] : NULL;
    json_t *o = l && l->settings ? json_loads(l->settings, 0, NULL) : NULL;
    const char *text = "";
    for (size_t i = 0; i < QV_COUNT(key); i++) {
        json_t *v = json_object_get(o, key[i]);
        const char *word = NULL;
        if (json_is_string(v))
            word = json_string_value(v);
        else if (json_is_number(v))
            word = qv__arena_fmt(a, "%.4g", json_number_value(v));
        if (word)
            text = qv__arena_fmt(a, "%s%s%s `%s`", text, *text ? ", " : "", key[i], word);
    }
    json_decref(o);
    if (*text)
        qv__html_prose(
            out, qv__arena_fmt(a, "Settings of the experts of `%s`: %s.", l->name, text));
}

static void making(FILE *out, const struct qv_report *r, qv_arena *a)
{
    const struct qv_report_library *l = r->n_libraries ? &r->library[0] : NULL;
    if (l && l->base_hash)
        qv__html_prose(out, qv__arena_fmt(a,
                                          "The model is `%s`, with identity `%.16s`; the "
                                          "libraries were made by %s.",
                                          r->model       ? r->model
                                          : l->base_name ? l->base_name
                                                         : "unnamed",
                                          l->base_hash,
                                          l->made_by ? l->made_by : "a program unnamed"));
    if (r->n_libraries)
        libraries(out, r, a);
    else
        qv__html_prose(out, "The run has no libraries.");
    settings(out, r, a);
    if (!r->n_commands) {
        qv__html_prose(out, "The run does not say which commands made it.");
        return;
    }
    double total = 0;
    const char *text = "";
    for (size_t i = 0; i < r->n_commands; i++) {
        total += r->command[i].seconds;
        text = qv__arena_fmt(a, "%s%s%s", text, r->command[i].text,
                             i + 1 < r->n_commands ? "\n" : "");
    }
    qv__html_prose(out, qv__arena_fmt(a,
                                      "These commands made all that is shown here, in %s "
                                      "minutes (of one that was interrupted, its last run "
                                      "counts):",
                                      qv__num(a, total / 60, 1)));
    qv__html_code(out, text);
}

static void made(FILE *out, const struct qv_report *r)
{
    qv_arena a = {0};
    making(out, r, &a);
    qv__arena_free(&a);
}

void qv__report_write(FILE *out, const struct qv_report *r)
{
    static const struct {
        const char *id, *title;
        void (*write)(FILE *out, const struct qv_report *r);
    } section[] = {
        {"tables", "Tables and figures", qv__report_wanted},
        {"studies", "Studies", qv__report_studies},
        {"scores", "Scores", qv__report_scores},
        {"families", "By family", qv__report_families},
        {"map", "The experts and their clusters", qv__report_map},
        {"routing", "Where tokens went", qv__report_routes},
        {"training", "Training", qv__report_curves},
        {"made", "How this was made", made},
    };
    enum { SECTIONS = QV_COUNT(section) };
    const char *ids[SECTIONS], *titles[SECTIONS];
    for (size_t i = 0; i < SECTIONS; i++) {
        ids[i] = section[i].id;
        titles[i] = section[i].title;
    }
    qv_arena a = {0};
    qv__html_begin(out, r->title ? r->title : "A library of experts", lead(r, &a));
    qv__html_contents(out, ids, titles, SECTIONS);
    facts(out, r, &a);
    for (size_t i = 0; i < SECTIONS; i++) {
        qv__html_section(out, ids[i], titles[i]);
        section[i].write(out, r);
    }
    qv__html_end(out, "Made by quiver " QV_VERSION ".");
    qv__arena_free(&a);
}
