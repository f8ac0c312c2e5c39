/* select.h - which experts of a library a request allows, and the weights it gives them.
 *
 *     "experts": [NAME or PATTERN, ...]            these alone
 *     "experts_excluded": [NAME or PATTERN, ...]   all but these
 *     "weights": {NAME: w, ...}                    these, mixed by hand
 *
 * In a pattern * stands for any letters and ? for one; what is an expert's name is no
 * pattern.
 */
#ifndef QV_SERVER_SELECT_H
#define QV_SERVER_SELECT_H

#include "base/json.h"

/* What a request says, borrowed from its JSON; NULL where it says nothing. */
struct qv_wanted {
    const json_t *experts, *excluded, *weights;
};

struct qv_selection {
    size_t n;
    size_t *at;    // [n] of the experts, increasing
    float *weight; // [n] or NULL: a router decides
};

bool qv__wanted_is_all(const struct qv_wanted *w); // nothing is said

/* The experts among name [K] that are wanted: of `experts` and `excluded`, or, without
 * them, of `weights`. *param is the name of what is wrong. The caller ends *s, also after a
 * failure. Fails with QV_EFORMAT, naming what nobody is called, QV_ENOMEM. */
qv_status qv__select(struct qv_selection *s, const char *const *name, size_t K,
                     const struct qv_wanted *wanted, const char **param,
                     qv_err *err) QV_MUST_CHECK;
void qv__selection_end(struct qv_selection *s);

/* Whether a name is like a pattern. Takes time in proportion to their lengths' product. */
bool qv__is_like(const char *name, const char *pattern);

#endif
