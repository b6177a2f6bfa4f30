#include "cli/command.h"
#include "cli/manifest.h"
#include "cli/simulate.h"
#include "cli/stdio.h"

enum { OUTPUT_BYTES = 64 * 1024, FLUSH_BYTES = OUTPUT_BYTES - 8192 };

static const struct program PROGRAM = {
    .name = "kubectl ampscale simulate",
    .about = "Reads JSON lines {\"t\": ms, \"ready\": n, \"replicas\": n, \"readings\": "
             "{\"default\": 100}} and writes what would be decided at each, a JSON line each. A "
             "reading is a number, null (empty result) or {\"error\": \"why\"}. Without "
             "\"replicas\" the count is what was decided before (at first the manifest's); without "
             "\"ready\" all of them are."};

/* Lines until the end, or the first that is wrong. What was decided before it is in `out`. */
static int run_lines(struct simulation *s, struct lines *lines, struct buf *out, struct err *e)
{
    bool more = true;
    while (more) {
        struct str line;
        bool waits = !lines_ready(lines);
        if ((waits || out->len > FLUSH_BYTES) && output_flush(out, e) != 0) {
            return -1;
        }
        if (lines_next(lines, &line, &more, e) != 0) {
            return -1;
        }
        if (more && simulation_line(s, line, out, e) != 0) {
            return err_prefix(e, "%s", lines->name);
        }
    }
    return 0;
}

static int run(struct simulation *s, struct lines *lines, struct err *e)
{
    struct buf out;
    struct err unwritten = ERR_INIT;
    buf_init(&out, OUTPUT_BYTES);
    int status = run_lines(s, lines, &out, e);
    if (output_flush(&out, &unwritten) != 0 && status == 0) {
        *e = unwritten;
        status = -1;
    }
    buf_free(&out);
    return status;
}

/* The Deployment that is simulated. `arena` holds what `out` points to, `text` what that does. */
static int read_deployment(struct str path, struct str name, struct arena *a, struct buf *text,
                           struct deployment *out, struct err *e)
{
    struct manifest manifest;
    if (input_read(path, text, e) != 0) {
        return -1;
    }
    if (manifest_read(buf_view(text), a, &manifest, e) != 0 ||
        manifest_pick(&manifest, name, a, out, e) != 0) {
        return err_prefix(e, "%.*s", STR_ARG(path));
    }
    return 0;
}

static int start(struct str path, struct str name, bool as_text, struct simulation **out,
                 struct err *e)
{
    struct arena arena;
    struct buf text, warnings;
    struct deployment deployment;
    arena_init(&arena, MANIFEST_ARENA_BYTES);
    buf_init(&text, MANIFEST_MAX_BYTES);
    buf_init(&warnings, OUTPUT_BYTES);
    int status = read_deployment(path, name, &arena, &text, &deployment, e);
    if (status == 0) {
        status = simulation_new(&deployment, as_text, &warnings, out, e);
        status = status == 0 ? 0 : err_prefix(e, "%.*s", STR_ARG(path));
    }
    if (status == 0 && warnings.len > 0) {
        struct err ignored = ERR_INIT;
        (void)err_set(&ignored, ERR_INVALID, "ignored: %.*s",
                      STR_ARG(str_trim(buf_view(&warnings))));
        (void)complain(&ignored);
    }
    arena_free(&arena);
    buf_free(&text);
    buf_free(&warnings);
    return status;
}

int command_simulate(int argc, char *const argv[])
{
    struct common_flags common;
    struct str file = {NULL, 0}, from = STR("-");
    struct flag_list names = {.count = 0};
    int output = OUTPUT_JSON;
    const struct flag flags[] = {
        {.name = "filename",
         .kind = FLAG_STR,
         .out = &file,
         .argument = "FILE",
         .help = "Manifest with the Deployment, YAML or JSON; - for standard input.",
         .required = true,
         .letter = 'f'},
        {.name = "from",
         .kind = FLAG_STR,
         .out = &from,
         .argument = "FILE",
         .default_text = "standard input",
         .help = "Where the readings are."},
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "json",
         .help = "json, a line each, or text for people.",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "NAME", .kind = FLAG_ARGUMENTS, .out = &names, .max = 1},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]), COMMON_LOG,
                              &common, argc, argv);
    if (status >= 0) {
        return status;
    }
    struct err e = ERR_INIT;
    if (str_eq(file, STR("-")) && str_eq(from, STR("-"))) {
        (void)err_set(&e, ERR_INVALID, "--filename and --from cannot both be standard input");
        return common_usage_error(&PROGRAM, &e);
    }
    struct simulation *s = NULL;
    struct lines lines;
    struct str name = names.count > 0 ? names.items[0] : (struct str){NULL, 0};
    if (start(file, name, output == OUTPUT_TEXT, &s, &e) != 0) {
        return complain(&e);
    }
    if (lines_open(from, SIMULATE_LINE_MAX_BYTES, &lines, &e) != 0) {
        simulation_free(s);
        return complain(&e);
    }
    status = run(s, &lines, &e) == 0 ? 0 : complain(&e);
    lines_close(&lines);
    simulation_free(s);
    return status;
}
