/* How other processes of the container ask the running collector: a kubelet's exec probe (--check)
 * and its preStop hook (--final-scrape), run in an image without a shell.
 *
 * By an abstract unix socket, which is no file (the root is read-only) and no port (nothing is to
 * listen on the pod's address), in packets: a question, an answer. It exists within the pod's
 * network namespace, by a name that is the container's own, so that pods on the node's network keep
 * apart; what a neighbour can do with it is ask for a scrape.
 */
#ifndef AMPSCALE_COLLECTOR_ASK_H
#define AMPSCALE_COLLECTOR_ASK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "net/loop.h"

enum ask_question { ASK_CHECK, ASK_FINAL_SCRAPE, ASK_QUESTION_COUNT };

enum { ASK_ANSWER_BYTES = 256 };

/* ---- the running collector ---- */

struct ask_server;

/* Checks are answered here, by the loop itself. `final_scrape` is called for the other question,
 * once for all who ask until ask_server_answer. Eight are listened to; for one more, one gives way:
 * who has not asked yet before who waits, who is told. ERR_CONFLICT: another collector has that
 * name. */
int ask_server_new(struct loop *l, const char *name, void (*final_scrape)(void *context),
                   void *context, struct ask_server **out, struct err *e)
    __attribute__((warn_unused_result));
/* To all who asked for a final scrape; none are there: nothing. */
void ask_server_answer(struct ask_server *a, struct str text);
void ask_server_free(struct ask_server *a); /* NULL is allowed */

/* ---- who asks ---- */

/* Blocks, at most timeout_ms. The answer into `out`, NUL-terminated. ERR_NOT_FOUND: no collector is
 * running; ERR_TIMEOUT: it does not answer; ERR_UNAVAILABLE: it ended meanwhile. */
int ask(const char *name, enum ask_question question, int64_t timeout_ms,
        char out[ASK_ANSWER_BYTES], struct err *e) __attribute__((warn_unused_result));

#endif
