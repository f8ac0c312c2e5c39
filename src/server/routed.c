/* routed.c - see routed.h. */
#include "server/routed.h"
#include "model/model.h"
#include "server/spell.h"
#include "text/json.h"

#include <string.h>

static json_t *share(size_t expert, float weight)
{
    return json_pack("[I, f]", (json_int_t)expert, (double)weight);
}

json_t *qv__routed_about(const qv_model *m, const struct qv_who *who,
                         const struct qv_trace *t)
{
    json_t *experts = json_array(), *sites = json_array(), *all = json_array();
    const size_t n = qv__who_experts(who);
    for (size_t i = 0; i < n; i++) {
        const char *name = qv__who_expert(who, i);
        json_array_append_new(experts, qv__json_text(name, strlen(name)));
    }
    for (size_t i = 0; t && i < qv__trace_sites(t); i++)
        json_array_append_new(sites, json_string(m->sites.at[qv__trace_site(t, i)].path));
    json_t *o = json_pack("{s:o, s:o}", "experts", experts, "sites", sites);
    if (!qv__who_is_fixed(who)) {
        json_decref(all);
        return o;
    }
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, share(i, qv__who_weight(who, i)));
    json_object_set_new(o, "everywhere", all);
    return o;
}

json_t *qv__routed_token(const struct qv_trace *t, size_t token,
                         const struct qv__str *bytes)
{
    json_t *sites = json_array();
    for (size_t i = 0; t && i < qv__trace_sites(t); i++) {
        size_t k;
        const struct qv_share *at = qv__trace_at(t, token, i, &k);
        json_t *shares = json_array();
        for (size_t j = 0; j < k; j++)
            json_array_append_new(shares, share((size_t)at[j].expert, at[j].weight));
        json_array_append_new(sites, shares);
    }
    return json_pack("{s:o, s:o}", "token", qv__spelled(bytes), "sites", sites);
}
