#include "webhook/replicas.h"

#include "base/num.h"

#define RESTORE_REPLICAS STR(SPEC_PREFIX "restore-replicas")

bool replicas_noted(const struct kv_list *annotations, int32_t *count)
{
    struct str text = kv_get(annotations, STR(SPEC_ORIGINAL_REPLICAS));
    struct err ignored;
    int64_t noted;
    if (num_int(text, 0, INT32_MAX, &noted, &ignored) != 0) {
        return false;
    }
    *count = (int32_t)noted;
    return true;
}

/* An update of one count to another, where there is a place to write a third. */
static bool has_spec(const struct review *r)
{
    const struct json *spec = json_get(r->object.node, STR("spec"));
    return r->operation == REVIEW_UPDATE && r->has_old && spec != NULL && spec->type == JSON_OBJECT;
}

bool replicas_contested(const struct review *r)
{
    return review_concerns_us(r) && has_spec(r) && r->object.replicas != r->old.replicas &&
           spec_wants_scaling(&r->object.annotations) && spec_wants_scaling(&r->old.annotations);
}

enum replicas_change replicas_keep(const struct review *r, const struct scale_spec *spec,
                                   enum scaler_presence scaler, int32_t *count)
{
    bool paused = spec->paused || spec_has(spec, KEY_PAUSED_REPLICAS);
    if (!replicas_contested(r) || !spec->keep_replicas || paused || scaler == SCALER_NONE) {
        return REPLICAS_LEFT;
    }
    *count = r->old.replicas;
    return REPLICAS_KEPT;
}

static bool says(const struct kv_list *annotations, struct str key, bool otherwise)
{
    struct str text = kv_get(annotations, key);
    struct err ignored;
    bool value;
    if (text.ptr == NULL) {
        return otherwise;
    }
    return num_bool(text, &value, &ignored) == 0 && value;
}

enum replicas_change replicas_restore(const struct review *r, const struct kv_list *user,
                                      int32_t *count)
{
    int32_t original;
    if (!has_spec(r) || !spec_wants_scaling(&r->old.annotations) ||
        !says(&r->old.annotations, RESTORE_REPLICAS, false) ||
        !says(user, RESTORE_REPLICAS, true) || r->object.replicas != r->old.replicas ||
        !replicas_noted(&r->old.annotations, &original) || original == r->object.replicas) {
        return REPLICAS_LEFT;
    }
    *count = original;
    return REPLICAS_RESTORED;
}
