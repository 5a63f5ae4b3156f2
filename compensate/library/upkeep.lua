---- What recovery, sweeps and people call; and the names of all functions.

-- KEYS ctl. ARGV node epoch
local function xa_epoch(KEYS, ARGV)
    bind()
    local field = 'E' .. ARGV[1]
    local lowest = tonumber(call('HGET', KEYS[1], field) or '0')
    if tonumber(ARGV[2]) > lowest then
        call('HSET', KEYS[1], field, ARGV[2])
        lowest = tonumber(ARGV[2])
    end
    return lowest
end

-- KEYS ctl. -> {{gtrid, first, last, records, locks, tombstone}, ...}
local function xa_scan(KEYS)
    bind()
    local rows, by_name, locks = {}, {}, {}
    local function row(gtrid)
        local r = by_name[gtrid]
        if not r then
            r = {gtrid, 0, 0, 0, 0, ''}
            by_name[gtrid] = r
            rows[#rows + 1] = r
        end
        return r
    end
    local tombs, sums = {}, {}
    for _, name in ipairs(call('HKEYS', KEYS[1])) do
        local kind = name:sub(1, 1)
        if kind == 'U' then
            local gtrid, seq = name:match('^U(.*):(%d+)$')
            local r, n = row(gtrid), tonumber(seq)
            r[2] = r[2] == 0 and n or math.min(r[2], n)
            r[3], r[4] = math.max(r[3], n), r[4] + 1
        elseif kind == 'L' then
            locks[#locks + 1] = name
        elseif kind == 'S' then
            sums[#sums + 1] = name
        elseif kind == 'F' then
            tombs[#tombs + 1] = name
        end
    end
    for _, owner in ipairs(#locks > 0 and get_many(KEYS[1], locks) or {}) do
        row(owner)[5] = row(owner)[5] + 1
    end
    for _, value in ipairs(#sums > 0 and get_many(KEYS[1], sums) or {}) do
        for owner in pairs(open(value)) do
            row(owner)[5] = row(owner)[5] + 1
        end
    end
    for i, text in ipairs(#tombs > 0 and get_many(KEYS[1], tombs) or {}) do
        row(tombs[i]:sub(2))[6] = text
    end
    return rows
end

-- KEYS ctl. ARGV keep_ms marks_keep_ms. Who says nothing of marks removes none.
local function xa_sweep(KEYS, ARGV)
    bind()
    local tombs, old, limit = {}, {}, now() - tonumber(ARGV[1])
    for _, name in ipairs(call('HKEYS', KEYS[1])) do
        if name:sub(1, 1) == 'F' then
            tombs[#tombs + 1] = name
        end
    end
    for i, text in ipairs(#tombs > 0 and get_many(KEYS[1], tombs) or {}) do
        if tonumber(text:match('%d+')) <= limit then
            old[#old + 1] = tombs[i]
        end
    end
    call_many('HDEL', KEYS[1], old)
    if not ARGV[2] then
        return #old
    end
    return #old + call('ZREMRANGEBYSCORE', acted(KEYS[1]), '-inf', integer(now() - tonumber(ARGV[2])))
end

-- KEYS ctl. ARGV limit -> {{id, ms, gtrid, seq, key, command, outcome, detail}, ...}
local function xa_conflicts(KEYS, ARGV)
    bind()
    local hash, limit, cursor, rows = KEYS[1]:sub(1, -2) .. 'k', tonumber(ARGV[1]), '0', {}
    repeat
        local page = call('HSCAN', hash, cursor, 'COUNT', 100)
        cursor = page[1]
        for i = 1, #page[2], 2 do
            local v = open(page[2][i + 1])
            if #rows < limit then
                rows[#rows + 1] = {page[2][i], v[1], v[2], v[3], v[4], v[5], v[6], v[7]}
            end
        end
    until cursor == '0' or #rows >= limit
    return rows
end

-- KEYS ctl. ARGV id how dirty
local function xa_settle(KEYS, ARGV)
    bind()
    local hash = KEYS[1]:sub(1, -2) .. 'k'
    local value = call('HGET', hash, ARGV[1])
    if not value then
        return false
    end
    local kept = open(value)
    local inv, outcome, detail = kept[8], 'dismissed', ''
    if ARGV[2] ~= '0' then
        local refused = held_by(KEYS[1], {inv[2]}, 1, '')
        if refused then
            return refused
        end
        outcome, detail = take_back(inv, ARGV[2] == '2', ARGV[2] == '1' and ARGV[3] == '1')
        if outcome ~= 'ok' and outcome ~= 'delta' then
            kept[6], kept[7] = outcome, detail
            call('HSET', hash, ARGV[1], pack(kept))
            return fail('ERR still ' .. outcome .. ' ' .. detail)
        end
    end
    drop_shadow(inv)
    call('HDEL', hash, ARGV[1])
    return {ok = outcome}
end

redis.register_function('xa1_do', xa_do)
redis.register_function('xa1_run', xa_run)
redis.register_function{function_name = 'xa1_run_freeing', callback = xa_run, flags = {'allow-oom'}}
redis.register_function('xa1_series', xa_series)
redis.register_function{function_name = 'xa1_series_freeing', callback = xa_series, flags = {'allow-oom'}}
redis.register_function('xa1_pipeline', xa_pipeline)
redis.register_function{function_name = 'xa1_pipeline_freeing', callback = xa_pipeline, flags = {'allow-oom'}}
redis.register_function('xa1_act', xa_act)
redis.register_function{function_name = 'xa1_act_freeing', callback = xa_act, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_peek', callback = xa_peek, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_get', callback = xa_get, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_get_caching', callback = xa_get, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_vote', callback = xa_vote, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_seal', callback = xa_seal, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_end', callback = xa_end, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_epoch', callback = xa_epoch, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_scan', callback = xa_scan, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_sweep', callback = xa_sweep, flags = {'allow-oom'}}
redis.register_function{function_name = 'xa1_conflicts', callback = xa_conflicts, flags = {'no-writes'}}
redis.register_function{function_name = 'xa1_settle', callback = xa_settle, flags = {'allow-oom'}}
