-- ARGV: scope, key, token, outcome, retention or nothing, whether there is a fingerprint, fingerprint.
local token = tonumber(ARGV[3])
if not held then
  return {'lost'}
elseif held.state == COMPLETED and held.token == token then
  return {'done'}
elseif held.state == COMPLETED and held.marked == tonumber(ARGV[6]) and held.fingerprint == ARGV[7] then
  return {'superseded', outcome_of(held)}
elseif held.state == COMPLETED or held.token ~= token then
  return {'lost'}
end
held.state, held.ends = COMPLETED, ends_after(ARGV[5])
write(held, ARGV[4])
return {'done'}
