/* plot_test.c - charts draw what they are given, where they should, in text that
 * any reader of SVG and HTML accepts. Coordinates are worked out by hand from the
 * sizes and margins at the top of each chart's file. */
#include "support/near.h"
#include "support/sample.h"

#include "plot/html.h"
#include "plot/svg.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a piece of drawing writes. The caller frees it. */
#define drawn(...)                                                                         \
    do {                                                                                   \
        size_t size_;                                                                      \
        FILE *out = open_memstream(&text, &size_);                                         \
        assert_non_null(out);                                                              \
        __VA_ARGS__;                                                                       \
        assert_int_equal(fclose(out), 0);                                                  \
    } while (0)

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what))
        n++;
    return n;
}

#define assert_holds(text, what)                                                           \
    do {                                                                                   \
        if (!strstr(text, what))                                                           \
            fail_msg("no '%s' in:\n%s", what, text);                                       \
    } while (0)

/* Elements nest and close, attributes are quoted, and no '&' or '<' stands bare.
 * Returns what is wrong, or NULL. */
static const char *ill_formed(const char *s)
{
    char open[64][16];
    size_t depth = 0;
    while ((s = strpbrk(s, "<&"))) {
        if (*s == '&') {
            size_t n = strcspn(s, ";<\" ");
            if (s[n] != ';' || n > 6)
                return s;
            s += n;
            continue;
        }
        if (strncmp(s, "<!doctype", 9) == 0 || strncmp(s, "<meta", 5) == 0) {
            s = strchr(s, '>');
            continue;
        }
        const char *at = s;
        bool closing = s[1] == '/';
        char name[16] = "";
        if (sscanf(s + 1 + closing, "%15[a-z0-9]", name) != 1)
            return at;
        if (closing) {
            if (depth == 0 || strcmp(open[--depth], name) != 0)
                return at;
            s = strchr(s, '>');
            continue;
        }
        bool quoted = false;
        for (s++; *s && (quoted || *s != '>'); s++) {
            quoted ^= *s == '"';
            if (*s == '<')
                return at;
        }
        if (!*s)
            return at;
        if (s[-1] != '/') {
            if (depth == 64)
                return at;
            memcpy(open[depth++], name, sizeof name);
        }
    }
    return depth ? "an element is left open" : NULL;
}

static void a_number_is_rounded_and_has_a_true_minus(void **state)
{
    static const struct {
        double v;
        int decimals;
        const char *text;
    } row[] = {
        {0, 0, "0"},
        {-0.004, 2, "0.00"},
        {1.005e3, 1, "1005.0"},
        {2.675, 1, "2.7"},
        {0.999, 2, "1.00"},
        {-3.14159, 3,
         "\xe2\x88\x92"
         "3.142"},
        {0.05, 2, "0.05"},
        {123456, 0, "123456"},
        {NAN, 2, "\xe2\x80\x93"},
        {INFINITY, 1, "\xe2\x88\x9e"},
        {1e300, 2, "\xe2\x88\x9e"},
    };
    (void)state;
    char text[QV_NUMBER];
    for (size_t i = 0; i < QV_COUNT(row); i++)
        assert_string_equal(qv__number(text, row[i].v, row[i].decimals), row[i].text);
}

static void a_coordinate_is_short(void **state)
{
    (void)state;
    char *text;
    drawn({
        static const double v[] = {12, -0.5, 1.001, 7.129, -0.0001};
        for (size_t i = 0; i < QV_COUNT(v); i++) {
            qv__svg_num(out, v[i]);
            fputc(' ', out);
        }
    });
    assert_string_equal(text, "12 -0.5 1 7.13 0 ");
    free(text);
}

static void text_is_escaped(void **state)
{
    (void)state;
    char *text;
    drawn(qv__svg_escape(out, "<a href=\"x\">'&\n\xc3\xa9\xf0\x9f\x98\x80"));
    assert_string_equal(text,
                        "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\n\xc3\xa9\xf0\x9f\x98\x80");
    free(text);
}

