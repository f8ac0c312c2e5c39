/* gguf_test.c - every rule of the container, every refusal, and the writer. */
#include "format/gguf.h"
#include "format/gguf_write.h"
#include "support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64]; // of this process alone

/* ---- files written out by hand ---- */

#define N4(byte)              byte "\0\0\0"
#define N8(byte)              byte "\0\0\0\0\0\0\0"
#define HEAD(tensors, values) "GGUF" N4("\3") N8(tensors) N8(values)
#define VALUE(kind)           N8("\1") "k" N4(kind)
#define LIST(kind, n)         VALUE("\x9") N4(kind) N8(n)
#define ALIGNMENT             N8("\x11") "general.alignment"
#define NAMED(name)           N8("\1") name
#define ROW(n, type, offset)  N4("\1") N8(n) N4(type) N8(offset)
#define ONE(n, type, offset)  HEAD("\1", "\0") NAMED("w") ROW(n, type, offset)
#define TWO(x, y)                                                                          \
    HEAD("\2", "\0")                                                                       \
    NAMED("a") ROW("\1", "\0", x) NAMED("b") ROW("\1", "\0", y) "padpad"
#define BYTES_32 "0123456789abcdef0123456789abcdef"
#define BIG      "\xff\xff\xff\xff\xff\xff\xff\x7f"

#define LIE(bytes, code, says)                                                             \
    {                                                                                      \
        (bytes), sizeof(bytes) - 1, (code), (says)                                         \
    }

