/* linear.c - see linear.h. With y_t = W x_t, dx_t = W' dy_t, dW = sum_t dy_t x_t'. */
#include "op/linear.h"
#include "kern/half.h"
#include "kern/kern.h"
#include "op/gemm.h"

#include <string.h>

enum {
    SLAB = 1 << 22,         // floats of a slab, or one row if that is more
    GROUPS = 32,            // of few rows, multiplied in one go
    TILE = 24,              // rows of W that stay near while few rows of x meet them
    TILE_IN_BLOCKS = 8,     // the same, of rows in blocks
    WORTH_A_TEAM = 1 << 18, // products; fewer take one thread less than waking others does
};

void qv__weight_lies_at(struct qv_weight *w, const void *data,
                        const struct qv_block_type *type, bool wants_bf16)
{
    if (type->id == QV_BLOCK_F32) {
        w->f32 = data;
    } else if (type->id == QV_BLOCK_BF16 && wants_bf16) {
        w->bf16 = data;
    } else {
        w->blocks = data;
        w->type = type;
    }
}

/* What W is made of, and where. */
static uint32_t type_of(const struct qv_weight *w)
{
    return w->f32 ? QV_BLOCK_F32 : w->bf16 ? QV_BLOCK_BF16 : w->type->id;
}

static bool has_codes(const struct qv_weight *w)
{
    return w->blocks && w->type->layout;
}

static const char *row_of(const struct qv_weight *w, size_t o)
{
    if (w->f32)
        return (const char *)(w->f32 + o * w->D_in);
    if (w->bf16)
        return (const char *)(w->bf16 + o * w->D_in);
    return (const char *)w->blocks +
           (w->order ? w->order[o] : o) * qv__block_bytes(w->type, w->D_in);
}

/* Rows o to end - 1 of W, of one of several maps of the same x. */
struct tile {
    const struct qv_product *of;
    size_t o, end;
};

static size_t count_tiles(const struct qv_product *p, size_t n, size_t rows)
{
    size_t n_tiles = 0;
    for (size_t i = 0; i < n; i++)
        n_tiles += (p[i].w->D_out + rows - 1) / rows;
    return n_tiles;
}

/* Tile i of all of theirs. */
static struct tile tile_at(const struct qv_product *p, size_t rows, size_t i)
{
    for (size_t n; i >= (n = count_tiles(p, 1, rows)); p++)
        i -= n;
    return (struct tile){p, i * rows, qv__min((i + 1) * rows, p->w->D_out)};
}

static bool is_worth_a_team(const struct qv_product *p, size_t n, size_t T)
{
    size_t D_out = 0;
    for (size_t i = 0; i < n; i++)
        D_out += p[i].w->D_out;
    return D_out * p->w->D_in * T > WORTH_A_TEAM;
}

static void plain_tile(struct tile t, const float *x, size_t T)
{
    const struct qv_weight *w = t.of->w;
    const size_t D = w->D_in, together = w->order ? 1 : t.end - t.o;
    for (size_t o = t.o; o < t.end; o += together)
        qv__kern()->dots(t.of->y + o, type_of(w), row_of(w, o), x,
                         (struct qv_dots){D, together, D, T, w->D_out});
}

/* Each output element is one dot product along a row of W, so each row of W is
 * read once however many threads there are. */
static void few_rows(const struct qv_product *p, size_t n, const float *x, size_t T)
{
    const size_t n_tiles = count_tiles(p, n, TILE);
#pragma omp parallel for schedule(static) if (is_worth_a_team(p, n, T))
    for (size_t i = 0; i < n_tiles; i++)
        plain_tile(tile_at(p, TILE, i), x, T);
}

/* One row of W, widened a run at a time, times each of few rows of x. */
static void exact_row(const struct qv_kern *k, float *y, size_t stride,
                      const struct qv_weight *w, const char *row, const float *x, size_t T)
{
    enum { RUN = 4 * QV_BLOCK_MAX };
    float value[RUN], sum[QV_FEW_ROWS_IN_BLOCKS] = {0};
    for (size_t i = 0; i < w->D_in; i += RUN) {
        const size_t n = qv__min(RUN, w->D_in - i);
        k->widen(value, w->type, row + qv__block_bytes(w->type, i), n);
        for (size_t t = 0; t < T; t++)
            sum[t] += k->dot(value, x + t * w->D_in + i, n);
    }
    for (size_t t = 0; t < T; t++)
        y[t * stride] = sum[t];
}