static void what_xml_cannot_hold_is_replaced(void **state)
{
    (void)state;
    char *text;
    drawn(qv__svg_escape(out, "a\x01"
                              "b\xff"
                              "c\xe2\x82"
                              "d"));
    assert_string_equal(text, "a\xef\xbf\xbd"
                              "b\xef\xbf\xbd"
                              "c\xef\xbf\xbd\xef\xbf\xbd"
                              "d");
    free(text);
}

static void ticks_are_round_and_cover_the_data(void **state)
{
    (void)state;
    double v;
    struct qv_scale s = qv__scale(3, 97, 0, 100, 5, true);
    assert_true(s.from == 0 && s.to == 100 && s.step == 20 && s.decimals == 0);
    assert_true(qv__scale_tick(&s, 5, &v) && v == 100);
    assert_false(qv__scale_tick(&s, 6, &v));
    s = qv__scale(0.21, 0.39, 0, 1, 4, true);
    assert_int_equal(s.decimals, 2);
    assert_true(fabs(s.from - 0.2) < 1e-12 && fabs(s.to - 0.4) < 1e-12);
    s = qv__scale(5, 5, 0, 1, 4, false); // one value only
    assert_true(s.from < 5 && s.to > 5);
    s = qv__scale(INFINITY, -INFINITY, 0, 1, 4, false); // no value at all
    assert_true(s.from == 0 && s.to == 1);
}

static void a_curve_goes_through_its_points(void **state)
{
    (void)state;
    double x[] = {0, 5, 10}, y[] = {0, 10, 5};
    struct qv_series s = {.name = "law", .x = x, .y = y, .n = 3, .group = 9};
    struct qv_lines c = {.x_label = "step", .y_label = "loss", .series = &s, .n_series = 1};
    char *text;
    drawn(qv__plot_lines(out, &c));
    // 58 to the left, 46 below, 14 above; the name takes 16 + its width at the right.
    double right = 760 - 16 - qv__text_width("law", 12);
    char path[120];
    snprintf(path, sizeof path, "<path class=\"curve s1\" d=\"M58 284L%g 14L%g 149\">",
             round(50 * (58 + right)) / 100, round(100 * right) / 100);
    assert_holds(text, path);
    assert_holds(text, "class=\"label c1\"");
    assert_holds(text, "<title>law</title>");
    assert_null(ill_formed(text));
    free(text);
}

/* 1, 8 and 64 stand as far apart as .25, 2 and 16 do; powers of two alone are named. */
static void a_logarithmic_axis_has_powers_of_two(void **state)
{
    (void)state;
    double x[] = {1, 8, 64}, y[] = {.25, 2, 16};
    struct qv_series s = {.name = "law", .x = x, .y = y, .n = 3};
    struct qv_lines c = {.x_label = "",
                         .y_label = "",
                         .log_x = true,
                         .log_y = true,
                         .series = &s,
                         .n_series = 1};
    char *text;
    drawn(qv__plot_lines(out, &c));
    double right = 760 - 16 - qv__text_width("law", 12);
    char path[120];
    snprintf(path, sizeof path, "<path class=\"curve s0\" d=\"M58 284L%g 149L%g 14\">",
             round(50 * (58 + right)) / 100, round(100 * right) / 100);
    assert_holds(text, path);
    assert_holds(text, ">32</text>");
    assert_holds(text, ">0.25</text>");
    assert_null(strstr(text, ">3</text>"));
    assert_null(ill_formed(text));
    free(text);

    s.n = 1; // a point alone still has an axis
    drawn(qv__plot_lines(out, &c));
    assert_null(strstr(text, "nan"));
    assert_null(ill_formed(text));
    free(text);
}

/* All of many points, where a curve would be drawn through means of them. */
static void marks_stand_at_their_points_and_what_is_missing_has_none(void **state)
{
    (void)state;
    enum { N = 400 };
    double x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = 10 * (double)i / (N - 1);
        y[i] = i == 7 ? (double)NAN : x[i];
    }
    struct qv_series s = {.name = "a pair", .x = x, .y = y, .n = N};
    struct qv_lines c = {
        .x_label = "", .y_label = "", .marks = true, .series = &s, .n_series = 1};
    char *text;
    drawn(qv__plot_lines(out, &c));
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, "<circle class=\"mark c0\"")); at++)
        n++;
    assert_int_equal(n, N - 1);
    assert_holds(text, "cx=\"58\" cy=\"284\""); // 0, 0
    assert_holds(text, "cx=\"744\" cy=\"14\""); // 10, 10: no name stands at the right
    assert_null(strstr(text, "class=\"curve"));
    assert_null(strstr(text, "nan"));
    assert_null(ill_formed(text));
    free(text);
}

