-- ARGV: scope, key, owner, number of the call, its last moment, the token that its caller was told of or 0.
-- Gives back what a call may have been granted that did not hear of it, and says whether more of it can arrive. What the
-- same owner was granted by a later call stays, and so does what this one was told of.
if held and held.state == IN_FLIGHT and held.owner == ARGV[3] and held.call == tonumber(ARGV[4])
  and held.token ~= tonumber(ARGV[6]) then
  redis.call('DEL', KEYS[1])
end
local last = tonumber(ARGV[5])
if now > last then
  return {'over'}
end
return {'not yet', last - now, now}
