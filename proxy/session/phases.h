/* What the files of a session offer each other and the folders above, a section a file: phases, and kinds of state. The session
 * itself, its life and its own answers are in session.h. */
#ifndef PROXY_SESSION_PHASES_H
#define PROXY_SESSION_PHASES_H

#include "proxy/session/session.h"

/* --- login.c --- */
void login_begin(struct session *s, bool counted);
void login_on_read(struct session *s);
void login_on_tls(struct session *s);
void login_on_timeout(struct session *s);
void login_free(struct session *s);
/* s->command is COM_CHANGE_USER, nothing of the old user's is left: from here on as a log-in, which ends as one does. */
void login_again(struct session *s);

/* --- guests.c: commands of Redis clients in this session's transaction --- */
bool guests_run(struct session *s);  /* the session rests: the next one, where one's turn has come */
bool guests_wait(const struct session *s);
void guests_knock(struct session *s); /* the client has said something: who waits now comes first */
void guests_gone(struct session *s); /* the session is being closed: all are told */
bool guests_take_error(struct session *s, uint16_t code, const char *text); /* true: it was the guest's */
void guests_tell_ended(struct session_tx *tx); /* those who have joined */
/* A guest's deadlock has rolled back the client's transaction, which has not been told. */
void guests_note_lost(struct session *s);
bool guests_tell_lost(struct session *s); /* true: the statement was answered with that */

/* --- rights.c: what a user may beyond its account on the server --- */
/* From this listener, address, with this certificate. */
bool rights_to_enter(const struct session *s, const struct config_user *u);
bool rights_by_certificate(const struct session *s, const struct config_user *u); /* it needs no password */
bool rights_to_schema(const struct session *s, const struct config_user *u, const char *schema);
/* True: 1044 has been answered. For whatever names schemas, before it is run or prepared. */
bool rights_refuse_schema(struct session *s, const char *schema);
bool rights_refuse_statement(struct session *s, const struct sql_statement *statement);
bool rights_refuse_expression(struct session *s, struct slice expression); /* which a server is asked for by a SELECT */

/* --- command.c --- */
void command_run(struct session *s);
void command_use(struct session *s, struct slice schema); /* USE and COM_INIT_DB */

/* --- statement.c --- */
void statement_begin_text(struct session *s, struct slice text); /* one or more statements */
void statement_next(struct session *s);
void statement_start_refresh(struct session *s); /* COM_REFRESH, a FLUSH that is no text */
/* s->statement was set by prepared.c: runs it with all that precedes a statement. */
void statement_start_prepared(struct session *s);
/* Whether s->statement may run, as the session is now. False: the error was answered. */
bool statement_may_begin(struct session *s);
bool statement_is_system_schema(const char *name);
bool statement_is_call(const struct session *s); /* of a procedure: it answers with any number of results */
/* Where it can be the default schema (the servers' own: on the default server), or -1. */
int statement_backend_of_schema(const struct session *s, const char *name);
int statement_home(const struct session *s); /* the default schema's server, else the default server */
/* Runs s->statement, whose implicit commit has been done where it needed one. */
void statement_run(struct session *s);
void statement_context(struct session *s, struct sql_context *ctx);
/* The first statement of a text; false: there is none, and that is answered. A comment by itself is one, for a server to judge. */
bool statement_to_prepare(struct session *s, struct slice *rest, struct sql_statement *out);
bool statement_is_anywhere(const struct session *s); /* it names nothing that lives on one server */
bool statement_in_tx(struct session *s); /* s->statement runs in a transaction, which it begins where there is none */
bool statement_touches_nothing(struct session *s); /* no table, for certain */
bool statement_begins_nothing(struct session *s); /* where with autocommit off another one would */
int statement_anywhere(const struct session *s);     /* where such a statement runs */
/* Where a statement runs: backend index, or -1 after an error was answered. */
int statement_route(struct session *s);

