/* chart.c - what bench/curve printed as pictures, and how fast each curve rises.
 *
 *     build/release/bench/chart DIR < CSV
 *
 * Writes DIR/cost-WHAT.svg for each WHAT that the lines of CSV begin with: milliseconds a
 * token of the processor, of all threads, both axes logarithmic. Prints the
 * exponent of each curve, the slope of a line through the upper half of its points in the
 * logarithms; for experts also that of what routing adds, in time and in memory.
 */
#include "plot/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 512, MOST_SERIES = 8, NAME = 16 };

struct line {
    char what[NAME];
    double x, tokens, wall[2], busy[2], times, mib; // [alone, with]
};

/* Points of one curve. */
struct points {
    char name[64];
    double x[MOST], y[MOST];
    size_t n;
};

static size_t read_lines(struct line *at)
{
    char text[512];
    size_t n = 0;
    while (n < MOST && fgets(text, sizeof text, stdin)) {
        struct line *l = &at[n];
        char *rest = strchr(text, ',');
        double *const field[] = {&l->x,       &l->tokens,  &l->wall[0], &l->wall[1],
                                 &l->busy[0], &l->busy[1], &l->times,   &l->mib};
        if (!rest || rest - text >= NAME || strncmp(text, "what", 4) == 0)
            continue;
        snprintf(l->what, NAME, "%.*s", (int)(rest - text), text);
        size_t i = 0;
        for (; rest && *rest == ',' && i < QV_COUNT(field); i++)
            *field[i] = strtod(rest + 1, &rest);
        n += i == QV_COUNT(field);
    }
    return n;
}

static bool is(const struct line *l, const char *what)
{
    return strcmp(l->what, what) == 0;
}

/* What its tokens were. */
static const char *kind_of(const struct line *l)
{
    if (is(l, "batch"))
        return "decode";
    return l->tokens <= 1                        ? "decode"
           : l->tokens <= 16 && is(l, "threads") ? "16 texts"
                                                 : "prompt";
}

/* The curve of that name, made if it is new. */
static struct points *curve(struct points *p, size_t *n, const char *kind, const char *who)
{
    char name[64];
    snprintf(name, sizeof name, "%s, %s", kind, who);
    for (size_t i = 0; i < *n; i++)
        if (strcmp(p[i].name, name) == 0)
            return &p[i];
    if (*n == MOST_SERIES)
        return NULL;
    struct points *new = &p[(*n)++];
    *new = (struct points){0};
    memcpy(new->name, name, sizeof name);
    return new;
}

static void add(struct points *to, double x, double y)
{
    if (!to || !(y > 0))
        return;
    to->x[to->n] = x;
    to->y[to->n++] = y;
}

/* d log y / d log x over the upper half, by least squares. */
static double exponent(const struct points *p)
{
    double sx = 0, sy = 0, xx = 0, xy = 0;
    const size_t from = p->n / 2 > 0 ? p->n / 2 - (p->n % 2 == 0) : 0;
    const double n = (double)(p->n - from);
    for (size_t i = from; i < p->n; i++) {
        const double x = log(p->x[i]), y = log(p->y[i]);
        sx += x, sy += y, xx += x * x, xy += x * y;
    }
    return (n * xy - sx * sy) / (n * xx - sx * sx);
}

/* Curves of one `what`, in the order in which they are met. */
static size_t gather(struct points *p, const struct line *l, size_t n, const char *what)
{
    size_t n_curves = 0;
    for (int with = 0; with < 2; with++)
        for (size_t i = 0; i < n; i++) {
            if (!is(&l[i], what))
                continue;
            const char *who = !with ? "base" : is(&l[i], "lora") ? "one LoRA" : "routed";
            add(curve(p, &n_curves, kind_of(&l[i]), who), l[i].x,
                l[i].busy[with] / l[i].tokens);
        }
    return n_curves;
}

static void draw(const char *dir, const char *what, const struct points *p, size_t n)
{
    static const char *const labels[][2] = {{"lora", "rank"},
                                            {"experts", "experts"},
                                            {"context", "tokens of the text"},
                                            {"batch", "texts at once"},
                                            {"threads", "threads"}};
    struct qv_series s[MOST_SERIES];
    const char *x_label = what;
    char path[512], title[64];
    for (size_t i = 0; i < QV_COUNT(labels); i++)
        x_label = strcmp(labels[i][0], what) == 0 ? labels[i][1] : x_label;
    for (size_t i = 0; i < n; i++)
        s[i] = (struct qv_series){p[i].name, p[i].x, p[i].y, p[i].n, i};
    snprintf(path, sizeof path, "%s/cost-%s.svg", dir, what);
    snprintf(title, sizeof title, "Milliseconds a token over %s", x_label);
    FILE *out = fopen(path, "w");
    if (!out) {
        fprintf(stderr, "chart: %s: cannot be written\n", path);
        exit(1);
    }
    qv__plot_lines(out, &(struct qv_lines){.plot = {.title = title, .alone = true},
                                           .x_label = x_label,
                                           .y_label = "ms a token",
                                           .log_x = true,
                                           .log_y = true,
                                           .series = s,
                                           .n_series = n});
    if (fclose(out) != 0)
        exit(1);
}

static void tell(const char *what, const struct points *p)
{
    if (p->n > 1)
        printf("%s,%s,%.2f\n", what, p->name, exponent(p));
}

/* What routing adds over experts, and memory. */
static void tell_more(const struct line *l, size_t n)
{
    static struct points adds[2], memory;
    const char *const kind[] = {"decode", "prompt"};
    snprintf(memory.name, sizeof memory.name, "memory");
    for (size_t k = 0; k < 2; k++) {
        snprintf(adds[k].name, sizeof adds[k].name, "%s, what routing adds", kind[k]);
        for (size_t i = 0; i < n; i++)
            if (is(&l[i], "experts") && strcmp(kind_of(&l[i]), kind[k]) == 0)
                add(&adds[k], l[i].x, l[i].busy[1] - l[i].busy[0]);
        tell("experts", &adds[k]);
    }
    double least = INFINITY; // about what the model takes alone
    for (size_t i = 0; i < n; i++)
        least = is(&l[i], "experts") ? fmin(least, l[i].mib) : least;
    for (size_t i = 0; i < n; i++)
        if (is(&l[i], "experts") && l[i].tokens <= 1)
            add(&memory, l[i].x, l[i].mib - least);
    tell("experts", &memory);
}

int main(int argc, char **argv)
{
    static struct line line[MOST];
    static struct points p[MOST_SERIES];
    if (argc != 2) {
        fprintf(stderr, "chart DIR < CSV\n");
        return 2;
    }
    const size_t n = read_lines(line);
    printf("what,curve,exponent\n");
    for (size_t i = 0; i < n; i++) {
        bool is_new = true;
        for (size_t j = 0; j < i; j++)
            is_new &= strcmp(line[j].what, line[i].what) != 0;
        if (!is_new)
            continue;
        const size_t n_curves = gather(p, line, n, line[i].what);
        draw(argv[1], line[i].what, p, n_curves);
        for (size_t c = 0; c < n_curves; c++)
            tell(line[i].what, &p[c]);
    }
    tell_more(line, n);
    return 0;
}
