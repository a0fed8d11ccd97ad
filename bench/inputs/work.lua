-- Tables, strings, closures, metatables, coroutines and numbers, as scripts use them. The argument is how often.
local rounds = tonumber(arg[1]) or 1

local function words(text)
  return coroutine.wrap(function()
    for word in text:gmatch("%a+") do coroutine.yield(word:lower()) end
  end)
end

local function count_words(text)
  local counts, order = {}, {}
  for word in words(text) do
    if counts[word] == nil then order[#order + 1] = word end
    counts[word] = (counts[word] or 0) + 1
  end
  table.sort(order, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    return a < b
  end)
  return order[1], counts[order[1]], #order
end

local Vector = {}
Vector.__index = Vector
Vector.__add = function(a, b) return setmetatable({x = a.x + b.x, y = a.y + b.y}, Vector) end
Vector.__eq = function(a, b) return a.x == b.x and a.y == b.y end
function Vector:turned() return setmetatable({x = -self.y, y = self.x}, Vector) end

local function walk(steps)
  local at, step, turns = setmetatable({x = 0, y = 0}, Vector), setmetatable({x = 1, y = 0}, Vector), 0
  local seed = 12345
  for _ = 1, steps do
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    if seed >> 16 & 3 == 0 then
      step = step:turned()
      turns = turns + 1
    end
    at = at + step
  end
  return at.x, at.y, turns
end

local function sieve(limit)
  local composite, count = {}, 0
  for n = 2, limit do
    if not composite[n] then
      count = count + 1
      for m = n * n, limit, n do composite[m] = true end
    end
  end
  return count
end

local function compose(depth)
  if depth == 0 then return function(x) return x * 0.5 + 1 end end
  local inner = compose(depth - 1)
  return function(x) return inner(x) + 1 / depth end
end

local text = {}
for i = 1, 400 do
  text[#text + 1] = ("The %s guest number %d reads page %x and %s"):format(i % 3 == 0 and "quick" or "slow", i, i * 37,
    ("again "):rep(i % 5))
end
text = table.concat(text, ". ")

for round = 1, rounds do
  local sum, f = 0, compose(20)
  for i = 1, 2000 do sum = sum + f(i) end
  print(round, walk(20000 + round), sieve(30000))
  print(count_words(text:gsub("guest", round % 2 == 0 and "program" or "guest")))
  print(("%.6f"):format(sum), #text:reverse():gsub("[aeiou]", ""))
end
