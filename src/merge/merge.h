/* merge.h - a merge method makes one expert of several.
 *
 * Each method is one file with one qv_merge_ops and one line in merge.c's list; its
 * name then works wherever a method can be named. A method sees one site at a time:
 * the factors of the experts that adapt it. Those that do not are left out there,
 * so sites may differ; ranks may where the method has a meaning for it. The merged
 * expert has scale 1. No D_out x D_in matrix is ever formed.
 *
 * In these files c = w * s is an expert's weight times its scale at the site.
 */
#ifndef QV_MERGE_MERGE_H
#define QV_MERGE_MERGE_H

#include "base/base.h"
#include "lora/expert.h"

/* What a method may be told; it refuses what it has no use for. */
enum {
    QV_TAKES_WEIGHTS = 1,
    QV_TAKES_DENSITY = 2,
    QV_TAKES_GAMMA = 4,
    QV_TAKES_RANK = 8,
    QV_TAKES_SEED = 16,
    QV_TAKES_SIGNS = 32,
    QV_TAKES_GENERAL = 64, // one expert, and others to subtract from it
};

struct qv_merge_how {
    double density, gamma; // of pruning; together at most 1
    size_t rank;           // at most; 0: the method's own
    bool count_signs;
    uint64_t seed;
};

/* What lies at one site; experts in the order they were given. */
struct qv_merge_site {
    const char *path;
    size_t D_in, D_out, n;
    const struct qv_expert_site *const *at; // [n] A, B, R and scale
    const struct qv_expert *const *expert;  // [n] whose they are
    const double *w;                        // [n]
    const float *threshold;                 // [n] if the method trims experts whole
};

/* One factor of all experts at a site: merge/entries.h. */
struct qv_factor;

struct qv_merge_ops {
    const char *name;  // as written after --method
    const char *about; // one line for help
    unsigned takes;    // QV_TAKES_...
    bool sums;         // the default weight is 1, not 1 / K
    bool same_ranks;   // what has no meaning for unequal ranks
    bool first_sites;  // sites of the first expert alone, not of any
    bool trims_whole;  // wants thresholds
    bool counts_loss;  // `discarded` has a meaning

    /* The rank of the merged site. */
    size_t (*rank)(const struct qv_merge_site *in, const struct qv_merge_how *how);

    /* Fill out->A [R, D_in] and out->B [D_out, R], which come zeroed. energy[0] +=
     * the squared norm of an update that is cut to a rank, energy[1] += of what is
     * cut off. Several sites may be filled at once. Fails with QV_ENOMEM. */
    qv_status (*fill)(const struct qv_expert_site *out, double energy[2],
                      const struct qv_merge_site *in, const struct qv_merge_how *how,
                      qv_err *err);

    /* Or, instead of `fill`, what is done to the As entry by entry, and then to the
     * Bs: prune (or NULL) each expert's x [n], then y [n] = what they combine to. */
    void (*prune)(float *x, const struct qv_factor *f, size_t k,
                  const struct qv_merge_how *how);
    void (*combine)(float *y, const struct qv_factor *f, const struct qv_merge_how *how);
};

/* The method of that name, or NULL; and the list for help, NULL-terminated. */
const struct qv_merge_ops *qv__merger_find(const char *name);
const struct qv_merge_ops *const *qv__mergers(void);

/* w [K] = what the experts weigh: `given`, or the method's default if NULL; of a
 * method that takes general experts, 1 for the first and minus a mean's share for
 * the others. */
void qv__merge_weights(double *w, const struct qv_merge_ops *ops, const double *given,
                       size_t K);

/* Merge `experts` [K], K > 0, with weights w [K]; of a method that takes general
 * experts, K > 1. *discarded (or NULL) as in qv_merge_report. The caller owns *out.
 * Fails with QV_EFORMAT, naming the experts that do not go together; QV_ENOMEM. */
qv_status qv__merge(struct qv_expert **out, double *discarded, const char *name,
                    const struct qv_merge_ops *ops, struct qv_expert *const *experts,
                    const double *w, size_t K, const struct qv_merge_how *how,
                    qv_err *err) QV_MUST_CHECK;

/* The largest rank at the site. */
size_t qv__largest_rank(const struct qv_merge_site *in, const struct qv_merge_how *how);

#endif
