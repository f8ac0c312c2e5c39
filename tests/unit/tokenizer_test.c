/* Opening, encoding and decoding through the public header, and every sentence
 * that refuses a tokenizer.json. */
#include "text/tokenizer.h"

#include "support/ids.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A small byte-level vocabulary: a=1, b=2, c=3, space=4, ab=5, abc=6. */
#define VOCAB                                                                              \
    "\"vocab\":{\"<e>\":0,\"a\":1,\"b\":2,\"c\":3,\"\u0120\":4,\"ab\":5,\"abc\":6}"
#define MODEL "\"model\":{\"type\":\"BPE\"," VOCAB ",\"merges\":[\"a b\",\"ab c\"]}"
#define BYTES "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false}"
#define PIPE  BYTES ",\"decoder\":{\"type\":\"ByteLevel\"}"
#define ADDED(id, text, more)                                                              \
    "\"added_tokens\":[{\"id\":" id ",\"content\":\"" text "\"" more "}]"

static qv_status parse(qv_tokenizer **tok, const char *json, qv_err *err)
{
    return qv__tokenizer_parse_json(tok, json, strlen(json), err);
}

static qv_tokenizer *must_parse(const char *json)
{
    qv_tokenizer *tok;
    qv_err err;
    assert_works(parse(&tok, json, &err), &err);
    return tok;
}

static void assert_text(const qv_tokenizer *tok, const int *ids, size_t n,
                        bool skip_special, const char *want)
{
    char *text;
    size_t size;
    qv_err err;
    assert_works(qv_tokenizer_decode(tok, ids, n, skip_special, &text, &size, &err), &err);
    assert_string_equal(text, want);
    assert_int_equal(size, strlen(want));
    free(text);
}

static void merges_go_in_order_of_rank(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "}");
    assert_ids(tok, "abcab bc", true, "6 5 4 2 3");
    assert_ids(tok, "", true, "");
    qv_tokenizer_close(tok);
}

static void merges_may_be_written_as_pairs(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{\"model\":{" VOCAB
                                   ",\"merges\":[[\"a\",\"b\"],[\"ab\",\"c\"]]}," PIPE "}");
    assert_ids(tok, "abc", true, "6");
    qv_tokenizer_close(tok);
}

static void a_piece_that_is_a_token_stays_whole_if_merges_are_ignored(void **state)
{
    (void)state;
    const char *json =
        "{\"model\":{" VOCAB ",\"merges\":[],\"ignore_merges\":%s}," PIPE "}";
    char text[512];
    snprintf(text, sizeof text, json, "true");
    qv_tokenizer *tok = must_parse(text);
    assert_ids(tok, "abc", true, "6");
    assert_ids(tok, "abca", true, "1 2 3 1");
    qv_tokenizer_close(tok);
    snprintf(text, sizeof text, json, "false");
    tok = must_parse(text);
    assert_ids(tok, "abc", true, "1 2 3");
    qv_tokenizer_close(tok);
}

static void an_unknown_character_is_dropped_where_there_is_no_unknown_token(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "}");
    assert_ids(tok, "axb", true, "5");
    qv_tokenizer_close(tok);
}

/* <u> a b ab abc, and <s>: "ab" + "c" is dearer than "abc", "a" + "b" than "ab". */
#define UNIGRAM(more)                                                                      \
    "{\"model\":{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<u>\",0],[\"a\",-3],"     \
    "[\"b\",-3],[\"ab\",-5],[\"abc\",-9],[\"c\",-3],[\"<s>\",-1]]" more                    \
    "},\"added_tokens\":[{\"id\":6,\"content\":\"<s>\",\"special\":true}]}"

static void the_pieces_whose_scores_add_up_to_the_most_are_taken(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse(UNIGRAM(""));
    assert_ids(tok, "ab", true, "3");
    assert_ids(tok, "abc", true, "3 5"); // -8, where abc is -9
    assert_ids(tok, "abab", true, "3 3");
    assert_ids(tok, "", true, "");
    qv_tokenizer_close(tok);
}

