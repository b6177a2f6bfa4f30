/* process_* of the running process, by the names of Prometheus' client libraries. Linux only. */
#ifndef AMPSCALE_NET_METRICS_PROCESS_H
#define AMPSCALE_NET_METRICS_PROCESS_H

#include "base/buf.h"

/* When the process started, Unix: to be read once, since the two clocks it is made of drift. It
 * does without /proc/stat, which has a number for each interrupt there is and takes the kernel
 * milliseconds on large machines. 0: /proc is hidden. */
double metrics_process_start_s(void);

/* What cannot be read (a /proc that is hidden; start_s 0) is left out. */
void metrics_print_process(double start_s, struct buf *out);

#endif
