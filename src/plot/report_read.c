/* report_read.c - a run directory as a struct qv_report; see report.h. */
#include "plot/report_parts.h"
#include "base/file.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20 };

static qv_status read_words(struct qv_report *r, const char *path, qv_err *err)
{
    json_t *run;
    qv_status result = qv__json_read(&run, path, MOST_BYTES, err);
    if (result)
        return result;
    const char *title = NULL, *lead = NULL, *model = NULL;
    if (!json_is_object(run))
        result = qv_fail(err, QV_EFORMAT, "not an object");
    if (!result)
        result = qv__json_str(run, "title", &title, err);
    if (!result)
        result = qv__json_str(run, "lead", &lead, err);
    if (!result)
        result = qv__json_str(run, "model", &model, err);
    r->title = title ? qv__arena_str(&r->arena, title) : NULL;
    r->lead = lead ? qv__arena_str(&r->arena, lead) : NULL;
    r->model = model ? qv__arena_str(&r->arena, model) : NULL;
    json_decref(run);
    return result ? qv_wrap(err, result, "%s: ", path) : QV_OK;
}

static qv_status read_families(struct qv_report *r, const char *path, qv_err *err)
{
    json_t *file, *task;
    const char *name;
    qv_status result = qv__json_read(&file, path, MOST_BYTES, err);
    if (result)
        return result;
    json_t *tasks = json_object_get(file, "tasks");
    if (!json_is_object(tasks))
        result = qv_fail(err, QV_EFORMAT, "%s: 'tasks' is not an object", path);
    else
        json_object_foreach(tasks, name, task)
        {
            const char *family = NULL;
            result = qv__json_str(task, "family", &family, err);
            if (result) {
                result = qv_wrap(err, result, "%s: task '%s': ", path, name);
                break;
            }
            if (family)
                json_object_set(r->families, name, json_object_get(task, "family"));
        }
    json_decref(file);
    return result;
}

const char *qv__report_family(const struct qv_report *r, const char *task)
{
    return json_string_value(json_object_get(r->families, task));
}

/* "12.5\tquiver build ..." a line. */
static qv_status read_commands(struct qv_report *r, const char *path, qv_err *err)
{
    char *text;
    size_t size;
    qv_status result = qv__read_file(&text, &size, &r->arena, path, MOST_BYTES, err);
    if (result)
        return result;
    r->command = qv_new_n(&r->arena, struct qv_report_command, size / 2 + 1);
    for (char *line = text, *end; *line; line = end) {
        end = line + strcspn(line, "\n");
        if (*end)
            *end++ = '\0';
        char *tab = strchr(line, '\t'), *rest;
        double seconds = strtod(line, &rest);
        if (!tab || rest != tab)
            return qv_fail(err, QV_EFORMAT, "%s: '%s' is not seconds, a tab and a command",
                           path, line);
        r->command[r->n_commands++] = (struct qv_report_command){tab + 1, seconds};
    }
    return QV_OK;
}

qv_status qv__report_read(struct qv_report *r, const char *dir, qv_err *err)
{
    *r = (struct qv_report){.families = json_object(), .studies = json_object()};
    if (!qv__is_dir(dir))
        return qv_fail(err, QV_ENOTFOUND, "%s: no such directory", dir);
    const struct {
        const char *name;
        qv_status (*read)(struct qv_report *r, const char *path, qv_err *err);
        bool is_dir;
    } part[] = {
        {"run.json", read_words, false},
        {"tasks.json", read_families, false}, // before those that ask for families
        {"commands.tsv", read_commands, false},
        {"eval", qv__report_read_eval, true},
        {"libraries", qv__report_read_libraries, true},
        {"routes", qv__report_read_routes, true},
        {"studies", qv__report_read_studies, true},
        {"tables.json", qv__report_read_tables, false},
    };
    qv_status result = QV_OK;
    size_t found = 0;
    for (size_t i = 0; !result && i < QV_COUNT(part); i++) {
        const char *path = qv__arena_fmt(&r->arena, "%s/%s", dir, part[i].name);
        if (!(part[i].is_dir ? qv__is_dir(path) : qv__is_file(path)))
            continue;
        found++;
        result = part[i].read(r, path, err);
    }
    if (!result && found == 0)
        return qv_fail(err, QV_ENOTFOUND,
                       "%s: not a run: it has no run.json, libraries or "
                       "eval",
                       dir);
    return result;
}

void qv__report_end(struct qv_report *r)
{
    json_decref(r->families);
    json_decref(r->tables);
    json_decref(r->studies);
    qv__arena_free(&r->arena);
    *r = (struct qv_report){0};
}
