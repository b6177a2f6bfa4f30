/* A profile of the shared files: keys of its own, or a role on top of another profile's, of the
 * environment's, of the container's or the instance's.
 */
#include <stdlib.h>
#include <string.h>

#include "base/awsini.h"
#include "base/awsname.h"
#include "base/fmt.h"
#include "base/num.h"
#include "net/aws_internal.h"
#include "net/file.h"

enum { FILE_MAX_BYTES = 1024 * 1024, PATH_BYTES = 4096, HOPS_MAX = 8 };

/* Both files, read. Views of profiles point into them: wiped with them. */
struct files {
    struct buf config, credentials;
    char config_path[PATH_BYTES], credentials_path[PATH_BYTES];
};

static void path_of(const char *variable, const char *name, char out[PATH_BYTES])
{
    const struct str named = aws_env(variable);
    const struct str home = aws_env("HOME");
    if (named.len > 0) {
        (void)fmt(out, PATH_BYTES, "%.*s", STR_ARG(named));
    } else {
        (void)fmt(out, PATH_BYTES, "%.*s/.aws/%s", STR_ARG(home), name);
    }
}

/* A file that is not there is an empty one. */
static int read_one(const char *path, struct buf *out, struct err *e)
{
    buf_init(out, FILE_MAX_BYTES);
    if (file_read(path, out, e) != 0 && strstr(e->text, "No such file") == NULL &&
        strstr(e->text, "Not a directory") == NULL) {
        return -1;
    }
    return 0;
}

static void wipe(struct files *f)
{
    buf_wipe(&f->config);
    buf_wipe(&f->credentials);
}

static int open_files(struct files *f, struct err *e)
{
    path_of("AWS_CONFIG_FILE", "config", f->config_path);
    path_of("AWS_SHARED_CREDENTIALS_FILE", "credentials", f->credentials_path);
    const int config = read_one(f->config_path, &f->config, e);
    const int credentials = read_one(f->credentials_path, &f->credentials, e);
    if (config != 0 || credentials != 0) {
        wipe(f);
        return -1;
    }
    return 0;
}

static int look_up(const struct files *f, struct str name, struct aws_profile *out, struct err *e)
{
    struct aws_profile p = {.found = false};
    if (awsini_read(buf_view(&f->config), AWSINI_CONFIG, name, &p, e) != 0) {
        return err_prefix(e, "%s", f->config_path);
    }
    if (awsini_read(buf_view(&f->credentials), AWSINI_CREDENTIALS, name, &p, e) != 0) {
        return err_prefix(e, "%s", f->credentials_path);
    }
    if (!p.found) {
        return err_set(e, ERR_INVALID, "there is none of this name in %s or %s", f->config_path,
                       f->credentials_path);
    }
    *out = p;
    return 0;
}

static struct str profile_name(void)
{
    const struct str name = aws_env("AWS_PROFILE");
    return name.len > 0 ? name : STR("default");
}

bool aws_profile_configured(void)
{
    struct files f;
    struct aws_profile p;
    struct err e = ERR_INIT;
    if (aws_env("AWS_PROFILE").len > 0) {
        return true;
    }
    if (open_files(&f, &e) != 0) {
        return true; /* there, and not readable: said when it is used */
    }
    bool found = false;
    if (look_up(&f, profile_name(), &p, &e) == 0) {
        found = p.access_key.len + p.secret_key.len + p.role_arn.len + p.credential_process.len +
                    p.sso_session.len + p.sso_start_url.len + p.login_session.len >
                0;
    } else {
        found = strstr(e.text, "there is none of this name") == NULL;
    }
    wipe(&f);
    return found;
}

bool aws_profile_composes(void)
{
    struct files f;
    struct aws_profile p = {.found = false};
    struct err e = ERR_INIT;
    if (aws_env("AWS_PROFILE").len == 0 || open_files(&f, &e) != 0) {
        return false;
    }
    const bool composes = look_up(&f, profile_name(), &p, &e) == 0 && p.credential_source.len > 0;
    wipe(&f);
    return composes;
}

