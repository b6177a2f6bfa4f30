/* Certificates and keys out of PEM, by OpenSSL. A library of its own: who makes certificates needs
 * no network.
 */
#ifndef AMPSCALE_NET_PEM_H
#define AMPSCALE_NET_PEM_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/err.h"
#include "base/str.h"

/* ERR_TLS, `what` with OpenSSL's last reason; its queue is empty afterwards. Returns -1. */
int pem_err(struct err *e, const char *what);

/* For PEM_read_bio_…: there is no passphrase. Without it OpenSSL would ask on the terminal. */
int pem_no_passphrase(char *out, int size, int writing, void *context);

/* The first one in the text, to be freed; NULL: there is none, or it is encrypted. */
X509 *pem_certificate(struct str pem);
EVP_PKEY *pem_key(struct str pem);

#endif
