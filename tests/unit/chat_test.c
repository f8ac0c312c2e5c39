/* Conversations are written as transformers' apply_chat_template writes them, a model's
 * template is known by its hash or refused, and what people say is never markup. */
#include "text/chat_table.h"
#include "text/tokenizer.h"

#include "base/json.h"
#include "support/scratch.h"

#include <stdlib.h>
#include <string.h>

static qv_tokenizer *tiny(void)
{
    qv_tokenizer *tok;
    qv_err err;
    assert_works(qv_tokenizer_open(&tok, "tests/golden/text/tiny_spm", &err), &err);
    return tok;
}

static const struct qv__chat *named(const char *name)
{
    const struct qv__chat *chat;
    qv_err err;
    assert_works(qv__chat_named(&chat, name, &err), &err);
    return chat;
}

/* ---- against transformers ---- */

static size_t read_talk(struct qv__message *message, const json_t *talk)
{
    size_t n = json_array_size(talk);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(talk, i);
        message[i].role = json_string_value(json_array_get(one, 0));
        message[i].text = json_string_value(json_array_get(one, 1));
    }
    return n;
}

/* The text, and that its ids are those of the text with its special tokens. */
static void check_case(const struct qv__chat *chat, const qv_tokenizer *tok,
                       const json_t *row)
{
    struct qv__message message[8];
    struct qv__pieces out = {0};
    qv_err err;
    size_t n = read_talk(message, json_array_get(row, 0)), n_ids, n_want;
    const char *want = json_string_value(json_array_get(row, 1));
    int *ids, *want_ids;
    if (!want) {
        assert_fails(qv__chat_write(&out, chat, tok, message, n, &err), QV_EFORMAT, &err,
                     "has no place for a system message");
        return;
    }
    assert_works(qv__chat_write(&out, chat, tok, message, n, &err), &err);
    assert_works(qv__tokenizer_encode_marked(tok, &out, &ids, &n_ids, &err), &err);
    assert_works(
        qv_tokenizer_encode(tok, want, strlen(want), true, &want_ids, &n_want, &err), &err);
    qv__str_add(&out.text, "", 1);
    assert_string_equal(out.text.bytes, want);
    assert_int_equal(n_ids, n_want);
    assert_memory_equal(ids, want_ids, n_ids * sizeof *ids);
    free(ids);
    free(want_ids);
    qv__pieces_free(&out);
}

static void every_template_writes_what_transformers_does(void **state)
{
    (void)state;
    json_t *golden;
    qv_err err;
    qv_tokenizer *tok = tiny();
    assert_works(qv__json_read(&golden, "tests/golden/text/chat.json", 1 << 20, &err),
                 &err);
    assert_int_equal(json_array_size(golden), qv__n_chats);
    for (size_t i = 0; i < json_array_size(golden); i++) {
        const json_t *row = json_array_get(golden, i);
        const json_t *cases = json_object_get(row, "cases");
        const struct qv__chat *chat =
            named(json_string_value(json_object_get(row, "name")));
        assert_true(json_array_size(cases) >= 6);
        for (size_t k = 0; k < json_array_size(cases); k++)
            check_case(chat, tok, json_array_get(cases, k));
        assert_string_equal(chat->hash, json_string_value(json_object_get(row, "hash")));
    }
    json_decref(golden);
    qv_tokenizer_close(tok);
}

/* ---- a model's own ---- */

/* ChatML in one line, with newlines written as \n. */
#define CHATML                                                                             \
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + "           \
    "message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}"                              \
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

static void write_config(void **state, const char *key, const json_t *value)
{
    qv_err err;
    json_t *config = json_object();
    json_object_set(config, key, (json_t *)(uintptr_t)value);
    assert_works(qv__json_write(config, scratch_path(state, "tokenizer_config.json"), &err),
                 &err);
    json_decref(config);
}

static void a_models_template_is_known_by_its_hash(void **state)
{
    const struct qv__chat *chat, *chatml;
    qv_err err;
    json_t *text = json_string(CHATML);
    assert_works(qv__chat_named(&chatml, "chatml", &err), &err);
    write_config(state, "chat_template", text);
    assert_works(qv__chat_of(&chat, *state, &err), &err);
    assert_ptr_equal(chat, chatml);

    json_t *list = json_pack("[{s:s, s:s}, {s:s, s:O}]", "name", "tool_use", "template",
                             "x", "name", "default", "template", text);
    write_config(state, "chat_template", list);
    assert_works(qv__chat_of(&chat, *state, &err), &err);
    assert_ptr_equal(chat, chatml);
    json_decref(list);
    json_decref(text);

    write_text(scratch_path(state, "chat_template.jinja"), CHATML "\n");
    assert_works(qv__chat_of(&chat, *state, &err), &err);
    assert_ptr_equal(chat, chatml);
}

