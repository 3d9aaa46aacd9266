#include "daemon/catch_up.h"

#include <algorithm>

#include <signal.h>

#include "base/clock.h"
#include "daemon/event_log.h"

namespace casbook::daemon {

using journal::CopyTarget;
using journal::OwnLog;

namespace {

constexpr int64_t kRetryNs = 200'000'000;
constexpr uint64_t kSegmentsMeanwhile = 1000;

// Whether it is this node's own, and the next server will not help.
bool is_of_own_disk(const Error& error) {
  return error.code == Code::no_space || error.code == Code::book_exists;
}

CatchUpQuestion question_of(const ClusterConfig& config, const CatchUp::Node& node,
                            const replicate::Server& server, const OwnLog& own) {
  return {.address = server.address,
          .name = {.cluster = node.state.cluster, .client = config.node, .server = server.id},
          .request = {.shape = node.shape_digest,
                      .storage_id = node.state.storage_id,
                      .last_index = own.last_index,
                      .last_term = own.last_term},
          .channel = {}};
}

void tell_fetched(uint64_t from, const CopyTarget& copy, int64_t begun_ns) {
  log_event(Severity::info, "copy_fetched",
            {{"from", from},
             {"bytes", copy.bytes()},
             {"last_index", copy.begin().end_index},
             {"ms", (base::monotonic_ns() - begun_ns) / 1'000'000}});
}

}  // namespace

Result<uint64_t> segments_before_copy(const journal::Storage& storage) {
  const auto names = storage.list();
  if (!names) return names.error();
  uint64_t last = 0;
  for (const std::string& name : *names)
    last = std::max(last, journal::segment_number(name).value_or(0));
  return last == 0 ? 0 : last + kSegmentsMeanwhile;
}

journal::OfferedLog offered_by(const CopyTarget& copy) {
  return {.last_index = copy.begin().end_index,
          .last_term = copy.begin().end_term,
          .committed_index = copy.begin().committed_index};
}

CatchUp::CatchUp(const ClusterConfig& config, uint64_t segment_bytes,
                 const replicate::ClusterKeys& keys, const Node& node)
    : config_(config), segment_bytes_(segment_bytes), keys_(keys), node_(node) {}
CatchUp::~CatchUp() { stop(); }

Result<void> CatchUp::serve(CatchUpSupply supply) {
  supply.storage = node_.storage, supply.journal_id = node_.state.journal_id;
  supply.holds = &holds_;
  CatchUpServerOptions options{.cluster = node_.state.cluster,
                               .node = config_.node,
                               .shape = node_.shape_digest,
                               .bytes_per_second = config_.catch_up_bytes_per_second};
  for (const replicate::Server& server : config_.nodes)
    if (server.id == config_.node) options.address = server.address;
  auto server = CatchUpServer::open(options, keys_, supply);
  if (!server) return server.error();
  server_ = std::move(*server);
  return {};
}

bool CatchUp::must_stop() const {
  const std::lock_guard lock(mutex_);
  return is_stopping_;
}

void CatchUp::join() {
  if (fetcher_.joinable()) fetcher_.join();
}

void CatchUp::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  join();
  server_.reset();
}

CatchUpServer::Counts CatchUp::counts() const {
  return server_ ? server_->counts() : CatchUpServer::Counts{};
}

void CatchUp::set_keys(const replicate::ClusterKeys& keys) {
  keys_ = keys;
  if (server_) server_->set_keys(keys);
}

bool CatchUp::is_ready() const {
  const std::lock_guard lock(mutex_);
  return copy_ != nullptr;
}

void CatchUp::look(const std::optional<replicate::Replicator::CatchUp>& wanted, const OwnLog& own) {
  std::unique_ptr<CopyTarget> late;
  {
    const std::lock_guard lock(mutex_);
    if (is_fetching_) return;
    if (copy_ && !may_install(offered_by(*copy_), own)) late = std::move(copy_);
    if (copy_) return;
  }
  if (late) {
    late.reset();
    (void)!journal::discard_copy(*node_.storage);
    log_event(Severity::warn, "copy_discarded", {{"last_index", own.last_index}});
  }
  if (wanted && base::monotonic_ns() >= next_ns_) begin(*wanted, own);
}

