---- Scripts of a client, run inside this function, where each of their commands is looked at before it runs. A function of a library
---- comes as the library's text, whose first line the proxy has made `#!lua function=name`.

-- By command, asked once: whether the server calls it a write, or it sends messages; whether scripts may run it; whether it shows
-- what it names no key of; whether it has one key, its first word.
local known = {}

-- The names before the equals sign are locals of the script: they hide the globals through which it could reach the real redis
-- (`server` is its name in Valkey), and without them no text of a script names a global that it does not write out. The
-- semicolon keeps the script from going on with the expression. Not setfenv: newer servers have none.
local PROLOGUE = 'local KEYS, ARGV, redis, server, _G, load, loadstring, loadfile, dofile, getfenv, setfenv, getmetatable, ' ..
                 'require, module, package, debug, newproxy = ...; '

local HARMLESS = {
    'sha1hex', 'error_reply', 'status_reply', 'log', 'LOG_DEBUG', 'LOG_VERBOSE', 'LOG_NOTICE', 'LOG_WARNING', 'REDIS_VERSION',
    'REDIS_VERSION_NUM',
}

-- What reaches others than the keys that it names: other databases, and keys that SORT makes of elements. true: always; else an
-- option, and what stands in the word behind it.
local REACH = {
    SELECT = true, MOVE = true, MIGRATE = true, COPY = {DB = ''}, SORT = {BY = '*', GET = '*'}, SORT_RO = {BY = '*', GET = '*'},
}

local FEW = 'ERR Wrong number of args calling Redis command from script'

local function look_up(name)
    local info, flags = call('COMMAND', 'INFO', name)[1], {}
    for _, flag in ipairs(info and info[3] or {}) do
        flags[flag.ok] = true
    end
    local one = info and info[4] == 1 and info[5] == 1 and not flags.movablekeys
    local found = {write = flags.write or flags.pubsub or false, never = flags.write and flags.noscript,
        shows = flags.readonly and info[4] == 0 and not flags.movablekeys, one = one or false}
    known[name] = info and found
    return found
end

local function reaches_others(name, ...)
    local options, words = REACH[name], {...}
    if type(options) ~= 'table' then
        return options
    end
    for i = name == 'COPY' and 4 or 3, #words - 1 do
        local behind = options[tostring(words[i]):upper()]
        if behind and tostring(words[i + 1]):find(behind, 1, true) then
            return true
        end
    end
end

local function undeclared(declared, says, ...)
    local word, key = ...
    local name = tostring(word):upper()
    local command = known[name] or look_up(name)
    if command.never then
        return fail('ERR This Redis command is not allowed from script')
    elseif says.read_only and command.write then
        return fail('ERR Write commands are not allowed from read-only scripts.')
    elseif command.shows or reaches_others(name, ...) then
        return fail('XAREFUSED a script may not run ' .. printable(name) .. ' on keys that it did not declare')
    elseif command.one and select('#', ...) == 1 then
        return fail(FEW)
    elseif command.one and declared[key] then
        return nil
    end
    local keys = try('COMMAND', 'GETKEYS', ...)
    if failed(keys) and keys.err:find('number of arguments') then
        return fail(FEW)
    elseif failed(keys) then
        return command.write and fail('XAREFUSED a script may not run ' .. printable(name) .. ': it names no key')
    end
    for _, key in ipairs(keys) do
        if not declared[key] then
            return fail('XAREFUSED a script may not touch the key ' .. printable(key) .. ', which it did not declare')
        end
    end
end

-- A reply in the protocol that the script chose. All that the library asks for itself is in RESP2.
local function reply_to(says, ...)
    if says.protocol ~= 3 then
        return try(...)
    end
    redis.setresp(3)
    local fine, r = pcall(try, ...)
    redis.setresp(2)
    if not fine then
        error(r)
    end
    return r
end

-- What the script sees as `redis`: a table of its own, through which nothing leads to the real one.
local function window(keys, says)
    local declared, out = {}, {}
    for _, key in ipairs(keys) do
        declared[key] = true
    end
    for _, name in ipairs(HARMLESS) do
        out[name] = redis[name]
    end
    out.call = function(...)
        local refused = undeclared(declared, says, ...)
        if refused then
            error(refused)
        elseif says.protocol ~= 3 then
            return call(...)
        end
        local r = reply_to(says, ...)
        return failed(r) and error(r) or r
    end
    out.pcall = function(...)
        return undeclared(declared, says, ...) or reply_to(says, ...)
    end
    out.setresp = function(version)
        says.protocol = tonumber(version)
        if says.protocol ~= 2 and says.protocol ~= 3 then
            error(fail('ERR RESP version must be 2 or 3.'))
        end
    end
    out.replicate_commands = function() return true end
    return out
end

-- What the text of a library has beside that until it is read: functions by name.
local function register(functions)
    return function(name, callback)
        local writes = true
        if type(name) == 'table' then
            for _, flag in ipairs(name.flags or {}) do
                writes = writes and flag ~= 'no-writes'
            end
            name, callback = name.function_name, name.callback
        end
        functions[name] = {run = callback, writes = writes}
    end
end

