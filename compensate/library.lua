#!lua name=xaproxy1
-- Runs inside Redis: each write of a transaction together with the record of how to take it back, in one atomic step; and the
-- end of a transaction, which uses or drops those records. Which command has which handler is said by commands.def; who calls
-- what when is decided by undo.c. The 1 in every name counts incompatible changes, so that two versions can share a server.
--
-- The control hash of a slot (ctl):
--   L<key>          gtrid that holds the key exclusively, to its end
--   U<gtrid>:<seq>  record of an applied write: packed {command, reply, locked keys, inverses}
--                   or "H" and packed locked keys: the husk of one taken back by ROLLBACK TO, which fences its late twin
--   F<gtrid>        tombstone "C ms" or "R ms": late writes of an ended transaction bounce
--   E<node>         lowest live epoch of a proxy node
-- The hash beside it (ctl with k for its last letter) keeps conflicts, which only a person removes. Shadow keys
-- <prefix>s:<gtrid>:<seq>:<i> hold whole-key images. Nothing of this has a TTL: what expires by itself is a silent hole.
--
-- An inverse is a flat list {operation, key, ...}. A handler returns reply, inverses; an error reply has changed nothing and
-- leaves no record. Absent values are false. Times are absolute milliseconds, -1 = key without TTL, -2 = no key.

local INLINE = 16384 -- strings up to this many bytes are kept in the record, longer ones by COPY
local MANY = 1000    -- elements up to this many are kept in the record, more by COPY
local SOON = 3600000 -- a TTL that ends within this many ms may take the value with it before the rollback
local EXACT = 9007199254740992 -- numbers of Lua are doubles: from 2^53 on integers are fetched as text

local call, try, pack, open -- only there once a function runs
local function bind()
    call, try, pack, open = redis.call, redis.pcall, cmsgpack.pack, cmsgpack.unpack
end

---------------------------------------------------------------------------------------------------- small helpers

local function failed(r)
    return type(r) == 'table' and r.err
end

local function fail(text)
    return {err = text}
end

local function integer(n)
    return string.format('%.0f', n)
end

local function now()
    local t = call('TIME')
    return t[1] * 1000 + math.floor(t[2] / 1000)
end

local function lapsed(at)
    return at > 0 and now() >= at
end

-- For error texts, which are one line of ASCII.
local function printable(s)
    return (s:gsub('[%c \\\128-\255]', function(c) return string.format('\\x%02x', c:byte()) end))
end

local function whole_number(text)
    return text and text:match('^-?%d+$') and tonumber(text)
end

