/* safetensors_test.c - every rule of the container, and every refusal. */
#include "format/safetensors.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64]; // of this process alone

static void assert_about_path(const qv_err *err, const char *says)
{
    assert_memory_equal(err->msg, path, strlen(path));
    assert_string_equal(err->msg + strlen(path), says);
}

/* A file of that header and of `body` bytes 0, 1, 2, ... The caller frees it. */
static char *file_of(const char *header, size_t body, size_t *size)
{
    uint64_t n = strlen(header);
    *size = sizeof n + n + body;
    char *bytes = malloc(*size);
    assert_non_null(bytes);
    memcpy(bytes, &n, sizeof n);
    memcpy(bytes + sizeof n, header, n);
    for (size_t i = 0; i < body; i++)
        bytes[sizeof n + n + i] = (char)i;
    return bytes;
}

/* One tensor 'w' over a body of 8 bytes. */
#define W(fields)  "{\"w\":{" fields "}}"
#define F32(shape) "\"dtype\":\"F32\",\"shape\":" shape
#define AT(offs)   ",\"data_offsets\":" offs
#define TWO(a, b)                                                                          \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]" AT(                                           \
        a) "},\"b\":{\"dtype\":\"U8\",\"shape\":[4]" AT(b) "}}"

static const struct {
    const char *header, *says;
} lie[] = {
    {"", "header does not start with '{'"},
    {"[]", "header does not start with '{'"},
    {" {}", "header does not start with '{'"},
    {"{", "header: not JSON: line 1, column 1: string or '}' expected near end of file"},
    {"{}{", "header: not JSON: line 1, column 3: end of file expected near '{'"},
    {"{\"\xff\":1}",
     "header: not JSON: line 1, column 2: unable to decode byte 0xff near '\"'"},
    {"{\"\\ud800\":1}",
     "header: not JSON: line 1, column 9: invalid Unicode '\\uD800' near '\"\\ud800\"'"},
    {"{\"a\\u0000\":1}", "header: not JSON: line 1, column 10: NUL byte in object key not "
                         "supported near '\"a\\u0000\"'"},
    {"{\"__metadata__\":[]}", "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"k\":1}}", "__metadata__: 'k' is not a string"},
    {"{\"w\":[]}", "tensor 'w': not an object"},
    {"{\"w\":{}}", "tensor 'w': dtype is missing or not a string"},
    {W("\"dtype\":3"), "tensor 'w': dtype is missing or not a string"},
    {W("\"dtype\":\"Q9\""), "tensor 'w': unknown dtype 'Q9'"},
    {W("\"dtype\":\"F32\""), "tensor 'w': shape is missing or not a list"},
    {W(F32("2")), "tensor 'w': shape is missing or not a list"},
    {W(F32("[1,1,1,1,1,1,1,1,2]")), "tensor 'w': 9 dimensions, more than the limit of 8"},
    {W(F32("[1,-2]")), "tensor 'w': dimension 1 is not a whole number"},
    {W(F32("[2.0]")), "tensor 'w': dimension 0 is not a whole number"},
    {W(F32("[\"2\"]")), "tensor 'w': dimension 0 is not a whole number"},
    {W(F32("[18446744073709551615,2]")),
     "header: not JSON: line 1, column 49: too big integer near '18446744073709551615'"},
    {W(F32("[1e999]")),
     "header: not JSON: line 1, column 34: real number overflow near '1e999'"},
    {W(F32("[9223372036854775807,3]")), "tensor 'w': shape overflows"},
    {W(F32("[4611686018427387904]")), "tensor 'w': shape overflows"},
    {W("\"dtype\":\"F4\",\"shape\":[3]"),
     "tensor 'w': 3 elements of F4 do not fill whole bytes"},
    {W(F32("[2]")), "tensor 'w': data_offsets is not a pair of whole numbers"},
    {W(F32("[2]") AT("[0]")), "tensor 'w': data_offsets is not a pair of whole numbers"},
    {W(F32("[2]") AT("[0,8,8]")),
     "tensor 'w': data_offsets is not a pair of whole numbers"},
    {W(F32("[2]") AT("[0,8.0]")),
     "tensor 'w': data_offsets is not a pair of whole numbers"},
    {W(F32("[2]") AT("[-8,0]")), "tensor 'w': data_offsets is not a pair of whole numbers"},
    {W(F32("[2]") AT("[0,9223372036854775808]")),
     "header: not JSON: line 1, column 69: too big integer near '9223372036854775808'"},
    {W(F32("[2]") AT("[8,0]")), "tensor 'w': data ends at 0 before it begins at 8"},
    {W(F32("[4]") AT("[0,16]")), "tensor 'w': data ends at 16, outside the file's 8"},
    {W(F32("[2]") AT("[0,9223372036854775807]")),
     "tensor 'w': data ends at 9223372036854775807, outside the file's 8"},
    {W(F32("[3]") AT("[0,8]")), "tensor 'w': data of 8 bytes and shape of 12 disagree"},
    {W(F32("[1]") AT("[4,8]")), "tensor 'w': 4 bytes before it are no tensor's"},
    {W(F32("[1]") AT("[0,4]")), "4 bytes follow the last tensor"},
    {"{}", "8 bytes follow the last tensor"},
    {TWO("[0,4]", "[3,7]"), "tensor 'b': overlaps 'a' by 1 bytes"},
    {TWO("[0,4]", "[0,4]"), "tensor 'b': overlaps 'a' by 4 bytes"},
    {"{\"w\":{" F32("[2]") AT("[0,8]") "},\"w\":{" F32("[2]") AT("[0,8]") "}}",
     "header: not JSON: line 1, column 57: duplicate object key near '\"w\"'"},
};

