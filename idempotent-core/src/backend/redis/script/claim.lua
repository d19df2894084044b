-- ARGV: scope, key, owner, whether there is a fingerprint, fingerprint, lease, retries or -1 for any number,
-- number of the call, its last moment. What arrives after that takes nothing: nobody waits for it any more.
if now > tonumber(ARGV[9]) then
  return {'late', now}
end
local owner, marked, fingerprint = ARGV[3], tonumber(ARGV[4]), ARGV[5]
local retries, call = tonumber(ARGV[7]), tonumber(ARGV[8])
local attempt = 1
if held then
  if held.marked ~= marked or held.fingerprint ~= fingerprint then
    return {'mismatch'}
  elseif held.state == COMPLETED then
    return {'completed', outcome_of(held)}
  elseif held.state == INTERRUPTED then
    return {'interrupted'}
  elseif held.owner == owner then
    -- The body begins only now, so the lease does too.
    held.ends, held.call = ends_after(ARGV[6]), math.max(held.call, call)
    write(held, '')
    return {'granted', held.token, held.attempt}
  elseif held.ends > now then
    return {'in flight', held.ends - now}
  elseif retries >= 0 and held.attempt > retries then
    held.state = INTERRUPTED
    write(held, '')
    return {'interrupted'}
  end
  attempt = math.min(held.attempt + 1, 4294967295)
end
local granted = {
  state = IN_FLIGHT, marked = marked, token = next_token(), attempt = attempt, ends = ends_after(ARGV[6]),
  call = call, owner = owner, fingerprint = fingerprint,
}
write(granted, '')
return {'granted', granted.token, attempt}
