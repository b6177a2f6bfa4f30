/* POST /mutate and /validate: one review from its HTTP request to its answer.
 *
 * A user's error is an answer; a body that is no review is 400 (or 413 by the server); what fails
 * on our side is 500, and 503 while too many reviews wait for their look-ups: failurePolicy decides
 * then.
 */
#ifndef AMPSCALE_WEBHOOK_ADMISSION_H
#define AMPSCALE_WEBHOOK_ADMISSION_H

#include "webhook/service.h"

enum {
    ADMISSIONS_WAITING_MAX = 256,
    ADMISSIONS_WAITING_BYTES_MAX = 96 << 20, /* bodies and trees of those */
    ADMISSION_TIMEOUT_DEFAULT_MS = 10000,    /* a request without ?timeout= */
};

/* Handlers of net/server.h; context is the service. */
void admission_mutate(void *service, struct server_request *r);
void admission_validate(void *service, struct server_request *r);

/* Free what is kept for the next review. */
void admission_forget(struct service *s);

#endif
