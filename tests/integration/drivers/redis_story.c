/* The story of the Redis port with hiredis: redis_story PREFIX TOKEN. Debian's hiredis has no TLS, so it comes in at a
 * plain port. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

static redisContext *client;

static redisReply *checked(redisReply *reply)
{
    if (!reply || reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "%s\n", reply ? reply->str : client->errstr);
        exit(1);
    }
    return reply;
}
#define SAY(...) checked(redisCommand(client, __VA_ARGS__))

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const char *prefix = argv[1], *token = argv[2];
    client = redisConnect(getenv("REDIS_HOST"), atoi(getenv("REDIS_PORT")));
    if (!client || client->err)
        return 1;
    SAY("AUTH %s %s", getenv("REDIS_USER"), getenv("REDIS_PASSWORD"));
    redisAppendCommand(client, "SET %s:a 1", prefix);
    redisAppendCommand(client, "INCR %s:a", prefix);
    redisReply *reply;
    for (int i = 0; i < 2; i++) {
        redisGetReply(client, (void **)&reply);
        checked(reply);
    }
    SAY("MULTI");
    SAY("INCR %s:a", prefix);
    SAY("HSET %s:h f v", prefix);
    reply = SAY("EXEC");
    printf("%lld %s\n", reply->element[0]->integer, SAY("HGETALL %s:h", prefix)->element[1]->str);
    const char *done = SAY("XA.DO %s SET %s:done yes", token, prefix)->str;
    SAY("XA.JOIN %s", token);
    long long pieces = SAY("HINCRBY %s:stock pieces -1", prefix)->integer;
    const char *seen = SAY("GET %s:done", prefix)->str;
    SAY("XA.LEAVE");
    printf("%s %lld %s\n", done, pieces, seen);
    return 0;
}
