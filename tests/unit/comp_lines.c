/* The sample lines, and what their placeholders stand for. */
#include "tests/unit/comp_lines.h"

#include <stdio.h>
#include <string.h>

/* $s string  $h hash  $e set  $z sorted set  $l list  $x stream  $g geo  $p HyperLogLog  $k any key   (keys, some missing)
 * $v value  $f field or member  $i small integer  $n count  $c score  $t seconds from now  $T ms to come  $w LEFT or RIGHT */
const char *const comp_lines[] = {
    "APPEND $s $v", "APPEND $k abc", "BITFIELD $s SET u8 $n 77 INCRBY i5 $n 1", "BITFIELD $s GET u8 0", "BITOP AND $s s1 s4",
    "BITOP NOT $k s0", "COPY $k $k", "COPY $k $k REPLACE", "DECR $s", "DECRBY $s $i", "DEL $k", "DEL $k $k $k",
    "DELIFEQ $s hello",
    "EXPIRE $k $t", "EXPIRE $k -1", "EXPIRE $k 100000 GT", "EXPIRE $k 6000", "EXPIREAT $k 34000000000", "EXPIREAT $k 1",
    "GEOADD $g 1$n.5 2.25 $f", "GEOADD $g NX CH 1.5 2.5 m0 3 4 $f", "GEORADIUS g0 15 37 200 km STORE $k",
    "GEORADIUSBYMEMBER g0 m0 200 km STOREDIST $z", "GEOSEARCHSTORE $z g0 FROMMEMBER m0 BYRADIUS 200 km", "GETDEL $s",
    "GETEX $s EX $t", "GETEX $s PERSIST", "GETEX $s", "GETSET $s $v", "HDEL $h $f", "HDEL $h f0 f1 f2 f3",
    "HEXPIRE $h 1000 FIELDS 1 $f",
    "HEXPIREAT $h 34000000000 FIELDS 1 f1", "HGETDEL $h FIELDS 1 $f", "HGETEX $h EX 900 FIELDS 2 f0 f1", "HINCRBY $h $f $i",
    "HINCRBYFLOAT $h $f 1.25", "HMSET $h $f $v $f $v", "HPERSIST $h FIELDS 1 $f", "HPERSIST h0 FIELDS 1 f3",
    "HPEXPIRE $h 1000000 FIELDS 1 $f",
    "HPEXPIREAT $h $T FIELDS 1 $f", "HSET $h $f $v", "HSET $h $f $v $f $v $f $v", "HSETEX $h EX 700 FIELDS 1 $f $v",
    "HSETNX $h $f $v",
    "INCR $s", "INCRBY $s $i", "INCRBYFLOAT $s 0.1", "LINSERT $l BEFORE $f new", "LINSERT $l AFTER a new", "LMOVE $l $l $w $w",
    "LMPOP 2 $l $l $w", "LMPOP 1 $l $w COUNT $n", "LPOP $l", "LPOP $l $n", "LPUSH $l $v", "LPUSH $l 1 2 3", "LPUSHX $l $v x",
    "LREM $l $i a", "LREM $l 0 $f", "LREM $l -1 b", "LSET $l $i $v", "LTRIM $l $i $i", "LTRIM $l 1 -2", "LTRIM $l 5 1",
    "MSET $s $v $k $v $s $v", "MSET s9 1 s9 2", "MSETEX 2 $s $v $s $v EX $t", "MSETNX $s $v s8 $v", "MSETNX n1 1 n2 2",
    "PERSIST $k",
    "PEXPIRE $k 90000000", "PEXPIRE $k 5000000", "PEXPIREAT $k $T", "PFADD $p $f", "PFADD $s $f", "PFMERGE $p p0 p1",
    "PSETEX $s 9000000 $v",
    "RENAME $k $k", "RENAMENX $k $k", "RENAMENX $k fresh", "RESTORE $k 0 bad", "RPOP $l", "RPOP $l 2", "RPOPLPUSH $l $l",
    "RPUSH $l $v $v",
    "RPUSHX $l $v", "SADD $e $f", "SADD $e $f $f n1", "SDIFFSTORE $e $e $e", "SET $s $v", "SET $k $v", "SET $s $v KEEPTTL",
    "SET $s $v EX $t", "SET $s $v NX GET", "SET $s $v XX PXAT $T", "SET $s $v PXAT 1", "SETBIT $s $n 1", "SETBIT $s 9$n 1",
    "SETEX $s $t $v", "SETNX $s $v", "SETRANGE $s $n $v", "SETRANGE $s 40 tail", "SINTERSTORE $e e0 e1", "SINTERSTORE $k e0 e1",
    "SMOVE $e $e $f", "SMOVE e0 $e m0", "SORT l0 ALPHA STORE $k", "SORT $l DESC ALPHA STORE $l", "SPOP $e", "SPOP $e 2",
    "SREM $e $f", "SREM $e m0 m1 m2 m3",
    "SUNIONSTORE $e e0 e1 e2", "UNLINK $k $k", "VADD $k VALUES 2 1 0.5 m0", "VADD v0 VALUES 2 1 0.5 $f", "VREM v0 m0",
    "VSETATTR v0 m0 {}", "XACK $x gr 1-1",
    "XADD $x * f $v", "XADD $x NOMKSTREAM * f $v", "XADD $x MAXLEN 1 * f $v", "XAUTOCLAIM x0 gr c1 0 0", "XCLAIM x0 gr c1 0 1-1",
    "XDEL $x 1-1 2-1", "XGROUP CREATE $x g2 $", "XGROUP CREATE $k g3 0 MKSTREAM", "XGROUP CREATECONSUMER $x gr c9",
    "XGROUP DELCONSUMER $x gr c0", "XGROUP DESTROY $x gr", "XGROUP SETID $x gr 3-1",
    "XREADGROUP GROUP gr c2 COUNT 1 STREAMS x0 >",
    "XSETID $x 99-1", "XTRIM $x MAXLEN 1", "ZADD $z $c $f", "ZADD $z GT CH $c $f $c m1", "ZADD $z INCR $c $f",
    "ZADD $z NX $c m7 $c $f",
    "ZADD $z XX LT $c $f", "ZADD $z inf $f -inf m2", "ZDIFFSTORE $z 2 $z $z", "ZINCRBY $z $c $f",
    "ZINTERSTORE $k 2 z0 z2 WEIGHTS 2 1",
    "ZMPOP 2 $z $z MIN COUNT $n", "ZMPOP 1 $z MAX", "ZPOPMAX $z", "ZPOPMIN $z $n", "ZRANGESTORE $z $z 0 1", "ZREM $z $f",
    "ZREM $z m0 m1 m2 m3",
    "ZREMRANGEBYLEX z2 [m0 [m1", "ZREMRANGEBYRANK $z $i $i", "ZREMRANGEBYSCORE $z -inf (2", "ZUNIONSTORE $z 2 z0 e0",
    NULL,
};

