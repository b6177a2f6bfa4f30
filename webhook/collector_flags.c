#include "webhook/collector_flags.h"

#include <string.h>

void collector_flag_rows(struct collector_flags *f, struct flag out[COLLECTOR_FLAGS])
{
    *f = (struct collector_flags){.image = {NULL, 0}};
    const struct flag rows[COLLECTOR_FLAGS] = {
        {.name = "collector-image",
         .kind = FLAG_STR,
         .out = &f->image,
         .argument = "IMAGE",
         .help = "Image of the collector that scale.amp/collector puts into pods; without it such "
                 "Deployments are refused."},
        {.name = "collector-endpoint",
         .kind = FLAG_STR,
         .out = &f->endpoint,
         .argument = "URL",
         .help = "Where collectors write (base URL), if not to --endpoint or --workspace."},
        {.name = "collector-role-arn",
         .kind = FLAG_STR,
         .out = &f->role_arn,
         .argument = "ARN",
         .help = "IAM role that collectors write with, by a token of the app's ServiceAccount."},
        {.name = "collector-cpu",
         .kind = FLAG_STR,
         .out = &f->cpu,
         .argument = "QUANTITY",
         .default_text = "10m",
         .help = "CPU request of collectors."},
        {.name = "collector-memory",
         .kind = FLAG_STR,
         .out = &f->memory,
         .argument = "QUANTITY",
         .default_text = "16Mi, limit 64Mi",
         .help = "Memory request and limit of collectors."},
        {.name = "collector-ca-configmap",
         .kind = FLAG_STR,
         .out = &f->ca_configmap,
         .argument = "NAME",
         .help = "ConfigMap of the app's namespace whose ca.crt collectors verify their endpoint "
                 "and AWS STS with, instead of the image's certificates."},
    };
    memcpy(out, rows, sizeof(rows));
}

/* One value by the rule of the annotation it stands in for; absent is right. */
static bool flag_keeps_rule(struct str value, enum spec_key key, const char *flag,
                            struct scale_spec *spec, struct arena *a, struct err *e)
{
    if (value.ptr == NULL || spec_parse_value(key, value, a, spec)) {
        return true;
    }
    return err_set(e, ERR_INVALID, "--%s: \"%.*s\": expected %s", flag, STR_ARG(value),
                   spec_expected(key)) == 0;
}

/* A chart may render a flag whose value is empty: not given. */
static struct str given(struct str value)
{
    return value.len > 0 ? value : (struct str){NULL, 0};
}

int collector_flags_check(struct collector_flags *f, struct err *e)
{
    struct arena a;
    struct scale_spec spec = {.trigger_count = 0};
    arena_init(&a, 4096);
    f->image = given(f->image);
    f->endpoint = given(f->endpoint);
    f->role_arn = given(f->role_arn);
    f->cpu = given(f->cpu);
    f->memory = given(f->memory);
    f->ca_configmap = given(f->ca_configmap);
    bool right =
        flag_keeps_rule(f->endpoint, KEY_ENDPOINT, "collector-endpoint", &spec, &a, e) &&
        flag_keeps_rule(f->role_arn, KEY_COLLECTOR_ROLE_ARN, "collector-role-arn", &spec, &a, e) &&
        flag_keeps_rule(f->cpu, KEY_COLLECTOR_CPU, "collector-cpu", &spec, &a, e) &&
        flag_keeps_rule(f->memory, KEY_COLLECTOR_MEMORY, "collector-memory", &spec, &a, e);
    char *cursor = f->quantities;
    if (right && f->cpu.ptr != NULL) {
        f->cpu = str_copy_to(&cursor, spec.collector_cpu);
    }
    if (right && f->memory.ptr != NULL) {
        f->memory = str_copy_to(&cursor, spec.collector_memory);
    }
    arena_free(&a);
    return right ? 0 : -1;
}

struct sidecar_options collector_flags_options(const struct collector_flags *f,
                                               const struct common_flags *c)
{
    static const struct str SIGV4[] = {[SIGV4_AUTO] = STR_INIT("auto"),
                                       [SIGV4_ON] = STR_INIT("on"),
                                       [SIGV4_OFF] = STR_INIT("off")};
    const bool own = f->endpoint.ptr != NULL;
    return (struct sidecar_options){
        .image = f->image,
        .endpoint = own ? f->endpoint : c->endpoint,
        .workspace = own ? (struct str){NULL, 0} : c->workspace,
        .region = common_prom_config(c, NULL).region, /* AWS_REGION too */
        .sigv4 = SIGV4[c->sigv4],
        .role_arn = f->role_arn,
        .sts_endpoint = c->sts_endpoint,
        .cpu = f->cpu,
        .memory = f->memory,
        .ca_configmap = f->ca_configmap,
    };
}
