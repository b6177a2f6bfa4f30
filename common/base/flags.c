#include "base/flags.h"

#include <string.h>

#include "base/fmt.h"
#include "base/nearest.h"
#include "base/num.h"

enum {
    FLAGS_MAX = 64,     /* rows of a table: one bit each */
    SHOWN_BYTES = 64,   /* of a value, in messages */
    HELP_COLUMNS = 100, /* width of the help text */
    HELP_INDENT = 34,   /* where descriptions begin */
};

struct value {
    struct str text;
    int64_t integer; /* INT, DURATION, BOOL, CHOICE */
};

/* ---- values ---- */

static bool bounded(const struct flag *flag)
{
    return flag->min != 0 || flag->max != 0;
}

static int parse_int(const struct flag *flag, struct value *v, struct err *e)
{
    return num_int(v->text, bounded(flag) ? flag->min : INT64_MIN,
                   bounded(flag) ? flag->max : INT64_MAX, &v->integer, e);
}

static int parse_duration(const struct flag *flag, struct value *v, struct err *e)
{
    char min[NUM_TEXT_BYTES];
    char max[NUM_TEXT_BYTES];

    if (num_duration_ms(v->text, &v->integer, e) != 0) {
        return -1;
    }
    if (bounded(flag) && (v->integer < flag->min || v->integer > flag->max)) {
        (void)num_print_duration(flag->min, min);
        (void)num_print_duration(flag->max, max);
        return err_set(e, ERR_INVALID, "\"%.*s\": expected a duration from %s to %s",
                       STR_ARG(v->text), min, max);
    }
    return 0;
}

static int parse_bool(struct value *v, struct err *e)
{
    bool value;

    if (num_bool(v->text, &value, e) != 0) {
        return -1;
    }
    v->integer = value;
    return 0;
}

static void print_choices(const struct flag *flag, const char *separator, struct buf *out)
{
    for (size_t i = 0; flag->choices[i] != NULL; i++) {
        buf_format(out, "%s%s", i == 0 ? "" : separator, flag->choices[i]);
    }
}

static int parse_choice(const struct flag *flag, struct value *v, struct err *e)
{
    struct buf words;

    for (int i = 0; flag->choices[i] != NULL; i++) {
        if (str_eq(v->text, str_from(flag->choices[i]))) {
            v->integer = i;
            return 0;
        }
    }
    buf_init(&words, sizeof(e->text) / 2);
    print_choices(flag, ", ", &words);
    (void)err_set(e, ERR_INVALID, "\"%.*s\": expected one of %.*s",
                  STR_ARG(str_slice(v->text, 0, SHOWN_BYTES)), STR_ARG(buf_view(&words)));
    buf_free(&words);
    return -1;
}

static int parse_value(const struct flag *flag, struct value *v, struct err *e)
{
    switch (flag->kind) {
    case FLAG_STR:
    case FLAG_ARGUMENTS:
    case FLAG_LIST: return 0;
    case FLAG_BOOL: return parse_bool(v, e);
    case FLAG_INT: return parse_int(flag, v, e);
    case FLAG_DURATION: return parse_duration(flag, v, e);
    case FLAG_CHOICE: return parse_choice(flag, v, e);
    }
    return 0;
}

static void store(const struct flag *flag, const struct value *v)
{
    switch (flag->kind) {
    case FLAG_STR: *(struct str *)flag->out = v->text; return;
    case FLAG_ARGUMENTS:
    case FLAG_LIST: {
        struct flag_list *list = flag->out;
        list->items[list->count++] = v->text;
        return;
    }
    case FLAG_BOOL: *(bool *)flag->out = v->integer != 0; return;
    case FLAG_INT:
    case FLAG_DURATION: *(int64_t *)flag->out = v->integer; return;
    case FLAG_CHOICE: *(int *)flag->out = (int)v->integer; return;
    }
}

/* ---- argv ---- */

/* Where a pass over argv stands. There are two passes: the first checks all, the second stores, so
 * that a failure leaves every out as it was. */
struct pass {
    const struct flag *flags;
    size_t count;
    int argc;
    char *const *argv;
    bool storing;
    uint64_t seen;                  /* bit of each flag given */
    unsigned char times[FLAGS_MAX]; /* occurrences of lists */
};

static int unknown_flag(const struct pass *p, struct str name, struct err *e)
{
    struct str names[FLAGS_MAX];

    size_t known = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->flags[i].kind != FLAG_ARGUMENTS) {
            names[known++] = str_from(p->flags[i].name);
        }
    }
    struct str hint = nearest(name, names, known);
    name = str_slice(name, 0, SHOWN_BYTES);
    if (hint.len > 0) {
        return err_set(e, ERR_INVALID, "--%.*s: unknown flag: did you mean --%.*s?", STR_ARG(name),
                       STR_ARG(hint));
    }
    return err_set(e, ERR_INVALID, "--%.*s: unknown flag: --help lists what there is",
                   STR_ARG(name));
}

