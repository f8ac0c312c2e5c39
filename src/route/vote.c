/* vote.c - what all sites say where a prompt ends holds for the whole answer.
 *
 * Arrow decides token by token and site by site, and is often wrong: most tokens of a
 * prompt, and the first layers everywhere, do not know yet what is being asked. The token
 * that the answer begins after does. So the base reads the prompt; there, at its last
 * token, Arrow weighs the experts at each site; and their weights, averaged over the sites,
 * are every token's at every site:
 *
 *     w_e  in proportion to  (sum over sites of Arrow's weight of e) ^ (1 / temperature)
 *
 * for the k largest. Like Arrow it needs nothing but the experts.
 */
#include "route/routers.h"
#include "route/scored.h"

#include <math.h>

static void hear(const struct qv_router *r, size_t site, const float *x, float *l,
                 float *scratch, struct qv_routing *to)
{
    const struct qv_bank_site *s = &r->bank->site[site];
    qv__scored_route(r, site, x, 1, scratch, to);
    for (size_t i = 0; i < to->k; i++)
        l[s->expert[to->expert[i]]] += to->weight[i];
}

static void judge(const struct qv_router *r, float *l, const float *f)
{
    (void)f;
    for (size_t e = 0; e < r->bank->K; e++)
        l[e] = logf(l[e]); // -inf: no weight
}

const struct qv_router_ops qv__arrow_vote = {
    .name = "arrow_vote",
    .about = "Arrow's weights at the prompt's last token, averaged over sites",
    .adds_outputs = true,
    .reads = QV_READS_SITES,
    .open = qv__scored_open,
    .hear = hear,
    .judge = judge,
    .room = qv__scored_room,
    .close = qv__scored_close,
};
