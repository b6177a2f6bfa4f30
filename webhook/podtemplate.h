/* A Deployment's pod template: what of it is ours, what it is without that, and how the patch puts
 * our parts in and takes them out.
 *
 * Ours are one native sidecar and its volumes, by reserved names. The names alone do not make them
 * ours: a record must claim the template (that of the object or of the one it replaces), or the
 * container must run our program. What has such a name otherwise is the user's own and never
 * touched.
 */
#ifndef AMPSCALE_WEBHOOK_PODTEMPLATE_H
#define AMPSCALE_WEBHOOK_PODTEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"
#include "webhook/patch.h"

#define COLLECTOR_CONTAINER "ampscale-collector"
#define COLLECTOR_PROGRAM "/usr/bin/ampscale-collector"

/* Our volumes. */
enum collector_volume {
    VOLUME_VOID,  /* empty, over the path of the app's ServiceAccount token */
    VOLUME_TOKEN, /* the collector's own, for AWS STS */
    VOLUME_CA,    /* certificates to verify the endpoint with */
    VOLUME_COUNT,
};
extern const struct str COLLECTOR_VOLUMES[VOLUME_COUNT];

/* What we put in. */
struct sidecar {
    const struct json *container;
    const struct json *volumes[VOLUME_COUNT]; /* NULL: not needed */
    size_t index;                             /* among the initContainers; larger: at the end */
};

/* An element of a list of the template. */
struct pod_part {
    const struct json *node; /* NULL: there is none */
    size_t index;
};

struct podtemplate {
    const struct json *template_, *spec; /* NULL: none that could be worked on */
    const struct json *inits, *volumes;  /* NULL: no such list */
    struct pod_part container;           /* ours */
    struct pod_part parts[VOLUME_COUNT]; /* ours */
    const char *taken_kind;              /* "container", …: a part of the user's own that has */
    struct str taken;                    /* our name; NULL: none */
};

/* Views into the object's tree. `claimed`: a record says that it wrote the template. */
void podtemplate_read(const struct json *object, bool claimed, struct podtemplate *out);

/* Of all but our parts, whatever the order of members; lists that are empty count as absent. */
uint64_t podtemplate_hash(const struct podtemplate *t);

/* The container of the pod that has this port, by number or by name (absent: none), and the number
 * (0: no port of that name). */
struct str podtemplate_port(const struct podtemplate *t, struct str port, int64_t *number);

/* An annotation of the template; absent: it has none, or one that is no string. */
struct str podtemplate_annotation(const struct podtemplate *t, struct str key);

/* Operations that make our parts be these, or be gone; none where it is so already. */
void podtemplate_put(const struct podtemplate *t, const struct sidecar *s, struct patch *p);
void podtemplate_strip(const struct podtemplate *t, struct patch *p);

#endif
