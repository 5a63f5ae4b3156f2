---- Hashes, by field.

local field_ttl -- whether hash fields may have TTLs: asked once

local function fields_expire(key)
    if field_ttl == nil then
        local r = try('HPEXPIRETIME', key, 'FIELDS', 1, 'f')
        if failed(r) and r.err:find('NOPERM') then
            error(r)
        end
        field_ttl = not failed(r)
    end
    return field_ttl
end

-- Times to live of fields, false where there is none; nil where no field has one.
local function expiries(key, names)
    if not fields_expire(key) then
        return nil
    end
    local out, any = {}, false
    for i, at in ipairs(call('HPEXPIRETIME', key, 'FIELDS', #names, unpack(names))) do
        out[i] = at > 0 and at
        any = any or out[i]
    end
    return any and out or nil
end

-- {'hash', key, expiry, alive after, then by fives: field, value and expiry before, print of value and expiry after}
local function fields(c, names, expires)
    local key = c.a[2]
    local before = try('HMGET', key, unpack(names))
    if failed(before) then
        return before
    end
    local at = call('PEXPIRETIME', key)
    local ttl = at ~= -2 and expiries(key, names) or nil
    local r = run(c)
    if failed(r) then
        return r
    end
    local after, alive
    if #names == 1 and (c.name == 'HSET' or c.name == 'HMSET') then
        after, alive = {c.a[4]}, 1
    else
        after, alive = call('HMGET', key, unpack(names)), call('EXISTS', key)
    end
    local ttl_after = (ttl or expires) and alive == 1 and expiries(key, names)
    local inv
    for i, name in ipairs(names) do
        local t, t_after = ttl and ttl[i] or false, ttl_after and ttl_after[i] or false
        if before[i] ~= after[i] or t ~= t_after then
            if inv then
                append(inv, {name, before[i], t, print_of(after[i]), t_after})
            else
                inv = {'hash', key, at, alive, name, before[i], t, print_of(after[i]), t_after}
            end
        end
    end
    return r, {inv}
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

-- Behind FIELDS: how many, then these. What is not found there the command will not accept either; if it does, all of it is kept.
local function fields_named(c, step)
    for i = 3, #c.a - 2 do
        local n = c.a[i]:upper() == 'FIELDS' and whole_number(c.a[i + 1])
        if n and n > 0 and i + 1 + n * step <= #c.a then
            local names = {}
            for j = i + 2, i + 1 + n * step, step do
                names[#names + 1] = c.a[j]
            end
            return fields(c, names, true)
        end
    end
    return H.whole(c)
end

function H.hfields(c)
    return fields_named(c, 1)
end

function H.hsetex(c)
    return fields_named(c, 2)
end

-- Whether somebody else changed the field: neither as it was left, nor run out since, nor as it should be again.
local function field_differs(current, t, before, at, after, after_at)
    local value = print_of(current)
    if value == after and t == after_at or not current and (not after or after_at and lapsed(after_at)) then
        return false
    end
    return not (current == before and t == at)
end

function U.hash(inv, force)
    local key = inv[2]
    local done = settled(inv, inv[4] == 1, force)
    if done then
        return done
    end
    local names, set, del, ttl, dirty = {}, {}, {}, {}, {}
    for i = 5, #inv, 5 do
        names[#names + 1] = inv[i]
    end
    local current = call('HMGET', key, unpack(names))
    local current_ttl = call('EXISTS', key) == 1 and expiries(key, names) or {}
    for i, name in ipairs(names) do
        local before, at, after, after_at = unpack(inv, 1 + 5 * i, 4 + 5 * i)
        if not force and field_differs(current[i], current_ttl[i] or false, before, at, after, after_at) then
            dirty[#dirty + 1] = printable(name)
        elseif not before or (at and lapsed(at)) then
            del[#del + 1] = name
        else
            append(set, {name, before})
            ttl[#ttl + 1] = at and {at, name} or nil
        end
    end
    remade(inv, function()
        call_many('HSET', key, set)
        call_many('HDEL', key, del)
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

function U.hincr(inv, force, strict)
    local _, key, at, field, delta, created, after = unpack(inv)
    local v = call('HGET', key, field)
    if not v then
        return lapsed(at) and 'ok' or 'gone'
    elseif created and v == after then
        call('HDEL', key, field)
        return 'ok'
    elseif strict and v ~= after then
        return 'dirty'
    end
    add_back('HINCRBY', delta, key, field)
    return v == after and 'ok' or 'delta'
end
