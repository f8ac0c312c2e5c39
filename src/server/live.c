/* live.c - see live.h. */
#include "server/live.h"

#include <quiver/interchange.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/watch.h"
#include "library/store.h"
#include "lora/bank.h"
#include "lora/peft.h"
#include "model/gguf_adapter.h"
#include "server/scan.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Seconds: between looks; between looks at the memory where there is a budget; the least
 * between two looks, and how many times what the last one took. */
static const double look_every = 1, count_every = 0.1, least_gap = 0.05, gap_factor = 20;

struct qv_live {
    struct qv_live_opts o;
    struct qv_roster *roster;
    qv_library *lib;
    const qv_model *m;
    struct qv_change home; // files without names lie there
    pthread_mutex_t lock;  // held through every change; guards the scan
    struct qv_scan *scan;
    struct qv_watch watch;
    pthread_t thread;
    bool has_thread, has_watch;
    atomic_bool is_stopping;
    atomic_size_t n_adds, n_replaces, n_removes, n_refusals, n_rests, resident;
};

static void say(struct qv_live *l, const char *sentence)
{
    if (l->o.log)
        l->o.log(l->o.arg, sentence);
}

static void on_refused(void *arg, const char *sentence)
{
    struct qv_live *l = arg;
    qv_err line;
    atomic_fetch_add(&l->n_refusals, 1);
    qv_fail(&line, QV_EFORMAT, "refused: %s", sentence);
    say(l, line.msg);
}

void qv__live_count_refusal(struct qv_live *l)
{
    atomic_fetch_add(&l->n_refusals, 1);
}

struct qv_live_counts qv__live_counts(struct qv_live *l)
{
    return (struct qv_live_counts){
        .n_adds = atomic_load(&l->n_adds),
        .n_replaces = atomic_load(&l->n_replaces),
        .n_removes = atomic_load(&l->n_removes),
        .n_refusals = atomic_load(&l->n_refusals),
        .n_rests = atomic_load(&l->n_rests),
        .resident = atomic_load(&l->resident),
    };
}

/* ---- changes; called locked ---- */

static bool has(const struct qv_generation *g, const char *name)
{
    return qv__generation_find(g, name) < qv__generation_size(g);
}

/* Shares of put[n_put] are taken. *number is the new generation's. */
static qv_status change(struct qv_live *l, struct qv_held *const *put, size_t n_put,
                        const char *const *gone, size_t n_gone, size_t *number, qv_err *err)
{
    struct qv_generation *before = qv__roster_now(l->roster);
    size_t n_new = 0, n_gone_here = 0;
    for (size_t i = 0; i < n_put; i++)
        n_new += !has(before, put[i]->info.name);
    for (size_t i = 0; i < n_gone; i++)
        n_gone_here += has(before, gone[i]);
    *number = qv__generation_number(before) + 1;
    qv__roster_back(l->roster, before);
    qv_status result = qv__roster_change(l->roster, put, n_put, gone, n_gone, err);
    if (result)
        return result;
    atomic_fetch_add(&l->n_adds, n_new);
    atomic_fetch_add(&l->n_replaces, n_put - n_new);
    atomic_fetch_add(&l->n_removes, n_gone_here);
    return QV_OK;
}

static qv_status look(struct qv_live *l, qv_err *err)
{
    struct qv_changes c;
    size_t number;
    pthread_mutex_lock(&l->lock);
    qv_status result = qv__scan_look(l->scan, &c, err);
    if (!result && (c.n_put || c.n_gone))
        result = change(l, c.put, c.n_put, c.gone, c.n_gone, &number, err);
    qv__changes_end(&c);
    pthread_mutex_unlock(&l->lock);
    return result;
}

/* ---- the budget of memory ---- */

static int by_use(const void *a, const void *b)
{
    const struct qv_held *const *x = a, *const *y = b;
    return (*x)->used_at < (*y)->used_at ? -1 : (*x)->used_at > (*y)->used_at;
}

/* Let go of the least recently used of held[n] until the others fit. */
static size_t rest(struct qv_live *l, struct qv_held **held, size_t n, size_t total)
{
    if (n)
        qsort(held, n, sizeof *held, by_use);
    for (size_t i = 0; i < n && total > l->o.memory; i++) {
        qv__pack_rest(held[i]->pack);
        held[i]->is_resident = false;
        total -= held[i]->pack->bytes;
        atomic_fetch_add(&l->n_rests, 1);
    }
    return total;
}

static void keep_budget(struct qv_live *l)
{
    struct qv_generation *g = qv__roster_now(l->roster);
    const size_t n = qv__generation_size(g);
    struct qv_held **in = calloc(qv__max(n, 1), sizeof *in);
    const double now = qv__seconds();
    size_t total = 0, n_in = 0;
    for (size_t i = 0; in && i < n; i++) {
        struct qv_held *h = qv__generation_held(g, i);
        if (atomic_exchange(&h->pack->used, false)) {
            h->used_at = now;
            h->is_resident = true;
        }
        if (!h->pack->spill.bytes)
            total += h->pack->bytes; // it cannot be let go of
        else if (h->is_resident)
            total += (in[n_in++] = h)->pack->bytes;
    }
    if (l->o.memory && total > l->o.memory)
        total = rest(l, in, n_in, total);
    atomic_store(&l->resident, total);
    free(in);
    qv__roster_back(l->roster, g);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
    struct qv_live *l = arg;
    double due = qv__seconds() + look_every, soonest = 0;
    bool is_told = false, has_failed = false;
    while (!atomic_load(&l->is_stopping)) {
        double wait = (is_told ? soonest : due) - qv__seconds();
        wait = fmax(0.001, l->o.memory ? fmin(wait, count_every) : wait);
        is_told |= qv__watch_wait(&l->watch, wait);
        double begun = qv__seconds();
        if (begun >= due || (is_told && begun >= soonest)) {
            qv_err err;
            bool fails = look(l, &err) != QV_OK;
            if (fails && !has_failed)
                say(l, err.msg);
            has_failed = fails;
            is_told = false;
            double gap = fmax(least_gap, gap_factor * (qv__seconds() - begun));
            soonest = qv__seconds() + gap;
            due = fmax(soonest, begun + look_every);
        }
        keep_budget(l);
        qv__roster_sweep(l->roster);
    }
    return NULL;
}

