-- What every verb begins with: the record under KEYS[1] (and under KEYS[2], for verbs that take one, the last token), and the server's time in microseconds. There is no `held` where
-- there is no record, or where its retention is over; `last` is the last token in either case.
-- ARGV[1] and ARGV[2] are the scope and the key.
local IN_FLIGHT, COMPLETED, INTERRUPTED = 1, 2, 3
local HEADER = 71
local scope, key = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local bytes = redis.call('GET', KEYS[1])
local held, unreadable, last = nil, false, 0

if bytes then
  unreadable = true
  if #bytes >= HEADER and string.byte(bytes, 1) == 1 then
    local _, state, marked, token, attempt, ends, call, owner, fingerprint, scoped, keyed, at =
      struct.unpack('>BBBI8I4I8I8c16c16I4I4', bytes)
    local place = at + scoped + keyed
    if state >= IN_FLIGHT and state <= INTERRUPTED and place <= #bytes + 1 then
      local its_scope = string.sub(bytes, at, at + scoped - 1)
      local its_key = string.sub(bytes, at + scoped, place - 1)
      scope, key = scope or its_scope, key or its_key
      unreadable = its_scope ~= scope or its_key ~= key
      last = token
      if state ~= COMPLETED or ends == 0 or ends > now then
        held = {
          state = state, marked = marked, token = token, attempt = attempt, ends = ends,
          call = call, owner = owner, fingerprint = fingerprint, outcome = place,
        }
      end
    end
  end
end

local function outcome_of(record)
  return string.sub(bytes, record.outcome)
end

-- A token is never given twice for a key: not while there is a record, and not after it is gone, since KEYS[2] holds the
-- last token of all keys that share it. The time alone would not do: the clock may be set back.
local function next_token()
  local floor = tonumber(redis.call('GET', KEYS[2]) or 0)
  local token = math.max(last, floor, now - 1) + 1
  redis.call('SET', KEYS[2], string.format('%.0f', token))
  return token
end

-- An end that is nothing is never reached.
local function ends_after(span)
  return span == '' and 0 or now + tonumber(span)
end

local function write(record, outcome)
  local value = struct.pack(
    '>BBBI8I4I8I8', 1, record.state, record.marked, record.token, record.attempt, record.ends, record.call
  ) .. record.owner .. record.fingerprint .. struct.pack('>I4I4', #scope, #key) .. scope .. key .. outcome
  if record.state == COMPLETED and record.ends ~= 0 then
    -- Retention is judged in microseconds when a record is read; this only makes room afterwards.
    redis.call('SET', KEYS[1], value, 'PXAT', string.format('%.0f', math.ceil(record.ends / 1000) + 1))
  else
    redis.call('SET', KEYS[1], value)
  end
end
