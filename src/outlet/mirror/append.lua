-- KEYS[1]: the stream. ARGV[1]: the id that it must end with. ARGV[2]: entries to keep, about. ARGV[3]: the batch.
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
for _, entry in ipairs(cmsgpack.unpack(ARGV[3])) do
    redis.call('XADD', KEYS[1], unpack(entry))
    last = entry[1]
end
redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[2])
return last
