/* simulate on any course of lines: each gives one line of JSON with a count, or is refused by
 * number. */
#include <stdlib.h>

#include "base/json.h"
#include "cli/simulate.h"
#include "fuzz.h"

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static const struct kv ANNOTATIONS[] = {
    {STR_INIT("scale.amp/triggers"),
     STR_INIT("[{name: a, query: q, threshold: 10, activationThreshold: 3}, "
              "{name: b, query: r, threshold: 7.5, metricType: Value}]")},
    {STR_INIT("scale.amp/min-replicas"), STR_INIT("0")},
    {STR_INIT("scale.amp/fallback-replicas"), STR_INIT("7")},
    {STR_INIT("scale.amp/behavior"),
     STR_INIT("scaleUp: {stabilizationWindowSeconds: 30, policies: [{type: Percent, value: 50, "
              "periodSeconds: 60}]}\nscaleDown: {policies: [{type: Pods, value: 2, "
              "periodSeconds: 90}]}")}};

static void check_output(struct str line)
{
    struct arena arena;
    struct err e = ERR_INIT;
    const struct json *node;
    int64_t replicas;
    arena_init(&arena, 1 << 20);
    require(json_parse(line, &JSON_LIMITS_USER, &arena, &node, &e) == 0);
    require(json_int(json_get(node, STR("replicas")), &replicas) && replicas >= 0);
    require(json_str(json_get(node, STR("message"))).len > 0);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str rest = {(const char *)data, size};
    const struct deployment d = {
        .annotations = {ANNOTATIONS, sizeof(ANNOTATIONS) / sizeof(ANNOTATIONS[0])}, .replicas = 3};
    struct simulation *s = NULL;
    struct err e = ERR_INIT;
    struct buf out;
    int status = 0;

    buf_init(&out, 1 << 20);
    require(simulation_new(&d, false, &out, &s, &e) == 0 && out.len == 0);
    while (rest.len > 0 && status == 0) {
        struct str line = str_cut(rest, '\n', &rest);
        buf_reset(&out);
        status = simulation_line(s, line, &out, &e);
        if (status != 0) {
            require(str_starts(str_from(e.text), STR("line ")) && out.len == 0);
        } else if (out.len > 0) {
            check_output(buf_view(&out));
        }
    }
    simulation_free(s);
    buf_free(&out);
    return 0;
}
