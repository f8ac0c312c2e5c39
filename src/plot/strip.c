/* strip.c - which expert each token of a text went to, site by site.
 *
 * The text runs across in a typewriter face, broken into bands that fit the
 * page; under each token hangs a column of cells, one a site. The eight experts
 * with the most weight in this text have hues, the others share a grey.
 */
#include "plot/svg.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 760, LETTERS = 12, PAD = 3, NARROW = 14, GAP = 5 };

struct look {
    double left, cell;   // where tokens start; height of a cell
    double *row, high;   // [n_sites] a site's offset below the tokens; of them all
    const char **token;  // [T] as shown
    size_t *hue;         // [K] a colour, or QV_HUES for the grey
    double *share;       // [K] of all weight
    size_t key[QV_HUES]; // the experts that have a hue, most weight first
    size_t n_key;
};

/* The first word of a site's name is its layer. */
static size_t layer_length(const char *site)
{
    return strcspn(site, " ");
}

static bool begins_layer(const struct qv_strip *c, size_t s)
{
    size_t n = layer_length(c->sites[s]);
    return s == 0 || n != layer_length(c->sites[s - 1]) ||
           strncmp(c->sites[s], c->sites[s - 1], n) != 0;
}

/* Rows too low for a name of their own share that of their layer. */
static const char *row_name(qv_arena *a, const struct look *l, const struct qv_strip *c,
                            size_t s)
{
    const char *name = c->sites[s];
    if (l->cell >= 10)
        return name;
    return begins_layer(c, s) ? qv__arena_strn(a, name, layer_length(name)) : NULL;
}

/* Layers stand a little apart. */
static void place_rows(struct look *l, const struct qv_strip *c, qv_arena *a)
{
    l->cell = c->n_sites <= 8 ? 14 : c->n_sites <= 24 ? 10 : 6;
    for (size_t s = 0; s < c->n_sites; s++) {
        l->high += s > 0 && begins_layer(c, s) ? 3 : 0;
        l->row[s] = l->high;
        l->high += l->cell;
        const char *name = row_name(a, l, c, s);
        l->left = fmax(l->left, name ? qv__text_width(name, 9) + 10 : 0);
    }
}

static void name_rows(FILE *out, const struct qv_strip *c, const struct look *l, double y)
{
    qv_arena a = {0};
    for (size_t s = 0; s < c->n_sites; s++) {
        const char *name = row_name(&a, l, c, s);
        if (name)
            qv__svg_text(out, "tiny", l->left - 6, y + l->row[s] + fmax(l->cell / 2, 4) + 3,
                         'e', name);
    }
    qv__arena_free(&a);
}

/* Of all weight, as given, or else of that of the cells. */
static void find_shares(struct look *l, const struct qv_strip *c)
{
    double total = 0;
    for (size_t i = 0; i < c->n_sites * c->T; i++)
        if (c->top[i] >= 0 && (size_t)c->top[i] < c->K && isfinite(c->weight[i])) {
            l->share[c->top[i]] += (double)c->weight[i];
            total += (double)c->weight[i];
        }
    for (size_t k = 0; k < c->K; k++)
        l->share[k] = c->share ? c->share[k] : total > 0 ? l->share[k] / total : 0;
}

/* Gives the hues to the experts with the most weight, largest first. */
static void choose_hues(struct look *l, const struct qv_strip *c)
{
    find_shares(l, c);
    for (size_t k = 0; k < c->K; k++)
        l->hue[k] = QV_HUES;
    for (l->n_key = 0; l->n_key < QV_HUES; l->n_key++) {
        size_t best = c->K;
        for (size_t k = 0; k < c->K; k++)
            if (l->hue[k] == QV_HUES && l->share[k] > 0 &&
                (best == c->K || l->share[k] > l->share[best]))
                best = k;
        if (best == c->K)
            break;
        l->hue[best] = l->n_key;
        l->key[l->n_key] = best;
    }
}

static double token_width(const char *token)
{
    return fmax(qv__mono_width(token, LETTERS) + 2 * PAD, NARROW);
}

static bool begins_word(const char *token)
{
    return token[0] == ' ' && token[1];
}

/* A token as it is shown: a line break is an arrow that turns back, and the space
 * that begins a word is a gap before it. */
static const char *shown(qv_arena *a, const char *token)
{
    char *text = qv_new_n(a, char, 3 * strlen(token) + 1), *end = text;
    for (const char *s = token + begins_word(token); *s; s++) {
        if (*s == '\n') {
            memcpy(end, "\xe2\x86\xb5", 3);
            end += 3;
        } else {
            *end++ = *s == '\t' ? ' ' : *s;
        }
    }
    return text;
}

