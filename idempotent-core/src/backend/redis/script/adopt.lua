-- ARGV: scope, key, owner, whether there is a fingerprint, fingerprint, retries or -1 for any number, outcome,
-- retention or nothing.
local owner, marked, fingerprint, retries = ARGV[3], tonumber(ARGV[4]), ARGV[5], tonumber(ARGV[6])
local attempt = 1
if held then
  if held.marked ~= marked or held.fingerprint ~= fingerprint then
    return {'mismatch'}
  elseif held.state == COMPLETED then
    return {'completed', outcome_of(held)}
  elseif held.state == INTERRUPTED then
    return {'interrupted'}
  elseif held.owner ~= owner then
    if held.ends > now then
      return {'in flight', held.ends - now}
    elseif retries >= 0 and held.attempt > retries then
      held.state = INTERRUPTED
      write(held, '')
      return {'interrupted'}
    end
  end
  -- No body runs, so the attempt stays.
  attempt = held.attempt
end
write({
  state = COMPLETED, marked = marked, token = next_token(), attempt = attempt, ends = ends_after(ARGV[8]),
  call = held and held.call or 0, owner = owner, fingerprint = fingerprint,
}, ARGV[7])
return {'recorded'}
