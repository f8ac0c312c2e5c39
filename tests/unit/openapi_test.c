/* openapi_test.c - the description of the API is complete and true: what the tables of
 * endpoints and of names have is in it, and what is in it is there. */
#include "server/server.h"
#include "support/scratch.h"

#include <stdio.h>
#include <string.h>

static json_t *doc;

static int read_doc(void **state)
{
    (void)state;
    qv_err err;
    assert_works(
        qv__json_parse(&doc, qv__openapi, (size_t)(qv__openapi_end - qv__openapi), &err),
        &err);
    return 0;
}

static int end_doc(void **state)
{
    (void)state;
    json_decref(doc);
    return 0;
}

/* What is at "#/a/b", or, by keys, below a value; there it must be. */
static const json_t *at(const char *path)
{
    const json_t *v = doc;
    char key[64];
    assert_int_equal(strncmp(path, "#/", 2), 0);
    for (path += 2; *path; path += *path == '/') {
        size_t n = strcspn(path, "/");
        assert_true(n < sizeof key);
        memcpy(key, path, n);
        key[n] = '\0';
        path += n;
        v = json_object_get(v, key);
        if (!v)
            fail_msg("there is no '%s'", key);
    }
    return v;
}

static const json_t *get(const json_t *v, const char *key)
{
    const json_t *below = json_object_get(v, key);
    if (!below)
        fail_msg("there is no '%s'", key);
    return below;
}

/* "POST" as OpenAPI has it. */
static const char *small(const char *method)
{
    static const char *const all[][2] = {
        {"GET", "get"}, {"POST", "post"}, {"PUT", "put"}, {"DELETE", "delete"}};
    for (size_t i = 0; i < QV_COUNT(all); i++)
        if (strcmp(all[i][0], method) == 0)
            return all[i][1];
    fail_msg("no method is called '%s'", method);
    return "";
}

/* An endpoint's path as OpenAPI has it: one that ends in '/' goes on with a name. */
static const json_t *path_item(const char *path)
{
    char named[64];
    size_t n = strlen(path);
    snprintf(named, sizeof named, "%s%s", path, path[n - 1] == '/' ? "{name}" : "");
    return get(at("#/paths"), named);
}

static void it_is_openapi_3_1(void **state)
{
    (void)state;
    assert_string_equal(json_string_value(at("#/openapi")), "3.1.0");
    assert_string_equal(json_string_value(at("#/info/version")), QV_VERSION);
}

static void it_has_the_endpoints_and_no_others(void **state)
{
    (void)state;
    const char *path, *method;
    size_t n = 0, found = 0;
    for (; (path = qv__endpoint(n, &method)); n++)
        assert_non_null(get(path_item(path), small(method)));
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)at("#/paths"), path, one) found +=
        json_object_size(one) - (json_object_get(one, "parameters") != NULL);
    assert_int_equal(found, n);
}

/* The properties of an endpoint's request. */
static const json_t *names_at(const char *path)
{
    const json_t *body = get(get(get(at("#/paths"), path), "post"), "requestBody");
    const json_t *schema = get(get(get(body, "content"), "application/json"), "schema");
    const json_t *is = at(json_string_value(get(schema, "$ref")));
    assert_true(json_is_false(get(is, "additionalProperties")));
    return get(is, "properties");
}

static void requests_have_the_names_that_are_read_and_no_others(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned where;
    } request[] = {{"/v1/completions", QV_ASKS_TEXT},
                   {"/v1/chat/completions", QV_ASKS_CHAT},
                   {"/v1/embeddings", QV_ASKS_EMBEDDINGS},
                   {"/tokenize", QV_ASKS_TOKENS}};
    for (size_t i = 0; i < QV_COUNT(request); i++) {
        const json_t *names = names_at(request[i].path);
        const char *name;
        unsigned where;
        size_t n = 0;
        for (size_t j = 0; (name = qv__ask_name(j, &where)); j++)
            if (where & request[i].where) {
                get(names, name);
                n++;
            }
        assert_int_equal(json_object_size(names), n);
    }
}

/* Every reference leads somewhere; every schema and reply is referred to. */
static size_t n_refs;

static void follow(const json_t *v, json_t *met)
{
    const char *key;
    json_t *one;
    size_t i;
    const char *ref = json_string_value(json_object_get(v, "$ref"));
    if (ref) {
        assert_non_null(at(ref));
        json_object_set_new(met, ref, json_true());
        n_refs++;
    }
    json_object_foreach((json_t *)(uintptr_t)v, key, one) follow(one, met);
    json_array_foreach(v, i, one) follow(one, met);
}

static void references_lead_to_what_is_there_and_to_all_of_it(void **state)
{
    (void)state;
    json_t *met = json_object();
    follow(doc, met);
    assert_true(n_refs > 20);
    assert_int_equal(json_object_size(met),
                     json_object_size(at("#/components/schemas")) +
                         json_object_size(at("#/components/responses")));
    json_decref(met);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_openapi_3_1),
        cmocka_unit_test(it_has_the_endpoints_and_no_others),
        cmocka_unit_test(requests_have_the_names_that_are_read_and_no_others),
        cmocka_unit_test(references_lead_to_what_is_there_and_to_all_of_it),
    };
    return cmocka_run_group_tests(tests, read_doc, end_doc);
}