static void characters_that_are_no_pieces_are_unknown_together(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse(UNIGRAM(""));
    assert_ids(tok, "axyzb", true, "1 0 2");
    assert_ids(tok, "\xff\xfe", true, "0");
    assert_ids(tok, "a<s>b", true, "1 6 2");
    assert_ids(tok, "a<s>b", false, "1 0 2"); // no score writes a special token
    qv_tokenizer_close(tok);
}

static void unknown_neighbours_become_one_token_only_if_fused(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse(
        "{\"model\":{" VOCAB ",\"merges\":[],\"unk_token\":\"<e>\",\"fuse_unk\":true}}");
    assert_ids(tok, "axyzb", true, "1 0 2");
    qv_tokenizer_close(tok);
    tok = must_parse("{\"model\":{" VOCAB ",\"merges\":[],\"unk_token\":\"<e>\"}}");
    assert_ids(tok, "axyzb", true, "1 0 0 0 2");
    qv_tokenizer_close(tok);
}

static void special_tokens_are_recognised_only_on_request(void **state)
{
    (void)state;
    qv_tokenizer *tok =
        must_parse("{" MODEL "," PIPE "," ADDED("7", "cab", ",\"special\":true") "}");
    assert_true(qv_tokenizer_is_special(tok, 7));
    assert_ids(tok, "acabb", true, "1 7 2");
    assert_ids(tok, "acabb", false, "1 3 5 2");
    assert_text(tok, (int[]){1, 7, 4, 2}, 4, false, "acab b");
    assert_text(tok, (int[]){1, 7, 4, 2}, 4, true, "a b");
    qv_tokenizer_close(tok);
}

static void an_added_token_that_is_not_special_is_always_recognised(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "," ADDED("7", "cab", "") "}");
    assert_ids(tok, "acabb", false, "1 7 2");
    assert_text(tok, (int[]){7}, 1, true, "cab");
    qv_tokenizer_close(tok);
}

static void a_single_word_token_needs_its_own_word(void **state)
{
    (void)state;
    qv_tokenizer *tok =
        must_parse("{" MODEL "," PIPE "," ADDED("7", "ca", ",\"single_word\":true") "}");
    assert_ids(tok, "ca cab aca", true, "7 4 3 5 4 1 3 1");
    qv_tokenizer_close(tok);
}

static void an_added_token_may_take_white_space_along(void **state)
{
    (void)state;
    qv_tokenizer *tok =
        must_parse("{" MODEL "," PIPE "," ADDED("7", "ca", ",\"lstrip\":true") "}");
    assert_ids(tok, "a  ca b", true, "1 7 4 2");
    qv_tokenizer_close(tok);
    tok = must_parse("{" MODEL "," PIPE "," ADDED("7", "ca", ",\"rstrip\":true") "}");
    assert_ids(tok, "a ca  b", true, "1 4 7 2");
    qv_tokenizer_close(tok);
}

static void the_longest_of_the_leftmost_added_tokens_counts(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE ",\"added_tokens\":["
                                   "{\"id\":7,\"content\":\"ca\"},"
                                   "{\"id\":8,\"content\":\"cac\"},"
                                   "{\"id\":9,\"content\":\"aca\"}]}");
    assert_ids(tok, "cacca", true, "8 7");
    assert_ids(tok, "acacac", true, "9 8");
    qv_tokenizer_close(tok);
}

static void a_normalized_token_is_looked_for_in_normalized_text(void **state)
{
    (void)state;
    qv_tokenizer *tok =
        must_parse("{" MODEL "," PIPE ",\"normalizer\":{\"type\":\"Lowercase\"},"
                   "\"added_tokens\":["
                   "{\"id\":7,\"content\":\"CaC\",\"normalized\":true},"
                   "{\"id\":8,\"content\":\"BaB\",\"normalized\":false}]}");
    assert_ids(tok, "ACACA", true, "1 7 1");
    assert_ids(tok, "ABABA", true, "5 5 1");
    assert_ids(tok, "ABaBA", true, "1 8 1");
    qv_tokenizer_close(tok);
}

static void ids_may_have_holes_which_decode_to_nothing(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "," ADDED("9", "x", "") "}");
    assert_int_equal(qv_tokenizer_size(tok), 10);
    assert_null(qv_tokenizer_token(tok, 8));
    assert_text(tok, (int[]){1, 8, 9}, 3, false, "ax");
    qv_tokenizer_close(tok);
}

