#include "webhook/conflict.h"

#include <stdbool.h>

static const struct str SCALED_OBJECT = STR_INIT("ScaledObject");

/* Absent means Deployment of apps/v1 to KEDA; the HPA has no default and always says it. */
static bool targets(const struct json *item, struct str namespace_, struct str deployment)
{
    const struct json *metadata = json_get(item, STR("metadata"));
    const struct json *target = json_path(item, "spec/scaleTargetRef");
    struct str ns = json_str(json_get(metadata, STR("namespace")));
    struct str kind = json_str(json_get(target, STR("kind")));
    struct str version = json_str(json_get(target, STR("apiVersion")));
    const struct json *deleted = json_get(metadata, STR("deletionTimestamp"));
    bool deleting = deleted != NULL && deleted->type != JSON_NULL;
    return !deleting && (ns.len == 0 || str_eq(ns, namespace_)) &&
           (kind.len == 0 || str_eq(kind, STR("Deployment"))) &&
           (version.len == 0 || str_starts(version, STR("apps/"))) &&
           str_eq(json_str(json_get(target, STR("name"))), deployment);
}

static const struct json *first_item(const struct json *list)
{
    const struct json *items = json_get(list, STR("items"));
    return items != NULL && items->type == JSON_ARRAY ? items->child : NULL;
}

/* Name of the ScaledObject that made this HPA; absent when none did. */
static struct str owner_of(const struct json *hpa)
{
    const struct json *owners = json_path(hpa, "metadata/ownerReferences");
    const struct json *owner = owners != NULL && owners->type == JSON_ARRAY ? owners->child : NULL;
    for (; owner != NULL; owner = owner->next) {
        if (str_eq(json_str(json_get(owner, STR("kind"))), SCALED_OBJECT)) {
            return json_str(json_get(owner, STR("name")));
        }
    }
    return (struct str){NULL, 0};
}

static struct str name_of(const struct json *item)
{
    return json_str(json_path(item, "metadata/name"));
}

static size_t add(struct autoscaler found, struct autoscaler *out, size_t count, size_t max)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(out[i].kind, found.kind) && str_eq(out[i].name, found.name)) {
            return count;
        }
    }
    if (count < max) {
        out[count++] = found;
    }
    return count;
}

size_t conflict_find(const struct json *hpas, const struct json *scaled_objects,
                     struct str namespace_, struct str deployment, struct autoscaler *out,
                     size_t max)
{
    struct autoscaler keda = {.kind = SCALED_OBJECT, .resource = STR("scaledobject")};
    struct autoscaler hpa = {.kind = STR("HorizontalPodAutoscaler"), .resource = STR("hpa")};
    size_t count = 0;
    for (const struct json *i = first_item(scaled_objects); i != NULL; i = i->next) {
        if (targets(i, namespace_, deployment)) {
            keda.name = name_of(i);
            count = add(keda, out, count, max);
        }
    }
    for (const struct json *i = first_item(hpas); i != NULL; i = i->next) {
        if (targets(i, namespace_, deployment)) {
            hpa.name = name_of(i);
            keda.name = owner_of(i);
            count = add(keda.name.len > 0 ? keda : hpa, out, count, max);
        }
    }
    return count;
}
