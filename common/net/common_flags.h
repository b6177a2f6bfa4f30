/* What every program's main() shares: flags, --version, exit codes, the logger.
 *
 * A program has one table of flags: its own rows followed by the shared sets it asks for. Values
 * are views of argv, so they are NUL-terminated and live as long as the process.
 *
 *     struct common_flags common;
 *     int status = common_start(&program, own_rows, own_count, COMMON_LOG | COMMON_QUERY, &common,
 *                               argc, argv);
 *     if (status >= 0) {
 *         return status;
 *     }
 *     common_logger(&common, &program, &logger);
 */
#ifndef AMPSCALE_NET_COMMON_FLAGS_H
#define AMPSCALE_NET_COMMON_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/flags.h"
#include "base/log.h"
#include "base/str.h"
#include "net/awscreds.h"
#include "net/kube.h"
#include "net/prom.h"

/* The sets of shared flags; COMMON_LOG (with --version and --help) is always there. */
enum common_flag_set {
    COMMON_LOG = 0,
    COMMON_QUERY = 1 << 0, /* --endpoint --workspace --region --ca-file --sigv4 --allow-… */
    COMMON_KUBE = 1 << 1,  /* --kubeconfig --context */
    COMMON_AWS = 1 << 2,   /* --role-arn --web-identity-token-file --sts-endpoint --imds */
};

/* Rows a program may add to its own table; shared rows and these fit one table. */
enum { COMMON_OWN_FLAGS_MAX = 32 };

struct common_flags {
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
    bool version, help;
    struct str endpoint, workspace, region, ca_file;
    int sigv4; /* enum sigv4_mode */
    struct flag_list allow_endpoint, allow_workspace, allow_role;
    struct str role_arn, web_identity_token_file, sts_endpoint;
    bool imds;
    char session_name[65]; /* "PROGRAM@HOST", as CloudTrail shows who assumed a role */
    struct str kubeconfig, context;
};

struct program {
    const char *name;  /* "ampscale-scaler" */
    const char *about; /* one paragraph for --help */
};

/* Parse argv into the own rows' outs and *out; ignore SIGPIPE from here on.
 * Returns -1: go on. Else the exit status: 0 after --help or --version (printed on stdout), 2 after
 * a wrong flag or a contradiction among the shared ones (printed on stderr, naming it). */
int common_start(const struct program *p, const struct flag *own, size_t own_count, unsigned sets,
                 struct common_flags *out, int argc, char *const argv[])
    __attribute__((warn_unused_result));

/* Say why on stderr as main's last words: "NAME: text". Returns 2, the status for wrong usage. */
int common_usage_error(const struct program *p, const struct err *e);

/* A logger that writes whole lines to stderr, at the level and in the format asked for. */
void common_logger(const struct common_flags *c, const struct program *p, struct logger *out);

/* Views of the flags for the clients; *c and *log must outlive what is made from them. */
struct aws_options common_aws_options(const struct common_flags *c, const struct logger *log);
struct prom_config common_prom_config(const struct common_flags *c, const struct logger *log);
struct kube_config common_kube_config(const struct common_flags *c);
/* True when --endpoint or --workspace was given. */
bool common_has_query_target(const struct common_flags *c);

/* "ampscale-scaler/0.1.0" into out (at least 64 bytes). */
const char *common_user_agent(const struct program *p, char *out, size_t size);

/* Program, version and commit, then one line a library. */
void common_print_version(const struct program *p, struct buf *out);

/* NUL-terminated text of a flag, or NULL when it was not given. */
const char *common_text(struct str flag);

#endif
