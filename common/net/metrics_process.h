/* process_* of the running process, by the names of Prometheus' client libraries. Linux only. */
#ifndef AMPSCALE_NET_METRICS_PROCESS_H
#define AMPSCALE_NET_METRICS_PROCESS_H

#include "base/buf.h"

/* What cannot be read (a /proc that is hidden) is left out. */
void metrics_print_process(struct buf *out);

#endif