/* Tokens from `begin` that fit on one band. */
static size_t band_end(const struct qv_strip *c, const struct look *l, size_t begin)
{
    double x = l->left;
    size_t t = begin;
    while (t < c->T) {
        x += token_width(l->token[t]) + (t > begin && begins_word(c->tokens[t]) ? GAP : 0);
        if (x > WIDTH && t > begin)
            break;
        t++;
    }
    return t;
}

static void cell(FILE *out, const struct qv_strip *c, const struct look *l, size_t s,
                 size_t t, double x, double y, double wide)
{
    int expert = c->top[s * c->T + t];
    double weight = (double)c->weight[s * c->T + t];
    if (expert < 0 || (size_t)expert >= c->K || !isfinite(weight)) {
        qv__svg_rect(out, "none", x, y, wide - 1, l->cell - 1, 0.4, NULL);
        return;
    }
    qv_arena a = {0};
    char text[QV_NUMBER], cls[32] = "cell rest";
    const char *tip =
        qv__arena_fmt(&a, "%s \xe2\x86\x92 %s (%s) at %s", l->token[t], c->experts[expert],
                      qv__number(text, weight, 2), c->sites[s]);
    if (l->hue[expert] < QV_HUES)
        snprintf(cls, sizeof cls, "cell c%zu", l->hue[expert]);
    qv__svg_rect(out, cls, x, y, wide - 1, l->cell - 1,
                 0.25 + 0.75 * fmin(fmax(weight, 0), 1), tip);
    qv__arena_free(&a);
}

static void band(FILE *out, const struct qv_strip *c, const struct look *l, size_t begin,
                 size_t end, double y)
{
    double x = l->left;
    for (size_t t = begin; t < end; t++) {
        double wide = token_width(l->token[t]);
        double text = qv__mono_width(l->token[t], LETTERS);
        x += t > begin && begins_word(c->tokens[t]) ? GAP : 0;
        qv__svg_text(out, "mono", x + (wide - text) / 2, y + 13, 's', l->token[t]);
        for (size_t s = 0; s < c->n_sites; s++)
            cell(out, c, l, s, t, x, y + 20 + l->row[s], wide);
        x += wide;
    }
    name_rows(out, c, l, y + 20);
}

static double legend_entry(FILE *out, const char *cls, const char *name, double share,
                           double x, double y)
{
    qv_arena a = {0};
    char percent[QV_NUMBER];
    qv__number(percent, share * 100, share < 0.0995 ? 1 : 0);
    const char *text = qv__arena_fmt(&a, "%s %s%%", name, percent);
    double wide = qv__text_width(text, 12) + 32;
    if (out) {
        qv__svg_rect(out, cls, x, y, 11, 11, 1, NULL);
        qv__svg_text(out, "label", x + 16, y + 10, 's', text);
    }
    qv__arena_free(&a);
    return wide;
}

/* Returns its height; draws it at `y` if `out` is given. */
static double legend(FILE *out, const struct qv_strip *c, const struct look *l, double y)
{
    double x = l->left, rest = 1, down = 0;
    for (size_t i = 0; i < l->n_key; i++)
        rest -= l->share[l->key[i]];
    for (size_t i = 0; i < l->n_key + (rest > 1e-6); i++) {
        char cls[32] = "rest";
        if (i < l->n_key)
            snprintf(cls, sizeof cls, "c%zu", i);
        const char *name = i < l->n_key ? c->experts[l->key[i]] : "others";
        double share = i < l->n_key ? l->share[l->key[i]] : rest;
        double wide = legend_entry(NULL, cls, name, share, x, y + down);
        if (x + wide > WIDTH + 16 && x > l->left)
            x = l->left, down += 20;
        if (out)
            legend_entry(out, cls, name, share, x, y + down);
        x += wide;
    }
    return l->n_key ? down + 20 : 0;
}

void qv__plot_strip(FILE *out, const struct qv_strip *c)
{
    qv_arena a = {0};
    struct look l = {0};
    l.row = qv_new_n(&a, double, c->n_sites);
    l.hue = qv_new_n(&a, size_t, c->K);
    l.share = qv_new_n(&a, double, c->K);
    l.token = qv_new_n(&a, const char *, c->T);
    choose_hues(&l, c);
    for (size_t t = 0; t < c->T; t++)
        l.token[t] = shown(&a, c->tokens[t]);
    place_rows(&l, c, &a);

    double high = 20 + l.high + 16;
    size_t bands = 0;
    for (size_t t = 0; t < c->T; bands++)
        t = band_end(c, &l, t);
    double foot = legend(NULL, c, &l, 0);
    qv__svg_begin(out, &c->plot, WIDTH, high * (double)bands + foot);
    for (size_t b = 0, begin = 0, end; b < bands; b++, begin = end) {
        end = band_end(c, &l, begin);
        band(out, c, &l, begin, end, high * (double)b);
    }
    legend(out, c, &l, high * (double)bands);
    qv__svg_end(out);
    qv__arena_free(&a);
}
