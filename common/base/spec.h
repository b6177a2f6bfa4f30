/* THE CONTRACT: `scale.amp/…` annotations <-> struct scale_spec.
 *
 * One table (spec.c) has a row an annotation; parsing, checking, defaulting, printing and the
 * README's table come from that row. Every program parses through here, once. All complaints are
 * collected, each naming key, value and what is expected.
 *
 * To add an annotation: one enum value here, one row in spec.c, one field in struct scale_spec.
 */
#ifndef AMPSCALE_BASE_SPEC_H
#define AMPSCALE_BASE_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/kubeobj.h"
#include "base/str.h"

#define SPEC_PREFIX "scale.amp/"

/* User keys, in the table's order; presence in scale_spec.present is bit 1 << key. */
enum spec_key {
    KEY_QUERY,
    KEY_THRESHOLD,
    KEY_ACTIVATION_THRESHOLD,
    KEY_METRIC_TYPE,
    KEY_TRIGGERS,
    KEY_MIN_REPLICAS,
    KEY_MAX_REPLICAS,
    KEY_IDLE_REPLICAS,
    KEY_POLLING_INTERVAL,
    KEY_COOLDOWN_PERIOD,
    KEY_INITIAL_COOLDOWN_PERIOD,
    KEY_BEHAVIOR,
    KEY_ON_NO_DATA,
    KEY_FALLBACK_REPLICAS,
    KEY_FALLBACK_AFTER,
    KEY_FALLBACK_BEHAVIOR,
    KEY_PAUSED,
    KEY_PAUSED_REPLICAS,
    KEY_PAUSED_SCALE_IN,
    KEY_PAUSED_SCALE_OUT,
    KEY_FORCE_ACTIVATION,
    KEY_RESTORE_REPLICAS,
    KEY_KEEP_REPLICAS,
    KEY_ENDPOINT,
    KEY_WORKSPACE,
    KEY_REGION,
    KEY_ROLE_ARN,
    KEY_COLLECTOR,
    KEY_COLLECTOR_ROLE_ARN,
    KEY_COLLECTOR_CPU,
    KEY_COLLECTOR_MEMORY,
    KEY_SCRAPE_PORT,
    KEY_SCRAPE_PATH,
    KEY_SCRAPE_SCHEME,
    KEY_SCRAPE_INTERVAL,
    KEY_METRICS,
    KEY_REFRESH,
    KEY_COUNT,
};

/* Keys that the webhook writes and users leave alone. */
#define SPEC_LABEL_MANAGED SPEC_PREFIX "managed"
#define SPEC_ORIGINAL_REPLICAS SPEC_PREFIX "original-replicas"
#define SPEC_INJECTED SPEC_PREFIX "injected"

enum metric_type { METRIC_AVERAGE_VALUE, METRIC_VALUE };

/* What an empty, NaN or Inf result means. */
enum no_data {
    NO_DATA_HOLD,     /* unknown, for as long as it lasts */
    NO_DATA_ZERO,     /* the value 0, because the user says so */
    NO_DATA_FALLBACK, /* unknown, and after fallback-after the fallback, as an error is */
};

/* What a trigger proposes once it was unknown for fallback-after. */
enum fallback_behavior {
    FALLBACK_STATIC,    /* fallback-replicas */
    FALLBACK_CURRENT,   /* the present count */
    FALLBACK_IF_HIGHER, /* the larger of the two */
    FALLBACK_IF_LOWER,  /* the smaller of the two */
};

/* autoscaling/v2 HorizontalPodAutoscalerBehavior, with its defaults filled in where it is given.
 * Source: k8s.io/api autoscaling/v2 types.go; pkg/apis/autoscaling/v2/defaults.go and validation.
 */
enum select_policy { SELECT_MAX, SELECT_MIN, SELECT_DISABLED };
enum policy_type { POLICY_PODS, POLICY_PERCENT };

enum { SPEC_POLICIES_MAX = 8 };

struct scaling_policy {
    enum policy_type type;
    int32_t value;          /* > 0: pods, or per cent of the count at the period's start */
    int32_t period_seconds; /* 1..1800 */
};

struct scaling_rules {
    int32_t window_seconds; /* stabilization, 0..3600 */
    enum select_policy select;
    struct scaling_policy policies[SPEC_POLICIES_MAX];
    size_t policy_count; /* 0: no limit to a step (only where no behavior is given) */
    double tolerance;    /* ≥ 0: relative distance from the target within which the count stays */
};

struct behavior {
    bool given; /* the annotation is there */
    struct scaling_rules up, down;
};

enum { SPEC_TRIGGERS_MAX = 16, SPEC_QUERY_MAX_BYTES = 16384 };

struct trigger {
    struct str name; /* "default" for the single one of query and threshold */
    struct str query;
    double threshold; /* > 0 */
    double activation;
    enum metric_type type;
};

