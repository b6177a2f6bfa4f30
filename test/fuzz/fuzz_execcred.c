/* exec_credential_parse on any answer: what it takes holds no line of a header's own. */
#include <stdlib.h>
#include <string.h>

#include "base/execcred.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct exec_credential c;
    struct arena arena;
    struct err e = ERR_INIT;

    arena_init(&arena, 16 << 20);
    if (exec_credential_parse(text, STR("client.authentication.k8s.io/v1beta1"), &arena, &c, &e) ==
        0) {
        require(c.token.len > 0 || c.cert_pem.len > 0);
        require((c.cert_pem.len > 0) == (c.key_pem.len > 0) && c.expires_ms >= 0);
        for (size_t i = 0; i < c.token.len; i++) {
            require((unsigned char)c.token.ptr[i] > ' ');
        }
    } else {
        require(e.text[0] != '\0');
    }
    arena_free(&arena);
    return 0;
}
