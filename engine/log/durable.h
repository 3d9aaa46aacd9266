// How much of the log is safe on disk: published by the daemon that keeps the journal, waited for
// by callers.
#pragma once

#include <string_view>

#include "commit/store.h"

namespace casbook::log {

// The name under which the daemon follows the log.
constexpr std::string_view kJournalFollower = "journal";

// Whether a journal keeps this book; fixed before the book is seen.
bool is_journaled(const commit::Store& store);
// Everything up to `position` is synced. Wakes all who wait, at once. Never moves back.
void publish_durable(const commit::Store& store, Position position);
Position durable_position(const commit::Store& store);

}  // namespace casbook::log
