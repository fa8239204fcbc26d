-- KEYS[1]: the stream. ARGV[1]: the id that it must end with. ARGV[2]: the batch, which is commands as Redis reads them.
-- Answers the id that it ends with afterwards. Whatever it does not expect to be there, it leaves as it is: a batch that
-- was held up on its way must not be appended to a stream that was emptied meanwhile.
local last = '0-0'
-- Not EXISTS: whoever may only work with streams may not ask that.
local info = redis.pcall('XINFO', 'STREAM', KEYS[1])
if not info.err then
    for i = 1, #info, 2 do
        if info[i] == 'last-generated-id' then last = info[i + 1] end
    end
elseif not string.find(info.err, 'no such key', 1, true) then
    return info
end
if last ~= ARGV[1] then return last end
local batch, at = ARGV[2], 1
local function length()
    local ends = string.find(batch, '\r\n', at, true)
    local number = tonumber(string.sub(batch, at + 1, ends - 1))
    at = ends + 2
    return number
end
while at <= #batch do
    local command = {}
    for i = 1, length() do
        local size = length()
        command[i] = string.sub(batch, at, at + size - 1)
        at = at + size + 2
    end
    -- The others make it one transaction, which a script is by itself.
    if command[1] == 'XADD' then last = command[3] end
    if command[1] == 'XADD' or command[1] == 'XTRIM' then redis.call(unpack(command)) end
end
return last
