/* openapi.c - what can be asked, as OpenAPI 3.1 has it: openapi.json, which is in the
 * program. tests/unit/openapi_test.c holds it to the table of endpoints and that of names.
 */
#include "server/server.h"

__asm__(".section .rodata\n"
        ".global qv__openapi, qv__openapi_end\n"
        "qv__openapi:\n"
        ".incbin \"src/server/openapi.json\"\n"
        "qv__openapi_end:\n"
        ".byte 0\n"
        ".text\n");

void qv__answer_openapi(struct qv_server *s, struct qv_call *c)
{
    qv__count_reply(s, 200);
    qv__call_reply(c, 200, "application/json", qv__openapi,
                   (size_t)(qv__openapi_end - qv__openapi));
}
