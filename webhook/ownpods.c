#include "webhook/ownpods.h"

#include <string.h>

enum { SHOWN_BYTES = 60 };

/* Labels that say of which application a series is. */
static const struct str IDENTITIES[] = {
    STR_INIT("app"),
    STR_INIT("app_kubernetes_io_name"),
    STR_INIT("app_kubernetes_io_instance"),
    STR_INIT("k8s_app"),
    STR_INIT("deployment"),
    STR_INIT("workload"),
    STR_INIT("container"),
    STR_INIT("job"),
};
static const struct str PODS[] = {STR_INIT("pod"), STR_INIT("pod_name"), STR_INIT("exported_pod"),
                                  STR_INIT("kubernetes_pod_name")};

/* PromQL as far as matchers go: words, strings, comments and braces. */
struct scan {
    struct str text;
    size_t at;
};

struct matcher {
    struct str metric; /* the name before the brace, or absent */
    struct str label, value;
    bool regex;
    size_t start, end; /* in the text */
};

static char here(const struct scan *s)
{
    return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

static void skip_space(struct scan *s)
{
    while (is_space(here(s))) {
        s->at++;
    }
}

static struct str take_word(struct scan *s)
{
    size_t start = s->at;
    while (is_word(here(s))) {
        s->at++;
    }
    return str_slice(s->text, start, s->at);
}

/* What is between the quotes, escapes and all; the end of the text closes too. */
static struct str take_string(struct scan *s)
{
    char quote = here(s);
    size_t start = ++s->at;
    while (s->at < s->text.len && here(s) != quote) {
        s->at += here(s) == '\\' && quote != '`' ? 2 : 1;
    }
    struct str inside = str_slice(s->text, start, s->at);
    s->at = s->at < s->text.len ? s->at + 1 : s->text.len;
    return inside;
}

/* ---- one matcher ---- */

static bool is_one_of(struct str label, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(label, list[i])) {
            return true;
        }
    }
    return false;
}

/* "app.kubernetes.io/name" as the label that Prometheus makes of it. */
static bool same_label(struct str prometheus, struct str kubernetes)
{
    if (prometheus.len != kubernetes.len) {
        return false;
    }
    for (size_t i = 0; i < kubernetes.len; i++) {
        char c = kubernetes.ptr[i];
        if (prometheus.ptr[i] != (is_word(c) && c != ':' ? c : '_')) {
            return false;
        }
    }
    return true;
}

/* The pods' own value of a label. */
static struct str label_of_pods(const struct json *object, struct str label)
{
    const struct json *labels = json_path(object, "spec/template/metadata/labels");
    const struct json *i = labels != NULL && labels->type == JSON_OBJECT ? labels->child : NULL;
    for (; i != NULL; i = i->next) {
        if (same_label(label, i->key)) {
            return json_str(i);
        }
    }
    return (struct str){NULL, 0};
}

/* Names of pods begin with the Deployment's and a dash; a pattern may leave the dash to a dot. */
static bool names_pods(struct str value, struct str deployment, bool regex)
{
    if (deployment.len == 0 || !str_starts(value, deployment) || value.len <= deployment.len) {
        return false;
    }
    char next = value.ptr[deployment.len];
    return next == '-' || (regex && strchr(".[(\\", next) != NULL);
}

static bool is_own(const struct matcher *m, struct str value, struct str deployment,
                   const struct json *object)
{
    if (is_one_of(m->label, PODS, sizeof(PODS) / sizeof(PODS[0]))) {
        return names_pods(value, deployment, m->regex);
    }
    if (value.len == 0 ||
        !is_one_of(m->label, IDENTITIES, sizeof(IDENTITIES) / sizeof(IDENTITIES[0]))) {
        return false;
    }
    return str_eq(value, deployment) || str_eq(value, label_of_pods(object, m->label));
}

