#include "webhook/sidecar.h"

#include "base/fmt.h"
#include "base/num.h"

#define TOKEN_DIR "/var/run/secrets/ampscale"
#define TOKEN_FILE TOKEN_DIR "/token"
#define CA_DIR "/etc/ampscale/ca"
#define CA_FILE CA_DIR "/ca.crt"
#define DEFAULT_CPU STR("10m")
#define DEFAULT_MEMORY_REQUEST STR("16Mi")
#define DEFAULT_MEMORY_LIMIT STR("64Mi")

enum {
    CONTAINER_MAX_BYTES = 512 << 10,
    ARGUMENT_MAX_BYTES = 128 << 10,
    TIMEOUT_MS = 10000, /* the collector's own: an interval may be shorter */
    USER_ID = 65532,
    TOKEN_LIFE_S = 3600,
    FILE_MODE = 420, /* 0644 */
};

struct renderer {
    const struct sidecar_request *r;
    struct sidecar_place place;
    struct scrape_target target;
    struct sidecar_selectors selectors;
    struct str url; /* of the target */
    struct json_writer w;
};

/* --flag=value; a '$' of the value is doubled, so that Kubernetes looks for no $(VARIABLE). */
static void put_literal(struct renderer *t, const char *flag, struct str value)
{
    struct buf text;
    buf_init(&text, ARGUMENT_MAX_BYTES);
    buf_append(&text, str_from(flag));
    for (size_t i = 0; i < value.len; i++) {
        buf_append_char(&text, value.ptr[i]);
        if (value.ptr[i] == '$') {
            buf_append_char(&text, '$');
        }
    }
    t->w.out->failed = t->w.out->failed || text.failed;
    json_put_str(&t->w, buf_view(&text));
    buf_free(&text);
}

static void put_given(struct renderer *t, const char *flag, struct str value)
{
    if (value.ptr != NULL) {
        put_literal(t, flag, value);
    }
}

static void put_labels(struct renderer *t)
{
    char port[NUM_TEXT_BYTES];
    char instance[64];
    struct str number = fmt(port, sizeof(port), "%d", (int)t->target.port);
    put_given(t, "--label=job=", t->r->deployment);
    json_put_str(
        &t->w, fmt(instance, sizeof(instance), "--label=instance=$(POD_IP):%.*s", STR_ARG(number)));
    json_put_str(&t->w, STR("--label=namespace=$(POD_NAMESPACE)"));
    json_put_str(&t->w, STR("--label=pod=$(POD_NAME)"));
    put_given(t, "--label=container=", t->target.container);
    json_put_str(&t->w, STR("--label=node=$(NODE_NAME)"));
    put_given(t, "--label=deployment=", t->r->deployment);
}

static void put_series(struct renderer *t)
{
    const struct scale_spec *spec = t->r->spec;
    for (size_t i = 0; i < spec->metric_count; i++) {
        put_literal(t, "--keep=", spec->metrics[i]);
    }
    for (size_t i = 0; i < t->selectors.count; i++) {
        put_literal(t, "--match=", t->selectors.texts[i]);
    }
}

static void put_place(struct renderer *t)
{
    const struct sidecar_options *o = t->r->options;
    put_given(t, "--endpoint=", t->place.endpoint);
    put_given(t, "--workspace=", t->place.workspace);
    put_given(t, "--region=", t->place.region);
    if (t->place.own && !str_eq(o->sigv4, STR("auto"))) {
        put_given(t, "--sigv4=", o->sigv4);
    }
    if (o->ca_configmap.ptr != NULL) {
        json_put_str(&t->w, STR("--ca-file=" CA_FILE));
    }
    if (t->place.role_arn.ptr != NULL) {
        put_literal(t, "--role-arn=", t->place.role_arn);
        json_put_str(&t->w, STR("--web-identity-token-file=" TOKEN_FILE));
        put_given(t, "--sts-endpoint=", o->sts_endpoint);
    }
}

