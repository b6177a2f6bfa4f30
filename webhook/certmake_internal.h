/* What certmake.c and certread.c share. Nobody else includes this. */
#ifndef AMPSCALE_WEBHOOK_CERTMAKE_INTERNAL_H
#define AMPSCALE_WEBHOOK_CERTMAKE_INTERNAL_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "webhook/certmake.h"

/* ERR_TLS with OpenSSL's last reason; its queue is empty afterwards. Returns -1. */
int cert_fail(struct err *e, const char *what);

/* The first one in the text, to be freed; NULL: there is none. */
X509 *cert_parse(struct str pem);
EVP_PKEY *cert_parse_key(struct str pem);

bool cert_span_of(const X509 *cert, struct cert_span *out);

#endif