static void tokens_are_found_by_their_spelling(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "}");
    assert_int_equal(qv_tokenizer_find(tok, "ab"), 5);
    assert_int_equal(qv_tokenizer_find(tok, "ba"), -1);
    assert_string_equal(qv_tokenizer_token(tok, 4), "\u0120");
    assert_null(qv_tokenizer_token(tok, 7));
    assert_null(qv_tokenizer_token(tok, -1));
    assert_int_equal(qv_tokenizer_bos(tok), -1);
    assert_int_equal(qv_tokenizer_eos(tok), -1);
    assert_false(qv_tokenizer_adds_bos(tok));
    qv_tokenizer_close(tok);
}

static void a_template_names_bos_and_eos(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse(
        "{" MODEL ",\"post_processor\":{\"type\":\"Sequence\",\"processors\":["
        "{\"type\":\"ByteLevel\"},{\"type\":\"TemplateProcessing\",\"single\":["
        "{\"SpecialToken\":{\"id\":\"a\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\"}},"
        "{\"SpecialToken\":{\"id\":\"b\",\"type_id\":0}}]}]}}");
    assert_int_equal(qv_tokenizer_bos(tok), 1);
    assert_int_equal(qv_tokenizer_eos(tok), 2);
    assert_true(qv_tokenizer_adds_bos(tok));
    qv_tokenizer_close(tok);
}

static void any_bytes_come_back_from_byte_level_tokens(void **state)
{
    (void)state;
    qv_tokenizer *tok;
    qv_err err;
    char bytes[1024], *back;
    int *ids;
    size_t n, size;
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i < 256 ? i : (x = x * 1664525u + 1013904223u) >> 24);
    assert_works(qv_tokenizer_open(&tok, "tests/golden/text/tiny_llama3", &err), &err);
    assert_works(qv_tokenizer_encode(tok, bytes, sizeof bytes, true, &ids, &n, &err), &err);
    assert_works(qv_tokenizer_decode(tok, ids, n, false, &back, &size, &err), &err);
    assert_int_equal(size, sizeof bytes);
    assert_memory_equal(back, bytes, size);
    free(ids);
    free(back);
    qv_tokenizer_close(tok);
}

static void any_bytes_come_back_from_byte_fallback(void **state)
{
    (void)state;
    qv_tokenizer *tok;
    qv_err err;
    static const char bytes[] =
        "a \xff\xfe caf\xc3\xa9 \xe2\x82 z \xed\xa0\x80\xf0\x9f\x98\x80";
    char *back;
    int *ids;
    size_t n, size;
    assert_works(qv_tokenizer_open(&tok, "tests/golden/text/tiny_spm", &err), &err);
    assert_works(qv_tokenizer_encode(tok, bytes, sizeof bytes - 1, true, &ids, &n, &err),
                 &err);
    assert_works(qv_tokenizer_decode(tok, ids, n, false, &back, &size, &err), &err);
    assert_int_equal(size, sizeof bytes - 1);
    assert_memory_equal(back, bytes, size);
    free(ids);
    free(back);
    qv_tokenizer_close(tok);
}

static void a_million_letters_without_a_space_are_encoded_in_no_time(void **state)
{
    (void)state;
    enum { N = 1000000 };
    qv_tokenizer *tok;
    qv_err err;
    char *text = malloc(N), *back;
    int *ids;
    size_t n, size;
    assert_non_null(text);
    for (size_t i = 0; i < N; i++)
        text[i] = "thebread"[i % 8];
    assert_works(qv_tokenizer_open(&tok, "tests/golden/text/tiny_gpt2", &err), &err);
    assert_works(qv_tokenizer_encode(tok, text, N, true, &ids, &n, &err), &err);
    assert_true(n < N);
    assert_works(qv_tokenizer_decode(tok, ids, n, false, &back, &size, &err), &err);
    assert_int_equal(size, N);
    assert_memory_equal(back, text, N);
    free(text);
    free(back);
    free(ids);
    qv_tokenizer_close(tok);
}

