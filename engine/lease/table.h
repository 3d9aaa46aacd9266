// Finding leases by name: open addressing over the lease cells.
//
// A name's slot is its home or one of the next kProbeMax. A slot that is free may be given to
// another name, and when none is, one whose holder let it expire or died; a token never fits another
// grant, so a stale handle finds `superseded`. Every
// insertion writes its home slot, so two insertions of one name cannot both commit.
#pragma once

#include <string_view>

#include "base/findings.h"
#include "commit/read.h"
#include "lease/layout.h"

namespace casbook::lease {

constexpr uint32_t kProbeMax = 128;

struct Found {
  bool exists = false;      // the name has a slot: `unit`, `image`
  bool has_room = false;    // else: a slot it may take
  Unit unit = 0, home = 0;
  commit::CellImage image;       // of `unit`
  commit::CellImage home_image;  // of `home`, where the name does not exist
};

class Table {
 public:
  explicit Table(const commit::Store& store);

  // bad_argument unless 1 to 64 bytes without control characters.
  static Result<void> check_name(std::string_view name);
  // With an executor: helping reads, for a commit. Without: read-only.
  Found find(std::string_view name, commit::Executor* executor) const;
  // The slots that a name may have: the home and the ones after it, in order.
  uint32_t probe_count() const;
  Unit probe(Unit home, uint32_t k) const { return at(((home - first_) / 8 + k) % count_); }
  bool is_lease(Unit unit) const;
  Unit at(uint64_t index) const { return first_ + index * 8; }
  uint64_t count() const { return count_; }
  static uint32_t event_of(Unit unit) { return static_cast<uint32_t>(unit / 8 % kEventLines); }

 private:
  const commit::Store& store_;
  Unit first_;
  uint64_t count_;
};

std::string name_of(const commit::CellImage& image);

// Names and holders in bounds. Writes nothing.
void check_leases(const commit::Store& store, base::Findings& findings);

}  // namespace casbook::lease
