/* decide()'s memory as JSON: what is written is what is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/spec_rows.h"
#include "scaler/memory_json.h"

enum { RECORDS = 128, TRIGGERS = 2, TEXT_BYTES = 1 << 16, ARENA_BYTES = 1 << 20 };

static struct scale_spec paced(void)
{
    struct scale_spec spec = {.trigger_count = TRIGGERS,
                              .min_replicas = 0,
                              .max_replicas = 100,
                              .polling_interval_ms = 15000,
                              .cooldown_ms = 300000};
    spec_no_behavior(&spec.behavior);
    spec.behavior.given = true;
    spec.behavior.up.policies[0] = (struct scaling_policy){POLICY_PODS, 3, 60};
    spec.behavior.down.policies[0] = (struct scaling_policy){POLICY_PODS, 2, 60};
    spec.behavior.up.policy_count = spec.behavior.down.policy_count = 1;
    spec.triggers[0] = (struct trigger){.name = STR("a"), .threshold = 1};
    spec.triggers[1] = (struct trigger){.name = STR("b"), .threshold = 1};
    return spec;
}

static void tick(const struct scale_spec *spec, struct decide_memory *memory, int64_t ms,
                 struct decision *d)
{
    struct reading readings[TRIGGERS] = {
        {.kind = READING_VALUE, .value = (double)(ms / 7000 % 23)},
        {.kind = ms / 1000 % 5 == 0 ? READING_ERROR : READING_VALUE, .value = 3, .text = "no"}};
    struct observation obs = {d->replicas, d->replicas, readings};
    decide(spec, &obs, memory, ms, d);
}

static struct str print(const struct decide_memory *memory, struct buf *out)
{
    struct json_writer j;
    buf_init(out, TEXT_BYTES);
    json_writer_init(&j, out);
    memory_write(&j, memory, TRIGGERS);
    return buf_view(out);
}

/* Cut at any tick, written, read and gone on with: the same decisions. */
static void test_round_trip(void **state)
{
    (void)state;
    struct scale_spec spec = paced();
    struct decide_record records[2][RECORDS];
    struct decide_memory memory, again;
    struct decision d = {.replicas = 1}, e;
    assert_true(decide_memory_records(&spec) <= RECORDS);
    decide_memory_init(&memory, &spec, records[0]);
    for (int64_t ms = 1000; ms < 900000; ms += 14000) {
        struct arena arena;
        struct buf text, text_again;
        const struct json *tree;
        struct err err = ERR_INIT;
        arena_init(&arena, ARENA_BYTES);
        struct str first = print(&memory, &text);
        assert_int_equal(json_parse(first, &JSON_LIMITS_API, &arena, &tree, &err), 0);
        decide_memory_init(&again, &spec, records[1]);
        assert_int_equal(memory_read(tree, &again, &err), 0);
        assert_true(str_eq(print(&again, &text_again), first));
        e = d;
        tick(&spec, &memory, ms, &d);
        tick(&spec, &again, ms, &e);
        assert_memory_equal(&d, &e, offsetof(struct decision, message));
        assert_string_equal(d.message, e.message);
        buf_free(&text);
        buf_free(&text_again);
        arena_free(&arena);
    }
}

static void test_text(void **state)
{
    (void)state;
    struct scale_spec spec = paced();
    struct decide_record records[RECORDS];
    struct decide_memory memory;
    struct buf text;
    decide_memory_init(&memory, &spec, records);
    memory.last_ms = 5000;
    memory.adopted_ms = 4000;
    memory.ever_active = true;
    memory.inactive_ms = 7;
    memory.unknown_ms[1] = 9;
    memory.last_from = 2;
    memory.last_to = 3;
    memory.proposals.records[0] = (struct decide_record){4000, 2};
    memory.proposals.count = 1;
    memory.ups.records[0] = (struct decide_record){4500, 1};
    memory.ups.count = 1;
    memory.downs.records[0] = (struct decide_record){4600, 5};
    memory.downs.count = 1;
    assert_true(
        str_eq(print(&memory, &text),
               STR("{\"lastMs\":5000,\"adoptedMs\":4000,\"everActive\":true,\"inactiveMs\":7,"
                   "\"unknownMs\":[0,9],\"lastFrom\":2,\"lastTo\":3,\"proposals\":[[4000,2]],"
                   "\"ups\":[[4500,1]],\"downs\":[[4600,5]]}")));
    buf_free(&text);
}

