/* Between the contract's own files: spec.c (the walk over the annotations and the checks across
 * them), spec_rows.c (the table and its scalar parsers), spec_names.c (the parsers of names
 * and places) and spec_yaml.c (`triggers` and `behavior`). */
#ifndef AMPSCALE_BASE_SPEC_ROWS_H
#define AMPSCALE_BASE_SPEC_ROWS_H

#include "base/spec.h"

struct spec_row;

/* One value to be parsed. */
struct spec_value {
    const struct spec_row *row;
    struct str text;
    void *field;     /* in struct scale_spec, at row->offset */
    struct arena *a; /* for what must outlive the call */
    struct err *why; /* may say more than row->expected; ERR_MEMORY is our own failure */
};

/* 0, or -1: not what is expected. */
typedef int spec_parse_fn(const struct spec_value *v);

struct spec_row {
    struct str key; /* with the prefix */
    spec_parse_fn *parse;
    size_t offset; /* of the field in struct scale_spec */
    int64_t min, max;
    const struct str *words; /* of an enum field: its texts in the enum's order */
    size_t word_count;
    const char *expected;     /* ends the complaint: "expected …" */
    const char *form;         /* the README's second column */
    const char *default_text; /* NULL: none; runs through `parse` like a user's */
    /* Whether the default matters to this spec, so that the webhook writes it; NULL: never. */
    bool (*explicit_default)(const struct scale_spec *spec);
    const char *meaning; /* the README's last column */
};

extern const struct spec_row SPEC_ROWS[KEY_COUNT];

/* Of spec_rows.c; spec_yaml.c uses them for the same things inside YAML. */
bool spec_query_ok(struct str query);
extern const struct str SPEC_METRIC_TYPES[2];

/* Of spec_names.c: where things are and how they are called. `field` is the struct str that gets
 * the text, and the whole struct scale_spec for metrics. */
spec_parse_fn spec_parse_url, spec_parse_workspace, spec_parse_region, spec_parse_role,
    spec_parse_port, spec_parse_path, spec_parse_cpu, spec_parse_memory, spec_parse_metrics,
    spec_parse_text;

/* Of spec_yaml.c. `field` is the whole struct scale_spec for triggers, struct behavior for
 * behavior. */
spec_parse_fn spec_parse_triggers, spec_parse_behavior;
/* What holds where no behavior is given: up at once, down after 300 s, tolerance 0.1. */
void spec_no_behavior(struct behavior *out);

#endif
