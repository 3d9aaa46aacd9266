// Proof that this node leads: rounds of questions that a majority answers.
#include <algorithm>

#include "base/clock.h"
#include "replicate/replicator.h"

namespace casbook::replicate {

using base::kNsPerMs;

namespace {
constexpr size_t kRoundsKept = 256;
}  // namespace

void Replicator::begin_round() {
  ++round_;
  confirm_sent_ = book_.confirm_asked();
  rounds_.push_back({round_, confirm_sent_, now_ns_});
  if (rounds_.size() > kRoundsKept) rounds_.pop_front();
  next_round_ns_ = now_ns_ + options_.consensus.heartbeat_ms * kNsPerMs;
  std::vector<Outgoing> questions;
  for (const Follower& follower : followers_)
    if (follower.is_voter) questions.push_back({follower.id, Received{term_, 0, round_}});
  offer_copies(questions);
  transport_->send(questions, now_ns_);
}

void Replicator::note_rounds() {
  std::vector<uint64_t> heard;
  if (is_voter()) heard.push_back(round_);
  for (const Follower& follower : followers_)
    if (follower.is_voter) heard.push_back(follower.round);
  const uint64_t proven = base::mutated(base::Mutant::round_unproven)
                              ? *std::max_element(heard.begin(), heard.end())
                              : majority_of(std::move(heard));
  // Progress: each round takes one off.
  while (!rounds_.empty() && rounds_.front().number <= proven) {
    const Round round = rounds_.front();
    rounds_.pop_front();
    proven_ns_ = round.sent_ns;
    if (standing_ != Standing::leading || are_payments_held()) continue;
    tell_leading(round.sent_ns);
    book_.tell_confirmed(round.asked);
  }
}

// Nobody else is voted for within an election timeout of hearing from this node; less a part for
// clocks that run apart.
void Replicator::tell_leading(int64_t round_sent_ns) {
  const int64_t timeout = election_timeout_ns();
  book_.tell_leading_until(round_sent_ns + timeout - timeout / 8);
}

}  // namespace casbook::replicate