unsigned dice_roll(struct dice *d, unsigned sides)
{
    d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(d->state >> 33) % sides;
}

static const char *pick(struct dice *d, const char *const *list, unsigned n)
{
    return list[dice_roll(d, n)];
}
#define PICK(...) pick(d, (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const char *any_key(struct dice *d)
{
    return PICK("s0", "s1", "s2", "h0", "h1", "e0", "e2", "z0", "z1", "l0", "l1", "x0", "g0", "p0", "d0", "v0", "none");
}

static const char *word_for(char kind, struct dice *d)
{
    switch (kind) {
    case 's': return dice_roll(d, 20) ? PICK("s0", "s1", "s2", "s3", "s4", "s5") : any_key(d);
    case 'h': return dice_roll(d, 20) ? PICK("h0", "h1", "h2") : any_key(d);
    case 'e': return dice_roll(d, 20) ? PICK("e0", "e1", "e2", "e3") : any_key(d);
    case 'z': return dice_roll(d, 20) ? PICK("z0", "z1", "z2", "z3") : any_key(d);
    case 'l': return dice_roll(d, 20) ? PICK("l0", "l1", "l2", "l3") : any_key(d);
    case 'x': return PICK("x0", "x0", "x1", "x2");
    case 'g': return PICK("g0", "g1");
    case 'p': return PICK("p0", "p1", "p2");
    case 'k': return any_key(d);
    case 'v':
        return PICK("1", "-9", "0", "abc", "\"\"", "a", "b", "9007199254740993",
                    "a-value-that-is-longer-than-forty-bytes-in-all");
    case 'f': return PICK("f0", "f1", "f2", "f3", "m0", "m1", "m2", "m4", "a");
    case 'i': return PICK("0", "1", "2", "-1", "-2", "5", "-7", "100");
    case 'n': return PICK("0", "1", "2", "3", "7");
    case 'c': return PICK("1", "-2.5", "0.1", "3e10", "0");
    case 't': return PICK("6000", "10000", "7200", "500000");
    case 'T': return PICK("33000000000500", "34000000000000");
    default: return PICK("LEFT", "RIGHT");
    }
}

void comp_line_fill(char *out, size_t size, const char *line, struct dice *d)
{
    size_t n = 0;
    for (const char *p = line; *p && n + 1 < size; p++) {
        if (*p != '$' || p[1] < 'A') {
            out[n++] = *p;
            continue;
        }
        const char *word = word_for(*++p, d);
        size_t len = strlen(word) < size - 1 - n ? strlen(word) : size - 1 - n;
        memcpy(out + n, word, len);
        n += len;
    }
    out[n] = '\0';
}
