/* Credentials from a command: kubeconfig's `exec` users, such as `aws eks get-token`.
 *
 * The command is run without a shell, with nothing on its standard input, within a minute and with
 * bounded output; running it blocks the loop, so it is for people's machines, not for pods. Source:
 * client-go plugin/pkg/client/auth/exec, tools/clientcmd/api/v1 types.go ExecConfig.
 */
#ifndef AMPSCALE_NET_KUBE_EXEC_H
#define AMPSCALE_NET_KUBE_EXEC_H

#include "base/execcred.h"
#include "base/json.h"

struct kube_exec {
    char **argv; /* argv[0]: the command, looked up in $PATH when it has no '/' */
    char **envp; /* ours, with the kubeconfig's and $KUBERNETES_EXEC_INFO over it */
    struct str api_version;
    struct str install_hint; /* absent: none */
    int64_t timeout_ms;
};

/* The `exec` of a user in the kubeconfig at `path`, into `a`. Errors name the member. */
int kube_exec_read(const struct json *node, const char *path, struct arena *a,
                   const struct kube_exec **out, struct err *e) __attribute__((warn_unused_result));

/* Run it. Views of *out are in `a`. Errors name the command, what it said on standard error, and
 * its install hint when it is not there. */
int kube_exec_run(const struct kube_exec *x, struct arena *a, struct exec_credential *out,
                  struct err *e) __attribute__((warn_unused_result));

#endif
