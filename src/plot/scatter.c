/* scatter.c - a map of named points.
 *
 * Names are placed one after another, each at the first of a few positions
 * around its point where it touches no marker and no earlier name. A name that
 * finds none is left to the tooltip: a map with a gap can be read, one with
 * names on top of each other cannot.
 */
#include "plot/svg.h"

#include <math.h>
#include <stdlib.h>

enum { WIDTH = 760, HEIGHT = 560, EDGE = 34, RADIUS = 5, LETTERS = 11 };

struct spot {
    double x, y;
};

struct box {
    double x0, y0, x1, y1;
};

static bool touch(const struct box *a, const struct box *b)
{
    return a->x0 < b->x1 && b->x0 < a->x1 && a->y0 < b->y1 && b->y0 < a->y1;
}

static double cross(const struct spot *o, const struct spot *a, const struct spot *b)
{
    return (a->x - o->x) * (b->y - o->y) - (a->y - o->y) * (b->x - o->x);
}

static int by_place(const void *a, const void *b)
{
    const struct spot *p = a, *q = b;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return (p->y > q->y) - (p->y < q->y);
}

/* The convex hull of p[0..n), sorted, into h[0..2n): Andrew's two chains. */
static size_t hull_of(struct spot *p, size_t n, struct spot *h)
{
    qsort(p, n, sizeof *p, by_place);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        while (k >= 2 && cross(&h[k - 2], &h[k - 1], &p[i]) <= 0)
            k--;
        h[k++] = p[i];
    }
    for (size_t i = n - 1, floor = k + 1; i-- > 0;) {
        while (k >= floor && cross(&h[k - 2], &h[k - 1], &p[i]) <= 0)
            k--;
        h[k++] = p[i];
    }
    return k;
}

/* A hull is drawn with a broad round stroke, which rounds it and makes room for
 * the markers; one point or two give a disc or a capsule. */
static void hulls(FILE *out, const struct qv_scatter *c, const struct spot *at,
                  struct spot *work)
{
    for (size_t g = 0; g < c->n_groups; g++) {
        size_t n = 0;
        for (size_t i = 0; i < c->n_points; i++)
            if (c->points[i].group == g && isfinite(at[i].x))
                work[n++] = at[i];
        if (!n)
            continue;
        struct spot *h = work + n;
        size_t corners = hull_of(work, n, h);
        fprintf(out, "<path class=\"hull c%zu s%zu\" d=\"", g % QV_HUES, g % QV_HUES);
        for (size_t i = 0; i < corners; i++) {
            fputc(i ? 'L' : 'M', out);
            qv__svg_num(out, h[i].x);
            fputc(' ', out);
            qv__svg_num(out, h[i].y);
        }
        fputs("Z\"><title>", out);
        qv__svg_escape(out, c->groups[g]);
        fputs("</title></path>\n", out);
    }
}

/* Where a name may stand, best first: anchor, and offset of its baseline. */
static const struct {
    char anchor;
    double dx, dy;
} position[] = {
    {'s', 9, 4},  {'e', -9, 4},  {'m', 0, -9}, {'m', 0, 17},
    {'s', 7, -6}, {'e', -7, -6}, {'s', 7, 14}, {'e', -7, 14},
};

static bool place(const struct box *taken, size_t n, struct spot at, double wide,
                  struct box *box, size_t *choice)
{
    for (size_t p = 0; p < QV_COUNT(position); p++) {
        double x = at.x + position[p].dx, y = at.y + position[p].dy;
        x -= position[p].anchor == 'm' ? wide / 2 : position[p].anchor == 'e' ? wide : 0;
        *box = (struct box){x, y - LETTERS + 1, x + wide, y + 3};
        bool free =
            box->x0 > 2 && box->x1 < WIDTH - 2 && box->y0 > 2 && box->y1 < HEIGHT - 2;
        for (size_t i = 0; i < n && free; i++)
            free = !touch(box, &taken[i]);
        *choice = p;
        if (free)
            return true;
    }
    return false;
}

static void names(FILE *out, const struct qv_scatter *c, const struct spot *at,
                  struct box *taken)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_points; i++)
        taken[n++] = (struct box){at[i].x - RADIUS - 1, at[i].y - RADIUS - 1,
                                  at[i].x + RADIUS + 1, at[i].y + RADIUS + 1};
    for (size_t i = 0; i < c->n_points; i++) {
        size_t p;
        double wide = qv__text_width(c->points[i].name, LETTERS);
        if (!isfinite(at[i].x) || !place(taken, n, at[i], wide, &taken[n], &p))
            continue;
        n++;
        qv__svg_text(out, "label soft halo", at[i].x + position[p].dx,
                     at[i].y + position[p].dy, position[p].anchor, c->points[i].name);
    }
}

/* Both axes share one scale, so that distances mean something. */
static void spread(const struct qv_scatter *c, struct spot *at)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (size_t i = 0; i < c->n_points; i++) {
        const struct qv_point *p = &c->points[i];
        if (!isfinite(p->x) || !isfinite(p->y))
            continue;
        x0 = fmin(x0, p->x), x1 = fmax(x1, p->x);
        y0 = fmin(y0, p->y), y1 = fmax(y1, p->y);
    }
    double scale = fmin((WIDTH - 2 * EDGE) / fmax(x1 - x0, 1e-12),
                        (HEIGHT - 2 * EDGE) / fmax(y1 - y0, 1e-12));
    for (size_t i = 0; i < c->n_points; i++) {
        const struct qv_point *p = &c->points[i];
        bool known = isfinite(p->x) && isfinite(p->y);
        at[i].x = known ? WIDTH / 2.0 + scale * (p->x - (x0 + x1) / 2) : (double)NAN;
        at[i].y = known ? HEIGHT / 2.0 - scale * (p->y - (y0 + y1) / 2) : (double)NAN;
    }
}

void qv__plot_scatter(FILE *out, const struct qv_scatter *c)
{
    qv_arena a = {0};
    // The points, then room for those of one group (n) and their hull (2 n).
    struct spot *at = qv_new_n(&a, struct spot, 4 * c->n_points);
    struct box *taken = qv_new_n(&a, struct box, 2 * c->n_points);
    spread(c, at);

    double legend = qv__svg_legend_height(c->groups, c->n_groups, WIDTH - 2 * EDGE);
    qv__svg_begin(out, &c->plot, WIDTH, HEIGHT + legend);
    if (c->hulls)
        hulls(out, c, at, at + c->n_points);
    for (size_t i = 0; i < c->n_points; i++) {
        if (!isfinite(at[i].x))
            continue;
        const struct qv_point *p = &c->points[i];
        const char *group = p->group < c->n_groups ? c->groups[p->group] : "no group";
        const char *tip = qv__arena_fmt(&a, "%s (%s)", p->name, group);
        qv__svg_marker(out, at[i].x, at[i].y, RADIUS, p->group, tip);
    }
    names(out, c, at, taken);
    qv__svg_legend(out, c->groups, c->n_groups, EDGE, HEIGHT, WIDTH - 2 * EDGE);
    qv__svg_end(out);
    qv__arena_free(&a);
}
