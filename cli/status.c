#include "cli/status.h"

#include "base/num.h"

const struct str STATUS_TITLES[STATUS_COLUMNS] = {
    [STATUS_NAMESPACE] = STR_INIT("NAMESPACE"),
    [STATUS_NAME] = STR_INIT("NAME"),
    [STATUS_TARGETS] = STR_INIT("TARGETS"),
    [STATUS_MIN] = STR_INIT("MIN"),
    [STATUS_MAX] = STR_INIT("MAX"),
    [STATUS_REPLICAS] = STR_INIT("REPLICAS"),
    [STATUS_DESIRED] = STR_INIT("DESIRED"),
    [STATUS_REASON] = STR_INIT("REASON"),
    [STATUS_POLL] = STR_INIT("POLL"),
    [STATUS_AGE] = STR_INIT("AGE"),
};

static int count_cell(bool known, int32_t count, struct arena *a, struct str *out, struct err *e)
{
    if (!known) {
        *out = STR("-");
        return 0;
    }
    return arena_format(a, out, e, "%d", count);
}

static int keep(struct buf *text, struct arena *a, struct str *out, struct err *e)
{
    int status = arena_str(a, buf_view(text), out, e);
    buf_free(text);
    return status;
}

int status_cells(const struct view *v, int64_t now_ms, struct arena *a,
                 struct str out[STATUS_COLUMNS], struct err *e)
{
    char interval[NUM_TEXT_BYTES];
    struct str cells[STATUS_COLUMNS] = {[STATUS_NAMESPACE] = v->namespace_,
                                        [STATUS_NAME] = v->name,
                                        [STATUS_REASON] = v->reason,
                                        [STATUS_AGE] = STR("<unknown>"),
                                        [STATUS_POLL] = STR("-")};
    struct buf targets, age;
    buf_init(&targets, 8192);
    view_targets(v, &targets);
    if (keep(&targets, a, &cells[STATUS_TARGETS], e) != 0 ||
        count_cell(v->usable, v->spec.min_replicas, a, &cells[STATUS_MIN], e) != 0 ||
        count_cell(v->usable, v->spec.max_replicas, a, &cells[STATUS_MAX], e) != 0 ||
        count_cell(true, v->replicas, a, &cells[STATUS_REPLICAS], e) != 0 ||
        count_cell(true, v->desired, a, &cells[STATUS_DESIRED], e) != 0) {
        return -1;
    }
    if (v->usable && arena_str(a, num_print_duration(v->spec.polling_interval_ms, interval),
                               &cells[STATUS_POLL], e) != 0) {
        return -1;
    }
    buf_init(&age, 64);
    view_age(now_ms - v->created_ms, &age);
    if (keep(&age, a, v->created_ms > 0 ? &cells[STATUS_AGE] : &(struct str){0}, e) != 0) {
        return -1;
    }
    for (size_t i = 0; i < STATUS_COLUMNS; i++) {
        out[i] = cells[i];
    }
    return 0;
}
