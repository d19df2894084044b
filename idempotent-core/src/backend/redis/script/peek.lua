-- ARGV: scope and key, or nothing for whatever the record says.
if not held then
  return {'none'}
end
local outcome = held.state == COMPLETED and outcome_of(held) or ''
return {'seen', held.state, held.token, held.attempt, scope, key, outcome}
