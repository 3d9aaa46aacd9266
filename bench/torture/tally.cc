#include "torture/tally.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "torture/cost.h"

namespace casbook::torture {
namespace {

using peers::About;
using peers::Design;
using peers::Group;

// The shortest TTL that a design's server takes and keeps to.
int64_t ttl_ms_of(const About& about, const Effort& effort) {
  if (!about.uses_ttl) return effort.ttl_ms;
  switch (about.group) {
    case Group::zookeeper:
      return 1000;  // two of its ticks
    case Group::etcd:
      return 2000;  // more than an election takes
    case Group::queue:
      return 2000;  // a heartbeat of one second, missed twice
    default:
      return effort.ttl_ms;
  }
}

Pace pace_of(const About& about, const Effort& effort) {
  Pace pace{.ttl_ms = ttl_ms_of(about, effort)};
  pace.stop_ms = pace.ttl_ms * 3 / 2;
  pace.limit_ms = effort.limit_ms + 2 * pace.ttl_ms;
  // Without a TTL nothing changes by waiting for longer.
  pace.stop_ms_max = about.uses_ttl ? pace.stop_ms + effort.limit_ms / 2 : pace.stop_ms;
  return pace;
}

class Torture {
 public:
  Torture(const peers::Listed& listed, const Effort& effort, const bench::Place& place,
          uint64_t seed)
      : listed_(listed), effort_(effort), place_(place), seed_(seed) {
    row_.name = listed.name;
  }

  Row run() {
    const std::vector<Story> stories = all_stories(repeats());
    accounts_ = 2 * static_cast<uint32_t>(stories.size() + 1);
    if (!begin()) return std::move(row_);
    row_.pace.payment_ns = cost_of_payment_ns(*design_, accounts_ - 2, accounts_ - 1);
    stage_ = std::make_unique<Stage>(*design_, row_.pace, seed_);
    for (uint32_t i = 0; i < stories.size() && row_.problem.empty(); ++i) {
      const Played played = stage_->play(stories[i], i);
      take(stories[i], played);
      if (played.is_stuck && begin())
        stage_ = std::make_unique<Stage>(*design_, row_.pace, seed_ + i);
    }
    stage_.reset();
    return std::move(row_);
  }

 private:
  // Where a TTL takes seconds, fewer.
  uint32_t repeats() const {
    const auto design = listed_.make ? listed_.make() : nullptr;
    const bool is_slow = design && ttl_ms_of(design->about(), effort_) >= 1000;
    return is_slow ? std::max(1u, effort_.repeats / 4) : effort_.repeats;
  }
  bool begin() {
    stage_.reset();
    design_.reset();
    if (listed_.make) design_ = listed_.make();
    if (!design_) return leave_out(std::string("built without ") + listed_.needs);
    row_.about = design_->about();
    if (row_.about.is_one_process)
      return leave_out("threads of one process: it dies or stops whole, and nothing is left of it");
    const int64_t payment_ns = row_.pace.payment_ns;
    row_.pace = pace_of(row_.about, effort_);
    row_.pace.payment_ns = payment_ns;
    peers::Shape shape{
        .accounts = accounts_,
        .payments = 40'000,
        .funds = kFunds,
        .ttl_ms = row_.pace.ttl_ms,
        .patience_ms = row_.pace.limit_ms,
        .folder = place_.folder((row_.name + "." + std::to_string(++begun_)).c_str())};
    const std::string why = design_->start(shape);
    return why.empty() || leave_out(why);
  }
  bool leave_out(const std::string& why) {
    (begun_ > 1 ? row_.problem : row_.why) = why;
    return false;
  }

  void take(const Story& story, const Played& played) {
    if (!played.why.empty()) {
      row_.problem = story.name() + ": " + played.why;
      return;
    }
    row_.by_story[story.name()].add(played);
    row_.all.add(played);
    if (story.step && story.fault == Fault::kill) row_.kills.add(played);
    if (story.step && story.fault == Fault::stop) row_.stops.add(played);
    const Verdict& verdict = played.verdict;
    row_.disagreements += verdict.is_disagreement;
    if (row_.example.empty() && !verdict.is_clean())
      row_.example = story.name() + ": " + verdict.text;
    if (verdict.is_disagreement) row_.example = story.name() + ": the counts alone";
  }

  const peers::Listed& listed_;
  const Effort& effort_;
  const bench::Place& place_;
  uint64_t seed_;
  uint32_t accounts_ = 0, begun_ = 0;
  std::unique_ptr<Design> design_;
  std::unique_ptr<Stage> stage_;
  Row row_;
};

}  // namespace

void Counts::add(const Played& played) {
  ++bouts;
  twice += played.verdict.twice;
  lost += played.verdict.lost;
  overdrawn += played.verdict.overdrawn;
  stood_still += played.stood_still;
  if (played.stood_still) return;
  stuck += played.is_stuck;
  blocked += played.is_blocked;
  if (played.next_ns >= 0) next_ms.push_back(static_cast<double>(played.next_ns) / 1e6);
}

Row torture(const peers::Listed& listed, const Effort& effort, const bench::Place& place,
            uint64_t seed) {
  return Torture(listed, effort, place, seed).run();
}

}  // namespace casbook::torture
