/* What the app exposes. prometheus.io/ annotations are a convention of scrape configurations, not
 * an API: they are defaults here, by the same rules as the annotations that they stand in for.
 */
#include "webhook/sidecar.h"

#define PORT_KEY STR("prometheus.io/port")
#define PATH_KEY STR("prometheus.io/path")
#define SCHEME_KEY STR("prometheus.io/scheme")

struct finder {
    const struct sidecar_request *r;
    struct arena *arena;
    struct complaints *wrong;
    struct err *e;
};

__attribute__((format(printf, 4, 5))) static int complain(struct finder *f, enum spec_key key,
                                                          struct str value, const char *format, ...)
{
    struct buf text;
    struct str kept;
    va_list args;
    buf_init(&text, 1024);
    va_start(args, format);
    buf_vformat(&text, format, args);
    va_end(args);
    int status = arena_str(f->arena, buf_view(&text), &kept, f->e);
    buf_free(&text);
    if (status != 0) {
        return -1;
    }
    if (f->wrong->count < COMPLAINTS_MAX) {
        f->wrong->items[f->wrong->count++] =
            (struct complaint){.key = spec_key_name(key), .value = value, .text = kept};
    } else {
        f->wrong->more = true;
    }
    return 0;
}

/* The template's value of `from` into the spec's field of `key`, where the user wrote none. */
static int take_default(struct finder *f, enum spec_key key, struct str from,
                        struct scale_spec *spec)
{
    enum { SHOWN_BYTES = 64 };
    struct str value = podtemplate_annotation(f->r->pod, from);
    if (spec_has(spec, key) || value.ptr == NULL) {
        return 0;
    }
    if (key == KEY_SCRAPE_PATH && !str_starts(value, STR("/")) &&
        arena_format(f->arena, &value, f->e, "/%.*s", STR_ARG(value)) != 0) {
        return -1;
    }
    if (spec_parse_value(key, value, f->arena, spec)) {
        return 0;
    }
    struct str shown = str_slice(value, 0, SHOWN_BYTES);
    return complain(f, key, (struct str){NULL, 0},
                    "missing, and the pod template's %.*s is \"%.*s\": expected %s", STR_ARG(from),
                    STR_ARG(str_is_utf8(shown) ? shown : STR("…")), spec_expected(key));
}

static int find_port(struct finder *f, const struct scale_spec *spec, struct scrape_target *out)
{
    const struct str none = {NULL, 0};
    if (spec->scrape_port.ptr == NULL) {
        return complain(f, KEY_SCRAPE_PORT, none,
                        "missing: expected %s, here or as prometheus.io/port of the pod template",
                        spec_expected(KEY_SCRAPE_PORT));
    }
    out->container = podtemplate_port(f->r->pod, spec->scrape_port, &out->port);
    if (out->port > 0) {
        return 0;
    }
    if (!spec_has(spec, KEY_SCRAPE_PORT)) {
        return complain(f, KEY_SCRAPE_PORT, none,
                        "missing, and the pod template's prometheus.io/port is \"%.*s\": no "
                        "container of it has a port of this name",
                        STR_ARG(spec->scrape_port));
    }
    return complain(f, KEY_SCRAPE_PORT, spec->scrape_port,
                    "no container of the pod template has a port of this name");
}

int scrape_target_find(const struct sidecar_request *r, struct arena *a, struct scrape_target *out,
                       struct complaints *wrong, struct err *e)
{
    struct finder f = {r, a, wrong, e};
    struct scale_spec spec = *r->spec;
    struct scrape_target target = {.port = 0};
    size_t before = wrong->count;
    if (take_default(&f, KEY_SCRAPE_PORT, PORT_KEY, &spec) != 0) {
        return -1;
    }
    if (wrong->count == before && find_port(&f, &spec, &target) != 0) {
        return -1;
    }
    if (take_default(&f, KEY_SCRAPE_PATH, PATH_KEY, &spec) != 0 ||
        take_default(&f, KEY_SCRAPE_SCHEME, SCHEME_KEY, &spec) != 0) {
        return -1;
    }
    target.path = spec.scrape_path;
    target.scheme = spec.scrape_scheme;
    *out = target;
    return 0;
}

static int check_installation(struct finder *f)
{
    const struct sidecar_options *o = f->r->options;
    const struct str none = {NULL, 0};
    struct sidecar_place place;
    sidecar_place(f->r, &place);
    if (o->image.ptr == NULL &&
        complain(f, KEY_COLLECTOR, STR("enabled"),
                 "expected disabled: this installation has no image for a collector (the "
                 "webhook's --collector-image)") != 0) {
        return -1;
    }
    if (place.endpoint.ptr == NULL && place.workspace.ptr == NULL) {
        return complain(f, KEY_WORKSPACE, none,
                        "missing: the collector has nowhere to write: expected %s, or an endpoint, "
                        "here or in the installation",
                        spec_expected(KEY_WORKSPACE));
    }
    if (place.workspace.ptr != NULL && place.region.ptr == NULL) {
        return complain(f, KEY_REGION, none,
                        "missing: expected the workspace's, %s, here or in the installation",
                        spec_expected(KEY_REGION));
    }
    return 0;
}

static bool is_for_windows(const struct podtemplate *pod)
{
    const struct json *selector = json_get(pod->spec, STR("nodeSelector"));
    return str_eq(json_str(json_path(pod->spec, "os/name")), STR("windows")) ||
           str_eq(json_str(json_get(selector, STR("kubernetes.io/os"))), STR("windows"));
}

int sidecar_check(const struct sidecar_request *r, struct arena *a, struct complaints *wrong,
                  struct err *e)
{
    struct finder f = {r, a, wrong, e};
    struct scrape_target ignored;
    if (r->pod->spec == NULL) {
        return 0; /* the API server has a word on that */
    }
    if (r->pod->taken_kind != NULL &&
        complain(&f, KEY_COLLECTOR, STR("enabled"),
                 "the pod template has %s %s %.*s of its own: expected the collector to have that "
                 "name for itself; rename the %s",
                 r->pod->taken_kind[0] == 'i' ? "an" : "a", r->pod->taken_kind,
                 STR_ARG(r->pod->taken), r->pod->taken_kind) != 0) {
        return -1;
    }
    if (is_for_windows(r->pod) &&
        complain(
            &f, KEY_COLLECTOR, STR("enabled"),
            "the pod template is for Windows (os, nodeSelector), and there is no collector for "
            "it: expected disabled") != 0) {
        return -1;
    }
    if (scrape_target_find(r, a, &ignored, wrong, e) != 0) {
        return -1;
    }
    return r->options == NULL ? 0 : check_installation(&f);
}