#define HEAD "{\"lastMs\":5000,\"adoptedMs\":4000,\"everActive\":true,\"inactiveMs\":0,"
#define COUNTS "\"lastFrom\":0,\"lastTo\":0,"
#define LISTS "\"proposals\":[],\"ups\":[],\"downs\":[]}"
#define UNKNOWN "\"unknownMs\":[0],"

struct wrong {
    const char *text, *want;
};

static const struct wrong WRONG[] = {
    {HEAD UNKNOWN COUNTS LISTS, ""},
    {HEAD UNKNOWN "\"lastFrom\":2147483647,\"lastTo\":2147483647," LISTS, ""},
    {HEAD "\"unknownMs\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2305843009213693951]," COUNTS LISTS, ""},
    {HEAD UNKNOWN COUNTS "\"proposals\":[],\"ups\":[[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],"
                         "[1,1]],\"downs\":[]}",
     ""},
    {HEAD "\"unknownMs\":[2305843009213693952]," COUNTS LISTS, "memory.unknownMs[0]: expected"},
    {"{}", "memory.everActive: expected true or false"},
    {"[]", "memory.everActive: expected true or false"},
    {"{\"everActive\":1}", "memory.everActive: expected true or false"},
    {"{\"everActive\":true}", "memory.lastMs: expected a whole number from 0"},
    {"{\"everActive\":true,\"lastMs\":-1}", "memory.lastMs: expected a whole number from 0"},
    {"{\"everActive\":true,\"lastMs\":9000000000000000000}", "memory.lastMs: expected a whole"},
    {"{\"everActive\":true,\"lastMs\":1.5}", "memory.lastMs: expected a whole number"},
    {"{\"everActive\":true,\"lastMs\":1}", "memory.adoptedMs: expected"},
    {"{\"everActive\":true,\"lastMs\":1,\"adoptedMs\":1}", "memory.inactiveMs: expected"},
    {HEAD "\"lastFrom\":-1}", "memory.lastFrom: expected a whole number from 0 to 2147483647"},
    {HEAD "\"lastFrom\":1,\"lastTo\":2147483648}", "memory.lastTo: expected"},
    {HEAD COUNTS "\"x\":1}", "memory.unknownMs: expected a list of at most 16"},
    {HEAD COUNTS "\"unknownMs\":{}}", "memory.unknownMs: expected a list"},
    {HEAD COUNTS "\"unknownMs\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "memory.unknownMs: expec"},
    {HEAD COUNTS "\"unknownMs\":[0,-1]}", "memory.unknownMs[1]: expected milliseconds"},
    {HEAD COUNTS "\"unknownMs\":[9000000000000000000]}", "memory.unknownMs[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":1}", "memory.proposals: expected a list"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[1]}", "memory.proposals[0]: expected [ms, replicas]"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[1,1],[1]]}", "memory.proposals[1]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[1,1,1]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[\"1\",1]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[1,\"1\"]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[-1,1]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[5001,1]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[1,-1]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[1,2147483648]]}", "memory.proposals[0]: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[[5000,2147483647],[0,0]]}", "memory.ups: expected"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[],\"ups\":[[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],[1,1],"
                         "[1,1],[1,1]]}",
     "memory.ups: at most 8 records"},
    {HEAD COUNTS UNKNOWN "\"proposals\":[],\"ups\":[]}", "memory.downs: expected a list"},
};

static void test_wrong(void **state)
{
    (void)state;
    struct scale_spec spec = paced();
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        struct decide_record records[RECORDS];
        struct decide_memory memory;
        struct arena arena;
        const struct json *tree;
        struct err e = ERR_INIT;
        arena_init(&arena, ARENA_BYTES);
        decide_memory_init(&memory, &spec, records);
        assert_int_equal(json_parse(str_from(WRONG[i].text), &JSON_LIMITS_API, &arena, &tree, &e),
                         0);
        int status = memory_read(tree, &memory, &e);
        bool good = WRONG[i].want[0] == '\0';
        if (status != (good ? 0 : -1) || (!good && strstr(e.text, WRONG[i].want) == NULL)) {
            fail_msg("%s:\n got %s\nwant %s", WRONG[i].text, e.text, WRONG[i].want);
        }
        arena_free(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_wrong),
    };
    return cmocka_run_group_tests_name("memory_json", tests, NULL, NULL);
}
