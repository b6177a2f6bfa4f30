/* Flags: what each form does, what each mistake is told, and the help text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/flags.h"

enum { ARGS_MAX = 80 };

struct options {
    struct str endpoint;
    struct flag_list allow;
    bool dry_run, version;
    int64_t replicas, interval_ms, any;
    int level;
};

static const char *const LEVELS[] = {"error", "warn", "info", NULL};

/* The table of the tests, writing into *o. */
enum { FLAG_COUNT = 8 };

static void make_flags(struct options *o, struct flag out[FLAG_COUNT])
{
    const struct flag flags[FLAG_COUNT] = {
        {.name = "endpoint",
         .kind = FLAG_STR,
         .out = &o->endpoint,
         .argument = "URL",
         .help = "Base URL of the Prometheus-compatible endpoint that is asked; /api/v1/query is "
                 "appended to it.",
         .required = true},
        {.name = "allow-endpoint",
         .kind = FLAG_LIST,
         .out = &o->allow,
         .argument = "URL",
         .help = "Another endpoint that Deployments may name."},
        {.name = "dry-run", .kind = FLAG_BOOL, .out = &o->dry_run, .help = "Write nothing."},
        {.name = "replicas",
         .kind = FLAG_INT,
         .out = &o->replicas,
         .argument = "N",
         .default_text = "3",
         .help = "Pods.",
         .min = 1,
         .max = 100},
        {.name = "interval",
         .kind = FLAG_DURATION,
         .out = &o->interval_ms,
         .argument = "DURATION",
         .default_text = "15s",
         .help = "Time between two.",
         .min = 1000,
         .max = 3600000},
        {.name = "log-level",
         .kind = FLAG_CHOICE,
         .out = &o->level,
         .default_text = "info",
         .help = "How much is logged.",
         .choices = LEVELS},
        {.name = "any", .kind = FLAG_INT, .out = &o->any, .help = "Unbounded."},
        {.name = "version", .kind = FLAG_BOOL, .out = &o->version, .help = "Print it and exit."},
    };

    memcpy(out, flags, sizeof(flags));
}

/* Parse a space-separated command line; "~" in it stands for a space. */
static int parse(const char *line, struct options *o, struct err *e)
{
    static char storage[4096];
    char *argv[ARGS_MAX] = {NULL};
    struct flag flags[FLAG_COUNT];
    int argc = 1;

    *o = (struct options){.replicas = 3, .interval_ms = 15000, .level = 2};
    argv[0] = storage;
    assert_true(strlen(line) < sizeof(storage));
    memcpy(storage, line, strlen(line) + 1);
    for (char *p = storage; *p != '\0'; p++) {
        if (p == storage || p[-1] == '\0') {
            assert_true(argc < ARGS_MAX);
            argv[argc++] = p;
        }
        if (*p == ' ' || *p == '~') {
            *p = *p == ' ' ? '\0' : ' ';
        }
    }
    make_flags(o, flags);
    *e = (struct err)ERR_INIT;
    return flags_parse(flags, FLAG_COUNT, argc, argv, e);
}

static void test_forms(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(
        parse("--endpoint http://a --allow-endpoint=http://b --dry-run --replicas=7 "
              "--allow-endpoint http://c=d --interval 1m30s --log-level=warn --any 101",
              &o, &e),
        0);
    assert_true(str_eq(o.endpoint, STR("http://a")));
    assert_int_equal(o.allow.count, 2);
    assert_true(str_eq(o.allow.items[0], STR("http://b")));
    assert_true(str_eq(o.allow.items[1], STR("http://c=d")));
    assert_true(o.dry_run);
    assert_int_equal(o.replicas, 7);
    assert_int_equal(o.interval_ms, 90000);
    assert_int_equal(o.level, 1);
    assert_int_equal(o.any, 101);
    assert_int_equal(parse("--endpoint a --any -5", &o, &e), 0);
    assert_int_equal(o.any, -5);
}

static void test_defaults_and_repeats(void **state)
{
    struct options o;
    struct err e;

    (void)state;
    assert_int_equal(parse("--endpoint=", &o, &e), 0);
    assert_non_null(o.endpoint.ptr);
    assert_int_equal(o.endpoint.len, 0);
    assert_int_equal(o.replicas, 3);
    assert_int_equal(o.level, 2);
    assert_int_equal(parse("--endpoint a --endpoint=--b --dry-run --dry-run=false", &o, &e), 0);
    assert_true(str_eq(o.endpoint, STR("--b")));
    assert_false(o.dry_run);
    assert_int_equal(parse("--version", &o, &e), 0); /* needs no --endpoint */
    assert_true(o.version);
    assert_int_equal(parse("--version=true", &o, &e), 0);
}

