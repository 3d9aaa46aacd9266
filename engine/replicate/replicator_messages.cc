// What another node says, and what it is answered at once.
#include <algorithm>

#include "base/clock.h"
#include "replicate/replicator.h"

namespace casbook::replicate {

namespace {

// Who waits for the disk alone needs no word of memory; whoever comes to wait for memory, soon.
constexpr int64_t kAnswerDelayNs = 2 * base::kNsPerMs;

}  // namespace

void Replicator::on_message(uint64_t from, Message&& message) {
  if (failure_ || transport_->refused_by() != 0) return;
  if (const auto* received = std::get_if<Received>(&message)) return on_received(from, *received);
  if (const auto* offer = std::get_if<Offer>(&message)) return on_offer(from, *offer);
  if (take_digest_talk(from, message)) return;
  if (const auto* wanted = std::get_if<DiskWanted>(&message)) {
    if (wanted->term == consensus_->term()) note_disk_wanted(*wanted);
    return;
  }
  if (const auto* result = std::get_if<AppendResult>(&message)) note_result(from, *result);
  auto update = consensus_->receive(from, message, now_ms());
  bool is_rejected = false;
  if (update)
    for (const Outgoing& out : update->messages)
      if (const auto* result = std::get_if<AppendResult>(&out.message))
        is_rejected |= result->rejected != 0;
  if (!update && !is_fatal(update.error())) return;
  if (auto done = carry_out(std::move(update)); !done) {
    failure_ = done.error();
    return;
  }
  const auto* const append = std::get_if<AppendEntries>(&message);
  if (!append) return;
  // First what takes longest, where somebody waits for it; else after the answer.
  if (write_delay_.is_awaited())
    if (auto handed = hand_to_disk(); !handed) failure_ = handed.error();
  acknowledge(from, *append, is_rejected);
}

// That the entries are in memory is told at once; that they are on disk, by consensus.
void Replicator::acknowledge(uint64_t from, const AppendEntries& append, bool is_rejected) {
  if (append.term != consensus_->term() || consensus_->role() != Role::follower) return;
  begin_hearing(append.term);
  heard_round_ = std::max(heard_round_, append.round);
  if (is_rejected) return;
  // Consensus may have taken only some of them, the first ones.
  uint64_t matched = append.prev_index + append.entries.size();
  while (matched > append.prev_index &&
         log_.term_at(matched) != append.entries[matched - append.prev_index - 1]->term)
    --matched;
  const bool is_news = matched > matched_;
  matched_ = std::max(matched_, std::min(matched, log_.last_index()));
  if (!is_news) return;
  if (write_delay_.is_for_disk_alone(matched_)) {
    if (answer_due_ns_ == INT64_MAX) answer_due_ns_ = now_ns_ + kAnswerDelayNs;
    return;
  }
  tell_received(from);
}

void Replicator::begin_hearing(uint64_t term) {
  if (heard_term_ == term) return;
  heard_term_ = term, heard_round_ = matched_ = 0;
  answer_due_ns_ = INT64_MAX;
}

void Replicator::tell_received(uint64_t leader) {
  answer_due_ns_ = INT64_MAX;
  const Outgoing answer{leader, Received{heard_term_, matched_, heard_round_}};
  transport_->send({&answer, 1}, now_ns_);
}

// From a follower: how far it is. From the leader: a question for proof that it leads.
void Replicator::on_received(uint64_t from, const Received& received) {
  if (received.term != consensus_->term()) return;
  if (role_ != Role::leader) {
    const auto leader = consensus_->leader();
    if (!leader || leader->id != from) return;
    begin_hearing(received.term);
    heard_round_ = std::max(heard_round_, received.round);
    tell_received(from);
    return;
  }
  if (Follower* const follower = find_follower(from)) {
    // As it says now: a follower that was started again has less, and consensus knows its disk.
    follower->received = received.index, follower->boot = transport_->boot_of(from);
    follower->round = std::max(follower->round, received.round);
  }
  note_rounds();
  tell_progress();
  prove_contact(from);
  if (const Follower* const follower = find_follower(from)) note_lag(*follower);
}

Replicator::Follower* Replicator::find_follower(uint64_t node) {
  for (Follower& follower : followers_)
    if (follower.id == node) return &follower;
  return nullptr;
}

void Replicator::note_result(uint64_t from, const AppendResult& result) {
  Follower* const follower = find_follower(from);
  if (follower && result.rejected == 0) follower->result = result, follower->heard_ns = now_ns_;
  note_leaving(from, result);
}

// A follower whose disk stands still answers no entries, and consensus would take it for gone. That
// it received something of this term is said to consensus as the answer that it gave before.
void Replicator::prove_contact(uint64_t from) {
  Follower* const follower = find_follower(from);
  const int64_t silent_ns = options_.consensus.heartbeat_ms * base::kNsPerMs;
  if (!follower || now_ns_ - follower->heard_ns < silent_ns) return;
  const uint64_t match = consensus_->match_index(from);
  if (match == 0 || follower->result.term != term_) return;
  follower->heard_ns = now_ns_;
  AppendResult same = follower->result;
  same.last_index = match;
  auto update = consensus_->receive(from, same, now_ms());
  if (!update && !is_fatal(update.error())) return;
  if (auto done = carry_out(std::move(update)); !done) failure_ = done.error();
}

}  // namespace casbook::replicate
