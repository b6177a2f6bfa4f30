/* Every row of the contract: what it accepts and what comes of it, the exact complaint for what it
 * refuses, and the defaults the webhook writes. Cases: test/golden/spec.
 *
 * A section's input has a line an annotation, KEY VALUE with scale.amp/ left out and %NN for a
 * byte; a line "| TEXT" goes on with the value above, on a new line. query and threshold are there
 * unless a case has one of query, threshold, triggers or the word "bare".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/spec_rows.h"
#include "golden.h"

enum { ITEMS_MAX = 16, ARENA_BYTES = 1 << 20, TEXT_BYTES = 1 << 17 };

struct parsed {
    struct arena arena;
    struct kv items[ITEMS_MAX];
    struct kv_list list;
    struct scale_spec spec;
    struct complaints complaints;
};

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%NN" into bytes; "%*NN:TEXT" is TEXT, NN (hexadecimal) thousand times. */
static void append_decoded(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *at = text.ptr + i;
        if (*at != '%' || i + 2 >= text.len) {
            buf_append_char(out, *at);
        } else if (at[1] == '*') {
            struct str repeated = str_slice(text, i + 5, text.len);
            for (int n = 0; n < 1000 * (hex(at[2]) * 16 + hex(at[3])); n++) {
                buf_append(out, repeated);
            }
            return;
        } else {
            buf_append_char(out, (char)(hex(at[1]) * 16 + hex(at[2])));
            i += 2;
        }
    }
}

static void add(struct parsed *p, struct str key, struct str value)
{
    struct str full, copy;
    struct err e = ERR_INIT;
    assert_true(p->list.count < ITEMS_MAX);
    assert_int_equal(arena_format(&p->arena, &full, &e, "%s%.*s", SPEC_PREFIX, STR_ARG(key)), 0);
    assert_int_equal(arena_str(&p->arena, value, &copy, &e), 0);
    p->items[p->list.count++] = (struct kv){full, copy};
}

static void read_case(struct parsed *p, struct str input)
{
    bool own = false;
    arena_init(&p->arena, ARENA_BYTES);
    p->list = (struct kv_list){p->items, 0};
    while (input.len > 0) {
        struct buf value;
        struct str text;
        struct str key = str_cut(str_cut(input, '\n', &input), ' ', &text);
        buf_init(&value, TEXT_BYTES);
        append_decoded(text.ptr == NULL ? STR("") : text, &value);
        while (str_starts(input, STR("|"))) {
            struct str more = str_cut(input, '\n', &input);
            buf_append_char(&value, '\n');
            append_decoded(str_slice(more, 2, more.len), &value);
        }
        bool bare = str_eq(key, STR("bare"));
        own = own || bare || str_eq(key, STR("query")) || str_eq(key, STR("threshold")) ||
              str_eq(key, STR("triggers"));
        if (!bare) {
            add(p, key, value.len > 0 ? buf_view(&value) : STR(""));
        }
        buf_free(&value);
    }
    if (!own) {
        add(p, STR("query"), STR("up"));
        add(p, STR("threshold"), STR("25"));
    }
    struct err e = ERR_INIT;
    memset(&p->spec, 0x55, sizeof(p->spec));
    assert_int_equal(spec_parse(&p->list, &p->arena, &p->spec, &p->complaints, &e), 0);
}

/* A newline, a tab or a byte that is no UTF-8 is a space in what is wanted. */
static void run_refused(const struct golden_case *c)
{
    struct parsed p;
    struct buf got;
    read_case(&p, golden_field(c, 1));
    buf_init(&got, TEXT_BYTES);
    complaints_print(&p.complaints, STR(" ¦ "), &got);
    for (size_t i = 0; i < got.len; i++) {
        got.ptr[i] = memchr("\n\t\xff", got.ptr[i], 3) != NULL ? ' ' : got.ptr[i];
    }
    golden_expect(c, buf_view(&got), golden_field(c, 2));
    golden_expect_int(c, "usable", spec_usable(&p.complaints),
                      p.complaints.count == p.complaints.unknown);
    buf_free(&got);
    arena_free(&p.arena);
}

