/* What the last statement left to be asked for: rows changed, errors and warnings, ids given; whoever answered it and wherever
 * its connection is now. */
#ifndef PROXY_SESSION_DIAGNOSTICS_H
#define PROXY_SESSION_DIAGNOSTICS_H

#include "proxy/session/session.h"

void diagnostics_reset(struct session *s); /* of a new session, and after a reset */
/* A statement was answered here. code 0: neither error nor warning; sqlstate "": a warning. */
void diagnostics_own(struct session *s, uint16_t code, const char *sqlstate, const char *text, int64_t row_count);
/* The target has answered one. */
void diagnostics_server(struct session *s, const struct backend_outcome *outcome);
void diagnostics_prepared(struct session *s); /* a statement was, here */
bool diagnostics_like_mariadb(const struct session *s); /* the family of the server that its default schema is on */
void diagnostics_server_forgotten(struct session *s, int server); /* its connection is another's now */

/* One of what SHOW WARNINGS tells, from 1 on; of those that no server has any more. */
struct diagnostics_condition {
    struct slice level, code, text;
    const char *sqlstate; /* NULL: not known */
    char own_code[8];
};
bool diagnostics_condition(struct session *s, unsigned number, struct diagnostics_condition *out); /* false: there is none */
unsigned diagnostics_counted(struct session *s, bool errors); /* what @@error_count tells, or @@warning_count */
uint16_t diagnostics_repeated(struct session *s); /* warnings that the OK of a command like COM_PING tells again */
bool diagnostics_is_here(const struct session *s); /* no server has them */
bool diagnostics_knows_counts(struct session *s);     /* the target does: ROW_COUNT() */
bool diagnostics_is_all_there(struct session *s);  /* the target has them, and the counts of rows */
void diagnostics_disturbed(struct session *s, int server); /* a question of our own has been asked there */

/* One in a row of SHOW WARNINGS; false: it is none. */
bool diagnostics_read_condition(struct slice row, struct diagnostics_condition *out);
void diagnostics_set_counts(struct session *s, unsigned warnings, unsigned errors); /* the target has them, so many */
/* Behind SHOW: whether MariaDB reads tables of information_schema for it, or opens the one that it names. */
bool diagnostics_shows_tables(struct sql_tokens *in);
/* DESCRIBE of a table, SHOW COLUMNS, SHOW INDEX: MariaDB has their rows from a table of its own. */
bool diagnostics_describes_table(const struct session *s);

/* --- found_rows.c --- */
void found_rows_note(struct session *s, bool had_rows); /* the target has answered, without an error */
bool found_rows_lie_at(const struct session *s, int server); /* only that server knows FOUND_ROWS() */
void found_rows_are(struct session *s, uint64_t rows);
void found_rows_save(struct session *s, int server); /* before anything else is asked there: it overwrites them */
/* The statement asks for those of another server than the target: fetched first, then target_go_on. */
bool found_rows_due(const struct session *s);
void found_rows_fetch(struct session *s);

/* --- show_warnings.c --- */
/* Is the statement SHOW WARNINGS or its like, or GET DIAGNOSTICS? */
bool show_warnings_asked(const struct session *s);
/* SHOW WARNINGS, SHOW ERRORS, SHOW COUNT(*) ... where no server has the answer any more; false: ask where the session
 * was last. */
bool show_warnings_answer(struct session *s);

/* --- information.c --- */
/* The text of a statement with the session's own answers in it; false: it stays as it is. */
bool information_put(struct session *s, const struct sql_statement *statement, struct slice text, struct buf *out);
/* One that is prepared: its answers are put in anew, and it is prepared again, when an EXECUTE finds that they have changed. */
struct information_text {
    const struct sql_statement *statement;
    struct slice text;
    const char *prepared_in; /* the default schema of its PREPARE */
};
/* again: on the way to an EXECUTE. */
bool information_put_prepared(struct session *s, const struct information_text *t, bool again, struct buf *out);
void information_answers(struct session *s, const struct information_text *t, bool again, struct buf *answers); /* as put in */
bool information_is_as_prepared(struct session *s, const struct information_text *t, const struct buf *answers);

bool information_asks_insert_id(const struct session *s); /* s->statement does */
bool information_asks_counts(const struct session *s);    /* @@warning_count or @@error_count, likewise */
bool information_asks_found_rows(const struct session *s);

/* --- conditions.c --- */
bool conditions_of_routine(const struct session *s); /* s->statement is a CALL or a block */
/* Behind a routine there may be some of long before, where the statement before it ran elsewhere and left none. */
bool conditions_are_old(struct session *s, const struct backend_outcome *outcome);
void conditions_bring(struct session *s); /* before a statement is sent to the target */
/* Behind it: true: the server is asked, and s->relay.on_done called then. */
bool conditions_ask(struct session *s, const struct backend_outcome *outcome);
void conditions_forget(struct session *s); /* what it kept meanwhile */

/* --- get_diagnostics.c --- */
bool diagnostics_is_get(const struct session *s); /* s->statement is GET DIAGNOSTICS */
bool diagnostics_put_get(struct session *s, struct buf *out); /* instead of its text; false: it stays as it is */

/* --- insert_id.c --- */
void insert_id_reset(struct session *s);
/* The target has run a statement, and told this in its OK. */
void insert_id_note(struct session *s, uint64_t told, bool had_rows);
void insert_id_failed(struct session *s); /* it has answered with an error */
/* Before a text is sent to the target: other servers may have to be asked first. insert_id_fetch calls `then`. */
bool insert_id_due(const struct session *s);
void insert_id_fetch(struct session *s, void (*then)(struct session *s));
void insert_id_assigned(struct session *s); /* by a SET on the target */
bool insert_id_comes_first(const struct session *s); /* insert_id_bring is about to set it */
void insert_id_bring(struct session *s); /* to the target, where it is needed there: for routines, texts that lie there */
bool insert_id_of_another(const struct session *s, uint64_t *id); /* false: the target knows it itself */

#endif
