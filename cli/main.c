/* kubectl-ampscale: finds the subcommand and hands over. kubectl runs it as `kubectl ampscale …`.
 */
#include <string.h>

#include "base/fmt.h"
#include "base/nearest.h"
#include "cli/command.h"
#include "cli/stdio.h"

const char *const OUTPUT_TEXT_OR_JSON[] = {"text", "json", NULL};

static const struct command COMMANDS[] = {
    {"status", command_status, "what is scaled here, to how many, and why"},
    {"explain", command_explain, "what one Deployment's annotations mean, and would do now"},
    {"check", command_check, "whether webhook and scalers do their work"},
    {"lint", command_lint, "check manifests as the webhook does, without a cluster"},
    {"simulate", command_simulate, "run recorded or invented readings through the decision"},
    {"replay", command_replay, "recompute each decision of a scaler's log"},
};
enum { COMMAND_COUNT = sizeof(COMMANDS) / sizeof(COMMANDS[0]) };

static const struct program PROGRAM = {.name = "kubectl ampscale", .about = ""};

static void print_overview(struct buf *out)
{
    buf_append(out, STR("Usage: kubectl ampscale COMMAND [ARGUMENT | --name VALUE]...\n\n"
                        "Deployments that carry scale.amp/ annotations, seen from outside.\n\n"));
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        buf_format(out, "  %-10s %s\n", COMMANDS[i].name, COMMANDS[i].about);
    }
    buf_append(out, STR("\nkubectl ampscale COMMAND --help says more. Exit status: 0 all is well, "
                        "1 it failed or found\nsomething wrong, 2 wrong usage.\n"));
}

static int overview(void)
{
    struct buf out;
    struct err e = ERR_INIT;
    buf_init(&out, 4096);
    print_overview(&out);
    int status = output_flush(&out, &e);
    buf_free(&out);
    return status == 0 ? 0 : 1;
}

static int print_version(void)
{
    static const struct program NAMED = {.name = "kubectl-ampscale", .about = ""};
    struct buf out;
    struct err e = ERR_INIT;
    buf_init(&out, 4096);
    common_print_version(&NAMED, &out);
    int status = output_flush(&out, &e);
    buf_free(&out);
    return status == 0 ? 0 : 1;
}

static int unknown_command(struct str name)
{
    struct str names[COMMAND_COUNT];
    struct err e = ERR_INIT;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = str_from(COMMANDS[i].name);
    }
    struct str hint = nearest(name, names, COMMAND_COUNT);
    name = str_slice(name, 0, 64);
    if (hint.ptr != NULL) {
        (void)err_set(&e, ERR_INVALID, "%.*s: unknown command: did you mean %.*s?", STR_ARG(name),
                      STR_ARG(hint));
    } else {
        (void)err_set(&e, ERR_INVALID, "%.*s: unknown command: --help lists what there is",
                      STR_ARG(name));
    }
    return common_usage_error(&PROGRAM, &e);
}

/* Flags before the subcommand that take a value, which is then not the subcommand. */
static bool takes_value(struct str flag)
{
    static const struct str FLAGS[] = {
        STR_INIT("-n"),
        STR_INIT("--namespace"),
        STR_INIT("--context"),
        STR_INIT("-o"),
        STR_INIT("--output"),
        STR_INIT("--kubeconfig"),
        STR_INIT("-f"),
        STR_INIT("--filename"),
        STR_INIT("--from"),
        STR_INIT("--endpoint"),
        STR_INIT("--workspace"),
        STR_INIT("--allow-endpoint"),
        STR_INIT("--region"),
        STR_INIT("--ca-file"),
        STR_INIT("--allow-workspace"),
        STR_INIT("--sigv4"),
        STR_INIT("--log-level"),
        STR_INIT("--log-format"),
        STR_INIT("--role-arn"),
        STR_INIT("--allow-role"),
        STR_INIT("--web-identity-token-file"),
        STR_INIT("--sts-endpoint"),
        STR_INIT("--scaler-namespace"),
        STR_INIT("--wait"),
    };
    for (size_t i = 0; i < sizeof(FLAGS) / sizeof(FLAGS[0]); i++) {
        if (str_eq(flag, FLAGS[i])) {
            return true;
        }
    }
    return false;
}

/* Index of the subcommand in argv; argc: there is none. */
static int find_command(int argc, char *const argv[])
{
    int at = 1;
    while (at < argc && argv[at][0] == '-') {
        at += takes_value(str_from(argv[at])) ? 2 : 1;
    }
    return at < argc ? at : argc;
}

static bool has_argument(int argc, char *const argv[], const char *text)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], text) == 0) {
            return true;
        }
    }
    return false;
}

int main(int argc, char *argv[])
{
    static char help[] = "--help";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-h") == 0) {
            argv[i] = help;
        }
    }
    int at = find_command(argc, argv);
    if (at == argc) {
        if (has_argument(argc, argv, "--version")) {
            return print_version();
        }
        if (argc == 1 || has_argument(argc, argv, "--help")) {
            return overview();
        }
        struct err e = ERR_INIT;
        (void)err_set(&e, ERR_INVALID, "expected a command: --help lists what there is");
        return common_usage_error(&PROGRAM, &e);
    }
    char *name = argv[at];
    for (int i = at; i > 1; i--) { /* the flags before it follow it */
        argv[i] = argv[i - 1];
    }
    argv[1] = name;
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(name, COMMANDS[i].name) == 0) {
            return COMMANDS[i].run(argc - 1, argv + 1);
        }
    }
    return unknown_command(str_from(name));
}