static void an_id_out_of_range_is_refused(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "}");
    char *text;
    size_t size;
    qv_err err;
    assert_fails(qv_tokenizer_decode(tok, (int[]){1, 7}, 2, false, &text, &size, &err),
                 QV_EFORMAT, &err, "token 1: id 7 is not in 0..6");
    assert_fails(qv_tokenizer_decode(tok, (int[]){-1}, 1, false, &text, &size, &err),
                 QV_EFORMAT, &err, "token 0: id -1 is not in 0..6");
    qv_tokenizer_close(tok);
}

static void ids_that_only_a_model_has_say_nothing(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "," PIPE "}");
    char *with, *without;
    size_t n_with, n_without;
    qv_err err;
    qv__tokenizer_pad(tok, 9);
    assert_int_equal(qv_tokenizer_size(tok), 7);
    assert_works(
        qv_tokenizer_decode(tok, (int[]){1, 7, 2, 8}, 4, false, &with, &n_with, &err),
        &err);
    assert_works(
        qv_tokenizer_decode(tok, (int[]){1, 2}, 2, false, &without, &n_without, &err),
        &err);
    assert_true(n_without > 0);
    assert_string_equal(with, without);
    free(with), free(without);
    assert_fails(qv_tokenizer_decode(tok, (int[]){9}, 1, false, &with, &n_with, &err),
                 QV_EFORMAT, &err, "token 0: id 9 is not in 0..8");
    qv_tokenizer_close(tok);
}

static void a_text_past_the_limit_is_refused(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL "}");
    int *ids;
    size_t n;
    qv_err err;
    assert_fails(qv_tokenizer_encode(tok, "", SIZE_MAX, true, &ids, &n, &err), QV_ELIMIT,
                 &err, "more than the limit of 1073741824");
    qv_tokenizer_close(tok);
}

static void a_pattern_without_end_is_refused(void **state)
{
    (void)state;
    qv_tokenizer *tok = must_parse("{" MODEL ",\"pre_tokenizer\":{\"type\":\"Split\","
                                   "\"pattern\":{\"Regex\":\"(?:a+a+)+[bd]\"},"
                                   "\"behavior\":\"Isolated\"}}");
    int *ids;
    size_t n;
    qv_err err;
    char text[201];
    memset(text, 'a', 200);
    text[200] = 'c';
    assert_fails(qv_tokenizer_encode(tok, text, 201, true, &ids, &n, &err), QV_ELIMIT, &err,
                 "a pattern gave up on 201 bytes");
    qv_tokenizer_close(tok);
}

/* ---- what a tokenizer.json can get wrong, and our words for it ---- */

#define PRE(json)  "{" MODEL ",\"pre_tokenizer\":" json "}"
#define NORM(json) "{" MODEL ",\"normalizer\":" json "}"
#define UNDO(json) "{" MODEL ",\"decoder\":" json "}"
#define POST(json) "{" MODEL ",\"post_processor\":" json "}"
#define SEQ8(x)                                                                            \
    "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Sequence\",\"normalizers\":[" x   \
    "]}]}"
#define NFC  "{\"type\":\"NFC\"}"
#define NFC8 NFC "," NFC "," NFC "," NFC "," NFC "," NFC "," NFC "," NFC

