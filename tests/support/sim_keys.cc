#include "support/sim_keys.h"

#include <filesystem>
#include <fstream>

namespace casbook::test {

namespace {

constexpr int64_t kFileNs = 150 * kSimMs, kToldNs = 50 * kSimMs, kPauseNs = 100 * kSimMs;
constexpr int64_t kLookNs = kSimMs;

}  // namespace

SimKeys::SimKeys(SimEvents& events, std::string directory, uint64_t nodes, uint64_t seed)
    : events_(events), directory_(std::move(directory)), random_(seed), places_(nodes) {
  keys_.push_back(random_key());
  for (uint64_t id = 1; id <= nodes; ++id) write(id);
}

// Not by the daemon's own code, which would ask the machine for a key: a seed is one run.
replicate::ClusterKey SimKeys::random_key() {
  for (;;) {
    replicate::ClusterKey key;
    for (std::byte& byte : key.bytes) byte = static_cast<std::byte>(random_.below(256));
    if (keys_.empty() || replicate::id_of(key) != replicate::id_of(keys_[0])) return key;
  }
}

void SimKeys::write(uint64_t id) const {
  {
    std::ofstream stream(file(id) + ".new");
    for (const replicate::ClusterKey& key : keys_) {
      stream << "casbook-cluster-key-1 ";
      for (const std::byte byte : key.bytes) {
        constexpr char kDigits[] = "0123456789abcdef";
        stream << kDigits[std::to_integer<int>(byte) >> 4]
               << kDigits[std::to_integer<int>(byte) & 15];
      }
      stream << "\n";
    }
  }
  namespace fs = std::filesystem;
  fs::permissions(file(id) + ".new", fs::perms(0600));
  fs::rename(file(id) + ".new", file(id));
}

void SimKeys::begin(std::vector<std::unique_ptr<SimNode>>& nodes) {
  nodes_ = &nodes;
  events_.after(some(kPauseNs), [this] { begin_step(); });
}

void SimKeys::begin_step() {
  if (is_over_) return;
  events_.note({'w', 0}, "changes keys, step", static_cast<uint64_t>(next_));
  if (next_ == Step::append) keys_.push_back(random_key());
  if (next_ == Step::swap) std::swap(keys_[0], keys_[1]);
  if (next_ == Step::drop) keys_.pop_back();
  next_ = next_ == Step::drop ? Step::append : static_cast<Step>(static_cast<int>(next_) + 1);
  for (Place& place : places_) {
    const int64_t file_at_ns = events_.now() + some(kFileNs);
    place = {Host::waits, file_at_ns, file_at_ns + some(kToldNs)};
  }
  look();
}

bool SimKeys::has_loaded(uint64_t id) const {
  const Place& place = places_[id - 1];
  if (place.host == Host::waits) return false;
  if (!node(id).is_up()) return true;
  const auto has = node(id).keys().all();
  if (has.size() != keys_.size()) return false;
  for (size_t i = 0; i < has.size(); ++i)
    if (has[i].bytes != keys_[i].bytes) return false;
  return true;
}

void SimKeys::look() {
  bool have_all = true;
  for (uint64_t id = 1; id <= places_.size(); ++id) {
    Place& place = places_[id - 1];
    const bool is_copying = node(id).is_copying();
    if (place.host == Host::waits && (events_.now() >= place.file_at_ns || is_copying)) {
      write(id);
      place.host = Host::has_file;
    }
    if (place.host == Host::has_file && (events_.now() >= place.told_at_ns || is_copying)) {
      counts_.loaded_in_copies += is_copying;
      node(id).reload_keys();
      place.host = Host::is_told;
    }
    have_all &= has_loaded(id);
  }
  if (!have_all) return events_.after(kLookNs, [this] { look(); });
  counts_.rotations += next_ == Step::append;
  events_.after(kSimMs + some(kPauseNs), [this] { begin_step(); });
}

}  // namespace casbook::test
