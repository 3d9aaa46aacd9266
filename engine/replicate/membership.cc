#include "replicate/membership.h"

#include <algorithm>

#include "base/error.h"

namespace casbook::replicate {

namespace {

using base::bad_argument;
using Kind = MemberRequest::Kind;
using Step = MembershipStep;

constexpr size_t kWaitingMax = 16;
constexpr size_t kAnswersMax = 64;

std::string node(uint64_t id) { return "node " + std::to_string(id); }

std::string members_of(const Configuration& configuration) {
  std::string list;
  for (const Server& server : configuration.servers)
    list += (list.empty() ? "" : ", ") + std::to_string(server.id) +
            (server.is_voter() ? "" : " (stand-by)");
  return list;
}

Error no_member(uint64_t id, const Configuration& configuration) {
  return bad_argument("ID " + std::to_string(id) + ": expected a member, one of " +
                      members_of(configuration));
}

bool has_nearly_all(uint64_t id, const MembershipView& view) {
  return view.is_there(id) && view.match(id) + Membership::kLagMax >= view.last_index;
}

// The voter that is there and has most; 0: none is.
uint64_t fittest(const MembershipView& view) {
  uint64_t to = 0, best = 0;
  for (const Server& server : view.configuration.servers) {
    const bool is_fit = server.is_voter() && server.id != view.self && view.is_there(server.id);
    if (is_fit && view.match(server.id) > best) to = server.id, best = view.match(server.id);
  }
  return to;
}

Result<Configuration> added(const MemberRequest& request, Configuration configuration) {
  const ServerRole role = request.stays_standby ? ServerRole::standby : ServerRole::joining;
  if (const Server* known = configuration.find(request.id)) {
    if (known->address == request.address) return configuration;
    return bad_argument("ID " + std::to_string(request.id) + ": " + node(request.id) +
                        " is a member at " + known->address +
                        "; expected another id, or remove it first");
  }
  const auto behind = std::ranges::find_if(
      configuration.servers, [&](const Server& server) { return server.id > request.id; });
  configuration.servers.insert(behind, {request.id, request.address, role});
  if (const auto sound = check(configuration); !sound) return sound.error();
  return configuration;
}

}  // namespace

Error not_leader(const std::optional<Server>& leader) {
  return {.code = Code::not_leader,
          .detail = leader ? node(leader->id) + " at " + leader->address + " leads"
                           : "no leader is known"};
}

Configuration with_role(Configuration configuration, uint64_t id, ServerRole role) {
  for (Server& server : configuration.servers)
    if (server.id == id) server.role = role;
  return configuration;
}

Result<Configuration> changed_by(const MemberRequest& request, const Configuration& configuration) {
  if (request.kind == Kind::add) return added(request, configuration);
  const Server* const server = configuration.find(request.id);
  if (request.kind == Kind::transfer) {
    if (request.id == 0 || configuration.has_voter(request.id)) return configuration;
    if (!server) return no_member(request.id, configuration);
    return bad_argument("ID " + std::to_string(request.id) + ": expected a voter, and " +
                        node(request.id) + " is a stand-by");
  }
  if (!server) return no_member(request.id, configuration);
  if (request.kind == Kind::promote) return with_role(configuration, request.id, ServerRole::voter);
  Configuration less = configuration;
  std::erase_if(less.servers, [&](const Server& other) { return other.id == request.id; });
  if (const auto sound = check(less); !sound)
    return bad_argument("ID " + std::to_string(request.id) + ": without it the cluster has " +
                        std::to_string(less.voters()) + " voters; expected " +
                        std::to_string(kVotersMin) + " at least");
  return less;
}

Result<uint64_t> Membership::ask(const MemberRequest& request, const MembershipView& view) {
  if (!view.leads) return not_leader(view.leader);
  if (const auto sound = changed_by(request, view.configuration); !sound) return sound.error();
  if (waiting_.size() >= kWaitingMax)
    return Error{.code = Code::backpressure, .detail = "too many requests wait for their turn"};
  waiting_.push_back({.ticket = ++tickets_, .request = request});
  return tickets_;
}

std::optional<Result<void>> Membership::take_answer(uint64_t ticket) {
  const auto found = answers_.find(ticket);
  if (found == answers_.end()) return std::nullopt;
  Result<void> result = std::move(found->second);
  answers_.erase(found);
  return result;
}

void Membership::answer(const Result<void>& result) {
  answers_.insert_or_assign(waiting_.front().ticket, result);
  waiting_.pop_front();
  is_draining_ = false;
  // Nobody came for it.
  if (answers_.size() > kAnswersMax) answers_.erase(answers_.begin());
}

MembershipStep Membership::next(const MembershipView& view) {
  // Progress: each round answers one, brings it a stage further, or ends.
  while (!waiting_.empty()) {
    Asked& asked = waiting_.front();
    const uint64_t ticket = asked.ticket;
    const Stage stage = asked.stage;
    if (is_over(asked, view)) continue;
    const Step step = asked.stage == Stage::begin ? begin(asked, view) : advance(asked, view);
    if (step.kind != Step::Kind::none) return step;
    if (waiting_.empty()) break;
    if (waiting_.front().ticket == ticket && waiting_.front().stage == stage) return {};
  }
  return promote_joining(view);
}

// Answered where the lead or the time is over. What was committed before that counts.
bool Membership::is_over(Asked& asked, const MembershipView& view) {
  const bool is_committed = asked.stage == Stage::committing && view.commit >= asked.index &&
                            view.term_at(asked.index) == asked.term;
  if (is_committed) return false;
  if (asked.stage == Stage::transferring && !view.leads) {
    const bool is_there =
        view.leader && (asked.request.id == 0 || view.leader->id == asked.request.id);
    if (is_there) return answer({}), true;
    if (view.leader)
      return answer(Error{.code = Code::wait_timeout,
                          .detail = "the lead went to another: " + not_leader(view.leader).detail}),
             true;
  } else if (!view.leads) {
    const bool is_begun = asked.index != 0;
    Error error = not_leader(view.leader);
    if (is_begun) error = {.code = Code::outcome_unknown, .detail = "the lead was lost meanwhile"};
    return answer(error), true;
  }
  if (view.now_ns < asked.request.until_ns) return false;
  Error error{.code = Code::wait_timeout, .detail = {}};
  if (asked.stage == Stage::begin) error.detail = "another change is under way";
  if (asked.stage == Stage::committing)
    error.detail = "no majority has the change yet; it may come";
  if (asked.stage == Stage::promoting)
    error.detail =
        node(asked.request.id) + " is a stand-by and lacks " +
        std::to_string(view.last_index - std::min(view.last_index, view.match(asked.request.id))) +
        " entries" +
        (asked.request.kind == Kind::add ? "; it becomes a voter when it has them" : "");
  if (asked.stage >= Stage::transferring) error.detail = "nobody took the lead";
  return answer(error), true;
}

MembershipStep Membership::begin(Asked& asked, const MembershipView& view) {
  const bool is_transfer = asked.request.kind == Kind::transfer;
  if (is_transfer && asked.request.id == view.self) return answer({}), Step{};
  if (is_transfer || (asked.request.kind == Kind::remove && asked.request.id == view.self)) {
    if (!view.may_change) return {};
    asked.stage = Stage::draining, is_draining_ = true;
    asked.drained_by_ns = view.now_ns + view.election_timeout_ns / 2;
    return {.kind = Step::Kind::drain, .configuration = {}};
  }
  if (asked.request.kind == Kind::promote) {
    if (!view.configuration.find(asked.request.id))
      return answer(no_member(asked.request.id, view.configuration)), Step{};
    asked.stage = Stage::promoting;
    return promote(asked, view);
  }
  return change_or_done(asked, view);
}

MembershipStep Membership::change_or_done(Asked& asked, const MembershipView& view) {
  if (!view.may_change) return {};
  auto wanted = changed_by(asked.request, view.configuration);
  if (!wanted) return answer(wanted.error()), Step{};
  if (*wanted != view.configuration)
    return {.kind = Step::Kind::change, .configuration = std::move(*wanted)};
  if (asked.request.kind == Kind::add && !asked.request.stays_standby)
    asked.stage = Stage::promoting;
  else
    answer({});
  return {};
}

MembershipStep Membership::advance(Asked& asked, const MembershipView& view) {
  switch (asked.stage) {
    case Stage::draining:
      return drain(asked, view);
    case Stage::committing:
      if (view.commit < asked.index) return {};
      if (asked.request.kind == Kind::add && !asked.request.stays_standby && view.leads)
        return asked.stage = Stage::promoting, Step{};
      return answer({}), Step{};
    case Stage::promoting:
      return promote(asked, view);
    case Stage::transferring:
      // It was given up: that node did not take it within an election timeout.
      if (view.leads && !view.is_transferring)
        answer(Error{.code = Code::wait_timeout,
                     .detail = (asked.request.id ? node(asked.request.id) : std::string("nobody")) +
                               (asked.request.id ? " did not take" : " took") +
                               " the lead within an election timeout"});
      return {};
    case Stage::begin:
      break;
  }
  return {};
}

// What payers committed last comes into the log first; it need not be undone then. And the heir
// gets it: consensus gives a transfer up after an election timeout, which is better spent on the
// election.
MembershipStep Membership::drain(Asked& asked, const MembershipView& view) {
  const bool is_time_over = view.now_ns >= asked.drained_by_ns;
  if (!view.is_drained && !is_time_over) return {};
  if (asked.request.kind == Kind::remove) return change_or_done(asked, view);
  const uint64_t to = asked.request.id ? asked.request.id : fittest(view);
  if (to == 0 || !view.is_there(to)) {
    answer(Error{.code = Code::wait_timeout,
                 .detail = to ? node(to) + " was not heard of for an election timeout"
                              : std::string("no other voter is there")});
    return {};
  }
  if (view.match(to) < view.last_index && !is_time_over) return {};
  return {.kind = Step::Kind::transfer, .configuration = {}, .to = to};
}

MembershipStep Membership::promote(Asked& asked, const MembershipView& view) {
  const Server* const server = view.configuration.find(asked.request.id);
  if (!server) return answer(no_member(asked.request.id, view.configuration)), Step{};
  if (!view.may_change) return {};
  if (server->is_voter()) return answer({}), Step{};
  if (!has_nearly_all(server->id, view)) return {};
  return {.kind = Step::Kind::change,
          .configuration = with_role(view.configuration, server->id, ServerRole::voter)};
}

MembershipStep Membership::promote_joining(const MembershipView& view) const {
  if (!view.may_change) return {};
  for (const Server& server : view.configuration.servers)
    if (server.role == ServerRole::joining && has_nearly_all(server.id, view))
      return {.kind = Step::Kind::change,
              .configuration = with_role(view.configuration, server.id, ServerRole::voter)};
  return {};
}

// Nobody may have asked for it.
void Membership::changed(uint64_t index, uint64_t term) {
  if (waiting_.empty()) return;
  Asked& asked = waiting_.front();
  asked.index = index, asked.term = term;
  if (asked.stage != Stage::promoting) asked.stage = Stage::committing;
}

void Membership::transferring() {
  if (!waiting_.empty()) waiting_.front().stage = Stage::transferring;
}

void Membership::refused(const Error& error) {
  if (!waiting_.empty()) answer(error);
}

}  // namespace casbook::replicate
