#include "webhook/mutate.h"

#include "base/fmt.h"
#include "base/num.h"
#include "base/spec.h"
#include "webhook/collect.h"
#include "webhook/patch.h"
#include "webhook/record.h"
#include "webhook/replicas.h"

enum {
    RESERVED_COUNT = 3,
    OURS_MAX = KEY_COUNT + RESERVED_COUNT, /* every default, original-replicas, the record */
    PATCH_MAX_BYTES = 2 << 20,
};

static const struct kv MANAGED_LABEL = {STR_INIT(SPEC_LABEL_MANAGED), STR_INIT("true")};

/* One Deployment taken apart: which annotation is whose, and what is to be there. */
struct plan {
    const struct review *review;
    const struct mutate_facts *facts;
    struct arena *arena;
    struct kv *user; /* the user's annotations of the contract */
    size_t user_count;
    struct kv *taken; /* what is there and ours; each is kept only if we write it again */
    size_t taken_count;
    struct kv ours[OURS_MAX]; /* what we write */
    size_t ours_count;
    bool managed; /* the label is to be there */
    enum replicas_change change;
    int32_t replicas; /* to be written, unless they are left */
    struct collect collect;
};

static struct kv_list list_of(const struct kv *items, size_t count)
{
    return (struct kv_list){.items = items, .count = count};
}

/* Names that are ours alone, whatever the record says. */
static bool is_reserved(struct str key)
{
    return str_eq(key, STR(SPEC_INJECTED)) || str_eq(key, STR(SPEC_ORIGINAL_REPLICAS)) ||
           str_eq(key, STR(SPEC_LABEL_MANAGED));
}

/* Step 1: split the annotations of the contract into the user's and what is ours and untouched. */
static int take_back(struct plan *p, struct err *e)
{
    const struct kv_list *all = &p->review->object.annotations;
    struct record record;
    if (record_decode(kv_get(all, STR(SPEC_INJECTED)), p->arena, &record, e) != 0) {
        return -1;
    }
    p->user = arena_array(p->arena, all->count, sizeof(*p->user));
    p->taken = arena_array(p->arena, all->count, sizeof(*p->taken));
    if (p->user == NULL || p->taken == NULL) {
        return arena_err(p->arena, e);
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct kv *item = &all->items[i];
        if (!str_starts(item->key, STR(SPEC_PREFIX))) {
            continue;
        }
        if (is_reserved(item->key) || record_proves(&record, item->key, item->value)) {
            p->taken[p->taken_count++] = *item;
        } else {
            p->user[p->user_count++] = *item;
        }
    }
    return 0;
}

static void write_ours(struct plan *p, struct str key, struct str value)
{
    p->ours[p->ours_count++] = (struct kv){.key = key, .value = value};
}

/* The count when the user's keys first came: as noted in the object, or in the one that it replaces
 * (a replace or a Helm upgrade drops what is not in the manifest), else the count of now. */
static int original_replicas(const struct plan *p, struct str *out, struct err *e)
{
    const struct review *r = p->review;
    int32_t count = r->object.replicas;
    if (!replicas_noted(&r->object.annotations, &count) && r->has_old &&
        spec_wants_scaling(&r->old.annotations)) {
        (void)replicas_noted(&r->old.annotations, &count);
    }
    return arena_format(p->arena, out, e, "%d", count);
}

/* Of the user's keys and values, whatever their order. */
static uint64_t hash_inputs(const struct plan *p)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < p->user_count; i++) {
        uint64_t pair = str_hash(p->user[i].key) * UINT64_C(0x9E3779B97F4A7C15);
        sum += (pair ^ (pair >> 29)) * (str_hash(p->user[i].value) | 1U);
    }
    return sum;
}

/* The defaults that matter to what scales, and the count before it did. */
static int compute_scaling(struct plan *p, const struct scale_spec *spec, struct err *e)
{
    struct str original;
    struct str key;
    struct str value;
    if (original_replicas(p, &original, e) != 0) {
        return -1;
    }
    for (size_t i = 0; spec_default(spec, i, &key, &value); i++) {
        write_ours(p, key, value);
    }
    write_ours(p, STR(SPEC_ORIGINAL_REPLICAS), original);
    p->change = replicas_keep(p->review, spec, p->facts->scaler, &p->replicas);
    return 0;
}

/* That of what was computed so far, if it is anything. */
static int compute_record(struct plan *p, struct err *e)
{
    bool sidecar = p->collect.change == COLLECT_PUT;
    struct str record;
    p->managed = p->ours_count > 0 || sidecar;
    if (!p->managed) {
        return 0;
    }
    const struct record_content content = {
        .inputs = hash_inputs(p),
        .labels = list_of(&MANAGED_LABEL, 1),
        .annotations = list_of(p->ours, p->ours_count),
        .sidecar = sidecar ? &p->collect.sidecar : NULL,
        .template_inputs = p->collect.template_inputs,
    };
    if (record_encode(&content, p->arena, &record, e) != 0) {
        return -1;
    }
    write_ours(p, STR(SPEC_INJECTED), record);
    return 0;
}

