---- What is done once, after a transaction's outcome.

-- Beside the control hash (its name with a for the last letter): a sorted set of "<gtrid>:<seq>" by the time at which it was done.
local function acted(ctl)
    return ctl:sub(1, -2) .. 'a'
end

-- KEYS ctl, keys of the command. ARGV gtrid seq owner-of-locks command... A second time it does nothing.
local function xa_act(KEYS, ARGV)
    bind()
    local name = ARGV[1] .. ':' .. ARGV[2]
    if call('ZSCORE', acted(KEYS[1]), name) then
        call('ZADD', acted(KEYS[1]), now(), name) -- a write, or a WAIT behind this would wait for nothing
        return {ok = 'BEFORE'}
    end
    local refused = held_by(KEYS[1], KEYS, 2, ARGV[3])
    if refused then
        return refused
    end
    local a = {unpack(ARGV, 4)}
    if a[1] == 'XADD' then -- for consumers: what is delivered again bears the same name
        a[#a + 1] = 'xa-id'
        a[#a + 1] = name
    end
    local r = try(unpack(a))
    if failed(r) then
        return fail(r.err)
    end
    call('ZADD', acted(KEYS[1]), now(), name)
    return {ok = 'OK'}
end
