-- ARGV: scope, key, outcome, retention or nothing.
if not held or held.state ~= INTERRUPTED then
  return {'no'}
end
held.state, held.token, held.ends = COMPLETED, next_token(), ends_after(ARGV[4])
write(held, ARGV[3])
return {'yes'}
