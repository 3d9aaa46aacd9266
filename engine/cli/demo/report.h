// What is seen at the end: the figures, each measured in this run, and the claims.
#pragma once

#include "cli/demo/verdict.h"

namespace casbook::cli::demo {

// A table for people, or one JSON object.
void print_report(const Setting& setting, const Course& course, const std::vector<Claim>& claims,
                  bool as_json);

}  // namespace casbook::cli::demo