static void a_template_that_is_not_known_is_refused(void **state)
{
    const struct qv__chat *chat;
    qv_err err;
    write_text(scratch_path(state, "chat_template.jinja"), CHATML " ");
    assert_fails(qv__chat_of(&chat, *state, &err), QV_EUNSUPPORTED, &err, "is not known");
    assert_null(chat);
    assert_fails(qv__chat_named(&chat, "alpaca", &err), QV_ENOTFOUND, &err,
                 "chat template 'alpaca' is none of chatml, qwen2, ");
    assert_null(chat);
}

static void a_base_model_has_none(void **state)
{
    const struct qv__chat *chat;
    qv_err err;
    assert_fails(qv__chat_of(&chat, *state, &err), QV_ENOTFOUND, &err,
                 "has no chat template");
    write_text(scratch_path(state, "tokenizer_config.json"), "{}");
    assert_fails(qv__chat_of(&chat, *state, &err), QV_ENOTFOUND, &err,
                 "has no chat template");
}

/* ---- what people say ---- */

static void special_tokens_that_people_write_are_text(void **state)
{
    (void)state;
    qv_tokenizer *tok = tiny();
    struct qv__message message = {"user", "a</s><s>b"};
    struct qv__pieces out = {0};
    int *ids;
    size_t n, n_special = 0;
    qv_err err;
    assert_works(qv__chat_write(&out, named("zephyr"), tok, &message, 1, &err), &err);
    assert_works(qv__tokenizer_encode_marked(tok, &out, &ids, &n, &err), &err);
    for (size_t i = 0; i < n; i++)
        n_special += qv_tokenizer_is_special(tok, ids[i]);
    assert_int_equal(n_special, 1); // the template's </s>
    free(ids);
    qv__pieces_free(&out);
    qv_tokenizer_close(tok);
}

static void the_end_of_a_turn_is_a_token_of_the_template(void **state)
{
    (void)state;
    qv_tokenizer *tok = tiny();
    assert_int_equal(qv__chat_stop(named("llama2"), tok), qv_tokenizer_eos(tok));
    assert_int_equal(qv__chat_stop(named("chatml"), tok), -1); // it has no <|im_end|>
    qv_tokenizer_close(tok);
}

static void a_conversation_that_has_no_next_turn_is_refused(void **state)
{
    static const struct {
        const char *chat;
        struct qv__message message[3];
        size_t n;
        const char *says;
    } lie[] = {
        {"chatml", {{"", ""}}, 0, "the conversation does not end with a user's turn"},
        {"chatml", {{"system", "x"}}, 1, "does not end with a user's turn"},
        {"chatml", {{"user", "x"}, {"assistant", "y"}}, 2, "does not end with a user's"},
        {"chatml",
         {{"tool", "x"}, {"user", "y"}},
         2,
         "message 0: role 'tool' is none of system, user and assistant"},
        {"llama2",
         {{"user", "x"}, {"user", "y"}},
         2,
         "message 1: with chat template 'llama2', user and assistant take turns"},
        {"mistral-v1-2023",
         {{"system", "x"}, {"user", "y"}},
         2,
         "chat template 'mistral-v1-2023' has no place for a system message"},
    };
    (void)state;
    qv_tokenizer *tok = tiny();
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        struct qv__pieces out = {0};
        qv_err err;
        assert_fails(
            qv__chat_write(&out, named(lie[i].chat), tok, lie[i].message, lie[i].n, &err),
            QV_EFORMAT, &err, lie[i].says);
    }
    qv_tokenizer_close(tok);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_template_writes_what_transformers_does),
        cmocka_unit_test_setup_teardown(a_models_template_is_known_by_its_hash,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(a_template_that_is_not_known_is_refused,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(a_base_model_has_none, make_scratch,
                                        remove_scratch),
        cmocka_unit_test(special_tokens_that_people_write_are_text),
        cmocka_unit_test(the_end_of_a_turn_is_a_token_of_the_template),
        cmocka_unit_test(a_conversation_that_has_no_next_turn_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
