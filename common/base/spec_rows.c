/* The contract's one table. A row carries all that is known of an annotation: how it is parsed,
 * where the value goes, what it must be, its default and its line in the README. Defaults run
 * through the same parser as users' values, so what is printed is what is in force.
 */
#include "base/spec_rows.h"
#include "base/num.h"

static spec_parse_fn parse_int32, parse_duration, parse_number, parse_positive, parse_bool,
    parse_word, parse_query;

static bool always(const struct scale_spec *spec)
{
    (void)spec;
    return true;
}

static bool may_idle(const struct scale_spec *spec)
{
    return spec->min_replicas == 0 || spec_has(spec, KEY_IDLE_REPLICAS);
}

static bool has_fallback(const struct scale_spec *spec)
{
    return spec_has(spec, KEY_FALLBACK_REPLICAS);
}

const struct str SPEC_METRIC_TYPES[2] = {
    [METRIC_AVERAGE_VALUE] = STR_INIT("AverageValue"), [METRIC_VALUE] = STR_INIT("Value")};
static const struct str NO_DATA_WORDS[] = {[NO_DATA_HOLD] = STR_INIT("hold"),
                                           [NO_DATA_ZERO] = STR_INIT("zero"),
                                           [NO_DATA_FALLBACK] = STR_INIT("fallback")};
static const struct str FALLBACK_WORDS[] = {
    [FALLBACK_STATIC] = STR_INIT("static"),
    [FALLBACK_CURRENT] = STR_INIT("currentReplicas"),
    [FALLBACK_IF_HIGHER] = STR_INIT("currentReplicasIfHigher"),
    [FALLBACK_IF_LOWER] = STR_INIT("currentReplicasIfLower")};

static const struct str COLLECTOR_WORDS[] = {
    [COLLECTOR_DISABLED] = STR_INIT("disabled"), [COLLECTOR_ENABLED] = STR_INIT("enabled")};
static const struct str SCHEMES[] = {
    [SCRAPE_HTTP] = STR_INIT("http"), [SCRAPE_HTTPS] = STR_INIT("https")};

enum { DAY_MS = 24 * 60 * 60 * 1000 };

#define FIELD(member) .offset = offsetof(struct scale_spec, member)
#define TRIGGER_FIELD(member)                                                                      \
    .offset = offsetof(struct scale_spec, triggers) + offsetof(struct trigger, member)
#define WORDS(list) .words = (list), .word_count = sizeof(list) / sizeof((list)[0])
#define COUNT_FROM_0                                                                               \
    .min = 0, .max = INT32_MAX, .expected = "a whole number from 0 to 2147483647",                 \
    .form = "whole number ≥ 0"
#define DURATION_FROM_0                                                                            \
    .min = 0, .max = INT64_C(365) * DAY_MS, .form = "duration",                                    \
    .expected = "a duration from 0s to 365d, such as 90s or 5m"
#define ROLE_EXPECTED "an IAM role's ARN, such as arn:aws:iam::123456789012:role/prometheus-writer"
#define BOOLEAN .parse = parse_bool, .expected = "true or false", .form = "true, false"

