-- wrk asks for the paths in a file, one a line, in a shuffled order that is the same in every run:
--   wrk -s walk.lua URL -- FILE
local paths, at = {}, 0

function init(arguments)
  for line in io.lines(arguments[1]) do paths[#paths + 1] = line end
  math.randomseed(7)
  for i = #paths, 2, -1 do
    local j = math.random(i)
    paths[i], paths[j] = paths[j], paths[i]
  end
end

function request()
  at = at % #paths + 1
  return wrk.format("GET", paths[at])
end