static const struct {
    const char *bytes;
    size_t size;
    qv_status code;
    const char *says;
} lie[] = {
    LIE("", QV_EFORMAT, "0 bytes, too short for a GGUF file"),
    LIE("GGUF\3\0\0\0", QV_EFORMAT, "8 bytes, too short for a GGUF file"),
    LIE("GGML" N4("\3") N8("\0") N8("\0"), QV_EFORMAT, "does not start with 'GGUF'"),
    LIE("GGUF" N4("\0") N8("\0") N8("\0"), QV_EUNSUPPORTED,
        "version 0 of GGUF; 2 and 3 are read"),
    LIE("GGUF" N4("\1") N8("\0") N8("\0"), QV_EUNSUPPORTED,
        "version 1 of GGUF; 2 and 3 are read"),
    LIE("GGUF" N4("\4") N8("\0") N8("\0"), QV_EUNSUPPORTED,
        "version 4 of GGUF; 2 and 3 are read"),
    LIE("GGUF\0\0\0\3" N8("\0") N8("\0"), QV_EUNSUPPORTED,
        "a big-endian file; only little-endian ones are read"),
    /* counts */
    LIE("GGUF" N4("\3") N8("\0") "\1\0\x10\0\0\0\0\0", QV_ELIMIT,
        "1048577 values, more than the limit of 1048576"),
    LIE("GGUF" N4("\3") "\1\0\x10\0\0\0\0\0" N8("\0"), QV_ELIMIT,
        "1048577 tensors, more than the limit of 1048576"),
    LIE(HEAD("\0", "\2") VALUE("\0") "x", QV_EFORMAT, "2 values in 14 bytes"),
    LIE(HEAD("\1", "\0") NAMED("w"), QV_EFORMAT, "1 tensors in 9 bytes"),
    /* keys */
    LIE(HEAD("\0", "\1") N8("\x10") "123456", QV_EFORMAT,
        "value 0: its key runs past the end"),
    LIE(HEAD("\0", "\1") BIG "123456", QV_EFORMAT, "value 0: its key runs past the end"),
    LIE(HEAD("\0", "\2") VALUE("\0") "x" N8("\0") "123456", QV_EFORMAT,
        "value 1: its key is empty"),
    LIE(HEAD("\0", "\1") N8("\1") "\n" N4("\0") "x", QV_EFORMAT,
        "value 0: byte 0x0a in its key is not printable ASCII"),
    LIE(HEAD("\0", "\1") N8("\1") "\xc3" N4("\0") "x", QV_EFORMAT,
        "value 0: byte 0xc3 in its key is not printable ASCII"),
    LIE(HEAD("\0", "\2") VALUE("\0") "x" VALUE("\0") "x", QV_EFORMAT, "'k' is given twice"),
    /* values */
    LIE(HEAD("\0", "\1") N8("\5") "kkkkk"
                                  "\0",
        QV_EFORMAT, "'kkkkk': its type runs past the end"),
    LIE(HEAD("\0", "\1") VALUE("\x9") N4("\0") "\1\0", QV_EFORMAT,
        "'k': the head of its list runs past the end"),
    LIE(HEAD("\0", "\1") VALUE("\xd") "x", QV_EFORMAT, "'k': unknown type 13"),
    LIE(HEAD("\0", "\1") LIST("\xd", "\0"), QV_EFORMAT, "'k': unknown type 13"),
    LIE(HEAD("\0", "\1") LIST("\x9", "\1") N4("\0") N8("\0"), QV_EUNSUPPORTED,
        "'k': a list of lists is not supported"),
    LIE(HEAD("\0", "\1") VALUE("\xa") "1234567", QV_EFORMAT,
        "'k': 1 items of type u64 run past the end"),
    LIE(HEAD("\0", "\1") LIST("\2", "\3") "12345", QV_EFORMAT,
        "'k': 3 items of type u16 run past the end"),
    LIE(HEAD("\0", "\1") VALUE("\x9") N4("\6") BIG "12345678", QV_EFORMAT,
        "'k': 9223372036854775807 items of type f32 run past the end"),
    LIE(HEAD("\0", "\1") VALUE("\x8") N8("\3") "ab", QV_EFORMAT,
        "'k': string 0 of 3 bytes runs past the end"),
    LIE(HEAD("\0", "\1") LIST("\x8", "\2") N8("\1") "a" N8("\x9") "b", QV_EFORMAT,
        "'k': string 1 of 9 bytes runs past the end"),
    LIE(HEAD("\0", "\1") VALUE("\x7") "\2", QV_EFORMAT,
        "'k': truth 0 is the byte 0x02, not 0 or 1"),
    LIE(HEAD("\0", "\1") LIST("\x7", "\2") "\1\xff", QV_EFORMAT,
        "'k': truth 1 is the byte 0xff, not 0 or 1"),
    LIE(HEAD("\0", "\1") VALUE("\x8") N8("\3") "a\0b", QV_EFORMAT,
        "'k': the string holds a NUL"),
    LIE(HEAD("\0", "\1") ALIGNMENT N4("\5") N4("\x20"), QV_EFORMAT,
        "'general.alignment' is not of type u32"),
    LIE(HEAD("\0", "\1") ALIGNMENT N4("\x4") N4("\x30"), QV_EFORMAT,
        "'general.alignment' is 48, not a power of two from 8 on"),
    LIE(HEAD("\0", "\1") ALIGNMENT N4("\x4") N4("\4"), QV_EFORMAT,
        "'general.alignment' is 4, not a power of two from 8 on"),
    LIE(HEAD("\0", "\1") ALIGNMENT N4("\x4") N4("\0"), QV_EFORMAT,
        "'general.alignment' is 0, not a power of two from 8 on"),
    /* tensors */
    LIE(HEAD("\1", "\0") N8("\x40") "12345678901234567", QV_EFORMAT,
        "tensor 0: its name runs past the end"),
    LIE(HEAD("\1", "\0") N8("\0") "12345678901234567", QV_EFORMAT,
        "tensor 0: its name is empty"),
    LIE(HEAD("\1", "\0") N8("\x41") BYTES_32 BYTES_32 "x", QV_EFORMAT,
        "tensor 0: a name of 65 bytes, more than the limit of 64"),
    LIE(HEAD("\1", "\0") N8("\3") "a\0b"
                                  "12345678901234",
        QV_EFORMAT, "tensor 0: its name holds a NUL"),
    LIE(HEAD("\1", "\0") N8("\xe") "12345678901234"
                                   "\1\0\0",
        QV_EFORMAT, "tensor '12345678901234': its number of dimensions runs past the end"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\5") N8("\1") N8("\1"), QV_EFORMAT,
        "tensor 'w': 5 dimensions, more than the limit of 4"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\2") N8("\1") "1234", QV_EFORMAT,
        "tensor 'w': its shape runs past the end"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\2") N8("\3") BIG N4("\0") N8("\0"), QV_EFORMAT,
        "tensor 'w': its shape overflows"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\1") "\xff\xff\xff\xff\xff\xff\xff\xff" N4("\0")
            N8("\0"),
        QV_EFORMAT, "tensor 'w': its shape overflows"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\1") BIG N4("\0") N8("\0"), QV_EFORMAT,
        "tensor 'w': its shape overflows"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\1") N8("\1") "\0\0\0", QV_EFORMAT,
        "1 tensors in 24 bytes"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\1") N8("\1") N4("\0") "1234", QV_EFORMAT,
        "tensor 'w': its offset runs past the end"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\2") N8("\1") N8("\1") "\0\0\0", QV_EFORMAT,
        "tensor 'w': its type runs past the end"),
    LIE(ONE("\1", "\x4", "\0"), QV_EUNSUPPORTED, "tensor 'w': unknown type 4"),
    LIE(ONE("\x21", "\x8", "\0"), QV_EFORMAT,
        "tensor 'w': rows of 33 elements are not whole blocks of 32 (Q8_0)"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\0") N4("\2") N8("\0"), QV_EFORMAT,
        "tensor 'w': rows of 1 elements are not whole blocks of 32 (Q4_0)"),
    LIE(HEAD("\1", "\0") NAMED("w") N4("\2") N8("\x10") N8("\2") N4("\2") N8("\0"),
        QV_EFORMAT, "tensor 'w': rows of 16 elements are not whole blocks of 32 (Q4_0)"),
    LIE(ONE("\1", "\0", "\4") "padpadp1234", QV_EFORMAT,
        "tensor 'w': offset 4 is not a multiple of 32"),
    LIE(ONE("\1", "\0", "\0") "padpadp123", QV_EFORMAT,
        "tensor 'w': 4 bytes from 0 on, outside the 3 of data"),
    LIE(ONE("\1", "\0", "\0"), QV_EFORMAT,
        "tensor 'w': 4 bytes from 0 on, outside the 0 of data"),
    LIE(ONE("\1", "\0", "\x40") "padpadp" BYTES_32, QV_EFORMAT,
        "tensor 'w': 4 bytes from 64 on, outside the 32 of data"),
    LIE(ONE("\1", "\0", "\x20") "padpadp" BYTES_32 BYTES_32, QV_EFORMAT,
        "tensor 'w': 32 bytes before it are no tensor's"),
    LIE(TWO("\0", "\0") BYTES_32, QV_EFORMAT, "tensor 'b': overlaps 'a'"),
    LIE(TWO("\0", "\x40") BYTES_32 BYTES_32 BYTES_32, QV_EFORMAT,
        "tensor 'b': 32 bytes before it are no tensor's"),
    LIE(HEAD("\2", "\0") NAMED("w") ROW("\1", "\0", "\0") NAMED("w")
            ROW("\1", "\0", "\x20") "padpad" BYTES_32 BYTES_32,
        QV_EFORMAT, "tensor 'w' is given twice"),
};

