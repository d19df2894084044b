-- ARGV: scope, key. What cannot be read can be forgotten.
if bytes then
  redis.call('DEL', KEYS[1])
end
return {(held or unreadable) and 'yes' or 'no'}