struct str aws_profile_region(struct arena *a)
{
    struct files f;
    struct aws_profile p;
    struct str region = {NULL, 0};
    struct err e = ERR_INIT;
    if (open_files(&f, &e) != 0) {
        return region;
    }
    if (look_up(&f, profile_name(), &p, &e) == 0 && p.region.len > 0 &&
        arena_str(a, p.region, &region, &e) != 0) {
        region = (struct str){NULL, 0};
    }
    wipe(&f);
    return region;
}

/* ---- keys ---- */

static int fetch_keys(struct aws_identity *i, struct err *e)
{
    struct files f;
    struct aws_profile p;
    if (open_files(&f, e) != 0) {
        return -1;
    }
    int result = look_up(&f, i->profile, &p, e);
    if (result == 0 && (p.access_key.len == 0 || p.secret_key.len == 0)) {
        result = err_set(e, ERR_INVALID, "%s is missing",
                         p.access_key.len == 0 ? "aws_access_key_id" : "aws_secret_access_key");
    }
    if (result == 0) {
        aws_fetched(i,
                    &(struct aws_answer){p.access_key, p.secret_key, p.session_token, INT64_MAX});
    } else {
        (void)err_prefix(e, "profile %.*s", STR_ARG(i->profile));
    }
    wipe(&f);
    return result;
}

/* Read again when AWS refuses them. */
const struct aws_provider AWS_PROFILE_KEYS = {.name = "profile", .fetch = fetch_keys, .tries = 1};

/* ---- from a profile to an identity ---- */

/* Copies of the profile's texts into the identity. */
static int describe_role(struct aws_identity *i, const struct aws_profile *p, struct err *e)
{
    char session[AWSNAME_SESSION_BYTES];
    int failed = 0;
    if (p->external_id.len > 0) {
        failed |= arena_str(&i->texts, p->external_id, &i->external_id, e);
    }
    if (p->role_session_name.len > 0) {
        failed |= arena_str(&i->texts, awsname_session(p->role_session_name, session),
                            &i->session_name, e);
    }
    if (p->web_identity_token_file.len > 0) {
        failed |= arena_str(&i->texts, p->web_identity_token_file, &i->token_file, e);
    }
    if (failed != 0) {
        return -1;
    }
    if (p->duration_seconds.len > 0 &&
        num_int(p->duration_seconds, 900, 43200, &i->duration_s, e) != 0) {
        return err_prefix(e, "duration_seconds");
    }
    return 0;
}

/* What a profile asks for that is not done. NULL: nothing. */
static const char *not_done(const struct aws_profile *p)
{
    if (p->mfa_serial.len > 0) {
        return "mfa_serial: a second factor cannot be asked for here";
    }
    if (p->role_arn.len > 0 || p->access_key.len > 0 || p->secret_key.len > 0) {
        return NULL;
    }
    if (p->credential_process.len > 0) {
        return "credential_process: not run, because no program is started for credentials; run it "
               "yourself and set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN";
    }
    if (p->sso_session.len > 0 || p->sso_start_url.len > 0 || p->login_session.len > 0) {
        return "single sign-on and aws login are not spoken here: eval \"$(aws configure "
               "export-credentials --format env)\" sets the variables that are";
    }
    return "it has neither keys nor a role_arn";
}

static struct aws_identity *of_profile(struct aws_setup *s, const struct files *f, struct str name,
                                       int hops, struct err *e);

/* credential_source: NULL with *e, or out of memory. */
static struct aws_identity *of_source(struct aws_setup *s, struct str source, struct err *e)
{
    if (str_eq(source, STR("Environment"))) {
        return aws_identity_make(s, &AWS_ENVIRONMENT);
    }
    if (str_eq(source, STR("EcsContainer"))) {
        if (aws_chain_has_container()) {
            return aws_chain_container(s);
        }
        (void)err_set(e, ERR_INVALID,
                      "credential_source = EcsContainer: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI "
                      "and …_FULL_URI are not set");
        return NULL;
    }
    if (str_eq(source, STR("Ec2InstanceMetadata")) && s->imds) {
        struct aws_identity *i = aws_identity_make(s, &AWS_IMDS);
        if (i != NULL) {
            i->url = aws_imds_url(&i->texts);
        }
        return i;
    }
    if (str_eq(source, STR("Ec2InstanceMetadata"))) {
        (void)err_set(e, ERR_INVALID, "credential_source = Ec2InstanceMetadata: only with --imds");
    } else {
        (void)err_set(e, ERR_INVALID,
                      "credential_source: expected Environment, EcsContainer or "
                      "Ec2InstanceMetadata");
    }
    return NULL;
}

