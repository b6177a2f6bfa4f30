#include "webhook/podtemplate.h"

#include "base/fmt.h"
#include "base/num.h"

#define POD_SPEC STR("/spec/template/spec")
#define INITS STR("initContainers")
#define VOLUMES STR("volumes")

const struct str COLLECTOR_VOLUMES[VOLUME_COUNT] = {
    [VOLUME_VOID] = STR_INIT("ampscale-collector-void"),
    [VOLUME_TOKEN] = STR_INIT("ampscale-collector-token"),
    [VOLUME_CA] = STR_INIT("ampscale-collector-ca"),
};

/* ---- what is whose ---- */

static const struct json *list_of(const struct json *spec, struct str name)
{
    const struct json *list = json_get(spec, name);
    return list != NULL && list->type == JSON_ARRAY ? list : NULL;
}

/* A list that is there must be one, or nothing can be put into it. */
static bool is_list(const struct json *spec, struct str name)
{
    const struct json *list = json_get(spec, name);
    return list == NULL || list->type == JSON_NULL || list->type == JSON_ARRAY;
}

static bool runs_collector(const struct json *container)
{
    const struct json *command = json_get(container, STR("command"));
    return command != NULL && command->type == JSON_ARRAY &&
           str_eq(json_str(command->child), STR(COLLECTOR_PROGRAM));
}

static void take_name(struct podtemplate *t, const char *kind, struct str name)
{
    if (t->taken_kind == NULL) {
        t->taken_kind = kind;
        t->taken = name;
    }
}

/* The only element of that name; several are nobody's work that we know. */
static struct pod_part find(struct podtemplate *t, const struct json *list, const char *kind,
                            struct str name)
{
    struct pod_part found = {NULL, 0};
    size_t index = 0;
    for (const struct json *i = list != NULL ? list->child : NULL; i != NULL; i = i->next) {
        if (str_eq(json_str(json_get(i, STR("name"))), name)) {
            if (found.node != NULL) {
                take_name(t, kind, name);
            }
            found = (struct pod_part){i, index};
        }
        index++;
    }
    return found;
}

void podtemplate_read(const struct json *object, bool claimed, struct podtemplate *out)
{
    struct podtemplate t = {.template_ = json_path(object, "spec/template")};
    const struct json *spec = json_get(t.template_, STR("spec"));
    bool workable =
        spec != NULL && spec->type == JSON_OBJECT && is_list(spec, INITS) && is_list(spec, VOLUMES);
    if (workable) {
        t.spec = spec;
        t.inits = list_of(spec, INITS);
        t.volumes = list_of(spec, VOLUMES);
    }
    struct pod_part other =
        find(&t, list_of(t.spec, STR("containers")), "container", STR(COLLECTOR_CONTAINER));
    if (other.node != NULL) {
        take_name(&t, "container", STR(COLLECTOR_CONTAINER));
    }
    t.container = find(&t, t.inits, "init container", STR(COLLECTOR_CONTAINER));
    bool ours = claimed || runs_collector(t.container.node);
    if (t.container.node != NULL && !ours) {
        take_name(&t, "init container", STR(COLLECTOR_CONTAINER));
    }
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        t.parts[i] = find(&t, t.volumes, "volume", COLLECTOR_VOLUMES[i]);
        if (t.parts[i].node != NULL && !ours) {
            take_name(&t, "volume", COLLECTOR_VOLUMES[i]);
        }
    }
    if (t.taken_kind != NULL) { /* then nothing of it is touched */
        t.container.node = NULL;
        for (size_t i = 0; i < VOLUME_COUNT; i++) {
            t.parts[i].node = NULL;
        }
    }
    *out = t;
}

/* ---- what it is without us ---- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ (h >> 32)) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

static bool is_ours(const struct podtemplate *t, const struct json *node)
{
    bool ours = node == t->container.node;
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        ours = ours || node == t->parts[i].node;
    }
    return ours;
}

/* 0: as if it were not there. */
static uint64_t hash(const struct podtemplate *t, const struct json *node)
{
    uint64_t sum = 0;
    switch (node->type) {
    case JSON_NULL: return 0;
    case JSON_BOOL: return mix(node->boolean ? 2 : 1);
    case JSON_NUMBER: return mix(str_hash(node->text) + 1) | 1U;
    case JSON_STRING: return mix(str_hash(node->text) + 2) | 1U;
    case JSON_ARRAY:
        for (const struct json *i = node->child; i != NULL; i = i->next) {
            sum = is_ours(t, i) ? sum : mix(sum + 3 + hash(t, i)) | 1U;
        }
        return sum;
    case JSON_OBJECT:
        for (const struct json *i = node->child; i != NULL; i = i->next) {
            uint64_t member = hash(t, i);
            sum += member == 0 ? 0 : mix(str_hash(i->key) ^ mix(member));
        }
        return mix(sum + 4) | 1U;
    }
    return sum;
}

uint64_t podtemplate_hash(const struct podtemplate *t)
{
    return t->template_ == NULL ? 0 : hash(t, t->template_);
}

/* ---- what we ask it ---- */

struct str podtemplate_annotation(const struct podtemplate *t, struct str key)
{
    return json_str(json_get(json_path(t->template_, "metadata/annotations"), key));
}

