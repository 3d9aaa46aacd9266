#include "support/consensus_cluster.h"

#include <algorithm>

#include "base/assert.h"

namespace casbook::test {

using namespace replicate;
using journal::EntryType;

namespace {

void replace_from(std::vector<EntryPtr>& log, const std::vector<EntryPtr>& entries) {
  CASBOOK_ASSERT(entries.front()->index <= log.size() + 1);
  log.resize(entries.front()->index - 1);
  log.insert(log.end(), entries.begin(), entries.end());
}

bool is_same(const LogEntry& a, const LogEntry& b) {
  return a.index == b.index && a.term == b.term && a.type == b.type && a.body == b.body;
}

std::string name(const LogEntry& entry) {
  return std::to_string(entry.index) + " of term " + std::to_string(entry.term);
}

}  // namespace

Configuration ConsensusCluster::configuration(uint64_t nodes) {
  Configuration all;
  for (uint64_t id = 1; id <= nodes; ++id)
    all.servers.push_back({id, "10.0.0." + std::to_string(id) + ":7400"});
  return all;
}

EntryPtr ConsensusCluster::first_entry(uint64_t nodes) {
  return std::make_shared<LogEntry>(LogEntry{
      .index = 1, .term = 1, .type = EntryType::change, .body = encode(configuration(nodes))});
}

ConsensusCluster::ConsensusCluster(uint64_t nodes, uint64_t seed, const ClusterFaults& faults,
                                   uint64_t spares)
    : random_(seed), faults_(faults) {
  agreed_.push_back(first_entry(nodes));
  for (uint64_t id = 1; id <= nodes; ++id) {
    nodes_[id].disk = agreed_;
    restart(id);
  }
  for (uint64_t id = nodes + 1; id <= nodes + spares; ++id) {
    nodes_[id];
    restart(id);
  }
}

void ConsensusCluster::restart(uint64_t id) {
  Node& node = nodes_.at(id);
  node.log = node.disk;
  node.commit_seen = 0;
  Recovered recovered{.node = id, .term = node.term, .voted_for = node.voted_for};
  if (node.base) {
    recovered.base_index = node.base;
    recovered.base_term = node.disk[node.base - 1]->term;
    for (size_t i = 0; i < node.base; ++i)
      if (node.disk[i]->type == EntryType::change)
        recovered.configuration = *decode_configuration(node.disk[i]->body);
  }
  recovered.entries.assign(node.disk.begin() + static_cast<ptrdiff_t>(node.base), node.disk.end());
  const ConsensusOptions options{.inflight_max = 64, .seed = static_cast<uint32_t>(random_.next())};
  auto opened = Consensus::open(recovered, options, now_ms_);
  if (!opened) return fail("open: " + opened.error().message());
  node.consensus = *std::move(opened);
}

void ConsensusCluster::crash(uint64_t id) {
  Node& node = nodes_.at(id);
  node.consensus.reset();
  node.writes.clear();
  node.reports.clear();
}

void ConsensusCluster::isolate(uint64_t node) {
  for (const auto& [other, unused] : nodes_) {
    cut(node, other);
    cut(other, node);
  }
}

void ConsensusCluster::compact(uint64_t id, uint64_t index) {
  Node& node = nodes_.at(id);
  index = std::min({index, node.consensus->commit_index(), node.consensus->stored_index()});
  if (index <= node.base) return;
  node.base = index;
  carry_out(id, node.consensus->compacted(index, now_ms_));
}

// --- events --------------------------------------------------------------------------------------

void ConsensusCluster::tick() {
  ++now_ms_;
  deliver();
  for (auto& [id, node] : nodes_) {
    turn_disk(id);
    if (node.consensus && now_ms_ >= node.consensus->deadline_ms())
      carry_out(id, node.consensus->timeout(now_ms_));
  }
}

void ConsensusCluster::run(int64_t ms) {
  for (; ms > 0; --ms) tick();
}

uint64_t ConsensusCluster::settle() {
  for (int64_t i = 0; i < 10'000; ++i) {
    tick();
    const uint64_t leads = leader();
    if (!leads) continue;
    const bool is_followed = std::all_of(nodes_.begin(), nodes_.end(), [&](auto& entry) {
      const auto& consensus = entry.second.consensus;
      if (!at(leads).configuration().find(entry.first)) return true;
      return !consensus || (consensus->leader() && consensus->leader()->id == leads);
    });
    if (is_followed) return leads;
  }
  return 0;
}

void ConsensusCluster::deliver() {
  std::vector<Envelope> due;
  const auto rest = std::stable_partition(network_.begin(), network_.end(),
                                          [this](const Envelope& e) { return e.due_ms > now_ms_; });
  due.assign(std::make_move_iterator(rest), std::make_move_iterator(network_.end()));
  network_.erase(rest, network_.end());
  for (const Envelope& e : due) {
    Node& node = nodes_.at(e.to);
    if (node.consensus && !cut_.contains({e.from, e.to}))
      carry_out(e.to, node.consensus->receive(e.from, e.message, now_ms_));
  }
}

void ConsensusCluster::turn_disk(uint64_t id) {
  Node& node = nodes_.at(id);
  while (!node.is_disk_held && !node.writes.empty() && node.writes.front().done_ms <= now_ms_) {
    const std::vector<EntryPtr> entries = std::move(node.writes.front().entries);
    node.writes.pop_front();
    replace_from(node.disk, entries);
    const int64_t late = static_cast<int64_t>(random_.below(faults_.report_ms_max + 1));
    node.reports.push_back({entries.back()->index, entries.back()->term, now_ms_ + late});
  }
  while (node.consensus && !node.reports.empty() && node.reports.front().due_ms <= now_ms_) {
    const Report report = node.reports.front();
    node.reports.pop_front();
    carry_out(id, node.consensus->persisted(report.index, report.term, now_ms_));
  }
}

void ConsensusCluster::send(uint64_t from, Outgoing&& outgoing) {
  ++messages_sent_;
  if (auto* append = std::get_if<AppendEntries>(&outgoing.message)) {
    const auto& log = nodes_.at(from).log;
    CASBOOK_ASSERT(append->prev_index + append->count <= log.size());
    for (uint32_t i = 0; i < append->count; ++i)  // copies, as another process has them
      append->entries.push_back(std::make_shared<LogEntry>(*log[append->prev_index + i]));
  }
  if (const auto* result = std::get_if<AppendResult>(&outgoing.message))
    rejections_ += result->rejected != 0;
  if (std::holds_alternative<VoteRequest>(outgoing.message) &&
      !nodes_.at(from).consensus->configuration().has_voter(from))
    fail("node " + std::to_string(from) + " asks for votes and is no voter");
  if (cut_.contains({from, outgoing.to})) return;
  const uint64_t copies = random_.below(100) < faults_.duplicate_percent ? 2 : 1;
  for (uint64_t i = 0; i < copies; ++i)
    if (random_.below(100) >= faults_.loss_percent)
      network_.push_back({from, outgoing.to, outgoing.message,
                          now_ms_ + 1 + static_cast<int64_t>(random_.below(faults_.delay_ms_max))});
}

void ConsensusCluster::carry_out(uint64_t id, Result<Update> update) {
  Node& node = nodes_.at(id);
  if (!update) {
    if (const Code code = update.error().code; code == Code::damaged || code == Code::no_memory)
      fail("node " + std::to_string(id) + " stops: " + update.error().message());
    return;
  }
  if (update->has_term_or_vote) {
    if (update->term < node.term) fail("the term of node " + std::to_string(id) + " falls");
    const uint64_t given = node.votes[update->term];
    if (given && update->voted_for != given)
      fail("node " + std::to_string(id) + " votes twice in term " + std::to_string(update->term));
    node.votes[update->term] = update->voted_for;
    node.term = update->term;
    node.voted_for = update->voted_for;
  }
  if (!update->entries.empty()) {
    replace_from(node.log, update->entries);
    node.writes.push_back(
        {update->entries, now_ms_ + static_cast<int64_t>(random_.below(faults_.disk_ms_max + 1))});
  }
  for (Outgoing& outgoing : update->messages) send(id, std::move(outgoing));
  check(id);
}

uint64_t ConsensusCluster::submit(uint64_t id, LogEntry entry) {
  Node& node = nodes_.at(id);
  entry.index = node.consensus->last_index() + 1;
  entry.term = node.consensus->term();
  const uint64_t index = entry.index;
  auto update = node.consensus->submit(std::make_shared<LogEntry>(std::move(entry)), now_ms_);
  if (!update) return 0;
  carry_out(id, std::move(update));
  return index;
}

uint64_t ConsensusCluster::submit(uint64_t node) {
  LogEntry entry{.type = EntryType::records, .count = 1, .body = std::vector<std::byte>(8)};
  const uint64_t body = next_body_++;
  for (size_t i = 0; i < 8; ++i) entry.body[i] = static_cast<std::byte>(body >> 8 * i);
  return submit(node, std::move(entry));
}

uint64_t ConsensusCluster::submit(uint64_t node, const Configuration& change) {
  return submit(node, LogEntry{.type = EntryType::change, .body = encode(change)});
}

// --- checks --------------------------------------------------------------------------------------

void ConsensusCluster::fail(const std::string& what) {
  if (violation_.empty()) violation_ = what + " (at " + std::to_string(now_ms_) + " ms)";
}

uint64_t ConsensusCluster::committed_on_all_disks() const {
  uint64_t all = agreed_.size();
  for (const auto& [id, node] : nodes_) {
    all = std::min<uint64_t>(all, node.disk.size());
    while (all && node.disk[all - 1]->term != agreed_[all - 1]->term) --all;
  }
  return all;
}

uint64_t ConsensusCluster::leader() const {
  uint64_t leads = 0, term = 0;
  for (const auto& [id, node] : nodes_)
    if (node.consensus && node.consensus->role() == Role::leader && node.consensus->term() > term) {
      leads = id;
      term = node.consensus->term();
    }
  return leads;
}

void ConsensusCluster::check(uint64_t id) {
  const Consensus& consensus = *nodes_.at(id).consensus;
  if (consensus.last_index() != nodes_.at(id).log.size()) fail("the log has another length");
  if (consensus.role() == Role::leader) {
    const uint64_t leads = leaders_.try_emplace(consensus.term(), id).first->second;
    if (leads != id)
      fail("nodes " + std::to_string(leads) + " and " + std::to_string(id) + " lead in term " +
           std::to_string(consensus.term()));
  }
  check_commit(id);
}

void ConsensusCluster::check_commit(uint64_t id) {
  Node& node = nodes_.at(id);
  const uint64_t commit = node.consensus->commit_index();
  if (commit < node.commit_seen)
    return fail("the commit index of node " + std::to_string(id) + " falls from " +
                std::to_string(node.commit_seen) + " to " + std::to_string(commit));
  if (commit > node.log.size()) return fail("committed beyond the log");
  for (uint64_t index = node.commit_seen + 1; index <= commit; ++index) {
    const EntryPtr& entry = node.log[index - 1];
    if (index <= agreed_.size()) {
      if (!is_same(*agreed_[index - 1], *entry))
        fail("node " + std::to_string(id) + " commits " + name(*entry) + ", another " +
             name(*agreed_[index - 1]));
      continue;
    }
    const Configuration& all = node.consensus->configuration();
    const auto disks = std::count_if(nodes_.begin(), nodes_.end(), [&](const auto& other) {
      const auto& disk = other.second.disk;
      return all.has_voter(other.first) && disk.size() >= index &&
             is_same(*disk[index - 1], *entry);
    });
    if (static_cast<uint64_t>(disks) * 2 <= all.voters())
      fail("entry " + name(*entry) + " is committed and on " + std::to_string(disks) + " disks");
    agreed_.push_back(entry);
  }
  node.commit_seen = commit;
}

}  // namespace casbook::test
