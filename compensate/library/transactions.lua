---- What a transaction calls.

-- One inverse, unable to fail the others.
local function take_back(inv, force)
    local fine, outcome, detail = pcall(function() return U[inv[1]](inv, force) end)
    if fine then
        return outcome, detail or ''
    end
    return 'error', printable(type(outcome) == 'table' and outcome.err or tostring(outcome))
end

local function shadow_of(inv)
    return (inv[1] == 'whole' or inv[1] == 'aside') and inv[4]
end

local function drop_shadow(inv)
    local s = shadow_of(inv)
    if s then
        call('UNLINK', s)
    end
end

local function held_by(ctl, keys, from, gtrid)
    if #keys < from then
        return nil
    end
    local names = {}
    for i = from, #keys do
        names[#names + 1] = 'L' .. keys[i]
    end
    for i, owner in ipairs(call('HMGET', ctl, unpack(names))) do
        if owner and owner ~= gtrid then
            return fail('XALOCKED ' .. printable(owner) .. ' ' .. printable(keys[from + i - 1]))
        end
    end
end

-- KEYS ctl, written keys, keys only read. ARGV gtrid seq epoch node written handler image_max image_max_bytes command...
local function xa_do(KEYS, ARGV)
    bind()
    local ctl, gtrid, seq = KEYS[1], ARGV[1], ARGV[2]
    local record, n = 'U' .. gtrid .. ':' .. seq, #KEYS
    local ask = {'E' .. ARGV[4], 'F' .. gtrid, record}
    for i = 2, n do
        ask[i + 2] = 'L' .. KEYS[i]
    end
    local st = call('HMGET', ctl, unpack(ask))
    if st[1] and tonumber(st[1]) > tonumber(ARGV[3]) then
        return fail('XASTALE epoch ' .. ARGV[3] .. ' is over, ' .. st[1] .. ' is the lowest')
    elseif st[2] then
        return fail('XAFENCED ' .. st[2])
    elseif st[3] then
        if st[3]:sub(1, 1) == 'H' then
            return fail('XAFENCED this write was taken back')
        end
        return open(st[3])[2]
    end
    for i = 4, n + 2 do
        if st[i] and st[i] ~= gtrid then
            return fail('XALOCKED ' .. printable(st[i]) .. ' ' .. printable(KEYS[i - 2]))
        end
    end
    local written = {}
    for i = 1, tonumber(ARGV[5]) do
        written[i] = KEYS[i + 1]
    end
    written = unique(written, #written)
    local c = {
        a = {unpack(ARGV, 9)}, name = ARGV[9], keys = written,
        image_max = tonumber(ARGV[7]), image_bytes = tonumber(ARGV[8]),
        shadow_prefix = ctl:sub(1, -2) .. 's:' .. gtrid .. ':' .. seq .. ':', shadows = {},
    }
    local reply, invs = H[ARGV[6]](c)
    if failed(reply) then
        return fail(reply.err)
    end
    local put = {record, pack({c.name, reply, written, invs})}
    for i, key in ipairs(written) do
        put[2 * i + 1] = 'L' .. key
        put[2 * i + 2] = gtrid
    end
    call('HSET', ctl, unpack(put))
    return reply
end

-- KEYS ctl, keys of the command. ARGV handler command...
local function xa_run(KEYS, ARGV)
    bind()
    local refused = held_by(KEYS[1], KEYS, 2, '')
    if refused then
        return refused
    end
    local a = {unpack(ARGV, 2)}
    if ARGV[1] == 'bitfield' then
        for i = 3, #a do
            local bits = a[i]:match('^[iu](%d+)$')
            if bits and tonumber(bits) > 53 then
                return fail('XAREFUSED BITFIELD on more than 53 bits, which a script cannot answer exactly')
            end
        end
    end
    local r = try(unpack(a))
    return failed(r) and fail(r.err) or exact(a, r)
end

-- KEYS ctl, keys of the command. ARGV gtrid command...
local function xa_get(KEYS, ARGV)
    bind()
    local refused = held_by(KEYS[1], KEYS, 2, ARGV[1])
    if refused then
        return refused
    end
    local r = try(unpack(ARGV, 2))
    return failed(r) and fail(r.err) or r
end

local function record_names(gtrid, first, last)
    local names = {}
    for seq = first, last do
        names[#names + 1] = 'U' .. gtrid .. ':' .. integer(seq)
    end
    return names
end

-- ARGV gtrid epoch node last acknowledged ("1-5 7"). One acknowledged record's value comes back beside the verdict.
local function votes(ctl, ARGV)
    bind()
    local gtrid, last, expected = ARGV[1], tonumber(ARGV[4]), {}
    local st = call('HMGET', ctl, 'E' .. ARGV[3], 'F' .. gtrid)
    if st[1] and tonumber(st[1]) > tonumber(ARGV[2]) then
        return fail('XASTALE epoch ' .. ARGV[2] .. ' is over, ' .. st[1] .. ' is the lowest')
    elseif st[2] then
        return fail('XAFENCED ' .. st[2])
    end
    for from, to in ARGV[5]:gmatch('(%d+)%-?(%d*)') do
        for seq = tonumber(from), tonumber(to) or tonumber(from) do
            expected[seq] = true
        end
    end
    local wrong, name, value = {}, nil, nil
    local names = record_names(gtrid, 1, last)
    for seq, record in ipairs(last > 0 and get_many(ctl, names) or {}) do
        local stands = record and record:sub(1, 1) ~= 'H' or false
        if stands ~= (expected[seq] or false) and #wrong < 20 then
            wrong[#wrong + 1] = integer(seq)
        elseif stands then
            name, value = names[seq], record
        end
    end
    if #wrong > 0 then
        return fail('XAMISSING ' .. table.concat(wrong, ' '))
    end
    return {ok = 'YES'}, name, value
end

local function xa_vote(KEYS, ARGV)
    return (votes(KEYS[1], ARGV))
end

local function xa_seal(KEYS, ARGV)
    local verdict, name, value = votes(KEYS[1], ARGV)
    if name then
        call('HSET', KEYS[1], name, value)
    end
    return verdict
end

local function keep_conflict(ctl, gtrid, seq, i, command, inv, outcome, detail)
    local id = gtrid .. ':' .. integer(seq) .. ':' .. i
    call('HSET', ctl:sub(1, -2) .. 'k', id, pack({now(), gtrid, seq, inv[2], command, outcome, detail, inv}))
end

-- Ends one record: takes it back where `back` is set, counts into `sum`, adds the keys it locked to `locks`.
local function end_record(e, seq, name, value)
    if value:sub(1, 1) == 'H' then
        if e.mode ~= 'P' then
            call('HDEL', e.ctl, name)
            e.locked[#e.locked + 1] = open(value:sub(2))
        end
        return
    end
    local record = open(value)
    local invs = record[4]
    for i = #invs, 1, -1 do
        if e.mode ~= 'C' then
            local outcome, detail = take_back(invs[i], e.force)
            if outcome == 'ok' or outcome == 'delta' then
                e.done = e.done + 1
                e.delta = e.delta + (outcome == 'delta' and 1 or 0)
                drop_shadow(invs[i])
            else
                e.conflicts = e.conflicts + 1
                keep_conflict(e.ctl, e.gtrid, seq, i, record[1], invs[i], outcome, detail)
            end
        else
            drop_shadow(invs[i])
        end
    end
    e.ended = e.ended + 1
    if e.mode == 'P' then
        call('HSET', e.ctl, name, 'H' .. pack(record[3]))
    else
        call('HDEL', e.ctl, name)
        e.locked[#e.locked + 1] = record[3]
    end
end

local function release(e, all)
    local names = {}
    for _, keys in ipairs(e.locked) do
        for _, key in ipairs(keys) do
            names[#names + 1] = 'L' .. key
        end
    end
    if all then
        for _, name in ipairs(call('HKEYS', e.ctl)) do
            if name:sub(1, 1) == 'L' then
                names[#names + 1] = name
            end
        end
    end
    if #names == 0 then
        return
    end
    local mine = {}
    for i, owner in ipairs(get_many(e.ctl, names)) do
        if owner == e.gtrid then
            mine[#mine + 1] = names[i]
        end
    end
    call_many('HDEL', e.ctl, mine)
end

-- KEYS ctl. ARGV gtrid mode force tombstone all_locks first last. May be repeated any number of times.
local function xa_end(KEYS, ARGV)
    bind()
    local e = {
        ctl = KEYS[1], gtrid = ARGV[1], mode = ARGV[2], force = ARGV[3] == '1', locked = {},
        ended = 0, done = 0, delta = 0, conflicts = 0,
    }
    local first, seq = tonumber(ARGV[6]), tonumber(ARGV[7])
    while seq >= first do
        local from = math.max(first, seq - 499)
        local names = record_names(e.gtrid, from, seq)
        local values = call('HMGET', e.ctl, unpack(names))
        for i = #names, 1, -1 do
            if values[i] then
                end_record(e, from + i - 1, names[i], values[i])
            end
        end
        seq = from - 1
    end
    if e.mode ~= 'P' then
        release(e, ARGV[5] == '1')
        if ARGV[4] == '1' then
            call('HSET', e.ctl, 'F' .. e.gtrid, e.mode .. ' ' .. integer(now()))
        end
    end
    return {e.ended, e.done, e.delta, e.conflicts}
end