static void a_missing_value_leaves_a_gap(void **state)
{
    (void)state;
    double x[] = {0, 1, 2, 3, 4}, y[] = {1, 1, NAN, 1, 2};
    struct qv_series s = {.name = "a", .x = x, .y = y, .n = 5};
    char *text;
    drawn(qv__plot_lines(
        out,
        &(struct qv_lines){.x_label = "", .y_label = "", .series = &s, .n_series = 1}));
    const char *path = strstr(text, " d=\"");
    size_t length = strcspn(path + 4, "\"");
    char *d = strndup(path + 4, length);
    assert_int_equal(count(d, "M"), 2);
    assert_int_equal(count(d, "L"), 2);
    assert_null(strstr(text, "nan"));
    free(d);
    free(text);
}

static void many_curves_are_named_by_their_groups(void **state)
{
    (void)state;
    static const char *const groups[] = {"sums", "dates"};
    double x[] = {0, 1}, y[] = {0, 1};
    struct qv_series s[11];
    for (size_t i = 0; i < 11; i++)
        s[i] = (struct qv_series){"one", x, y, 2, i % 2};
    char *text;
    drawn(qv__plot_lines(out, &(struct qv_lines){.x_label = "",
                                                 .y_label = "",
                                                 .series = s,
                                                 .n_series = 11,
                                                 .groups = groups,
                                                 .n_groups = 2}));
    assert_int_equal(count(text, "curve thin"), 11);
    assert_int_equal(count(text, ">sums</text>"), 1);
    assert_int_equal(count(text, ">one</text>"), 0);
    free(text);
}

static void a_series_longer_than_the_page_is_drawn_as_means(void **state)
{
    (void)state;
    enum { N = 600 };
    double x[N], y[N];
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)i;
        y[i] = i % 2 ? 1 : 3; // every pair has the mean 2
    }
    struct qv_series s = {.name = "a", .x = x, .y = y, .n = N};
    char *text;
    drawn(qv__plot_lines(
        out,
        &(struct qv_lines){.x_label = "", .y_label = "", .series = &s, .n_series = 1}));
    const char *path = strstr(text, " d=\"");
    char *d = strndup(path + 4, strcspn(path + 4, "\""));
    assert_int_equal(count(d, "L"), 299);
    assert_int_equal(count(d, " 149"), 300); // the middle of the axis
    free(d);
    free(text);
}

static void a_dot_stands_at_its_value_and_a_whisker_spans_its_interval(void **state)
{
    (void)state;
    static const char *const rows[] = {"r"}, *const series[] = {"s"};
    struct qv_estimate e = {50, 25, 100};
    struct qv_dots c = {.x_label = "score",
                        .rows = rows,
                        .n_rows = 1,
                        .series = series,
                        .n_series = 1,
                        .at = &e};
    char *text;
    drawn(qv__plot_dots(out, &c));
    // The axis is 20..100: from 20 + the row's name to 24 before the edge.
    double left = 20 + qv__text_width("r", 12), span = 760 - left - 24;
    char want[120];
    snprintf(want, sizeof want, "<circle class=\"mark c0\" cx=\"%g\"",
             round(100 * (left + span * 30 / 80)) / 100);
    assert_holds(text, want);
    snprintf(want, sizeof want, "<line class=\"whisker s0\" x1=\"%g\"",
             round(100 * (left + span * 5 / 80)) / 100);
    assert_holds(text, want);
    assert_holds(text, "<title>r, s: 50.0 [25.0, 100.0]</title>");
    free(text);

    e = (struct qv_estimate){50, 1, 0}; // no interval
    drawn(qv__plot_dots(out, &c));
    assert_int_equal(count(text, "whisker"), 0);
    assert_holds(text, "<title>r, s: 50.0</title>");
    free(text);

    e.value = NAN;
    drawn(qv__plot_dots(out, &c));
    assert_int_equal(count(text, "mark c0"), 0);
    free(text);
}

