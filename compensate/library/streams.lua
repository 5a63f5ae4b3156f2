---- Streams: an entry added, pending entries acknowledged, groups and consumers made; all else of them is a whole key.

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

-- {'xack', key, expiry, group, then by fours: id, consumer, delivered at, times delivered}
local function pending(key, group, ids)
    local found = {}
    for _, id in ipairs(ids) do
        local one = try('XPENDING', key, group, id, id, 1)
        if failed(one) then
            return nil
        elseif one[1] then
            if #call('XRANGE', key, one[1][1], one[1][1]) == 0 then
                return nil -- nobody can be made to await an entry that is not there
            end
            append(found, {one[1][1], one[1][2], now() - one[1][3], one[1][4]})
        end
    end
    return found
end

function H.xack(c)
    local key, group = c.a[2], c.a[3]
    local ids = unique({unpack(c.a, 4)})
    local found = #ids <= MANY and pending(key, group, ids)
    if not found then
        return H.whole(c)
    end
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    end
    return r, {append({'xack', key, at, group}, found)}
end

function U.xack(inv)
    local key, group, gone = inv[2], inv[4], {}
    local done = settled(inv, true, false)
    if done then
        return done
    end
    for i = 5, #inv, 4 do
        local id, consumer, delivered, times = unpack(inv, i, i + 3)
        local claimed = call('XCLAIM', key, group, consumer, 0, id, 'TIME', integer(delivered), 'RETRYCOUNT', times, 'FORCE',
            'JUSTID')
        if #claimed == 0 then
            gone[#gone + 1] = id
        end
    end
    return #gone > 0 and 'gone' or 'ok', table.concat(gone, ' ')
end

-- {'group', key, expiry, name}, {'consumer', key, expiry, group, name}: taken back while nobody uses them
function H.xgroup(c)
    local key = c.a[3]
    local at = call('PEXPIRETIME', key)
    if at == -2 then
        return H.whole(c)
    end
    local r = run(c)
    if failed(r) or r == 0 then
        return r, {}
    elseif c.a[2]:upper() == 'CREATE' then
        return r, {{'group', key, at, c.a[4]}}
    end
    return r, {{'consumer', key, at, c.a[4], c.a[5]}}
end

-- What XINFO says of the one of that name, as a table.
local function described(list, name)
    for _, flat in ipairs(list) do
        local one = {}
        for i = 1, #flat, 2 do
            one[flat[i]] = flat[i + 1]
        end
        if one.name == name then
            return one
        end
    end
end

function U.group(inv, force)
    local done = settled(inv, true, false)
    if done then
        return done
    end
    local group = described(call('XINFO', 'GROUPS', inv[2]), inv[4])
    if not group then
        return 'gone'
    elseif group.consumers > 0 and not force then
        return 'dirty'
    end
    call('XGROUP', 'DESTROY', inv[2], inv[4])
    return 'ok'
end

function U.consumer(inv, force)
    local done = settled(inv, true, false)
    if done then
        return done
    end
    local consumer = described(call('XINFO', 'CONSUMERS', inv[2], inv[4]), inv[5])
    if not consumer then
        return 'gone'
    elseif consumer.pending > 0 and not force then
        return 'dirty'
    end
    call('XGROUP', 'DELCONSUMER', inv[2], inv[4], inv[5])
    return 'ok'
end
