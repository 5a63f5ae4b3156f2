/* Assumptions that stay compiled in: a crash is a safe place, since recovery is tested daily. Leaves handling of the
 * world's failures (status) and of peers' answers (data) to callers. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* Prints file, line and condition through the log and aborts; `check_context`, where set, adds what the thread was
 * working on (a gtrid, a session id). */
_Noreturn void check_failed(const char *file, int line, const char *cond);
extern _Thread_local const char *check_context;

#define CHECK(cond) ((cond) ? (void)0 : check_failed(__FILE__, __LINE__, #cond))

#endif
