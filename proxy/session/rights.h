/* What a user of the proxy may do on a Redis, by [grant USER@REDIS]. */
#ifndef PROXY_SESSION_RIGHTS_H
#define PROXY_SESSION_RIGHTS_H

#include "base/buf.h"
#include "compensate/command.h"
#include "proxy/session/session.h"

/* Whether the session's user may: the command as it was said, checked already. False: `why` says it as an SQL error. */
bool rights_to_command(const struct session *s, unsigned resource, const struct comp_argv *command,
                       const struct comp_command_use *use, struct comp_refusal *why) MUST_USE;
bool rights_to_keys(const struct session *s, unsigned resource, const struct comp_argv *command,
                    const struct comp_command_use *use, struct comp_refusal *why) MUST_USE; /* the same of its keys only */
bool rights_are_limited(const struct session *s, unsigned resource); /* at all */
/* True: it may not, and the error is the answer. */
bool rights_refuse_command(struct session *s, unsigned resource, const struct comp_argv *command,
                           const struct comp_command_use *use) MUST_USE;

/* What the configuration cannot know by itself: whether the words of [grant] mean something. Lines of text where not, each with
 * the name of the file. */
bool rights_check(const struct config *c, const char *path, struct buf *complaints) MUST_USE;

#endif
