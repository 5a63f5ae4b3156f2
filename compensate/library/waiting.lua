---- Commands that wait for an element or an entry, without the waiting: the proxy asks again, and nobody holds anything meanwhile.

-- By name: the command that takes what is there, the keys that it touches, and its reply as the waiting one gives it; nothing
-- where all keys are empty; an error where a key is of another type.
local W = {}

local function first_filled(counter, keys)
    for _, key in ipairs(keys) do
        local n = try(counter, key)
        if failed(n) then
            return n
        elseif n > 0 then
            return key
        end
    end
end

local function popping(counter, command)
    return function(a)
        local key = first_filled(counter, {unpack(a, 2, #a - 1)})
        if not key or failed(key) then
            return key
        end
        return {command, key}, {key}, function(r) return type(r) == 'table' and {key, r[1], r[2]} or {key, r} end
    end
end

W.BLPOP, W.BRPOP = popping('LLEN', 'LPOP'), popping('LLEN', 'RPOP')
W.BZPOPMIN, W.BZPOPMAX = popping('ZCARD', 'ZPOPMIN'), popping('ZCARD', 'ZPOPMAX')

local function popping_many(counter, command)
    return function(a)
        local n = tonumber(a[3])
        local key = first_filled(counter, {unpack(a, 4, 3 + n)})
        if not key or failed(key) then
            return key
        end
        return {command, '1', key, unpack(a, 4 + n)}, {key}
    end
end

W.BLMPOP, W.BZMPOP = popping_many('LLEN', 'LMPOP'), popping_many('ZCARD', 'ZMPOP')

local function moving(command)
    return function(a)
        local key = first_filled('LLEN', {a[2]})
        if not key or failed(key) then
            return key
        end
        return {command, unpack(a, 2, #a - 1)}, unique({a[2], a[3]})
    end
end

W.BLMOVE, W.BRPOPLPUSH = moving('LMOVE'), moving('RPOPLPUSH')

-- Puts into `c` what its command is now. Returns an error, and what makes the reply.
local function at_once(c)
    local waiting = W[c.a[1]]
    if not waiting then
        return nil
    end
    local now_do, keys, shape = waiting(c.a)
    if failed(now_do) then
        return now_do
    elseif not now_do then
        return fail('XAEMPTY')
    end
    c.a, c.keys = now_do, keys
    return nil, shape
end

-- XREAD and XREADGROUP without BLOCK, which no function may say, and whether they said it.
local function unblocked(a)
    local i = 2
    while (a[1] == 'XREAD' or a[1] == 'XREADGROUP') and a[i] and a[i]:upper() ~= 'STREAMS' do
        local word = a[i]:upper()
        if word == 'BLOCK' then
            return append({unpack(a, 1, i - 1)}, {unpack(a, i + 2)}), true
        end
        i = i + (word == 'GROUP' and 3 or word == 'COUNT' and 2 or 1)
    end
    return a, false
end

local function last_id(key)
    local info = try('XINFO', 'STREAM', key)
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then
            return info[i + 1]
        end
    end
    return '0-0'
end

-- What is answered instead of nil where it would have waited. XREAD is told what its ids stand for, since $ is what was last when it
-- began.
local function nothing(a, waits)
    if not waits then
        return false
    elseif a[1] ~= 'XREAD' then
        return fail('XAEMPTY')
    end
    local said, first = {'XAEMPTY'}, 2
    while a[first]:upper() ~= 'STREAMS' do
        first = first + 2
    end
    local n = (#a - first) / 2
    for i = first + n + 1, #a do
        said[#said + 1] = a[i] == '$' and last_id(a[i - n]) or a[i]
    end
    return fail(table.concat(said, ' '))
end