static int expected_flag(struct str argument, struct err *e)
{
    return err_set(e, ERR_INVALID, "\"%.*s\": expected a flag: --name VALUE",
                   STR_ARG(str_slice(argument, 0, SHOWN_BYTES)));
}

/* What a value of the flag is called, for messages. */
static const char *argument_name(const struct flag *flag)
{
    return flag->argument != NULL ? flag->argument : "VALUE";
}

/* The text of the flag at argv[*at]: behind its '=', else the next argument, which *at then is. */
static int take_value(const struct pass *p, const struct flag *flag, struct str behind, int *at,
                      struct str *out, struct err *e)
{
    if (behind.ptr != NULL) {
        *out = behind;
        return 0;
    }
    if (flag->kind == FLAG_BOOL) {
        *out = STR("true");
        return 0;
    }
    if (*at + 1 >= p->argc) {
        return err_set(e, ERR_INVALID, "--%s: expected a value: --%s %s", flag->name, flag->name,
                       argument_name(flag));
    }
    struct str next = str_from(p->argv[*at + 1]);
    if (str_starts(next, STR("--"))) { /* more likely a forgotten value than one with dashes */
        return err_set(e, ERR_INVALID,
                       "--%s: expected a value, found \"%.*s\" (a value that begins with -- is"
                       " written --%s=VALUE)",
                       flag->name, STR_ARG(str_slice(next, 0, SHOWN_BYTES)), flag->name);
    }
    *at += 1;
    *out = next;
    return 0;
}

static int count_item(struct pass *p, size_t i, struct err *e)
{
    const struct flag *flag = &p->flags[i];
    const struct flag_list *list = flag->out;
    bool argument = flag->kind == FLAG_ARGUMENTS;
    size_t max = argument && flag->max > 0 ? (size_t)flag->max : FLAG_LIST_MAX;

    if (argument && p->times[i] >= max) {
        return err_set(e, ERR_INVALID, "%s: expected at most %zu of them", flag->name, max);
    }
    if (list->count + p->times[i] >= FLAG_LIST_MAX) {
        return err_set(e, ERR_LIMIT, "--%s: expected at most %d of them", p->flags[i].name,
                       (int)FLAG_LIST_MAX);
    }
    p->times[i]++;
    return 0;
}

/* The row that `argument` names, "--name…" or "-n…", and what stands behind its name: absent, or
 * the value. The count of rows when there is none; *name is then what was looked for. */
static size_t find_row(const struct pass *p, struct str argument, struct str *name,
                       struct str *behind)
{
    size_t i = 0;

    if (argument.ptr[1] == '-') {
        *name = str_cut(str_slice(argument, 2, argument.len), '=', behind);
        while (i < p->count &&
               (p->flags[i].kind == FLAG_ARGUMENTS || !str_eq(*name, str_from(p->flags[i].name)))) {
            i++;
        }
        return i;
    }
    *name = str_slice(argument, 1, argument.len);
    while (i < p->count && p->flags[i].letter != argument.ptr[1]) {
        i++;
    }
    size_t value = argument.len > 2 && argument.ptr[2] == '=' ? 3 : 2;
    *behind =
        argument.len > 2 ? str_slice(argument, value, argument.len) : (struct str){.ptr = NULL};
    return i;
}

static bool is_flag(struct str argument)
{
    return str_starts(argument, STR("-")) && argument.len > 1 && !str_eq(argument, STR("--"));
}

/* An argument that is no flag goes to the row that collects them. */
static int take_argument(struct pass *p, struct str argument, struct err *e)
{
    struct value value = {.text = argument};
    size_t i = 0;

    while (i < p->count && p->flags[i].kind != FLAG_ARGUMENTS) {
        i++;
    }
    if (i == p->count || str_eq(argument, STR("--"))) {
        return expected_flag(argument, e);
    }
    if (p->storing) {
        store(&p->flags[i], &value);
    } else if (count_item(p, i, e) != 0) {
        return -1;
    }
    p->seen |= UINT64_C(1) << i;
    return 0;
}

/* The flag at argv[*at], with its value; *at becomes the last argument used. */
static int take_flag(struct pass *p, int *at, struct err *e)
{
    struct value value = {.integer = 0};
    struct str name, behind;
    struct str argument = str_from(p->argv[*at]);

    if (!is_flag(argument)) {
        return take_argument(p, argument, e);
    }
    size_t i = find_row(p, argument, &name, &behind);
    if (i == p->count) {
        return argument.ptr[1] == '-' ? unknown_flag(p, name, e) : expected_flag(argument, e);
    }
    const struct flag *flag = &p->flags[i];
    if (take_value(p, flag, behind, at, &value.text, e) != 0) {
        return -1;
    }
    if (parse_value(flag, &value, e) != 0) {
        return err_prefix(e, "--%s", flag->name);
    }
    if (p->storing) {
        store(flag, &value);
    } else if (flag->kind == FLAG_LIST && count_item(p, i, e) != 0) {
        return -1;
    }
    p->seen |= UINT64_C(1) << i;
    return 0;
}

