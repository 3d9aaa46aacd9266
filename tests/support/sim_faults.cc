#include "support/sim_faults.h"

#include <cerrno>

namespace casbook::test {

namespace {
constexpr int64_t kDiskNs = 200 * kSimUs;
constexpr SimWho kWorld{'w', 0};
}  // namespace

SimFaults::SimFaults(SimEvents& events, SimNetwork& network,
                     std::vector<std::unique_ptr<SimNode>>& nodes, uint64_t seed)
    : events_(events), network_(network), nodes_(nodes), random_(seed) {}

void SimFaults::later(int64_t ns, std::function<void()> action) {
  events_.after(ns, [this, action = std::move(action)] {
    if (!is_over_) action();
  });
}

void SimFaults::begin(const SimWeights& weights, int64_t pause_ns) {
  weights_ = weights, pause_ns_ = pause_ns;
  if (random_.one_in(2)) weather_.loss_permille = static_cast<uint32_t>(random_.below(60));
  if (random_.one_in(3)) weather_.double_permille = static_cast<uint32_t>(random_.below(100));
  if (random_.one_in(3)) weather_.jitter_ns = some(5 * kSimMs);
  if (random_.one_in(4)) weather_.flip_permille = static_cast<uint32_t>(random_.below(20));
  network_.set_all(weather_);
  later(some(2 * pause_ns), [this] { strike(); });
}

void SimFaults::heal() {
  is_over_ = true;
  events_.note(kWorld, "heals");
  network_.heal();
  for (auto& node : nodes_) {
    node->disk_ns = kDiskNs;
    node->storage().fail({});
    node->storage().lose_power_at(0);
    if (!node->storage().has_power()) node->lose_power();
    node->stop_until(events_.now());
    node->start();
  }
}

void SimFaults::strike() {
  const uint32_t kinds[] = {weights_.links,
                            weights_.partition,
                            weights_.one_way,
                            weights_.isolated_leader,
                            weights_.silent_multicast,
                            weights_.power,
                            weights_.power_in_write,
                            weights_.kill,
                            weights_.stop,
                            weights_.clock,
                            weights_.slow_disk,
                            weights_.failing_disk,
                            weights_.full_disk,
                            weights_.power_of_all};
  uint64_t sum = 0, kind = 0;
  for (const uint32_t weight : kinds) sum += weight;
  for (uint64_t at = random_.below(sum); at >= kinds[kind]; ++kind) at -= kinds[kind];
  SimNode& node = leader_or_any();
  switch (kind) {
    case 0:
      disturb_links();
      break;
    case 1:
      cut_in_two();
      break;
    case 2:
      cut_one_way();
      break;
    case 3:
      isolate(node.id());
      break;
    case 4:
      silence_multicast();
      break;
    case 5:
      lose_power(node);
      break;
    case 6:
      node.storage().lose_power_at(1 + random_.below(12));
      break;
    case 7:
      node.kill();
      restart_later(node, 800 * kSimMs);
      break;
    case 8:
      node.stop_until(events_.now() + some(1500 * kSimMs));
      break;
    case 9:
      node.jump_wall_clock(static_cast<int64_t>(random_.below(7'200'000)) - 3'600'000);
      break;
    case 10:
      node.disk_ns = some(random_.one_in(3) ? 400 * kSimMs : 20 * kSimMs);
      later(some(1500 * kSimMs), [&node] { node.disk_ns = kDiskNs; });
      break;
    case 11:
      trouble_disk(node, EIO, random_.one_in(2));
      break;
    case 12:
      trouble_disk(node, ENOSPC, true);
      break;
    default:
      for (auto& each : nodes_) lose_power(*each);
      break;
  }
  // Now and then several at once.
  later(random_.one_in(4) ? some(pause_ns_ / 10) : some(2 * pause_ns_), [this] { strike(); });
}

SimNode& SimFaults::leader_or_any() {
  if (random_.one_in(2))
    for (auto& node : nodes_)
      if (node->is_leading()) return *node;
  return any();
}

// --- the network ---

void SimFaults::disturb_links() {
  events_.note(kWorld, "disturbs links");
  SimLink bad = weather_;
  if (random_.one_in(2)) bad.loss_permille = static_cast<uint32_t>(random_.below(400));
  if (random_.one_in(2)) bad.double_permille = static_cast<uint32_t>(random_.below(300));
  if (random_.one_in(2)) bad.jitter_ns = some(30 * kSimMs);
  if (random_.one_in(3)) bad.delay_ns = some(60 * kSimMs);
  if (random_.one_in(4)) bad.flip_permille = static_cast<uint32_t>(random_.below(100));
  const bool is_of_all = random_.one_in(2);
  for (uint64_t from = 1; from <= network_.nodes(); ++from)
    for (uint64_t to = 1; to <= network_.nodes(); ++to)
      if (is_of_all || random_.one_in(3)) network_.link(from, to) = bad;
  later(some(1200 * kSimMs), [this] { network_.set_all(weather_); });
}

void SimFaults::cut_in_two() {
  events_.note(kWorld, "cuts the network in two");
  uint64_t side = 1 + random_.below((1ull << network_.nodes()) - 2);
  // Often the leader and some that are no majority with it.
  if (random_.one_in(2)) {
    side = 1ull << (leader_or_any().id() - 1);
    for (uint64_t i = 2; i <= network_.nodes() / 2; ++i) side |= 1ull << (any().id() - 1);
  }
  for (uint64_t from = 1; from <= network_.nodes(); ++from)
    for (uint64_t to = 1; to <= network_.nodes(); ++to)
      if ((side >> (from - 1) & 1) != (side >> (to - 1) & 1)) network_.cut(from, to);
  later(some(1500 * kSimMs), [this] { network_.set_all(weather_); });
}

void SimFaults::cut_one_way() {
  const uint64_t node = leader_or_any().id();
  const bool is_deaf = random_.one_in(2), is_of_all = random_.one_in(2);
  events_.note(kWorld, is_deaf ? "deafens node" : "mutes node", node);
  for (uint64_t other = 1; other <= network_.nodes(); ++other)
    if (other != node && (is_of_all || random_.one_in(2)))
      network_.cut(is_deaf ? other : node, is_deaf ? node : other);
  later(some(1500 * kSimMs), [this] { network_.set_all(weather_); });
}

void SimFaults::isolate(uint64_t node) {
  events_.note(kWorld, "isolates node", node);
  for (uint64_t other = 1; other <= network_.nodes(); ++other)
    if (other != node) network_.cut(node, other), network_.cut(other, node);
  later(some(1500 * kSimMs), [this] { network_.set_all(weather_); });
}

void SimFaults::silence_multicast() {
  events_.note(kWorld, "silences multicast");
  const uint64_t of = random_.below(network_.nodes() + 1);
  for (uint64_t from = 1; from <= network_.nodes(); ++from)
    for (uint64_t to = 1; to <= network_.nodes(); ++to)
      if (of == 0 || of == from || of == to) network_.link(from, to).is_multicast_silent = true;
  later(some(2500 * kSimMs), [this] { network_.set_all(weather_); });
}

// --- hosts and disks ---

void SimFaults::restart_later(SimNode& node, int64_t ns_max) {
  events_.after(some(ns_max), [&node] { node.start(); });
}

void SimFaults::lose_power(SimNode& node) {
  node.lose_power();
  restart_later(node, 1200 * kSimMs);
}

void SimFaults::trouble_disk(SimNode& node, int error_number, bool is_lasting) {
  events_.note(kWorld, error_number == EIO ? "fails the disk of" : "fills the disk of", node.id());
  const Operations operations =
      error_number == ENOSPC ? only(Operation::allocate) | only(Operation::create) : kFallible;
  node.storage().fail({.operations = operations,
                       .nth = 1 + random_.below(is_lasting ? 3 : 20),
                       .error_number = error_number,
                       .is_lasting = is_lasting});
  later(some(1500 * kSimMs), [&node] { node.storage().fail({}); });
}

}  // namespace casbook::test
