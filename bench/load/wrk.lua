-- wrk -s wrk.lua URL -- METHOD BODY_BYTES CHUNK_BYTES
-- Asks with a body of so many bytes, in chunks when CHUNK_BYTES is not 0, and prints what came of it as one JSON object.

local function chunked(head, bytes, chunk)
  local parts = {head}
  while bytes > 0 do
    local size = math.min(bytes, chunk)
    parts[#parts + 1] = string.format("%x\r\n%s\r\n", size, string.rep("x", size))
    bytes = bytes - size
  end
  parts[#parts + 1] = "0\r\n\r\n"
  return table.concat(parts)
end

function init(args)
  local bytes, chunk = tonumber(args[2] or 0), tonumber(args[3] or 0)
  wrk.method = args[1]
  if bytes == 0 then return end
  if chunk == 0 then
    wrk.body = string.rep("x", bytes)
    return
  end
  local head = string.format("%s %s HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n", wrk.method, wrk.path, wrk.headers["Host"])
  local request = chunked(head, bytes, chunk)
  wrk.format = function() return request end
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"answers": %d, "bytes": %d, "seconds": %f, "errors": %d, "p50_ms": %f, "p99_ms": %f}',
    summary.requests, summary.bytes, summary.duration / 1e6,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
