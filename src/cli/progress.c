/* progress.c - how far work has come, on stderr, how it is asked to stop, and whether
 * it was done before. */
#include "base/clock.h"
#include "base/file.h"
#include "cli/cli.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 100, BAR = 20 };  // characters
enum { FIRST = 2, EVERY = 10 }; // seconds to the first line, and between lines

static volatile sig_atomic_t is_asked_to_stop;

static void ask_to_stop(int signal)
{
    (void)signal;
    is_asked_to_stop = 1;
}

/* "3 min" into text [24], or nothing while it cannot be known. */
static void write_left(char *text, const struct qv_teller *t, double done, double total)
{
    double gone = qv__seconds() - t->begun_at, step = done - t->begun;
    text[0] = '\0';
    if (gone < 2 || step <= 0 || done >= total)
        return;
    double left = gone * (total - done) / step;
    if (left < 90)
        snprintf(text, 24, ", %.0f s left", left);
    else if (left < 90 * 60)
        snprintf(text, 24, ", %.0f min left", left / 60);
    else
        snprintf(text, 24, ", %.1f h left", left / 3600);
}

static bool tell(void *arg, const char *what, double done, double total, const char *note)
{
    struct qv_teller *t = arg;
    double now = qv__seconds();
    if (strcmp(t->what, what) != 0) {
        snprintf(t->what, sizeof t->what, "%s", what);
        t->begun = done;
        t->begun_at = now;
    }
    char line[512], left[24], bar[BAR + 1];
    int full = total > 0 ? (int)(BAR * done / total) : 0;
    for (int i = 0; i < BAR; i++)
        bar[i] = i < full ? '#' : '.';
    bar[BAR] = '\0';
    write_left(left, t, done, total);
    note = note ? note : "";
    if (t->is_terminal) {
        snprintf(line, sizeof line, "%s [%s] %.0f/%.0f %s%s", what, bar, done, total, note,
                 left);
        fprintf(stderr, "\r\033[K%.*s", LINE, line);
    } else if (now - t->told >= EVERY) {
        fprintf(stderr, "%s %.0f/%.0f %s%s\n", what, done, total, note, left);
        t->told = now;
    }
    t->has_told = true;
    fflush(stderr);
    return is_asked_to_stop;
}

qv_progress qv__teller_begin(struct qv_teller *t)
{
    *t = (struct qv_teller){.is_terminal = isatty(STDERR_FILENO),
                            .told = qv__seconds() - EVERY + FIRST};
    /* SA_RESETHAND: the second one does what signals do. */
    struct sigaction act = {.sa_handler = ask_to_stop, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    return (qv_progress){tell, t};
}

void qv__teller_end(struct qv_teller *t)
{
    if (t->is_terminal && t->has_told)
        fprintf(stderr, "\r\033[K");
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

qv_status qv__is_done(bool *is_done, const char *out, const char *last, bool accepts,
                      qv_err *err)
{
    qv_arena a = {0};
    const char *checkpoint = qv__arena_fmt(&a, "%s.checkpoint", out); // a file, or several
    *is_done = qv__is_file(qv__arena_fmt(&a, "%s/%s", out, last)) &&
               !qv__is_file(checkpoint) && !qv__is_dir(checkpoint);
    qv__arena_free(&a);
    if (*is_done && !accepts)
        return qv_fail(err, QV_EEXIST,
                       "%s: something finished is there; choose another directory, or "
                       "accept it with --resume",
                       out);
    return QV_OK;
}
