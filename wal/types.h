/* Who owns which record number. wal/ itself uses only WAL_TYPE_EPOCH; the payloads are described where they are made. */
#ifndef WAL_TYPES_H
#define WAL_TYPES_H

/* X(name, number, owner, what it says) */
#define WAL_TYPES(X) \
    X(EPOCH, 1, "wal", "first record of a segment: log id, epoch, where the old log ended") \
    X(DECIDE, 2, "xa", "a global transaction is decided: gtrid, commit, branches, Redis slots, who and from where") \
    X(DONE, 3, "xa", "every branch and slot of a decided transaction is settled") \
    X(VERDICT, 4, "xa", "a person's verdict on a branch or transaction in doubt: who, when, why") \
    X(IDENTITY, 5, "xa", "which server stands behind a backend's name") \
    X(CONNECTION, 6, "xa", "a backend connection that may come to hold a prepared branch: id, server start") \
    X(TOUCH, 7, "compensate", "this epoch writes into this slot of this Redis resource") \
    X(HORIZON, 8, "compensate", "decisions of a resource below this epoch and counter are forgotten") \
    X(ACTION, 9, "actions", "an action to be done on commit or rollback, and its state") \
    X(ADOPT, 10, "journal", "another log of this node that a person let us settle") \
    X(ACTION_STATE, 11, "actions", "what an attempt, an outcome or a person made of an action") \
    X(OUTCOME, 12, "actions", "how an owner of actions without a decision ended") \
    X(ACTION_NEXT, 13, "actions", "ids of actions below this were given")

enum wal_type {
#define X(name, number, owner, text) WAL_TYPE_##name = number,
    WAL_TYPES(X)
#undef X
};

#endif
