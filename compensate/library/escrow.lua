---- Counters that several transactions change at once: XAINCR key [field] delta min max, '' = no bound. No key is locked: what is
-- pending is kept per key (S<key> of the control hash: {gtrid = {field = {increments, decrements}}}), and a change is refused when the
-- bound would not hold for every outcome of the others.

local function number_at(key, field)
    local v
    if field then
        v = try('HGET', key, field)
    else
        v = try('GET', key)
    end
    if failed(v) then
        return nil, v
    end
    local n = v and whole_number(v)
    if v and not n then
        return nil, fail('ERR ' .. (field and 'hash ' or '') .. 'value is not an integer')
    end
    return n or 0, nil, v
end

-- What others may still add, and take away.
local function pending(sums, gtrid, field)
    local add, take = 0, 0
    for owner, fields in pairs(sums) do
        local f = owner ~= gtrid and fields[field]
        if f then
            add, take = add + f[1], take + f[2]
        end
    end
    return add, take
end

local function out_of_bound(key, value, bound, word, worst)
    return fail('XABOUND ' .. printable(key) .. ' could become ' .. integer(worst) .. ', ' .. word .. ' ' .. integer(bound)
        .. '; it is ' .. integer(value) .. ' now')
end

local function refuse_escrow(c, key, field, value, delta)
    local n = #c.a
    local min, max = c.a[n - 1], c.a[n]
    local low, high = whole_number(min), whole_number(max)
    if (min ~= '' and not low) or (max ~= '' and not high) then
        return fail('ERR a bound of XAINCR is an integer, or none')
    end
    local add, take = pending(c.sums, c.gtrid, field or '')
    for _, v in ipairs({value, delta, low or 0, high or 0, value + delta, add, take}) do
        if v >= EXACT or v <= -EXACT then
            return fail('XAREFUSED XAINCR of numbers beyond 2^53, which a script cannot add exactly')
        end
    end
    if low and delta < 0 and value - add + delta < low then
        return out_of_bound(key, value, low, 'below', value - add + delta)
    elseif high and delta > 0 and value + take + delta > high then
        return out_of_bound(key, value, high, 'above', value + take + delta)
    end
end

local function note_pending(sums, gtrid, field, delta)
    local mine = sums[gtrid] or {}
    local f = mine[field] or {0, 0}
    f[delta < 0 and 2 or 1] = f[delta < 0 and 2 or 1] + math.abs(delta)
    mine[field] = f
    sums[gtrid] = mine
end

local function add_to(key, field, delta)
    if field then
        return call('HINCRBY', key, field, integer(delta))
    end
    return call('INCRBY', key, integer(delta))
end

-- {'escrow', key, expiry, field or false, delta back}
function H.escrow(c)
    local n, key = #c.a, c.a[2]
    if n > 6 then
        return fail('ERR XAINCR takes a key, perhaps a field, an amount, and two bounds')
    end
    local field, delta = n == 6 and c.a[3], whole_number(c.a[n - 2])
    if not delta then
        return fail('ERR the amount of XAINCR is not an integer')
    end
    local value, err, before = number_at(key, field)
    err = err or refuse_escrow(c, key, field, value, delta)
    if err then
        return err
    end
    local at = before and call('PEXPIRETIME', key) or -1
    local r = add_to(key, field, delta)
    note_pending(c.sums, c.gtrid, field or '', delta)
    c.keys, c.pending = {}, {key, field or '', delta}
    return r, {{'escrow', key, at, field, -delta}}
end

-- A counter that was created stays, as 0: others may have counted on.
function U.escrow(inv)
    local _, key, at, field, back = unpack(inv)
    local there
    if field then
        there = call('HEXISTS', key, field) == 1
    else
        there = call('EXISTS', key) == 1
    end
    if not there then
        return lapsed(at) and 'ok' or 'gone'
    end
    add_to(key, field, back)
    return 'ok'
end

local function put_sums(ctl, key, sums)
    if next(sums) then
        call('HSET', ctl, 'S' .. key, pack(sums))
    else
        call('HDEL', ctl, 'S' .. key)
    end
end

local function sums_at(ctl, key)
    local v = call('HGET', ctl, 'S' .. key)
    return v and open(v) or {}
end

-- ROLLBACK TO: this one is pending no more.
local function drop_pending(ctl, gtrid, one)
    local key, field, delta = unpack(one)
    local sums = sums_at(ctl, key)
    local f = sums[gtrid] and sums[gtrid][field]
    if f then
        f[delta < 0 and 2 or 1] = f[delta < 0 and 2 or 1] - math.abs(delta)
        if f[1] == 0 and f[2] == 0 then
            sums[gtrid][field] = nil
        end
        if not next(sums[gtrid]) then
            sums[gtrid] = nil
        end
        put_sums(ctl, key, sums)
    end
end

local function drop_all_pending(ctl, gtrid, keys)
    for _, key in ipairs(keys) do
        local sums = sums_at(ctl, key)
        if sums[gtrid] then
            sums[gtrid] = nil
            put_sums(ctl, key, sums)
        end
    end
end

-- Whoever else has something pending there.
local function other_pending(value, gtrid)
    for owner in pairs(value and open(value) or {}) do
        if owner ~= gtrid then
            return owner
        end
    end
end

-- XALOCK: what is locked is said by its keys, and nothing is to be taken back.
function H.lock()
    return {ok = 'OK'}, {}
end
