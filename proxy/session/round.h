/* A question to all workers that nobody waits for: one letter that visits each worker's thread in turn and comes home with what
 * it has gathered. At any time one thread has it, so it needs no lock. Leaves what is asked to its users. */
#ifndef PROXY_SESSION_ROUND_H
#define PROXY_SESSION_ROUND_H

#include "proxy/session/session.h"

/* First member of what its user gathers. */
struct round {
    struct letter letter;
    struct world *world;
    uint64_t asker;      /* session; 0: nobody */
    unsigned home, next; /* workers */
    void (*visit)(struct round *r, struct session *s); /* each session of the worker it is at; may close it */
    void (*answer)(struct round *r, struct session *s); /* at home, if the asker still waits: completes its statement; or NULL */
    void (*free)(struct round *r);
};

/* Takes r (heap), whose last three members are set; s waits for it. */
void round_begin(struct session *s, struct round *r);
/* The same for no session; nothing happens while the proxy ends. */
void round_for_nobody(struct worker *home, struct round *r);

#endif