void CatchUp::begin(const replicate::Replicator::CatchUp& wanted, const OwnLog& own) {
  join();
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    is_fetching_ = true;
  }
  CatchUpQuestion question = question_of(config_, node_, wanted.leader, own);
  question.channel.must_stop = [this] { return must_stop(); };
  log_event(Severity::info, "copy_asked_for",
            {{"from", wanted.leader.id},
             {"last_index", own.last_index},
             {"base_index", wanted.base_index}});
  fetcher_ = std::thread([this, question, keys = keys_] {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    const int64_t begun = base::monotonic_ns();
    const auto before = segments_before_copy(*node_.storage);
    auto fetched = before ? fetch_copy(*node_.storage, keys, question,
                                       {.journal_id = node_.state.journal_id,
                                        .shape = node_.shape,
                                        .segments_before = *before,
                                        .segment_bytes = segment_bytes_,
                                        .must_stop = question.channel.must_stop})
                          : Result<std::unique_ptr<CopyTarget>>(before.error());
    if (fetched)
      tell_fetched(question.name.server, **fetched, begun);
    else if (!must_stop())
      log_event(Severity::warn, "copy_failed",
                {{"from", question.name.server}, {"error", fetched.error().message()}});
    const std::lock_guard lock(mutex_);
    is_fetching_ = false;
    if (fetched) copy_ = std::move(*fetched);
  });
  next_ns_ = base::monotonic_ns() + kRetryNs;
}

Result<bool> CatchUp::install(const OwnLog& own) {
  const std::unique_ptr<CopyTarget> copy = [this] {
    const std::lock_guard lock(mutex_);
    return std::move(copy_);
  }();
  if (!copy || !may_install(offered_by(*copy), own)) {
    if (auto discarded = journal::discard_copy(*node_.storage); !discarded)
      return discarded.error();
    return false;
  }
  // A term that the copy has entries of is one that may have been seen: never less than what this
  // node promised, and no vote of it is given away twice.
  auto state = journal::read_state(*node_.storage);
  if (!state) return state.error();
  if (copy->begin().end_term > state->reserved_term) {
    state->reserved_term = copy->begin().end_term, state->voted_for = 0;
    if (auto written = journal::write_state(*node_.storage, *state); !written)
      return written.error();
  }
  if (auto installed = journal::install(*node_.storage, copy->installation()); !installed)
    return installed.error();
  log_event(Severity::info, "copy_installed",
            {{"position", copy->begin().position}, {"last_index", copy->begin().end_index}});
  return true;
}

// --- a new node ---

Result<bool> join_cluster(const ClusterConfig& config, uint64_t segment_bytes,
                          const replicate::ClusterKeys& keys, const CatchUp::Node& node,
                          const StopSignal& stop) {
  // Asked one after the other, for ever: until then there is nothing to serve.
  for (size_t turn = 0;; ++turn) {
    const replicate::Server& server = config.nodes[turn % config.nodes.size()];
    if (server.id == config.node) continue;
    bool is_told_to_stop = false;
    CatchUpQuestion question = question_of(config, node, server, {});
    question.channel.must_stop = [&] { return is_told_to_stop |= stop.has_come_within(0); };
    log_event(Severity::info, "copy_asked_for", {{"from", server.id}, {"last_index", 0}});
    const int64_t begun = base::monotonic_ns();
    auto copy = fetch_copy(*node.storage, keys, question,
                           {.journal_id = node.state.journal_id,
                            .shape = node.shape,
                            .segments_before = 0,
                            .segment_bytes = segment_bytes,
                            .must_stop = question.channel.must_stop});
    if (is_told_to_stop) return false;
    if (copy) {
      tell_fetched(server.id, **copy, begun);
      CatchUp::Node joined = node;
      joined.state.reserved_term = std::max(node.state.reserved_term, (*copy)->begin().end_term);
      if (auto written = journal::write_state(*node.storage, joined.state); !written)
        return written.error();
      if (auto installed = journal::install(*node.storage, (*copy)->installation()); !installed)
        return installed.error();
      log_event(
          Severity::info, "copy_installed",
          {{"position", (*copy)->begin().position}, {"last_index", (*copy)->begin().end_index}});
      return true;
    }
    log_event(Severity::warn, "copy_failed",
              {{"from", server.id}, {"error", copy.error().message()}});
    if (copy.error().code == Code::foreign_journal || is_of_own_disk(copy.error()))
      return copy.error();
    if (stop.has_come_within(kRetryNs)) return false;
  }
}

}  // namespace casbook::daemon
