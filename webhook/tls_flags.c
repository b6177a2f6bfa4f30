#include "webhook/tls_flags.h"

#include <string.h>

/* A CA has signed its last leaf when two thirds of its life are over. */
enum { LEAVES_IN_A_CA = 3 };

static const int64_t SECOND_MS = 1000, DAY_MS = 86400000;

static void name_row(struct flag *out, const char *name, struct str *value, const char *text,
                     const char *help)
{
    *value = str_from(text);
    *out = (struct flag){.name = name,
                         .kind = FLAG_STR,
                         .out = value,
                         .argument = "NAME",
                         .default_text = text,
                         .help = help};
}

static void life_row(struct flag *out, const char *name, int64_t *value, const char *text,
                     const char *help)
{
    *out = (struct flag){.name = name,
                         .kind = FLAG_DURATION,
                         .out = value,
                         .argument = "DURATION",
                         .default_text = text,
                         .help = help,
                         .min = 3 * SECOND_MS,
                         .max = 36500 * DAY_MS};
}

void tls_flag_rows(struct tls_flags *f, struct flag out[TLS_FLAGS])
{
    *f = (struct tls_flags){.ca_life_ms = 1825 * DAY_MS, .leaf_life_ms = 90 * DAY_MS};
    out[0] = (struct flag){
        .name = "tls-dir",
        .kind = FLAG_STR,
        .out = &f->dir,
        .argument = "DIR",
        .help = "Directory with tls.crt and tls.key; changes are noticed within a second."};
    out[1] = (struct flag){
        .name = "tls-self-managed",
        .kind = FLAG_STR,
        .out = &f->secret,
        .argument = "SECRET",
        .help = "Make and renew the certificate instead, and publish its authority in caBundle: "
                "this Secret of its own namespace, which has to be there, keeps them."};
    name_row(&out[2], "tls-lease", &f->lease, "ampscale-webhook-certificates",
             "Self-managed: Lease that says which replica writes.");
    name_row(&out[3], "tls-service", &f->service, "ampscale-webhook",
             "Self-managed: Service that the API server calls.");
    name_row(&out[4], "webhook-configuration", &f->configuration, "ampscale",
             "Self-managed: name of the mutating and of the validating webhook configuration.");
    life_row(&out[5], "tls-ca-life", &f->ca_life_ms, "1825d",
             "Self-managed: life of an authority; it is renewed when two thirds are over.");
    life_row(&out[6], "tls-leaf-life", &f->leaf_life_ms, "90d",
             "Self-managed: life of a certificate; it is renewed when two thirds are over.");
}

/* As objects are called; it stands in paths and in certificates. */
static bool is_name(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        const char c = s.ptr[i];
        if (!char_is_lower(c) && !char_is_digit(c) && c != '-' && c != '.') {
            return false;
        }
    }
    return s.len > 0 && s.len <= 253;
}

static int check_name(const char *flag, struct str value, struct err *e)
{
    return is_name(value) ? 0
                          : err_set(e, ERR_INVALID, "--%s: \"%.*s\": expected an object's name",
                                    flag, STR_ARG(value));
}

int tls_flags_check(const struct tls_flags *f, bool no_cluster, struct err *e)
{
    const bool managed = f->secret.len > 0;
    if (managed == (f->dir.len > 0)) {
        return err_set(e, ERR_INVALID, "expected either --tls-dir or --tls-self-managed");
    }
    if (managed && no_cluster) {
        return err_set(e, ERR_INVALID,
                       "--tls-self-managed needs the API server, which --no-cluster does without");
    }
    if (managed && (check_name("tls-self-managed", f->secret, e) != 0 ||
                    check_name("tls-lease", f->lease, e) != 0 ||
                    check_name("tls-service", f->service, e) != 0 ||
                    check_name("webhook-configuration", f->configuration, e) != 0)) {
        return -1;
    }
    if (f->ca_life_ms < LEAVES_IN_A_CA * f->leaf_life_ms) {
        return err_set(e, ERR_INVALID, "--tls-ca-life: expected at least %d times --tls-leaf-life",
                       LEAVES_IN_A_CA);
    }
    return 0;
}