static void bars_begin_at_zero(void **state)
{
    (void)state;
    static const char *const rows[] = {"r"}, *const series[] = {"s"};
    struct qv_estimate e = {40, 1, 0};
    char *text, want[80];
    drawn(qv__plot_dots(out, &(struct qv_dots){.x_label = "",
                                               .rows = rows,
                                               .n_rows = 1,
                                               .series = series,
                                               .n_series = 1,
                                               .at = &e,
                                               .bars = true}));
    double left = 20 + qv__text_width("r", 12);
    snprintf(want, sizeof want, "<rect class=\"c0\" x=\"%g\"", round(100 * left) / 100);
    assert_holds(text, want);
    free(text);
}

static void a_matrix_is_shaded_by_value_and_cut_between_groups(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    static const float value[] = {1, 0.5f, -0.25f, 0.5f, 1, NAN, -0.25f, 0, 1};
    static const size_t group[] = {2, 1};
    struct qv_heat c = {.rows = names,
                        .columns = names,
                        .n_rows = 3,
                        .n_columns = 3,
                        .value = value,
                        .group = group,
                        .n_groups = 2};
    char *text;
    drawn(qv__plot_heat(out, &c));
    assert_holds(text, "fill-opacity=\"0.5\"><title>a, b: 0.50</title>");
    assert_holds(text, "fill-opacity=\"0.25\"><title>a, c: \xe2\x88\x92"
                       "0.25</title>");
    assert_null(strstr(text, "<title>b, c")); // not a number: not drawn
    assert_int_equal(count(text, "<line class=\"cut\""), 2);
    assert_int_equal(count(text, "class=\"cold\""), 2 + 10); // and those of the key
    assert_null(ill_formed(text));
    free(text);
}

static void shades_can_begin_above_zero(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b"};
    static const float value[] = {1, 0.75f, 0.5f, 1};
    char *text;
    drawn(qv__plot_heat(out, &(struct qv_heat){.rows = names,
                                               .columns = names,
                                               .n_rows = 2,
                                               .n_columns = 2,
                                               .value = value,
                                               .from = 0.5}));
    assert_holds(text, "fill-opacity=\"0.5\"><title>a, b: 0.75</title>");
    assert_holds(text, "fill-opacity=\"0\"><title>b, a: 0.50</title>");
    assert_holds(text, ">0.50</text>"); // where the key begins
    free(text);
}

struct name {
    double x0, y0, x1, y1;
};

/* The boxes of the names that a map shows. */
static size_t names_of(const char *text, struct name *names, size_t room)
{
    static const char opening[] = "<text class=\"label soft halo\" x=\"";
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, opening)) && n < room; n++) {
        char *end;
        at += sizeof opening - 1;
        double x = strtod(at, &end), y = strtod(strstr(end, "y=\"") + 3, &end);
        const char *body = strchr(end, '>') + 1;
        char *label = strndup(body, strcspn(body, "<"));
        double wide = qv__text_width(label, 11);
        free(label);
        double from = x;
        if (strncmp(end, "\" text-anchor=\"middle", 21) == 0)
            from = x - wide / 2;
        else if (strncmp(end, "\" text-anchor=\"end", 18) == 0)
            from = x - wide;
        names[n] = (struct name){from, y - 10, from + wide, y + 3};
    }
    return n;
}

