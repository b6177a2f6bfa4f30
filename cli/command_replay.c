#include "cli/command.h"
#include "cli/replay.h"
#include "cli/stdio.h"

enum { OUTPUT_BYTES = 1 << 20, FLUSH_BYTES = OUTPUT_BYTES / 2 };

static const struct program PROGRAM = {
    .name = "kubectl ampscale replay",
    .about = "Recomputes every decision line of the scaler's JSON log (LOG, or standard input) and "
             "shows those that come out differently. Exit status 1: there is one."};

static int run_lines(struct replay *r, struct lines *lines, struct buf *out, struct err *e)
{
    bool more = true;
    while (more) {
        struct str line;
        if (lines_next(lines, &line, &more, e) != 0) {
            return -1;
        }
        if (more && replay_line(r, line, out, e) != 0) {
            return -1;
        }
        if (out->len > FLUSH_BYTES && output_flush(out, e) != 0) {
            return -1;
        }
    }
    return 0;
}

static int run(struct str path, bool json)
{
    struct lines lines;
    struct replay r;
    struct buf out;
    struct err e = ERR_INIT;
    if (lines_open(path, REPLAY_LINE_MAX_BYTES, &lines, &e) != 0) {
        return complain(&e);
    }
    buf_init(&out, OUTPUT_BYTES);
    replay_begin(&r, json, &out);
    int status = run_lines(&r, &lines, &out, &e);
    replay_end(&r, &out);
    if (status == 0) {
        status = output_flush(&out, &e);
    }
    buf_free(&out);
    lines_close(&lines);
    return status != 0 ? complain(&e) : r.different > 0;
}

int command_replay(int argc, char *const argv[])
{
    struct common_flags common;
    struct flag_list logs = {.count = 0};
    int output = OUTPUT_TEXT;
    const struct flag flags[] = {
        {.name = "output",
         .kind = FLAG_CHOICE,
         .out = &output,
         .argument = "FORMAT",
         .default_text = "text",
         .help = "text, or json: one object with counts and differences.",
         .choices = OUTPUT_TEXT_OR_JSON,
         .letter = 'o'},
        {.name = "LOG", .kind = FLAG_ARGUMENTS, .out = &logs, .max = 1},
    };
    int status = common_start(&PROGRAM, flags, sizeof(flags) / sizeof(flags[0]), COMMON_LOG,
                              &common, argc, argv);
    if (status >= 0) {
        return status;
    }
    return run(logs.count > 0 ? logs.items[0] : STR("-"), output == OUTPUT_JSON);
}
