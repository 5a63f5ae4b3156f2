---- Hashes, by field.

local field_ttl -- whether hash fields may have TTLs: asked once

local function fields_expire(key)
    if field_ttl == nil then
        field_ttl = not failed(try('HPEXPIRETIME', key, 'FIELDS', 1, 'f'))
    end
    return field_ttl
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