static void test_errors(void **state)
{
    static const struct {
        const char *line, *want;
    } CASES[] = {
        {"", "--endpoint: is required: --endpoint URL"},
        {"--endpoint", "--endpoint: expected a value: --endpoint URL"},
        {"--any", "--any: expected a value: --any VALUE"},
        {"--endpoint --dry-run", "--endpoint: expected a value, found \"--dry-run\" (a value that "
                                 "begins with -- is written --endpoint=VALUE)"},
        {"--endpiont x", "--endpiont: unknown flag: did you mean --endpoint?"},
        {"--Endpoint x", "--Endpoint: unknown flag: did you mean --endpoint?"},
        {"--zzzzzzz", "--zzzzzzz: unknown flag: --help lists what there is"},
        {"--=x", "--: unknown flag: --help lists what there is"},
        {"x", "\"x\": expected a flag: --name VALUE"},
        {"-e x", "\"-e\": expected a flag: --name VALUE"},
        {"--", "\"--\": expected a flag: --name VALUE"},
        {"--dry-run true", "\"true\": expected a flag: --name VALUE"},
        {"--dry-run=yes", "--dry-run: \"yes\": expected true or false"},
        {"--dry-run=", "--dry-run: \"\": expected true or false"},
        {"--replicas 0", "--replicas: \"0\": expected a whole number from 1 to 100"},
        {"--replicas=101", "--replicas: \"101\": expected a whole number from 1 to 100"},
        {"--replicas ten", "--replicas: \"ten\": expected a whole number"},
        {"--replicas ~1", "--replicas: \" 1\": expected a whole number"},
        {"--interval 15", "--interval: \"15\": expected a unit: did you mean \"15s\"?"},
        {"--interval 999ms", "--interval: \"999ms\": expected a duration from 1s to 1h"},
        {"--interval 61m", "--interval: \"61m\": expected a duration from 1s to 1h"},
        {"--log-level loud", "--log-level: \"loud\": expected one of error, warn, info"},
        {"--log-level=", "--log-level: \"\": expected one of error, warn, info"},
        {"--endpoint a --replicas 5 --nope", "--nope: unknown flag: --help lists what there is"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct options o;
        struct err e;

        assert_int_equal(parse(CASES[i].line, &o, &e), -1);
        assert_string_equal(e.text, CASES[i].want);
        assert_int_equal(o.replicas, 3); /* nothing was stored */
        assert_null(o.endpoint.ptr);
    }
}

static void test_list_is_bounded(void **state)
{
    char line[4000] = "--endpoint e";
    struct options o;
    struct err e;

    (void)state;
    for (int i = 0; i < FLAG_LIST_MAX; i++) {
        (void)memcpy(line + strlen(line), " --allow-endpoint=x", sizeof(" --allow-endpoint=x"));
    }
    assert_int_equal(parse(line, &o, &e), 0);
    assert_int_equal(o.allow.count, FLAG_LIST_MAX);
    (void)memcpy(line + strlen(line), " --allow-endpoint=y", sizeof(" --allow-endpoint=y"));
    assert_int_equal(parse(line, &o, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.text, "--allow-endpoint: expected at most 64 of them");
    assert_int_equal(o.allow.count, 0);
}

static void test_table_is_bounded(void **state)
{
    static const struct flag FLAGS[65];
    char *argv[] = {NULL};
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(flags_parse(FLAGS, 65, 0, argv, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
}

static void test_help(void **state)
{
    static const char WANT[] =
        "Usage: ampscale-test [--name VALUE | --name=VALUE]...\n"
        "\n"
        "Does nothing, at length: this sentence is here to be broken into two lines, because one "
        "of "
        "them\n"
        "would be too long.\n"
        "\n"
        "  --endpoint URL                  Base URL of the Prometheus-compatible endpoint that is "
        "asked;\n"
        "                                  /api/v1/query is appended to it. (required)\n"
        "  --allow-endpoint URL            Another endpoint that Deployments may name. "
        "(repeatable)\n"
        "  --dry-run                       Write nothing.\n"
        "  --replicas N                    Pods. (default 3)\n"
        "  --interval DURATION             Time between two. (default 15s)\n"
        "  --log-level error|warn|info     How much is logged. (default info)\n"
        "  --any VALUE                     Unbounded.\n"
        "  --version                       Print it and exit.\n";
    struct flag flags[FLAG_COUNT];
    struct options o;
    struct buf out;

    (void)state;
    make_flags(&o, flags);
    buf_init(&out, 1 << 16);
    flags_help(
        "ampscale-test",
        "Does nothing, at length: this sentence is here to be broken into two lines, because "
        "one of them would be too long.",
        flags, FLAG_COUNT, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(buf_view(&out).ptr, WANT);
    buf_free(&out);
}

/* Columns are characters; a usage that leaves no room puts its description on the next line. */
static void test_help_columns(void **state)
{
    static const struct flag FLAGS[] = {
        {.name = "a-name-that-takes-up-the-column", .argument = "VALUE…", .help = "Text."},
        {.name = "short", .argument = "VALUE…", .help = "Text."},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 12);
    flags_help("p", "About.", FLAGS, 2, &out);
    assert_true(str_ends(buf_view(&out), STR("\n  --a-name-that-takes-up-the-column VALUE…\n"
                                             "                                  Text.\n"
                                             "  --short VALUE…                  Text.\n")));
    buf_free(&out);
}

struct short_options {
    struct str namespace_;
    struct flag_list files, names;
    bool watch;
};

static int parse_short(const char *line, struct short_options *o, struct err *e)
{
    const struct flag flags[] = {
        {.name = "namespace", .kind = FLAG_STR, .out = &o->namespace_, .letter = 'n'},
        {.name = "filename", .kind = FLAG_LIST, .out = &o->files, .letter = 'f'},
        {.name = "watch", .kind = FLAG_BOOL, .out = &o->watch, .letter = 'w'},
        {.name = "NAME", .kind = FLAG_ARGUMENTS, .out = &o->names, .max = 2},
    };
    static char copy[256]; /* what was parsed are views of it */
    char *argv[16] = {copy};
    int argc = 1;

    *o = (struct short_options){.watch = false};
    assert_true(strlen(line) < sizeof copy);
    memcpy(copy, line, strlen(line) + 1);
    for (char *at = copy; at != NULL && *at != '\0'; argc++) {
        argv[argc] = at;
        at = strchr(at, ' ');
        if (at != NULL) {
            *at++ = '\0';
        }
    }
    return flags_parse(flags, sizeof(flags) / sizeof(flags[0]), argc, argv, e);
}

static void test_letters_and_arguments(void **state)
{
    struct short_options o;
    struct err e = ERR_INIT;

    (void)state;
    assert_int_equal(parse_short("web -n shop -w -f a -f=b -fc - --filename -", &o, &e), 0);
    assert_true(str_eq(o.namespace_, STR("shop")));
    assert_true(o.watch);
    assert_int_equal(o.files.count, 4);
    assert_true(str_eq(o.files.items[1], STR("b")));
    assert_true(str_eq(o.files.items[2], STR("c")));
    assert_true(str_eq(o.files.items[3], STR("-")));
    assert_int_equal(o.names.count, 2);
    assert_true(str_eq(o.names.items[0], STR("web")));
    assert_true(str_eq(o.names.items[1], STR("-")));
    assert_int_equal(parse_short("a b c", &o, &e), -1);
    assert_string_equal(e.text, "NAME: expected at most 2 of them");
    assert_int_equal(o.names.count, 0);
    assert_int_equal(parse_short("-x", &o, &e), -1);
    assert_string_equal(e.text, "\"-x\": expected a flag: --name VALUE");
    assert_int_equal(parse_short("a --", &o, &e), -1);
    assert_string_equal(e.text, "\"--\": expected a flag: --name VALUE");
    assert_int_equal(parse_short("-n", &o, &e), -1);
    assert_string_equal(e.text, "--namespace: expected a value: --namespace VALUE");
    assert_int_equal(parse_short("--name=x", &o, &e), -1);
    assert_string_equal(e.text, "--name: unknown flag: --help lists what there is");
}

static void test_help_of_letters(void **state)
{
    static const struct flag FLAGS[] = {
        {.name = "namespace", .argument = "NS", .help = "Where.", .letter = 'n'},
        {.name = "DEPLOYMENT", .kind = FLAG_ARGUMENTS},
    };
    struct buf out;

    (void)state;
    buf_init(&out, 1 << 12);
    flags_help("p", "About.", FLAGS, 2, &out);
    buf_append_char(&out, '\0');
    assert_string_equal(buf_view(&out).ptr,
                        "Usage: p [--name VALUE | --name=VALUE]... [DEPLOYMENT]\n\nAbout.\n\n"
                        "  -n, --namespace NS              Where.\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_defaults_and_repeats),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_list_is_bounded),
        cmocka_unit_test(test_table_is_bounded),
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_help_columns),
        cmocka_unit_test(test_letters_and_arguments),
        cmocka_unit_test(test_help_of_letters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