static void names_on_a_map_do_not_touch(void **state)
{
    (void)state;
    enum { N = 40 };
    static const char *const groups[] = {"all"};
    static char text_of[N][16];
    struct qv_point p[N];
    for (size_t i = 0; i < N; i++) {
        snprintf(text_of[i], sizeof text_of[i], "expert %zu", i);
        double angle = 2.4 * (double)i, radius = sqrt((double)(i % 20)); // two on each spot
        p[i] = (struct qv_point){text_of[i], radius * cos(angle), radius * sin(angle), 0};
    }
    p[N - 1].x = 40; // an outlier squeezes the others together
    char *text;
    drawn(qv__plot_scatter(
        out,
        &(struct qv_scatter){
            .points = p, .n_points = N, .groups = groups, .n_groups = 1, .hulls = true}));
    struct name names[N];
    size_t n = names_of(text, names, N);
    assert_in_range(n, 2, N - 1);                              // some found room, not all
    assert_int_equal(count(text, "class=\"mark c0\""), N + 1); // with the legend's
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_false(
                names[i].x0 + 0.01 < names[j].x1 && names[j].x0 + 0.01 < names[i].x1 &&
                names[i].y0 + 0.01 < names[j].y1 && names[j].y0 + 0.01 < names[i].y1);
    assert_null(ill_formed(text));
    free(text);
}

static void a_map_keeps_distances(void **state)
{
    (void)state;
    static const char *const groups[] = {"g"};
    struct qv_point p[] = {
        {"a", 0, 0, 0}, {"b", 1, 0, 0}, {"c", 0, 1, 0}, {"d", NAN, 0, 0}};
    char *text;
    drawn(qv__plot_scatter(
        out,
        &(struct qv_scatter){.points = p, .n_points = 4, .groups = groups, .n_groups = 1}));
    // The unit is the height less its edges, 560 - 68, in both directions; y is up.
    assert_holds(text, "cx=\"134\" cy=\"526\"");
    assert_holds(text, "cx=\"626\" cy=\"526\"");
    assert_holds(text, "cx=\"134\" cy=\"34\"");
    assert_null(strstr(text, ">d</text>"));
    free(text);
}

static void marks_on_one_line_are_joined_from_least_to_greatest(void **state)
{
    (void)state;
    static const char *const rows[] = {"r", "q"}, *const series[] = {"s", "t", "u"};
    static const struct qv_estimate at[] = {{50, 1, 0}, {0, 1, 0},   {100, 1, 0},
                                            {50, 1, 0}, {NAN, 1, 0}, {NAN, 1, 0}};
    char *text;
    drawn(qv__plot_dots(out, &(struct qv_dots){.x_label = "score",
                                               .rows = rows,
                                               .n_rows = 2,
                                               .series = series,
                                               .n_series = 3,
                                               .at = at,
                                               .level = true}));
    double left = 20 + qv__text_width("q", 12), y = 8 + 24 + 6 + 12; // legend, half a row
    char want[120];
    snprintf(want, sizeof want,
             "<line class=\"reach\" x1=\"%g\" y1=\"%g\" x2=\"736\" y2=\"%g\"", left, y, y);
    assert_holds(text, want);
    assert_int_equal(count(text, "class=\"reach\""), 1);  // one mark joins nothing
    assert_int_equal(count(text, "class=\"mark"), 3 + 4); // the legend's and the marks
    assert_null(ill_formed(text));
    free(text);
}

static void a_legend_of_a_strip_tells_the_shares_it_is_given(void **state)
{
    (void)state;
    static const char *const tokens[] = {"x"}, *const sites[] = {"0 q"};
    static const char *const experts[] = {"sums", "order"};
    static const double share[] = {0.6, 0.4};
    char *text;
    drawn(qv__plot_strip(out, &(struct qv_strip){.tokens = tokens,
                                                 .T = 1,
                                                 .sites = sites,
                                                 .n_sites = 1,
                                                 .experts = experts,
                                                 .K = 2,
                                                 .top = (const int[]){0},
                                                 .weight = (const float[]){0.6f},
                                                 .share = share}));
    assert_holds(text, ">sums 60%</text>");
    assert_holds(text, ">order 40%</text>");
    free(text);
}