static const struct {
    const char *json;
    qv_status code;
    const char *says;
} lie[] = {
    {"{", QV_EFORMAT, "not JSON"},
    {"[]", QV_EFORMAT, "not an object"},
    {"{}", QV_EFORMAT, "'model' is not an object"},
    {"{\"model\":{\"type\":1}}", QV_EFORMAT, "model: 'type' is not a string"},
    {"{\"model\":{\"type\":\"WordPiece\"}}", QV_EUNSUPPORTED,
     "model 'WordPiece' is not supported, only BPE and Unigram are"},
    {"{\"model\":{\"type\":\"Unigram\"}}", QV_EFORMAT,
     "model: 'vocab' is not a list of pieces"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"b\"]]}}", QV_EFORMAT,
     "piece 1 is not a string and its score"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"a\",-2]]}}", QV_EFORMAT,
     "token 'a' has two ids, 0 and 1"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":1}}", QV_EFORMAT,
     "model: unk_id is 1 of 1 pieces"},
    {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1]],\"unk_id\":0}}", QV_EFORMAT,
     "the model has no pieces"},
    {NORM("{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"AA*A\"}"), QV_EFORMAT,
     "precompiled_charsmap: not base64 at character 2"},
    {"{\"model\":{\"continuing_subword_prefix\":\"##\"}}", QV_EUNSUPPORTED,
     "model: continuing_subword_prefix is not supported"},
    {"{\"model\":{\"end_of_word_suffix\":\"</w>\"}}", QV_EUNSUPPORTED,
     "model: end_of_word_suffix is not supported"},
    {"{\"model\":{\"dropout\":0.1}}", QV_EUNSUPPORTED, "model: dropout is not supported"},
    {"{\"model\":{}}", QV_EFORMAT, "model: 'vocab' is not an object"},
    {"{\"model\":{\"vocab\":{}}}", QV_EFORMAT, "model: the vocabulary is empty"},
    {"{\"model\":{\"vocab\":{\"a\":\"b\"}}}", QV_EFORMAT,
     "token 'a': the id is not a whole number"},
    {"{\"model\":{\"vocab\":{\"a\":-1}}}", QV_EFORMAT,
     "token 'a': the id is not a whole number"},
    {"{\"model\":{\"vocab\":{\"a\":1026}}}", QV_EFORMAT,
     "token 'a': id 1026 is not below 1026"},
    {"{\"model\":{\"vocab\":{\"a\":1,\"b\":1}}}", QV_EFORMAT,
     "id 1 stands for both 'a' and 'b'"},
    {"{\"model\":{" VOCAB "}}", QV_EFORMAT, "model: 'merges' is not a list"},
    {"{\"model\":{" VOCAB ",\"merges\":[\"ab\"]}}", QV_EFORMAT,
     "merge 0 is not two strings"},
    {"{\"model\":{" VOCAB ",\"merges\":[\"a b c\"]}}", QV_EFORMAT,
     "merge 0 is not two strings"},
    {"{\"model\":{" VOCAB ",\"merges\":[[\"a\",1]]}}", QV_EFORMAT,
     "merge 0 is not two strings"},
    {"{\"model\":{" VOCAB ",\"merges\":[\"x b\"]}}", QV_EFORMAT,
     "merge 0: 'x' is not in the vocabulary"},
    {"{\"model\":{" VOCAB ",\"merges\":[\"a y\"]}}", QV_EFORMAT,
     "merge 0: 'y' is not in the vocabulary"},
    {"{\"model\":{" VOCAB ",\"merges\":[\"b a\"]}}", QV_EFORMAT,
     "merge 0: 'ba' is not in the vocabulary"},
    {"{\"model\":{" VOCAB ",\"merges\":[],\"unk_token\":\"u\"}}", QV_EFORMAT,
     "unk_token 'u' is not in the vocabulary"},
    {"{\"model\":{" VOCAB ",\"merges\":[],\"fuse_unk\":1}}", QV_EFORMAT,
     "'fuse_unk' is neither true nor false"},
    {"{" MODEL ",\"added_tokens\":{}}", QV_EFORMAT, "'added_tokens' is not a list"},
    {"{" MODEL ",\"added_tokens\":[1]}", QV_EFORMAT, "added token 0: not an object"},
    {"{" MODEL ",\"added_tokens\":[{\"id\":1}]}", QV_EFORMAT,
     "added token 0: 'content' is missing"},
    {"{" MODEL ",\"added_tokens\":[{\"content\":\"x\"}]}", QV_EFORMAT,
     "added token 0: 'id' is missing"},
    {"{" MODEL "," ADDED("3", "x", "") "}", QV_EFORMAT, "id 3 stands for both 'c' and 'x'"},
    {"{" MODEL "," ADDED("8", "a", "") "}", QV_EFORMAT, "token 'a' has two ids, 1 and 8"},
    {NORM("1"), QV_EFORMAT, "normalizer: not an object"},
    {NORM("{}"), QV_EFORMAT, "normalizer: has no type"},
    {NORM("{\"type\":\"BertNormalizer\"}"), QV_EUNSUPPORTED,
     "normalizer 'BertNormalizer' is not supported"},
    {NORM("{\"type\":\"Sequence\"}"), QV_EFORMAT,
     "normalizer Sequence: 'normalizers' is not a list"},
    {NORM("{\"type\":\"Prepend\"}"), QV_EFORMAT,
     "normalizer Prepend: 'prepend' is missing"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\"}"), QV_EFORMAT,
     "'pattern' is neither a String nor a Regex"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"String\":\"\"}}"),
     QV_EFORMAT, "a pattern is empty"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"\"}}"),
     QV_EFORMAT, "a pattern is empty"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"(\"}}"),
     QV_EFORMAT, "pattern '(': at 1:"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"[a[b]]\"}}"),
     QV_EUNSUPPORTED, "pattern '[a[b]]': sets in brackets are not supported"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"[\\\\W]\"}}"),
     QV_EUNSUPPORTED, "pattern '[\\W]': \\W in brackets is not supported"},
    {NORM("{\"type\":\"Replace\",\"content\":\"\",\"pattern\":{\"Regex\":\"\\\\C\"}}"),
     QV_EUNSUPPORTED, "pattern '\\C': \\C is not supported"},
    {NORM(SEQ8(SEQ8(SEQ8(SEQ8(SEQ8(NFC)))))), QV_ELIMIT, "more than 8 deep"},
    {NORM("{\"type\":\"Sequence\",\"normalizers\":[" NFC8 "," NFC8 "," NFC8 "," NFC8
          "," NFC8 "," NFC8 "," NFC8 "," NFC8 "," NFC "]}"),
     QV_ELIMIT, "normalizer NFC: more than 64 steps"},
    {PRE("{\"type\":\"UnicodeScripts\"}"), QV_EUNSUPPORTED,
     "pre-tokenizer 'UnicodeScripts' is not supported"},
    {PRE("{\"type\":\"Split\",\"pattern\":{\"String\":\"a\"},\"behavior\":\"Odd\"}"),
     QV_EFORMAT, "pre-tokenizer Split: behavior 'Odd' is unknown"},
    {PRE("{\"type\":\"Metaspace\",\"replacement\":\"_\",\"prepend_scheme\":\"odd\"}"),
     QV_EFORMAT, "pre-tokenizer Metaspace: prepend_scheme 'odd' is unknown"},
    {PRE("{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"ByteLevel\"},"
         "{\"type\":\"Digits\"}]}"),
     QV_EUNSUPPORTED, "pre-tokenizer: a step after ByteLevel is not supported"},
    {UNDO("{\"type\":\"WordPiece\"}"), QV_EUNSUPPORTED,
     "decoder 'WordPiece' is not supported"},
    {UNDO("{\"type\":\"Strip\",\"content\":\"\"}"), QV_EFORMAT,
     "decoder Strip: 'content' is empty"},
    {POST("{}"), QV_EFORMAT, "post-processor: has no type"},
    {POST("{\"type\":\"BertProcessing\"}"), QV_EUNSUPPORTED,
     "post-processor 'BertProcessing' is not supported"},
    {POST("{\"type\":\"TemplateProcessing\"}"), QV_EFORMAT,
     "post-processor: 'single' is not a list"},
    {POST("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}]"
          "}"),
     QV_EFORMAT, "post-processor: token 'x' is not in the vocabulary"},
    {POST("{\"type\":\"Sequence\"}"), QV_EFORMAT,
     "post-processor: 'processors' is not a list"},
};

