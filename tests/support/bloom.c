/* A module for Redis: Bloom filters as a type of its own, saved and loaded with the data, but without a callback for COPY, as
 * many modules' types are. BF.* by the names that the command table knows, M.ADD by one that it does not. The few functions of
 * the server that it uses are asked for by name, so that no header of a server is needed. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define OK 0
#define ERR 1
#define READ 1
#define WRITE 2
#define EMPTY 0 /* of KeyType */
#define BYTES 512

struct ctx; /* the server's; they are never looked into */
struct key;
struct string;
struct type;
struct io;

static int (*get_api)(const char *name, void *function);
static void (*attributes)(struct ctx *ctx, const char *name, int version, int api);
static int (*create_command)(struct ctx *ctx, const char *name, int (*run)(struct ctx *, struct string **, int), const char *flags,
                             int first_key, int last_key, int step);
static struct type *(*create_type)(struct ctx *ctx, const char *name, int encoding, void *methods);
static struct key *(*open_key)(struct ctx *ctx, struct string *name, int mode);
static void (*close_key)(struct key *key);
static int (*kind_of)(struct key *key);
static struct type *(*type_of)(struct key *key);
static void *(*value_of)(struct key *key);
static int (*set_value)(struct key *key, struct type *type, void *value);
static int (*reply_integer)(struct ctx *ctx, long long n);
static int (*reply_error)(struct ctx *ctx, const char *text);
static int (*wrong_count)(struct ctx *ctx);
static int (*replicate)(struct ctx *ctx);
static const char *(*bytes_of)(struct string *s, size_t *n);
static void (*save_bytes)(struct io *io, const char *bytes, size_t n);
static char *(*load_bytes)(struct io *io, size_t *n);
static void (*emit)(struct io *io, const char *command, const char *format, ...);
static void *(*allocate)(size_t n);
static void (*release)(void *bytes);

static struct type *bloom;

/* --- the type --- */

static void *load(struct io *io, int encoding)
{
    size_t n = 0;
    (void)encoding;
    char *bytes = load_bytes(io, &n);
    if (bytes && n == BYTES)
        return bytes;
    release(bytes);
    return NULL;
}

static void save(struct io *io, void *value)
{
    save_bytes(io, value, BYTES);
}

static void rewrite(struct io *io, struct string *key, void *value)
{
    emit(io, "BF.LOADCHUNK", "slb", key, 1LL, value, (size_t)BYTES);
}

/* --- commands --- */

/* The filter of a key; made where there is none and `mode` writes. An error was replied where *refused is set. */
static uint8_t *filter(struct ctx *ctx, struct key *key, int mode, int *refused)
{
    uint8_t *bits = NULL;
    *refused = kind_of(key) != EMPTY && type_of(key) != bloom;
    if (*refused)
        reply_error(ctx, "WRONGTYPE Operation against a key holding the wrong kind of value");
    else if (kind_of(key) != EMPTY)
        bits = value_of(key);
    else if (mode & WRITE) {
        bits = memset(allocate(BYTES), 0, BYTES);
        set_value(key, bloom, bits);
    }
    return bits;
}

/* Looks at an item's three bits, and sets them where `set`; returns how many were set before. */
static int bits_of(uint8_t *filter, struct string *item, int set)
{
    size_t n;
    const char *text = bytes_of(item, &n);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    int were = 0;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
    for (int i = 0; i < 3; i++, hash >>= 12) {
        unsigned bit = hash % (BYTES * 8);
        were += filter[bit / 8] >> bit % 8 & 1;
        filter[bit / 8] |= (uint8_t)(set << bit % 8);
    }
    return were;
}

static int with_item(struct ctx *ctx, struct string **argv, int argc, int mode)
{
    if (argc != 3)
        return wrong_count(ctx);
    int refused;
    struct key *key = open_key(ctx, argv[1], mode);
    uint8_t *bits = key ? filter(ctx, key, mode, &refused) : NULL;
    if (!key || !refused) {
        int were = bits ? bits_of(bits, argv[2], mode & WRITE ? 1 : 0) : 0;
        reply_integer(ctx, mode & WRITE ? were < 3 : were == 3);
    }
    if (key)
        close_key(key);
    return mode & WRITE ? replicate(ctx) : OK;
}