static void an_expert_keeps_its_colour_through_a_strip(void **state)
{
    (void)state;
    static const char *const tokens[] = {"2", " <", "3\n"}, *const sites[] = {"0 q", "1 q"};
    static const char *const experts[] = {"sums", "order", "none"};
    static const int top[] = {1, 1, 0, 1, -1, 0};
    static const float weight[] = {1, 0.5f, 0.25f, 1, 0, 0.25f};
    char *text;
    drawn(qv__plot_strip(out, &(struct qv_strip){.tokens = tokens,
                                                 .T = 3,
                                                 .sites = sites,
                                                 .n_sites = 2,
                                                 .experts = experts,
                                                 .K = 3,
                                                 .top = top,
                                                 .weight = weight}));
    assert_int_equal(count(text, "class=\"cell c0\""),
                     3); // order weighs most: first colour
    assert_int_equal(count(text, "class=\"cell c1\""), 2);
    assert_int_equal(count(text, "class=\"none\""), 1);
    assert_holds(text, "<title>&lt; \xe2\x86\x92 order (0.50) at 0 q</title>");
    assert_holds(text, "<title>3\xe2\x86\xb5 \xe2\x86\x92 sums (0.25) at 1 q</title>");
    assert_holds(text, ">order 83%</text>"); // 2.5 of 3
    assert_holds(text, ">sums 17%</text>");
    assert_null(strstr(text, ">none"));
    assert_null(ill_formed(text));
    free(text);
}

static void many_sites_are_named_by_their_layers(void **state)
{
    (void)state;
    enum { N = 30 };
    static const char *const tokens[] = {"a"}, *const experts[] = {"sums"};
    static char name[N][16];
    const char *sites[N];
    int top[N] = {0};
    float weight[N] = {0};
    for (size_t s = 0; s < N; s++) {
        snprintf(name[s], sizeof name[s], "%zu q%zu", s / 10, s % 10);
        sites[s] = name[s];
    }
    char *text;
    drawn({
        qv__plot_strip(out, &(struct qv_strip){.tokens = tokens,
                                               .T = 1,
                                               .sites = sites,
                                               .n_sites = N,
                                               .experts = experts,
                                               .K = 1,
                                               .top = top,
                                               .weight = weight});
    });
    assert_int_equal(count(text, "<text class=\"tiny\""), 3);
    assert_holds(text, ">2</text>");
    assert_holds(text, "at 2 q9</title>");
    // Row 10 begins the second layer: 20 + 10 rows of 6 + 3 between the layers.
    assert_holds(text, "y=\"83\"");
    free(text);
}

static void a_ninth_expert_is_grey(void **state)
{
    (void)state;
    enum { K = 9 };
    static const char *const sites[] = {"q"};
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    int top[K];
    float weight[K];
    for (int k = 0; k < K; k++) {
        top[k] = k;
        weight[k] = 1 - 0.1f * (float)k;
    }
    char *text;
    drawn(qv__plot_strip(out, &(struct qv_strip){.tokens = names,
                                                 .T = K,
                                                 .sites = sites,
                                                 .n_sites = 1,
                                                 .experts = names,
                                                 .K = K,
                                                 .top = top,
                                                 .weight = weight}));
    assert_int_equal(count(text, "cell c7"), 1);
    assert_int_equal(count(text, "cell rest"), 1);
    assert_holds(text, ">others 3.7%</text>"); // 0.2 of 5.4
    free(text);
}

static void empty_charts_are_charts(void **state)
{
    (void)state;
    char *text;
    drawn({
        qv__plot_lines(out, &(struct qv_lines){.x_label = "", .y_label = ""});
        qv__plot_dots(out, &(struct qv_dots){.x_label = ""});
        qv__plot_heat(out, &(struct qv_heat){0});
        qv__plot_scatter(out, &(struct qv_scatter){.hulls = true});
        qv__plot_strip(out, &(struct qv_strip){0});
    });
    assert_int_equal(count(text, "</svg>"), 5);
    assert_null(strstr(text, "nan"));
    assert_null(strstr(text, "inf"));
    assert_null(ill_formed(text));
    free(text);
}

static void a_chart_alone_carries_its_style(void **state)
{
    (void)state;
    char *text;
    drawn(
        qv__plot_heat(out, &(struct qv_heat){.plot = {.title = "a \"b\"", .alone = true}}));
    assert_holds(text, "aria-label=\"a &quot;b&quot;\"");
    assert_holds(text, "<style>");
    assert_null(ill_formed(text));
    free(text);
}

