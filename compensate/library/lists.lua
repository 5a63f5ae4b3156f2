---- Lists, by place.

local function push_all(command, key, list, from, to, step)
    local out = {}
    for i = from, to, step do
        out[#out + 1] = list[i]
    end
    call_many(command, key, out)
end

-- Positions in a list mean something only while the list is as it was left.
local function list_differs(inv, length, force)
    return settled(inv, length > 0, force) or (not force and call('LLEN', inv[2]) ~= length and 'dirty') or nil
end

-- {'push', key, expiry, 'LEFT' | 'RIGHT', prints of the elements as they stand now...}
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
            inv[#inv + 1] = print_of(c.a[i])
        end
    else
        for i = 3, #c.a do
            inv[#inv + 1] = print_of(c.a[i])
        end
    end
    return r, {inv}
end

function U.push(inv)
    local key, side, n = inv[2], inv[4], #inv - 4
    local done = settled(inv, true, false)
    if done then
        return done
    end
    local now_there = side == 'LEFT' and call('LRANGE', key, 0, n - 1) or call('LRANGE', key, -n, -1)
    for i = 1, n do
        if print_of(now_there[i] or false) ~= inv[4 + i] then
            return 'dirty'
        end
    end
    call(side == 'LEFT' and 'LPOP' or 'RPOP', key, n)
    return 'ok'
end

-- {'pop', key, expiry, length after, 'LEFT' | 'RIGHT', elements in the order they were taken...}
function H.lpop(c)
    local key = c.a[2]
    local at = call('PEXPIRETIME', key)
    local r = run(c)
    if failed(r) or not r or (type(r) == 'table' and #r == 0) then
        return r, {}
    end
    local side = c.name == 'LPOP' and 'LEFT' or 'RIGHT'
    return r, {append({'pop', key, at, call('LLEN', key), side}, type(r) == 'table' and r or {r})}
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
        return r, {append({'pop', key, at[key], call('LLEN', key), side}, r[2])}
    end
    local flat = {}
    for _, pair in ipairs(r[2]) do
        flat[#flat + 1] = pair[1]
        flat[#flat + 1] = pair[2]
    end
    return r, {scores_gone(key, at[key], flat)}
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

-- {'lset', key, expiry, index, before, print of after, length}
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
    return r, {{'lset', key, at, i, before, print_of(c.a[4]), length}}
end

function U.lset(inv, force)
    local _, key, _, i, before, after, length = unpack(inv)
    local differs = list_differs(inv, length, force)
    if differs then
        return differs
    elseif not force and print_of(call('LINDEX', key, integer(i))) ~= after then
        return 'dirty'
    end
    call('LSET', key, integer(i), before)
    return 'ok'
end

-- A text that no list holds, to point at one place of it.
local function mark_for(inv)
    return 'xa\0mark\0' .. redis.sha1hex(pack(inv))
end

-- {'linsert', key, expiry, index, print of element, length after}
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
    return r, {{'linsert', key, at, c.a[3]:upper() == 'AFTER' and i + 1 or i, print_of(c.a[5]), r}}
end

function U.linsert(inv, force)
    local _, key, _, i, element, length = unpack(inv)
    local differs = list_differs(inv, length, force)
    if differs then
        return differs
    elseif print_of(call('LINDEX', key, integer(i))) ~= element then
        return 'dirty'
    end
    local mark = mark_for(inv)
    call('LSET', key, integer(i), mark)
    call('LREM', key, 1, mark)
    return 'ok'
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
