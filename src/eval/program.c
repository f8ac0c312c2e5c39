/* program.c - see program.h. */
#include "eval/program.h"
#include "eval/sandbox.h"

#include <omp.h>
#include <string.h>

/* Each line with an even number of spaces before it. */
static char *even_indents(qv_arena *a, const char *text)
{
    size_t n = strlen(text);
    char *out = qv_new_n(a, char, 2 * n + 2), *to = out;
    for (const char *line = text; line;) {
        const char *newline = strchr(line, '\n');
        size_t length = newline ? (size_t)(newline - line) : strlen(line);
        if (strspn(line, " ") % 2)
            *to++ = ' ';
        memcpy(to, line, length);
        to += length;
        if (newline)
            *to++ = '\n';
        line = newline ? newline + 1 : NULL;
    }
    return out;
}

char *qv__completion(qv_arena *a, const char *answer)
{
    char *text = even_indents(a, answer);
    text += strspn(text, "\n");
    char *empty = strstr(text, "\n\n");
    if (empty)
        *empty = '\0';
    return text;
}

static struct qv_sandbox_opts limits_of(const struct qv_suite_task *task)
{
    return (struct qv_sandbox_opts){.seconds = task->seconds, .megabytes = task->megabytes};
}

qv_status qv__can_run_programs(const struct qv_suite_task *task, qv_err *err)
{
    const struct qv_sandbox_opts o = limits_of(task);
    struct qv_sandbox s;
    qv_status result = qv__sandbox_open(&s, &o, err);
    if (result)
        return qv_wrap(err, result, "task '%s': ", task->name);
    qv__sandbox_end(&s);
    return QV_OK;
}

qv_status qv__have_tests(const struct qv_run *r, qv_err *err)
{
    for (size_t i = 0; i < r->n; i++)
        if (!r->at[i]->tests)
            return qv_fail(err, QV_EFORMAT, "%s: example %zu has no tests to pass",
                           r->data->path, i);
    return QV_OK;
}

qv_status qv__run_programs(struct qv_run *r, qv_err *err)
{
    const struct qv_sandbox_opts o = limits_of(r->task);
    struct qv_sandbox s;
    qv_status result = qv__sandbox_open(&s, &o, err);
    if (result)
        return result;
    const char **program = qv_new_n(&r->arena, const char *, r->n);
    for (size_t i = 0; i < r->n; i++)
        program[i] =
            qv__arena_fmt(&r->arena, "%s%s\n%s", r->at[i]->prompt,
                          qv__completion(&r->arena, r->answer[i]), r->at[i]->tests);
    struct qv_first bad = {0};
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t i = 0; i < r->n; i++) {
        bool passed;
        qv_err own;
        if (qv__sandbox_run(&passed, &s, program[i], &own))
            qv__first_note(&bad, i, &own);
        else
            r->score[i] = passed;
    }
    qv__sandbox_end(&s);
    return qv__first_tell(&bad, err);
}