/* A tile of W times group g of rows of x. */
static void tile_in_blocks(struct tile t, size_t g, const struct qv_narrow *q,
                           bool is_exact)
{
    const struct qv_kern *k = qv__kern();
    const struct qv_weight *w = t.of->w;
    float *y = t.of->y + g * QV_FEW_ROWS_IN_BLOCKS * w->D_out;
    for (size_t o = t.o; o < t.end; o++)
        if (is_exact)
            exact_row(k, y + o, w->D_out, w, row_of(w, o), q->x, q->T);
        else
            k->dot_blocks(y + o, w->D_out, w->type, row_of(w, o), q);
}

/* The same with codes, by groups of few rows of x; x is narrowed unless it is to stay
 * exact. A tile of W's rows stays near while all groups meet it, and in the meantime a
 * group stays nearer. */
static void groups_in_blocks(const struct qv_product *p, size_t n, const float *x, size_t T,
                             struct qv_linear_room room)
{
    enum { FEW = QV_FEW_ROWS_IN_BLOCKS };
    const struct qv_kern *k = qv__kern();
    struct qv_narrow q[GROUPS];
    const size_t D = p->w->D_in, floats = qv__narrow_room(FEW, D);
    const size_t n_groups = (T + FEW - 1) / FEW;
    qv_check(room.slab && n_groups <= GROUPS);
    for (size_t g = 0; g < n_groups; g++)
        qv__narrow_init(&q[g], p->w->type, x + g * FEW * D, qv__min(FEW, T - g * FEW), D,
                        room.slab + g * floats);
    const bool is_exact = room.is_exact;
#pragma omp parallel for schedule(static) if (n_groups > 1)
    for (size_t g = 0; g < n_groups; g++)
        if (!is_exact)
            k->narrow(&q[g]);
    const size_t n_tiles = count_tiles(p, n, TILE_IN_BLOCKS);
#pragma omp parallel for schedule(static) if (is_worth_a_team(p, n, T))
    for (size_t i = 0; i < n_tiles; i++) {
        const struct tile t = tile_at(p, TILE_IN_BLOCKS, i);
        for (size_t g = 0; g < n_groups; g++)
            tile_in_blocks(t, g, &q[g], is_exact);
    }
}

static void rows_in_blocks(const struct qv_product *p, size_t n, const float *x, size_t T,
                           struct qv_linear_room room)
{
    const size_t D = p->w->D_in, fit = SLAB / qv__narrow_room(QV_FEW_ROWS_IN_BLOCKS, D);
    const size_t most = qv__min(GROUPS, qv__max(fit, 1)) * QV_FEW_ROWS_IN_BLOCKS;
    struct qv_product from[QV_MAPS_OF_X];
    for (size_t t = 0; t < T; t += most) {
        for (size_t i = 0; i < n; i++)
            from[i] = (struct qv_product){p[i].y + t * p[i].w->D_out, p[i].w};
        groups_in_blocks(from, n, x + t * D, qv__min(most, T - t), room);
    }
}

static void round_rows(uint16_t *half, const float *x, size_t n)
{
    const struct qv_kern *k = qv__kern();
    const size_t step = 1 << 13;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i += step)
        k->to_bf16(half + i, x + i, qv__min(step, n - i));
}

size_t qv__linear_slab(size_t D_in)
{
    return qv__max(SLAB, qv__narrow_room(QV_FEW_ROWS_IN_BLOCKS, D_in));
}

void qv__weight_row(float *out, const struct qv_weight *w, size_t o)
{
    const size_t D = w->D_in;
    if (w->blocks)
        qv__kern()->widen(out, w->type, row_of(w, o), D);
    else if (w->f32)
        memcpy(out, w->f32 + o * D, D * sizeof *out);
    else
        for (size_t i = 0; i < D; i++)
            out[i] = qv__bf16_to_f32(w->bf16[o * D + i]);
}

/* Widens up to a slab of W's rows from row o on; returns how many. */
static size_t widen(float *slab, const struct qv_weight *w, size_t o)
{
    qv_check(slab);
    const struct qv_kern *k = qv__kern();
    const size_t n = qv__min(qv__max(1, SLAB / w->D_in), w->D_out - o);
#pragma omp parallel for schedule(static)
    for (size_t r = 0; r < n; r++)
        k->widen(slab + r * w->D_in, w->type, row_of(w, o + r), w->D_in);
    return n;
}

