/* What the Secret and the caBundles say, read together: texts to the facts of webhook/certplan.h.
 */
#ifndef AMPSCALE_WEBHOOK_CERTVIEW_H
#define AMPSCALE_WEBHOOK_CERTVIEW_H

#include "webhook/certmake.h"
#include "webhook/certplan.h"
#include "webhook/certstore.h"

struct cert_view {
    struct cert_facts facts;      /* but bundles and published_ms, which are the reader's to say */
    struct str cas[CERT_CAS_MAX]; /* PEM of facts.cas; views into what was read */
    unsigned char ids[CERT_CAS_MAX][CERT_ID_BYTES];
    struct err complaint; /* the first thing of the Secret that cannot be used; ERR_NONE: there is
                             none. A key that is not there is no complaint */
};

/* configs[i]: NULL where there is none, or it is not known. At most CERT_CAS_MAX CAs are seen, the
 * youngest. */
void certview_read(const struct cert_texts *texts, const struct cert_config *const *configs,
                   const struct cert_service *s, struct cert_view *out);

/* Append the CAs that are `kept`, newest first, as ca.crt and caBundle have them. */
void certview_print_cas(const struct cert_view *v, const bool kept[CERT_CAS_MAX], size_t most,
                        struct buf *out);

#endif
