/* bound.c - see bound.h. */
#include "server/bound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void qv__bounds_init(struct qv_bounds *b)
{
    *b = (struct qv_bounds){0};
    pthread_mutex_init(&b->lock, NULL);
}

static void end(struct qv_bound *one)
{
    qv__selection_end(&one->chosen);
    qv_reuse_close(one->reuse);
    free(one);
}

/* Called locked: only then somebody new can get a share. */
static void sweep(struct qv_bounds *b)
{
    for (struct qv_bound **at = &b->first; *at;) {
        struct qv_bound *one = *at;
        if (atomic_load(&one->owners)) {
            at = &one->next;
            continue;
        }
        *at = one->next;
        end(one);
    }
}

void qv__bounds_end(struct qv_bounds *b)
{
    sweep(b);
    qv_check(!b->first);
    pthread_mutex_destroy(&b->lock);
}

/* One share more of what is there, or NULL. Called locked. */
static struct qv_bound *find(struct qv_bounds *b, const char *id)
{
    struct qv_bound *one = b->first;
    while (one && strcmp(one->id, id) != 0)
        one = one->next;
    if (one)
        atomic_fetch_add(&one->owners, 1);
    return one;
}

static struct qv_bound *find_locked(struct qv_bounds *b, const char *id)
{
    pthread_mutex_lock(&b->lock);
    struct qv_bound *one = find(b, id);
    pthread_mutex_unlock(&b->lock);
    return one;
}

/* The same may have been made elsewhere meanwhile; then that one is it. */
static struct qv_bound *add(struct qv_bounds *b, struct qv_bound *made)
{
    pthread_mutex_lock(&b->lock);
    struct qv_bound *one = find(b, made->id);
    if (!one) {
        sweep(b);
        made->next = b->first;
        b->first = made;
    }
    pthread_mutex_unlock(&b->lock);
    if (one)
        end(made);
    return one ? one : made;
}

qv_status qv__bounds_take(struct qv_bound **out, struct qv_bounds *b, const char *id,
                          struct qv_selection *chosen,
                          qv_status (*make)(void *arg, qv_reuse **out,
                                            const struct qv_selection *chosen, qv_err *err),
                          void *arg, qv_err *err)
{
    struct qv_bound *made = NULL;
    qv_status result = QV_OK;
    *out = find_locked(b, id);
    if (*out) {
        qv__selection_end(chosen);
        return QV_OK;
    }
    made = calloc(1, sizeof *made);
    if (!made) {
        qv__selection_end(chosen);
        return qv_fail(err, QV_ENOMEM, "no memory for a choice of experts");
    }
    snprintf(made->id, sizeof made->id, "%s", id);
    made->chosen = *chosen;
    *chosen = (struct qv_selection){0};
    atomic_init(&made->owners, 1);
    result = make(arg, &made->reuse, &made->chosen, err);
    if (result)
        end(made);
    else
        *out = add(b, made);
    return result;
}

void qv__bound_let_go(struct qv_bound *b)
{
    if (b)
        atomic_fetch_sub(&b->owners, 1);
}