static void prose_sets_code_and_escapes(void **state)
{
    (void)state;
    char *text;
    drawn(qv__html_prose(out, "run `a < b` & see; 5` tall"));
    assert_string_equal(text, "<p>run <code>a &lt; b</code> &amp; see; 5` tall</p>\n");
    free(text);
}

static void a_table_shows_intervals_and_the_best(void **state)
{
    (void)state;
    static const char *const columns[] = {"router", "ROUGE-L"};
    static const int decimals[] = {0, 1};
    static const struct qv_cell cells[] = {{.text = "arrow"},
                                           {.number = {44.94, 43.1, 46.8}, .best = true},
                                           {.text = "<none>"},
                                           {.number = {-1, 1, 0}}};
    char *text;
    drawn(qv__html_table(out, &(struct qv_table){.title = "T.",
                                                 .caption = "c",
                                                 .columns = columns,
                                                 .n_columns = 2,
                                                 .n_rows = 2,
                                                 .cells = cells,
                                                 .decimals = decimals}));
    assert_holds(text, "<td><b>44.9</b> <small>[43.1, 46.8]</small></td>");
    assert_holds(text, "<td class=\"text\">&lt;none&gt;</td><td>\xe2\x88\x92"
                       "1.0 <small></small></td>"); // keeps the room of an interval
    assert_holds(text, "<th class=\"text\">router</th><th>ROUGE-L</th>");
    assert_null(ill_formed(text));
    free(text);
}

static void a_report_is_well_formed_and_the_same_each_time(void **state)
{
    (void)state;
    char *text, *again;
    drawn(write_sample_report(out));
    again = text;
    drawn(write_sample_report(out));
    assert_string_equal(text, again);
    assert_null(ill_formed(text));
    assert_int_equal(count(text, "<h2 id="), 4);
    assert_null(strstr(text, "http://www.w3.org/1999")); // nothing from elsewhere
    assert_int_equal(count(text, "src="), 0);

    const char *keep = getenv("QV_SAMPLE");
    if (keep) {
        FILE *f = fopen(keep, "w");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
    }
    free(text);
    free(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_rounded_and_has_a_true_minus),
        cmocka_unit_test(a_coordinate_is_short),
        cmocka_unit_test(text_is_escaped),
        cmocka_unit_test(what_xml_cannot_hold_is_replaced),
        cmocka_unit_test(ticks_are_round_and_cover_the_data),
        cmocka_unit_test(a_curve_goes_through_its_points),
        cmocka_unit_test(a_logarithmic_axis_has_powers_of_two),
        cmocka_unit_test(marks_stand_at_their_points_and_what_is_missing_has_none),
        cmocka_unit_test(a_missing_value_leaves_a_gap),
        cmocka_unit_test(many_curves_are_named_by_their_groups),
        cmocka_unit_test(a_series_longer_than_the_page_is_drawn_as_means),
        cmocka_unit_test(a_dot_stands_at_its_value_and_a_whisker_spans_its_interval),
        cmocka_unit_test(marks_on_one_line_are_joined_from_least_to_greatest),
        cmocka_unit_test(bars_begin_at_zero),
        cmocka_unit_test(a_matrix_is_shaded_by_value_and_cut_between_groups),
        cmocka_unit_test(shades_can_begin_above_zero),
        cmocka_unit_test(names_on_a_map_do_not_touch),
        cmocka_unit_test(a_map_keeps_distances),
        cmocka_unit_test(an_expert_keeps_its_colour_through_a_strip),
        cmocka_unit_test(a_legend_of_a_strip_tells_the_shares_it_is_given),
        cmocka_unit_test(many_sites_are_named_by_their_layers),
        cmocka_unit_test(a_ninth_expert_is_grey),
        cmocka_unit_test(empty_charts_are_charts),
        cmocka_unit_test(a_chart_alone_carries_its_style),
        cmocka_unit_test(prose_sets_code_and_escapes),
        cmocka_unit_test(a_table_shows_intervals_and_the_best),
        cmocka_unit_test(a_report_is_well_formed_and_the_same_each_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
