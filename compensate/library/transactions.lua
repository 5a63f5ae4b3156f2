---- What a transaction calls.

-- One inverse, unable to fail the others.
-- force: over anybody's change; strict: not even a counter's amount.
local function take_back(inv, force, strict)
    local fine, outcome, detail = pcall(function() return U[inv[1]](inv, force, strict) end)
    if fine then
        return outcome, detail or ''
    end
    return 'error', printable(type(outcome) == 'table' and outcome.err or tostring(outcome))
end

local function locked(owner, key)
    return fail('XALOCKED ' .. printable(owner) .. ' ' .. printable(key))
end

-- Appends what tells who has keys[from...]: owners, then what is pending there.
local function ask_for(ask, keys, from)
    for _, kind in ipairs({'L', 'S'}) do
        for i = from, #keys do
            ask[#ask + 1] = kind .. keys[i]
        end
    end
    return ask
end

-- st: the answers, those of ask_for behind `skip`. counts: beside what is pending another count is fine.
local function who_refuses(st, skip, keys, from, gtrid, counts)
    local n = #keys - from + 1
    for i = 1, n do
        local owner, key = st[skip + i], keys[from + i - 1]
        if owner and owner ~= gtrid then
            return locked(owner, key)
        end
        owner = not counts and st[skip + n + i] and other_pending(st[skip + n + i], gtrid)
        if owner then
            return locked(owner, key)
        end
    end
end

local function held_by(ctl, keys, from, gtrid, counts)
    if #keys >= from then
        return who_refuses(call('HMGET', ctl, unpack(ask_for({}, keys, from))), 0, keys, from, gtrid, counts)
    end
end

-- The elements that a command takes are known when it has taken them: too many of them are put back at once.
local function taken_back(invs, size, limit)
    for i = #invs, 1, -1 do
        take_back(invs[i], true)
        drop_shadow(invs[i])
    end
    return fail('XATOOBIG before-image of elements of ' .. integer(size) .. ' bytes exceeds image_max_size (' .. integer(limit)
        .. '); raise image_max_size, or take fewer at a time')
end

local function keep_conflict(ctl, gtrid, seq, i, command, inv, outcome, detail)
    local id = gtrid .. ':' .. integer(seq) .. ':' .. i
    call('HSET', ctl:sub(1, -2) .. 'k', id, pack({now(), gtrid, seq, inv[2], command, outcome, detail, inv}))
end

-- What cannot be taken back by anybody; only dismissed.
function U.nothing()
    return 'lost'
end

-- A handler failed. Before the command ran that is its answer; behind it the effect is there and its record is not: that ends the
-- transaction, and a person is told of each key. It takes an account that loses rights in between.
local function broken(c, ctl, seq, why)
    local text = (type(why) == 'table' and why.err or tostring(why)):gsub('%c', ' ')
    if not c.ran then
        return fail(text:match('^%u+ ') and text or 'ERR ' .. text)
    end
    for i, key in ipairs(c.keys) do
        keep_conflict(ctl, c.gtrid, tonumber(seq), i, c.a[1], {'nothing', key}, 'lost', text)
    end
    return fail('XALOST ' .. text)
end

local terms, n_terms = {}, 0 -- of writes, as they are said: few, and read once

local function read_terms(said)
    local epoch, written, handler, max, bytes, node = said:match('^(%d+) (%d+) (%l+) (%d+) (%d+) (.*)$')
    if n_terms == 1000 then
        terms, n_terms = {}, 0
    end
    n_terms = n_terms + 1
    terms[said] = { -- of eight fields, too
        epoch = tonumber(epoch), fence = 'E' .. node, written = tonumber(written), handler = handler, run = H[handler],
        image_max = tonumber(max), image_bytes = tonumber(bytes), counts = handler == 'escrow',
    }
    return terms[said]
end

-- KEYS ctl, written keys, keys only read. ARGV gtrid seq terms command...; the terms: "epoch written handler image_max
-- image_max_bytes node"
local function xa_do(KEYS, ARGV)
    bind()
    local ctl, gtrid, seq, is = KEYS[1], ARGV[1], ARGV[2], terms[ARGV[3]] or read_terms(ARGV[3])
    local record, st = 'U' .. gtrid .. ':' .. seq, nil
    if #KEYS == 2 then -- as below, without a table: so are most writes
        st = call('HMGET', ctl, is.fence, 'F' .. gtrid, record, 'L' .. KEYS[2], 'S' .. KEYS[2])
    else
        st = call('HMGET', ctl, unpack(ask_for({is.fence, 'F' .. gtrid, record}, KEYS, 2)))
    end
    if st[1] and tonumber(st[1]) > is.epoch then
        return fail('XASTALE epoch ' .. integer(is.epoch) .. ' is over, ' .. st[1] .. ' is the lowest')
    elseif st[2] then
        return fail('XAFENCED ' .. st[2])
    elseif st[3] then
        if st[3]:sub(1, 1) == 'H' then
            return fail('XAFENCED this write was taken back')
        end
        return (select(5, open(st[3])))
    end
    local refused = who_refuses(st, 3, KEYS, 2, gtrid, is.counts)
    if refused then
        return refused
    end
    local a = {unpack(ARGV, 4)}
    local c = { -- of eight fields, which is what a table of Lua is made for
        a = a, keys = is.written == 1 and {KEYS[2]} or unique({unpack(KEYS, 2, 1 + is.written)}), name = a[1], ran = false,
        ctl = ctl, gtrid = gtrid, seq = seq, shadows = 0,
    }
    image_max, image_bytes = is.image_max, is.image_bytes
    if is.counts then
        c.sums = st[5] and open(st[5]) or {}
    end
    local shape
    if W[a[1]] then
        local err
        err, shape = at_once(c)
        if err then
            return fail(err.err)
        end
        c.name = c.a[1]
    end
    local fine, reply, invs = pcall(is.run, c)
    if not fine then
        return broken(c, ctl, seq, reply)
    elseif failed(reply) then
        return fail(reply.err)
    end
    reply = shape and shape(reply) or reply
    local packed = pack(#c.keys == 1 and c.keys[1] or c.keys, c.pending or false, c.shadows, c.name, reply, invs)
    if #packed > image_bytes + ROOM then
        return taken_back(invs, #packed, image_bytes)
    end
    if #KEYS == 2 and st[4] and not c.pending then -- it had the lock
        call('HSET', ctl, record, packed)
        return reply
    end
    local put = {record, packed}
    for i, key in ipairs(c.keys) do
        put[2 * i + 1] = 'L' .. key
        put[2 * i + 2] = gtrid
    end
    if c.pending then
        put[#put + 1] = 'S' .. c.pending[1]
        put[#put + 1] = pack(c.sums)
    end
    call('HSET', ctl, unpack(put))
    return reply
end

-- What only the library has, outside a transaction: nothing is kept of it.
local function run_own(ctl, handler, a)
    if handler == 'escrow' then
        return (H.escrow({a = a, gtrid = '', sums = sums_at(ctl, a[2])}))
    end
    return {ok = 'OK'}
end

local function look(a)
    if a[1] == 'EVAL_RO' then
        return run_script(a, true)
    end
    return a[1] == 'BITFIELD_RO' and too_wide(a) or try(unpack(a))
end

-- Outside a transaction. handler: '' for what is no write.
local function run_now(ctl, handler, a)
    local c = {a = a}
    local err, shape = at_once(c)
    if err then
        return fail(err.err)
    end
    local waits
    a, waits = unblocked(c.a)
    if handler == '' then
        local r = look(a)
        return failed(r) and fail(r.err) or r or nothing(a, waits)
    elseif handler == 'escrow' or handler == 'lock' then
        return run_own(ctl, handler, a)
    elseif handler == 'eval' then
        local r = run_script(a)
        return failed(r) and fail(r.err) or r
    end
    local refused = handler == 'bitfield' and too_wide(a)
    if refused then
        return refused
    end
    local r = try(unpack(a))
    return failed(r) and fail(r.err) or shape and shape(r) or r and exact(a, r) or nothing(a, waits)
end

-- KEYS ctl, keys of the command. ARGV handler command...
local function xa_run(KEYS, ARGV)
    bind()
    return held_by(KEYS[1], KEYS, 2, '', ARGV[1] == 'escrow') or run_now(KEYS[1], ARGV[1], {unpack(ARGV, 2)})
end

-- More keys than Lua can unpack at once.
local function any_held(ctl, keys)
    for i = 2, #keys, 2000 do
        local refused = held_by(ctl, {unpack(keys, i, math.min(i + 1999, #keys))}, 1, '')
        if refused then
            return refused
        end
    end
end

-- KEYS ctl, keys of all commands. ARGV for each: how many words it has, handler or '', its words.
local function xa_series(KEYS, ARGV)
    bind()
    local refused = any_held(KEYS[1], KEYS)
    if refused then
        return refused
    end
    local replies, i = {}, 1
    while ARGV[i] do
        local n = tonumber(ARGV[i])
        local r = run_now(KEYS[1], ARGV[i + 1], {unpack(ARGV, i + 2, i + 1 + n)})
        replies[#replies + 1] = not (failed(r) and r.err:find('^XAEMPTY')) and r or false
        i = i + 2 + n
    end
    return replies
end

-- The first of the n keys behind KEYS[1] that somebody holds; n + 1: none.
local function first_held(KEYS, n)
    if n == 0 then
        return 1
    end
    local st = call('HMGET', KEYS[1], unpack(ask_for({}, {unpack(KEYS, 2, n + 1)}, 1)))
    for i = 1, n do
        if st[i] or st[n + i] and other_pending(st[n + i], '') then
            return i
        end
    end
    return n + 1
end

local function size(r)
    if type(r) == 'string' then
        return #r
    end
    local sum = 16
    for _, element in pairs(type(r) == 'table' and r or {}) do
        sum = sum + size(element)
    end
    return sum
end

-- KEYS ctl, the keys to be looked at of all commands in their order, others. ARGV how many those are; for each command: how many
-- words it has, how many of those keys, handler or '', its words. It stops before the first command whose key is held, and when it
-- has enough to say: what it does not answer was not done.
local function xa_pipeline(KEYS, ARGV)
    bind()
    local held = first_held(KEYS, tonumber(ARGV[1]))
    local replies, bytes, looked, i = {}, 0, 0, 2
    while ARGV[i] and bytes < ENOUGH do
        local n = tonumber(ARGV[i])
        looked = looked + ARGV[i + 1]
        if looked >= held then
            break
        end
        local r = run_now(KEYS[1], ARGV[i + 2], {unpack(ARGV, i + 3, i + 2 + n)})
        replies[#replies + 1] = r or false
        bytes = bytes + size(r)
        i = i + 3 + n
    end
    return replies
end

-- KEYS ctl, keys of the command. ARGV gtrid command...
local function xa_get(KEYS, ARGV)
    bind()
    local refused = held_by(KEYS[1], KEYS, 2, ARGV[1])
    if refused then
        return refused
    end
    return run_now(KEYS[1], '', {unpack(ARGV, 2)})
end

-- KEYS ctl, keys of the command. ARGV command...
local function xa_peek(KEYS, ARGV)
    bind()
    return run_now(KEYS[1], '', {unpack(ARGV)})
end

local function record_names(gtrid, first, last)
    local names = {}
    for seq = first, last do
        names[#names + 1] = 'U' .. gtrid .. ':' .. seq
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

local function forget(e, name, keys)
    e.gone[#e.gone + 1] = name
    if type(keys) == 'string' then
        e.locks[#e.locks + 1] = 'L' .. keys
        return
    end
    for i = 1, #keys do
        e.locks[#e.locks + 1] = 'L' .. keys[i]
    end
end

local function take_back_all(e, seq, command, invs)
    for i = #invs, 1, -1 do
        local outcome, detail = take_back(invs[i], e.force, e.strict)
        if outcome == 'ok' or outcome == 'delta' then
            e.done = e.done + 1
            e.delta = e.delta + (outcome == 'delta' and 1 or 0)
            drop_shadow(invs[i])
        else
            e.conflicts = e.conflicts + 1
            keep_conflict(e.ctl, e.gtrid, seq, i, command, invs[i], outcome, detail)
        end
    end
end

-- Ends one record: takes it back unless the transaction is committed, counts that, and notes what goes with it.
local function end_record(e, seq, name, value)
    if value:byte() == 72 then -- H
        if e.mode ~= 'P' then
            forget(e, name, open(value:sub(2)))
        end
        return
    end
    local _, keys, pending, shadows = open_first(value, 3)
    if e.mode == 'C' then
        drop_shadows(e.ctl, e.gtrid, seq, shadows)
    else
        local command, _, invs = select(4, open(value))
        take_back_all(e, seq, command, invs)
    end
    e.ended = e.ended + 1
    if e.mode == 'P' then
        call('HSET', e.ctl, name, 'H' .. pack(keys))
        if pending then
            drop_pending(e.ctl, e.gtrid, pending)
        end
    else
        e.counted[#e.counted + 1] = pending and pending[1] or nil
        forget(e, name, keys)
    end
end

-- The records that were ended, and the locks of the transaction.
local function release(e, all)
    local names, gone = e.locks, e.gone
    if all then
        for _, name in ipairs(call('HKEYS', e.ctl)) do
            if name:sub(1, 1) == 'L' then
                names[#names + 1] = name
            elseif name:sub(1, 1) == 'S' then
                e.counted[#e.counted + 1] = name:sub(2)
            end
        end
    end
    drop_all_pending(e.ctl, e.gtrid, e.counted)
    for i, owner in ipairs(#names > 0 and get_many(e.ctl, names) or {}) do
        if owner == e.gtrid then
            gone[#gone + 1] = names[i]
        end
    end
    call_many('HDEL', e.ctl, gone)
end

-- Evicted or removed: what the transaction has done to these keys cannot be taken back, nor can it be said what that was.
local function keep_lost(e, keys, from)
    for i = from, #keys do
        if call('EXISTS', keys[i]) == 1 then
            e.conflicts = e.conflicts + 1
            keep_conflict(e.ctl, e.gtrid, 0, i, '?', {'lost', keys[i]}, 'lost', 'Redis has lost the record')
        end
    end
end

function U.lost()
    return 'lost', 'the key can only be put right by hand'
end

-- KEYS ctl. ARGV gtrid mode dirty tombstone all_locks first last [written keys]. Without these it may be repeated any number of times.
local function xa_end(KEYS, ARGV)
    bind()
    local e = {
        ctl = KEYS[1], gtrid = ARGV[1], mode = ARGV[2], force = ARGV[3] == '2', strict = ARGV[3] == '1',
        gone = {}, locks = {}, counted = {}, -- fields of the control hash that go; counters with something pending
        ended = 0, done = 0, delta = 0, conflicts = 0,
    }
    local first, seq = tonumber(ARGV[6]), tonumber(ARGV[7])
    if ARGV[8] and call('EXISTS', e.ctl) == 0 then
        keep_lost(e, ARGV, 8)
    end
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
