---- Sets and sorted sets, by member.

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
    return r, {append({'set', key, at, call('EXISTS', key), 'removed'}, type(r) == 'table' and r or {r})}
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

function U.set(inv, force)
    local key, list = inv[2], append({}, inv, 6)
    local done = settled(inv, inv[4] == 1, force)
    if done then
        return done
    end
    if inv[5] == 'removed' then
        remade(inv, function() call_many('SADD', key, list) end)
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

local function scores_of(key, names)
    local out = {}
    for i = 1, #names, 4000 do
        append(out, call('ZMSCORE', key, unpack(names, i, math.min(i + 3999, #names))))
    end
    return out
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
    local current = scores_of(key, names)
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
        call_many('ZADD', key, set)
        call_many('ZREM', key, del)
    end)
    return #dirty > 0 and 'dirty' or 'ok', table.concat(dirty, ' ')
end
