-- ARGV: scope, key, token, lease.
if not held or held.state ~= IN_FLIGHT or held.token ~= tonumber(ARGV[3]) then
  return {'no'}
end
held.ends = ends_after(ARGV[4])
write(held, '')
return {'yes'}