/* ---- life ---- */

/* Beginning a change clears what dead writers left. A library that cannot be written is
 * still one to read. */
static qv_status clear(struct qv_live *l, qv_err *err)
{
    qv_err why;
    qv_status result = qv__change_begin(&l->home, l->lib, &why);
    if (result && l->o.memory)
        return qv_fail(err, result, "%s", why.msg);
    if (!l->o.memory)
        qv__change_end(&l->home);
    return QV_OK;
}

static qv_status start(struct qv_live *l, qv_err *err)
{
    qv_status result = qv_library_check_base(l->lib, NULL, l->m->origin, err);
    if (result)
        return qv_wrap(err, result, "%s: ", qv_library_dir(l->lib));
    result = clear(l, err);
    if (result)
        return result;
    result = qv__scan_new(&l->scan,
                          &(struct qv_scan_opts){.lib = l->lib,
                                                 .model = l->m,
                                                 .spill_dir = l->home.dir,
                                                 .refused = on_refused,
                                                 .arg = l},
                          err);
    if (!result)
        result = qv__watch_init(&l->watch, qv_library_dir(l->lib), err);
    l->has_watch = !result;
    if (!result)
        result = look(l, err);
    if (result)
        return result;
    keep_budget(l);
    l->has_thread = pthread_create(&l->thread, NULL, run, l) == 0;
    return l->has_thread ? QV_OK : qv_fail(err, QV_EIO, "no thread for the library");
}

qv_status qv__live_open(struct qv_live **out, struct qv_roster *roster, qv_library *lib,
                        const qv_model *m, const struct qv_live_opts *opts, qv_err *err)
{
    *out = NULL;
    struct qv_live *l = calloc(1, sizeof *l);
    if (!l)
        return qv_fail(err, QV_ENOMEM, "no memory for a library");
    l->o = *opts;
    l->roster = roster;
    l->lib = lib;
    l->m = m;
    pthread_mutex_init(&l->lock, NULL);
    qv_status result = start(l, err);
    if (result)
        qv__live_close(l);
    else
        *out = l;
    return result;
}

void qv__live_close(struct qv_live *l)
{
    if (!l)
        return;
    atomic_store(&l->is_stopping, true);
    if (l->has_watch)
        qv__watch_call(&l->watch);
    if (l->has_thread)
        pthread_join(l->thread, NULL);
    if (l->has_watch)
        qv__watch_end(&l->watch);
    qv__scan_free(l->scan);
    qv__change_end(&l->home);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- requests ---- */

/* What is refused must not have replaced anything: all is checked before. */
static qv_status check(const struct qv_live *l, const struct qv_expert *e,
                       const struct qv_arrival *from, qv_err *err)
{
    char hash[QV_HASH_TEXT];
    size_t *where = calloc(qv__max(e->n_sites, 1), sizeof *where);
    if (!where)
        return qv_fail(err, QV_ENOMEM, "no memory for an expert");
    qv_status result = qv__bank_place(where, e, &l->m->sites, err);
    free(where);
    if (!result)
        result = qv__held_check_base(l->lib, l->m, &from->meta, err);
    qv__expert_hash(hash, e);
    if (!result && from->hash && strcmp(hash, from->hash) != 0)
        result = qv_fail(err, QV_EFORMAT, "its hash is %.12s, expert.json says %.12s", hash,
                         from->hash);
    return result;
}

static qv_status store(struct qv_live *l, const char *name, const struct qv_arrival *from,
                       qv_err *err)
{
    const qv_expert_opts opts = {.meta = from->meta, .replace = true};
    if (from->dir)
        return qv_library_add(l->lib, name, from->dir, &opts, err);
    return qv_library_add_gguf(l->lib, name, from->gguf, l->o.model_path, &opts, err);
}

qv_status qv__live_add(struct qv_live *l, const char *name, const struct qv_arrival *from,
                       bool *is_new, size_t *generation, qv_err *err)
{
    struct qv_expert *e = NULL;
    struct qv_held *h;
    qv_status result = from->dir ? qv__peft_read(&e, from->dir, &l->m->sites, err)
                                 : qv__adapter_read(&e, from->gguf, l->m, err);
    if (!result)
        result = check(l, e, from, err);
    pthread_mutex_lock(&l->lock);
    if (!result)
        result = store(l, name, from, err);
    qv__expert_free(e);
    if (!result)
        result = qv__scan_read(&h, l->scan, name, err);
    if (!result) {
        struct qv_generation *g = qv__roster_now(l->roster);
        *is_new = !has(g, name);
        qv__roster_back(l->roster, g);
        result = change(l, &h, 1, NULL, 0, generation, err);
    }
    pthread_mutex_unlock(&l->lock);
    return result;
}

qv_status qv__live_remove(struct qv_live *l, const char *name, size_t *generation,
                          qv_err *err)
{
    pthread_mutex_lock(&l->lock);
    qv_status result = qv_library_remove(l->lib, name, err);
    if (!result) {
        qv__scan_forget(l->scan, name);
        result = change(l, NULL, 0, &name, 1, generation, err);
    }
    pthread_mutex_unlock(&l->lock);
    return result;
}