static const struct json *port_of(const struct json *container, struct str port)
{
    const struct json *ports = list_of(container, STR("ports"));
    for (const struct json *i = ports != NULL ? ports->child : NULL; i != NULL; i = i->next) {
        const struct json *number = json_get(i, STR("containerPort"));
        bool numbered = number != NULL && number->type == JSON_NUMBER && str_eq(number->text, port);
        if (numbered || str_eq(json_str(json_get(i, STR("name"))), port)) {
            return number;
        }
    }
    return NULL;
}

struct str podtemplate_port(const struct podtemplate *t, struct str port, int64_t *number)
{
    const struct json *lists[] = {list_of(t->spec, STR("containers")), t->inits};
    struct err ignored;
    if (num_int(port, 1, 65535, number, &ignored) != 0) {
        *number = 0;
    }
    for (size_t k = 0; k < 2; k++) {
        const struct json *i = lists[k] != NULL ? lists[k]->child : NULL;
        for (; i != NULL; i = i->next) {
            int64_t found;
            if (json_int(port_of(i, port), &found) && found >= 1 && found <= 65535) {
                *number = found;
                return json_str(json_get(i, STR("name")));
            }
        }
    }
    /* A port need not be declared; of one container alone it is clear whose it is. */
    bool only = lists[0] != NULL && lists[0]->count == 1;
    return only ? json_str(json_get(lists[0]->child, STR("name"))) : (struct str){NULL, 0};
}

/* ---- the patch ---- */

static struct str pointer_of(struct str list)
{
    return str_eq(list, INITS) ? STR("/spec/template/spec/initContainers")
                               : STR("/spec/template/spec/volumes");
}

static void replace(struct patch *p, struct str list, const struct pod_part *part,
                    const struct json *node)
{
    char index[NUM_TEXT_BYTES];
    if (!json_equal(part->node, node)) {
        patch_replace_tree(p, pointer_of(list), fmt(index, sizeof(index), "%zu", part->index),
                           node);
    }
}

static void insert(struct patch *p, struct str list, const struct json *in, size_t at,
                   const struct json *node)
{
    char index[NUM_TEXT_BYTES];
    bool inside = in != NULL && at < in->count;
    if (in == NULL) {
        patch_add_raw(p, POD_SPEC, list, STR("[]"));
    }
    patch_add_tree(p, pointer_of(list), inside ? fmt(index, sizeof(index), "%zu", at) : STR("-"),
                   node);
}

static void put_container(const struct podtemplate *t, const struct sidecar *s, struct patch *p)
{
    if (t->container.node != NULL) {
        replace(p, INITS, &t->container, s->container);
    } else {
        insert(p, INITS, t->inits, s->index, s->container);
    }
}

/* Take the parts out, the last first, so that the indices before them stay. */
static void remove_parts(const struct pod_part *const parts[], size_t count, struct str list,
                         struct patch *p)
{
    char index[NUM_TEXT_BYTES];
    const struct pod_part *last = NULL;
    size_t below = SIZE_MAX;
    do {
        last = NULL;
        for (size_t i = 0; i < count; i++) {
            if (parts[i]->index < below && (last == NULL || parts[i]->index > last->index)) {
                last = parts[i];
            }
        }
        if (last != NULL) {
            below = last->index;
            patch_remove(p, pointer_of(list), fmt(index, sizeof(index), "%zu", below));
        }
    } while (last != NULL);
}

/* `wanted` has what is to be there, NULL what is not. */
static void put_volumes(const struct podtemplate *t, const struct json *const wanted[VOLUME_COUNT],
                        struct patch *p)
{
    const struct pod_part *surplus[VOLUME_COUNT];
    const struct json *list = t->volumes;
    const struct json empty = {.type = JSON_ARRAY};
    size_t surplus_count = 0;
    size_t wanted_count = 0;
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        const struct pod_part *part = &t->parts[i];
        wanted_count += wanted[i] != NULL ? 1 : 0;
        if (part->node != NULL && wanted[i] != NULL) {
            replace(p, VOLUMES, part, wanted[i]);
        } else if (part->node != NULL) {
            surplus[surplus_count++] = part;
        }
    }
    if (t->volumes != NULL && wanted_count == 0 && surplus_count > 0 &&
        surplus_count == t->volumes->count) {
        patch_remove(p, POD_SPEC, VOLUMES);
        return;
    }
    remove_parts(surplus, surplus_count, VOLUMES, p);
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        if (wanted[i] != NULL && t->parts[i].node == NULL) {
            insert(p, VOLUMES, list, SIZE_MAX, wanted[i]);
            list = list != NULL ? list : &empty;
        }
    }
}

void podtemplate_put(const struct podtemplate *t, const struct sidecar *s, struct patch *p)
{
    put_container(t, s, p);
    put_volumes(t, s->volumes, p);
}

void podtemplate_strip(const struct podtemplate *t, struct patch *p)
{
    static const struct json *const NOTHING[VOLUME_COUNT] = {NULL};
    const struct pod_part *container = &t->container;
    if (container->node != NULL && t->inits->count == 1) {
        patch_remove(p, POD_SPEC, INITS);
    } else if (container->node != NULL) {
        remove_parts(&container, 1, INITS, p);
    }
    put_volumes(t, NOTHING, p);
}