static void each_lie_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        size_t size;
        char *bytes = file_of(lie[i].header, 8, &size);
        struct qv_st st;
        qv_err err = {0};
        assert_int_equal(qv__st_parse(&st, bytes, size, &err), QV_EFORMAT);
        assert_string_equal(err.msg, lie[i].says);
        assert_null(st.tensor);
        free(bytes);
    }
}

static void a_header_longer_than_the_file_or_the_limit_is_refused(void **state)
{
    (void)state;
    struct qv_st st;
    qv_err err;
    assert_int_equal(qv__st_parse(&st, "\1\0\0\0\0\0\0", 7, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "7 bytes, too short for a safetensors file");
    assert_int_equal(qv__st_parse(&st, "\3\0\0\0\0\0\0\0{}", 10, &err), QV_EFORMAT);
    assert_string_equal(err.msg, "header of 3 bytes in a file of 10");
    assert_int_equal(qv__st_parse(&st, "\1\xe1\xf5\5\0\0\0\0{}", 10, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "header of 100000001 bytes, more than the limit of 100000000");
    assert_int_equal(qv__st_parse(&st, "\xff\xff\xff\xff\xff\xff\xff\xff{}", 10, &err),
                     QV_EFORMAT);
    assert_string_equal(
        err.msg, "header of 18446744073709551615 bytes, more than the limit of 100000000");
}

static void a_pickle_under_another_name_is_refused(void **state)
{
    (void)state;
    static const char *const begins[] = {"PK\3\4\0\0\0\10", "\x80\2\x8a\nl\xfc\x9c\x46"};
    for (size_t i = 0; i < QV_COUNT(begins); i++) {
        struct qv_st st;
        qv_err err;
        assert_int_equal(qv__st_parse(&st, begins[i], 8, &err), QV_EFORMAT);
        assert_string_equal(err.msg, "a Python pickle, not a safetensors file");
    }
}

static void the_smallest_file_is_an_empty_object(void **state)
{
    (void)state;
    struct qv_st st;
    assert_int_equal(qv__st_parse(&st, "\2\0\0\0\0\0\0\0{}", 10, NULL), QV_OK);
    assert_int_equal(st.n, 0);
    assert_null(qv__st_find(&st, "w"));
    qv__st_close(&st);
}

static void scalars_empty_tensors_and_small_types_are_legal(void **state)
{
    (void)state;
    size_t size;
    char *bytes = file_of("{\"empty\":{" F32("[0,7]") AT("[4,4]") "},\"scalar\":{" F32("[]")
                              AT("[0,4]") "},\"four\":{\"dtype\":\"F4\",\"shape\":[3,2]" AT(
                                  "[4,7]") "},\"f8\":{\"dtype\":\"F8_E4M3\",\"shape\":["
                                           "1]" AT("[7,8]") "}}   ",
                          8, &size);
    struct qv_st st;
    qv_err err = {0};
    assert_int_equal(qv__st_parse(&st, bytes, size, &err), QV_OK);
    assert_int_equal(st.n, 4);
    assert_string_equal(st.tensor[0].name, "scalar");
    assert_string_equal(st.tensor[1].name, "empty");
    assert_string_equal(st.tensor[2].name, "four");
    assert_int_equal(st.tensor[0].n, 1);
    assert_int_equal(st.tensor[1].n, 0);
    assert_int_equal(st.tensor[2].bytes, 3);
    assert_int_equal(st.tensor[2].dtype, QV_DTYPE_OTHER);
    assert_string_equal(qv__st_find(&st, "f8")->dtype_name, "F8_E4M3");
    qv__st_close(&st);
    free(bytes);
}

static void floats_of_every_width_are_read_where_they_lie_unaligned(void **state)
{
    (void)state;
    size_t size;
    char *bytes = file_of(
        "{\"pad\":{\"dtype\":\"U8\",\"shape\":[1]" AT(
            "[0,1]") "},\"h\":{\"dtype\":\"F16\","
                     "\"shape\":[2]" AT("[1,5]") "},\"b\":{\"dtype\":\"BF16\",\"shape\":["
                                                 "2]" AT("[5,9]") "},\"f\":{" F32("[2]")
                                                     AT("[9,17]") "},\"d\":{"
                                                                  "\"dtype\":"
                                                                  "\"F64\","
                                                                  "\"shape\":"
                                                                  "[2]" AT("[17,"
                                                                           "33]") "}}",
        33, &size);
    const double d[2] = {0.1, -3};
    memcpy(bytes + size - 33 + 1, "\0\x3c\0\xc0", 4);
    memcpy(bytes + size - 33 + 5, "\x80\x3f\0\xc0", 4);
    memcpy(bytes + size - 33 + 9, (const float[]){0.25f, -7}, 8);
    memcpy(bytes + size - 33 + 17, d, 16);
    struct qv_st st;
    assert_int_equal(qv__st_parse(&st, bytes, size, NULL), QV_OK);
    float got[8];
    qv__st_f32(got, qv__st_find(&st, "h"), 0, 2);
    qv__st_f32(got + 2, qv__st_find(&st, "b"), 0, 2);
    qv__st_f32(got + 4, qv__st_find(&st, "f"), 0, 2);
    qv__st_f32(got + 6, qv__st_find(&st, "d"), 0, 1);
    qv__st_f32(got + 7, qv__st_find(&st, "d"), 1, 1);
    assert_memory_equal(got, ((const float[]){1, -2, 1, -2, 0.25f, -7, 0.1f, -3}),
                        sizeof got);
    qv__st_close(&st);
    free(bytes);
}

/* golden/recipes/safetensors_mixed.py had the official library write the same. */
static void the_writer_makes_the_bytes_of_the_official_one(void **state)
{
    (void)state;
    const float f[2] = {1, 2};
    const uint16_t h[3] = {0x3c00, 0x4000, 0x4200};
    const int64_t i = 5;
    const uint8_t u[2] = {1, 2};
    const struct qv_tensor_out tensor[] = {
        {.name = "u", .dtype = QV_U8, .rank = 2, .shape = {1, 2}, .data = u},
        {.name = "b", .dtype = QV_F32, .rank = 1, .shape = {1}, .data = f + 1},
        {.name = "a\"\n", .dtype = QV_F32, .rank = 1, .shape = {1}, .data = f},
        {.name = "h", .dtype = QV_F16, .rank = 1, .shape = {2}, .data = h},
        {.name = "bf", .dtype = QV_BF16, .rank = 1, .shape = {1}, .data = h + 2},
        {.name = "empty", .dtype = QV_F32, .rank = 2, .shape = {0, 3}},
        {.name = "i", .dtype = QV_I64, .data = &i},
    };
    const char *const meta[][2] = {{"format", "pt"}};
    qv_err err = {0};
    assert_int_equal(qv__st_write(path, tensor, QV_COUNT(tensor), meta, 1, &err), QV_OK);

    assert_same_bytes(path, "tests/golden/safetensors/mixed.safetensors");
    unlink(path);
}

static void what_is_written_is_read_again_with_its_metadata(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct qv_tensor_out *tensor = calloc(N, sizeof *tensor);
    float *data = calloc(N, sizeof *data);
    char(*name)[16] = calloc(N, sizeof *name);
    assert_true(tensor && data && name);
    for (int i = 0; i < N; i++) {
        snprintf(name[i], sizeof name[i], "t.%d", i);
        data[i] = (float)i;
        tensor[i] = (struct qv_tensor_out){name[i], QV_F32, 1, {1}, &data[i]};
    }
    const char *const meta[][2] = {{"format", "pt"}, {"of", "\xc3\xa9t\xc3\xa9"}};
    assert_int_equal(qv__st_write(path, tensor, N, meta, 2, NULL), QV_OK);
    struct qv_st st;
    assert_int_equal(qv__st_open(&st, path, NULL), QV_OK);
    assert_int_equal(st.n, N);
    assert_string_equal(qv__st_meta(&st, "of"), "\xc3\xa9t\xc3\xa9");
    assert_null(qv__st_meta(&st, "none"));
    for (int i = 0; i < N; i++) {
        float got;
        qv__st_f32(&got, qv__st_find(&st, name[i]), 0, 1);
        assert_true(got == (float)i);
    }
    qv__st_close(&st);
    free(tensor);
    free(data);
    free(name);
    unlink(path);
}

static void the_writer_refuses_what_a_reader_would(void **state)
{
    (void)state;
    const float f = 1;
    const struct qv_tensor_out twice[] = {
        {.name = "w", .dtype = QV_F32, .data = &f},
        {.name = "w", .dtype = QV_F32, .data = &f},
    };
    const struct qv_tensor_out bad[] = {{.name = "\xff", .dtype = QV_F32, .data = &f}};
    const char *const meta[][2] = {{"k", "1"}, {"k", "2"}};
    qv_err err;
    assert_int_equal(qv__st_write(path, twice, 2, NULL, 0, &err), QV_EFORMAT);
    assert_about_path(&err, ": tensor 'w': given twice");
    assert_int_equal(qv__st_write(path, bad, 1, NULL, 0, &err), QV_EFORMAT);
    assert_about_path(&err, ": tensor '\xff': not UTF-8");
    assert_int_equal(qv__st_write(path, twice, 1, meta, 2, &err), QV_EFORMAT);
    assert_about_path(&err, ": metadata 'k': given twice");
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_missing_file_and_an_empty_one_are_refused_by_name(void **state)
{
    (void)state;
    struct qv_st st;
    qv_err err;
    assert_int_equal(qv__st_open(&st, "/nowhere/x.safetensors", &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, "/nowhere/x.safetensors: No such file or directory");
    assert_int_equal(qv__write_file(path, "", 0, NULL), QV_OK);
    assert_int_equal(qv__st_open(&st, path, &err), QV_EFORMAT);
    assert_about_path(&err, ": 0 bytes, too short for a safetensors file");
    unlink(path);
    qv__st_close(NULL);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/quiver-%ld.safetensors", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_has_its_sentence),
        cmocka_unit_test(a_header_longer_than_the_file_or_the_limit_is_refused),
        cmocka_unit_test(a_pickle_under_another_name_is_refused),
        cmocka_unit_test(the_smallest_file_is_an_empty_object),
        cmocka_unit_test(scalars_empty_tensors_and_small_types_are_legal),
        cmocka_unit_test(floats_of_every_width_are_read_where_they_lie_unaligned),
        cmocka_unit_test(the_writer_makes_the_bytes_of_the_official_one),
        cmocka_unit_test(what_is_written_is_read_again_with_its_metadata),
        cmocka_unit_test(the_writer_refuses_what_a_reader_would),
        cmocka_unit_test(a_missing_file_and_an_empty_one_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
