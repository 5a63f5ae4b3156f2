/* One command of the client: what it is, and who does it. Leaves statements to statement.c. */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "proxy/session/diagnostics.h"
#include "proxy/session/phases.h"
#include "proxy/session/settings.h"
#include "proxy/session/tx.h"
#include "proxy/sql/quote.h"

static struct slice argument(struct session *s)
{
    return (struct slice){buf_at(&s->command) + 1, buf_len(&s->command) - 1};
}

/* --- schema ----------------------------------------------------------------------------------------------------- */

static void on_schema_set(struct session *s, const struct backend_outcome *outcome)
{
    if (!outcome->error && target_conn(s)) {
        snprintf(s->schema, sizeof s->schema, "%s", s->statement->name);
        snprintf(target_conn(s)->schema, sizeof target_conn(s)->schema, "%s", s->schema);
    }
    session_next(s);
}

/* Of MySQL's warnings the command leaves those of the statement before, the text does not; MariaDB's stay with both. */
static void send_use(struct session *s)
{
    struct buf payload = {0};
    if (*buf_at(&s->command) == WIRE_COM_INIT_DB || target_conn(s)->mariadb) {
        buf_u8(&payload, WIRE_COM_INIT_DB);
        buf_text(&payload, s->statement->name);
        relay_send(s, WIRE_RESPONSE_SIMPLE, buf_at(&payload), buf_len(&payload), on_schema_set);
    } else {
        buf_u8(&payload, WIRE_COM_QUERY);
        buf_text(&payload, "USE ");
        sql_quote_name(&payload, s->statement->name, &s->dialect);
        relay_send(s, WIRE_RESPONSE_QUERY, buf_at(&payload), buf_len(&payload), on_schema_set);
    }
    buf_fini(&payload);
}

/* The server that has the schema is asked, so that rights and existence are judged where they are known. */
void command_use(struct session *s, struct slice name)
{
    int backend = -1;
    if (name.len < sizeof s->statement->name && name.len < sizeof s->schema) {
        memcpy(s->statement->name, name.at, name.len);
        s->statement->name[name.len] = '\0';
        backend = statement_backend_of_schema(s, s->statement->name);
    }
    if (backend < 0) {
        session_answer_error(s, 1049, "42000", "Unknown database '%.*s': no backend in the configuration has this schema",
                             (int)(name.len < 64 ? name.len : 64), (const char *)name.at);
        return;
    }
    if (!rights_refuse_schema(s, s->statement->name))
        target_prepare(s, backend, false, send_use);
}

/* --- columns of a table ------------------------------------------------------------------------------------------- */

static void on_fields(struct session *s, const struct backend_outcome *outcome)
{
    if (tx_note(s, outcome, false))
        session_next(s);
}

static void send_field_list(struct session *s)
{
    target_begin_aside(s);
    relay_send(s, WIRE_RESPONSE_FIELDS, buf_at(&s->command), buf_len(&s->command), on_fields);
}

static void field_list(struct session *s)
{
    if (*s->schema)
        target_prepare(s, statement_home(s), false, send_field_list);
    else
        session_answer_error(s, 1046, "3D000", "No database selected");
}

/* --- reset, another user --------------------------------------------------------------------------------------------- */

static void forget_everything(struct session *s)
{
    link_release_all(s);
    for (size_t i = 0; i < s->world->backends.n; i++)
        sharing_forget(&s->servers[i]);
    diagnostics_reset(s);
    s->lost_holds = 0;
    s->lost_to_guest = false;
    prepared_free_all(s);
    variables_reset(s);
}

static void on_user_rolled_back(struct session *s)
{
    forget_everything(s);
    login_again(s);
}

/* As servers do: the old session ends before the new user is asked for a proof. */
static void change_user(struct session *s)
{
    readback_free(s);
    s->after_rollback = on_user_rolled_back;
    tx_rollback(s, SESSION_AFTER_CALL);
}

/* A reset leaves the role as it is. */
static void forget_all_but_role(struct session *s)
{
    struct slice role = settings_text(s, "role");
    struct buf kept = {0};
    buf_append(&kept, role.at, role.len);
    forget_everything(s);
    if (role.len)
        settings_remember(s, "role", (struct slice){buf_at(&kept), buf_len(&kept)}, buf_len(&kept));
    buf_fini(&kept);
}

/* MySQL forgets what the log-in said of character sets, MariaDB does not. */
static void on_reset_rolled_back(struct session *s)
{
    if (!s->world->backends.at[statement_home(s)].mariadb) {
        s->charset = WIRE_CHARSET_UTF8MB4;
        s->charset_of_server = true;
    }
    forget_all_but_role(s);
    session_answer_ok(s);
}

static void reset_connection(struct session *s)
{
    readback_free(s); /* nobody wants to know any more: no reading may begin while the transaction is rolled back */
    s->after_rollback = on_reset_rolled_back;
    tx_rollback(s, SESSION_AFTER_CALL);
}

/* --- small commands --------------------------------------------------------------------------------------------- */

static void statistics(struct session *s)
{
    struct buf text = {0};
    struct world *w = s->world;
    uint64_t up_s = (uint64_t)(net_loop_now_ms(s->worker->loop) - w->started_ms) / 1000, statements = w->count.statements;
    /* the line that servers send and monitors take apart */
    buf_printf(&text,
               "Uptime: %llu  Threads: %u  Questions: %llu  Slow queries: %llu  Opens: 0  Open tables: 0  "
               "Queries per second avg: %.3f",
               (unsigned long long)up_s, (unsigned)w->clients, (unsigned long long)statements,
               (unsigned long long)w->count.statements_timed_out, (double)statements / (double)(up_s ? up_s : 1));
    wire_packet_write(&s->net->out, &s->seq, buf_at(&text), buf_len(&text));
    buf_fini(&text);
    session_next(s);
}

