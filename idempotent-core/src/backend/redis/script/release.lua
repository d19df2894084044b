-- ARGV: scope, key, token, `free` or `interrupt`.
if not held or held.state ~= IN_FLIGHT or held.token ~= tonumber(ARGV[3]) then
  return {'no'}
end
if ARGV[4] == 'free' then
  redis.call('DEL', KEYS[1])
else
  held.state = INTERRUPTED
  write(held, '')
end
return {'yes'}