static void put_args(struct renderer *t)
{
    const struct scale_spec *spec = t->r->spec;
    char interval[NUM_TEXT_BYTES];
    struct str every = num_print_duration(spec->scrape_interval_ms, interval);
    json_key(&t->w, STR("args"));
    json_begin_array(&t->w);
    put_literal(t, "--target=", t->url);
    put_literal(t, "--interval=", every);
    if (spec->scrape_interval_ms < TIMEOUT_MS) {
        put_literal(t, "--timeout=", every);
    }
    if (t->target.scheme == SCRAPE_HTTPS) {
        json_put_str(&t->w, STR("--scrape-insecure"));
    }
    put_labels(t);
    put_series(t);
    put_place(t);
    json_end_array(&t->w);
}

static void put_field_env(struct json_writer *w, struct str name, struct str path)
{
    json_begin_object(w);
    json_member_str(w, STR("name"), name);
    json_key(w, STR("valueFrom"));
    json_begin_object(w);
    json_key(w, STR("fieldRef"));
    json_begin_object(w);
    json_member_str(w, STR("apiVersion"), STR("v1"));
    json_member_str(w, STR("fieldPath"), path);
    json_end_object(w);
    json_end_object(w);
    json_end_object(w);
}

/* An empty value is left out, as the API server does; the variable is there and empty. */
static void put_env(struct json_writer *w, struct str name, struct str value)
{
    json_begin_object(w);
    json_member_str(w, STR("name"), name);
    if (value.len > 0) {
        json_member_str(w, STR("value"), value);
    }
    json_end_object(w);
}