static void each_lie_of_a_tokenizer_json_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        qv_tokenizer *tok;
        qv_err err;
        assert_fails(parse(&tok, lie[i].json, &err), lie[i].code, &err, lie[i].says);
        assert_null(tok);
    }
}

static void post_processors_too_deep_are_refused(void **state)
{
    (void)state;
    char json[2048] = "{" MODEL ",\"post_processor\":";
    for (int i = 0; i < 10; i++)
        strncat(json, "{\"type\":\"Sequence\",\"processors\":[",
                sizeof json - strlen(json) - 1);
    for (int i = 0; i < 10; i++)
        strncat(json, "]}", sizeof json - strlen(json) - 1);
    strncat(json, "}", sizeof json - strlen(json) - 1);
    qv_tokenizer *tok;
    qv_err err;
    assert_fails(parse(&tok, json, &err), QV_ELIMIT, &err,
                 "post-processor: more than 8 deep");
}

/* ---- files and directories ---- */

static void a_directory_is_read_with_its_configuration(void **state)
{
    qv_tokenizer *tok;
    qv_err err;
    write_text(scratch_path(state, "tokenizer.json"), "{" MODEL "," PIPE "}");
    write_text(
        scratch_path(state, "tokenizer_config.json"),
        "{\"bos_token\":\"a\",\"eos_token\":{\"content\":\"b\"},\"add_bos_token\":true}");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_int_equal(qv_tokenizer_bos(tok), 1);
    assert_int_equal(qv_tokenizer_eos(tok), 2);
    assert_true(qv_tokenizer_adds_bos(tok));
    qv_tokenizer_close(tok);

    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"bos_token\":null,\"add_bos_token\":true}");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_int_equal(qv_tokenizer_bos(tok), -1);
    assert_false(qv_tokenizer_adds_bos(tok));
    qv_tokenizer_close(tok);

    write_text(scratch_path(state, "tokenizer_config.json"), "{\"bos_token\":\"zz\"}");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "bos_token 'zz' is not in the vocabulary");
    write_text(scratch_path(state, "tokenizer_config.json"), "{\"eos_token\":3}");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "'eos_token' is neither a string nor an added token");
    assert_null(tok);
}

