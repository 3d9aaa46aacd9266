// What a design's bouts come to.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "served/place.h"
#include "torture/stage.h"

namespace casbook::torture {

struct Effort {
  uint32_t repeats = 4;
  int64_t ttl_ms = 100;     // where the design takes one so short
  int64_t limit_ms = 1500;  // and twice the TTL
  bool with_servers = true;
  const char* form = "short";

  static Effort tiny() { return {.repeats = 1, .ttl_ms = 40, .limit_ms = 800, .form = "tiny"}; }
  static Effort at_length() { return {.repeats = 20, .form = "long"}; }
};

// Of one story, over its repeats.
struct Counts {
  uint64_t bouts = 0, twice = 0, lost = 0, overdrawn = 0;
  uint64_t stuck = 0, blocked = 0;
  uint64_t stood_still = 0;       // bouts that say nothing of the two, nor of who came next
  std::vector<double> next_ms{};  // until the next holder had its answer

  void add(const Played& played);
  bool has_wrong_money() const { return twice + lost + overdrawn != 0; }
};

struct Row {
  std::string name{}, why{};  // why it was left out; empty: it was not
  peers::About about{};
  Pace pace{};
  std::map<std::string, Counts> by_story{};
  Counts all{}, kills{}, stops{};  // kills and stops: where a step is struck, no clock stepped
  uint64_t disagreements = 0;      // of the two checkers: a defect of this program
  std::string problem{};           // a bout that could not be played, the first of them
  std::string example{};           // what the checker of histories said of the first that was wrong

  bool is_whole() const { return why.empty() && problem.empty() && disagreements == 0; }
  bool is_clean() const { return !all.has_wrong_money() && all.stuck == 0 && all.blocked == 0; }
};

// Starts the design, and anew after each bout that left it stuck; plays all stories.
Row torture(const peers::Listed& listed, const Effort& effort, const bench::Place& place,
            uint64_t seed);

}  // namespace casbook::torture
