/* The fixture of the programs about redis: a private server, started and stopped through tests/support/servers. */
#include "tests/unit/redis_side.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"

struct config side_config;
struct redis_resources side_resources;

/* Counts how often it ran: a call that is sent twice shows. */
static const char library[] = "#!lua name=sidelib\n"
                              "redis.register_function('side_count', function(keys, args)\n"
                              "  return redis.call('INCR', keys[1])\n"
                              "end)\n";
struct redis_options side_options = {.client_name = "xap-test-1", .library_name = "sidelib", .library_text = library};

static char folder[] = "/tmp/xaproxy-redis-XXXXXX";
static struct config_redis rows[SIDE_RESOURCES];

int side_server(const char *verb)
{
    char command[512];
    snprintf(command, sizeof command, "STATE=%s " SOURCE_DIR "/tests/support/servers %s redis unit >>%s/out 2>&1",
             folder, verb, folder);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static int server_port(void)
{
    char path[128];
    int port = 0;
    snprintf(path, sizeof path, "%s/redis-unit/port", folder);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%d", &port) == 1);
    fclose(f);
    return port;
}

const char *side_cli(const char *command)
{
    static char text[256];
    redisContext *c = redisConnect("127.0.0.1", rows[SIDE_MAIN].port);
    CHECK(c && !c->err);
    redisReply *reply = redisCommand(c, command);
    CHECK(reply);
    if (reply->type == REDIS_REPLY_INTEGER)
        snprintf(text, sizeof text, "%lld", reply->integer);
    else
        snprintf(text, sizeof text, "%s", reply->str ? reply->str : "");
    freeReplyObject(reply);
    redisFree(c);
    return text;
}

static void fill_rows(int port)
{
    static char names[][8] = {"main", "login", "wrong", "narrow", "nowhere", "liar"};
    static char loopback[] = "127.0.0.1", user[] = "app", secret[] = "secret-word", wrong[] = "wrong";
    for (unsigned i = 0; i < SIDE_RESOURCES; i++)
        rows[i] = (struct config_redis){.name = names[i], .address = loopback, .port = port, .timeout_ms = 5000,
                                        .max_connections = 8};
    rows[SIDE_LOGIN].user = user;
    rows[SIDE_LOGIN].password = secret;
    rows[SIDE_LOGIN].db = 3;
    rows[SIDE_WRONG].user = user;
    rows[SIDE_WRONG].password = wrong;
    rows[SIDE_NARROW].max_connections = 1;
    rows[SIDE_NOWHERE].port = 1;
}

int side_start(void)
{
    CHECK(mkdtemp(folder));
    log_set_level(LOG_LEVEL_ERROR);
    int status = side_server("start");
    if (status) {
        side_stop();
        return status;
    }
    fill_rows(server_port());
    side_cli("ACL SETUSER app on >secret-word ~* +@all");
    side_config = (struct config){.redis = rows, .n_redis = SIDE_RESOURCES};
    redis_resources_init(&side_resources, &side_config);
    return 0;
}

void side_stop(void)
{
    char command[128];
    side_server("wipe");
    redis_resources_fini(&side_resources);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
}

const struct comp_argv *side_words(const char *first, ...)
{
    static struct comp_argv argv;
    va_list args;
    comp_argv_clear(&argv);
    va_start(args, first);
    for (const char *word = first; word; word = va_arg(args, const char *))
        comp_argv_text(&argv, word);
    va_end(args);
    return &argv;
}
