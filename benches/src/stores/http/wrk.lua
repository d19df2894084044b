-- A new key for each request, or one of the known ones in turn; the same request as that of the other client.

local series, known, made = "", 0, 0
local body = '{"product":"lift","cents":1299,"currency":"EUR"}'

function init(args)
    series, known = args[1], tonumber(args[2])
    wrk.headers["Authorization"] = "Bearer alice"
    wrk.headers["Content-Type"] = "application/json"
end

function request()
    made = made + 1
    if known > 0 then
        wrk.headers["Idempotency-Key"] = string.format("00000000-0000-4000-8000-%012x", made % known)
    else
        wrk.headers["Idempotency-Key"] = string.format("%s-0000-4000-8000-%012x", series, made)
    end
    return wrk.format("POST", nil, nil, body)
end