/* The collector beside the app. */
enum collector_wish { COLLECTOR_DISABLED, COLLECTOR_ENABLED };
enum scrape_scheme { SCRAPE_HTTP, SCRAPE_HTTPS };

enum { SPEC_METRICS_MAX = 32 };

struct scale_spec {
    uint64_t present; /* bit of each enum spec_key that the user (or the record) set */
    struct trigger triggers[SPEC_TRIGGERS_MAX];
    size_t trigger_count; /* 0: nothing to scale on */
    int32_t min_replicas, max_replicas;
    int32_t idle_replicas; /* if present */
    int64_t polling_interval_ms, cooldown_ms, initial_cooldown_ms;
    struct behavior behavior;
    enum no_data on_no_data;
    int32_t fallback_replicas; /* if present */
    int64_t fallback_after_ms;
    enum fallback_behavior fallback_behavior;
    bool paused, paused_scale_in, paused_scale_out, force_activation;
    int32_t paused_replicas; /* if present */
    bool restore_replicas, keep_replicas;
    struct str endpoint, workspace, region; /* absent: the namespace's own */
    struct str role_arn;                    /* to query with; absent: the namespace's own */

    enum collector_wish collector;
    struct str collector_role_arn;              /* to write with; absent: the namespace's own */
    struct str collector_cpu, collector_memory; /* quantities as the API server writes them, so it
                                                   does not rewrite them; absent: the webhook's */
    /* Where to scrape. What is not present (spec_has) may be named by the pod template. */
    struct str scrape_port; /* 1 to 65535, or the name of a container's port; absent: not named */
    struct str scrape_path;
    enum scrape_scheme scrape_scheme;
    int64_t scrape_interval_ms;
    const struct str *metrics; /* globs on names that are kept; none: all */
    size_t metric_count;
    bool metrics_from_query; /* kept is what the triggers' queries select */
    struct str refresh;
};

/* True when the annotation was written. */
bool spec_has(const struct scale_spec *spec, enum spec_key key);

/* One thing wrong with one annotation. */
struct complaint {
    struct str key;   /* with the prefix */
    struct str value; /* as written, cut to 64 bytes, a URL without its user; absent for a missing
                         key */
    struct str text;  /* what is expected, and the fix */
};

enum { COMPLAINTS_MAX = 32 };

struct complaints {
    struct complaint items[COMPLAINTS_MAX];
    size_t count;
    size_t unknown; /* how many of them are unknown keys, which a scaler reports but ignores */
    bool more;      /* there were more than COMPLAINTS_MAX */
};

/* True when a key starts with the prefix and is one of ours, written by users or by the webhook. */
bool spec_key_known(struct str key);

/* True when the annotations ask for scaling (query, threshold or triggers is there, valid or not).
 */
bool spec_wants_scaling(const struct kv_list *annotations);

/* True when the annotations ask for a collector (collector is there and is `enabled`). A Deployment
 * may only collect: then it is ours, and no scaler's. */
bool spec_wants_collector(const struct kv_list *annotations);

/* Parse the annotations of one Deployment. Keys outside the prefix are passed over; defaults fill
 * what is absent. Every complaint goes to *complaints (texts in `a`); with none that is more than
 * an unknown key, *out is usable and its views point into `annotations` and `a`. Returns 0, or
 * -1/ERR_MEMORY alone: a wrong annotation is a complaint, not an error. */
int spec_parse(const struct kv_list *annotations, struct arena *a, struct scale_spec *out,
               struct complaints *complaints, struct err *e) __attribute__((warn_unused_result));

/* Parse one value of a key that comes from elsewhere (prometheus.io/port of a pod template, a flag)
 * by the annotation's own rule, into the spec's field. False: it is not what spec_expected says, or
 * memory failed; then the field is as before. */
bool spec_parse_value(enum spec_key key, struct str value, struct arena *a,
                      struct scale_spec *spec);
/* "a port from 1 to 65535, …": what a complaint says behind "expected". */
const char *spec_expected(enum spec_key key);
/* The annotation's name, with the prefix. */
struct str spec_key_name(enum spec_key key);

/* True when nothing but unknown keys was complained about. */
bool spec_usable(const struct complaints *complaints);

/* One line a complaint: «scale.amp/threshold: "0": expected a number > 0». */
void complaint_print(const struct complaint *c, struct buf *out);
void complaints_print(const struct complaints *complaints, struct str separator, struct buf *out);

/* What the webhook makes explicit: the key (with prefix) and text of each default that is in force,
 * matters to this spec and is not written. None where there is nothing to scale on. `index` counts
 * up from 0; false at the end. */
bool spec_default(const struct scale_spec *spec, size_t index, struct str *key, struct str *value);

/* The Markdown table of the README, generated from the rows. */
void spec_print_table(struct buf *out);

#endif