/* --- probe.c --- */
/* Has a server read s->statement without running it. What it cannot parse is answered; else `then` is called. */
void probe_statement(struct session *s, void (*then)(struct session *s));

/* --- target.c: a server made ready for the next command --- */
/* Gets a connection to `backend`, brings settings and schema there, then calls on_target with s->servers[backend].conn fit to
 * take it. Errors are answered here. In a transaction (in_tx) the branch is begun by target_begin_branch inside on_target. */
void target_prepare(struct session *s, int backend, bool in_tx, void (*on_target)(struct session *s));
/* Queues what must precede the statement in the same write: autocommit, SET TRANSACTION, XA START, savepoints. */
void target_begin(struct session *s);
/* What SET TRANSACTION said there and a statement that failed has left is for no later transaction. */
void target_drop_what_was_said(struct session *s);
/* The same for what is no transaction of its own (SET, the arguments of a CALL): it runs where it happens to be. */
void target_begin_aside(struct session *s);
bool target_is_quiet(struct session *s); /* target_begin sends nothing */
struct backend_conn *target_conn(struct session *s);
void target_go_on(struct session *s); /* what target_prepare waited for is there */
/* What goes out before the statement, in one write with it; a failure is the statement's. */
void target_send_first(struct session *s, const char *text);
void target_send_schema(struct session *s, const char *schema);
void target_idle(struct session *s); /* the statement is over, whatever it waited for */
/* The statement waits for its server no more. False: it did not wait. */
bool target_stop_waiting(struct session *s);

/* --- links.c: the session's connections --- */
/* One from the pool to the target: target_go_on when it is there; errors are answered here. */
void link_acquire(struct session *s);
/* The connection is not the session's any more: what was known of it is forgotten. Returns it. */
struct backend_conn *link_forget(struct session_server *server);
void link_drop(struct session_server *server, const char *why); /* likewise, and it is closed */
void link_release_all(struct session *s);
/* The client is gone: what runs for it on a server is stopped with its connection, or left to its end. */
void link_cancel(struct session *s);
/* What a KILL could not end: its connections are closed, the transaction there is lost. */
void link_give_up(struct session *s, const char *why);
/* For sinks of commands that the statement under way waits for (arg: the session). */
void link_on_lost(void *arg, const char *why);

/* --- setup.c: what must be in force on the target before a statement --- */
/* True where something was sent and must be waited for: target_go_on when it has been answered. */
bool setup_run(struct session *s);
bool setup_mode_fits(const struct session *s, const struct backend_conn *conn); /* it reads statements as the session does */
/* One of the commands counted in setup_pending was answered; before that: by an error that the statement shall get. */
void setup_command_answered(struct session *s);
void setup_command_failed(struct session *s, const struct backend_outcome *outcome);

/* --- abandoned.c: statements that run to their end for nobody --- */
bool abandoned_fits(const struct session *s, const struct session_server *server); /* what runs there may */
void abandoned_take(struct session *s, struct session_server *server, bool shared); /* shared: a reset makes it anybody's */
void abandoned_free_all(struct worker *w);

/* --- sharing.c: connections that may serve other sessions meanwhile --- */
void sharing_park(struct session *s); /* the session rests: what holds nothing may be taken */
void sharing_released(struct session_server *server); /* the last of the commands under way there was answered */
void sharing_take_back(struct session_server *server); /* before its connection is used; no effect when it is not parked */
/* Queues what the new connection must be told for the session; counts in setup_pending through `send`. */
void sharing_replay(struct session *s, struct session_server *server,
                    void (*send)(struct session *s, struct backend_conn *conn, struct buf *text));
bool sharing_waits(const struct session *s); /* for answers of a taken connection: goes on by itself when they are there */
void sharing_answered(struct session *s); /* some of them are there */
/* A frame of an answer to SHOW WARNINGS, as session_memory has them. */
void sharing_keep_warning(struct buf *rows, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len);
/* Its connection is gone: the next statement is told what went with it. True: it has been told now, by an error. */
void sharing_note_lost(struct session_server *server, unsigned holds);
bool sharing_tells_lost(struct session *s);
void sharing_forget(struct session_server *server); /* the session is reset, or ends: what was remembered goes */