const struct spec_row SPEC_ROWS[KEY_COUNT] = {
    [KEY_QUERY] = {.key = STR_INIT(SPEC_PREFIX "query"),
                   .parse = parse_query,
                   TRIGGER_FIELD(query),
                   .expected = "a PromQL expression of at most 16384 bytes",
                   .form = "PromQL",
                   .meaning = "the metric. It must yield a scalar or at most one series"},
    [KEY_THRESHOLD] = {.key = STR_INIT(SPEC_PREFIX "threshold"),
                       .parse = parse_positive,
                       TRIGGER_FIELD(threshold),
                       .expected = "a number > 0, such as 25 or 0.5",
                       .form = "number > 0",
                       .meaning = "the target of one replica, see `metric-type`"},
    [KEY_ACTIVATION_THRESHOLD] = {.key = STR_INIT(SPEC_PREFIX "activation-threshold"),
                                  .parse = parse_number,
                                  TRIGGER_FIELD(activation),
                                  .expected = "a number, such as 0 or 5",
                                  .form = "number",
                                  .default_text = "0",
                                  .meaning = "active means value > this. Matters with "
                                             "`min-replicas` 0 or `idle-replicas`"},
    [KEY_METRIC_TYPE] = {.key = STR_INIT(SPEC_PREFIX "metric-type"),
                         .parse = parse_word,
                         TRIGGER_FIELD(type),
                         WORDS(SPEC_METRIC_TYPES),
                         .expected = "AverageValue or Value",
                         .form = "AverageValue, Value",
                         .default_text = "AverageValue",
                         .meaning = "replicas are ceil(value / threshold), or with Value "
                                    "ceil(ready pods × value / threshold)"},
    [KEY_TRIGGERS] = {.key = STR_INIT(SPEC_PREFIX "triggers"),
                      .parse = spec_parse_triggers,
                      .offset = 0,
                      .expected = "a YAML list of 1 to 16 {name, query, threshold, "
                                  "activationThreshold, metricType}",
                      .form = "YAML list",
                      .meaning = "several triggers of {name, query, threshold, "
                                 "activationThreshold, metricType}; the largest proposal wins. "
                                 "Excludes the four keys above"},
    [KEY_MIN_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "min-replicas"),
                          .parse = parse_int32,
                          FIELD(min_replicas),
                          COUNT_FROM_0,
                          .default_text = "1",
                          .explicit_default = always,
                          .meaning = "never fewer while active; 0: none at all when inactive"},
    [KEY_MAX_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "max-replicas"),
                          .parse = parse_int32,
                          FIELD(max_replicas),
                          .min = 1,
                          .max = INT32_MAX,
                          .expected = "a whole number from 1 to 2147483647",
                          .form = "whole number ≥ 1",
                          .default_text = "100",
                          .explicit_default = always,
                          .meaning = "never more"},
    [KEY_IDLE_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "idle-replicas"),
                           .parse = parse_int32,
                           FIELD(idle_replicas),
                           COUNT_FROM_0,
                           .meaning = "the count while inactive; less than `min-replicas`"},
    [KEY_POLLING_INTERVAL] = {.key = STR_INIT(SPEC_PREFIX "polling-interval"),
                              .parse = parse_duration,
                              FIELD(polling_interval_ms),
                              .min = 1000,
                              .max = DAY_MS,
                              .expected = "a duration from 1s to 24h, such as 15s or 1m30s",
                              .form = "duration ≥ 1s",
                              .default_text = "15s",
                              .explicit_default = always,
                              .meaning = "one query per interval and trigger"},
    [KEY_COOLDOWN_PERIOD] = {.key = STR_INIT(SPEC_PREFIX "cooldown-period"),
                             .parse = parse_duration,
                             FIELD(cooldown_ms),
                             DURATION_FROM_0,
                             .default_text = "5m",
                             .explicit_default = may_idle,
                             .meaning = "inactive for so long before the count goes to 0 or "
                                        "`idle-replicas`"},
    [KEY_INITIAL_COOLDOWN_PERIOD] = {.key = STR_INIT(SPEC_PREFIX "initial-cooldown-period"),
                                     .parse = parse_duration,
                                     FIELD(initial_cooldown_ms),
                                     DURATION_FROM_0,
                                     .default_text = "0s",
                                     .meaning =
                                         "from when it was annotated until the cooldown begins to "
                                         "count, for a workload that was never active"},
    [KEY_BEHAVIOR] = {.key = STR_INIT(SPEC_PREFIX "behavior"),
                      .parse = spec_parse_behavior,
                      FIELD(behavior),
                      .expected = "autoscaling/v2's HorizontalPodAutoscalerBehavior in YAML",
                      .form = "YAML",
                      .meaning = "pacing, exactly autoscaling/v2's "
                                 "`HorizontalPodAutoscalerBehavior` with its defaults. Without "
                                 "it: up at once, down to the highest proposal of the last 5m, "
                                 "tolerance 0.1"},
    [KEY_ON_NO_DATA] = {.key = STR_INIT(SPEC_PREFIX "on-no-data"),
                        .parse = parse_word,
                        FIELD(on_no_data),
                        WORDS(NO_DATA_WORDS),
                        .expected = "hold, zero or fallback",
                        .form = "hold, zero, fallback",
                        .default_text = "hold",
                        .meaning = "what an empty, NaN or Inf result means: the count stays, "
                                   "the value is 0, or it counts as an error for "
                                   "`fallback-after`"},
    [KEY_FALLBACK_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "fallback-replicas"),
                               .parse = parse_int32,
                               FIELD(fallback_replicas),
                               COUNT_FROM_0,
                               .meaning = "what a trigger proposes once it was unknown for "
                                          "`fallback-after`; without it the count stays"},
    [KEY_FALLBACK_AFTER] = {.key = STR_INIT(SPEC_PREFIX "fallback-after"),
                            .parse = parse_duration,
                            FIELD(fallback_after_ms),
                            DURATION_FROM_0,
                            .meaning = "see above; three polling intervals if not given"},
    [KEY_FALLBACK_BEHAVIOR] = {.key = STR_INIT(SPEC_PREFIX "fallback-behavior"),
                               .parse = parse_word,
                               FIELD(fallback_behavior),
                               WORDS(FALLBACK_WORDS),
                               .expected = "static, currentReplicas, currentReplicasIfHigher or "
                                           "currentReplicasIfLower",
                               .form = "static, currentReplicas, currentReplicasIfHigher, "
                                       "currentReplicasIfLower",
                               .default_text = "currentReplicasIfHigher",
                               .explicit_default = has_fallback,
                               .meaning = "`fallback-replicas`, the present count, or the "
                                          "higher or lower of the two"},
    [KEY_PAUSED] = {.key = STR_INIT(SPEC_PREFIX "paused"),
                    FIELD(paused),
                    BOOLEAN,
                    .default_text = "false",
                    .meaning = "the count stays as it is"},
    [KEY_PAUSED_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "paused-replicas"),
                             .parse = parse_int32,
                             FIELD(paused_replicas),
                             COUNT_FROM_0,
                             .meaning = "the count is this, whatever else is set"},
    [KEY_PAUSED_SCALE_IN] = {.key = STR_INIT(SPEC_PREFIX "paused-scale-in"),
                             FIELD(paused_scale_in),
                             BOOLEAN,
                             .default_text = "false",
                             .meaning = "never down"},
    [KEY_PAUSED_SCALE_OUT] = {.key = STR_INIT(SPEC_PREFIX "paused-scale-out"),
                              FIELD(paused_scale_out),
                              BOOLEAN,
                              .default_text = "false",
                              .meaning = "never up"},
    [KEY_FORCE_ACTIVATION] = {.key = STR_INIT(SPEC_PREFIX "force-activation"),
                              FIELD(force_activation),
                              BOOLEAN,
                              .default_text = "false",
                              .meaning = "active, whatever the metric says"},
    [KEY_RESTORE_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "restore-replicas"),
                              FIELD(restore_replicas),
                              BOOLEAN,
                              .default_text = "false",
                              .meaning = "when the annotations go, back to the count before them"},
    [KEY_KEEP_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "keep-replicas"),
                           FIELD(keep_replicas),
                           BOOLEAN,
                           .default_text = "true",
                           .meaning = "an apply that names `replicas` does not reset the count"},
    [KEY_ENDPOINT] = {.key = STR_INIT(SPEC_PREFIX "endpoint"),
                      .parse = spec_parse_url,
                      FIELD(endpoint),
                      .expected = "the base URL of a Prometheus-compatible API (http:// or "
                                  "https://, a host, no user, no '?'), without /api/v1",
                      .form = "URL",
                      .meaning = "where to query, if not the namespace's own; `/api/v1/query` is "
                                 "appended. Excludes `workspace`"},
    [KEY_WORKSPACE] = {.key = STR_INIT(SPEC_PREFIX "workspace"),
                       .parse = spec_parse_workspace,
                       FIELD(workspace),
                       .expected = "an AMP workspace id, such as "
                                   "ws-12345678-90ab-cdef-1234-567890abcdef",
                       .form = "ws-…",
                       .meaning = "the AMP workspace to query, if not the namespace's own"},
    [KEY_REGION] = {.key = STR_INIT(SPEC_PREFIX "region"),
                    .parse = spec_parse_region,
                    FIELD(region),
                    .expected = "an AWS region, such as eu-west-1",
                    .form = "AWS region",
                    .meaning = "the workspace's region, if not the namespace's own"},
    [KEY_ROLE_ARN] = {.key = STR_INIT(SPEC_PREFIX "role-arn"),
                      .parse = spec_parse_role,
                      FIELD(role_arn),
                      .expected = ROLE_EXPECTED,
                      .form = "ARN",
                      .meaning = "the IAM role to query with, if not the namespace's own"},
    [KEY_COLLECTOR] = {.key = STR_INIT(SPEC_PREFIX "collector"),
                       .parse = parse_word,
                       FIELD(collector),
                       WORDS(COLLECTOR_WORDS),
                       .expected = "enabled or disabled",
                       .form = "enabled, disabled",
                       .default_text = "disabled",
                       .meaning = "put a collector into the pods, which scrapes the app and writes "
                                  "to AMP. Needs no query"},
    [KEY_COLLECTOR_ROLE_ARN] = {.key = STR_INIT(SPEC_PREFIX "collector-role-arn"),
                                .parse = spec_parse_role,
                                FIELD(collector_role_arn),
                                .expected = ROLE_EXPECTED,
                                .form = "ARN",
                                .meaning = "the IAM role to write with, by a token of the "
                                           "collector's own; the role must trust the app's "
                                           "ServiceAccount"},
    [KEY_COLLECTOR_CPU] = {.key = STR_INIT(SPEC_PREFIX "collector-cpu"),
                           .parse = spec_parse_cpu,
                           FIELD(collector_cpu),
                           .expected = "a quantity from 1m to 64, such as 10m",
                           .form = "quantity",
                           .meaning = "the collector's CPU request, if not the installation's"},
    [KEY_COLLECTOR_MEMORY] = {.key = STR_INIT(SPEC_PREFIX "collector-memory"),
                              .parse = spec_parse_memory,
                              FIELD(collector_memory),
                              .expected = "a quantity from 8Mi to 16Gi, such as 64Mi",
                              .form = "quantity",
                              .meaning = "the collector's memory request and limit, if not the "
                                         "installation's"},
    [KEY_SCRAPE_PORT] = {.key = STR_INIT(SPEC_PREFIX "scrape-port"),
                         .parse = spec_parse_port,
                         FIELD(scrape_port),
                         .expected = "a port from 1 to 65535, or the name of a container's port",
                         .form = "port",
                         .meaning = "where the app serves its metrics; if not given, "
                                    "`prometheus.io/port` of the pod template"},
    [KEY_SCRAPE_PATH] = {.key = STR_INIT(SPEC_PREFIX "scrape-path"),
                         .parse = spec_parse_path,
                         FIELD(scrape_path),
                         .expected = "a path that begins with '/', such as /metrics",
                         .form = "path",
                         .default_text = "/metrics",
                         .meaning = "likewise, or `prometheus.io/path`"},
    [KEY_SCRAPE_SCHEME] = {.key = STR_INIT(SPEC_PREFIX "scrape-scheme"),
                           .parse = parse_word,
                           FIELD(scrape_scheme),
                           WORDS(SCHEMES),
                           .expected = "http or https",
                           .form = "http, https",
                           .default_text = "http",
                           .meaning = "likewise, or `prometheus.io/scheme`; the pod's own "
                                      "certificate is not verified"},
    [KEY_SCRAPE_INTERVAL] = {.key = STR_INIT(SPEC_PREFIX "scrape-interval"),
                             .parse = parse_duration,
                             FIELD(scrape_interval_ms),
                             .min = 1000,
                             .max = INT64_C(60) * 60 * 1000,
                             .expected = "a duration from 1s to 1h, such as 15s or 1m",
                             .form = "duration ≥ 1s",
                             .default_text = "15s",
                             .meaning = "one scrape per interval"},
    [KEY_METRICS] = {.key = STR_INIT(SPEC_PREFIX "metrics"),
                     .parse = spec_parse_metrics,
                     .offset = 0,
                     .expected = "1 to 32 globs on metric names, as a YAML list or separated by "
                                 "commas, such as http_*, up; or from-query",
                     .form = "globs, from-query",
                     .meaning = "what the collector sends: names that match a glob, or only the "
                                "series that the queries select; everything if not given"},
    [KEY_REFRESH] = {.key = STR_INIT(SPEC_PREFIX "refresh"),
                     .parse = spec_parse_text,
                     FIELD(refresh),
                     .expected = "any text",
                     .form = "any text",
                     .meaning = "changing it renders the collector anew, with the installation's "
                                "present image and defaults"},
};

