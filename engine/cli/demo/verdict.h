// What the demo claims, checked when all processes have ended: each claim by what the processes
// were answered, against what the book says.
#pragma once

#include <string>
#include <vector>

#include "cli/demo/incidents.h"

namespace casbook::cli::demo {

struct Claim {
  std::string text;
  bool holds = false;
  std::string evidence;  // figures, or what is wrong
};

// How the run itself went.
struct Course {
  IncidentCounts incidents;
  int64_t run_ns = 0;
  bool all_ended = false;  // by themselves, when told to
  std::vector<std::string> failures;
  int64_t silence_ns = 0;
  std::string silent_name;
};

// Every claim, in the order in which it is shown. Cost: one look-up for each payment answered.
std::vector<Claim> judge(const Setting& setting, const Book& book, const Course& course);

}  // namespace casbook::cli::demo
