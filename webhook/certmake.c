#include "webhook/certmake.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include "base/fmt.h"
#include "net/pem.h"
#include "webhook/certmake_internal.h"

enum { SERIAL_BYTES = 16, NAME_BYTES = 64, SECOND_MS = 1000, NAMES_BYTES = 1024 };

/* ---- making ---- */

static bool set_serial(X509 *cert, char hex[2 * SERIAL_BYTES + 1])
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    bytes[0] = (unsigned char)((bytes[0] & 0x3fU) | 0x40U); /* positive, of one length */
    for (size_t i = 0; i < sizeof(bytes); i++) {
        (void)fmt(hex + 2 * i, 3, "%02x", (unsigned)bytes[i]);
    }
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    const bool set =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return set;
}

static bool set_name(X509_NAME *name, const char *common)
{
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1,
                                      -1, 0) == 1;
}

static bool set_span(X509 *cert, int64_t from_ms, int64_t to_ms)
{
    return ASN1_TIME_set(X509_getm_notBefore(cert), from_ms / SECOND_MS) != NULL &&
           ASN1_TIME_set(X509_getm_notAfter(cert), to_ms / SECOND_MS) != NULL;
}

static bool extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    const bool added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool append_certificate(X509 *cert, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    const bool printed = bio != NULL && PEM_write_bio_X509(bio, cert) == 1;
    const long len = printed ? BIO_get_mem_data(bio, &text) : 0;
    buf_append(out, (struct str){text, (size_t)len});
    BIO_free(bio);
    return printed && !out->failed;
}

static bool append_key(EVP_PKEY *key, struct buf *out)
{
    BIO *bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    char *text = NULL;
    const bool printed =
        bio != NULL && PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1;
    const long len = printed ? BIO_get_mem_data(bio, &text) : 0;
    buf_append(out, (struct str){text, (size_t)len});
    BIO_free(bio);
    return printed && !out->failed;
}

struct issue {
    X509 *issuer; /* NULL: signs itself */
    EVP_PKEY *issuer_key;
    const struct cert_service *service; /* NULL: it is a CA */
    int64_t from_ms, to_ms;
};

static bool extend_ca(X509 *cert)
{
    return extend(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           extend(cert, cert, NID_key_usage, "critical,keyCertSign") &&
           extend(cert, cert, NID_subject_key_identifier, "hash");
}

static bool extend_leaf(X509 *cert, const struct issue *i)
{
    char names[NAMES_BYTES];
    const struct str n = i->service->name, ns = i->service->namespace_;
    (void)fmt(names, sizeof(names),
              "DNS:%.*s,DNS:%.*s.%.*s,DNS:%.*s.%.*s.svc,DNS:%.*s.%.*s.svc.cluster.local",
              STR_ARG(n), STR_ARG(n), STR_ARG(ns), STR_ARG(n), STR_ARG(ns), STR_ARG(n),
              STR_ARG(ns));
    return extend(cert, i->issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           extend(cert, i->issuer, NID_key_usage, "critical,digitalSignature") &&
           extend(cert, i->issuer, NID_ext_key_usage, "serverAuth") &&
           extend(cert, i->issuer, NID_subject_key_identifier, "hash") &&
           extend(cert, i->issuer, NID_authority_key_identifier, "keyid:always") &&
           extend(cert, i->issuer, NID_subject_alt_name, names);
}

static bool fill(X509 *cert, EVP_PKEY *key, const struct issue *i)
{
    char serial[2 * SERIAL_BYTES + 1], name[NAME_BYTES];
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert, serial) ||
        !set_span(cert, i->from_ms, i->to_ms) || X509_set_pubkey(cert, key) != 1) {
        return false;
    }
    if (i->service == NULL) {
        (void)fmt(name, sizeof(name), CERT_CA_NAME "%.12s", serial);
        return set_name(X509_get_subject_name(cert), name) &&
               X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 && extend_ca(cert);
    }
    (void)fmt(name, sizeof(name), "%.*s", STR_ARG(i->service->name));
    return set_name(X509_get_subject_name(cert), name) &&
           X509_set_issuer_name(cert, X509_get_subject_name(i->issuer)) == 1 &&
           extend_leaf(cert, i);
}

static int make(const struct issue *i, struct buf *certificate, struct buf *key_out, struct err *e)
{
    X509 *cert = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-256");
    const bool made =
        cert != NULL && key != NULL && fill(cert, key, i) &&
        X509_sign(cert, i->issuer_key != NULL ? i->issuer_key : key, EVP_sha256()) > 0 &&
        append_certificate(cert, certificate) && append_key(key, key_out);
    X509_free(cert);
    EVP_PKEY_free(key);
    return made ? 0 : pem_err(e, "making a certificate");
}

int certmake_ca(int64_t now_ms, int64_t life_ms, struct buf *certificate, struct buf *key,
                struct err *e)
{
    const struct issue i = {.from_ms = now_ms - CERT_BACKDATE_MS, .to_ms = now_ms + life_ms};
    return make(&i, certificate, key, e);
}

int certmake_leaf(struct str ca, struct str ca_key, const struct cert_service *s, int64_t now_ms,
                  int64_t life_ms, struct buf *certificate, struct buf *key, struct err *e)
{
    struct issue i = {.issuer = pem_certificate(ca),
                      .issuer_key = pem_key(ca_key),
                      .service = s,
                      .from_ms = now_ms - CERT_BACKDATE_MS,
                      .to_ms = now_ms + life_ms};
    struct cert_span span;
    int result = -1;
    if (i.issuer == NULL || i.issuer_key == NULL || !cert_span_of(i.issuer, &span)) {
        (void)pem_err(e, "the authority");
    } else {
        i.to_ms = i.to_ms < span.not_after_ms ? i.to_ms : span.not_after_ms;
        result = make(&i, certificate, key, e);
    }
    X509_free(i.issuer);
    EVP_PKEY_free(i.issuer_key);
    return result;
}
