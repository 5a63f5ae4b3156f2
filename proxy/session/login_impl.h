/* A log-in under way, as login.c (who says what when), proof.c (who may come in), welcome.c (what follows) and
 * change_user.c (another one) share it, and that of Redis' clients (proxy/resp). */
#ifndef PROXY_SESSION_LOGIN_IMPL_H
#define PROXY_SESSION_LOGIN_IMPL_H

#include "proxy/session/entering.h"

#define LOGIN_COMPRESSED (WIRE_CAP_COMPRESS | WIRE_CAP_ZSTD)

enum login_step {
    LOGIN_WAIT_ANSWER,   /* the log-in packet, or a request for TLS */
    LOGIN_WAIT_TLS,
    LOGIN_WAIT_SWITCHED, /* the proof for the plugin we switched to */
    LOGIN_WAIT_PASSWORD, /* clear text over TLS: the full exchange of caching_sha2_password */
    LOGIN_DENIED,        /* and the client is to wait for it */
    LOGIN_WAIT_SCHEMA,   /* a server is asked whether it has the client's */
};

struct session_login {
    uint64_t offered; /* in the greeting */
    bool counted; /* among the callers of its address; until then a PROXY header may come */
    enum login_step step;
    uint8_t scramble[WIRE_NONCE]; /* the greeting's WIRE_SCRAMBLE bytes, or ed25519's nonce */
    char *user;
    const struct config_user *found; /* NULL: unknown, and the client does not learn it */
    enum wire_plugin plugin;
    bool no_password; /* the client gave none */
    char *schema_text;
    struct entering *entering; /* NULL unless a server is asked for it */
    uint8_t zstd_level;
    const struct config_user *before; /* COM_CHANGE_USER: who it was; what was agreed on at the first log-in stays */
    char schema_before[SQL_NAME_SIZE];
    uint16_t charset_before;
};

/* --- login.c --- */
/* An error, and the end; unless the client goes on as the user that it was. */
void login_refuse(struct session *s, uint16_t code, const char *sqlstate, const char *text, const char *why);
/* What a balancer says of its client, where it is believed and not yet heard. False: it is not complete, or the session is being
 * closed. */
bool login_take_proxy_header(struct session *s);
bool login_take_charset(struct session *s, uint16_t charset); /* false: the refusal is answered */

/* --- change_user.c --- */
/* The session is this user's from here on, and counted: its end gives the place back. How many sessions the user has with it. */
unsigned login_become(struct session *s, const struct config_user *user);
/* True: that was answered. */
bool login_goes_on_as_before(struct session *s, uint16_t code, const char *sqlstate, const char *text);

/* --- welcome.c --- */
void login_welcome(struct session *s); /* who has proved to be l->found; answers, maybe later */

/* proof.c. Each answers: OK, an error, or what is still wanted. */

/* Who is it, and by which plugin shall they prove it? True: it is settled. wanted: the plugin that the client came with. */
bool login_meet(struct session *s, const struct wire_login *in, enum wire_plugin *wanted);
/* The proof that came with the user's name, where it fits. */
void login_take_proof(struct session *s, struct slice proof, enum wire_plugin wanted);
void login_judge(struct session *s, struct slice proof);         /* of the plugin asked for */
void login_judge_full(struct session *s, struct slice password); /* caching_sha2_password in full */
void login_answer_denied(struct session *s);
/* A log-in failed: noted. For how many ms the answer is to be kept back; 0 = it may go. */
int login_denied(struct session *s);
/* The session is l->found's now. What its limits say against it; NULL: nothing. */
struct login_objection {
    uint16_t code;
    const char *sqlstate, *text, *why;
};
const struct login_objection *login_admit(struct session *s);

#endif
