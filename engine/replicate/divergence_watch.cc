#include "replicate/divergence_watch.h"

#include <algorithm>

#include "base/probe.h"

namespace casbook::replicate {

namespace {

constexpr size_t kSentKept = 32, kWaitingMax = 16, kFoundMax = 32;
constexpr int64_t kSecond = 1'000'000'000;
// So long a difference is looked at without a majority; and after so long without one it is new.
constexpr int64_t kUndecidedMax = 2 * kSecond, kSuspicionKept = kSecond;

bool is_equal_at(const DigestAnswer& answer, uint8_t what) {
  return what == DigestAnswer::kEntries ? answer.are_entries_equal : answer.equal >> what & 1;
}

// Of the leader that made the digest, where the claim is right.
Divergence divergence_of(const Digest& digest, const DigestAnswer& claim) {
  Divergence divergence;
  if (claim.differing < digest.blocks.size())
    divergence = locate_cells(digest.first_unit + uint64_t{claim.differing} * kDigestBlockUnits,
                              claim.sums, digest.blocks[claim.differing].sums);
  else
    divergence = locate_entries(digest.entries_before, digest.index, claim.sums, digest.entries);
  divergence.position = digest.position, divergence.index = digest.index;
  return divergence;
}

}  // namespace

void DivergenceWatch::begin(uint64_t term) {
  if (term != term_) number_ = 0;
  term_ = term;
  sent_.clear(), unfit_.clear(), waiting_.clear(), found_.clear();
  suspect_unit_ = {}, suspected_since_ns_ = 0;
}

// --- leader ---

std::optional<DigestPlan> DivergenceWatch::plan(uint64_t index, Position position,
                                                uint32_t blocks_max, int64_t now_ns) {
  if (!may_plan(now_ns) || position.value == 0) return {};
  const uint32_t blocks = std::min(blocks_max, kDigestBlocksMax);
  const uint64_t bytes = uint64_t{blocks} * kDigestBlockUnits * commit::kUnitBytes;
  next_ns_ = now_ns + static_cast<int64_t>(static_cast<double>(bytes) /
                                           static_cast<double>(options_.bytes_per_second) * 1e9);
  is_out_of_turn_ = suspect_unit_.has_value();
  return DigestPlan{.term = term_,
                    .number = ++number_,
                    .index = index,
                    .position = position,
                    .first_unit = std::exchange(suspect_unit_, {}).value_or(next_unit_),
                    .blocks = blocks};
}

void DivergenceWatch::made(const Digest& digest) {
  if (digest.term != term_) return;
  if (!is_out_of_turn_) next_unit_ = unit_behind(digest);
  sent_.push_back({digest, {}});
  if (sent_.size() > kSentKept) sent_.pop_front();
  ++counts_.digests, counts_.position = digest.position;
}

// How many have there what the claim says, or what the leader has.
size_t DivergenceWatch::count_of(const Sent& sent, const DigestAnswer& claim, bool as_leader,
                                 std::span<const uint64_t> voters) {
  return static_cast<size_t>(
      std::count_if(sent.answers.begin(), sent.answers.end(), [&](const auto& given) {
        const DigestAnswer& answer = given.second;
        if (std::ranges::find(voters, given.first) == voters.end()) return false;
        return as_leader ? is_equal_at(answer, claim.differing)
                         : answer.differing == claim.differing && answer.sums == claim.sums;
      }));
}

void DivergenceWatch::suspect(const Digest& digest, const DigestAnswer& answer, int64_t now_ns) {
  if (suspected_since_ns_ == 0 || now_ns - suspected_last_ns_ > kSuspicionKept)
    suspected_since_ns_ = now_ns;
  suspected_last_ns_ = now_ns;
  if (answer.differing < digest.blocks.size())
    suspect_unit_ = digest.first_unit + uint64_t{answer.differing} * kDigestBlockUnits;
}

DivergenceWatch::Judgement DivergenceWatch::answered(uint64_t from, const DigestAnswer& answer,
                                                     std::span<const uint64_t> voters,
                                                     int64_t now_ns) {
  Judgement judgement;
  const size_t majority = (voters.size() + 1) / 2 + 1;
  const auto sent = std::find_if(sent_.begin(), sent_.end(), [&](const Sent& s) {
    return s.digest.number == answer.number && s.digest.term == answer.term;
  });
  if (sent == sent_.end()) return judgement;
  if (answer.differing == DigestAnswer::kUnfit) {
    if (std::ranges::find(voters, from) != voters.end()) unfit_.insert(from);
    judgement.is_leader_odd = unfit_.size() >= majority;
    judgement.divergence = {.kind = Divergence::Kind::entry,
                            .position = sent->digest.position,
                            .index = sent->digest.index,
                            .first = answer.sums.plain,
                            .last = answer.sums.plain};
    return judgement;
  }
  sent->answers[from] = answer;
  for (const auto& [node, claim] : sent->answers) {
    if (claim.differing == DigestAnswer::kNothing) continue;
    if (node == from) suspect(sent->digest, claim, now_ns);
    const bool is_leader_right = 1 + count_of(*sent, claim, true, voters) >= majority ||
                                 base::mutated(base::Mutant::digest_judged_alone);
    const bool is_late = now_ns - suspected_since_ns_ >= kUndecidedMax;
    if (!is_leader_right && count_of(*sent, claim, false, voters) >= majority) {
      judgement.is_leader_odd = true;
      judgement.divergence = divergence_of(sent->digest, claim);
      return judgement;
    }
    if (!is_leader_right && !is_late) continue;
    judgement.odd.push_back(node);
    judgement.verdict = {.term = term_, .number = answer.number, .is_of_majority = is_leader_right};
  }
  return judgement;
}

// --- follower ---

void DivergenceWatch::came(Digest&& digest) {
  if (digest.term != term_) return;
  waiting_.push_back(std::make_shared<const Digest>(std::move(digest)));
  if (waiting_.size() > kWaitingMax) waiting_.pop_front();
}

bool DivergenceWatch::is_due(uint64_t applied) const {
  return std::any_of(waiting_.begin(), waiting_.end(),
                     [&](const auto& digest) { return digest->index <= applied; });
}

std::shared_ptr<const Digest> DivergenceWatch::due(uint64_t applied) {
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const auto& digest) { return digest->index <= applied; });
  if (found == waiting_.end()) return nullptr;
  auto digest = *found;
  waiting_.erase(found);
  return digest;
}

void DivergenceWatch::compared(const Comparison& comparison) {
  if (comparison.answer.term != term_) return;
  ++counts_.digests;
  if (comparison.answer.differing == DigestAnswer::kNothing) {
    counts_.position = comparison.divergence.position;
    return;
  }
  found_[comparison.answer.number] = comparison.divergence;
  if (found_.size() > kFoundMax) found_.erase(found_.begin());
}

std::optional<Divergence> DivergenceWatch::judged(const DigestVerdict& verdict) const {
  const auto found = found_.find(verdict.number);
  if (verdict.term != term_ || found == found_.end()) return std::nullopt;
  return found->second;
}

}  // namespace casbook::replicate