/* Reading past the end of an exact copy is for the sanitizer to see. */
static char *exact_copy(const char *bytes, size_t size)
{
    char *exact = malloc(qv__max(size, 1));
    assert_non_null(exact);
    memcpy(exact, bytes, size);
    return exact;
}

static void each_lie_has_its_sentence(void **state)
{
    (void)state;
    for (size_t i = 0; i < QV_COUNT(lie); i++) {
        char *bytes = exact_copy(lie[i].bytes, lie[i].size);
        struct qv_gguf g;
        qv_err err = {0};
        qv_status result = qv__gguf_parse(&g, bytes, lie[i].size, &err);
        assert_string_equal(err.msg, lie[i].says);
        assert_int_equal(result, lie[i].code);
        assert_null(g.value);
        free(bytes);
    }
}

static void a_key_longer_than_the_limit_is_refused(void **state)
{
    (void)state;
    static const char head[] = HEAD("\0", "\1") "\0\0\1\0\0\0\0\0"; // 65536
    size_t size = sizeof head - 1 + 65536 + 8;
    char *bytes = calloc(1, size);
    assert_non_null(bytes);
    memcpy(bytes, head, sizeof head - 1);
    memset(bytes + sizeof head - 1, 'k', 65536);
    struct qv_gguf g;
    qv_err err;
    assert_int_equal(qv__gguf_parse(&g, bytes, size, &err), QV_EFORMAT);
    assert_string_equal(err.msg,
                        "value 0: a key of 65536 bytes, more than the limit of 65535");
    free(bytes);
}

