/* The answer of a kubeconfig's credential plugin: an ExecCredential of
 * client.authentication.k8s.io.
 *
 * Source: k8s.io/client-go pkg/apis/clientauthentication v1 and v1beta1 types.go;
 * plugin/pkg/client/auth/exec/exec.go.
 */
#ifndef AMPSCALE_BASE_EXECCRED_H
#define AMPSCALE_BASE_EXECCRED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

/* A token, or a client certificate with its key, or both. Views into the text or the arena. */
struct exec_credential {
    struct str token;
    struct str cert_pem, key_pem;
    int64_t expires_ms; /* Unix; 0: it does not say */
};

/* True for the versions that we speak. */
bool exec_credential_version(struct str api_version);

/* Errors: ERR_INVALID naming the member, without its value; ERR_LIMIT, ERR_MEMORY. `api_version` is
 * what the kubeconfig asked for. */
int exec_credential_parse(struct str text, struct str api_version, struct arena *a,
                          struct exec_credential *out, struct err *e)
    __attribute__((warn_unused_result));

/* What the plugin is told in $KUBERNETES_EXEC_INFO. */
int exec_credential_info(struct str api_version, struct arena *a, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