static void put_all_env(struct renderer *t)
{
    static const struct str NONE = {NULL, 0};
    bool role = t->place.role_arn.ptr != NULL;
    struct json_writer *w = &t->w;
    json_key(w, STR("env"));
    json_begin_array(w);
    put_field_env(w, STR("POD_NAME"), STR("metadata.name"));
    put_field_env(w, STR("POD_NAMESPACE"), STR("metadata.namespace"));
    put_field_env(w, STR("POD_IP"), STR("status.podIP"));
    put_field_env(w, STR("NODE_NAME"), STR("spec.nodeName"));
    put_env(w, STR("AWS_ROLE_ARN"), t->place.role_arn);
    put_env(w, STR("AWS_WEB_IDENTITY_TOKEN_FILE"), role ? STR(TOKEN_FILE) : NONE);
    put_env(w, STR("AWS_CONTAINER_CREDENTIALS_FULL_URI"), NONE);
    put_env(w, STR("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), NONE);
    put_env(w, STR("AWS_REGION"), t->place.region);
    put_env(w, STR("AWS_DEFAULT_REGION"), t->place.region);
    put_env(w, STR("AWS_STS_REGIONAL_ENDPOINTS"), STR("regional"));
    json_end_array(w);
}

static void put_resources(struct renderer *t)
{
    const struct scale_spec *spec = t->r->spec;
    const struct sidecar_options *o = t->r->options;
    struct str cpu = spec->collector_cpu.ptr != NULL ? spec->collector_cpu : o->cpu;
    struct str memory = spec->collector_memory.ptr != NULL ? spec->collector_memory : o->memory;
    bool own = memory.ptr == NULL;
    struct json_writer *w = &t->w;
    json_key(w, STR("resources"));
    json_begin_object(w);
    json_key(w, STR("limits"));
    json_begin_object(w);
    json_member_str(w, STR("memory"), own ? DEFAULT_MEMORY_LIMIT : memory);
    json_end_object(w);
    json_key(w, STR("requests"));
    json_begin_object(w);
    json_member_str(w, STR("cpu"), cpu.ptr != NULL ? cpu : DEFAULT_CPU);
    json_member_str(w, STR("memory"), own ? DEFAULT_MEMORY_REQUEST : memory);
    json_end_object(w);
    json_end_object(w);
}

static void put_exec(struct renderer *t, struct str question)
{
    struct json_writer *w = &t->w;
    json_key(w, STR("exec"));
    json_begin_object(w);
    json_key(w, STR("command"));
    json_begin_array(w);
    json_put_str(w, STR(COLLECTOR_PROGRAM));
    json_put_str(w, question);
    put_literal(t, "--target=", t->url); /* it has no '$' */
    json_end_array(w);
    json_end_object(w);
}

/* The probe asks the loop alone, never AMP. The hook is the last look at the app: the sidecar's
 * SIGTERM comes only after the app has ended. */
static void put_hooks(struct renderer *t)
{
    struct json_writer *w = &t->w;
    json_key(w, STR("livenessProbe"));
    json_begin_object(w);
    put_exec(t, STR("--check"));
    json_member_int(w, STR("timeoutSeconds"), 5);
    json_member_int(w, STR("periodSeconds"), 30);
    json_member_int(w, STR("successThreshold"), 1);
    json_member_int(w, STR("failureThreshold"), 3);
    json_end_object(w);
    json_key(w, STR("lifecycle"));
    json_begin_object(w);
    json_key(w, STR("preStop"));
    json_begin_object(w);
    put_exec(t, STR("--final-scrape"));
    json_end_object(w);
    json_end_object(w);
}

static void put_security(struct json_writer *w)
{
    json_key(w, STR("securityContext"));
    json_begin_object(w);
    json_key(w, STR("capabilities"));
    json_begin_object(w);
    json_key(w, STR("drop"));
    json_begin_array(w);
    json_put_str(w, STR("ALL"));
    json_end_array(w);
    json_end_object(w);
    json_member_int(w, STR("runAsUser"), USER_ID);
    json_member_int(w, STR("runAsGroup"), USER_ID);
    json_member_bool(w, STR("runAsNonRoot"), true);
    json_member_bool(w, STR("readOnlyRootFilesystem"), true);
    json_member_bool(w, STR("allowPrivilegeEscalation"), false);
    json_key(w, STR("seccompProfile"));
    json_begin_object(w);
    json_member_str(w, STR("type"), STR("RuntimeDefault"));
    json_end_object(w);
    json_end_object(w);
}

static bool needs(const struct renderer *t, enum collector_volume volume)
{
    switch (volume) {
    case VOLUME_VOID: return true;
    case VOLUME_TOKEN: return t->place.role_arn.ptr != NULL;
    case VOLUME_CA: return t->r->options->ca_configmap.ptr != NULL;
    case VOLUME_COUNT: break;
    }
    return false;
}

static void put_mounts(struct renderer *t)
{
    static const struct str PATHS[VOLUME_COUNT] = {
        [VOLUME_VOID] = STR_INIT("/var/run/secrets/kubernetes.io/serviceaccount"),
        [VOLUME_TOKEN] = STR_INIT(TOKEN_DIR),
        [VOLUME_CA] = STR_INIT(CA_DIR),
    };
    struct json_writer *w = &t->w;
    json_key(w, STR("volumeMounts"));
    json_begin_array(w);
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        if (!needs(t, (enum collector_volume)i)) {
            continue;
        }
        json_begin_object(w);
        json_member_str(w, STR("name"), COLLECTOR_VOLUMES[i]);
        json_member_bool(w, STR("readOnly"), true);
        json_member_str(w, STR("mountPath"), PATHS[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

/* As the API server defaults it: a tag that may move is pulled anew. */
static struct str pull_policy(struct str image)
{
    if (str_find_char(image, '@') < image.len) {
        return STR("IfNotPresent");
    }
    size_t colon = image.len;
    for (size_t i = image.len; i > 0 && image.ptr[i - 1] != '/'; i--) {
        colon = image.ptr[i - 1] == ':' ? i - 1 : colon;
    }
    struct str tag = str_slice(image, colon + 1, image.len);
    return tag.len == 0 || str_eq(tag, STR("latest")) ? STR("Always") : STR("IfNotPresent");
}

static void put_container(struct renderer *t)
{
    struct json_writer *w = &t->w;
    struct str image = t->r->options->image;
    json_begin_object(w);
    json_member_str(w, STR("name"), STR(COLLECTOR_CONTAINER));
    json_member_str(w, STR("image"), image);
    json_key(w, STR("command"));
    json_begin_array(w);
    json_put_str(w, STR(COLLECTOR_PROGRAM));
    json_end_array(w);
    put_args(t);
    put_all_env(t);
    put_resources(t);
    json_member_str(w, STR("restartPolicy"), STR("Always"));
    put_mounts(t);
    put_hooks(t);
    json_member_str(w, STR("terminationMessagePath"), STR("/dev/termination-log"));
    json_member_str(w, STR("terminationMessagePolicy"), STR("FallbackToLogsOnError"));
    json_member_str(w, STR("imagePullPolicy"), pull_policy(image));
    put_security(w);
    json_end_object(w);
}

/* ---- the volumes ---- */

static void put_token(struct json_writer *w)
{
    json_key(w, STR("projected"));
    json_begin_object(w);
    json_key(w, STR("sources"));
    json_begin_array(w);
    json_begin_object(w);
    json_key(w, STR("serviceAccountToken"));
    json_begin_object(w);
    json_member_str(w, STR("audience"), STR("sts.amazonaws.com"));
    json_member_int(w, STR("expirationSeconds"), TOKEN_LIFE_S);
    json_member_str(w, STR("path"), STR("token"));
    json_end_object(w);
    json_end_object(w);
    json_end_array(w);
    json_member_int(w, STR("defaultMode"), FILE_MODE);
    json_end_object(w);
}

static void put_volume(struct renderer *t, enum collector_volume volume)
{
    struct json_writer *w = &t->w;
    json_begin_object(w);
    json_member_str(w, STR("name"), COLLECTOR_VOLUMES[volume]);
    switch (volume) {
    case VOLUME_VOID: /* in memory, or a cluster-autoscaler would not move the pod for it */
        json_key(w, STR("emptyDir"));
        json_begin_object(w);
        json_member_str(w, STR("medium"), STR("Memory"));
        json_end_object(w);
        break;
    case VOLUME_TOKEN: put_token(w); break;
    case VOLUME_CA: /* optional: a pod is not to wait for it */
        json_key(w, STR("configMap"));
        json_begin_object(w);
        json_member_str(w, STR("name"), t->r->options->ca_configmap);
        json_member_int(w, STR("defaultMode"), FILE_MODE);
        json_member_bool(w, STR("optional"), true);
        json_end_object(w);
        break;
    case VOLUME_COUNT: break;
    }
    json_end_object(w);
}

/* What was written, as a tree that has its raw text. */
static int finish(struct buf *text, struct arena *a, const struct json **out, struct err *e)
{
    struct str kept;
    if (buf_check(text, e) != 0 || arena_str(a, buf_view(text), &kept, e) != 0) {
        return -1;
    }
    buf_reset(text);
    return json_parse(kept, &JSON_LIMITS_API, a, out, e);
}

static int render(struct renderer *t, struct buf *text, struct arena *a, struct sidecar *out,
                  struct err *e)
{
    struct sidecar made = {.index = SIZE_MAX};
    json_writer_init(&t->w, text);
    put_container(t);
    if (finish(text, a, &made.container, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        if (needs(t, (enum collector_volume)i)) {
            json_writer_init(&t->w, text);
            put_volume(t, (enum collector_volume)i);
            if (finish(text, a, &made.volumes[i], e) != 0) {
                return -1;
            }
        }
    }
    *out = made;
    return 0;
}

int sidecar_render(const struct sidecar_request *r, struct arena *a, struct sidecar *out,
                   struct err *e)
{
    struct renderer t = {.r = r};
    struct complaints ignored = {.count = 0};
    struct buf text;
    sidecar_place(r, &t.place);
    if (scrape_target_find(r, a, &t.target, &ignored, e) != 0 ||
        (r->spec->metrics_from_query && sidecar_select(r->spec, a, &t.selectors, e) != 0) ||
        arena_format(a, &t.url, e, "%s://localhost:%d%.*s",
                     t.target.scheme == SCRAPE_HTTPS ? "https" : "http", (int)t.target.port,
                     STR_ARG(t.target.path)) != 0) {
        return -1;
    }
    buf_init(&text, CONTAINER_MAX_BYTES);
    int status = render(&t, &text, a, out, e);
    buf_free(&text);
    return status;
}