static void gpt2s_pair_of_files_is_the_same_tokenizer(void **state)
{
    qv_tokenizer *tok;
    qv_err err;
    write_text(
        scratch_path(state, "vocab.json"),
        "{\"a\":0,\"b\":1,\"ab\":2,\"\u0120\":3,\"\u0120ab\":4,\"<|endoftext|>\":5}");
    write_text(scratch_path(state, "merges.txt"), "#version: 0.2\na b\n\u0120 ab\n");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_ids(tok, "ab ab<|endoftext|>", true, "2 4 5");
    assert_text(tok, (int[]){2, 4, 5}, 3, true, "ab ab");
    assert_int_equal(qv_tokenizer_eos(tok), 5);
    assert_false(qv_tokenizer_adds_bos(tok));
    qv_tokenizer_close(tok);

    write_text(scratch_path(state, "merges.txt"), "#version: 0.2\na b\nab\n");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "merges.txt: line 3 is not two tokens");
    write_text(scratch_path(state, "vocab.json"), "[]");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "vocab.json: not an object");
    write_text(scratch_path(state, "vocab.json"), "[");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "vocab.json: not JSON");
}

static void around_a_pair_of_files_other_files_name_added_tokens(void **state)
{
    qv_tokenizer *tok;
    qv_err err;
    write_text(scratch_path(state, "vocab.json"),
               "{\"a\":0,\"b\":1,\"\u0120\":2,\"<|endoftext|>\":3,\"<p>\":4}");
    write_text(scratch_path(state, "merges.txt"), "");
    write_text(scratch_path(state, "added_tokens.json"), "{\"  \":5,\"<q>\":6}");
    write_text(
        scratch_path(state, "special_tokens_map.json"),
        "{\"pad_token\":\"<p>\",\"additional_special_tokens\":[{\"content\":\"<q>\"}]}");
    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"added_tokens_decoder\":{\"7\":{\"content\":\"<r>\",\"rstrip\":true,"
               "\"special\":true}},\"tokenizer_class\":\"GPT2TokenizerFast\"}");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_ids(tok, "a  b a", true, "0 5 1 2 0");
    assert_ids(tok, "<p><q><r>  a", true, "4 6 7 0");
    assert_false(qv_tokenizer_is_special(tok, 5));
    for (int id = 3; id <= 7; id++)
        assert_int_equal(qv_tokenizer_is_special(tok, id), id != 5);
    qv_tokenizer_close(tok);

    write_text(scratch_path(state, "tokenizer_config.json"), "{\"add_prefix_space\":true}");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_ids(tok, "a", true, "2 0");
    qv_tokenizer_close(tok);
}