static void with_slabs(float *y, const float *x, const struct qv_weight *w, size_t T,
                       float *slab)
{
    for (size_t o = 0, n; o < w->D_out; o += n) {
        n = widen(slab, w, o);
        qv__sgemm(false, true, T, n, w->D_in, 1, x, w->D_in, slab, w->D_in, 0, y + o,
                  w->D_out);
    }
}

static void with_slabs_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                            float *slab)
{
    for (size_t o = 0, n; o < w->D_out; o += n) {
        n = widen(slab, w, o);
        qv__sgemm(false, false, T, w->D_in, n, 1, dy + o, w->D_out, slab, w->D_in, 1, dx,
                  w->D_in);
    }
}

/* Whether the maps can share a pass over few rows. */
static bool are_alike(const struct qv_product *p, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (p[i].w->D_in != p->w->D_in || type_of(p[i].w) != type_of(p->w) ||
            !p[i].w->blocks != !p->w->blocks)
            return false;
    return true;
}

static void many_rows(float *y, const float *x, const struct qv_weight *w, size_t T,
                      struct qv_linear_room room)
{
    if (w->blocks) {
        with_slabs(y, x, w, T, room.slab);
    } else if (room.half && w->bf16) {
        round_rows(room.half, x, T * w->D_in);
        qv__bgemm(true, T, w->D_out, w->D_in, room.half, w->bf16, false, y);
    } else {
        qv_check(w->f32);
        qv__sgemm(false, true, T, w->D_out, w->D_in, 1, x, w->D_in, w->f32, w->D_in, 0, y,
                  w->D_out);
    }
}

void qv__linear_rows_all(const struct qv_product *p, size_t n, const float *x, size_t T,
                         struct qv_linear_room room)
{
    qv_check(n <= QV_MAPS_OF_X);
    if (!are_alike(p, n))
        for (size_t i = 0; i < n; i++)
            qv__linear_rows_all(p + i, 1, x, T, room);
    else if (has_codes(p->w))
        rows_in_blocks(p, n, x, T, room);
    else
        few_rows(p, n, x, T);
}

void qv__linear_all(const struct qv_product *p, size_t n, const float *x, size_t T,
                    struct qv_linear_room room)
{
    if (are_alike(p, n) && T < (p->w->blocks ? QV_FEW_ROWS_IN_BLOCKS : QV_FEW_ROWS))
        qv__linear_rows_all(p, n, x, T, room);
    else if (n == 1)
        many_rows(p->y, x, p->w, T, room);
    else
        for (size_t i = 0; i < n; i++)
            qv__linear_all(p + i, 1, x, T, room);
}

void qv__linear(float *y, const float *x, const struct qv_weight *w, size_t T,
                struct qv_linear_room room)
{
    qv__linear_all(&(struct qv_product){y, w}, 1, x, T, room);
}

void qv__linear_rows(float *y, const float *x, const struct qv_weight *w, size_t T,
                     struct qv_linear_room room)
{
    qv__linear_rows_all(&(struct qv_product){y, w}, 1, x, T, room);
}

void qv__linear_back(float *dx, const float *dy, const struct qv_weight *w, size_t T,
                     struct qv_linear_room room)
{
    if (w->blocks) {
        with_slabs_back(dx, dy, w, T, room.slab);
    } else if (room.half && w->bf16) {
        round_rows(room.half, dy, T * w->D_out);
        qv__bgemm(false, T, w->D_in, w->D_out, room.half, w->bf16, true, dx);
    } else {
        qv_check(w->f32);
        qv__sgemm(false, false, T, w->D_in, w->D_out, 1, dy, w->D_out, w->f32, w->D_in, 1,
                  dx, w->D_in);
    }
}

void qv__linear_back_weight(float *dw, const float *dy, const float *x, size_t D_out,
                            size_t D_in, size_t T)
{
    qv__sgemm(true, false, D_out, D_in, T, 1, dy, D_out, x, D_in, 1, dw, D_in);
}

void qv__bias(float *y, const float *b, size_t T, size_t D)
{
#pragma omp parallel for schedule(static) if (T > 16)
    for (size_t t = 0; t < T; t++)
        for (size_t i = 0; i < D; i++)
            y[t * D + i] += b[i];
}

/* Threads split the columns, so that each sum has one writer. */
void qv__bias_back(float *db, const float *dy, size_t T, size_t D)
{
    const size_t step = 64;
#pragma omp parallel for schedule(static)
    for (size_t from = 0; from < D; from += step)
        for (size_t t = 0; t < T; t++)
            for (size_t i = from; i < qv__min(from + step, D); i++)
                db[i] += dy[t * D + i];
}
