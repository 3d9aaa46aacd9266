// The part of a simulated host that its daemon's main thread and catch-up threads do: checkpoints,
// what they make superfluous, and copies from other hosts. The bytes go from disk to disk, some
// messages at a time, as long as both daemons live and reach each other.
#include "daemon/catch_up.h"
#include "journal/segment_records.h"
#include "log/durable.h"
#include "log/log_reader.h"
#include "support/sim_node.h"

namespace casbook::test {

namespace {

constexpr int64_t kCheckpointNs = kSimSecond / 4;
constexpr int64_t kCopyStepNs = 2 * kSimMs, kCopyRetryNs = 200 * kSimMs;
constexpr uint64_t kMessagesAtOnce = 12;
constexpr uint64_t kSegmentBytes = 64 * journal::kBlockBytes;

}  // namespace

// --- checkpoints ---

void SimNode::on_checkpoint() {
  after(kCheckpointNs / 4 + some(kCheckpointNs), &SimNode::on_checkpoint);
  const auto check = [this](const Result<void>& done, const char* what) {
    if (!done && !storage_.fault_has_struck() && storage_.has_power())
      truth_.fail("node " + std::to_string(options_.id) + " cannot " + what + ": " +
                  done.error().message());
  };
  check(take_checkpoint(), "take a checkpoint");
  const uint64_t needed = needed_from();
  auto forgotten = forget_entries_below(needed);
  if (forgotten) check(remove_segments(needed), "remove segments");
  settle(forgotten);
}

// What the journal has no more, the ring has.
Result<void> SimNode::copy_records(
    uint64_t from, uint64_t to, const std::function<void(std::span<const uint64_t>)>& sink) const {
  const auto segments = journal::list_segments(storage_, state_.journal_id);
  if (!segments) return segments.error();
  const uint64_t begin = segments->empty() ? to : segments->front().header.next_lsn;
  log::EncodedRecord record;
  for (; from < std::min(to, begin); ++from) {
    if (log::fetch_encoded(book_.store(), from, record) != log::Fetch::got) return Code::overrun;
    sink(record.span());
  }
  auto read = journal::read_records(storage_, state_.journal_id, from, to, sink);
  return read ? Result<void>() : read.error();
}

Result<void> SimNode::take_checkpoint() {
  using replicate::Standing;
  if (node_->standing() != Standing::following && node_->standing() != Standing::leading) return {};
  if (!book_.is_open() || task_.kind != replicate::Task::Kind::none) return {};
  const commit::Store& store = book_.store();
  const uint64_t end = log::log_end(store);
  const uint64_t synced = log_->position_at(log_->persisted_index()).lsn();
  if (end <= 1 || std::min(log::durable_position(store).lsn(), synced) + 1 < end) return {};
  // The truth has to have seen what goes.
  if (log_->index_of(end - 1) > commit_seen_) return {};
  journal::CheckpointRequest request{.journal_id = state_.journal_id, .shape = book_.shape()};
  request.must_stop = [] { return false; };
  request.index_of = [this](uint64_t lsn) { return log_->index_of(lsn); };
  request.records = [&](uint64_t from, uint64_t to,
                        const std::function<void(std::span<const uint64_t>)>& sink) {
    return copy_records(from, to, sink);
  };
  auto info = journal::write_checkpoint(store, storage_, request);
  if (!info) return info.error();
  events_.note(who(), "takes a checkpoint", info->position.value);
  return {};
}

// The log forgets first, then the segments go.
uint64_t SimNode::needed_from() const {
  const auto names = journal::list_checkpoints(storage_);
  if (!names || names->size() < 2) return 0;
  const Position oldest = journal::checkpoint_position(names->back()).value_or(Position{});
  return std::min(oldest.lsn() + 1, holds_.lowest());
}

Result<void> SimNode::forget_entries_below(uint64_t lsn) {
  const auto index = journal::last_index_below(storage_, state_.journal_id, lsn);
  if (!index || *index <= log_->base_index() || *index > commit_seen_) return {};
  auto compacted = node_->compacted(*index, events_.now());
  if (!compacted) return compacted.error();
  if (*compacted && log_->compact(*index)) events_.note(who(), "has a log from", *index + 1);
  return {};
}

Result<void> SimNode::remove_segments(uint64_t lsn) {
  auto kept = journal::remove_segments_below(storage_, state_.journal_id, lsn, log_->base_index());
  return kept ? Result<void>() : kept.error();
}

// --- copies ---

journal::OwnLog SimNode::own_log() const {
  const uint64_t last = log_->last_index();
  return {.last_index = last,
          .last_term = log_->term_at(last),
          .current_term = std::max(node_->term(), log_->term_at(last))};
}

bool SimNode::can_reach(const SimNode& other) const {
  return !network_.link(options_.id, other.id()).is_cut &&
         !network_.link(other.id(), options_.id).is_cut;
}

void SimNode::look_for_copy() {
  if (copying_ || !book_.is_open() || events_.now() < next_copy_ns_) return;
  const auto wanted = node_->catch_up_wanted();
  SimNode* const from = wanted && peers_ ? peers_(wanted->leader.id) : nullptr;
  if (!from || !from->is_up() || events_.now() < from->stopped_until_ || !can_reach(*from)) return;
  next_copy_ns_ = events_.now() + kCopyRetryNs;
  events_.note(who(), "asks for a copy of", from->id());
  copying_ = std::make_unique<Copying>();
  copying_->from = from, copying_->life = from->life_;
  copying_->hold = from->holds_.hold();
  const uint64_t end = from->log_->persisted_index();
  auto source = journal::CopySource::open(from->storage_, from->state_.journal_id,
                                          {end, from->log_->term_at(end)}, [from](uint64_t) {
                                            return from->node_->configuration_of_copy();
                                          });
  if (!source) return give_up_copy(source.error());
  const auto before = daemon::segments_before_copy(storage_);
  if (!before) return give_up_copy(before.error());
  auto target = journal::CopyTarget::open(storage_, {.journal_id = state_.journal_id,
                                                     .shape = book_.shape(),
                                                     .segments_before = *before,
                                                     .segment_bytes = kSegmentBytes});
  if (!target) return give_up_copy(target.error());
  copying_->hold->narrow((*source)->begin().base_next_lsn);
  copying_->source = std::move(*source), copying_->target = std::move(*target);
  after(some(kCopyStepNs), &SimNode::on_copy);
}

void SimNode::give_up_copy(const Error& error) {
  events_.note(who(), "gives up a copy", static_cast<uint64_t>(error.code));
  events_.say(who(), [&] { return error.message(); });
  copying_.reset();
}

void SimNode::on_copy() {
  if (!copying_) return;
  SimNode& from = *copying_->from;
  const bool is_there = from.is_up() && from.life_ == copying_->life && can_reach(from);
  const Error broken{.code = Code::io_error, .detail = "the connection is broken"};
  if (!is_there) {
    // What has come may be taken for a copy, where that is the bug.
    if (copying_->target->is_whole()) return install_copy();
    give_up_copy(broken);
    return settle({});
  }
  for (uint64_t i = 0, count = 1 + random_.below(kMessagesAtOnce); i < count; ++i) {
    if (events_.now() < from.stopped_until_) break;
    std::vector<std::byte> message;
    auto next = copying_->source->next(message);
    if (!next) {
      give_up_copy(next.error());
      return settle({});
    }
    if (!*next) return install_copy();
    if (auto taken = copying_->target->take(message); !taken) {
      if (taken.error().code == Code::damaged && !from.storage_.fault_has_struck() &&
          !storage_.fault_has_struck() && storage_.has_power())
        truth_.fail("a copy is none: " + taken.error().message());
      give_up_copy(taken.error());
      return settle({});
    }
  }
  after(some(kCopyStepNs), &SimNode::on_copy);
  settle({});
}

// As the daemon closes its node, installs, and opens it again.
void SimNode::install_copy() {
  const auto copying = std::move(copying_);
  const journal::CopyTarget& copy = *copying->target;
  const journal::OfferedLog offered = daemon::offered_by(copy);
  if (!copy.is_whole() || !journal::may_install(offered, own_log())) {
    events_.note(who(), "may not install a copy", offered.last_index);
    return settle({});
  }
  events_.note(who(), "installs a copy", offered.last_index);
  end_life();
  book_.let_go();
  terms_at_death_.clear();  // not a crash takes what is replaced
  const auto state = journal::read_state(storage_);
  Result<void> done = state ? Result<void>() : state.error();
  if (state && offered.last_term > state->reserved_term) {
    state_ = *state;
    state_.reserved_term = offered.last_term, state_.voted_for = 0;
    done = journal::write_state(storage_, state_);
  }
  if (done) done = journal::install(storage_, copy.installation());
  if (done && storage_.has_power()) {
    ++copies_;
    return start();
  }
  events_.note(who(), "fails to install a copy");
  storage_.fail({});
  if (!storage_.has_power()) lose_power();
  start_later();
}

}  // namespace casbook::test
