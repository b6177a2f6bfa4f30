/* A collector's life: scrapes on time, sends, answers its probes, and ends in good order.
 *
 * The end. SIGINT: what waits is sent. SIGTERM says that the pod is going: the target is scraped
 * once more, but briefly, for it is mostly gone already; then all series are marked stale, so that
 * no graph carries them on; then what waits is sent. Either ends after shutdown_timeout_ms, or
 * sooner when nothing can be sent within that (the next attempt would come later, there are no
 * credentials); a second signal ends at once. Nothing else does: a peer that fails is waited for.
 * The last line of the log says how many samples were not sent, and why.
 */
#ifndef AMPSCALE_COLLECTOR_COLLECTOR_H
#define AMPSCALE_COLLECTOR_COLLECTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/flags.h"
#include "base/log.h"
#include "collector/destination.h"
#include "collector/outbox.h"
#include "collector/series.h"
#include "collector/target.h"
#include "net/awscreds.h"
#include "net/http.h"

struct collector_options {
    const struct logger *log;
    const char *user_agent;
    struct target target;
    const char *target_url; /* target.url, NUL-terminated */
    struct destination destination;
    int64_t interval_ms, timeout_ms, shutdown_timeout_ms;
    const struct series_label *labels; /* of every series */
    size_t label_count;
    const struct flag_list *keep, *match;
    struct series_limits series;
    struct outbox_limits outbox;
    uint64_t body_max_bytes;
    struct http_tls target_tls, remote_tls;
    struct aws_options aws;
    bool own_metrics;
    const char *metrics_listen; /* NULL: nowhere */
};

/* Until a signal. 0; 1 when it could not start, 2 when that is because an option is none (logged).
 */
int collector_run(const struct collector_options *o);

#endif
