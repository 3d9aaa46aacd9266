#include "support/sim_members.h"

namespace casbook::test {

using replicate::Configuration;
using replicate::MemberRequest;
using replicate::Server;
using Kind = MemberRequest::Kind;

namespace {

constexpr SimWho kOperator{'o', 0};

std::string address_of(uint64_t id) { return "10.0.0." + std::to_string(id) + ":7400"; }

}  // namespace

SimMembers::SimMembers(SimEvents& events, std::vector<std::unique_ptr<SimNode>>& nodes,
                       uint64_t seed)
    : events_(events), nodes_(nodes), random_(seed) {}

void SimMembers::begin(int64_t pause_ns) {
  pause_ns_ = pause_ns;
  events_.after(kSimSecond / 4, [this] { act(); });
}

SimNode* SimMembers::leader() {
  for (auto& node : nodes_)
    if (node->is_leading()) return node.get();
  return nullptr;
}

const Configuration& SimMembers::members() {
  if (SimNode* const node = leader()) members_ = node->replicator().committed_configuration();
  return members_;
}

bool SimMembers::is_member(uint64_t node) { return members().find(node); }

MemberRequest SimMembers::choose(const Configuration& all) {
  MemberRequest request{.id = 1 + random_.below(nodes_.size())};
  request.until_ns = events_.now() + static_cast<int64_t>(random_.below(2 * kSimSecond));
  const Server* const known = all.find(request.id);
  if (!known) {
    request.kind = Kind::add;
    request.address = address_of(request.id);
    request.stays_standby = random_.one_in(3);
  } else if (!known->is_voter() && random_.one_in(2)) {
    request.kind = Kind::promote;
  } else {
    request.kind = random_.one_in(3) ? Kind::transfer : Kind::remove;
    if (request.kind == Kind::transfer && random_.one_in(2)) request.id = 0;
  }
  return request;
}

void SimMembers::act() {
  if (is_over_) return;
  take_answers();
  // Now and then two at once: the second has to wait for its turn.
  if (SimNode* const node = leader())
    for (int i = 0; i < (random_.one_in(4) ? 2 : 1); ++i)
      ask(*node, choose(node->replicator().configuration()));
  events_.after(static_cast<int64_t>(random_.below(static_cast<uint64_t>(2 * pause_ns_))),
                [this] { act(); });
}

void SimMembers::ask(SimNode& leader, const MemberRequest& request) {
  static constexpr const char* kNames[] = {"asks to add", "asks to remove", "asks to promote",
                                           "asks for a transfer to"};
  events_.note(kOperator, kNames[static_cast<int>(request.kind)], request.id, leader.id());
  auto ticket = leader.ask(request);
  if (!ticket) {
    last_error_ = ticket.error().message();
    events_.say(kOperator, [&] { return last_error_; });
    return;
  }
  ticket_ = *ticket, asked_of_ = leader.id(), asked_life_ = leader.life();
}

void SimMembers::take_answers() {
  if (!ticket_) return;
  SimNode& node = *nodes_[asked_of_ - 1];
  if (!node.is_up() || node.life() != asked_life_) {
    ticket_ = {};
    return;
  }
  const auto answer = node.take_answer(*ticket_);
  if (!answer) return;
  ticket_ = {};
  if (*answer) {
    ++made_;
    events_.note(kOperator, "was told that it is done");
    return;
  }
  last_error_ = answer->error().message();
  events_.say(kOperator, [&] { return last_error_; });
}

bool SimMembers::can_change() {
  const uint64_t made = made_;
  take_answers();
  if (made_ > made) return true;
  SimNode* const node = leader();
  if (ticket_ || !node) return false;
  const Configuration& all = node->replicator().configuration();
  MemberRequest request{.until_ns = events_.now() + kSimSecond};
  for (const auto& each : nodes_)
    if (!all.find(each->id()) && request.id == 0) {
      request.kind = Kind::add, request.id = each->id();
      request.address = address_of(each->id());
      request.stays_standby = true;
    }
  if (request.id == 0)
    for (const Server& server : all.servers)
      if (server.id != node->id()) request.kind = Kind::remove, request.id = server.id;
  ask(*node, request);
  return false;
}

}  // namespace casbook::test
