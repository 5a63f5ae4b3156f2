---- Strings and counters.

-- {'string', key, before, its expiry, print of after, its expiry}
local function strings_before(c)
    local invs = {}
    for i, key in ipairs(c.keys) do
        local v, err = try('GET', key), nil
        if failed(v) or (v and #v > INLINE) then
            invs[i], err = image(c, key)
        else
            invs[i] = {'string', key, v, v and call('PEXPIRETIME', key) or -2}
        end
        if err then
            drop_shadows(c.ctl, c.gtrid, c.seq, c.shadows)
            return nil, err
        end
    end
    return invs
end

-- What was a string or nothing and is of another type now: as if it had been set aside.
local function string_no_more(c, inv)
    local shadow = inv[3] and new_shadow(c)
    if shadow then
        call('SET', shadow, inv[3])
    end
    return seen_after({'whole', inv[2], inv[4], shadow, false})
end

local function string_after(c, inv, plain)
    if inv[1] == 'whole' then
        return seen_after(inv)
    elseif plain then
        inv[5], inv[6] = print_of(plain), -1
    else
        local v = try('GET', inv[2])
        if failed(v) then
            return string_no_more(c, inv)
        end
        inv[5] = print_of(v)
        inv[6] = v and call('PEXPIRETIME', inv[2]) or -2
    end
    if inv[5] == print_of(inv[3]) and inv[6] == inv[4] then
        return nil
    end
    return inv
end

function H.string(c)
    local before, err = strings_before(c)
    if err then
        return err
    end
    local r = run(c)
    if failed(r) then
        return r
    end
    local plain = #c.a == 3 and c.name == 'SET' and c.a[3]
    local invs = {}
    for _, inv in ipairs(before) do
        invs[#invs + 1] = string_after(c, inv, plain)
    end
    return r, invs
end

local function too_wide(a)
    for i = 3, #a do
        local bits = a[i]:match('^[iu](%d+)$')
        if bits and tonumber(bits) > 53 then
            return fail('XAREFUSED BITFIELD on more than 53 bits, which a script cannot answer exactly')
        end
    end
end

function H.bitfield(c)
    local refused = too_wide(c.a)
    if refused then
        return refused
    end
    return H.string(c)
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

-- {'bytes', key, expiry, offset, bytes before, print of bytes after, how many, length before, length after}; length before: -1
-- without a key
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
    if math.min(n, length - off) > image_bytes then
        return fail('XATOOBIG before-image of ' .. integer(n) .. ' bytes exceeds image_max_size (' .. integer(image_bytes)
            .. '); raise image_max_size')
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

function U.incr(inv, force, strict)
    local _, key, at, delta, created, after = unpack(inv)
    local v = call('GET', key)
    if not v then
        return lapsed(at) and 'ok' or 'gone'
    elseif created and v == after then
        call('DEL', key)
        return 'ok'
    elseif strict and v ~= after then
        return 'dirty'
    end
    add_back('INCRBY', delta, key)
    return v == after and 'ok' or 'delta'
end
