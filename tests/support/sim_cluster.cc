#include "support/sim_cluster.h"

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <casbook/book.h>
#include <unistd.h>

#include "api/book_impl.h"
#include "support/sim_keys.h"
#include "support/sim_members.h"
#include "support/twin.h"

namespace casbook::test {

namespace {

using test_support::ScratchDirectory;

constexpr int64_t kProgressNs = 5 * kSimSecond;
constexpr uint64_t kPaymentsWell = 200;  // when all is well again
constexpr int64_t kQuietNs = 1500 * kSimMs;

// An assert of the engine ends the process: it has to say which run it was.
uint64_t running_seed = 0;
void tell_running_seed(int signal) {
  char text[96];
  const int bytes = std::snprintf(text, sizeof text, "simulator: signal %d in seed %llu\n", signal,
                                  static_cast<unsigned long long>(running_seed));
  (void)!write(2, text, static_cast<size_t>(bytes));
  std::signal(signal, SIG_DFL);
  raise(signal);
}

class Cluster {
 public:
  explicit Cluster(const SimOptions& options)
      : options_(options),
        random_(options.seed * 0x9e3779b97f4a7c15),
        events_(options.is_traced),
        voter_count_(random_.one_in(4) ? 5 : 3),
        spare_count_(random_.one_in(2) || options.must_change ? 2 : 0),
        truth_(events_),
        network_(events_, random_.next(), voter_count_ + spare_count_,
                 [this](uint64_t to, const std::vector<std::byte>& datagram) {
                   nodes_[to - 1]->receive(datagram);
                 }) {}

  SimReport run() {
    running_seed = options_.seed;
    std::signal(SIGABRT, tell_running_seed), std::signal(SIGSEGV, tell_running_seed);
    begin();
    const int64_t fault_ns = (options_.is_rough ? 15 : 3) * kSimSecond + some(5 * kSimSecond);
    run_until(events_.now() + fault_ns);
    if (is_ok()) heal();
    if (is_ok()) end();
    std::signal(SIGABRT, SIG_DFL), std::signal(SIGSEGV, SIG_DFL);
    return report();
  }

 private:
  int64_t some(int64_t ns) {
    return static_cast<int64_t>(random_.below(static_cast<uint64_t>(ns) + 1));
  }
  bool is_ok() const { return truth_.violation().empty(); }
  void run_until(int64_t ns) {
    bool is_over = false;
    events_.at(ns, [&is_over] { is_over = true; });
    while (!is_over && is_ok() && events_.run_next()) {
    }
  }
  // False: it did not come to be so in that time.
  bool run_until(int64_t ns, const std::function<bool()>& condition) {
    while (events_.now() < ns && is_ok()) {
      if (condition()) return true;
      run_until(events_.now() + 10 * kSimMs);
    }
    return false;
  }

  void begin();
  void heal();
  void rotate_keys();
  void end();
  void check_answers();
  void check_answer(const SimAnswer& answer);
  void check_books();
  void check_book(SimNode& node, const SimNode& other);
  bool is_member(const SimNode& node) { return members_->is_member(node.id()); }
  SimReport report();

