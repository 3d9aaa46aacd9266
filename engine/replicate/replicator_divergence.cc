// Whether the books of the nodes are the same, and what a node does whose book is not.
#include "replicate/replicator.h"
#include "replicate/wire.h"

namespace casbook::replicate {

Task Replicator::next_comparison() {
  if (standing_ == Standing::following)
    if (auto digest = divergence_.due(applied_))
      return {.kind = Task::Kind::compare,
              .entry = nullptr,
              .committed = {},
              .digest = std::move(digest)};
  if (standing_ != Standing::leading || quarantine_) return {};
  const uint32_t room = transport_->frame_bytes_max() - kDigestHeadBytes;
  const uint64_t index = log_.last_index();
  const auto plan =
      divergence_.plan(index, log_.position_at(index), room / kDigestBlockBytes, now_ns_);
  if (!plan) return {};
  return {.kind = Task::Kind::digest, .entry = nullptr, .committed = {}, .plan = *plan};
}

void Replicator::digested(const Digest& digest) {
  if (standing_ != Standing::leading || digest.term != term_) return;
  divergence_.made(digest);
  transport_->send_to_all(digest, now_ns_);
}

void Replicator::compared(const Comparison& comparison) {
  divergence_.compared(comparison);
  const auto leader = consensus_->leader();
  if (!leader || comparison.answer.term != term_ || role_ == Role::leader) return;
  const Outgoing answer{leader->id, comparison.answer};
  transport_->send({&answer, 1}, now_ns_);
}

// What this node could not apply is perhaps what nobody can.
void Replicator::tell_unfit(uint64_t leader, const Digest& digest) {
  if (!quarantine_->error || quarantine_->error->code != Code::damaged) return;
  const Outgoing answer{leader, DigestAnswer{.term = digest.term,
                                             .number = digest.number,
                                             .differing = DigestAnswer::kUnfit,
                                             .sums = {.plain = applied_ + 1}}};
  transport_->send({&answer, 1}, now_ns_);
}

// False: it is none.
bool Replicator::take_digest_talk(uint64_t from, Message& message) {
  const auto leader = consensus_->leader();
  const bool is_of_leader = leader && leader->id == from && role_ != Role::leader;
  if (auto* const digest = std::get_if<Digest>(&message)) {
    if (is_of_leader && standing_ == Standing::following) divergence_.came(std::move(*digest));
    if (is_of_leader && standing_ == Standing::quarantined) tell_unfit(from, *digest);
    return true;
  }
  if (const auto* const verdict = std::get_if<DigestVerdict>(&message)) {
    auto divergence = divergence_.judged(*verdict);
    if (is_of_leader && divergence)
      enter({.divergence = std::move(divergence), .is_of_majority = verdict->is_of_majority});
    return true;
  }
  const auto* const answer = std::get_if<DigestAnswer>(&message);
  if (answer && standing_ == Standing::leading && find_follower(from))
    on_digest_answer(from, *answer);
  return answer != nullptr;
}

void Replicator::on_digest_answer(uint64_t from, const DigestAnswer& answer) {
  std::vector<uint64_t> voters;
  for (const Follower& follower : followers_)
    if (follower.is_voter) voters.push_back(follower.id);
  const auto judgement = divergence_.answered(from, answer, voters, now_ns_);
  std::vector<Outgoing> verdicts;
  for (const uint64_t node : judgement.odd) verdicts.push_back({node, judgement.verdict});
  transport_->send(verdicts, now_ns_);
  if (judgement.is_leader_odd) enter({.divergence = judgement.divergence, .is_of_majority = true});
}

// A book that is being built anew, or opened, is not touched.
void Replicator::enter(Quarantine&& quarantine) {
  if (quarantine_ || (standing_ != Standing::leading && standing_ != Standing::following)) return;
  quarantine_ = std::move(quarantine);
  if (standing_ == Standing::leading) book_.tell_leading_until(0);
  book_.quarantine(quarantine_->divergence);
  if (standing_ == Standing::following) standing_ = Standing::quarantined;
  next_hand_over_ns_ = now_ns_;
  decide_may_lead();
}

Result<void> Replicator::quarantine(const std::optional<Error>& error, int64_t now_ns) {
  now_ns_ = now_ns;
  if (standing_ == Standing::promoting && error)
    standing_ = Standing::following, is_tasked_ = false;
  enter({.divergence = {}, .error = error});
  return hand_over();
}

}  // namespace casbook::replicate
