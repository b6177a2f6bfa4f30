/* Kubernetes clients for badkube.py's scenarios, by way of kubeconfig files in the server's
 * directory. */
#ifndef AMPSCALE_TEST_KUBEFILE_H
#define AMPSCALE_TEST_KUBEFILE_H

#include "net/kube.h"

/* Write a file of the server's directory. */
void kubefile_write(const char *name, const char *text);

/* A client of the scenario; `user` is the user's part in YAML's flow form without braces, or "{}".
 */
struct kube *kubefile_client(const char *scenario, const char *user);

/* A client of the port that wants client certificates, given as "data" or as "files". */
struct kube *kubefile_mtls(const char *form);

#endif
