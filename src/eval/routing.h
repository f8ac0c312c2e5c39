/* routing.h - where a router sends the tokens of tasks, in numbers.
 *
 * At each site, over the rows of validation examples that predict a target, with w the
 * weights that the router gives a token:
 *
 *     entropy    mean of -sum w ln w: 0 where one expert has it all, ln k at most
 *     agreement  share of rows whose heaviest expert learnt the example's task
 *     own        mean weight of the experts that learnt it
 *
 * The last two count the rows of tasks that some expert has learnt, and say how often the
 * router chooses as the oracle would.
 *
 * A router by token is also asked where in a prompt the task can be told. There it routes
 * what the base alone makes of the prompt, no expert at work; and experts are compared by
 * their weight at one token and site, or by the sum of it over several, their vote.
 */
#ifndef QV_EVAL_ROUTING_H
#define QV_EVAL_ROUTING_H

#include <quiver/reuse.h>

#include "base/arena.h"

struct qv_routing_stats {
    double entropy, agreement, own; // NaN of no rows
    size_t n, n_known;              // rows, and those of tasks that an expert learnt
    double chance;                  // agreement of an expert drawn at random, for those
};

/* Of prompts whose task some expert learnt: how often the heaviest expert did. NaN of none.
 */
struct qv_routing_prompts {
    double tokens;      // of (token, site) pairs
    double last;        // of the sites at the last token
    double vote;        // of prompts, by the vote of the sites at the last token
    double vote_of_all; // the same of the sites at all tokens
    size_t n;           // prompts
};

struct qv_routing_study {
    const char **site;           // [n_sites] their paths, of those that experts adapt
    size_t *layer, *map;         // [n_sites] map is a place in map_name
    struct qv_routing_stats *at; // [n_sites]
    size_t n_sites;
    struct qv_routing_stats *by_layer; // [n_layers]
    size_t n_layers;
    const char **map_name;           // [n_maps] such as "o_proj"
    struct qv_routing_stats *by_map; // [n_maps]
    size_t n_maps;
    struct qv_routing_stats all;
    bool has_prompts; // the router goes by token
    struct qv_routing_prompts prompts;
    const char **expert; // [K]
    double *share;       // [K] of all weight
    size_t K;
    qv_arena arena; // owns everything
};

struct qv_routing_opts {
    size_t limit; // validation examples a task (0: all)
    qv_progress progress;
};

/* Of the library and router that `who` names. The caller ends *out with
 * qv__routing_study_end, whether or not this succeeds. Fails as qv_reuse_open and walking
 * do, and with QV_EUNSUPPORTED if the router looks at no token. */
qv_status qv__routing_study(struct qv_routing_study *out, const qv_model *m,
                            const qv_reuse_opts *who, const char *const *paths, size_t n,
                            const struct qv_routing_opts *opts, qv_err *err) QV_MUST_CHECK;
void qv__routing_study_end(struct qv_routing_study *s);

#endif
