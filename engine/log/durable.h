// How much of the log is safe on disk: published by the daemon that keeps the journal, waited for
// by callers.
#pragma once

#include <string_view>

#include "commit/store.h"

namespace casbook::log {

// The name under which the daemon that keeps the journal follows.
constexpr std::string_view kJournalFollower = "journal";

// Whether a journal keeps this book: from its creation, or from when a daemon adopted it.
bool is_journaled(const commit::Store& store);
struct JournalIdentity {
  uint64_t id = 0;             // 0: none
  uint64_t promised_term = 0;  // no term above it may be opened
};
JournalIdentity journal_of(const commit::Store& store);
// Promises terms up to `term`, which is on disk already, or makes the book one that is journaled.
// One caller at a time: the daemon.
void set_journal(const commit::Store& store, const JournalIdentity& journal);
// Everything up to `position` is synced. Wakes all who wait, at once. Never moves back.
void publish_durable(const commit::Store& store, Position position);
Position durable_position(const commit::Store& store);

// The same for `quorum`: a majority of a cluster has everything up to `position` in memory.
void publish_quorum(const commit::Store& store, Position position);
Position quorum_position(const commit::Store& store);

}  // namespace casbook::log
