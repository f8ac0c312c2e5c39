/* catalog.c - GET /v1/library: what is known of the experts, and where they stand to one
 * another.
 */
#include "server/server.h"

#include <stdio.h>
#include <string.h>

void qv__tell_generation(struct qv_call *c, const struct qv_who *who)
{
    char number[24];
    snprintf(number, sizeof number, "%zu", qv__who_generation(who));
    qv__call_add_header(c, "Quiver-Generation", number);
}

static json_t *scores_of(const qv_expert_meta *meta)
{
    json_t *list = json_array();
    for (size_t i = 0; i < meta->n_scores; i++) {
        const qv_score *s = &meta->score[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:f}", "task", s->task, "metric",
                                              s->metric, "value", s->value));
    }
    return list;
}

static json_t *expert_json(const struct qv_held *h)
{
    const qv_expert_info *info = &h->info;
    json_t *tasks = json_array();
    for (size_t i = 0; i < info->meta.n_tasks; i++)
        json_array_append_new(tasks, json_string(info->meta.task[i]));
    return json_pack("{s:s, s:o, s:I, s:I, s:I, s:s, s:o}", "name", info->name, "tasks",
                     tasks, "rank", (json_int_t)info->max_rank, "sites",
                     (json_int_t)info->n_sites, "bytes", (json_int_t)h->pack->bytes, "hash",
                     info->hash, "scores", scores_of(&info->meta));
}

void qv__answer_library(struct qv_server *s, struct qv_call *c)
{
    struct qv_generation *g = qv__roster_now(s->roster);
    const float *xy;
    qv_err err;
    if (qv__generation_map(&xy, g, &err)) {
        qv__reply_error(s, c, &err, NULL);
    } else {
        json_t *experts = json_array(), *map = json_array();
        for (size_t i = 0; i < qv__generation_size(g); i++) {
            json_array_append_new(experts, expert_json(qv__generation_held(g, i)));
            if (xy)
                json_array_append_new(
                    map, json_pack("[f, f]", (double)xy[2 * i], (double)xy[2 * i + 1]));
        }
        qv__reply_json(s, c, 200,
                       json_pack("{s:o, s:I, s:o}", "experts", experts, "generation",
                                 (json_int_t)qv__generation_number(g), "map", map));
    }
    qv__roster_back(s->roster, g);
}