static struct aws_identity *make_keys(struct aws_setup *s, struct str name, struct err *e)
{
    struct aws_identity *i = aws_identity_make(s, &AWS_PROFILE_KEYS);
    if (i != NULL && arena_str(&i->texts, name, &i->profile, e) != 0) {
        aws_identity_free(i);
        return NULL;
    }
    return i;
}

static struct aws_identity *make_role(struct aws_setup *s, const struct files *f, struct str name,
                                      const struct aws_profile *p, int hops, struct err *e)
{
    struct aws_identity *i = NULL;
    if (!awsname_is_role(p->role_arn)) {
        (void)err_set(e, ERR_INVALID, "role_arn: expected arn:aws:iam::ACCOUNT:role/NAME");
        return NULL;
    }
    if (p->web_identity_token_file.len > 0) {
        i = aws_identity_make(s, &AWS_WEB_IDENTITY);
        if (i != NULL && arena_str(&i->texts, p->role_arn, &i->role_arn, e) != 0) {
            aws_identity_free(i);
            return NULL;
        }
    } else if (p->source_profile.len > 0 && p->credential_source.len > 0) {
        (void)err_set(e, ERR_INVALID, "source_profile and credential_source exclude each other");
    } else if (p->source_profile.len > 0 && str_eq(p->source_profile, name)) {
        i = aws_identity_on(make_keys(s, name, e), p->role_arn);
    } else if (p->source_profile.len > 0) {
        i = aws_identity_on(of_profile(s, f, p->source_profile, hops + 1, e), p->role_arn);
    } else if (p->credential_source.len > 0) {
        i = aws_identity_on(of_source(s, p->credential_source, e), p->role_arn);
    } else {
        (void)err_set(e, ERR_INVALID,
                      "role_arn needs source_profile, credential_source or "
                      "web_identity_token_file");
    }
    if (i != NULL && describe_role(i, p, e) != 0) {
        aws_identity_free(i);
        i = NULL;
    }
    return i;
}

/* NULL: *e says why. */
static struct aws_identity *of_profile(struct aws_setup *s, const struct files *f, struct str name,
                                       int hops, struct err *e)
{
    struct aws_profile p;
    struct aws_identity *i = NULL;
    (void)err_set(e, ERR_MEMORY, "out of memory");
    if (hops >= HOPS_MAX) {
        (void)err_set(e, ERR_INVALID, "source_profile: more than %d in a row, or in a circle",
                      HOPS_MAX);
    } else if (look_up(f, name, &p, e) == 0) {
        const char *wrong = not_done(&p);
        if (wrong != NULL) {
            (void)err_set(e, ERR_INVALID, "%s", wrong);
        } else {
            i = p.role_arn.len > 0 ? make_role(s, f, name, &p, hops, e) : make_keys(s, name, e);
        }
    }
    if (i == NULL && hops <= 1) { /* in a circle the others add nothing */
        (void)err_prefix(e, "profile %.*s", STR_ARG(name));
    }
    return i;
}

struct aws_identity *aws_profile_identity(struct aws_setup *s)
{
    struct files f;
    struct err e = ERR_INIT;
    struct aws_identity *i = NULL;
    if (open_files(&f, &e) == 0) {
        i = of_profile(s, &f, profile_name(), 0, &e);
        wipe(&f);
    }
    if (i == NULL) {
        (void)err_prefix(&e, "AWS credentials (profile)");
        i = aws_nothing(s, &e);
    }
    return i;
}
