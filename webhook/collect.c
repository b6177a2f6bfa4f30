#include "webhook/collect.h"

#include "webhook/record.h"

/* What the sidecar is rendered from beside the template. */
static const enum spec_key INPUTS[] = {KEY_COLLECTOR,     KEY_COLLECTOR_ROLE_ARN,
                                       KEY_COLLECTOR_CPU, KEY_COLLECTOR_MEMORY,
                                       KEY_SCRAPE_PORT,   KEY_SCRAPE_PATH,
                                       KEY_SCRAPE_SCHEME, KEY_SCRAPE_INTERVAL,
                                       KEY_METRICS,       KEY_REFRESH,
                                       KEY_ENDPOINT,      KEY_WORKSPACE,
                                       KEY_REGION};
/* And where the series are those of the queries. */
static const enum spec_key QUERIES[] = {KEY_QUERY, KEY_TRIGGERS};

/* In place of the hash of what a sidecar was rendered from (those are odd): it was kept although
 * that changed, because nothing better could be rendered. */
enum { INPUTS_STALE = 2 };

/* One object, with what is ours in it. */
struct side {
    const struct deployment *object;
    struct podtemplate pod;
    struct record record;
    uint64_t inputs; /* never 0 once they were hashed, where a collector is asked for */
};

static uint64_t add_keys(uint64_t sum, const struct kv_list *annotations, const enum spec_key *keys,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str value = kv_get(annotations, spec_key_name(keys[i]));
        uint64_t one = value.ptr == NULL ? 0 : str_hash(value) | 1U;
        sum = (sum ^ (sum >> 31) ^ one) * UINT64_C(0x9E3779B97F4A7C15);
    }
    return sum;
}

static uint64_t hash_inputs(const struct side *s)
{
    const struct kv_list *annotations = &s->object->annotations;
    uint64_t sum = podtemplate_hash(&s->pod);
    sum = add_keys(sum, annotations, INPUTS, sizeof(INPUTS) / sizeof(INPUTS[0]));
    if (str_eq(kv_get(annotations, spec_key_name(KEY_METRICS)), STR("from-query"))) {
        sum = add_keys(sum, annotations, QUERIES, sizeof(QUERIES) / sizeof(QUERIES[0]));
    }
    return sum | 1U;
}

static int read_record(const struct deployment *object, struct arena *a, struct record *out,
                       struct err *e)
{
    return record_decode(kv_get(&object->annotations, STR(SPEC_INJECTED)), a, out, e);
}

/* Both sides. A record that the new object lost claims through oldObject. */
static int read_sides(const struct review *r, struct arena *a, struct side *now, struct side *old,
                      struct err *e)
{
    *now = (struct side){.object = &r->object};
    *old = (struct side){.object = &r->old};
    if (read_record(&r->object, a, &now->record, e) != 0) {
        return -1;
    }
    if (r->has_old) {
        if (read_record(&r->old, a, &old->record, e) != 0) {
            return -1;
        }
        podtemplate_read(r->old.node, old->record.claims_template, &old->pod);
    }
    podtemplate_read(r->object.node, now->record.claims_template || old->record.claims_template,
                     &now->pod);
    return 0;
}

static void hash_sides(const struct review *r, struct side *now, struct side *old)
{
    now->inputs = hash_inputs(now);
    old->inputs = r->has_old ? hash_inputs(old) : 0;
}

static bool is_same(const struct side *now, const struct side *old)
{
    return old->record.template_inputs != INPUTS_STALE &&
           (now->inputs == old->inputs || now->inputs == old->record.template_inputs);
}

static bool has_parts(const struct podtemplate *t)
{
    bool parts = t->container.node != NULL;
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        parts = parts || t->parts[i].node != NULL;
    }
    return parts;
}

/* As oldObject has it. */
static void keep(const struct side *now, const struct side *old, struct collect *c)
{
    const struct json *container = old->pod.container.node;
    const struct json *present = now->pod.container.node;
    c->change = COLLECT_PUT;
    c->sidecar = (struct sidecar){.container = container, .index = old->pod.container.index};
    c->template_inputs =
        old->record.template_inputs != 0 ? old->record.template_inputs : old->inputs;
    c->put_back = present != NULL && !json_equal(present, container);
    for (size_t i = 0; i < VOLUME_COUNT; i++) {
        c->sidecar.volumes[i] = old->pod.parts[i].node;
    }
}

static struct sidecar_request request_of(const struct review *r, const struct side *s,
                                         const struct scale_spec *spec,
                                         const struct sidecar_options *options)
{
    return (struct sidecar_request){
        .deployment = r->name.len > 0 ? r->name : s->object->name,
        .spec = spec,
        .pod = &s->pod,
        .options = options,
    };
}