-- An error that the script threw may be anything, and is looked at before the server's own pcall, which asks its metatable.
local function thrown(r)
    local said = r
    if type(r) == 'table' then
        said = rawget(r, 'err')
    end
    said = type(said) == 'string' and said:gsub('%c', ' ') or 'the script failed without a text'
    return fail(said:match('^%u+ ') and said or 'ERR ' .. said)
end

local FLAGS = {
    ['no-writes'] = true, ['allow-oom'] = true, ['allow-stale'] = true, ['no-cluster'] = true, ['allow-cross-slot-keys'] = true,
}

-- What the first line of a script says, if it begins with #!: flags, as Redis reads them, or the function that is meant; or what
-- is wrong. no-writes is kept to; the others are about when Redis runs a script, and it is this library that it runs.
local function read_shebang(text)
    local says, line = {}, text:match('^(#![^\n]*)\n')
    if not line then
        return says, text:find('^#!') and 'Invalid script shebang'
    end
    local engine, options = line:match('^(%S+)(.*)$')
    if engine ~= '#!lua' then
        return says, 'Unexpected engine in script shebang: ' .. engine
    end
    for option in options:gmatch('%S+') do
        local name, value = option:match('^(%l+)=(.*)$')
        if name == 'function' then
            says.wanted = value
        elseif name ~= 'flags' then
            return says, 'Unknown lua shebang option: ' .. option
        end
        for flag in (name == 'flags' and value or ''):gmatch('[^,]+') do
            if not FLAGS[flag] then
                return says, 'Unexpected flag in script shebang: ' .. flag
            end
            says.read_only = says.read_only or flag == 'no-writes'
        end
    end
    return says
end

local compiled, n_compiled = {}, 0 -- by text: all that a script has comes as its arguments

-- {run, what its first line says}; or nothing, and why.
local function compile(text)
    local says, wrong = read_shebang(text)
    if wrong then
        return nil, wrong
    end
    local chunk, why = loadstring(PROLOGUE .. text:gsub('^#![^\n]*', ''), '@user_script')
    if not chunk then
        return nil, 'Error compiling script: ' .. why
    end
    local script = {run = chunk, says = says}
    if #text > INLINE then
        return script
    elseif n_compiled == 200 then
        compiled, n_compiled = {}, 0
    end
    n_compiled = n_compiled + 1
    compiled[text] = script
    return script
end

local DEEPEST = 6 -- lists in one another that the proxy's parser of replies surely reads, also within a pipeline's

-- By what is in the tables, whatever their metatables say.
local function too_deep(r, left)
    if type(r) ~= 'table' or left == 0 then
        return type(r) == 'table'
    end
    local list = rawget(r, 'map') or rawget(r, 'set')
    for _, element in next, type(list) == 'table' and list or r do
        if too_deep(element, left - 1) then
            return true
        end
    end
end

-- What only this library, a cluster and a server without the library say means something to the proxy: a script cannot say it.
local function said_by_script(r)
    local text = r.err
    local means = text:find('^XA%u') and not text:find('^XAREFUSED ')
    for _, word in ipairs({'MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'READONLY', 'ERR Function not found'}) do
        means = means or text:sub(1, #word) == word
    end
    return means and fail('ERR the script says ' .. text) or r
end

-- EVAL text count keys... arguments...
local function run_script(a, read_only)
    local script, why = compiled[a[2]]
    if not script then
        script, why = compile(a[2])
    end
    if not script then
        return fail('ERR ' .. why:gsub('%c', ' '))
    end
    local n = tonumber(a[3])
    local keys, args = {unpack(a, 4, 3 + n)}, {unpack(a, 4 + n)}
    local says, wanted = {read_only = read_only or script.says.read_only}, script.says.wanted
    local redis, functions = window(keys, says), {}
    redis.register_function = wanted and register(functions)
    local fine, r = xpcall(function()
        local r = script.run(keys, args, redis, redis)
        if wanted then
            redis.register_function = nil
            says.read_only = says.read_only or not functions[wanted].writes
            return functions[wanted].run(keys, args)
        end
        return r
    end, thrown)
    if not fine then
        return said_by_script(r)
    elseif type(r) == 'table' and getmetatable(r) ~= nil and not pcall(setmetatable, r, nil) then
        return fail('ERR a script may not return a table with a protected metatable')
    elseif too_deep(r, DEEPEST) then
        return fail('ERR the reply of a script may have ' .. DEEPEST .. ' lists in one another, not more')
    elseif failed(r) and type(r.err) ~= 'string' then
        return thrown(r)
    elseif failed(r) then
        return said_by_script(r)
    end
    return r == nil and false or r
end

-- A script that fails has done nothing: all that it declared is put back at once.
function H.eval(c)
    local before, err = strings_before(c)
    if err then
        return err
    end
    c.ran = true
    local r = run_script(c.a)
    local fine = failed(r) or pcall(pack, r)
    if failed(r) or not fine then
        for _, inv in ipairs(before) do
            U[inv[1]](inv, true)
            drop_shadow(inv)
        end
        return failed(r) and r or fail('ERR the reply of the script cannot be kept')
    end
    local invs = {}
    for _, inv in ipairs(before) do
        invs[#invs + 1] = string_after(c, inv)
    end
    return r, invs
end