static int parse_int32(const struct spec_value *v)
{
    struct err ignored;
    int64_t number;
    if (num_int(v->text, v->row->min, v->row->max, &number, &ignored) != 0) {
        return -1;
    }
    *(int32_t *)v->field = (int32_t)number;
    return 0;
}

static int parse_duration(const struct spec_value *v)
{
    struct err ignored;
    int64_t ms;
    if (num_duration_ms(v->text, &ms, &ignored) == 0 && ms >= v->row->min && ms <= v->row->max) {
        *(int64_t *)v->field = ms;
        return 0;
    }
    if (num_int(v->text, 0, DAY_MS, &ms, &ignored) == 0) {
        return err_set(v->why, ERR_INVALID, "did you mean \"%.*ss\"?", STR_ARG(v->text));
    }
    return -1;
}

static int parse_number(const struct spec_value *v)
{
    struct err ignored;
    return num_double(v->text, v->field, &ignored);
}

static int parse_positive(const struct spec_value *v)
{
    struct err ignored;
    double number;
    if (num_double(v->text, &number, &ignored) != 0 || number <= 0) {
        return -1;
    }
    *(double *)v->field = number;
    return 0;
}

static int parse_bool(const struct spec_value *v)
{
    struct err ignored;
    return num_bool(v->text, v->field, &ignored);
}

static int parse_word(const struct spec_value *v)
{
    for (size_t i = 0; i < v->row->word_count; i++) {
        if (str_eq(v->text, v->row->words[i])) {
            *(unsigned *)v->field = (unsigned)i; /* every enum here is an unsigned int */
            return 0;
        }
    }
    return -1;
}

bool spec_query_ok(struct str query)
{
    bool blank = str_trim(query).len == 0;
    bool has_nul = str_find_char(query, '\0') < query.len;
    return !blank && !has_nul && query.len <= SPEC_QUERY_MAX_BYTES && str_is_utf8(query);
}

static int parse_query(const struct spec_value *v)
{
    if (!spec_query_ok(v->text)) {
        return -1;
    }
    *(struct str *)v->field = v->text;
    return 0;
}