  const SimOptions options_;
  Random random_;
  SimEvents events_;
  const uint64_t voter_count_, spare_count_;
  SimTruth truth_;
  ScratchDirectory directory_;
  SimNetwork network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::unique_ptr<SimPayers> payers_;
  std::unique_ptr<SimFaults> faults_;
  std::unique_ptr<SimMembers> members_;
  std::unique_ptr<SimKeys> keys_;
  int64_t progress_ns_ = 0;
};

SimWeights weights_of(Random& random) {
  SimWeights weights;
  // Of some runs a part of the faults is left out, so that the others are seen by themselves.
  uint32_t* const each[] = {&weights.links,
                            &weights.partition,
                            &weights.one_way,
                            &weights.isolated_leader,
                            &weights.silent_multicast,
                            &weights.power,
                            &weights.power_in_write,
                            &weights.kill,
                            &weights.stop,
                            &weights.clock,
                            &weights.slow_disk,
                            &weights.failing_disk,
                            &weights.full_disk,
                            &weights.power_of_all};
  if (random.one_in(3)) return weights;
  for (uint32_t* const weight : each) *weight = random.one_in(2) ? 0 : *weight;
  weights.links += 1;
  return weights;
}

void Cluster::begin() {
  const bool is_multicast = !random_.one_in(5);
  const uint64_t memory_bytes = random_.one_in(3) ? 4 << 10 : 64 << 20;
  const uint64_t entry_bytes = random_.one_in(3) ? 1 << 10 : 32 << 10;
  if (options_.seed % 3 == 0)
    keys_ = std::make_unique<SimKeys>(events_, directory_.path(), voter_count_ + spare_count_, options_.seed);
  for (uint64_t id = 1; id <= voter_count_ + spare_count_; ++id)
    nodes_.push_back(std::make_unique<SimNode>(
        events_, network_, truth_,
        SimNodeOptions{.id = id,
                       .nodes = voter_count_,
                       .seed = random_.next(),
                       .memory_bytes = memory_bytes,
                       .entry_bytes_max = entry_bytes,
                       .window_entries = random_.one_in(4) ? 16ull : 4096,
                       .is_multicast = is_multicast,
                       .is_compacting = options_.seed % 2 == 0,
                       .bug = options_.bug,
                       .directory = directory_.path() + "/" + std::to_string(id),
                       .key_file = keys_ ? keys_->file(id) : std::string()}));
  truth_.set_holds([this](uint64_t node, uint64_t index,
                          uint64_t term) { return nodes_[node - 1]->term_at(index) == term; },
                   [this](uint64_t node, uint64_t index, uint64_t term) {
                     return nodes_[node - 1]->has_lost(index, term);
                   });
  payers_ = std::make_unique<SimPayers>(
      events_, truth_, nodes_,
      SimPayersOptions{
          .seed = random_.next(), .pause_ns = (5 + some(30)) * kSimMs, .bug = options_.bug});
  faults_ = std::make_unique<SimFaults>(events_, network_, nodes_, random_.next());
  members_ = std::make_unique<SimMembers>(events_, nodes_, random_.next());
  for (auto& node : nodes_) {
    node->set_peers([this](uint64_t other) { return nodes_[other - 1].get(); });
    node->on_power_lost = [this, id = node->id()] { payers_->lose_host(id); };
    node->start();
  }
  payers_->begin();
  if (keys_) keys_->begin(nodes_);
  const SimWeights weights = weights_of(random_);
  const int64_t pause_ms = options_.is_rough ? 50 + some(150) : 60 + some(400);
  if (spare_count_ != 0) members_->begin((100 + some(600)) * kSimMs);
  events_.after(kSimSecond / 2,
                [this, weights, pause_ms] { faults_->begin(weights, pause_ms * kSimMs); });
}

// Everything works again: soon a payment is durable, and in the end nothing is under way.
void Cluster::heal() {
  faults_->heal();
  payers_->allow(kPaymentsWell);
  const int64_t healed = events_.now();
  const bool progresses =
      run_until(healed + kProgressNs, [&] { return payers_->first_durable_since(healed) != 0; });
  if (!progresses) return truth_.fail("no payment is durable 5 s after everything is well");
  progress_ns_ = payers_->first_durable_since(healed) - healed;
  members_->end();
  if (spare_count_ != 0 &&
      !run_until(events_.now() + kProgressNs, [&] { return members_->can_change(); }))
    return truth_.fail("no change of members is made 5 s after everything is well: " +
                       members_->last_error());
  run_until(events_.now() + kSimSecond / 2);
  if (keys_ && is_ok()) rotate_keys();
  payers_->finish();
  const bool is_done = run_until(events_.now() + kProgressNs, [&] { return payers_->is_idle(); });
  if (!is_done) return truth_.fail("a payment has no answer 5 s after everything is well");
  const bool is_even = run_until(events_.now() + kProgressNs, [&] {
    return std::all_of(nodes_.begin(), nodes_.end(), [this](const auto& node) {
      return !is_member(*node) || node->has_all_applied();
    });
  });
  if (is_even) return;
  std::string what = "the nodes do not come to the same 5 s after everything is well";
  for (const auto& node : nodes_) what += "; " + node->describe();
  truth_.fail(what);
}

// From one key to another and once more: nothing is refused on the way.
void Cluster::rotate_keys() {
  const auto forged = [this] {
    uint64_t all = 0;
    for (const auto& node : nodes_) all += node->dropped_forged();
    return all;
  };
  const uint64_t forged_before = forged(), rotations = keys_->counts().rotations;
  if (!run_until(events_.now() + kProgressNs,
                 [&] { return keys_->counts().rotations >= rotations + 2; }))
    truth_.fail("keys are not changed in 5 s though everything is well");
  if (forged() != forged_before)
    truth_.fail(std::to_string(forged() - forged_before) +
                " datagrams do not open while keys are changed");
  keys_->end();
}

void Cluster::end() {
  run_until(events_.now() + kQuietNs / 5);  // what is under way arrives
  uint64_t term = 0, repaired = 0;
  for (auto& node : nodes_) {
    term = std::max(term, node->replicator().term());
    repaired += node->repair_bytes();
  }
  run_until(events_.now() + kQuietNs);
  uint64_t repaired_now = 0;
  for (auto& node : nodes_) {
    if (node->replicator().term() > term || (is_member(*node) && node->replicator().term() < term))
      truth_.fail("there are elections though everything is well");
    repaired_now += node->repair_bytes();
  }
  if (repaired_now != repaired) truth_.fail("there are repairs though nothing is missing");
  truth_.check_told_quorum();
  check_answers();
  if (is_ok()) check_books();
}

void Cluster::check_answers() {
  for (const SimAnswer& answer : payers_->answers()) check_answer(answer);
}

void Cluster::check_answer(const SimAnswer& answer) {
  const auto paid = truth_.paid(answer.id);
  const bool is_right =
      paid && paid->position == answer.position && paid->is_executed == (answer.refusal == Code{});
  if (is_right || (answer.level == Level::quorum && truth_.is_excused(answer.position))) return;
  truth_.fail("payment " + std::to_string(answer.id) + " was answered as " +
              (answer.level == Level::durable ? "durable" : "quorum") + " at term " +
              std::to_string(answer.position.term()) + " lsn " +
              std::to_string(answer.position.lsn()) +
              (paid ? ", and stands otherwise in the history" : ", and is not in the history"));
}

void Cluster::check_books() {
  SimNode* leader = nullptr;
  for (auto& node : nodes_)
    if (node->is_leading()) leader = node.get();
  if (!leader) return truth_.fail("nobody leads though everything is well");
  for (auto& node : nodes_) {
    if (!is_member(*node)) continue;
    if (node.get() != leader) check_book(*node, *leader);
    auto core = api::open_core(node->directory(), SimBook::kName, arena::Access::read_only);
    if (!core) return truth_.fail("a book cannot be read: " + core.error().message());
    const Book book = BookAccess::wrap(*core);
    const auto audit = book.audit();
    if (!audit || !audit->ok)
      truth_.fail("the audit of node " + std::to_string(node->id()) +
                  (audit ? "" : ": " + audit.error().message()));
    for (const SimAnswer& answer : payers_->answers()) {
      if (answer.level != Level::durable) continue;
      const auto found = book.lookup(PaymentId{ExternalId::of_number(answer.id)});
      if (!found || found->position != answer.position)
        return truth_.fail("node " + std::to_string(node->id()) + " does not know payment " +
                           std::to_string(answer.id));
    }
  }
}

void Cluster::check_book(SimNode& node, const SimNode& other) {
  const auto& store = const_cast<SimNode&>(other).book().store();
  const std::string between =
      "books of nodes " + std::to_string(other.id()) + " and " + std::to_string(node.id());
  if (node.book().position() != const_cast<SimNode&>(other).book().position())
    return truth_.fail(between + " end elsewhere");
  const std::string difference = test_support::first_difference(store, node.book().store());
  if (!difference.empty()) truth_.fail(between + ": " + difference);
}

SimReport Cluster::report() {
  SimReport report{.violation = truth_.violation(),
                   .seed = options_.seed,
                   .trace_hash = events_.hash(),
                   .events = events_.count(),
                   .nodes = voter_count_,
                   .payments = truth_.payments(),
                   .answers = payers_->answers().size(),
                   .terms = truth_.end().term(),
                   .excused = truth_.excused(),
                   .slept = payers_->counts().slept,
                   .undone = payers_->counts().undone,
                   .changes = members_->made(),
                   .members = members_->count(),
                   .confirmed = payers_->counts().confirmed,
                   .guarded = payers_->counts().guarded,
                   .replayed = payers_->counts().replayed,
                   .lost_bytes = network_.counts().lost_bytes,
                   .virtual_ns = events_.elapsed(),
                   .progress_ns = progress_ns_};
  for (auto& node : nodes_)
    report.repair_bytes += node->repair_bytes(), report.copies += node->copies();
  if (keys_) {
    report.rotations = keys_->counts().rotations;
    report.loaded_in_copies = keys_->counts().loaded_in_copies;
  }
  return report;
}

}  // namespace

SimReport simulate(const SimOptions& options) { return Cluster(options).run(); }

std::string describe(const SimReport& r) {
  char text[512];
  std::snprintf(
      text, sizeof text,
      "seed %llu: %llu nodes, %llu changes to %llu members, %.1f s, %llu events, %llu payments, %llu answers, last term "
      "%llu, %llu undone, %llu replayed, %llu slept, %llu confirmed, %llu guarded, %llu "
      "copies, %llu excused, lost %llu bytes, repaired %llu, well after %.0f ms, trace %016llx",
      static_cast<unsigned long long>(r.seed), static_cast<unsigned long long>(r.nodes),
      static_cast<unsigned long long>(r.changes), static_cast<unsigned long long>(r.members),
      static_cast<double>(r.virtual_ns) / 1e9, static_cast<unsigned long long>(r.events),
      static_cast<unsigned long long>(r.payments), static_cast<unsigned long long>(r.answers),
      static_cast<unsigned long long>(r.terms), static_cast<unsigned long long>(r.undone),
      static_cast<unsigned long long>(r.replayed), static_cast<unsigned long long>(r.slept),
      static_cast<unsigned long long>(r.confirmed), static_cast<unsigned long long>(r.guarded),
      static_cast<unsigned long long>(r.copies), static_cast<unsigned long long>(r.excused), static_cast<unsigned long long>(r.lost_bytes),
      static_cast<unsigned long long>(r.repair_bytes), static_cast<double>(r.progress_ns) / 1e6,
      static_cast<unsigned long long>(r.trace_hash));
  std::string more;
  if (r.rotations != 0)
    more = ", " + std::to_string(r.rotations) + " rotations of keys, " +
           std::to_string(r.loaded_in_copies) + " loaded in a copy";
  return text + more + (r.violation.empty() ? std::string() : "\n  " + r.violation);
}

}  // namespace casbook::test