local function unique(keys, n)
    if n == 1 then
        return {keys[1]}
    end
    local seen, out = {}, {}
    for i = 1, n do
        if not seen[keys[i]] then
            seen[keys[i]] = true
            out[#out + 1] = keys[i]
        end
    end
    return out
end

-- call(command, key, list...) for lists longer than Lua can unpack at once.
local function call_many(command, key, list)
    for i = 1, #list, 4000 do
        call(command, key, unpack(list, i, math.min(i + 3999, #list)))
    end
end

local function get_many(key, list)
    if #list <= 4000 then
        return call('HMGET', key, unpack(list))
    end
    local out = {}
    for i = 1, #list, 4000 do
        for _, v in ipairs(call('HMGET', key, unpack(list, i, math.min(i + 3999, #list)))) do
            out[#out + 1] = v
        end
    end
    return out
end

-- A value as it is compared later: itself, or its digest (which is 40 long, so that the two cannot be mixed up).
local function print_of(v)
    return v and (#v < 40 and v or redis.sha1hex(v))
end

local function expiry(key, at)
    if at > 0 then
        call('PEXPIREAT', key, integer(at))
    end
end

local field_ttl -- whether hash fields may have TTLs: asked once
local function fields_expire(key)
    if field_ttl == nil then
        field_ttl = not failed(try('HPEXPIRETIME', key, 'FIELDS', 1, 'f'))
    end
    return field_ttl
end

-- INCRBY and HINCRBY answer integers that a double cannot hold.
local function exact(a, r)
    if type(r) == 'number' and (r >= EXACT or r <= -EXACT) then
        local name = a[1]:upper()
        if name == 'HINCRBY' then
            return call('HGET', a[2], a[3])
        elseif name == 'INCR' or name == 'DECR' or name == 'INCRBY' or name == 'DECRBY' then
            return call('GET', a[2])
        end
    end
    return r
end

---------------------------------------------------------------------------------------------------- whole-key images

local counters = {hash = 'HLEN', list = 'LLEN', set = 'SCARD', zset = 'ZCARD', stream = 'XLEN', vectorset = 'VCARD'}

local function size_of(key)
    local kind = call('TYPE', key).ok
    if kind == 'string' then
        return kind, call('STRLEN', key)
    end
    local counter = counters[kind]
    return kind, counter and call(counter, key) or 0
end

local function too_big(c, key, kind, size)
    if kind == 'string' then
        if size > c.image_bytes then
            return fail('XATOOBIG before-image of a string of ' .. integer(size) .. ' bytes exceeds image_max_bytes ('
                .. integer(c.image_bytes) .. '); raise image_max_bytes')
        end
    elseif size > c.image_max then
        return fail('XATOOBIG before-image of a ' .. kind .. ' of ' .. integer(size) .. ' elements exceeds image_max ('
            .. integer(c.image_max) .. '); raise image_max, or use commands on single elements')
    else
        local bytes = try('MEMORY', 'USAGE', key)
        if type(bytes) == 'number' and bytes > c.image_bytes + 128 * size then
            return fail('XATOOBIG before-image of a ' .. kind .. ' of about ' .. integer(bytes)
                .. ' bytes exceeds image_max_bytes (' .. integer(c.image_bytes) .. '); raise image_max_bytes')
        end
    end
end

local function new_shadow(c)
    local s = c.shadow_prefix .. (#c.shadows + 1)
    c.shadows[#c.shadows + 1] = s
    return s
end

-- Takes an image of the key; returns {'whole', key, expiry before, shadow, dump} to be finished by seen_after, or an error.
local function image(c, key)
    local kind, size = size_of(key)
    if kind == 'none' then
        return {'whole', key, -2, false, false}
    end
    local err = too_big(c, key, kind, size)
    if err then
        return nil, err
    end
    local at, shadow = call('PEXPIRETIME', key), new_shadow(c)
    if try('COPY', key, shadow, 'REPLACE') == 1 then
        if at > 0 then
            call('PERSIST', shadow)
        end
        return {'whole', key, at, shadow, false}
    end
    local dump = try('DUMP', key) -- types that cannot be copied
    if failed(dump) then
        return nil, dump
    end
    return {'whole', key, at, false, dump}
end

local function seen_after(inv)
    local kind, size = size_of(inv[2])
    inv[6], inv[7], inv[8] = kind, size, call('PEXPIRETIME', inv[2])
    return inv
end

-- Moves a key out of the way, which is cheaper than copying it and keeps what it is.
local function aside(c, key)
    local at = call('PEXPIRETIME', key)
    if at == -2 then
        return nil
    end
    local shadow = new_shadow(c)
    if at > 0 then
        call('PERSIST', key)
    end
    call('RENAME', key, shadow)
    return {'aside', key, at, shadow}
end

---------------------------------------------------------------------------------------------------- handlers: before, do, after

local H = {}

local function run(c)
    local r = try(unpack(c.a))
    if failed(r) then
        for _, s in ipairs(c.shadows) do
            call('UNLINK', s)
        end
    end
    return r
end

function H.whole(c)
    local invs = {}
    for i, key in ipairs(c.keys) do
        local inv, err = image(c, key)
        if err then
            for _, s in ipairs(c.shadows) do
                call('UNLINK', s)
            end
            return err
        end
        invs[i] = inv
    end
    local r = run(c)
    if failed(r) then
        return r
    end
    for _, inv in ipairs(invs) do
        seen_after(inv)
    end
    return r, invs
end

function H.copy(c)
    for i = 4, #c.a do
        if c.a[i]:upper() == 'DB' then
            return fail('XAREFUSED COPY into another database')
        end
    end
    return H.whole(c)
end

-- {'string', key, before, its expiry, print of after, its expiry}
local function string_after(inv, plain)
    if inv[1] == 'whole' then
        return seen_after(inv)
    elseif plain then
        inv[5], inv[6] = print_of(plain), -1
    else
        inv[5] = print_of(call('GET', inv[2]))
        inv[6] = inv[5] and call('PEXPIRETIME', inv[2]) or -2
    end
    if inv[5] == print_of(inv[3]) and inv[6] == inv[4] then
        return nil
    end
    return inv
end

function H.string(c)
    local before = {}
    for i, key in ipairs(c.keys) do
        local v = try('GET', key)
        if failed(v) or (v and #v > INLINE) then
            local inv, err = image(c, key)
            if err then
                for _, s in ipairs(c.shadows) do
                    call('UNLINK', s)
                end
                return err
            end
            before[i] = inv
        else
            before[i] = {'string', key, v, v and call('PEXPIRETIME', key) or -2}
        end
    end
    local r = run(c)
    if failed(r) then
        return r
    end
    local plain = #c.a == 3 and c.name == 'SET' and c.a[3]
    local invs = {}
    for _, inv in ipairs(before) do
        invs[#invs + 1] = string_after(inv, plain)
    end
    return r, invs
end

function H.bitfield(c)
    for i = 3, #c.a do
        local bits = c.a[i]:match('^[iu](%d+)$')
        if bits and tonumber(bits) > 53 then
            return fail('XAREFUSED BITFIELD on more than 53 bits, which a script cannot answer exactly')
        end
    end
    return H.string(c)
end

-- {'bytes', key, expiry, offset, bytes before, print of bytes after, how many, length before, length after}; length before -1 = no key
function H.bytes(c)
    local key, a = c.a[2], c.a
    local length = try('STRLEN', key)
    if failed(length) then
        return length
    end
    local at = call('PEXPIRETIME', key)
    local off, n
    if c.name == 'APPEND' then
        off, n = length, #a[3]
    elseif c.name == 'SETRANGE' then
        off, n = whole_number(a[3]), #a[4]
    else
        off, n = whole_number(a[3]), 1
        off = off and math.floor(off / 8)
    end
    if not off then
        return fail('ERR value is not an integer or out of range')
    end
    if math.min(n, length - off) > c.image_bytes then
        return fail('XATOOBIG before-image of ' .. integer(n) .. ' bytes exceeds image_max_bytes (' .. integer(c.image_bytes) .. ')')
    end
    local before = ''
    if n > 0 and off >= 0 and off < length then
        before = call('GETRANGE', key, integer(off), integer(off + n - 1))
    end
    local r = run(c)
    if failed(r) then
        return r
    end
    local after = call('STRLEN', key)
    if at == -2 and call('EXISTS', key) == 0 then
        return r, {}
    end
    local print = n > 0 and print_of(call('GETRANGE', key, integer(off), integer(off + n - 1))) or ''
    return r, {{'bytes', key, at, off, before, print, n, at == -2 and -1 or length, after}}
end

-- {'incr', key, expiry, delta back, created, after}
function H.incr(c)
    local key, name, delta = c.a[2], c.name, c.a[3]
    local before = try('GET', key)
    if failed(before) then
        return before
    end
    local at = before and call('PEXPIRETIME', key) or -1
    local r = run(c)
    if failed(r) then
        return r
    end
    if name == 'INCR' or name == 'DECR' then
        delta = '1'
    end
    if name == 'INCR' or name == 'INCRBY' then
        delta = delta:sub(1, 1) == '-' and delta:sub(2) or (delta == '0' and '0' or '-' .. delta)
    end
    r = exact(c.a, r)
    return r, {{'incr', key, at, delta, not before, type(r) == 'string' and r or integer(r)}}
end

-- {'hincr', key, expiry, field, delta back, created, after}
function H.hincrby(c)
    local key, field, delta = c.a[2], c.a[3], c.a[4]
    local before = try('HGET', key, field)
    if failed(before) then
        return before
    end
    local at = before and call('PEXPIRETIME', key) or -1
    local r = run(c)
    if failed(r) then
        return r
    end
    delta = delta:sub(1, 1) == '-' and delta:sub(2) or (delta == '0' and '0' or '-' .. delta)
    r = exact(c.a, r)
    return r, {{'hincr', key, at, field, delta, not before, type(r) == 'string' and r or integer(r)}}
end

-- {'hash', key, expiry, alive after, then by fours: field, before, after, expiry of the field}
local function fields(c, names)
    local key = c.a[2]
    local before = try('HMGET', key, unpack(names))
    if failed(before) then
        return before
    end
    local at, ttl = call('PEXPIRETIME', key), nil
    if at ~= -2 and fields_expire(key) then
        ttl = call('HPEXPIRETIME', key, 'FIELDS', #names, unpack(names))
    end
    local r = run(c)
    if failed(r) then
        return r
    end
    local after = call('HMGET', key, unpack(names))
    local inv = {'hash', key, at, call('EXISTS', key)}
    for i, name in ipairs(names) do
        local t = ttl and ttl[i] > 0 and ttl[i] or false
        if before[i] ~= after[i] or t then
            inv[#inv + 1] = name
            inv[#inv + 1] = before[i]
            inv[#inv + 1] = after[i]
            inv[#inv + 1] = t
        end
    end
    return r, {#inv > 4 and inv or nil}
end

function H.hset(c)
    local names = {}
    for i = 3, #c.a, 2 do
        names[#names + 1] = c.a[i]
    end
    return fields(c, names)
end

function H.hdel(c)
    return fields(c, {unpack(c.a, 3)})
end

-- {'set', key, expiry, alive after, 'added' | 'removed', members...}
local function members(c, added)
    local key = c.a[2]
    local had = try('SMISMEMBER', key, unpack(c.a, 3))
    if failed(had) then
        return had
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) then
        return r
    end
    local inv = {'set', key, at, call('EXISTS', key), added and 'added' or 'removed'}
    for i, was in ipairs(had) do
        if (was == 0) == added then
            inv[#inv + 1] = c.a[2 + i]
        end
    end
    return r, {#inv > 5 and inv or nil}
end

function H.sadd(c)
    return members(c, true)
end

function H.srem(c)
    return members(c, false)
end

function H.spop(c)
    local key = c.a[2]
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or not r or #r == 0 then
        return r, {}
    end
    return r, {{'set', key, at, call('EXISTS', key), 'removed', unpack(type(r) == 'table' and r or {r})}}
end

function H.smove(c)
    local from, to, member = c.a[2], c.a[3], c.a[4]
    local had = try('SISMEMBER', to, member)
    if failed(had) then
        return had
    end
    local at_from, at_to = call('PEXPIRETIME', from), call('PEXPIRETIME', to)
    local r = run(c)
    if failed(r) or r == 0 or from == to then
        return r, {}
    end
    local invs = {{'set', from, at_from, call('EXISTS', from), 'removed', member}}
    if had == 0 then
        invs[2] = {'set', to, at_to, 1, 'added', member}
    end
    return r, invs
end

-- {'zset', key, expiry, alive after, then by threes: member, score before, score after}
local function scores(c, names)
    local key = c.a[2]
    local before = #names > 0 and try('ZMSCORE', key, unpack(names)) or {}
    if failed(before) then
        return before
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) then
        return r
    end
    local after = call('ZMSCORE', key, unpack(names))
    local inv = {'zset', key, at, call('EXISTS', key)}
    for i, name in ipairs(names) do
        if before[i] ~= after[i] then
            inv[#inv + 1] = name
            inv[#inv + 1] = before[i]
            inv[#inv + 1] = after[i]
        end
    end
    return r, {#inv > 4 and inv or nil}
end

local zadd_options = {NX = true, XX = true, GT = true, LT = true, CH = true, INCR = true}

local function named_from(a, step)
    local i, names = 3, {}
    while a[i] and zadd_options[a[i]:upper()] do
        i = i + 1
    end
    for j = i + step - 1, #a, step do
        names[#names + 1] = a[j]
    end
    return names
end

function H.zadd(c)
    return scores(c, named_from(c.a, 2))
end

function H.geoadd(c)
    return scores(c, named_from(c.a, 3))
end

function H.zincrby(c)
    return scores(c, {c.a[4]})
end

function H.zrem(c)
    return scores(c, {unpack(c.a, 3)})
end

-- pairs: member, score, member, score ... that are gone now
local function scores_gone(key, at, pairs)
    local inv = {'zset', key, at, call('EXISTS', key)}
    for i = 1, #pairs, 2 do
        inv[#inv + 1] = pairs[i]
        inv[#inv + 1] = pairs[i + 1]
        inv[#inv + 1] = false
    end
    return inv
end

function H.zpop(c)
    local key = c.a[2]
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or #r == 0 then
        return r, {}
    end
    return r, {scores_gone(key, at, r)}
end

function H.zremrange(c)
    local key, a = c.a[2], c.a
    local n = try('ZCARD', key)
    if failed(n) then
        return n
    elseif n > MANY then
        return H.whole(c)
    end
    local doomed = try(c.name == 'ZREMRANGEBYRANK' and 'ZRANGE' or 'ZRANGEBYSCORE', key, a[3], a[4], 'WITHSCORES')
    if failed(doomed) then
        return doomed
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    end
    return r, {scores_gone(key, at, doomed)}
end

-- {'push', key, expiry, 'LEFT' | 'RIGHT', elements as they stand now...}
function H.push(c)
    local key, side = c.a[2], c.name:sub(1, 1) == 'L' and 'LEFT' or 'RIGHT'
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    end
    local inv = {'push', key, at, side}
    if side == 'LEFT' then
        for i = #c.a, 3, -1 do
            inv[#inv + 1] = c.a[i]
        end
    else
        for i = 3, #c.a do
            inv[#inv + 1] = c.a[i]
        end
    end
    return r, {inv}
end

-- {'pop', key, expiry, length after, 'LEFT' | 'RIGHT', elements in the order they were taken...}
function H.lpop(c)
    local key = c.a[2]
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or not r or (type(r) == 'table' and #r == 0) then
        return r, {}
    end
    return r, {{'pop', key, at, call('LLEN', key), c.name == 'LPOP' and 'LEFT' or 'RIGHT', unpack(type(r) == 'table' and r or {r})}}
end

function H.mpop(c)
    local at = {}
    for _, key in ipairs(c.keys) do
        at[key] = call('PEXPIRETIME', key)
    end
    local r = run(c)
    if failed(r) or not r then
        return r, {}
    end
    local key = r[1]
    if c.name == 'LMPOP' then
        local side = c.a[3 + tonumber(c.a[2])]:upper()
        return r, {{'pop', key, at[key], call('LLEN', key), side, unpack(r[2])}}
    end
    local flat = {}
    for _, pair in ipairs(r[2]) do
        flat[#flat + 1] = pair[1]
        flat[#flat + 1] = pair[2]
    end
    return r, {scores_gone(key, at[key], flat)}
end

-- {'move', source, its expiry, its length after, destination, its expiry, from, to, element}
function H.lmove(c)
    local source, destination = c.a[2], c.a[3]
    local from, to = 'RIGHT', 'LEFT'
    if c.name == 'LMOVE' then
        from, to = c.a[4]:upper(), c.a[5]:upper()
    end
    local at_source, at_destination = call('PEXPIRETIME', source), call('PEXPIRETIME', destination)
    local r = run(c)
    if failed(r) or not r then
        return r, {}
    end
    return r, {{'move', source, at_source, call('LLEN', source), destination, at_destination, from, to, r}}
end

-- {'lset', key, expiry, index, before, after, length}
function H.lset(c)
    local key, i = c.a[2], whole_number(c.a[3])
    if not i then
        return fail('ERR value is not an integer or out of range')
    end
    local length = try('LLEN', key)
    if failed(length) then
        return length
    end
    if i < 0 then
        i = length + i
    end
    local before = call('LINDEX', key, integer(i))
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) then
        return r
    end
    return r, {{'lset', key, at, i, before, c.a[4], length}}
end

-- {'linsert', key, expiry, index, element, length after}
function H.linsert(c)
    local key = c.a[2]
    local i = try('LPOS', key, c.a[4])
    if failed(i) then
        return i
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or r <= 0 then
        return r, {}
    end
    return r, {{'linsert', key, at, c.a[3]:upper() == 'AFTER' and i + 1 or i, c.a[5], r}}
end

-- {'lrem', key, expiry, length after, element, ascending indexes...}
function H.lrem(c)
    local key, n = c.a[2], whole_number(c.a[3])
    if not n then
        return fail('ERR value is not an integer or out of range')
    end
    local at = call('PEXPIRETIME', key)
    local length = try('LLEN', key)
    if failed(length) then
        return length
    end
    local found
    if length > 0 then
        found = call('LPOS', key, c.a[4], 'RANK', n < 0 and -1 or 1, 'COUNT', integer(math.abs(n)))
        if #found > MANY then
            return H.whole(c)
        end
        table.sort(found)
    end
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    end
    return r, {{'lrem', key, at, call('LLEN', key), c.a[4], unpack(found)}}
end

-- {'ltrim', key, expiry, length after, how many were cut at the head, these, then those cut at the tail}
function H.ltrim(c)
    local key, first, last = c.a[2], whole_number(c.a[3]), whole_number(c.a[4])
    if not first or not last then
        return fail('ERR value is not an integer or out of range')
    end
    local n = try('LLEN', key)
    if failed(n) then
        return n
    end
    first = math.max(first < 0 and n + first or first, 0)
    last = math.min(last < 0 and n + last or last, n - 1)
    local head, tail = first, n - 1 - last
    if first > last or first >= n then
        head, tail = n, 0
    end
    if head + tail > MANY then
        return H.whole(c)
    end
    local at, cut = call('PEXPIRETIME', key), {}
    if head > 0 then
        cut = call('LRANGE', key, 0, head - 1)
    end
    if tail > 0 then
        for _, e in ipairs(call('LRANGE', key, -tail, -1)) do
            cut[#cut + 1] = e
        end
    end
    local r = run(c)
    if failed(r) or #cut == 0 then
        return r, {}
    end
    return r, {{'ltrim', key, at, call('LLEN', key), head, unpack(cut)}}
end

function H.del(c)
    local invs = {}
    for _, key in ipairs(c.keys) do
        invs[#invs + 1] = aside(c, key)
    end
    return #invs, invs
end

-- {'rename', new name, its expiry, old name}
function H.rename(c)
    local old, new = c.a[2], c.a[3]
    local there = call('EXISTS', old) == 1
    if not there or old == new or (c.name == 'RENAMENX' and call('EXISTS', new) == 1) then
        return run(c), {}
    end
    local invs = {aside(c, new)}
    local r = run(c)
    invs[#invs + 1] = {'rename', new, call('PEXPIRETIME', new), old}
    return r, invs
end

-- {'ttl', key, expiry before, expiry after}
function H.expire(c)
    local key, t = c.a[2], whole_number(c.a[3])
    if c.name ~= 'PERSIST' then
        if not t then
            return fail('ERR value is not an integer or out of range')
        end
        local unit = c.name:sub(1, 1) == 'P' and 1 or 1000
        local ends = c.name:sub(-2) == 'AT' and t * unit - now() or t * unit
        if ends < SOON then
            return H.whole(c)
        end
    end
    local before = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    end
    return r, {{'ttl', key, before, call('PEXPIRETIME', key)}}
end

-- {'xadd', key, expiry, id, created}; without trimming: with it, or with options unknown here, the whole stream
function H.xadd(c)
    local key, i = c.a[2], 3
    if c.a[i]:upper() == 'NOMKSTREAM' then
        i = i + 1
    end
    if not c.a[i]:match('^[%d*][-%d*]*$') then
        return H.whole(c)
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or not r then
        return r, {}
    end
    return r, {{'xadd', key, at, r, at == -2}}
end

---------------------------------------------------------------------------------------------------- inverses

-- Each answers 'ok', 'delta' (right, though somebody else changed the value) or a reason to leave it to a person:
-- 'dirty' (somebody changed it), 'gone' (somebody removed the key), 'lost' (the image is not there any more).
local U = {}

-- For elements: a key whose time has come meanwhile needs nothing; one that is not there before its time was removed.
local function settled(inv, alive, force)
    if alive and call('EXISTS', inv[2]) == 1 then
        return nil
    elseif lapsed(inv[3]) then
        return 'ok'
    end
    return alive and not force and 'gone' or nil
end

-- Runs `restore`; where it had to make the key anew, the key gets its time back.
local function remade(inv, restore)
    local there = call('EXISTS', inv[2]) == 1
    restore()
    if not there then
        expiry(inv[2], inv[3])
    end
end

function U.whole(inv, force)
    local _, key, at, shadow, dump, kind, size, after_at = unpack(inv)
    local kind_now, size_now = size_of(key)
    if not force and (kind_now ~= kind or size_now ~= size) and not (kind_now == 'none' and lapsed(after_at)) then
        return kind_now == 'none' and 'gone' or 'dirty'
    end
    if at == -2 or lapsed(at) then
        call('UNLINK', key)
    elseif dump then
        call('RESTORE', key, 0, dump, 'REPLACE')
    elseif call('EXISTS', shadow) == 0 then
        return 'lost'
    else
        call('RENAME', shadow, key)
    end
    expiry(key, at)
    return 'ok'
end

function U.aside(inv, force)
    local _, key, at, shadow = unpack(inv)
    if not force and call('EXISTS', key) == 1 then
        return 'dirty'
    elseif lapsed(at) then
        return 'ok'
    elseif call('EXISTS', shadow) == 0 then
        return 'lost'
    end
    call('RENAME', shadow, key)
    expiry(key, at)
    return 'ok'
end

function U.rename(inv, force)
    local _, new, at, old = unpack(inv)
    if call('EXISTS', new) == 0 then
        return lapsed(at) and 'ok' or 'gone'
    elseif not force and call('EXISTS', old) == 1 then
        return 'dirty'
    end
    call('RENAME', new, old)
    return 'ok'
end

function U.ttl(inv, force)
    local _, key, before, after = unpack(inv)
    local at = call('PEXPIRETIME', key)
    if at == -2 then
        return lapsed(before) and 'ok' or (lapsed(after) and 'lost' or 'gone')
    elseif at ~= after and not force then
        return 'dirty'
    elseif before > 0 then
        call('PEXPIREAT', key, integer(before))
    else
        call('PERSIST', key)
    end
    return 'ok'
end

function U.string(inv, force)
    local _, key, before, at, after, after_at = unpack(inv)
    local v = try('GET', key)
    if not force then
        if failed(v) then
            return 'dirty'
        elseif print_of(v) ~= after and not (not v and lapsed(after_at)) then
            return v and 'dirty' or 'gone'
        end
    end
    if not before or lapsed(at) then
        call('DEL', key)
    else
        call('SET', key, before)
        expiry(key, at)
    end
    return 'ok'
end

function U.bytes(inv, force)
    local _, key, at, off, before, print, n, length, after = unpack(inv)
    local done = settled(inv, true, false)
    if done then
        return done
    end
    if not force and (call('STRLEN', key) ~= after
        or (n > 0 and print_of(call('GETRANGE', key, integer(off), integer(off + n - 1))) ~= print)) then
        return 'dirty'
    end
    if length < 0 then
        call('DEL', key)
        return 'ok'
    end
    if #before > 0 then
        call('SETRANGE', key, integer(off), before)
    end
    if after > length then
        call('SET', key, length > 0 and call('GETRANGE', key, 0, integer(length - 1)) or '', 'KEEPTTL')
    end
    return 'ok'
end

-- 2^63 has no positive twin.
local function add_back(command, delta, ...)
    local args = {...}
    if delta == '9223372036854775808' then
        args[#args + 1] = '9223372036854775807'
        call(command, unpack(args))
        args[#args] = '1'
    else
        args[#args + 1] = delta
    end
    call(command, unpack(args))
end

function U.incr(inv)
    local _, key, at, delta, created, after = unpack(inv)
    local v = call('GET', key)
    if not v then
        return lapsed(at) and 'ok' or 'gone'
    elseif created and v == after then
        call('DEL', key)
        return 'ok'
    end
    add_back('INCRBY', delta, key)
    return v == after and 'ok' or 'delta'
end

function U.hincr(inv)
    local _, key, at, field, delta, created, after = unpack(inv)
    local v = call('HGET', key, field)
    if not v then
        return lapsed(at) and 'ok' or 'gone'
    elseif created and v == after then
        call('HDEL', key, field)
        return 'ok'
    end
    add_back('HINCRBY', delta, key, field)
    return v == after and 'ok' or 'delta'
end

function U.hash(inv, force)
    local key = inv[2]
    local done = settled(inv, inv[4] == 1, force)
    if done then
        return done
    end
    local names, set, del, ttl, dirty = {}, {}, {}, {}, {}
    for i = 5, #inv, 4 do
        names[#names + 1] = inv[i]
    end
    local current = call('HMGET', key, unpack(names))
    for i, name in ipairs(names) do
        local before, after, t = inv[2 + 4 * i], inv[3 + 4 * i], inv[4 + 4 * i]
        if current[i] ~= after and current[i] ~= before and not force then
            dirty[#dirty + 1] = printable(name)
        elseif not before or (t and lapsed(t)) then
            del[#del + 1] = name
        else
            set[#set + 1] = name
            set[#set + 1] = before
            ttl[#ttl + 1] = t and {t, name} or nil
        end
    end
    remade(inv, function()
        if #set > 0 then
            call('HSET', key, unpack(set))
        end
        if #del > 0 then
            call('HDEL', key, unpack(del))
        end
        for _, one in ipairs(ttl) do
            call('HPEXPIREAT', key, integer(one[1]), 'FIELDS', 1, one[2])
        end
    end)
    return #dirty > 0 and 'dirty' or 'ok', table.concat(dirty, ' ')
end

function U.set(inv, force)
    local key, list = inv[2], {unpack(inv, 6)}
    local done = settled(inv, inv[4] == 1, force)
    if done then
        return done
    end
    if inv[5] == 'removed' then
        remade(inv, function() call('SADD', key, unpack(list)) end)
        return 'ok'
    end
    local dirty = {}
    for i, there in ipairs(call('SMISMEMBER', key, unpack(list))) do
        if there == 0 and not force then
            dirty[#dirty + 1] = printable(list[i])
        end
    end
    call('SREM', key, unpack(list))
    return #dirty > 0 and 'dirty' or 'ok', table.concat(dirty, ' ')
end

function U.zset(inv, force)
    local key = inv[2]
    local done = settled(inv, inv[4] == 1, force)
    if done then
        return done
    end
    local names, set, del, dirty = {}, {}, {}, {}
    for i = 5, #inv, 3 do
        names[#names + 1] = inv[i]
    end
    local current = call('ZMSCORE', key, unpack(names))
    for i, name in ipairs(names) do
        local before, after = inv[3 + 3 * i], inv[4 + 3 * i]
        if current[i] ~= after and current[i] ~= before and not force then
            dirty[#dirty + 1] = printable(name)
        elseif before then
            set[#set + 1] = before
            set[#set + 1] = name
        else
            del[#del + 1] = name
        end
    end
    remade(inv, function()
        if #set > 0 then
            call('ZADD', key, unpack(set))
        end
        if #del > 0 then
            call('ZREM', key, unpack(del))
        end
    end)
    return #dirty > 0 and 'dirty' or 'ok', table.concat(dirty, ' ')
end

local function push_all(command, key, list, from, to, step)
    local out = {}
    for i = from, to, step do
        out[#out + 1] = list[i]
    end
    if #out > 0 then
        call(command, key, unpack(out))
    end
end

function U.push(inv)
    local key, side, n = inv[2], inv[4], #inv - 4
    local done = settled(inv, true, false)
    if done then
        return done
    end
    local now_there = side == 'LEFT' and call('LRANGE', key, 0, n - 1) or call('LRANGE', key, -n, -1)
    for i = 1, n do
        if now_there[i] ~= inv[4 + i] then
            return 'dirty'
        end
    end
    call(side == 'LEFT' and 'LPOP' or 'RPOP', key, n)
    return 'ok'
end

-- Positions in a list mean something only while the list is as it was left.
local function list_differs(inv, length, force)
    return settled(inv, length > 0, force) or (not force and call('LLEN', inv[2]) ~= length and 'dirty') or nil
end

function U.pop(inv, force)
    local key, side = inv[2], inv[5]
    local differs = list_differs(inv, inv[4], force)
    if differs then
        return differs
    end
    remade(inv, function() push_all(side == 'LEFT' and 'LPUSH' or 'RPUSH', key, inv, #inv, 6, -1) end)
    return 'ok'
end

function U.move(inv, force)
    local _, source, at_source, length, destination, at_destination, from, to, element = unpack(inv)
    if call('EXISTS', destination) == 0 then
        if not lapsed(at_destination) then
            return 'gone'
        end
    elseif call('LINDEX', destination, to == 'LEFT' and 0 or -1) ~= element then
        return 'dirty'
    end
    local differs = list_differs(inv, length, force)
    if differs and differs ~= 'ok' then
        return differs
    end
    call(to == 'LEFT' and 'LPOP' or 'RPOP', destination)
    if not differs then
        remade(inv, function() call(from == 'LEFT' and 'LPUSH' or 'RPUSH', source, element) end)
    end
    return 'ok'
end

function U.lset(inv, force)
    local _, key, _, i, before, after, length = unpack(inv)
    local differs = list_differs(inv, length, force)
    if differs then
        return differs
    elseif not force and call('LINDEX', key, integer(i)) ~= after then
        return 'dirty'
    end
    call('LSET', key, integer(i), before)
    return 'ok'
end

-- A text that no list holds, to point at one place of it.
local function mark_for(inv)
    return 'xa\0mark\0' .. redis.sha1hex(pack(inv))
end

function U.linsert(inv, force)
    local _, key, _, i, element, length = unpack(inv)
    local differs = list_differs(inv, length, force)
    if differs then
        return differs
    elseif call('LINDEX', key, integer(i)) ~= element then
        return 'dirty'
    end
    local mark = mark_for(inv)
    call('LSET', key, integer(i), mark)
    call('LREM', key, 1, mark)
    return 'ok'
end

local function insert_at(key, i, element, mark)
    if i == 0 then
        call('LPUSH', key, element)
    elseif i >= call('LLEN', key) then
        call('RPUSH', key, element)
    else
        local there = call('LINDEX', key, integer(i))
        call('LSET', key, integer(i), mark)
        call('LINSERT', key, 'BEFORE', mark, element)
        call('LSET', key, integer(i + 1), there)
    end
end

function U.lrem(inv, force)
    local key, element = inv[2], inv[5]
    local differs = list_differs(inv, inv[4], force)
    if differs then
        return differs
    end
    remade(inv, function()
        local mark = mark_for(inv)
        for j = 6, #inv do
            insert_at(key, inv[j], element, mark)
        end
    end)
    return 'ok'
end

function U.ltrim(inv, force)
    local key, head = inv[2], inv[5]
    local differs = list_differs(inv, inv[4], force)
    if differs then
        return differs
    end
    remade(inv, function()
        push_all('LPUSH', key, inv, 5 + head, 6, -1)
        push_all('RPUSH', key, inv, 6 + head, #inv, 1)
    end)
    return 'ok'
end

function U.xadd(inv)
    local _, key, at, id, created = unpack(inv)
    if lapsed(at) then
        return 'ok'
    elseif call('XDEL', key, id) == 0 then
        return 'gone'
    end
    if created and call('XLEN', key) == 0 and #call('XINFO', 'GROUPS', key) == 0 then
        call('DEL', key)
    end
    return 'ok'
end

-- One inverse, unable to fail the others.
local function take_back(inv, force)
    local fine, outcome, detail = pcall(function() return U[inv[1]](inv, force) end)
    if fine then
        return outcome, detail or ''
    end
    return 'error', printable(type(outcome) == 'table' and outcome.err or tostring(outcome))
end

local function shadow_of(inv)
    return (inv[1] == 'whole' or inv[1] == 'aside') and inv[4]
end

local function drop_shadow(inv)
    local s = shadow_of(inv)
    if s then
        call('UNLINK', s)
    end
end

---------------------------------------------------------------------------------------------------- the functions

local function held_by(ctl, keys, from, gtrid)
    if #keys < from then
        return nil
    end
    local names = {}
    for i = from, #keys do
        names[#names + 1] = 'L' .. keys[i]
    end
    for i, owner in ipairs(call('HMGET', ctl, unpack(names))) do
        if owner and owner ~= gtrid then
            return fail('XALOCKED ' .. printable(owner) .. ' ' .. printable(keys[from + i - 1]))
        end
    end
end

-- KEYS ctl, written keys, keys only read. ARGV gtrid seq epoch node written handler image_max image_max_bytes command...
local function xa_do(KEYS, ARGV)
    bind()
    local ctl, gtrid, seq = KEYS[1], ARGV[1], ARGV[2]
    local record, n = 'U' .. gtrid .. ':' .. seq, #KEYS
    local ask = {'E' .. ARGV[4], 'F' .. gtrid, record}
    for i = 2, n do
        ask[i + 2] = 'L' .. KEYS[i]
    end
    local st = call('HMGET', ctl, unpack(ask))
    if st[1] and tonumber(st[1]) > tonumber(ARGV[3]) then
        return fail('XASTALE epoch ' .. ARGV[3] .. ' is over, ' .. st[1] .. ' is the lowest')
    elseif st[2] then
        return fail('XAFENCED ' .. st[2])
    elseif st[3] then
        if st[3]:sub(1, 1) == 'H' then
            return fail('XAFENCED this write was taken back')
        end
        return open(st[3])[2]
    end
    for i = 4, n + 2 do
        if st[i] and st[i] ~= gtrid then
            return fail('XALOCKED ' .. printable(st[i]) .. ' ' .. printable(KEYS[i - 2]))
        end
    end
    local written = {}
    for i = 1, tonumber(ARGV[5]) do
        written[i] = KEYS[i + 1]
    end
    written = unique(written, #written)
    local c = {
        a = {unpack(ARGV, 9)}, name = ARGV[9], keys = written,
        image_max = tonumber(ARGV[7]), image_bytes = tonumber(ARGV[8]),
        shadow_prefix = ctl:sub(1, -2) .. 's:' .. gtrid .. ':' .. seq .. ':', shadows = {},
    }
    local reply, invs = H[ARGV[6]](c)
    if failed(reply) then
        return fail(reply.err)
    end
    local put = {record, pack({c.name, reply, written, invs})}
    for i, key in ipairs(written) do
        put[2 * i + 1] = 'L' .. key
        put[2 * i + 2] = gtrid
    end
    call('HSET', ctl, unpack(put))
    return reply
end

-- KEYS ctl, keys of the command. ARGV handler command...
local function xa_run(KEYS, ARGV)
    bind()
    local refused = held_by(KEYS[1], KEYS, 2, '')
    if refused then
        return refused
    end
    local a = {unpack(ARGV, 2)}
    if ARGV[1] == 'bitfield' then
        for i = 3, #a do
            local bits = a[i]:match('^[iu](%d+)$')
            if bits and tonumber(bits) > 53 then
                return fail('XAREFUSED BITFIELD on more than 53 bits, which a script cannot answer exactly')
            end
        end
    end
    local r = try(unpack(a))
    return failed(r) and fail(r.err) or exact(a, r)
end

-- KEYS ctl, keys of the command. ARGV gtrid command...
local function xa_get(KEYS, ARGV)
    bind()
    local refused = held_by(KEYS[1], KEYS, 2, ARGV[1])
    if refused then
        return refused
    end
    local r = try(unpack(ARGV, 2))
    return failed(r) and fail(r.err) or r
end

local function record_names(gtrid, first, last)
    local names = {}
    for seq = first, last do
        names[#names + 1] = 'U' .. gtrid .. ':' .. integer(seq)
    end
    return names
end

-- ARGV gtrid epoch node last acknowledged ("1-5 7"). One acknowledged record's value comes back beside the verdict.
local function votes(ctl, ARGV)
    bind()
    local gtrid, last, expected = ARGV[1], tonumber(ARGV[4]), {}
    local st = call('HMGET', ctl, 'E' .. ARGV[3], 'F' .. gtrid)
    if st[1] and tonumber(st[1]) > tonumber(ARGV[2]) then
        return fail('XASTALE epoch ' .. ARGV[2] .. ' is over, ' .. st[1] .. ' is the lowest')
    elseif st[2] then
        return fail('XAFENCED ' .. st[2])
    end
    for from, to in ARGV[5]:gmatch('(%d+)%-?(%d*)') do
        for seq = tonumber(from), tonumber(to) or tonumber(from) do
            expected[seq] = true
        end
    end
    local wrong, name, value = {}, nil, nil
    local names = record_names(gtrid, 1, last)
    for seq, record in ipairs(last > 0 and get_many(ctl, names) or {}) do
        local stands = record and record:sub(1, 1) ~= 'H' or false
        if stands ~= (expected[seq] or false) and #wrong < 20 then
            wrong[#wrong + 1] = integer(seq)
        elseif stands then
            name, value = names[seq], record
        end
    end
    if #wrong > 0 then
        return fail('XAMISSING ' .. table.concat(wrong, ' '))
    end
    return {ok = 'YES'}, name, value
end

local function xa_vote(KEYS, ARGV)
    return (votes(KEYS[1], ARGV))
end

local function xa_seal(KEYS, ARGV)
    local verdict, name, value = votes(KEYS[1], ARGV)
    if name then
        call('HSET', KEYS[1], name, value)
    end
    return verdict
end

local function keep_conflict(ctl, gtrid, seq, i, command, inv, outcome, detail)
    local id = gtrid .. ':' .. integer(seq) .. ':' .. i
    call('HSET', ctl:sub(1, -2) .. 'k', id, pack({now(), gtrid, seq, inv[2], command, outcome, detail, inv}))
end

-- Ends one record: takes it back where `back` is set, counts into `sum`, adds the keys it locked to `locks`.
local function end_record(e, seq, name, value)
    if value:sub(1, 1) == 'H' then
        if e.mode ~= 'P' then
            call('HDEL', e.ctl, name)
            e.locked[#e.locked + 1] = open(value:sub(2))
        end
        return
    end
    local record = open(value)
    local invs = record[4]
    for i = #invs, 1, -1 do
        if e.mode ~= 'C' then
            local outcome, detail = take_back(invs[i], e.force)
            if outcome == 'ok' or outcome == 'delta' then
                e.done = e.done + 1
                e.delta = e.delta + (outcome == 'delta' and 1 or 0)
                drop_shadow(invs[i])
            else
                e.conflicts = e.conflicts + 1
                keep_conflict(e.ctl, e.gtrid, seq, i, record[1], invs[i], outcome, detail)
            end
        else
            drop_shadow(invs[i])
        end
    end
    e.ended = e.ended + 1
    if e.mode == 'P' then
        call('HSET', e.ctl, name, 'H' .. pack(record[3]))
    else
        call('HDEL', e.ctl, name)
        e.locked[#e.locked + 1] = record[3]
    end
end

local function release(e, all)
    local names = {}
    for _, keys in ipairs(e.locked) do
        for _, key in ipairs(keys) do
            names[#names + 1] = 'L' .. key
        end
    end
    if all then
        for _, name in ipairs(call('HKEYS', e.ctl)) do
            if name:sub(1, 1) == 'L' then
                names[#names + 1] = name
            end
        end
    end
    if #names == 0 then
        return
    end
    local mine = {}
    for i, owner in ipairs(get_many(e.ctl, names)) do
        if owner == e.gtrid then
            mine[#mine + 1] = names[i]
        end
    end
    call_many('HDEL', e.ctl, mine)
end

-- KEYS ctl. ARGV gtrid mode force tombstone all_locks first last. May be repeated any number of times.
local function xa_end(KEYS, ARGV)
    bind()
    local e = {
        ctl = KEYS[1], gtrid = ARGV[1], mode = ARGV[2], force = ARGV[3] == '1', locked = {},
        ended = 0, done = 0, delta = 0, conflicts = 0,
    }
    local first, seq = tonumber(ARGV[6]), tonumber(ARGV[7])
    while seq >= first do
        local from = math.max(first, seq - 499)
        local names = record_names(e.gtrid, from, seq)
        local values = call('HMGET', e.ctl, unpack(names))
        for i = #names, 1, -1 do
            if values[i] then
                end_record(e, from + i - 1, names[i], values[i])
            end
        end
        seq = from - 1
    end
    if e.mode ~= 'P' then
        release(e, ARGV[5] == '1')
        if ARGV[4] == '1' then
            call('HSET', e.ctl, 'F' .. e.gtrid, e.mode .. ' ' .. integer(now()))
        end
    end
    return {e.ended, e.done, e.delta, e.conflicts}
end

-- KEYS ctl. ARGV node epoch
local function xa_epoch(KEYS, ARGV)
    bind()
    local field = 'E' .. ARGV[1]
    local lowest = tonumber(call('HGET', KEYS[1], field) or '0')
    if tonumber(ARGV[2]) > lowest then
        call('HSET', KEYS[1], field, ARGV[2])
        lowest = tonumber(ARGV[2])
    end
    return lowest
end

-- KEYS ctl. -> {{gtrid, first, last, records, locks, tombstone}, ...}
local function xa_scan(KEYS)
    bind()
    local rows, by_name, locks = {}, {}, {}
    local function row(gtrid)
        local r = by_name[gtrid]
        if not r then
            r = {gtrid, 0, 0, 0, 0, ''}
            by_name[gtrid] = r
            rows[#rows + 1] = r
        end
        return r
    end
    local tombs = {}
    for _, name in ipairs(call('HKEYS', KEYS[1])) do
        local kind = name:sub(1, 1)
        if kind == 'U' then
            local gtrid, seq = name:match('^U(.*):(%d+)$')
            local r, n = row(gtrid), tonumber(seq)
            r[2] = r[2] == 0 and n or math.min(r[2], n)
            r[3], r[4] = math.max(r[3], n), r[4] + 1
        elseif kind == 'L' then
            locks[#locks + 1] = name
        elseif kind == 'F' then
            tombs[#tombs + 1] = name
        end
    end
    for _, owner in ipairs(#locks > 0 and get_many(KEYS[1], locks) or {}) do
        row(owner)[5] = row(owner)[5] + 1
    end
    for i, text in ipairs(#tombs > 0 and get_many(KEYS[1], tombs) or {}) do
        row(tombs[i]:sub(2))[6] = text
    end
    return rows
end

-- KEYS ctl. ARGV keep_ms
local function xa_sweep(KEYS, ARGV)
    bind()
    local tombs, old, limit = {}, {}, now() - tonumber(ARGV[1])
    for _, name in ipairs(call('HKEYS', KEYS[1])) do
        if name:sub(1, 1) == 'F' then
            tombs[#tombs + 1] = name
        end
    end
    for i, text in ipairs(#tombs > 0 and get_many(KEYS[1], tombs) or {}) do
        if tonumber(text:match('%d+')) <= limit then
            old[#old + 1] = tombs[i]
        end
    end
    call_many('HDEL', KEYS[1], old)
    return #old
end

-- KEYS ctl. ARGV limit -> {{id, ms, gtrid, seq, key, command, outcome, detail}, ...}
local function xa_conflicts(KEYS, ARGV)
    bind()
    local hash, limit, cursor, rows = KEYS[1]:sub(1, -2) .. 'k', tonumber(ARGV[1]), '0', {}
    repeat
        local page = call('HSCAN', hash, cursor, 'COUNT', 100)
        cursor = page[1]
        for i = 1, #page[2], 2 do
            local v = open(page[2][i + 1])
            if #rows < limit then
                rows[#rows + 1] = {page[2][i], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}
            end
        end
    until cursor == '0' or #rows >= limit
    return rows
end

-- KEYS ctl. ARGV id force
local function xa_settle(KEYS, ARGV)
    bind()
    local hash = KEYS[1]:sub(1, -2) .. 'k'
    local value = call('HGET', hash, ARGV[1])
    if not value then
        return false
    end
    local inv, outcome, detail = open(value)[8], 'dismissed', ''
    if ARGV[2] == '1' then
        local refused = held_by(KEYS[1], {inv[2]}, 1, '')
        if refused then
            return refused
        end
        outcome, detail = take_back(inv, true)
        if outcome ~= 'ok' and outcome ~= 'delta' then
            return fail('ERR still ' .. outcome .. ' ' .. detail)
        end
    end
    drop_shadow(inv)
    call('HDEL', hash, ARGV[1])
    return {ok = outcome}
end

redis.register_function('xa1_do', xa_do)
redis.register_function('xa1_run', xa_run)
redis.register_function{function_name = 'xa1_get', callback = xa_get, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_get_caching', callback = xa_get, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_vote', callback = xa_vote, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_seal', callback = xa_seal, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_end', callback = xa_end, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_epoch', callback = xa_epoch, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_scan', callback = xa_scan, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_sweep', callback = xa_sweep, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_conflicts', callback = xa_conflicts, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_settle', callback = xa_settle, flags = {'allow-oom'}}