static void the_smallest_file_is_its_head(void **state)
{
    (void)state;
    struct qv_gguf g;
    assert_int_equal(qv__gguf_parse(&g, HEAD("\0", "\0"), 24, NULL), QV_OK);
    assert_int_equal(g.n, 0);
    assert_int_equal(g.version, 3);
    assert_int_equal(g.alignment, 32);
    assert_null(qv__gguf_find(&g, "w"));
    assert_null(qv__gguf_get(&g, "k"));
    qv__gguf_close(&g);
    qv__gguf_close(NULL);
}

static void
tensors_may_be_in_any_order_empty_scalar_or_of_a_type_not_computed_with(void **state)
{
    (void)state;
    static const char file[] = "GGUF" N4("\2") N8("\5") N8("\0")               //  24
        NAMED("b") ROW("\1", "\0", "\x20")                                     // + 33
        NAMED("a") N4("\2") N8("\2") N8("\3") N4("\1") N8("\0")                // + 41
        NAMED("e") N4("\2") N8("\0") N8("\7") N4("\0") N8("\x20")              // + 41
        NAMED("s") N4("\0") N4("\x18") N8("\x40")                              // + 25
        NAMED("i") ROW("\x20", "\x14", "\x60") "pad4567890123456789012345678"; // + 33 = 197
    char bytes[224 + 114];
    memset(bytes, 7, sizeof bytes);
    memcpy(bytes, file, sizeof file - 1);
    struct qv_gguf g;
    qv_err err = {0};
    qv_status result = qv__gguf_parse(&g, bytes, sizeof bytes, &err);
    assert_string_equal(err.msg, "");
    assert_int_equal(result, QV_OK);
    assert_int_equal(g.version, 2);
    const struct qv_gguf_tensor *a = qv__gguf_find(&g, "a");
    assert_ptr_equal(a, &g.tensor[1]);
    assert_int_equal(a->shape[0], 3);
    assert_int_equal(a->shape[1], 2);
    assert_int_equal(a->bytes, 12);
    assert_ptr_equal(a->data, bytes + 224);
    assert_ptr_equal(qv__gguf_find(&g, "b")->data, bytes + 256);
    assert_int_equal(qv__gguf_find(&g, "e")->bytes, 0);
    assert_int_equal(qv__gguf_find(&g, "s")->n, 1);
    assert_string_equal(qv__gguf_find(&g, "i")->type->name, "IQ4_NL");
    assert_false(qv__gguf_find(&g, "i")->type->computes);
    qv__gguf_close(&g);
}

/* ---- values ---- */

