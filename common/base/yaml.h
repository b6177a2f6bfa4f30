/* YAML by libyaml's event parser, into the same tree as JSON (base/json.h).
 *
 * For kubeconfig, policy files and the `triggers` and `behavior` annotations. Only what those need:
 * one document, block and flow collections, plain and quoted scalars. Anchors, aliases, tags, a
 * second document and duplicate keys are refused, so there is nothing to expand. Plain scalars
 * resolve by YAML 1.2's JSON schema plus Kubernetes' habit: null ~, true false, numbers in JSON's
 * grammar; everything else, `yes` and `on` included, is a string. JSON text parses too, where
 * libyaml reads it: not with escaped surrogate pairs, nor with names over 1,024 bytes.
 */
#ifndef AMPSCALE_BASE_YAML_H
#define AMPSCALE_BASE_YAML_H

#include "base/json.h"

/* Errors: ERR_INVALID with line and column (1-based) and what is wrong; ERR_LIMIT; ERR_MEMORY.
 * Every string of the tree is copied into the arena. An empty document gives a JSON_NULL node. */
int yaml_parse(struct str text, const struct json_limits *limits, struct arena *a,
               const struct json **out, struct err *e) __attribute__((warn_unused_result));

#endif