static int compute_collector(struct plan *p, const struct scale_spec *spec, struct err *e)
{
    static const struct sidecar_options NONE = {.sigv4 = STR_INIT("auto")};
    const struct sidecar_options *options = p->facts->collector;
    return collect_plan(p->review, spec, options != NULL ? options : &NONE, p->arena, &p->collect,
                        e);
}

/* Step 2: what the user's keys ask for. *unusable: they break the contract; change nothing. */
static int compute(struct plan *p, bool *unusable, struct err *e)
{
    struct kv_list user = list_of(p->user, p->user_count);
    bool scales = spec_wants_scaling(&user);
    bool collects = spec_wants_collector(&user);
    struct scale_spec spec;
    struct complaints complaints = {.count = 0};
    *unusable = false;
    if ((scales || collects) && spec_parse(&user, p->arena, &spec, &complaints, e) != 0) {
        return -1;
    }
    if (!spec_usable(&complaints)) {
        *unusable = true;
        return 0;
    }
    if (!scales) {
        p->change = replicas_restore(p->review, &user, &p->replicas);
    } else if (compute_scaling(p, &spec, e) != 0) {
        return -1;
    }
    return compute_collector(p, collects ? &spec : NULL, e) != 0 ? -1 : compute_record(p, e);
}

static void write_replicas(const struct plan *p, struct patch *patch)
{
    char count[NUM_TEXT_BYTES];
    if (p->change != REPLICAS_LEFT) {
        patch_add_raw(patch, STR("/spec"), STR("replicas"),
                      fmt(count, sizeof(count), "%d", p->replicas));
    }
}

/* Step 3: the difference between what is there and what is to be there. */
static void write_patch(const struct plan *p, struct patch *patch)
{
    const struct json *object = p->review->object.node;
    struct patch_map annotations =
        patch_map_of(object, STR("annotations"), STR("/metadata/annotations"));
    struct patch_map labels = patch_map_of(object, STR("labels"), STR("/metadata/labels"));
    struct kv_list ours = list_of(p->ours, p->ours_count);
    for (size_t i = 0; i < p->taken_count; i++) {
        if (kv_get(&ours, p->taken[i].key).ptr == NULL) {
            patch_map_remove(patch, &annotations, p->taken[i].key);
        }
    }
    for (size_t i = 0; i < p->ours_count; i++) {
        patch_map_set(patch, &annotations, p->ours[i].key, p->ours[i].value);
    }
    if (p->managed) {
        patch_map_set(patch, &labels, MANAGED_LABEL.key, MANAGED_LABEL.value);
    } else {
        patch_map_remove(patch, &labels, MANAGED_LABEL.key);
    }
    switch (p->collect.change) {
    case COLLECT_LEFT: break;
    case COLLECT_PUT: podtemplate_put(&p->collect.pod, &p->collect.sidecar, patch); break;
    case COLLECT_STRIPPED: podtemplate_strip(&p->collect.pod, patch); break;
    }
    write_replicas(p, patch);
}

static int make_patch(const struct plan *p, struct str *out, struct err *e)
{
    struct buf text;
    struct patch patch;
    buf_init(&text, PATCH_MAX_BYTES);
    patch_begin(&patch, &text);
    write_patch(p, &patch);
    struct str document = patch_end(&patch);
    int status = buf_check(&text, e);
    *out = (struct str){NULL, 0};
    if (status == 0 && document.ptr != NULL) {
        status = arena_str(p->arena, document, out, e);
    }
    buf_free(&text);
    return status;
}

static int warn_of_replicas(const struct plan *p, struct verdict *out, struct err *e)
{
    switch (p->change) {
    case REPLICAS_LEFT: return 0;
    case REPLICAS_KEPT:
        return verdict_warn(out, p->arena, e,
                            "replicas stay at %d, as scaled; leave replicas out of the manifest or "
                            "set " SPEC_PREFIX "keep-replicas: \"false\"",
                            p->replicas);
    case REPLICAS_RESTORED:
        return verdict_warn(out, p->arena, e,
                            "replicas go back from %d to %d, as before the annotations "
                            "(" SPEC_PREFIX "restore-replicas)",
                            p->review->object.replicas, p->replicas);
    }
    return 0;
}

static int warn_of_collector(const struct plan *p, struct verdict *out, struct err *e)
{
    if (!p->collect.put_back) {
        return 0;
    }
    return verdict_warn(out, p->arena, e,
                        "the container " COLLECTOR_CONTAINER
                        " is put back as it was: say what it is to be by " SPEC_PREFIX
                        " annotations (collector-cpu, collector-memory, refresh, …)");
}

int mutate(const struct review *r, const struct mutate_facts *facts, struct arena *a,
           struct verdict *out, struct err *e)
{
    struct plan p = {.review = r, .facts = facts, .arena = a};
    struct verdict verdict;
    bool unusable;
    verdict_init(&verdict);
    if (review_concerns_us(r)) {
        if (take_back(&p, e) != 0 || compute(&p, &unusable, e) != 0) {
            return -1;
        }
        if (!unusable &&
            (make_patch(&p, &verdict.patch, e) != 0 || warn_of_replicas(&p, &verdict, e) != 0 ||
             warn_of_collector(&p, &verdict, e) != 0)) {
            return -1;
        }
        verdict.collector = p.collect.outcome;
    }
    *out = verdict;
    return 0;
}
