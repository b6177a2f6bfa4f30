/* flags_parse on any argv: the input's lines are the arguments. What it accepts is within the
 * table's bounds; what it refuses has a message and leaves every out as it was. */
#include <stdlib.h>
#include <string.h>

#include "base/flags.h"
#include "fuzz.h"

enum { ARGS_MAX = 100 };

struct options {
    struct str text;
    struct flag_list list, files;
    bool on;
    int64_t number, bounded, duration_ms;
    int choice;
};

static const char *const CHOICES[] = {"error", "warn", "info", "debug", NULL};

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static int parse(struct options *o, int argc, char *const argv[], struct err *e)
{
    const struct flag flags[] = {
        {.name = "text", .kind = FLAG_STR, .out = &o->text, .required = true},
        {.name = "list", .kind = FLAG_LIST, .out = &o->list, .letter = 'l'},
        {.name = "FILE", .kind = FLAG_ARGUMENTS, .out = &o->files, .max = 3},
        {.name = "on", .kind = FLAG_BOOL, .out = &o->on},
        {.name = "number", .kind = FLAG_INT, .out = &o->number},
        {.name = "bounded", .kind = FLAG_INT, .out = &o->bounded, .min = -5, .max = 5},
        {.name = "duration",
         .kind = FLAG_DURATION,
         .out = &o->duration_ms,
         .min = 1000,
         .max = 60000},
        {.name = "choice", .kind = FLAG_CHOICE, .out = &o->choice, .choices = CHOICES},
        {.name = "help", .kind = FLAG_BOOL, .out = &o->on},
    };

    return flags_parse(flags, sizeof(flags) / sizeof(flags[0]), argc, argv, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct options o = {.duration_ms = 15000};
    struct err e = ERR_INIT;
    char program[] = "program";
    char *argv[ARGS_MAX] = {program};
    int argc = 1;
    char *copy = malloc(size + 1);
    require(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    copy[size] = '\0';
    for (char *p = copy; p != NULL && argc < ARGS_MAX - 1; argc++) {
        argv[argc] = p;
        p = strchr(p, '\n');
        if (p != NULL) {
            *p++ = '\0';
        }
    }
    if (parse(&o, argc, argv, &e) == 0) {
        require(o.bounded >= -5 && o.bounded <= 5);
        require(o.duration_ms >= 1000 && o.duration_ms <= 60000);
        require(o.choice >= 0 && o.choice < 4 && o.list.count <= FLAG_LIST_MAX);
    } else {
        require(o.text.ptr == NULL && o.list.count == 0 && !o.on && o.number == 0);
        require(o.bounded == 0 && o.duration_ms == 15000 && o.choice == 0);
        require((e.code == ERR_INVALID || e.code == ERR_LIMIT) && e.text[0] != '\0');
    }
    free(copy);
    return 0;
}
