#include "cli/command.h"
#include "cli/lint.h"
#include "cli/manifest.h"
#include "cli/stdio.h"

enum { OUTPUT_BYTES = 64 << 20 };

static const struct program PROGRAM = {
    .name = "kubectl ampscale lint",
    .about = "Checks the scale.amp/ annotations of every Deployment in the files, YAML of one or "
             "more documents or JSON, as the webhook would when it is created. Needs no cluster: "
             "other autoscalers and the query itself are not looked at. Exit status 1: something "
             "is wrong."};

static int lint_one(struct lint *l, struct str path, struct err *e)
{
    struct buf text;
    struct err why = ERR_INIT;
    int status = 0;
    buf_init(&text, MANIFEST_MAX_BYTES);
    if (input_read(path, &text, &why) != 0) {
        struct str reason; /* behind the path, which is said anyway */
        (void)str_cut(str_from(why.text), ':', &reason);
        lint_unreadable(l, path, str_trim(reason));
    } else {
        status = lint_file(l, path, buf_view(&text), e);
    }
    buf_free(&text);
    return status;
}

/* NULL where no file is named. The text is in *e when it cannot be used, with its path. */
static int policy_read(struct str path, struct arena *a, struct policy *policy,
                       const struct policy **out, struct err *e)
{
    struct buf text;
    *out = NULL;
    if (path.len == 0) {
        return 0;
    }
    buf_init(&text, POLICY_FILE_MAX_BYTES);
    int status = input_read(path, &text, e);
    if (status == 0 && policy_parse(buf_view(&text), a, policy, e) != 0) {
        status = err_prefix(e, "%.*s", STR_ARG(path));
    }
    buf_free(&text);
    *out = status == 0 ? policy : NULL;
    return status;
}

static int run(const struct flag_list *files, bool json, struct str namespace_,
               const struct policy *policy)
{
    struct lint l;
    struct buf out;
    struct err e = ERR_INIT;
    int status = 0;
    buf_init(&out, OUTPUT_BYTES);
    lint_begin(&l, json, namespace_, policy, &out);
    for (size_t i = 0; status == 0 && i < files->count; i++) {
        status = lint_one(&l, files->items[i], &e);
    }
    if (status == 0) {
        lint_end(&l);
        status = output_flush(&out, &e);
    }
    buf_free(&out);
    return status != 0 ? complain(&e) : l.wrong > 0;
}

int command_lint(int argc, char *const argv[])
{
    struct common_flags common;
    struct flag_list files = {.count = 0}, more = {.count = 0};
    struct str namespace_ = {NULL, 0}, policy_path = {NULL, 0};
    int output = OUTPUT_TEXT;
    const struct flag flags[] = {
        {.name = "filename",
         .kind = FLAG_LIST,
         .out = &files,
         .argument = "FILE",
         .help = "Manifest to check; - for standard input.",
         .letter = 'f'},
        {.name = "namespace",
         .kind = FLAG_STR,
         .out = &namespace_,
         .argument = "NS",
         .help = "Namespace of Deployments that name none, to call them by.",
         .letter = 'n'},
        {.name = "policy",
         .kind = FLAG_STR,
         .out = &policy_path,
         .argument = "FILE",
         .help = "Check against this policy too, as the webhook does with its --policy."},
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "text",
         .help = "text, or json: a list of one object a Deployment.",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "FILE", .kind = FLAG_ARGUMENTS, .out = &more},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]), COMMON_LOG,
                              &common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    for (size_t i = 0; i < more.count && files.count < FLAG_LIST_MAX; i++) {
        files.items[files.count++] = more.items[i];
    }
    if (files.count == 0) {
        (void)err_set(&e, ERR_INVALID, "expected a file: lint -f FILE...");
        return common_usage_error(&PROGRAM, &e);
    }
    struct arena arena;
    struct policy policy;
    const struct policy *used;
    arena_init(&arena, POLICY_ARENA_BYTES);
    status = policy_read(policy_path, &arena, &policy, &used, &e) != 0
                 ? common_usage_error(&PROGRAM, &e)
                 : run(&files, output == OUTPUT_JSON, namespace_, used);
    arena_free(&arena);
    return status;
}