static int run_pass(struct pass *p, struct err *e)
{
    for (int at = 1; at < p->argc; at++) {
        if (take_flag(p, &at, e) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Asking for help or the version asks for nothing else. */
static bool only_informs(const struct pass *p)
{
    for (size_t i = 0; i < p->count; i++) {
        struct str name = str_from(p->flags[i].name);
        if ((p->seen >> i & 1) != 0 &&
            (str_eq(name, STR("help")) || str_eq(name, STR("version")))) {
            return true;
        }
    }
    return false;
}

int flags_parse(const struct flag *flags, size_t count, int argc, char *const argv[], struct err *e)
{
    struct pass p = {.flags = flags, .count = count, .argc = argc, .argv = argv};

    if (count > FLAGS_MAX) {
        return err_set(e, ERR_LIMIT, "a program has at most %d flags", (int)FLAGS_MAX);
    }
    if (run_pass(&p, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < count && !only_informs(&p); i++) {
        if (flags[i].required && (p.seen >> i & 1) == 0) {
            if (flags[i].kind == FLAG_ARGUMENTS) {
                return err_set(e, ERR_INVALID, "%s is missing", flags[i].name);
            }
            return err_set(e, ERR_INVALID, "--%s: is required: --%s %s", flags[i].name,
                           flags[i].name, argument_name(&flags[i]));
        }
    }
    p.storing = true;
    return run_pass(&p, e);
}

/* ---- help ---- */

/* Columns of UTF-8 text, one a character. */
static size_t columns(struct str s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        n += ((unsigned char)s.ptr[i] & 0xC0) != 0x80;
    }
    return n;
}

static void pad(struct buf *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_append_char(out, ' ');
    }
}

/* Words of `text` in lines up to the width, each after the first indented. `column` is where the
 * output stands now. */
static void wrap(struct str text, size_t column, size_t indent, struct buf *out)
{
    bool first = true;

    while (text.ptr != NULL) {
        struct str word = str_cut(text, ' ', &text);
        if (!first && column + 1 + columns(word) > HELP_COLUMNS) {
            buf_append_char(out, '\n');
            pad(out, indent);
            column = indent;
        } else if (!first) {
            buf_append_char(out, ' ');
            column++;
        }
        buf_append(out, word);
        column += columns(word);
        first = false;
    }
    buf_append_char(out, '\n');
}

static void print_usage(const struct flag *flag, struct buf *out)
{
    if (flag->letter != '\0') {
        buf_format(out, "  -%c, --%s", flag->letter, flag->name);
    } else {
        buf_format(out, "  --%s", flag->name);
    }
    if (flag->argument != NULL) {
        buf_format(out, " %s", flag->argument);
    } else if (flag->kind == FLAG_CHOICE) {
        buf_append_char(out, ' ');
        print_choices(flag, "|", out);
    } else if (flag->kind != FLAG_BOOL) {
        buf_append(out, STR(" VALUE"));
    }
}

static void print_flag(const struct flag *flag, struct buf *out)
{
    struct buf text;
    size_t from = out->len;

    print_usage(flag, out);
    size_t column = columns(str_slice(buf_view(out), from, out->len));
    if (column + 2 > HELP_INDENT) {
        buf_append_char(out, '\n');
        column = 0;
    }
    pad(out, HELP_INDENT - column);
    buf_init(&text, out->max);
    buf_append(&text, str_from(flag->help));
    if (flag->kind == FLAG_LIST) {
        buf_append(&text, STR(" (repeatable)"));
    }
    if (flag->required) {
        buf_append(&text, STR(" (required)"));
    } else if (flag->default_text != NULL) {
        buf_format(&text, " (default %s)", flag->default_text);
    }
    wrap(buf_view(&text), HELP_INDENT, HELP_INDENT, out);
    buf_free(&text);
}

void flags_help(const char *program, const char *about, const struct flag *flags, size_t count,
                struct buf *out)
{
    buf_format(out, "Usage: %s [--name VALUE | --name=VALUE]...", program);
    for (size_t i = 0; i < count; i++) {
        if (flags[i].kind == FLAG_ARGUMENTS) {
            buf_format(out, flags[i].required ? " %s" : " [%s]", flags[i].name);
        }
    }
    buf_append(out, STR("\n\n"));
    wrap(str_from(about), 0, 0, out);
    buf_append_char(out, '\n');
    for (size_t i = 0; i < count; i++) {
        if (flags[i].kind != FLAG_ARGUMENTS) {
            print_flag(&flags[i], out);
        }
    }
}