/* --- holds.c --- */
/* A statement was answered there: what keeps the connection from now on, or no longer. */
void holds_note(struct session *s, struct session_server *server, const struct backend_outcome *outcome);
/* s->statement itself asks for a routine that is not there, or not so: nothing was run. */
bool holds_found_no_routine(const struct session *s, const struct backend_outcome *outcome);
void holds_forget(struct session_server *server); /* its connection is not the session's any more */

/* --- relay.c --- */
/* Sends one command to the target and passes its answer to the client; then on_done (after the last frame went to the
 * client's buffer), which completes the statement with relay_finish. */
void relay_send(struct session *s, enum wire_response_kind kind, const void *payload, size_t len,
                void (*on_done)(struct session *s, const struct backend_outcome *outcome));
void relay_query(struct session *s, struct slice text, void (*on_done)(struct session *, const struct backend_outcome *));
void relay_sent(struct session *s, bool first);
void relay_on_gone(struct session *s, const char *why); /* the target's connection died */

/* --- columns.c: the EOF between columns and rows --- */
void columns_first_row(struct session *s); /* before its header is written to columns_out */
struct buf *columns_out(struct session *s);
void columns_end(struct session *s, uint16_t status, uint16_t warnings); /* of the result, before its end is written */
void columns_break(struct session *s); /* the same before an error */
void columns_forget(struct session *s);
void columns_on_turn(struct net_deferred *d);

/* --- attributes.c --- */
void attributes_take(struct session *s, struct slice said);

/* --- tracking.c: what OK packets say of the session --- */
bool tracking_is_setting(const char *name); /* one of session_track_* that servers are not sent as it is */
/* False: no value for it. What servers must be set to for it is appended to for_server, without "SET ". */
bool tracking_plan(const struct session *s, const struct sql_set *set, struct buf *for_server);
uint16_t tracking_refusal(const struct session *s, const struct sql_set *set, char *text, size_t size); /* the error's code */
void tracking_adopt(struct session *s, const struct sql_set *set); /* it was planned, and accepted */
void tracking_note(struct session *s, struct slice block); /* what a server says of the client's statement */
/* The same as a sink's frame, for statements whose answer is not passed on. */
void tracking_on_frame(void *arg, enum wire_packet_kind kind, struct slice part, uint32_t offset, uint32_t frame_len);
void tracking_autocommit(struct session *s); /* it was assigned */
void tracking_characteristic(struct session *s, const char *what, const char *value); /* likewise "isolation", "read_only" */
void tracking_tx_ended(struct session *s);
/* For an OK packet to the client, valid until tracking_told, which says that it was written. */
struct slice tracking_block(struct session *s);
void tracking_told(struct session *s);
void tracking_free(struct session *s); /* as at its beginning, too */

/* The value that SHOW VARIABLES tells of one of these settings. False: it is none. */
bool tracking_show(const struct session *s, struct slice name, struct buf *value);

/* --- shown.c --- */
bool (*shown_rows(const struct session *s))(struct session *s, struct slice row); /* for relay.takes_row of s->statement */
/* syntax.c: appends what the error says where it quotes all that follows in the packet, as a server does that has all of it;
 * false: what it says is right, or what is right cannot be told */
bool syntax_quote(struct session *s, const struct wire_err *err, struct buf *out);

/* --- temporary.c --- */
void temporary_note(const struct session *s, struct session_server *server, const struct backend_outcome *outcome);

/* --- user_locks.c --- */
bool (*user_locks_rows(struct session *s))(struct session *s, struct slice row); /* for relay.takes_row of s->statement */
bool user_locks_held(struct session *s, struct session_server *server, bool failed); /* after it: is any? */

