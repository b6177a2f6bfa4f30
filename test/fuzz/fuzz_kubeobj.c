/* Any bytes as a Deployment, as a line of a watch and as a Status. */
#include <stdlib.h>

#include "base/kubeobj.h"
#include "fuzz.h"

enum { MEMORY_BYTES = 32 << 20 };

static void check_text(const struct err *e)
{
    if (e->code == ERR_NONE || e->text[0] == '\0' || !str_is_utf8(str_from(e->text))) {
        abort();
    }
}

static void decode(const struct json *node, struct arena *a)
{
    struct deployment d = {0};
    struct err e = ERR_INIT;

    if (deployment_decode(node, a, &d, &e) != 0) {
        check_text(&e);
        return;
    }
    if (d.node != node || d.generation < 0 || (!d.replicas_present && d.replicas != 1)) {
        abort();
    }
    for (size_t i = 0; i < d.annotations.count; i++) {
        const struct kv *item = &d.annotations.items[i];

        if (kv_get(&d.annotations, item->key).ptr != item->value.ptr) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const struct json *node = NULL;
    struct watch_event event = {0};
    struct err e = ERR_INIT;
    struct arena a;

    arena_init(&a, MEMORY_BYTES);
    if (json_parse(text, &JSON_LIMITS_API, &a, &node, &e) == 0) {
        decode(node, &a);
    }
    if (watch_event_decode(text, &a, &event, &e) == 0) {
        decode(event.object, &a);
    } else {
        check_text(&e);
    }
    if (kube_status_err(404, text, &a, &e) != -1 || e.code != ERR_NOT_FOUND) {
        abort();
    }
    check_text(&e);
    arena_free(&a);
    return 0;
}
