/* check.c - reads the written tasks back as a stranger would, and looks for faults.
 *
 * It trusts nothing of what generate.c meant to write: it parses the lines of the
 * files, and judges lengths, spaces, bytes, and that no prompt comes twice.
 */
#include "tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 2048, MIN_EXAMPLES = 200, MAX_EXAMPLES = 1000 };

struct place {
    const char *task;
    size_t line;
    size_t n_faults;
};

static void fault(struct place *at, const char *what)
{
    fprintf(stderr, "%s:%zu: %s\n", at->task, at->line, what);
    at->n_faults++;
}

/* Copies the JSON string that starts at *p into out and moves *p past it. */
static bool read_string(const char **p, char *out, size_t size)
{
    size_t n = 0;
    const char *s = *p;
    if (*s++ != '"')
        return false;
    for (; *s && *s != '"'; s++) {
        if (*s == '\\' && *++s != '"' && *s != '\\')
            return false;
        if (n + 1 >= size)
            return false;
        out[n++] = *s;
    }
    out[n] = 0;
    *p = s + (*s == '"');
    return *s == '"';
}

static bool skip(const char **p, const char *text)
{
    size_t n = strlen(text);
    bool is_there = !strncmp(*p, text, n);
    *p += is_there ? n : 0;
    return is_there;
}

/* Printable ASCII, and two-byte UTF-8, which is all the accents of the tables. */
static bool is_clean_utf8(const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (*p >= 0xc2 && *p <= 0xdf && p[1] >= 0x80 && p[1] <= 0xbf)
            p++;
        else if (*p < 0x20 || *p > 0x7e)
            return false;
    }
    return true;
}

static size_t count_words(const char *s)
{
    size_t n = 0;
    for (const char *p = s; *p; p++)
        n += *p != ' ' && (p == s || p[-1] == ' ');
    return n;
}

static void check_text(struct place *at, const char *s, size_t max_words)
{
    size_t n = strlen(s);
    if (!n)
        fault(at, "an empty text");
    else if (s[0] == ' ' || s[n - 1] == ' ')
        fault(at, "a text that starts or ends with a space");
    if (strstr(s, "  "))
        fault(at, "two spaces together");
    if (strpbrk(s, "{}"))
        fault(at, "a slot that was not filled");
    if (!is_clean_utf8(s))
        fault(at, "bytes that are not clean UTF-8");
    if (count_words(s) > max_words)
        fault(at, "too many words");
}

static void check_line(struct place *at, const char *line, struct example *ex)
{
    const char *p = line;
    if (!skip(&p, "{\"prompt\":") || !read_string(&p, ex->prompt, sizeof ex->prompt) ||
        !skip(&p, ",\"completion\":") ||
        !read_string(&p, ex->completion, sizeof ex->completion) || strcmp(p, "}\n")) {
        fault(at, "a line that is not {\"prompt\":\"...\",\"completion\":\"...\"}");
        return;
    }
    check_text(at, ex->prompt, 45);
    check_text(at, ex->completion, 8);
}

static int by_prompt(const void *x, const void *y)
{
    const struct example *a = x;
    const struct example *b = y;
    return strcmp(a->prompt, b->prompt);
}

static size_t check_task(const char *dir, const struct task *task, struct example *examples)
{
    struct place at = {.task = task->name};
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.jsonl", dir, task->name);
    FILE *f = fopen(path, "rb");
    if (!f) {
        fault(&at, "no such file");
        return at.n_faults;
    }
    char line[LINE_SIZE];
    while (at.line < MAX_EXAMPLES && fgets(line, sizeof line, f)) {
        at.line++;
        check_line(&at, line, &examples[at.line - 1]);
    }
    if (fgets(line, sizeof line, f))
        fault(&at, "more than 1000 examples");
    fclose(f);
    if (at.line < MIN_EXAMPLES)
        fault(&at, "fewer than 200 examples");
    qsort(examples, at.line, sizeof *examples, by_prompt);
    for (size_t i = 1; i < at.line; i++)
        if (!strcmp(examples[i - 1].prompt, examples[i].prompt)) {
            fprintf(stderr, "%s: a prompt that comes twice: %s\n", at.task,
                    examples[i].prompt);
            at.n_faults++;
        }
    return at.n_faults;
}

size_t check_all(const char *dir, const struct family *const *families, size_t n_families)
{
    struct example *examples = calloc(MAX_EXAMPLES, sizeof *examples);
    if (!examples) {
        fprintf(stderr, "generate: out of memory\n");
        return 1;
    }
    size_t n_faults = 0;
    size_t n_tasks = 0;
    for (size_t i = 0; i < n_families; i++)
        for (size_t j = 0; j < families[i]->n_tasks; j++) {
            const struct task *task = &families[i]->tasks[j];
            size_t n = strlen(families[i]->name);
            if (strncmp(task->name, families[i]->name, n) || task->name[n] != '_') {
                fprintf(stderr, "%s: does not start with its family's name\n", task->name);
                n_faults++;
            }
            n_faults += check_task(dir, task, examples);
            n_tasks++;
        }
    free(examples);
    fprintf(stderr, "%zu tasks, %zu faults\n", n_tasks, n_faults);
    return n_faults;
}
