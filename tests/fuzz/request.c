/* Whatever a request's body says, reading it returns, for every endpoint; and if it
 * succeeds, what it asks for is within the ranges that the engine trusts, and the experts
 * it chooses are experts. */
#include "server/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_ask(const struct qv_ask *a)
{
    qv_check(a->temperature >= 0 && a->temperature <= 2 && a->top_p >= 0 && a->top_p <= 1);
    qv_check(a->n >= 1 && a->n <= 128 && a->n_stops <= QV_STOPS);
    qv_check(a->max_tokens == SIZE_MAX || a->max_tokens <= 1000000000);
    qv_check(a->top_logprobs <= 20 && (a->logprobs <= 20 || a->logprobs == SIZE_MAX));
    for (size_t i = 0; i < a->n_stops; i++)
        qv_check(*a->stop[i]);
}

static void check_choice(const struct qv_choice *who)
{
    static const char *const names[] = {"a", "ab", "b*", "sums_count"};
    struct qv_selection s;
    const char *param = NULL;
    qv_check(!who->router || !who->expert);
    qv_check(!who->wanted.weights || (!who->router && !who->expert));
    if (qv__wanted_is_all(&who->wanted))
        return;
    qv_status result = qv__select(&s, names, QV_COUNT(names), &who->wanted, &param, NULL);
    qv_check(param && (result || (s.n > 0 && s.n <= QV_COUNT(names))));
    for (size_t i = 0; !result && i < s.n; i++) {
        qv_check(s.at[i] < QV_COUNT(names) && (i == 0 || s.at[i] > s.at[i - 1]));
        qv_check(!s.weight || (s.weight[i] != 0 && fabs((double)s.weight[i]) <= 1e6));
    }
    qv__selection_end(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    json_t *root;
    struct qv_ask a;
    struct qv_choice who;
    const char *param;
    char *exact = malloc(qv__max(size, 1)); // so that reading past `size` traps
    qv_check(exact);
    if (size)
        memcpy(exact, bytes, size);
    if (!qv__json_parse(&root, exact, size, NULL)) {
        for (unsigned what = 1; what <= QV_ASKS_TOKENS; what *= 2) {
            if (qv__ask_read(&a, root, (enum qv_asks)what, &param, NULL))
                continue;
            check_ask(&a);
            if (!qv__ask_choice(&who, &a, &(struct qv_choice){0}, &param, NULL))
                check_choice(&who);
        }
        json_decref(root);
    }
    free(exact);
    return 0;
}