static void put_double(struct buf *out, const char *what, double value)
{
    char text[NUM_TEXT_BYTES];
    buf_format(out, " %s=%.*s", what, STR_ARG(num_print_double(value, text)));
}

static void put_rules(struct buf *out, const char *what, const struct scaling_rules *r)
{
    static const char *const SELECT[] = {"Max", "Min", "Disabled"};
    buf_format(out, " %s=%d,%s", what, r->window_seconds, SELECT[r->select]);
    for (size_t i = 0; i < r->policy_count; i++) {
        const struct scaling_policy *policy = &r->policies[i];
        buf_format(out, ",%d%s/%d", policy->value, policy->type == POLICY_PODS ? "p" : "%",
                   policy->period_seconds);
    }
    put_double(out, "tolerance", r->tolerance);
}

static void put_trigger(struct buf *out, const struct trigger *t)
{
    buf_format(out, " [%.*s: %.*s", STR_ARG(t->name), STR_ARG(t->query));
    put_double(out, "threshold", t->threshold);
    put_double(out, "activation", t->activation);
    buf_format(out, " %s]", t->type == METRIC_VALUE ? "Value" : "AverageValue");
}

/* Field by field, the fields that a case leaves at their default left out. */
static void put_counts(struct buf *out, const struct scale_spec *s)
{
    const struct {
        const char *name;
        int64_t value, usual;
    } fields[] = {
        {"min", s->min_replicas, 1},
        {"max", s->max_replicas, 100},
        {"idle", spec_has(s, KEY_IDLE_REPLICAS) ? s->idle_replicas : -1, -1},
        {"polling", s->polling_interval_ms, 15000},
        {"cooldown", s->cooldown_ms, 300000},
        {"initial-cooldown", s->initial_cooldown_ms, 0},
        {"no-data", s->on_no_data, NO_DATA_HOLD},
        {"fallback", spec_has(s, KEY_FALLBACK_REPLICAS) ? s->fallback_replicas : -1, -1},
        {"after", s->fallback_after_ms, 45000},
        {"fallback-behavior", s->fallback_behavior, FALLBACK_IF_HIGHER},
        {"paused", s->paused, 0},
        {"paused-replicas", spec_has(s, KEY_PAUSED_REPLICAS) ? s->paused_replicas : -1, -1},
        {"paused-in", s->paused_scale_in, 0},
        {"paused-out", s->paused_scale_out, 0},
        {"force", s->force_activation, 0},
        {"restore", s->restore_replicas, 0},
        {"keep", s->keep_replicas, 1},
    };
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].value != fields[i].usual) {
            buf_format(out, " %s=%lld", fields[i].name, (long long)fields[i].value);
        }
    }
}

static void put_text(struct buf *out, const char *what, struct str text)
{
    if (text.ptr != NULL) {
        buf_format(out, " %s=%.*s", what, STR_ARG(text));
    }
}

static void put_collector(struct buf *out, const struct scale_spec *s)
{
    put_text(out, "role", s->role_arn);
    buf_append(out, s->collector == COLLECTOR_ENABLED ? STR(" collects") : STR(""));
    put_text(out, "writer", s->collector_role_arn);
    put_text(out, "cpu", s->collector_cpu);
    put_text(out, "memory", s->collector_memory);
    put_text(out, "port", s->scrape_port);
    if (!str_eq(s->scrape_path, STR("/metrics"))) {
        put_text(out, "path", s->scrape_path);
    }
    buf_append(out, s->scrape_scheme == SCRAPE_HTTPS ? STR(" https") : STR(""));
    if (s->scrape_interval_ms != 15000) {
        buf_format(out, " every=%lld", (long long)s->scrape_interval_ms);
    }
    for (size_t i = 0; i < s->metric_count; i++) {
        put_text(out, "keep", s->metrics[i]);
    }
    buf_append(out, s->metrics_from_query ? STR(" from-query") : STR(""));
    put_text(out, "refresh", s->refresh);
}

