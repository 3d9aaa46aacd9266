// Entries in libraft's words: terms and types, and of changes what they say.
#pragma once

#include "base/assert.h"
#include "base/probe.h"
#include "replicate/consensus.h"
#include "replicate/raft_shim.h"

namespace casbook::replicate {

inline bool is_change(const EntryPtr& entry) { return entry->type == journal::EntryType::change; }

// Points into the configuration that it is made of.
class RaftConfiguration {
 public:
  explicit RaftConfiguration(const Configuration& from) {
    const bool do_all_vote = base::mutated(base::Mutant::consensus_standby_votes);
    for (const Server& server : from.servers)
      servers_.push_back({server.id, server.address.c_str(), server.is_voter() || do_all_vote});
    all_ = {servers_.data(), static_cast<unsigned>(servers_.size())};
  }
  RaftConfiguration(const RaftConfiguration&) = delete;
  RaftConfiguration& operator=(const RaftConfiguration&) = delete;
  const RaftShimConfiguration* get() const { return &all_; }

 private:
  std::vector<RaftShimServer> servers_;
  RaftShimConfiguration all_{};
};

// Used again for each event, so that it allocates for changes only.
class RaftEntries {
 public:
  // The bodies of changes were seen to be configurations.
  void assign(std::span<const EntryPtr> from) {
    entries_.clear();
    changes_.clear();
    for (const EntryPtr& entry : from) {
      entries_.push_back({entry->term, type_of(*entry), nullptr});
      if (!is_change(entry)) continue;
      auto configuration = decode_configuration(entry->body);
      CASBOOK_ASSERT(configuration);
      changes_.push_back(std::make_unique<Change>(*std::move(configuration)));
      entries_.back().change = changes_.back()->in_raft.get();
    }
  }
  const RaftShimEntry* data() const { return entries_.data(); }
  unsigned count() const { return static_cast<unsigned>(entries_.size()); }

 private:
  struct Change {
    explicit Change(Configuration from) : configuration(std::move(from)), in_raft(configuration) {}
    Configuration configuration;
    RaftConfiguration in_raft;
  };
  static RaftShimEntryType type_of(const LogEntry& entry) {
    switch (entry.type) {
      case journal::EntryType::records:
        return kRaftShimRecords;
      case journal::EntryType::barrier:
        return kRaftShimBarrier;
      case journal::EntryType::change:
        break;
    }
    return kRaftShimChange;
  }

  std::vector<RaftShimEntry> entries_;
  std::vector<std::unique_ptr<Change>> changes_;
};

}  // namespace casbook::replicate
