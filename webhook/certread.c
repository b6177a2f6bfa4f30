#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "base/fmt.h"
#include "net/pem.h"
#include "webhook/certmake_internal.h"

enum { SECOND_MS = 1000, NAME_COUNT = 4, NAME_BYTES = 512, COMMON_BYTES = 65 };

static bool time_of(const ASN1_TIME *t, int64_t *out_ms)
{
    struct tm broken_down;
    if (ASN1_TIME_to_tm(t, &broken_down) != 1) {
        return false;
    }
    *out_ms = (int64_t)timegm(&broken_down) * SECOND_MS;
    return true;
}

bool cert_span_of(const X509 *cert, struct cert_span *out)
{
    return time_of(X509_get0_notBefore(cert), &out->not_before_ms) &&
           time_of(X509_get0_notAfter(cert), &out->not_after_ms);
}

/* ---- a CA ---- */

static bool is_ours(X509 *cert)
{
    char common[COMMON_BYTES] = "";
    return X509_check_ca(cert) == 1 &&
           X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, common,
                                     sizeof(common)) > 0 &&
           str_starts(str_from(common), STR(CERT_CA_NAME));
}

int certread_ca(struct str certificate, struct cert_span *span, unsigned char id[CERT_ID_BYTES],
                struct err *e)
{
    X509 *cert = pem_certificate(certificate);
    struct cert_span read;
    unsigned char digest[EVP_MAX_MD_SIZE];
    int result = -1;
    if (cert == NULL || !cert_span_of(cert, &read) ||
        X509_digest(cert, EVP_sha256(), digest, NULL) != 1) {
        (void)pem_err(e, "ca.crt");
    } else if (!is_ours(cert)) {
        (void)err_set(e, ERR_TLS, "ca.crt: not an authority that was made here");
    } else {
        *span = read;
        for (size_t i = 0; i < CERT_ID_BYTES; i++) {
            id[i] = digest[i];
        }
        result = 0;
    }
    ERR_clear_error();
    X509_free(cert);
    return result;
}

/* ---- keys ---- */

static int check_key(X509 *cert, struct str pem, struct err *e)
{
    EVP_PKEY *key = pem_key(pem);
    int result = 0;
    if (key == NULL) {
        result = pem_err(e, "the key");
    } else if (X509_check_private_key(cert, key) != 1) {
        ERR_clear_error();
        result = err_set(e, ERR_TLS, "the key does not belong to the certificate");
    }
    EVP_PKEY_free(key);
    return result;
}

int certread_key(struct str certificate, struct str key, struct err *e)
{
    X509 *cert = pem_certificate(certificate);
    const int result = cert != NULL ? check_key(cert, key, e) : pem_err(e, "the certificate");
    X509_free(cert);
    return result;
}

/* ---- a leaf ---- */

static bool is_dns(const GENERAL_NAME *name, const char *want)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    return type == GEN_DNS &&
           str_eq(str_from(want), (struct str){(const char *)ASN1_STRING_get0_data(value),
                                               (size_t)ASN1_STRING_length(value)});
}

/* Exactly these, in the order in which they are made. */
static bool has_names(X509 *cert, const struct cert_service *s)
{
    static const char *const DOMAINS[NAME_COUNT] = {"", "", ".svc", ".svc.cluster.local"};
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool all = sk_GENERAL_NAME_num(names) == NAME_COUNT;
    for (int i = 0; all && i < NAME_COUNT; i++) {
        char want[NAME_BYTES];
        (void)fmt(want, sizeof(want), "%.*s%s%.*s%s", STR_ARG(s->name), i == 0 ? "" : ".",
                  i == 0 ? 0 : (int)s->namespace_.len, s->namespace_.ptr, DOMAINS[i]);
        all = is_dns(sk_GENERAL_NAME_value(names, i), want);
    }
    GENERAL_NAMES_free(names);
    return all;
}

static bool is_signed_by(X509 *cert, struct str ca)
{
    X509 *issuer = pem_certificate(ca);
    const bool is = issuer != NULL && X509_check_issued(issuer, cert) == X509_V_OK &&
                    X509_verify(cert, X509_get0_pubkey(issuer)) == 1;
    X509_free(issuer);
    ERR_clear_error();
    return is;
}

static int check_leaf(X509 *cert, struct str key, const struct cert_service *s, struct err *e)
{
    if (X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0) != 1) {
        return err_set(e, ERR_TLS, "it is not for a server");
    }
    if (!has_names(cert, s)) {
        return err_set(e, ERR_TLS, "it is for other names than %.*s.%.*s.svc's", STR_ARG(s->name),
                       STR_ARG(s->namespace_));
    }
    return check_key(cert, key, e);
}

int certread_leaf(struct str certificate, struct str key, const struct cert_service *s,
                  const struct str *cas, size_t ca_count, struct cert_span *span, size_t *out_ca,
                  struct err *e)
{
    X509 *cert = pem_certificate(certificate);
    struct cert_span read;
    int result = -1;
    if (cert == NULL || !cert_span_of(cert, &read)) {
        (void)pem_err(e, "not a certificate");
    } else if (check_leaf(cert, key, s, e) == 0) {
        size_t i = 0;
        while (i < ca_count && !is_signed_by(cert, cas[i])) {
            i++;
        }
        if (i < ca_count) {
            *span = read;
            *out_ca = i;
            result = 0;
        } else {
            (void)err_set(e, ERR_TLS, "no authority of ours signed it");
        }
    }
    X509_free(cert);
    return result;
}