static void every_kind_of_value_that_the_gguf_package_wrote_is_read(void **state)
{
    (void)state;
    struct qv_gguf g;
    qv_err err;
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/kinds.gguf", &err), QV_OK);
    static const struct {
        const char *key;
        int64_t is;
    } whole[] = {{"u8", 200},          {"i8", -100},        {"u16", 60000},
                 {"i16", -30000},      {"u32", 4000000000}, {"i32", -2000000000},
                 {"i64", -(1ll << 62)}};
    for (size_t i = 0; i < QV_COUNT(whole); i++) {
        int64_t x = 0;
        assert_int_equal(qv__gguf_int(&g, whole[i].key, &x, &err), QV_OK);
        assert_int_equal(x, whole[i].is);
    }
    float f = 0, d = 0;
    assert_int_equal(qv__gguf_float(&g, "f32", &f, &err), QV_OK);
    assert_int_equal(qv__gguf_float(&g, "f64", &d, &err), QV_OK);
    assert_true(f == 0.1f && d == 0.1f);
    assert_true(qv__gguf_float_at(qv__gguf_get(&g, "f64"), 0) == 0.1);
    bool yes = false, no = true;
    assert_int_equal(qv__gguf_bool(&g, "yes", &yes, &err), QV_OK);
    assert_int_equal(qv__gguf_bool(&g, "no", &no, &err), QV_OK);
    assert_true(yes && !no);
    const char *text = NULL;
    size_t size = 0;
    assert_int_equal(qv__gguf_str(&g, "string", &text, &err), QV_OK);
    assert_int_equal(qv__gguf_size(&g, "u32", &size, &err), QV_OK);
    assert_string_equal(text, "d\xc3\xa9j\xc3\xa0 vu");
    assert_int_equal(size, 4000000000);
    qv__gguf_close(&g);
}

static void lists_are_read_where_they_lie(void **state)
{
    (void)state;
    struct qv_gguf g;
    qv_err err;
    const struct qv_gguf_value *v = NULL;
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/kinds.gguf", &err), QV_OK);
    assert_int_equal(qv__gguf_list(&g, "strings", QV_GGUF_STR, &v, &err), QV_OK);
    static const char *const is[] = {"a", "", "\xe2\x96\x81the"};
    const char *at = v->data;
    assert_int_equal(v->n, 3);
    for (size_t i = 0; i < 3; i++) {
        struct qv_gguf_str s = qv__gguf_next(&at);
        assert_int_equal(s.n, strlen(is[i]));
        assert_memory_equal(s.at, is[i], s.n);
    }
    assert_int_equal(qv__gguf_list(&g, "ints", QV_GGUF_I64, &v, &err), QV_OK);
    assert_true(v->n == 3 && qv__gguf_int_at(v, 0) == -1 && qv__gguf_int_at(v, 2) == 7);
    assert_int_equal(qv__gguf_list(&g, "floats", QV_GGUF_F64, &v, &err), QV_OK);
    assert_true(v->n == 2 && qv__gguf_float_at(v, 0) == 0.5 &&
                qv__gguf_float_at(v, 1) == -2);
    assert_int_equal(qv__gguf_list(&g, "bools", QV_GGUF_BOOL, &v, &err), QV_OK);
    assert_true(v->n == 3 && qv__gguf_int_at(v, 0) == 1 && qv__gguf_int_at(v, 1) == 0);
    qv__gguf_close(&g);
}

static void a_missing_key_leaves_the_answer_alone(void **state)
{
    (void)state;
    struct qv_gguf g;
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/kinds.gguf", NULL), QV_OK);
    int64_t i = 5;
    size_t size = 6;
    float f = 7;
    bool b = true;
    const char *s = "s";
    const struct qv_gguf_value *v = NULL;
    assert_int_equal(qv__gguf_int(&g, "none", &i, NULL), QV_OK);
    assert_int_equal(qv__gguf_size(&g, "none", &size, NULL), QV_OK);
    assert_int_equal(qv__gguf_float(&g, "none", &f, NULL), QV_OK);
    assert_int_equal(qv__gguf_bool(&g, "none", &b, NULL), QV_OK);
    assert_int_equal(qv__gguf_str(&g, "none", &s, NULL), QV_OK);
    assert_int_equal(qv__gguf_list(&g, "none", QV_GGUF_STR, &v, NULL), QV_OK);
    assert_true(i == 5 && size == 6 && f == 7 && b && *s == 's' && !v);
    qv__gguf_close(&g);
}

