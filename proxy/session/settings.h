/* The settings of a session as state, for the files that make them (variables.c, readback.c) and the one that brings them to a
 * server (target.c). */
#ifndef PROXY_SESSION_SETTINGS_H
#define PROXY_SESSION_SETTINGS_H

#include "proxy/session/session.h"

#define SETTINGS_MAX 1024 /* names a session, and assignments a statement: each is compared with each */

/* --- settings.c --- */
bool settings_have_room(const struct session *s, const char *name, size_t len);
/* `text`: what follows "SET "; its first plain_len bytes are a setting too, without the collation. */
void settings_remember(struct session *s, const char *name, struct slice text, size_t plain_len);
void settings_then(struct session *s, const char *name, const char *statement); /* to be sent behind it, wherever that is */
bool settings_names(const struct session *s, const char *name); /* it was set in this session */
struct slice settings_text(const struct session *s, const char *name); /* "SET ..." without the SET; at == NULL: was not set */
bool settings_is_charset(const char *name);
bool settings_name_charset(const struct session *s); /* SET NAMES was said, which replaces the character set of the log-in */
/* Sends what the target has not seen yet, counted in setup_pending. What it refuses there it does without, but for the client's
 * character set, without which statements would be misread. */
void settings_replay(struct session *s);
void settings_free(struct session *s);

/* --- readback.c: values that a server has computed --- */
/* `name` (with the @ of a user variable) has a value on `server` that is not known here: the connection is held until it was read
 * back. */
void readback_owe(struct session *s, int server, const char *name);
/* State that cannot be told as a value: the connection is held for good. */
void readback_pin(struct session *s, int server, const char *why);
/* What a statement that is no SET did to variables. */
void readback_note(struct session *s, const struct backend_outcome *outcome);
/* Values are owed by a server other than the target, so that they must be read before it is used. */
bool readback_due(const struct session *s);
/* Reads all that is owed, then calls `then` (at once where nothing is). What cannot be read stays where it is, held. */
void readback_run(struct session *s, void (*then)(struct session *s));
void readback_server_gone(struct session *s, int server);
void readback_free(struct session *s);

#endif
