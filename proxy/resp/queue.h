/* What a client has sent ahead, in its order: commands, and answers that wait for those before them. Pure; flight.c sends. */
#ifndef PROXY_RESP_QUEUE_H
#define PROXY_RESP_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/check.h"
#include "compensate/argv.h"

#define RESP_QUEUE_COMMANDS 128        /* taken from the client before the first of them is answered */
#define RESP_QUEUE_FIRST 32            /* that go together while nobody knows how big the replies are */
#define RESP_QUEUE_BYTES (512 * 1024)  /* of them: beyond this no more are taken */

struct resp_queued {
    struct comp_argv command;
    bool done;         /* `answer` is complete */
    struct buf answer;
    size_t part;       /* of the plan by which it was sent */
};
struct resp_queue { /* all-zero is empty */
    struct resp_queued *at; /* [first, end) are not answered yet; RESP_QUEUE_COMMANDS places, or NULL */
    size_t first, end;
    size_t bytes;           /* of commands */
    size_t held;            /* of answers */
    size_t most;            /* that go together; 0: not known yet */
};
void resp_queue_fini(struct resp_queue *q);

static inline size_t resp_queue_n(const struct resp_queue *q) { return q->end - q->first; }
bool resp_queue_has_room(const struct resp_queue *q);
void resp_queue_push(struct resp_queue *q, struct comp_argv *command); /* there is room; takes what it holds */
/* The next one to be run, not done yet. Takes it away. */
void resp_queue_pop(struct resp_queue *q, struct comp_argv *command);

/* Where the answer to the command at `i` is to be written: behind those that are out, or aside. */
struct buf *resp_queue_answer(struct resp_queue *q, size_t i, struct buf *out);
/* It is written. What is in order now goes out with it. */
void resp_queue_done(struct resp_queue *q, size_t i, struct buf *out);
/* Those in front that are done go out: behind a command that was popped. */
void resp_queue_drain(struct resp_queue *q, struct buf *out);

/* How many may go together next. */
size_t resp_queue_most(const struct resp_queue *q);
/* Of n that went together so many were done; what could not be is asked for again, so fewer are sent next time, else more. */
void resp_queue_learn(struct resp_queue *q, size_t n, size_t done);

#endif
