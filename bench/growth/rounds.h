// Rounds of a team that become a point: repeated, looked at whether all went well, timed singly.
#pragma once

#include "growth/together.h"

namespace casbook::growth {

// False: something failed, and the point says so.
inline bool run_round(Team& team, const Round& round, Point& point, RoundResult& result) {
  result = team.run(round);
  if (!result.is_whole) point.why = "an operation failed";
  return result.is_whole;
}

// Gives each repeat to `take`, until one fails.
template <class Take>
void repeat_rounds(Team& team, const Round& round, uint32_t repeats, Point& point, Take&& take) {
  RoundResult result;
  for (uint32_t i = 0; i < repeats && run_round(team, round, point, result); ++i) take(result);
}

// One more round, whose calls are timed one by one: those of the first `processes`.
inline void time_calls(Team& team, Round round, uint32_t processes, Point& point) {
  round.is_timed = true;
  RoundResult result;
  if (!run_round(team, round, point, result)) return;
  for (uint32_t i = 0; i < processes; ++i) point.latencies.add(result.by_process[i].latencies);
}

}  // namespace casbook::growth