int collect_plan(const struct review *r, const struct scale_spec *spec,
                 const struct sidecar_options *options, struct arena *a, struct collect *out,
                 struct err *e)
{
    struct side now;
    struct side old;
    struct complaints wrong = {.count = 0};
    if (read_sides(r, a, &now, &old, e) != 0) {
        return -1;
    }
    struct collect c = {.change = COLLECT_LEFT, .pod = now.pod};
    if (spec == NULL) {
        const bool parts = has_parts(&now.pod);
        c.change = parts ? COLLECT_STRIPPED : COLLECT_LEFT;
        c.outcome = parts || old.pod.container.node != NULL ? COLLECTOR_REMOVED : COLLECTOR_NONE;
        *out = c;
        return 0;
    }
    hash_sides(r, &now, &old);
    c.outcome = COLLECTOR_LEFT_OUT;
    struct sidecar_request request = request_of(r, &now, spec, options);
    if (sidecar_check(&request, a, &wrong, e) != 0) {
        return -1;
    }
    bool was_there = r->operation == REVIEW_UPDATE && old.pod.container.node != NULL;
    bool same = is_same(&now, &old);
    bool workable = now.pod.spec != NULL && now.pod.taken_kind == NULL;
    if (workable && was_there && (same || wrong.count > 0)) {
        keep(&now, &old, &c);
        c.outcome = COLLECTOR_KEPT;
        c.template_inputs = same ? c.template_inputs : INPUTS_STALE;
    } else if (workable && wrong.count == 0) {
        c.change = COLLECT_PUT;
        c.outcome = COLLECTOR_RENDERED;
        c.template_inputs = now.inputs;
        if (sidecar_render(&request, a, &c.sidecar, e) != 0) {
            return -1;
        }
    }
    *out = c;
    return 0;
}

/* ---- what validation says ---- */

/* Where the next warning goes. */
static struct str *next(struct collect_facts *f)
{
    return &f->warnings[f->warning_count++];
}

static int warn_of_role(const struct sidecar_request *r, struct arena *a, struct collect_facts *f,
                        struct err *e)
{
    struct sidecar_place place;
    struct str account = json_str(json_get(r->pod->spec, STR("serviceAccountName")));
    sidecar_place(r, &place);
    if (r->options == NULL || !place.signs || place.role_arn.ptr != NULL) {
        return 0;
    }
    return arena_format(a, next(f), e,
                        "the collector has no role to write to AMP with, which refuses what is not "
                        "signed: set " SPEC_PREFIX "collector-role-arn to one that trusts the "
                        "ServiceAccount %.*s",
                        STR_ARG(account.len > 0 ? account : STR("default")));
}

/* A name that is generated comes after mutation, and the sidecar stays as it was rendered. */
static void warn_of_name(const struct podtemplate *pod, struct collect_facts *f)
{
    const struct json *args = json_get(pod->container.node, STR("args"));
    bool named = pod->container.node == NULL;
    for (const struct json *i = args != NULL ? args->child : NULL; i != NULL; i = i->next) {
        named = named || str_starts(json_str(i), STR("--label=deployment="));
    }
    if (!named) {
        *next(f) =
            STR("the series have no label deployment, and job=\"ampscale-collector\", for the "
                "name was not known yet (metadata.generateName): give the Deployment its "
                "name, or set " SPEC_PREFIX "refresh once it is there");
    }
}

static int add_warnings(const struct sidecar_request *r, struct arena *a, struct collect_facts *f,
                        struct err *e)
{
    struct sidecar_selectors selectors = {.count = 0};
    if (warn_of_role(r, a, f, e) != 0) {
        return -1;
    }
    warn_of_name(r->pod, f);
    if (str_eq(podtemplate_annotation(r->pod, STR("prometheus.io/scrape")), STR("true"))) {
        *next(f) =
            STR("prometheus.io/scrape is \"true\" in the pod template: a Prometheus that goes "
                "by it scrapes these pods too, so their series may be there twice");
    }
    if (r->spec->metrics_from_query && sidecar_select(r->spec, a, &selectors, e) != 0) {
        return -1;
    }
    if (selectors.why_all.ptr == NULL) {
        return 0;
    }
    return arena_format(a, next(f), e,
                        "the collector sends everything, because which series the query selects "
                        "cannot be told: %.*s",
                        STR_ARG(selectors.why_all));
}

int collect_judge(const struct review *r, bool old_side, const struct scale_spec *spec,
                  const struct sidecar_options *options, struct arena *a, struct collect_facts *out,
                  struct err *e)
{
    struct side now;
    struct side old;
    struct collect_facts f = {.injected = false};
    if (read_sides(r, a, &now, &old, e) != 0) {
        return -1;
    }
    hash_sides(r, &now, &old);
    const struct side *s = old_side ? &old : &now;
    struct sidecar_request request = request_of(r, s, spec, options);
    if (sidecar_check(&request, a, &f.wrong, e) != 0) {
        return -1;
    }
    f.injected = s->pod.container.node != NULL;
    f.changed = r->operation != REVIEW_UPDATE || !is_same(&now, &old);
    if (!old_side && f.changed && add_warnings(&request, a, &f, e) != 0) {
        return -1;
    }
    *out = f;
    return 0;
}
