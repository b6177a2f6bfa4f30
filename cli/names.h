/* Names from the command line that become part of a path: what the API server would not take as a
 * name is refused before it is asked. */
#ifndef AMPSCALE_CLI_NAMES_H
#define AMPSCALE_CLI_NAMES_H

#include "base/err.h"
#include "base/str.h"

/* "web", "deployment/web", "deploy/web" or "deployment.apps/web" → web, a DNS subdomain. */
int names_deployment(struct str text, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

/* A DNS label. */
int names_namespace(struct str text, struct err *e) __attribute__((warn_unused_result));

#endif
