/* A log-in under way, as login.c (who says what when) and proof.c (who may come in) share it. */
#ifndef PROXY_SESSION_LOGIN_IMPL_H
#define PROXY_SESSION_LOGIN_IMPL_H

#include "proxy/session/session.h"

#define LOGIN_COMPRESSED (WIRE_CAP_COMPRESS | WIRE_CAP_ZSTD)

enum login_step {
    LOGIN_WAIT_ANSWER,   /* the log-in packet, or a request for TLS */
    LOGIN_WAIT_TLS,
    LOGIN_WAIT_SWITCHED, /* the proof for the plugin we switched to */
    LOGIN_WAIT_PASSWORD, /* clear text over TLS: the full exchange of caching_sha2_password */
    LOGIN_DENIED,        /* and the client is to wait for it */
};

struct session_login {
    bool counted; /* among the callers of its address; until then a PROXY header may come */
    enum login_step step;
    uint8_t scramble[WIRE_NONCE]; /* the greeting's WIRE_SCRAMBLE bytes, or ed25519's nonce */
    char *user;
    const struct config_user *found; /* NULL: unknown, and the client does not learn it */
    enum wire_plugin plugin;
    char *schema_text;
    uint8_t zstd_level;
    bool again; /* COM_CHANGE_USER: what was agreed on at the first log-in stays */
};

/* login.c: an error, and the end. */
void login_refuse(struct session *s, uint16_t code, const char *sqlstate, const char *text, const char *why);

/* proof.c. Each answers: OK, an error, or what is still wanted. */

/* Who is it, and by which plugin shall they prove it? True: it is settled. wanted: the plugin that the client came with. */
bool login_meet(struct session *s, const struct wire_login *in, enum wire_plugin *wanted);
/* The proof that came with the user's name, where it fits. */
void login_take_proof(struct session *s, struct slice proof, enum wire_plugin wanted);
void login_judge(struct session *s, struct slice proof);         /* of the plugin asked for */
void login_judge_full(struct session *s, struct slice password); /* caching_sha2_password in full */
void login_answer_denied(struct session *s);

#endif
