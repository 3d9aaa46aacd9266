#include "support/mesh_leader.h"

#include <algorithm>

namespace casbook::test_support {

using namespace replicate;

namespace {

Bytes body_of(uint64_t index, uint32_t bytes) {
  test::Random random(index);
  Bytes body(bytes);
  for (std::byte& byte : body) byte = static_cast<std::byte>(random.next());
  return body;
}

}  // namespace

MeshLeader::MeshLeader(Mesh& mesh, uint64_t leader, std::vector<uint64_t> followers, uint64_t term)
    : mesh_(mesh), leader_(leader), term_(term) {
  for (const uint64_t node : followers) followers_[node].heard_ns = mesh.now_ns();
  mesh_.got = [this](uint64_t node, uint64_t from, Message&& message) {
    got(node, from, std::move(message));
  };
}

void MeshLeader::append(uint32_t bytes) {
  MeshLog& log = mesh_.log(leader_);
  LogEntry entry{.index = log.last_index() + 1, .term = term_};
  entry.type = bytes ? journal::EntryType::records : journal::EntryType::barrier;
  entry.first_lsn = entry.index, entry.count = bytes ? 1 : 0;
  entry.body = body_of(entry.index, bytes);
  log.entries.push_back(std::make_shared<const LogEntry>(std::move(entry)));
}

void MeshLeader::beat() {
  const int64_t now = mesh_.now_ns();
  const bool is_heartbeat = now - beaten_ns_ >= 10'000'000;
  if (is_heartbeat) beaten_ns_ = now, ++round_;
  MeshLog& log = mesh_.log(leader_);
  std::vector<Outgoing> messages;
  for (auto& [node, follower] : followers_) {
    if (is_heartbeat && follower.match < log.last_index() && now - follower.heard_ns > 30'000'000)
      follower.next = follower.match + 1, follower.heard_ns = now;
    const uint64_t count = log.last_index() + 1 - follower.next;
    if (count == 0 && !is_heartbeat) continue;
    messages.push_back({node, AppendEntries{.version = 1,
                                            .term = term_,
                                            .prev_index = follower.next - 1,
                                            .prev_term = log.term_at(follower.next - 1),
                                            .commit = 0,
                                            .count = static_cast<uint32_t>(count),
                                            .entries = {},
                                            .round = round_}});
    follower.next += count;
  }
  if (!messages.empty()) mesh_.transport(leader_).send(messages, now);
}

bool MeshLeader::all_have_all() {
  return std::ranges::all_of(followers_, [&](const auto& pair) {
    return pair.second.match == mesh_.log(leader_).last_index();
  });
}

void MeshLeader::got(uint64_t node, uint64_t from, Message&& message) {
  if (const auto* append = std::get_if<AppendEntries>(&message)) follow(node, from, *append);
  if (const auto* result = std::get_if<AppendResult>(&message)) answered(from, *result);
}

void MeshLeader::follow(uint64_t node, uint64_t from, const AppendEntries& message) {
  ++deliveries_;
  MeshLog& log = mesh_.log(node);
  if (from != leader_ || message.version != 1 || message.term != term_ ||
      message.count != message.entries.size())
    fault_ = "a message that was not sent";
  if (message.round < rounds_[node]) fault_ = "a round that falls";
  rounds_[node] = message.round;
  const bool fits = message.prev_index <= log.last_index();
  for (uint64_t i = 0; fits && i < message.count; ++i) {
    const LogEntry& entry = *message.entries[i];
    const LogEntry& sent = *mesh_.log(leader_).entry(message.prev_index + 1 + i);
    if (entry.index != sent.index || entry.term != sent.term || entry.body != sent.body ||
        entry.first_lsn != sent.first_lsn || entry.count != sent.count || entry.type != sent.type)
      fault_ = "entry " + std::to_string(sent.index) + " differs";
    if (entry.index == log.last_index() + 1) log.entries.push_back(message.entries[i]);
  }
  const Outgoing answer{from, AppendResult{.version = 1,
                                           .term = term_,
                                           .rejected = fits ? 0 : message.prev_index,
                                           .last_index = log.last_index()}};
  mesh_.transport(node).send({&answer, 1}, mesh_.now_ns());
}

void MeshLeader::answered(uint64_t from, const AppendResult& message) {
  Follower& follower = followers_.at(from);
  if (message.rejected != 0) {
    follower.next = std::max(follower.match, message.last_index) + 1;
    return;
  }
  if (message.last_index > follower.match) follower.heard_ns = mesh_.now_ns();
  follower.match = std::max(follower.match, message.last_index);
  follower.next = std::max(follower.next, follower.match + 1);
}

}  // namespace casbook::test_support
