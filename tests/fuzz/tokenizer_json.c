/* Whatever the bytes, reading a tokenizer.json returns, and what it makes works. */
#include "fuzz/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    read_and_use(qv__tokenizer_parse_json, bytes, size);
    return 0;
}