static void how_a_pair_of_files_cuts_text_is_never_guessed(void **state)
{
    qv_tokenizer *tok;
    qv_err err;
    write_text(scratch_path(state, "vocab.json"), "{\"1\":0,\"11\":1,\"\u00e9\":2}");
    write_text(scratch_path(state, "merges.txt"), "1 1\n");
    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    assert_works(qv_tokenizer_open(&tok, *state, &err), &err);
    assert_ids(tok, "11", true, "0 0"); // Qwen's digits stand alone
    qv_tokenizer_close(tok);
    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"tokenizer_class\":\"RobertaTokenizer\"}");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EUNSUPPORTED, &err,
                 "tokenizer_class 'RobertaTokenizer' with vocab.json and merges.txt is not "
                 "supported");
    write_text(scratch_path(state, "tokenizer_config.json"),
               "{\"added_tokens_decoder\":{\"x\":{}}}");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "added token 'x' is not an id and its content");
    write_text(scratch_path(state, "tokenizer_config.json"), "{}");
    write_text(scratch_path(state, "merges.txt"), "1 \xff\n");
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_EFORMAT, &err,
                 "merges.txt: line 1 is not UTF-8");
}

static void a_place_without_a_tokenizer_is_said_to_have_none(void **state)
{
    qv_tokenizer *tok;
    qv_err err;
    assert_fails(qv_tokenizer_open(&tok, *state, &err), QV_ENOTFOUND, &err,
                 "has no tokenizer.json, tokenizer.model or vocab.json with merges.txt");
    assert_fails(qv_tokenizer_open(&tok, scratch_path(state, "x.json"), &err), QV_ENOTFOUND,
                 &err, "x.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_in_order_of_rank),
        cmocka_unit_test(merges_may_be_written_as_pairs),
        cmocka_unit_test(a_piece_that_is_a_token_stays_whole_if_merges_are_ignored),
        cmocka_unit_test(an_unknown_character_is_dropped_where_there_is_no_unknown_token),
        cmocka_unit_test(the_pieces_whose_scores_add_up_to_the_most_are_taken),
        cmocka_unit_test(characters_that_are_no_pieces_are_unknown_together),
        cmocka_unit_test(unknown_neighbours_become_one_token_only_if_fused),
        cmocka_unit_test(special_tokens_are_recognised_only_on_request),
        cmocka_unit_test(an_added_token_that_is_not_special_is_always_recognised),
        cmocka_unit_test(a_single_word_token_needs_its_own_word),
        cmocka_unit_test(an_added_token_may_take_white_space_along),
        cmocka_unit_test(the_longest_of_the_leftmost_added_tokens_counts),
        cmocka_unit_test(a_normalized_token_is_looked_for_in_normalized_text),
        cmocka_unit_test(ids_may_have_holes_which_decode_to_nothing),
        cmocka_unit_test(tokens_are_found_by_their_spelling),
        cmocka_unit_test(a_template_names_bos_and_eos),
        cmocka_unit_test(any_bytes_come_back_from_byte_level_tokens),
        cmocka_unit_test(any_bytes_come_back_from_byte_fallback),
        cmocka_unit_test(a_million_letters_without_a_space_are_encoded_in_no_time),
        cmocka_unit_test(an_id_out_of_range_is_refused),
        cmocka_unit_test(ids_that_only_a_model_has_say_nothing),
        cmocka_unit_test(a_text_past_the_limit_is_refused),
        cmocka_unit_test(a_pattern_without_end_is_refused),
        cmocka_unit_test(each_lie_of_a_tokenizer_json_has_its_sentence),
        cmocka_unit_test(post_processors_too_deep_are_refused),
        cmocka_unit_test_setup_teardown(a_directory_is_read_with_its_configuration,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(gpt2s_pair_of_files_is_the_same_tokenizer,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(
            around_a_pair_of_files_other_files_name_added_tokens, make_scratch,
            remove_scratch),
        cmocka_unit_test_setup_teardown(how_a_pair_of_files_cuts_text_is_never_guessed,
                                        make_scratch, remove_scratch),
        cmocka_unit_test_setup_teardown(a_place_without_a_tokenizer_is_said_to_have_none,
                                        make_scratch, remove_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
