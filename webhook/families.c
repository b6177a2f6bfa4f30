#include "webhook/families.h"

#include "webhook/policy.h"

/* Most reviews take well below a millisecond; the longest wait two seconds for a query. */
static const double review_seconds[] = {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                        0.025,  0.05,    0.1,    0.25,  0.5,    1,     2.5};

static const struct metric_family FAMILIES[WEBHOOK_FAMILY_COUNT] = {
    [WEBHOOK_ADMISSIONS] = {.name = "ampscale_webhook_admissions_total",
                            .kind = FAMILY_COUNTER,
                            .help = "Reviews answered, by path and verdict (allowed, patched, "
                                    "denied, malformed, failed, busy, gone).",
                            .labels = {"path", "verdict"}},
    [WEBHOOK_ADMISSION_DURATION] = {.name = "ampscale_webhook_admission_duration_seconds",
                                    .kind = FAMILY_HISTOGRAM,
                                    .help = "Time from a whole review to its answer, look-ups "
                                            "included.",
                                    .labels = {"path"},
                                    .buckets = review_seconds,
                                    .bucket_count =
                                        sizeof(review_seconds) / sizeof(review_seconds[0])},
    [WEBHOOK_QUERY_DURATION] = {.name = "ampscale_webhook_query_duration_seconds",
                                .kind = FAMILY_HISTOGRAM,
                                .help = "Time of the live queries that were sent."},
    [WEBHOOK_QUERY_ERRORS] = {.name = "ampscale_webhook_query_errors_total",
                              .kind = FAMILY_COUNTER,
                              .help = "Live queries without an answer to scale on, by reason.",
                              .labels = {"reason"}},
    [WEBHOOK_QUERY_CACHE] = {.name = "ampscale_webhook_query_cache_lookups_total",
                             .kind = FAMILY_COUNTER,
                             .help = "Live queries wanted: answered from the cache (hit), by one "
                                     "under way (shared), or sent (miss).",
                             .labels = {"result"}},
    [WEBHOOK_RESPONSES] = {.name = "ampscale_webhook_http_responses_total",
                           .kind = FAMILY_COUNTER,
                           .help = "HTTP answers, by path and status; 0: the peer went away first.",
                           .labels = {"path", "code"}},
    [WEBHOOK_CERTIFICATE_EXPIRY] = {.name = "ampscale_webhook_certificate_expiry_timestamp_seconds",
                                    .kind = FAMILY_GAUGE,
                                    .help = "When the serving certificate ends, as Unix time; 0 "
                                            "while there is none."},
    [WEBHOOK_CERTIFICATE_ERRORS] = {.name = "ampscale_webhook_certificate_errors_total",
                                    .kind = FAMILY_COUNTER,
                                    .help = "Certificates that could not be read, used, made, "
                                            "written or published; a try that fails again counts "
                                            "again."},
    [WEBHOOK_CERTIFICATES_MADE] = {.name = "ampscale_webhook_certificates_made_total",
                                   .kind = FAMILY_COUNTER,
                                   .help = "Self-managed certificates made by this replica, by "
                                           "kind (authority, certificate).",
                                   .labels = {"kind"}},
    [WEBHOOK_CERTIFICATE_TRUSTED] = {.name = "ampscale_webhook_certificate_trusted",
                                     .kind = FAMILY_GAUGE,
                                     .help = "Self-managed: 1 when caBundle of that configuration "
                                             "carries the authority of the certificate that "
                                             "serves (mutating, validating).",
                                     .labels = {"configuration"}},
    [WEBHOOK_COLLECTORS] = {.name = "ampscale_webhook_collectors_total",
                            .kind = FAMILY_COUNTER,
                            .help = "Mutations of Deployments with a collector, dry runs aside, by "
                                    "what became of it (rendered, kept, removed, left_out: it is "
                                    "wanted but cannot be, and validation says why).",
                            .labels = {"outcome"}},
    [WEBHOOK_POLICY_VERDICTS] = {.name = "ampscale_webhook_policy_verdicts_total",
                                 .kind = FAMILY_COUNTER,
                                 .help = "Breaches of the policy, by rule and what was made of "
                                         "them (deny, warn, audit; ratcheted: a warning, since the "
                                         "Deployment broke the rule before).",
                                 .labels = {"rule", "action"}},
    [WEBHOOK_FILE_LOADS] = {.name = "ampscale_webhook_file_loads_total",
                            .kind = FAMILY_COUNTER,
                            .help = "New contents of --policy and --namespaces, by file (policy, "
                                    "namespaces) and result (loaded, refused).",
                            .labels = {"file", "result"}},
    [WEBHOOK_FILE_CURRENT] = {.name = "ampscale_webhook_file_current",
                              .kind = FAMILY_GAUGE,
                              .help = "1 while what the file says is in force, 0 while it is wrong "
                                      "and an older content is.",
                              .labels = {"file"}},
};

static const struct str VERDICTS[][2] = {
    {STR_INIT("/mutate"), STR_INIT("allowed")},     {STR_INIT("/mutate"), STR_INIT("patched")},
    {STR_INIT("/mutate"), STR_INIT("malformed")},   {STR_INIT("/mutate"), STR_INIT("failed")},
    {STR_INIT("/validate"), STR_INIT("allowed")},   {STR_INIT("/validate"), STR_INIT("denied")},
    {STR_INIT("/validate"), STR_INIT("malformed")}, {STR_INIT("/validate"), STR_INIT("failed")},
    {STR_INIT("/validate"), STR_INIT("busy")},      {STR_INIT("/validate"), STR_INIT("gone")},
};

static const struct str OUTCOMES[] = {STR_INIT("deny"), STR_INIT("warn"), STR_INIT("audit"),
                                      STR_INIT("ratcheted")};

int webhook_metrics_new(const char *program, struct metrics **out, struct err *e)
{
    if (metrics_new(FAMILIES, WEBHOOK_FAMILY_COUNT, program, out, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(VERDICTS) / sizeof(VERDICTS[0]); i++) {
        metrics_add(*out, WEBHOOK_ADMISSIONS, VERDICTS[i], 0);
    }
    for (size_t i = 0; i < RULE_COUNT * sizeof(OUTCOMES) / sizeof(OUTCOMES[0]); i++) {
        const struct str labels[] = {policy_rule_name((enum policy_rule)(i % RULE_COUNT)),
                                     OUTCOMES[i / RULE_COUNT]};
        metrics_add(*out, WEBHOOK_POLICY_VERDICTS, labels, 0);
    }
    return 0;
}
