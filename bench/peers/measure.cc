#include "peers/measure.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>

#include <sys/stat.h>

#include "durable/latencies.h"
#include "peers/try_out.h"

namespace casbook::peers {
namespace {

constexpr uint32_t kCallers = 2;
constexpr double kLockShare =
    0.5;  // of a round's length, where nothing but locks or floors is timed

bool is_chosen(const std::string& name, const std::vector<std::string>& only) {
  return only.empty() || std::any_of(only.begin(), only.end(), [&](const std::string& begin) {
           return name.compare(0, begin.size(), begin) == 0;
         });
}

// Files of the designs in memory lie in memory too: they are no disk's.
std::string folder_for(const Design& design, const bench::Place& place) {
  if (design.about().is_durable) return place.folder(design.about().name.c_str());
  const std::string folder =
      "/dev/shm/casbook-peers-" + std::to_string(getpid()) + "-" + design.about().name;
  mkdir(folder.c_str(), 0700);
  return folder;
}

void start(Subject& subject, const Effort& effort, const bench::Place& place) {
  Design& design = *subject.design;
  std::fprintf(stderr, "starting %s\n", subject.name.c_str());
  subject.why = design.start({.accounts = effort.accounts(design.about().is_durable),
                              .payments = effort.payments,
                              .id_window_ms = 1000,
                              .folder = folder_for(design, place)});
  if (subject.why.empty()) subject.why = try_out(design);
  if (!subject.why.empty()) return;
  const bool is_casbook = design.about().group == Group::casbook;
  subject.crew = std::make_unique<Crew>(design, kCallers, is_casbook ? effort.handicap_ns : 0);
  subject.why = subject.crew->why();
  subject.figures.resize(all_cases().size());
}

// A payment is timed by itself in rounds of its own where a look at the clock would show in the
// rate.
void run_case(Subject& subject, const Case& each, const Effort& effort, Figures& figures) {
  const About& about = subject.design->about();
  if (!figures.why.empty()) return;
  if (each.work == Work::lock && !about.has_lock) return;
  if (each.work == Work::floor && !*about.floor) return;
  const double seconds = (about.is_durable ? effort.seconds_durable : effort.seconds_memory) *
                         (each.work == Work::pay ? 1 : kLockShare);
  Round round{.work = each.work,
              .callers = each.callers,
              .accounts = each.is_hot ? effort.accounts_hot : effort.accounts(about.is_durable),
              .is_timed = about.is_durable && each.work == Work::pay,
              .ns = static_cast<int64_t>(seconds * 1e9)};
  const auto run = [&](bool is_rate) {
    subject.design->forget();
    const RoundResult result = subject.crew->run(round);
    figures.why = result.why;
    figures.busy += result.busy;
    if (is_rate) figures.rates.push_back(result.per_s);
    if (round.is_timed) figures.latencies.add(result.latencies);
  };
  run(true);
  if (round.is_timed || each.work != Work::pay || !figures.why.empty()) return;
  round.is_timed = true;
  round.ns /= 2;
  run(false);
}

double median_sync_us(bench::SyncedFile& file, const bench::Blocks& block) {
  bench::Latencies syncs;
  for (int i = 0; i < 100; ++i)
    syncs.time([&] { file.write_and_sync(block.data(), block.bytes()); });
  return syncs.p50();
}

}  // namespace

Effort Effort::tiny() {
  return {.accounts_memory = 256,
          .accounts_durable = 256,
          .payments = 200'000,
          .repeats_memory = 2,
          .repeats_durable = 2,
          .seconds_memory = 0.005,
          .seconds_durable = 0.02,
          .form = "tiny"};
}

Effort Effort::at_length() {
  return {.accounts_durable = 1'000'000,
          .repeats_memory = 25,
          .repeats_durable = 9,
          .seconds_memory = 0.4,
          .seconds_durable = 2.0,
          .form = "long"};
}

const std::vector<Case>& all_cases() {
  static const std::vector<Case> all = {
      {"pay_all_1", "pay, all accounts, 1 client", Work::pay, 1, false},
      {"pay_all_2", "pay, all accounts, 2 clients", Work::pay, 2, false},
      {"pay_hot_1", "pay, 16 accounts, 1 client", Work::pay, 1, true},
      {"pay_hot_2", "pay, 16 accounts, 2 clients", Work::pay, 2, true},
      {"lock_all_1", "lock and unlock a pair, 1 client", Work::lock, 1, false},
      {"lock_hot_2", "lock and unlock a pair of 16, 2 clients", Work::lock, 2, true},
      {"floor", "floor", Work::floor, 1, false},
  };
  return all;
}

Results measure(const Effort& effort, bool is_durable, const std::vector<std::string>& only,
                const bench::Place& place) {
  Results results;
  for (const Listed& listed : all_designs()) {
    if (!is_chosen(listed.name, only)) continue;
    Subject subject{.name = listed.name};
    if (listed.make) subject.design = listed.make();
    if (!subject.design) subject.why = std::string("built without ") + listed.needs;
    if (subject.design && (subject.design->about().is_durable != is_durable ||
                           subject.design->about().form == Form::control))
      continue;
    if (subject.design) start(subject, effort, place);
    results.subjects.push_back(std::move(subject));
  }
  bench::Blocks block(bench::kBlockBytes);
  std::unique_ptr<bench::SyncedFile> file;
  if (is_durable) {
    file = std::make_unique<bench::SyncedFile>(place.folder("sync") + "/file", 64 << 20);
    file->open_ring();
  }
  const uint32_t repeats = is_durable ? effort.repeats_durable : effort.repeats_memory;
  for (uint32_t repeat = 0; repeat < repeats; ++repeat) {
    std::fprintf(stderr, "repeat %u of %u\n", repeat + 1, repeats);
    if (file) results.sync_us.push_back(median_sync_us(*file, block));
    // Each design begins a repeat about as often as any other.
    const size_t count = results.subjects.size(), first = count * repeat / repeats;
    for (size_t i = 0; i < count; ++i) {
      Subject& subject = results.subjects[(first + i) % count];
      for (size_t k = 0; k < all_cases().size() && subject.why.empty(); ++k)
        run_case(subject, all_cases()[k], effort, subject.figures[k]);
    }
  }
  for (Subject& subject : results.subjects) {
    const bool is_in_memory = subject.design && !subject.design->about().is_durable;
    subject.crew.reset();
    std::error_code ignored;
    if (is_in_memory) std::filesystem::remove_all(subject.design->shape().folder, ignored);
  }
  return results;
}

}  // namespace casbook::peers
