#include "webhook/mutate.h"

#include "base/fmt.h"
#include "base/num.h"
#include "base/spec.h"
#include "webhook/patch.h"
#include "webhook/record.h"
#include "webhook/replicas.h"

enum {
    RESERVED_COUNT = 3,
    OURS_MAX = KEY_COUNT + RESERVED_COUNT, /* every default, original-replicas, the record */
    PATCH_MAX_BYTES = 256 << 10,
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

/* Step 2: what the user's keys ask for. *unusable: they break the contract; change nothing. */
static int compute(struct plan *p, bool *unusable, struct err *e)
{
    struct kv_list user = list_of(p->user, p->user_count);
    *unusable = false;
    if (!spec_wants_scaling(&user)) {
        p->change = replicas_restore(p->review, &user, &p->replicas);
        return 0;
    }
    struct scale_spec spec;
    struct complaints complaints;
    struct str original;
    if (spec_parse(&user, p->arena, &spec, &complaints, e) != 0 ||
        original_replicas(p, &original, e) != 0) {
        return -1;
    }
    if (!spec_usable(&complaints)) {
        *unusable = true;
        return 0;
    }
    struct str key;
    struct str value;
    for (size_t i = 0; spec_default(&spec, i, &key, &value); i++) {
        write_ours(p, key, value);
    }
    write_ours(p, STR(SPEC_ORIGINAL_REPLICAS), original);
    struct kv_list labels = list_of(&MANAGED_LABEL, 1);
    struct kv_list annotations = list_of(p->ours, p->ours_count);
    struct str record;
    if (record_encode(hash_inputs(p), &labels, &annotations, p->arena, &record, e) != 0) {
        return -1;
    }
    write_ours(p, STR(SPEC_INJECTED), record);
    p->managed = true;
    p->change = replicas_keep(p->review, &spec, p->facts->scaler, &p->replicas);
    return 0;
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
            (make_patch(&p, &verdict.patch, e) != 0 || warn_of_replicas(&p, &verdict, e) != 0)) {
            return -1;
        }
    }
    *out = verdict;
    return 0;
}
