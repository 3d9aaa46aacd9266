// Risk: reads the whole book at one position, again and again, while the others write it.
#pragma once

#include "cli/demo/board.h"

namespace casbook::cli::demo {

// What is wrong with a snapshot, or an empty string: money is conserved (all accounts sum to zero)
// and nobody without a credit line is below zero.
std::string find_violation(const Economy& economy, const BookSnapshot& snapshot);

// Runs in a process of its own, on a read-only mapping, until the board says stop. Returns the exit
// status: 0, or 1 when the book cannot be read (said on standard error).
int run_risk(const Setting& setting);

}  // namespace casbook::cli::demo