static void set_option(struct session *s)
{
    struct cursor c = cursor_make(argument(s).at, argument(s).len);
    uint16_t option = cursor_u16le(&c);
    if (c.bad || option > 1) {
        session_answer_error(s, 1047, "08S01", "Unknown command");
        return;
    }
    if (option == 0)
        s->caps |= WIRE_CAP_MULTI_STATEMENTS;
    else
        s->caps &= ~(uint64_t)WIRE_CAP_MULTI_STATEMENTS;
    struct wire_ok ok = {.status = session_status(s)};
    size_t at = wire_packet_begin(&s->net->out);
    wire_end_write(&s->net->out, s->caps, &ok);
    wire_packet_end(&s->net->out, at, &s->seq);
    session_next(s);
}

static void on_debugged(struct session *s, const struct backend_outcome *outcome)
{
    (void)outcome;
    session_next(s);
}

static void send_debug(struct session *s)
{
    relay_send(s, WIRE_RESPONSE_SIMPLE, buf_at(&s->command), buf_len(&s->command), on_debugged);
}

/* What needs a right that nobody has on a proxy is denied as on a server; the rest servers do not know either. */
static void refuse_command(struct session *s, uint8_t command)
{
    static const char *const rights[] = {
        [WIRE_COM_SHUTDOWN] = "SHUTDOWN",
        [WIRE_COM_BINLOG_DUMP] = "REPLICATION SLAVE",
        [WIRE_COM_TABLE_DUMP] = "REPLICATION SLAVE",
        [WIRE_COM_REGISTER_SLAVE] = "REPLICATION SLAVE",
        [WIRE_COM_BINLOG_DUMP_GTID] = "REPLICATION SLAVE",
    };
    const char *right = command < sizeof rights / sizeof *rights ? rights[command] : NULL;
    if (right)
        session_answer_error(s, 1227, "42000", "Access denied; you need (at least one of) the %s privilege(s) for this operation",
                             right);
    else
        session_answer_error(s, 1047, "08S01", "Unknown command");
}

static void run_admin(struct session *s, uint8_t command)
{
    switch (command) {
    case WIRE_COM_QUERY:
        s->world->admin_query(s, argument(s));
        break;
    case WIRE_COM_PING:
    case WIRE_COM_INIT_DB:
    case WIRE_COM_RESET_CONNECTION:
        session_answer_ok(s);
        break;
    case WIRE_COM_STATISTICS:
        statistics(s);
        break;
    case WIRE_COM_PROCESS_INFO:
        processlist_show(s, false);
        break;
    case WIRE_COM_PROCESS_KILL:
        kill_process(s, argument(s));
        break;
    default:
        session_answer_error(s, 1047, "08S01", "The admin listener takes text statements only; see xactl --help");
    }
}

static void bulk_execute(struct session *s)
{
    if (s->caps & WIRE_CAP_BULK)
        prepared_execute(s);
    else
        refuse_command(s, WIRE_COM_STMT_BULK_EXECUTE);
}

static void run_client(struct session *s, uint8_t command)
{
    switch (command) {
    case WIRE_COM_QUERY:
        statement_begin_text(s, argument(s));
        break;
    case WIRE_COM_INIT_DB:
        command_use(s, argument(s));
        break;
    case WIRE_COM_FIELD_LIST:
        field_list(s);
        break;
    case WIRE_COM_CHANGE_USER:
        change_user(s);
        break;
    case WIRE_COM_PING:
        session_answer_ok(s);
        break;
    case WIRE_COM_STMT_PREPARE:
        prepared_prepare(s, argument(s));
        break;
    case WIRE_COM_STMT_EXECUTE:
        prepared_execute(s);
        break;
    case WIRE_COM_STMT_BULK_EXECUTE:
        bulk_execute(s);
        break;
    case WIRE_COM_STMT_SEND_LONG_DATA:
        prepared_long_data(s);
        break;
    case WIRE_COM_STMT_CLOSE:
        prepared_close(s);
        break;
    case WIRE_COM_STMT_RESET:
        prepared_reset(s);
        break;
    case WIRE_COM_STMT_FETCH:
        prepared_fetch(s);
        break;
    case WIRE_COM_STATISTICS:
        statistics(s);
        break;
    case WIRE_COM_PROCESS_INFO:
        processlist_show(s, false);
        break;
    case WIRE_COM_PROCESS_KILL:
        kill_process(s, argument(s));
        break;
    case WIRE_COM_SET_OPTION:
        set_option(s);
        break;
    case WIRE_COM_RESET_CONNECTION:
        reset_connection(s);
        break;
    case WIRE_COM_REFRESH:
        statement_start_refresh(s);
        break;
    case WIRE_COM_DEBUG: /* the server writes to its own log, where it may */
        target_prepare(s, statement_home(s), false, send_debug);
        break;
    default:
        refuse_command(s, command);
    }
}

void command_run(struct session *s)
{
    if (!buf_len(&s->command)) {
        session_answer_error(s, 1047, "08S01", "Empty command");
        return;
    }
    uint8_t command = *buf_at(&s->command);
    if (command == WIRE_COM_QUIT) {
        session_close(s, "client quit");
        return;
    }
    session_enter(s, SESSION_RUNNING, "command");
    kill_command_begins(s);
    s->world->count.statements++;
    if (s->user->admin)
        run_admin(s, command);
    else
        run_client(s, command);
}