/* --- load.c --- */
bool load_allowed(const struct session *s); /* the client offered its files, and its user may */
bool load_expected(const struct session *s); /* and the statement under way asks for one */
void load_begin(struct session *s, struct slice request); /* relay.c: the server asks */
void load_on_read(struct session *s);
void load_on_drained(struct backend_conn *conn);
bool load_server_gone(struct session *s, const char *why); /* true: a file is under way, and it is told behind it */
bool load_is_stuck(struct session *s); /* nothing came since this was asked last, though we read */

/* --- fanout.c --- */
/* One text to every server with an open branch; on_done when all have answered, s->fan tells how. False: there was none. */
bool fan_out(struct session *s, const char *text, void (*on_done)(struct session *s));

/* --- transaction.c --- */
void tx_begin(struct session *s, const struct sql_statement *begin); /* begin may be NULL: implicit, by autocommit=0 */
void tx_savepoint(struct session *s);
void tx_rollback_to(struct session *s);
void tx_release_savepoint(struct session *s);
/* A command finished on the target: what did it do to the branch? `wrote`: it may have written, whatever its tracker says. False:
 * its error (which the client has) ended the transaction; the session goes on by itself when that is done everywhere. */
bool tx_note(struct session *s, const struct backend_outcome *outcome, bool wrote);
/* The same of a question of our own within a statement. False: the error was passed on and ended the statement. */
bool tx_note_question(struct session *s, const struct backend_outcome *outcome);
/* The same of a statement, whose answer is out; completes it. */
void tx_statement_done(struct session *s, const struct backend_outcome *outcome);
/* True where a statement may not run because the transaction has failed; the error has been answered. */
bool tx_refuses(struct session *s);
const char *tx_gtrid(const struct session *s); /* "" without a transaction */

/* --- ending.c --- */
void tx_commit(struct session *s, enum session_after after);
void tx_rollback(struct session *s, enum session_after after);
void tx_client_gone(struct session *s);
void tx_server_gone(struct session *s, struct session_server *server, const char *why);

/* --- client_xa.c --- */
bool client_xa_is_recover(struct session *s); /* s->statement is XA RECOVER */
void client_xa_run(struct session *s); /* runs s->statement, an XA statement */
/* True where s->statement ends or begins a transaction besides the client's own XA one; the error has been answered. */
bool client_xa_refuses(struct session *s);
bool client_xa_elsewhere(struct session *s); /* true: it is on another server than the target; answered */
/* A statement on the target is over: is the XA transaction still there? */
void client_xa_note(struct session *s, const struct backend_outcome *outcome);
void client_xa_server_gone(struct session *s, const struct session_server *server);
void client_xa_forget(struct session *s); /* its connection is about to be closed: the server does what becomes of it */
void client_xa_end_lost(struct session *s); /* closes a session whose XA transaction went with its server */

/* --- prepared.c --- */
void prepared_prepare(struct session *s, struct slice text);
void prepared_execute(struct session *s);
void prepared_long_data(struct session *s);
void prepared_close(struct session *s);
void prepared_reset(struct session *s);
void prepared_fetch(struct session *s);
void prepared_free_all(struct session *s);
void prepared_server_gone(struct session_server *server); /* its connection is not the session's any more */
void prepared_command_over(struct session *s);
/* relay.c: the first packet of an answer to PREPARE; returns the client's id for it. */
uint32_t prepared_answered(struct session *s, const struct wire_prepare_ok *ok);
/* Instead of a text: EXECUTE of s->executing on the target, which is prepared there first where it is not. */
void prepared_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome));
int prepared_backend(const struct session *s);
/* relay.c: the column count of a result. True where it was written in another way, with definitions that the client lacks. */
bool prepared_tells_columns(struct session *s, const struct wire_count *count);

