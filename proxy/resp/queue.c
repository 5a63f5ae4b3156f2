/* Commands sent ahead, and their answers in order. */
#include "proxy/resp/queue.h"

#include <stdlib.h>
#include <string.h>

static void forget(struct resp_queue *q, struct resp_queued *one)
{
    q->bytes -= buf_len(&one->command.bytes);
    comp_argv_fini(&one->command);
    buf_fini(&one->answer);
}

void resp_queue_fini(struct resp_queue *q)
{
    for (size_t i = q->first; i < q->end; i++)
        forget(q, &q->at[i]);
    free(q->at);
    *q = (struct resp_queue){.most = q->most};
}

bool resp_queue_has_room(const struct resp_queue *q)
{
    return resp_queue_n(q) < RESP_QUEUE_COMMANDS && q->bytes < RESP_QUEUE_BYTES;
}

static void make_place(struct resp_queue *q)
{
    if (!q->at)
        q->at = calloc(RESP_QUEUE_COMMANDS, sizeof *q->at);
    CHECK(q->at);
    if (q->end < RESP_QUEUE_COMMANDS)
        return;
    memmove(q->at, q->at + q->first, resp_queue_n(q) * sizeof *q->at);
    q->end -= q->first;
    q->first = 0;
}

void resp_queue_push(struct resp_queue *q, struct comp_argv *command)
{
    CHECK(resp_queue_has_room(q));
    make_place(q);
    q->at[q->end++] = (struct resp_queued){.command = *command};
    q->bytes += buf_len(&command->bytes);
    *command = (struct comp_argv){0};
}

void resp_queue_pop(struct resp_queue *q, struct comp_argv *command)
{
    CHECK(resp_queue_n(q) > 0 && !q->at[q->first].done);
    struct resp_queued *one = &q->at[q->first++];
    q->bytes -= buf_len(&one->command.bytes);
    comp_argv_fini(command);
    *command = one->command;
}

struct buf *resp_queue_answer(struct resp_queue *q, size_t i, struct buf *out)
{
    CHECK(i >= q->first && i < q->end && !q->at[i].done);
    return i == q->first ? out : &q->at[i].answer;
}

void resp_queue_drain(struct resp_queue *q, struct buf *out)
{
    while (resp_queue_n(q) && q->at[q->first].done) {
        struct resp_queued *one = &q->at[q->first++];
        buf_append(out, buf_at(&one->answer), buf_len(&one->answer));
        q->held -= buf_len(&one->answer);
        forget(q, one);
    }
}

void resp_queue_done(struct resp_queue *q, size_t i, struct buf *out)
{
    CHECK(i >= q->first && i < q->end && !q->at[i].done);
    q->at[i].done = true;
    q->held += buf_len(&q->at[i].answer);
    resp_queue_drain(q, out);
}

size_t resp_queue_most(const struct resp_queue *q)
{
    return q->most ? q->most : RESP_QUEUE_FIRST;
}

void resp_queue_learn(struct resp_queue *q, size_t n, size_t done)
{
    size_t grown = 2 * resp_queue_most(q);
    CHECK(done <= n && n > 0);
    if (done < n)
        q->most = done ? done : 1;
    else
        q->most = grown < RESP_QUEUE_COMMANDS ? grown : RESP_QUEUE_COMMANDS;
}
