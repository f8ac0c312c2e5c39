/* tensors.c - see tensors.h. */
#include "support/tensors.h"
#include "support/near.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *make_tensors(struct qv_st *st, const char *list, int fill)
{
    char header[4096] = "{", *copy = strdup(list), *save = NULL;
    size_t used = 1, at = 0;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        char *shape = strchr(t, ':'), *dtype;
        *shape++ = '\0';
        if ((dtype = strchr(shape, ':')))
            *dtype++ = '\0';
        size_t n = dtype && strstr(dtype, "64") ? 8 : dtype ? 2 : 4;
        char dims[64] = "", *dim_save = NULL;
        for (char *d = strtok_r(shape, "x", &dim_save); d;
             d = strtok_r(NULL, "x", &dim_save)) {
            n *= (size_t)strtoul(d, NULL, 10);
            snprintf(dims + strlen(dims), sizeof dims - strlen(dims), "%s%s",
                     dims[0] ? "," : "", d);
        }
        used += (size_t)snprintf(
            header + used, sizeof header - used,
            "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":"
            "[%zu,%zu]}",
            used > 1 ? "," : "", t, dtype ? dtype : "F32", dims, at, at + n);
        at += n;
    }
    used += (size_t)snprintf(header + used, sizeof header - used, "}");
    uint64_t n = used;
    char *bytes = malloc(8 + used + at);
    assert_true(bytes && used < sizeof header);
    memcpy(bytes, &n, 8);
    memcpy(bytes + 8, header, used);
    memset(bytes + 8 + used, fill, at);
    free(copy);
    qv_err err;
    assert_int_equal(qv__st_parse(st, bytes, 8 + used + at, &err), QV_OK);
    return bytes;
}
