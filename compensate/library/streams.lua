---- Streams: an entry added; all else of them is a whole key.

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