static void a_value_of_another_type_is_refused_by_its_key(void **state)
{
    (void)state;
    struct qv_gguf g;
    qv_err err;
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/kinds.gguf", &err), QV_OK);
    int64_t i;
    size_t size;
    float f;
    bool b;
    const char *s;
    const struct qv_gguf_value *v;
#define REFUSED(call, says)                                                                \
    do {                                                                                   \
        assert_int_equal((call), QV_EFORMAT);                                              \
        assert_string_equal(err.msg, (says));                                              \
    } while (0)
    REFUSED(qv__gguf_int(&g, "f32", &i, &err), "'f32' is of type f32, not an integer");
    REFUSED(qv__gguf_int(&g, "yes", &i, &err), "'yes' is of type bool, not an integer");
    REFUSED(qv__gguf_int(&g, "ints", &i, &err), "'ints' is a list of i32, not an integer");
    REFUSED(qv__gguf_int(&g, "u64", &i, &err),
            "'u64' holds 9223372036854775808, which is too large");
    REFUSED(qv__gguf_size(&g, "i8", &size, &err), "'i8' is -100, less than 0");
    REFUSED(qv__gguf_size(&g, "string", &size, &err),
            "'string' is of type string, not an integer");
    REFUSED(qv__gguf_float(&g, "u8", &f, &err), "'u8' is of type u8, not a float");
    REFUSED(qv__gguf_bool(&g, "bools", &b, &err), "'bools' is a list of bool, not a bool");
    REFUSED(qv__gguf_str(&g, "strings", &s, &err),
            "'strings' is a list of string, not a string");
    REFUSED(qv__gguf_list(&g, "string", QV_GGUF_STR, &v, &err),
            "'string' is of type string, not a list of strings");
    REFUSED(qv__gguf_list(&g, "ints", QV_GGUF_F64, &v, &err),
            "'ints' is a list of i32, not a list of floats");
    REFUSED(qv__gguf_list(&g, "floats", QV_GGUF_I64, &v, &err),
            "'floats' is a list of f32, not a list of integers");
    REFUSED(qv__gguf_list(&g, "ints", QV_GGUF_BOOL, &v, &err),
            "'ints' is a list of i32, not a list of bools");
    qv__gguf_close(&g);
    static const char large[] = HEAD("\0", "\1") LIST("\xa", "\1") "\0\0\0\0\0\0\0\x80";
    assert_int_equal(qv__gguf_parse(&g, large, sizeof large - 1, NULL), QV_OK);
    REFUSED(qv__gguf_list(&g, "k", QV_GGUF_I64, &v, &err),
            "'k' holds 9223372036854775808, which is too large");
    qv__gguf_close(&g);
}

static void a_missing_file_and_an_empty_one_are_refused_by_name(void **state)
{
    (void)state;
    struct qv_gguf g;
    qv_err err;
    assert_int_equal(qv__gguf_open(&g, "/nowhere/x.gguf", &err), QV_ENOTFOUND);
    assert_string_equal(err.msg, "/nowhere/x.gguf: No such file or directory");
    assert_int_equal(qv__write_file(path, "", 0, NULL), QV_OK);
    assert_int_equal(qv__gguf_open(&g, path, &err), QV_EFORMAT);
    assert_memory_equal(err.msg, path, strlen(path));
    assert_string_equal(err.msg + strlen(path), ": 0 bytes, too short for a GGUF file");
    unlink(path);
}

static void vocabularies_that_llama_cpp_ships_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t n;
    } file[] = {{"gpt-2", 50257}, {"llama-spm", 32000}, {"phi-3", 32064}};
    for (size_t i = 0; i < QV_COUNT(file); i++) {
        char name[128];
        snprintf(name, sizeof name,
                 "../shared/data/tokenizers/llama.cpp/ggml-vocab-%s.gguf", file[i].name);
        struct qv_gguf g;
        qv_err err;
        if (!qv__is_file(name)) {
            print_message("%s is not there: skipped\n", name);
            continue;
        }
        const struct qv_gguf_value *tokens = NULL;
        assert_int_equal(qv__gguf_open(&g, name, &err), QV_OK);
        assert_int_equal(
            qv__gguf_list(&g, "tokenizer.ggml.tokens", QV_GGUF_STR, &tokens, &err), QV_OK);
        assert_int_equal(tokens->n, file[i].n);
        qv__gguf_close(&g);
    }
}

/* ---- the writer ---- */

