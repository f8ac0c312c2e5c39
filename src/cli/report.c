/* report.c - quiver report: a run directory as one page, and its numbers. */
#include "base/arena.h"
#include "base/file.h"
#include "cli/cli.h"
#include "plot/report.h"

#include <math.h>
#include <stdlib.h>

struct args {
    const char *run, *out;
    bool as_json;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct args *a = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &a->as_json;
        break;
    case 'o':
        a->out = arg;
        break;
    case ARGP_KEY_ARG:
        qv__arg_only(state, &a->run, arg, "run");
        break;
    case ARGP_KEY_END:
        if (!a->run)
            argp_error(state, "there is no run");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static const struct argp_option options[] = {
    {"out", 'o', "FILE", 0, "The page (RUN/report.html)", 0},
    {0},
};
static const struct argp spec = {
    .options = options,
    .parser = parse,
    .args_doc = "RUN",
    .doc = "Tables and figures of a run as one HTML file.\v"
           "A run is a directory. Each of these may be absent, and is then left out:\n\n"
           "  run.json                {\"title\",\"lead\",\"model\"}\n"
           "  tasks.json              {\"tasks\":{NAME:{\"family\":...}}}\n"
           "  commands.tsv            seconds, a tab, a command\n"
           "  libraries/NAME/         of quiver build; \"mbc\" gives the clusters\n"
           "  eval/SYSTEM.SUITE.json  of quiver eval --out; SYSTEM is base, LIBRARY or\n"
           "                          LIBRARY-ROUTER, SUITE upstream, held_out, ...\n"
           "  routes/SYSTEM.NAME.json of quiver route --json\n"
           "  studies/NAME.json       of quiver study --json\n"
           "  tables.json             which tables and figures to make: docs/studies.md\n\n"
           "With --json: {\"report\":...,\"systems\":[{\"system\":...,SUITE:{\"rougeL\":"
           "{\"mean\",\"low\",\"high\"},\"loglik\":{...}}}],\"closed\":{LIBRARY:{...}},"
           "\"adjusted_rand\":...,\"adjusted_rand_by_chance\":...}.",
    .children = qv__json_children,
};

static const char *const metric_key[QV_REPORT_METRICS] = {"rougeL", "loglik"};

static json_t *estimate(struct qv_estimate e)
{
    bool known = e.low <= e.high;
    return json_pack("{s:o, s:o, s:o}", "mean", qv__json_number(e.value), "low",
                     known ? qv__json_number(e.low) : json_null(), "high",
                     known ? qv__json_number(e.high) : json_null());
}

/* A row a system: nested for machines, flat for people. */
static json_t *systems(const struct qv_report *r, bool nested)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_systems; i++) {
        json_t *row = json_pack("{s:s}", "system", r->system[i].name);
        for (size_t s = 0; s < r->n_suites; s++) {
            json_t *suite = json_object();
            for (size_t m = 0; m < QV_REPORT_METRICS; m++) {
                struct qv_estimate e = qv__report_mean(r, s, (enum qv_report_metric)m, i);
                char name[128];
                snprintf(name, sizeof name, "%.90s %s", r->suite[s].name, metric_key[m]);
                if (nested)
                    json_object_set_new(suite, metric_key[m], estimate(e));
                else
                    json_object_set_new(row, name, qv__json_number(e.value));
            }
            if (nested)
                json_object_set(row, r->suite[s].name, suite);
            json_decref(suite);
        }
        json_array_append_new(rows, row);
    }
    return rows;
}

/* How much of the way from uniform to oracle arrow covers, library by library. */
static json_t *closed(const struct qv_report *r, bool nested)
{
    json_t *all = json_object();
    for (size_t i = 0; i < r->n_libraries; i++) {
        static const char *const router[] = {"uniform", "arrow", "oracle"};
        size_t s[3];
        for (size_t k = 0; k < 3; k++) {
            char name[512];
            snprintf(name, sizeof name, "%.400s-%s", r->library[i].name, router[k]);
            s[k] = qv__report_system(r, name);
        }
        struct qv_estimate e =
            qv__report_closed(r, qv__report_suite(r, "upstream"), s[0], s[1], s[2]);
        if (isfinite(e.value))
            json_object_set_new(all, r->library[i].name,
                                nested ? estimate(e) : json_real(e.value));
    }
    if (!nested && json_object_size(all) == 0) {
        json_decref(all);
        return json_null(); // nothing to tell a person
    }
    return all;
}

static void print_numbers(const struct args *a, const struct qv_report *r, const char *page)
{
    qv__print(json_pack("{s:o, s:o, s:o, s:o, s:s}", "systems", systems(r, a->as_json),
                        "closed", closed(r, a->as_json), "adjusted_rand",
                        r->map.n ? qv__json_number(r->map.rand) : json_null(),
                        "adjusted_rand_by_chance",
                        r->map.n ? qv__json_number(r->map.chance) : json_null(), "report",
                        page),
              a->as_json);
}

static qv_status write_page(const struct qv_report *r, const char *path, qv_err *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return qv_fail(err, QV_ENOMEM, "no memory for the page");
    qv__report_write(f, r);
    bool bad = ferror(f);
    bad = fclose(f) != 0 || bad;
    qv_status result = bad ? qv_fail(err, QV_ENOMEM, "no memory for the page")
                           : qv__write_file(path, text, size, err);
    free(text);
    return result;
}

int cmd_report(int argc, char **argv)
{
    struct args a = {0};
    argp_parse(&spec, argc, argv, 0, NULL, &a);
    qv_err err;
    qv_arena arena = {0};
    struct qv_report r;
    const char *page = a.out ? a.out : qv__arena_fmt(&arena, "%s/report.html", a.run);
    qv_status result = qv__report_read(&r, a.run, &err);
    if (!result)
        result = write_page(&r, page, &err);
    if (!result)
        print_numbers(&a, &r, page);
    qv__report_end(&r);
    qv__arena_free(&arena);
    return result ? qv__say_failure(&err) : 0;
}