static void put_spec(struct buf *out, const struct scale_spec *s)
{
    struct trigger usual = {.name = STR("default"), .query = STR("up"), .threshold = 25};
    struct buf is, was;
    buf_init(&is, TEXT_BYTES);
    buf_init(&was, TEXT_BYTES);
    for (size_t i = 0; i < s->trigger_count; i++) {
        put_trigger(&is, &s->triggers[i]);
    }
    put_trigger(&was, &usual);
    if (!str_eq(buf_view(&is), buf_view(&was))) {
        buf_append(out, s->trigger_count == 0 ? STR(" []") : buf_view(&is));
    }
    buf_free(&is);
    buf_free(&was);
    put_counts(out, s);
    if (s->behavior.given) {
        put_rules(out, "up", &s->behavior.up);
        put_rules(out, "down", &s->behavior.down);
    }
    const struct str where[] = {s->endpoint, s->workspace, s->region};
    for (size_t i = 0; i < 3; i++) {
        if (where[i].ptr != NULL) {
            buf_format(out, " at=%.*s", STR_ARG(where[i]));
        }
    }
    put_collector(out, s);
}

static void run_accepted(const struct golden_case *c)
{
    struct parsed p;
    struct buf got;
    read_case(&p, golden_field(c, 1));
    buf_init(&got, TEXT_BYTES);
    complaints_print(&p.complaints, STR(" ¦ "), &got);
    if (spec_usable(&p.complaints)) {
        put_spec(&got, &p.spec);
    }
    for (size_t i = 0; i < got.len; i++) {
        got.ptr[i] = got.ptr[i] == '\n' ? ' ' : got.ptr[i];
    }
    golden_expect(c, str_trim(got.len > 0 ? buf_view(&got) : STR("")), golden_field(c, 2));
    buf_free(&got);
    arena_free(&p.arena);
}

/* What the webhook writes beside the annotations; and written, it changes nothing. */
static void run_defaults(const struct golden_case *c)
{
    struct parsed p, again;
    struct buf got, is, was;
    read_case(&p, golden_field(c, 1));
    again = p;
    buf_init(&got, TEXT_BYTES);
    buf_init(&is, TEXT_BYTES);
    buf_init(&was, TEXT_BYTES);
    struct str key, value;
    for (size_t i = 0; spec_default(&p.spec, i, &key, &value); i++) {
        buf_format(&got, "%s%.*s=%.*s", i > 0 ? " " : "", STR_ARG(key), STR_ARG(value));
        again.items[again.list.count++] = (struct kv){key, value};
    }
    golden_expect(c, got.len > 0 ? buf_view(&got) : STR(""), golden_field(c, 2));
    struct err e = ERR_INIT;
    again.list.items = again.items;
    assert_int_equal(spec_parse(&again.list, &p.arena, &again.spec, &again.complaints, &e), 0);
    put_spec(&was, &p.spec);
    put_spec(&is, &again.spec);
    golden_expect(c, buf_view(&is), buf_view(&was));
    assert_false(spec_default(&again.spec, 0, &key, &value));
    buf_free(&got);
    buf_free(&is);
    buf_free(&was);
    arena_free(&p.arena);
}

static void test_refused_scalars(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/spec/refuse.txt", run_refused);
}

static void test_refused_yaml(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/spec/refuse-yaml.txt", run_refused);
}

static void test_accepted(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/spec/accept.txt", run_accepted);
}

static void test_defaults(void **state)
{
    (void)state;
    golden_sections(GOLDEN_DIR "/spec/defaults.txt", run_defaults);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_scalars),
        cmocka_unit_test(test_refused_yaml),
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_defaults),
    };
    return cmocka_run_group_tests_name("spec_rows", tests, NULL, NULL);
}