static struct qv_gguf_tensor_out as_out(const struct qv_gguf_tensor *t)
{
    struct qv_gguf_tensor_out out = {
        .name = t->name, .type = t->type, .rank = t->rank, .data = t->data};
    memcpy(out.shape, t->shape, sizeof out.shape);
    return out;
}

static void the_writer_makes_the_bytes_of_the_gguf_package(void **state)
{
    (void)state;
    struct qv_gguf g;
    qv_err err = {0};
    assert_int_equal(qv__gguf_open(&g, "tests/golden/gguf/blocks.gguf", &err), QV_OK);
    struct qv_gguf_tensor_out tensor[32];
    assert_true(g.n > 0 && g.n <= QV_COUNT(tensor));
    for (size_t i = 0; i < g.n; i++)
        tensor[i] = as_out(&g.tensor[i]);
    struct qv_gguf_meta meta = {0};
    qv__gguf_put_str(&meta, "general.architecture", "none");
    assert_int_equal(qv__gguf_write(path, &meta, tensor, g.n, NULL, NULL, &err), QV_OK);
    qv__gguf_meta_free(&meta);
    qv__gguf_close(&g);
    assert_same_bytes(path, "tests/golden/gguf/blocks.gguf");
    unlink(path);
}

static qv_status make_data(void *arg, size_t i, struct qv_out *out, qv_err *err)
{
    const float x[3] = {(float)i, 1, 2};
    return *(bool *)arg ? qv_fail(err, QV_ECANCEL, "tensor %zu gave up", i)
                        : qv__out_write(out, x, sizeof x, err);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    const struct qv_gguf_str strings[] = {{"a\0b", 3}, {"", 0}};
    const int32_t ints[] = {-3, 4};
    const float floats[] = {0.5f};
    struct qv_gguf_meta meta = {0};
    qv__gguf_put_u32(&meta, "u32", 4000000000u);
    qv__gguf_put_f32(&meta, "f32", -0.25f);
    qv__gguf_put_bool(&meta, "bool", true);
    qv__gguf_put_str(&meta, "str", "text");
    qv__gguf_put_str(&meta, "empty", "");
    qv__gguf_put_strs(&meta, "strs", strings, 2);
    qv__gguf_put_i32s(&meta, "ints", ints, 2);
    qv__gguf_put_f32s(&meta, "floats", floats, 1);
    qv__gguf_put_i32s(&meta, "none", NULL, 0);
    const struct qv_block_type *f32 = qv__block(QV_BLOCK_F32);
    const struct qv_gguf_tensor_out tensor[] = {
        {.name = "x", .type = f32, .rank = 1, .shape = {3}},
        {.name = "y", .type = f32, .rank = 2, .shape = {1, 3}},
    };
    bool fails = false;
    qv_err err;
    assert_int_equal(qv__gguf_write(path, &meta, tensor, 2, make_data, &fails, &err),
                     QV_OK);
    struct qv_gguf g;
    assert_int_equal(qv__gguf_open(&g, path, &err), QV_OK);
    size_t u32 = 0;
    float f = 0;
    const struct qv_gguf_value *v = NULL;
    assert_int_equal(qv__gguf_size(&g, "u32", &u32, &err), QV_OK);
    assert_int_equal(qv__gguf_float(&g, "f32", &f, &err), QV_OK);
    assert_true(u32 == 4000000000u && f == -0.25f);
    assert_int_equal(qv__gguf_get(&g, "bool")->kind, QV_GGUF_BOOL);
    assert_string_equal(qv__gguf_get(&g, "str")->text, "text");
    assert_string_equal(qv__gguf_get(&g, "empty")->text, "");
    assert_int_equal(qv__gguf_list(&g, "strs", QV_GGUF_STR, &v, &err), QV_OK);
    const char *at = v->data;
    assert_memory_equal(qv__gguf_next(&at).at, "a\0b", 3);
    assert_int_equal(qv__gguf_next(&at).n, 0);
    assert_int_equal(qv__gguf_int_at(qv__gguf_get(&g, "ints"), 0), -3);
    assert_true(qv__gguf_float_at(qv__gguf_get(&g, "floats"), 0) == 0.5);
    assert_int_equal(qv__gguf_get(&g, "none")->n, 0);
    assert_int_equal(qv__gguf_find(&g, "y")->rank, 2);
    assert_int_equal(qv__gguf_find(&g, "y")->shape[1], 3);
    assert_true(*(const float *)qv__gguf_find(&g, "y")->data == 1);
    qv__gguf_close(&g);
    unlink(path);

    fails = true;
    assert_int_equal(qv__gguf_write(path, &meta, tensor, 2, make_data, &fails, &err),
                     QV_ECANCEL);
    assert_string_equal(err.msg, "tensor 0 gave up");
    assert_int_not_equal(access(path, F_OK), 0);
    qv__gguf_meta_free(&meta);
}

