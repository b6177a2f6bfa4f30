/* What certmake.c and certread.c share. Nobody else includes this. */
#ifndef AMPSCALE_WEBHOOK_CERTMAKE_INTERNAL_H
#define AMPSCALE_WEBHOOK_CERTMAKE_INTERNAL_H

#include <openssl/x509.h>
#include <stdbool.h>

#include "webhook/certmake.h"

bool cert_span_of(const X509 *cert, struct cert_span *out);

#endif
