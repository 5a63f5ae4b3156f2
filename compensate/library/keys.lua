---- Whole keys: images of them, names, times to live.

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
        if size > image_bytes then
            return fail('XATOOBIG before-image of a string of ' .. integer(size) .. ' bytes exceeds image_max_size ('
                .. integer(image_bytes) .. '); raise image_max_size')
        end
    elseif size > image_max then
        return fail('XATOOBIG before-image of a ' .. kind .. ' of ' .. integer(size) .. ' elements exceeds image_max ('
            .. integer(image_max) .. '); raise image_max, or use commands on single elements')
    else
        local bytes = try('MEMORY', 'USAGE', key)
        if type(bytes) == 'number' and bytes > image_bytes + 128 * size then
            return fail('XATOOBIG before-image of a ' .. kind .. ' of about ' .. integer(bytes)
                .. ' bytes exceeds image_max_size (' .. integer(image_bytes) .. '); raise image_max_size')
        end
    end
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
    c.ran = true
    if at > 0 then
        call('PERSIST', key)
    end
    call('RENAME', key, shadow)
    return {'aside', key, at, shadow}
end

local function images(c)
    local invs = {}
    for i, key in ipairs(c.keys) do
        local inv, err = image(c, key)
        if err then
            drop_shadows(c.ctl, c.gtrid, c.seq, c.shadows)
            return nil, err
        end
        invs[i] = inv
    end
    return invs
end

function H.whole(c)
    local invs, err = images(c)
    if err then
        return err
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

-- A time series with rules feeds others, which the command does not name.
function H.series(c)
    for _, key in ipairs(c.keys) do
        local info = try('TS.INFO', key)
        for i = 1, failed(info) and 0 or #info, 2 do
            if info[i] == 'rules' and #info[i + 1] > 0 then
                return fail('XAREFUSED the series ' .. printable(key) .. ' has rules that write to others;'
                    .. ' delete the rules, or write outside a transaction')
            end
        end
    end
    return H.whole(c)
end

function H.copy(c)
    for i = 4, #c.a do
        if c.a[i]:upper() == 'DB' then
            return fail('XAREFUSED COPY into another database')
        end
    end
    return H.whole(c)
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

function H.del(c)
    local invs = {}
    for _, key in ipairs(c.keys) do
        invs[#invs + 1] = aside(c, key)
    end
    return #invs, invs
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