/* --- text_prepared.c --- */
void text_run(struct session *s); /* s->statement is PREPARE, EXECUTE, DEALLOCATE */
int text_backend(struct session *s); /* where s->executing_text runs; -1: the error was answered */
void text_send(struct session *s, void (*on_done)(struct session *s, const struct backend_outcome *outcome));
void text_server_gone(struct session_server *server);
void text_command_over(struct session *s);
void text_free_all(struct session *s);

/* --- characteristics.c --- */
void characteristics_set(struct session *s); /* runs s->statement, a SET TRANSACTION */
bool characteristics_refused(struct session *s); /* 1568: a transaction is under way, as far as a client can see */
void characteristics_take(struct session *s, const struct session_characteristics *c); /* of the next one */
void characteristics_set_access(struct session_characteristics *c, bool read_only);
void characteristics_add(struct session_characteristics *to,
                         const struct session_characteristics *more); /* what `more` says counts */
void characteristics_send(struct session *s, const struct session_characteristics *c); /* ahead of the statement */

/* --- variables.c --- */
void variables_set(struct session *s); /* runs s->statement, a SET */
void variables_reset(struct session *s); /* as a new session has them */

/* --- own_variables.c --- */
bool own_variable_is(const char *name);
bool own_variable_fits(const struct session *s, const struct sql_set *set); /* its value does */
void own_variable_refusal(const struct sql_set *set, char *text, size_t size); /* of one that does not */
void own_variable_adopt(struct session *s, const struct sql_set *set);
bool own_variable_answer(struct session *s); /* false: s->statement does not ask for one of them alone, nor for autocommit */

/* --- locks.c --- */
void locks_lock(struct session *s);   /* runs s->statement, a LOCK TABLES or FLUSH TABLES WITH READ LOCK */
void locks_unlock(struct session *s); /* UNLOCK TABLES */
bool locks_held(const struct session *s, int server); /* tables, by LOCK TABLES; on any server: -1 */
void locks_give_up(struct session *s); /* as BEGIN does and the next LOCK TABLES: but for the lock of FLUSH */

/* --- redis.c --- */
void redis_abandon(struct session *s); /* nobody waits for the CALL any more */
void redis_call_begin(struct session *s, const struct wire_param *params, unsigned n_params);
bool redis_waits_for_lock(const struct session *s); /* or for something to take */
bool redis_waits_for_data(const struct session *s); /* only that */
/* KILL: answers where it waits for a lock. A command under way has its own timeout, behind which it waits no more. */
void redis_stop_waiting(struct session *s);

/* --- xa_call.c --- */
void xa_call_begin(struct session *s); /* runs s->statement, a CALL xa.... */
void xa_call_abandon(struct session *s);

/* --- xa_tables.c --- */
void xa_tables_answer(struct session *s);

/* --- kill.c --- */
void kill_statement(struct session *s); /* runs s->statement, a KILL */
void kill_process(struct session *s, struct slice argument); /* COM_PROCESS_KILL */
bool kill_may(const struct config_user *who, const struct session *whose); /* also: see it */
void kill_command_begins(struct session *s);
void kill_statement_begins(struct session *s); /* each of a multi-statement */
void kill_command_over(struct session *s);
/* True: session_next will be called again when the KILLs that are on their way have been answered. */
bool kill_holds(struct session *s);
void kill_resume(struct session *s); /* a server is gone: perhaps it was all that held the session */
void kill_answered(struct session_server *server);
void kill_answer(struct session *s); /* 1317, as whoever is killed is told */
/* A server's word for a killed statement, where its deadline killed it. */
void kill_translate(const struct session *s, uint16_t *code, const char **sqlstate, const char **text);

/* --- kill_expression.c --- */
/* What s->statement, a KILL, tells of an id; 0 where that is no number. Errors are answered. */
void kill_evaluate(struct session *s, void (*then)(struct session *s, uint64_t id));

/* --- processlist.c --- */
void processlist_show(struct session *s, bool full);
void processlist_state(const struct session *s, char *out, size_t size); /* what it does or waits for; "" = nothing */

#endif
