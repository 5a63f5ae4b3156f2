#!lua name=xaproxy1
-- Runs inside Redis: each write of a transaction together with the record of how to take it back, in one atomic step; and the
-- end of a transaction, which uses or drops those records. Which command has which handler is said by commands.def; who calls
-- what when is decided by undo.c. The 1 in every name counts incompatible changes, so that two versions can share a server.
--
-- The control hash of a slot (ctl):
--   L<key>          gtrid that holds the key exclusively, to its end
--   U<gtrid>:<seq>  record of an applied write, packed one behind the other: locked keys (one by itself, else a list), what is
--                   pending of a counter or false, number of shadow keys; then command, reply, inverses, which COMMIT never reads
--                   or "H" and packed locked keys: the husk of one taken back by ROLLBACK TO, which fences its late twin
--   S<key>          what is pending of a counter, by gtrid: escrow.lua
--   F<gtrid>        tombstone "C ms" or "R ms": late writes of an ended transaction bounce
--   E<node>         lowest live epoch of a proxy node's log
-- The sorted set beside it (ctl with a for its last letter) has the marks of actions that were done.
-- The hash beside it (ctl with k for its last letter) keeps conflicts, which only a person removes. Shadow keys
-- <prefix>s:<gtrid>:<seq>:<i> hold whole-key images. Nothing of this has a TTL: what expires by itself is a silent hole.
--
-- An inverse is a flat list {operation, key, ...}. A handler returns reply, inverses; an error reply has changed nothing and
-- leaves no record. Absent values are false. Times are absolute milliseconds, -1 = key without TTL, -2 = no key.

local INLINE = 16384 -- strings up to this many bytes are kept in the record, longer ones by COPY
local MANY = 1000    -- elements up to this many are kept in the record, more by COPY
local ROOM = 65536   -- bytes that a record may have beside images: names, a reply
local ENOUGH = 1048576 -- bytes of replies behind which a pipeline is not gone on with
local SOON = 3600000 -- a TTL that ends within this many ms may take the value with it before the rollback
local EXACT = 9007199254740992 -- numbers of Lua are doubles: from 2^53 on integers are fetched as text

-- Handlers by the names that commands.def gives them. An inverse's operation stands beside the handlers that ask for it; it
-- answers 'ok', 'delta' (right, though somebody else changed the value) or a reason to leave it to a person: 'dirty'
-- (somebody changed it), 'gone' (somebody removed the key), 'lost' (the image is not there any more).
-- The files of this folder are put together in the order that Makemodule.am says.
local H, U = {}, {}

local image_max, image_bytes -- limits of an image: elements, bytes; of the call under way

local call, try, pack, open, open_first -- only there once a function runs
local function bind()
    if not call then
        call, try, pack = redis.call, redis.pcall, cmsgpack.pack
        open, open_first = cmsgpack.unpack, cmsgpack.unpack_limit
    end
end

local function failed(r)
    return type(r) == 'table' and r.err
end

local function fail(text)
    return {err = text}
end

local function integer(n)
    return string.format(n < EXACT and n > -EXACT and '%d' or '%.0f', n)
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

local function unique(keys)
    if #keys == 1 then
        return keys
    end
    local seen, out = {}, {}
    for i = 1, #keys do
        if not seen[keys[i]] then
            seen[keys[i]] = true
            out[#out + 1] = keys[i]
        end
    end
    return out
end

-- call(command, key, list...) for lists longer than Lua can unpack at once. 4000 is even: pairs stay together.
local function call_many(command, key, list)
    for i = 1, #list, 4000 do
        call(command, key, unpack(list, i, math.min(i + 3999, #list)))
    end
end

local function append(out, list, from)
    for i = from or 1, #list do
        out[#out + 1] = list[i]
    end
    return out
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

-- A value as it is compared later: itself, or its digest (which is 40 long, so that the two cannot be mixed up). Absent: false.
local function print_of(v)
    return v and (#v < 40 and v or redis.sha1hex(v))
end

local function expiry(key, at)
    if at > 0 then
        call('PEXPIREAT', key, integer(at))
    end
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

local function shadow_name(ctl, gtrid, seq, i)
    return ctl:sub(1, -2) .. 's:' .. gtrid .. ':' .. seq .. ':' .. i
end

local function new_shadow(c)
    c.shadows = c.shadows + 1
    return shadow_name(c.ctl, c.gtrid, c.seq, c.shadows)
end

local function drop_shadows(ctl, gtrid, seq, n)
    for i = 1, n do
        call('UNLINK', shadow_name(ctl, gtrid, seq, i))
    end
end

local function run(c)
    local r = try(unpack(c.a))
    c.ran = not failed(r)
    if not c.ran then
        drop_shadows(c.ctl, c.gtrid, c.seq, c.shadows)
    end
    return r
end

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

local function shadow_of(inv)
    return (inv[1] == 'whole' or inv[1] == 'aside') and inv[4]
end

local function drop_shadow(inv)
    local s = shadow_of(inv)
    if s then
        call('UNLINK', s)
    end
end
