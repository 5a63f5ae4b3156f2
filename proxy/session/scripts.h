/* The texts of scripts by their SHA-1, as Redis' own cache of scripts: whoever ran or loaded one through the proxy may name it by
 * its digest afterwards, in any session and on any resource. Bounded, of this process life; what was pushed out answers NOSCRIPT,
 * to which clients send the text again. */
#ifndef PROXY_SESSION_SCRIPTS_H
#define PROXY_SESSION_SCRIPTS_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/cursor.h"

struct scripts;
struct scripts *scripts_new(size_t max_bytes); /* of all texts together; the one not used for longest goes first */
void scripts_free(struct scripts *c);

/* All of them: any thread. */
void scripts_note(struct scripts *c, struct slice text); /* copied; one that is longer than all may be is not kept */
void scripts_forget(struct scripts *c); /* all that there are */
/* Digest in hex, letters of any case. Appends its text to `out` unless that is NULL; false: not known. */
bool scripts_find(struct scripts *c, struct slice digest, struct buf *out);

#endif