/* Without the anchors and the group that people put around a pattern. */
static struct str bare(struct str pattern)
{
    while (pattern.len > 0 && (pattern.ptr[0] == '^' || pattern.ptr[0] == '(')) {
        pattern = str_slice(pattern, 1, pattern.len);
    }
    while (pattern.len > 0 &&
           (pattern.ptr[pattern.len - 1] == '$' || pattern.ptr[pattern.len - 1] == ')')) {
        pattern = str_slice(pattern, 0, pattern.len - 1);
    }
    return pattern;
}

static bool selects(const struct matcher *m, struct str deployment, const struct json *object)
{
    if (str_starts(m->metric, STR("kube_"))) {
        return false;
    }
    if (!m->regex) {
        return is_own(m, m->value, deployment, object);
    }
    struct str rest = m->value;
    while (rest.ptr != NULL) {
        struct str one = str_cut(rest, '|', &rest);
        if (is_own(m, bare(one), deployment, object)) {
            return true;
        }
    }
    return false;
}

/* ---- the query ---- */

/* The next equality of the braces, behind their opening one; false: they are closed. */
static bool next_matcher(struct scan *s, struct matcher *m)
{
    while (s->at < s->text.len && here(s) != '}') {
        m->start = s->at;
        if (is_quote(here(s))) {
            m->label = take_string(s);
        } else if (is_word(here(s))) {
            m->label = take_word(s);
        } else {
            s->at++;
            continue;
        }
        skip_space(s);
        size_t start = s->at;
        while (here(s) == '=' || here(s) == '!' || here(s) == '~') {
            s->at++;
        }
        struct str operator_ = str_slice(s->text, start, s->at);
        skip_space(s);
        if (!is_quote(here(s)) || operator_.len == 0) {
            continue;
        }
        m->value = take_string(s);
        m->end = s->at;
        m->regex = str_eq(operator_, STR("=~"));
        if (m->regex || str_eq(operator_, STR("="))) {
            return true;
        }
    }
    return false;
}

bool ownpods_selected(struct str query, struct str deployment, const struct json *object,
                      struct str *matcher)
{
    struct scan s = {.text = query};
    struct matcher m = {.regex = false};
    struct str found = {NULL, 0};
    while (s.at < query.len) {
        char c = here(&s);
        if (is_word(c)) {
            m.metric = take_word(&s);
            if (str_starts(m.metric, STR("absent"))) {
                return false;
            }
        } else if (is_quote(c)) {
            (void)take_string(&s);
        } else if (c == '#') {
            s.at += str_find_char(str_slice(query, s.at, query.len), '\n');
        } else if (c == '{') {
            s.at++;
            while (next_matcher(&s, &m)) {
                if (found.ptr == NULL && selects(&m, deployment, object)) {
                    found = str_slice(query, m.start, m.end);
                }
            }
            m.metric = (struct str){NULL, 0};
        } else {
            m.metric = is_space(c) ? m.metric : (struct str){NULL, 0};
            s.at++;
        }
    }
    if (found.ptr != NULL) {
        *matcher = found;
    }
    return found.ptr != NULL;
}

/* It may go to 0 replicas, and nothing but its metric wakes it there. */
static bool sleeps(const struct scale_spec *spec)
{
    int32_t least = spec_has(spec, KEY_IDLE_REPLICAS) ? spec->idle_replicas : spec->min_replicas;
    return least == 0 && !spec->force_activation && spec->on_no_data != NO_DATA_FALLBACK;
}

int ownpods_report(struct validation *v, struct arena *a, struct err *e)
{
    const struct review *r = v->review;
    const struct scale_spec *spec = &v->spec;
    struct str matcher = {NULL, 0};
    if (!sleeps(spec)) {
        return 0;
    }
    for (size_t i = 0; i < spec->trigger_count; i++) {
        if (!ownpods_selected(spec->triggers[i].query, r->name, r->object.node, &matcher)) {
            return 0; /* this one may wake it */
        }
    }
    return verdict_warn(&v->verdict, a, e,
                        "%.*s seems to be given by this Deployment's own pods: at 0 pods there is "
                        "no metric to wake it; query what waits for it (a queue, the ingress), or "
                        "set " SPEC_PREFIX "min-replicas to 1",
                        STR_ARG(str_slice(matcher, 0, SHOWN_BYTES)));
}
