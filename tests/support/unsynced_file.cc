#include "support/unsynced_file.h"

#include <algorithm>

namespace casbook::test {

using journal::kSectorBytes;

UnsyncedFile::UnsyncedFile(std::span<const std::byte> content) {
  allocate(content.size(), 0);
  sync(0);
  std::ranges::copy(content, now_.begin());
  durable_ = now_;
}

void UnsyncedFile::read(uint64_t offset, std::span<std::byte> into) const {
  std::copy_n(now_.begin() + static_cast<ptrdiff_t>(offset), into.size(), into.begin());
}

void UnsyncedFile::grow(uint64_t bytes, Stamp stamp) {
  if (bytes <= bytes_) return;
  bytes_ = bytes;
  lengths_.push_back({stamp, bytes});
  const uint64_t whole = (bytes + kSectorBytes - 1) / kSectorBytes * kSectorBytes;
  now_.resize(std::max<size_t>(now_.size(), whole));
  durable_.resize(now_.size());
}

void UnsyncedFile::write(uint64_t offset, std::span<const std::byte> bytes, Stamp stamp) {
  grow(offset + bytes.size(), stamp);
  for (uint64_t at = 0; at < bytes.size(); at += kSectorBytes) {
    const uint64_t sector = (offset + at) / kSectorBytes;
    Version version{stamp, {}};
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(at), kSectorBytes, version.content.begin());
    std::ranges::copy(version.content, sector_of(now_, sector).begin());
    unsynced_[sector].push_back(version);
  }
}

void UnsyncedFile::allocate(uint64_t bytes, Stamp stamp) { grow(bytes, stamp); }

void UnsyncedFile::sync(Stamp covered, Stamp also) {
  const auto is_covered = [&](const auto& what) {
    return what.stamp <= covered || what.stamp == also;
  };
  for (auto it = unsynced_.begin(); it != unsynced_.end();) {
    auto& [sector, versions] = *it;
    const auto last = std::find_if(versions.rbegin(), versions.rend(), is_covered);
    if (last != versions.rend()) {
      std::ranges::copy(last->content, sector_of(durable_, sector).begin());
      versions.erase(versions.begin(), last.base());
      lost_.erase(sector);
    }
    it = versions.empty() ? unsynced_.erase(it) : std::next(it);
  }
  while (!lengths_.empty() && is_covered(lengths_.front())) {
    durable_bytes_ = lengths_.front().bytes;
    lengths_.erase(lengths_.begin());
  }
}

void UnsyncedFile::fail_sync(Random& random) {
  const bool is_cached = random.one_in(2);
  for (const auto& [sector, versions] : unsynced_) {
    if (random.one_in(2)) {
      std::ranges::copy(versions.back().content, sector_of(durable_, sector).begin());
      lost_.erase(sector);
    } else if (is_cached) {
      lost_.insert(sector);
    } else {
      std::ranges::copy(sector_of(durable_, sector), sector_of(now_, sector).begin());
    }
  }
  unsynced_.clear();
}

void UnsyncedFile::survive(uint64_t sector, const std::vector<Version>& versions, Random& random,
                           Survival survival) {
  const std::span<std::byte> disk = sector_of(durable_, sector);
  const Sector& version = versions[random.below(versions.size())].content;
  const uint64_t draw = random.below(8);
  if (draw < survival.kept_of_8) {
    std::ranges::copy(version, disk.begin());
  } else if (draw < survival.kept_of_8 + survival.torn_of_8) {
    constexpr size_t kHalf = kSectorBytes / 2;
    const size_t good = random.one_in(2) ? 0 : kHalf, bad = kHalf - good;
    std::copy_n(version.begin() + good, kHalf, disk.begin() + static_cast<ptrdiff_t>(good));
    const bool is_garbage = random.one_in(2);
    for (std::byte& byte : disk.subspan(bad, kHalf))
      byte = is_garbage ? static_cast<std::byte>(random.next()) : std::byte{};
  }
}

void UnsyncedFile::lose_power(Random& random, Survival survival) {
  for (const auto& [sector, versions] : unsynced_) survive(sector, versions, random, survival);
  const uint64_t kept = random.below(lengths_.size() + 1);
  if (kept > 0) durable_bytes_ = lengths_[kept - 1].bytes;
  const auto end = static_cast<ptrdiff_t>(std::min<uint64_t>(durable_bytes_, durable_.size()));
  std::fill(durable_.begin() + end, durable_.end(), std::byte{});
  bytes_ = durable_bytes_;
  now_ = durable_;
  unsynced_.clear();
  lengths_.clear();
  lost_.clear();
}

}  // namespace casbook::test
