/* Profiles of AWS's shared files, ~/.aws/config and ~/.aws/credentials.
 *
 * One profile is picked out of a file's text; of a key that stands in both files the credentials
 * file's counts, so it is read second. Keys we have no use for, nested settings (indented deeper
 * than the key before) and other kinds of sections are passed over. Source: AWS SDKs and Tools
 * Reference Guide, "Shared config and credentials files", "Format of the config file".
 */
#ifndef AMPSCALE_BASE_AWSINI_H
#define AMPSCALE_BASE_AWSINI_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* Absent: the profile does not say. Views point into the files' texts. */
struct aws_profile {
    bool found; /* in at least one of the files that were read */
    struct str access_key, secret_key, session_token;
    struct str role_arn, source_profile, credential_source;
    struct str web_identity_token_file, external_id, role_session_name, duration_seconds;
    struct str region;
    /* Ways to credentials that are told of, not taken. */
    struct str credential_process, mfa_serial, sso_session, sso_start_url, login_session;
};

enum awsini_file {
    AWSINI_CONFIG,      /* [profile NAME], and [default] */
    AWSINI_CREDENTIALS, /* [NAME] */
};

/* Add what `text` says of profile `name`. ERR_INVALID with the line's number and what is wrong
 * there, never what stands there; *out is then as it was. */
int awsini_read(struct str text, enum awsini_file kind, struct str name, struct aws_profile *out,
                struct err *e) __attribute__((warn_unused_result));

#endif