static void the_writer_refuses_two_tensors_of_one_name(void **state)
{
    (void)state;
    const float x = 1;
    const struct qv_block_type *f32 = qv__block(QV_BLOCK_F32);
    const struct qv_gguf_tensor_out tensor[] = {{.name = "w", .type = f32, .data = &x},
                                                {.name = "w", .type = f32, .data = &x}};
    struct qv_gguf_meta meta = {0};
    qv_err err;
    assert_int_equal(qv__gguf_write(path, &meta, tensor, 2, NULL, NULL, &err), QV_EFORMAT);
    assert_string_equal(err.msg + strlen(path), ": tensor 'w' is given twice");
    assert_int_equal(qv__gguf_write("/nowhere/x.gguf", &meta, tensor, 1, NULL, NULL, &err),
                     QV_ENOTFOUND);
    assert_string_equal(err.msg, "/nowhere/x.gguf: No such file or directory");
}

static void the_writer_refuses_values_that_the_reader_would(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"k", "'k' is given twice"},
        {"", "value 1: its key is empty"},
        {"d\303\251j\303\240", "value 1: byte 0xc3 in its key is not printable ASCII"},
    };
    for (size_t i = 0; i < QV_COUNT(bad); i++) {
        struct qv_gguf_meta meta = {0};
        qv_err err;
        qv__gguf_put_u32(&meta, "k", 1);
        qv__gguf_put_str(&meta, bad[i][0], "x");
        assert_int_equal(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err),
                         QV_EFORMAT);
        assert_string_equal(err.msg + strlen(path) + 2, bad[i][1]);
        assert_int_not_equal(access(path, F_OK), 0);
        qv__gguf_meta_free(&meta);
    }
}

static void values_without_memory_are_reported_when_written(void **state)
{
    (void)state;
    struct qv_gguf_meta meta = {.failed = true};
    qv__gguf_put_u32(&meta, "k", 1);
    qv_err err;
    assert_int_equal(qv__gguf_write(path, &meta, NULL, 0, NULL, NULL, &err), QV_ENOMEM);
    assert_string_equal(err.msg + strlen(path), ": no memory for its header");
    assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
    snprintf(path, sizeof path, "/tmp/quiver-%ld.gguf", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lie_has_its_sentence),
        cmocka_unit_test(a_key_longer_than_the_limit_is_refused),
        cmocka_unit_test(the_smallest_file_is_its_head),
        cmocka_unit_test(
            tensors_may_be_in_any_order_empty_scalar_or_of_a_type_not_computed_with),
        cmocka_unit_test(every_kind_of_value_that_the_gguf_package_wrote_is_read),
        cmocka_unit_test(lists_are_read_where_they_lie),
        cmocka_unit_test(a_missing_key_leaves_the_answer_alone),
        cmocka_unit_test(a_value_of_another_type_is_refused_by_its_key),
        cmocka_unit_test(a_missing_file_and_an_empty_one_are_refused_by_name),
        cmocka_unit_test(vocabularies_that_llama_cpp_ships_are_read),
        cmocka_unit_test(the_writer_makes_the_bytes_of_the_gguf_package),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(the_writer_refuses_two_tensors_of_one_name),
        cmocka_unit_test(the_writer_refuses_values_that_the_reader_would),
        cmocka_unit_test(values_without_memory_are_reported_when_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