static int add(struct ctx *ctx, struct string **argv, int argc)
{
    return with_item(ctx, argv, argc, READ | WRITE);
}

static int exists(struct ctx *ctx, struct string **argv, int argc)
{
    return with_item(ctx, argv, argc, READ);
}

/* BF.LOADCHUNK key 1 bytes: for the append-only file, once it is rewritten. */
static int load_chunk(struct ctx *ctx, struct string **argv, int argc)
{
    size_t n = 0;
    int refused;
    const char *bytes = argc == 4 ? bytes_of(argv[3], &n) : NULL;
    if (n != BYTES)
        return reply_error(ctx, "ERR this is no filter");
    struct key *key = open_key(ctx, argv[1], READ | WRITE);
    uint8_t *bits = filter(ctx, key, WRITE, &refused);
    if (!refused) {
        memcpy(bits, bytes, BYTES);
        reply_integer(ctx, 1);
    }
    close_key(key);
    return replicate(ctx);
}

/* --- life --- */

static int ask_for_functions(void)
{
    const struct {
        const char *name;
        void *function;
    } wanted[] = {
        {"SetModuleAttribs", &attributes},    {"CreateCommand", &create_command},
        {"CreateDataType", &create_type},     {"OpenKey", &open_key},
        {"CloseKey", &close_key},             {"KeyType", &kind_of},
        {"ModuleTypeGetType", &type_of},      {"ModuleTypeGetValue", &value_of},
        {"ModuleTypeSetValue", &set_value},   {"ReplyWithLongLong", &reply_integer},
        {"ReplyWithError", &reply_error},     {"WrongArity", &wrong_count},
        {"ReplicateVerbatim", &replicate},    {"StringPtrLen", &bytes_of},
        {"SaveStringBuffer", &save_bytes},    {"LoadStringBuffer", &load_bytes},
        {"EmitAOF", &emit},                   {"Alloc", &allocate},
        {"Free", &release},
    };
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char name[64] = "RedisModule_";
        strcat(name, wanted[i].name);
        if (get_api(name, wanted[i].function) != OK)
            return ERR;
    }
    return OK;
}

static int add_commands(struct ctx *ctx)
{
    static const struct {
        const char *name, *flags;
        int (*run)(struct ctx *, struct string **, int);
    } commands[] = {
        {"BF.ADD", "write deny-oom", add},
        {"BF.EXISTS", "readonly", exists},
        {"BF.LOADCHUNK", "write deny-oom", load_chunk},
        {"M.ADD", "write deny-oom", add},
        {"M.HAS", "readonly", exists},
    };
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (create_command(ctx, commands[i].name, commands[i].run, commands[i].flags, 1, 1, 1) != OK)
            return ERR;
    return OK;
}

/* The server calls it; a pointer to the function that knows all others is the first thing in its context. */
int RedisModule_OnLoad(struct ctx *ctx, struct string **argv, int argc);
int RedisModule_OnLoad(struct ctx *ctx, struct string **argv, int argc)
{
    static struct {
        uint64_t version;
        void *(*load)(struct io *, int);
        void (*save)(struct io *, void *);
        void (*rewrite)(struct io *, struct string *, void *);
        size_t (*size)(const void *);
        void (*digest)(void *, void *);
        void (*release)(void *);
    } methods = {.version = 1, .load = load, .save = save, .rewrite = rewrite};
    (void)argv;
    (void)argc;
    memcpy(&get_api, ctx, sizeof get_api);
    if (ask_for_functions() != OK)
        return ERR;
    attributes(ctx, "bloom", 1, 1);
    methods.release = release;
    bloom = create_type(ctx, "bloom-xap", 0, &methods);
    return bloom ? add_commands(ctx) : ERR;
}
