/* Where the collector writes, and which series. */
#include "base/promql.h"
#include "webhook/endpoint.h"
#include "webhook/sidecar.h"

/* ---- where to ---- */

void sidecar_place(const struct sidecar_request *r, struct sidecar_place *out)
{
    static const struct sidecar_options NONE = {.sigv4 = STR_INIT("auto")};
    const struct sidecar_options *o = r->options != NULL ? r->options : &NONE;
    const struct scale_spec *spec = r->spec;
    struct sidecar_place place = {
        .endpoint = spec->endpoint, .workspace = spec->workspace, .region = spec->region};
    place.own = spec->endpoint.ptr == NULL && spec->workspace.ptr == NULL;
    if (place.own) {
        place.endpoint = o->endpoint;
        place.workspace = o->workspace;
    }
    if (place.region.ptr == NULL) {
        place.region = o->region;
    }
    place.signs =
        place.workspace.ptr != NULL ||
        (place.endpoint.ptr != NULL && endpoint_is_amp(place.endpoint, &(struct str){NULL, 0}));
    if (place.own && str_eq(o->sigv4, STR("on"))) {
        place.signs = true;
    } else if (place.own && str_eq(o->sigv4, STR("off"))) {
        place.signs = false;
    }
    place.role_arn = spec->collector_role_arn;
    if (place.role_arn.ptr == NULL && place.signs) {
        place.role_arn = o->role_arn;
    }
    *out = place;
}

/* ---- which series ---- */

static bool add_selector(struct sidecar_selectors *s, struct str text, size_t *bytes)
{
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->texts[i], text)) {
            return true;
        }
    }
    *bytes += text.len;
    if (s->count == SIDECAR_SELECTORS_MAX || *bytes > SIDECAR_SELECTORS_BYTES) {
        s->why_all = STR("it selects too many");
        return false;
    }
    s->texts[s->count++] = text;
    return true;
}

/* False: all series are to be sent, or (*status) memory failed. */
static bool select_query(struct str query, struct arena *a, struct sidecar_selectors *s,
                         size_t *bytes, int *status, struct err *e)
{
    const struct promql_selector *found;
    struct err why = ERR_INIT;
    size_t count;
    if (promql_selectors(query, a, &found, &count, &why) != 0) {
        *status = why.code == ERR_MEMORY ? err_set(e, ERR_MEMORY, "%s", why.text)
                                         : arena_str(a, str_from(why.text), &s->why_all, e);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct buf text;
        struct str kept;
        buf_init(&text, (size_t)8 * SPEC_QUERY_MAX_BYTES);
        promql_selector_print(&found[i], &text);
        *status = buf_check(&text, e) != 0 ? -1 : arena_str(a, buf_view(&text), &kept, e);
        buf_free(&text);
        if (*status != 0 || !add_selector(s, kept, bytes)) {
            return false;
        }
    }
    return true;
}

int sidecar_select(const struct scale_spec *spec, struct arena *a, struct sidecar_selectors *out,
                   struct err *e)
{
    struct sidecar_selectors s = {.count = 0};
    size_t bytes = 0;
    int status = 0;
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (!select_query(spec->triggers[i].query, a, &s, &bytes, &status, e)) {
            break;
        }
    }
    if (status != 0) {
        return -1;
    }
    if (s.count == 0 && s.why_all.ptr == NULL) {
        s.why_all = STR("it selects none");
    }
    if (s.why_all.ptr != NULL) {
        s.count = 0;
    }
    *out = s;
    return 0;
}
