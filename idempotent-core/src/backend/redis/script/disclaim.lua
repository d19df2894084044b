-- ARGV: scope, key, owner, number of the call. Gives back what a call may have been granted that did not hear of it; what
-- the same owner was granted by a later call stays.
if not held or held.state ~= IN_FLIGHT or held.owner ~= ARGV[3] or held.call ~= tonumber(ARGV[4]) then
  return {'no'}
end
redis.call('DEL', KEYS[1])
return {'yes'}
