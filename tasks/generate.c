/* generate.c - writes the bundled tasks: one file of JSON lines per task.
 *
 *     generate OUTDIR [SEED]     writes OUTDIR/<task>.jsonl; tasks.json goes to stdout
 *     generate --check OUTDIR    reads them back and looks for faults
 *
 * Everything is a function of (seed, task, index): the same seed gives the same bytes
 * on every machine. Each family of tasks is a file of its own; its tables and wordings
 * were written for this project. To add a family, write the file and name it below.
 */
#include "tasks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const struct family *const families[] = {
    &opposites_family, &forms_family,     &sentiment_family, &topic_family,
    &extract_family,   &sense_family,     &time_family,      &sums_family,
    &order_family,     &translate_family, &repair_family,    &format_family,
    &category_family,  &complete_family,  &entail_family,    &words_family,
    &riddle_family,
};

static bool is_known(const struct example *examples, size_t n, const char *prompt)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(examples[i].prompt, prompt))
            return true;
    return false;
}

/* Draws until there are task->n examples with different prompts; returns how many
 * there are when the wordings and facts give no more. What is drawn late is what is
 * rarely drawn, so the examples are shuffled: any first part is then a fair sample. */
static size_t draw_examples(const struct task *task, uint64_t seed,
                            struct example *examples)
{
    size_t n = 0;
    for (uint64_t i = 0; n < task->n && i < 40 * (uint64_t)task->n; i++) {
        struct rng rng = rng_for(seed, task->name, i);
        task->make(&rng, &examples[n]);
        n += !is_known(examples, n, examples[n].prompt);
    }
    struct rng rng = rng_for(seed, task->name, UINT64_MAX);
    for (size_t i = n; i > 1; i--) {
        size_t j = below(&rng, i);
        struct example held = examples[i - 1];
        examples[i - 1] = examples[j];
        examples[j] = held;
    }
    return n;
}

/* The texts hold no control characters (--check proves it), so two escapes do. */
static void write_string(FILE *f, const char *s)
{
    fputc('"', f);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fputc('\\', f);
        fputc(*s, f);
    }
    fputc('"', f);
}

static bool write_task(const char *dir, const struct task *task,
                       const struct example *examples, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.jsonl", dir, task->name);
    FILE *f = fopen(path, "wb");
    if (!f) {
        fprintf(stderr, "generate: %s: %s\n", path, strerror(errno));
        return false;
    }
    bool is_complete = true;
    for (size_t i = 0; i < n; i++) {
        is_complete = is_complete && examples[i].prompt[0] && examples[i].completion[0];
        fputs("{\"prompt\":", f);
        write_string(f, examples[i].prompt);
        fputs(",\"completion\":", f);
        write_string(f, examples[i].completion);
        fputs("}\n", f);
    }
    bool is_written = !ferror(f);
    if (fclose(f) || !is_written) {
        fprintf(stderr, "generate: %s: cannot be written\n", path);
        return false;
    }
    return is_complete;
}

static void write_index_entry(const struct family *family, const struct task *task,
                              size_t n)
{
    printf("\"%s\":{\"family\":\"%s\",\"held_out\":%s,\"about\":", task->name, family->name,
           task->is_held_out ? "true" : "false");
    write_string(stdout, task->about);
    printf(",\"examples\":%zu}", n);
}

static bool generate_all(const char *dir, uint64_t seed)
{
    if (mkdir(dir, 0777) && errno != EEXIST) {
        fprintf(stderr, "generate: %s: %s\n", dir, strerror(errno));
        return false;
    }
    struct example *examples = malloc((MANY + 1) * sizeof *examples);
    if (!examples) {
        fprintf(stderr, "generate: out of memory\n");
        return false;
    }
    bool is_good = true;
    const char *separator = "\n";
    printf("{\"seed\":%llu,\"tasks\":{", (unsigned long long)seed);
    for (size_t i = 0; i < COUNT(families); i++)
        for (size_t j = 0; j < families[i]->n_tasks; j++) {
            const struct task *task = &families[i]->tasks[j];
            size_t n = draw_examples(task, seed, examples);
            is_good = write_task(dir, task, examples, n) && is_good;
            fputs(separator, stdout);
            separator = ",\n";
            write_index_entry(families[i], task, n);
        }
    puts("\n}}");
    free(examples);
    return is_good && !fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "--check"))
        return check_all(argv[2], families, COUNT(families)) ? 1 : 0;
    char *end = NULL;
    uint64_t seed = argc == 3 ? strtoull(argv[2], &end, 10) : 1;
    if (argc < 2 || argc > 3 || argv[1][0] == '-' || (end && (*end || end == argv[2]))) {
        fputs("usage: generate OUTDIR [SEED] > tasks.json\n"
              "       generate --check OUTDIR\n",
              stderr);
        return 2;
    }
    return generate_all(argv[1], seed) ? 0 : 1;
}
