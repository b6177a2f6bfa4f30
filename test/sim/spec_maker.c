#include "test/sim/spec_maker.h"

#include "base/fmt.h"

__attribute__((format(printf, 3, 4))) static void put(struct app *app, struct str key,
                                                      const char *format, ...)
{
    size_t i = app->annotation_count++;
    va_list args;
    va_start(args, format);
    app->annotations[i] =
        (struct kv){key, fmt_v(app->texts[i], sizeof(app->texts[i]), format, args)};
    va_end(args);
}

#define KEY(name) STR(SPEC_PREFIX name)

static const char *pick(struct sim *s, const char *const *words, size_t count)
{
    return words[sim_random(s, count)];
}

static int number(struct sim *s, int least, int most)
{
    return least + (int)sim_random(s, (uint64_t)most - (uint64_t)least + 1);
}

static void put_rules(struct sim *s, struct buf *out, const char *name, int most_window)
{
    static const char *const select[] = {"Max", "Min", "Disabled", "Max", "Max"};
    static const char *const types[] = {"Pods", "Percent"};
    buf_format(out,
               "\"%s\":{\"stabilizationWindowSeconds\":%d,\"selectPolicy\":\"%s\",\"policies\":[",
               name, number(s, 0, most_window), pick(s, select, 5));
    int policies = number(s, 1, 3);
    for (int i = 0; i < policies; i++) {
        buf_format(out, "%s{\"type\":\"%s\",\"value\":%d,\"periodSeconds\":%d}", i > 0 ? "," : "",
                   pick(s, types, 2), number(s, 1, 100), number(s, 1, 300));
    }
    buf_format(out, "],\"tolerance\":\"0.%02d\"}", number(s, 0, 30));
}

static void put_behavior(struct sim *s, struct app *app)
{
    struct buf text;
    buf_init(&text, 500);
    buf_append_char(&text, '{');
    put_rules(s, &text, "scaleUp", 120);
    buf_append_char(&text, ',');
    put_rules(s, &text, "scaleDown", 900);
    buf_append_char(&text, '}');
    if (!text.failed) {
        put(app, KEY("behavior"), "%.*s", STR_ARG(buf_view(&text)));
    }
    buf_free(&text);
}

static void put_triggers(struct sim *s, struct app *app)
{
    static const char *const types[] = {"AverageValue", "AverageValue", "Value"};
    if (sim_chance(s, 700)) {
        put(app, KEY("query"), "load");
        put(app, KEY("threshold"), "%d.%d", number(s, 1, 50), number(s, 0, 9));
        put(app, KEY("activation-threshold"), "%d", sim_chance(s, 500) ? 0 : number(s, 1, 80));
        put(app, KEY("metric-type"), "%s", pick(s, types, 3));
        return;
    }
    put(app, KEY("triggers"),
        "[{name: a, query: load, threshold: %d}, {name: b, query: other, threshold: %d, "
        "activationThreshold: %d, metricType: %s}]",
        number(s, 1, 50), number(s, 1, 50), number(s, 0, 50), pick(s, types, 3));
}

static void put_fallback(struct sim *s, struct app *app, int most)
{
    static const char *const behaviors[] = {"static", "currentReplicas", "currentReplicasIfHigher",
                                            "currentReplicasIfLower"};
    static const char *const no_data[] = {"hold", "zero", "fallback"};
    put(app, KEY("fallback-replicas"), "%d", number(s, 0, most));
    put(app, KEY("fallback-after"), "%ds", number(s, 0, 120));
    put(app, KEY("fallback-behavior"), "%s", pick(s, behaviors, 4));
    put(app, KEY("on-no-data"), "%s", pick(s, no_data, 3));
}

static void put_pauses(struct sim *s, struct app *app, int most)
{
    if (sim_chance(s, 50)) {
        put(app, KEY("paused"), "true");
    } else if (sim_chance(s, 50)) {
        put(app, KEY("paused-replicas"), "%d", number(s, 0, most));
    }
    if (sim_chance(s, 80)) {
        put(app, KEY("paused-scale-in"), "true");
    }
    if (sim_chance(s, 80)) {
        put(app, KEY("paused-scale-out"), "true");
    }
}

/* What a bypassed webhook lets through. */
static void put_wrong(struct sim *s, struct app *app)
{
    static const struct {
        struct str key;
        const char *value;
    } wrong[] = {
        {STR_INIT(SPEC_PREFIX "paused"), "yes"},
        {STR_INIT(SPEC_PREFIX "cooldown-period"), "-5"},
        {STR_INIT(SPEC_PREFIX "idle-replicas"), "1000000"},
        {STR_INIT(SPEC_PREFIX "behavior"), "{scaleUp: {policies: [{type: Pods, value: 1, "
                                           "periodSeconds: 1801}]}}"},
        {STR_INIT(SPEC_PREFIX "behavior"), "*nowhere"},
        {STR_INIT(SPEC_PREFIX "fallback-replicas"), "99999999999999999999"},
        {STR_INIT(SPEC_PREFIX "metric-type"), ""},
    };
    size_t which = sim_random(s, sizeof(wrong) / sizeof(wrong[0]));
    for (size_t i = 0; i < app->annotation_count; i++) {
        if (str_eq(app->annotations[i].key, wrong[which].key)) {
            app->annotations[i].value = str_from(wrong[which].value);
            return;
        }
    }
    put(app, wrong[which].key, "%s", wrong[which].value);
}

static void put_rest(struct sim *s, struct app *app)
{
    app->restores = sim_chance(s, 300);
    app->initial_ms = sim_chance(s, 200) ? number(s, 1, 600) * INT64_C(1000) : 0;
    app->invalid = sim_chance(s, 30);
    bool unknown = sim_chance(s, 30);
    app->complains = app->invalid || unknown;
    put(app, STR(SPEC_ORIGINAL_REPLICAS), "%d", app->original);
    if (app->restores) {
        put(app, KEY("restore-replicas"), "true");
    }
    if (app->initial_ms > 0) {
        put(app, KEY("initial-cooldown-period"), "%ds", (int)(app->initial_ms / 1000));
    }
    if (sim_chance(s, 40)) {
        put(app, KEY("force-activation"), "true");
    }
    if (unknown) {
        put(app, KEY("max-replica"), "7");
    }
    if (app->invalid) {
        put_wrong(s, app);
    }
}

void spec_make(struct sim *s, struct app *app)
{
    static const int intervals[] = {1, 5, 15, 15, 15, 30};
    int min = sim_chance(s, 300) ? 0 : number(s, 1, 5);
    int max = number(s, min > 0 ? min : 1, 60);
    app->annotation_count = 0;
    app->edition++;
    put_triggers(s, app);
    put(app, KEY("min-replicas"), "%d", min);
    put(app, KEY("max-replicas"), "%d", max);
    put(app, KEY("polling-interval"), "%ds", intervals[sim_random(s, 6)]);
    put(app, KEY("cooldown-period"), "%ds", number(s, 0, 600));
    if (min > 1 && sim_chance(s, 300)) {
        put(app, KEY("idle-replicas"), "%d", number(s, 0, min - 1));
    }
    if (sim_chance(s, 400)) {
        put_behavior(s, app);
    }
    if (sim_chance(s, 400)) {
        put_fallback(s, app, max);
    }
    put_pauses(s, app, max);
    put_rest(s, app);
}
