#include "lease/table.h"

#include <algorithm>
#include <cstring>

#include "base/hash.h"
#include "base/quote.h"

namespace casbook::lease {

Table::Table(const commit::Store& store)
    : store_(store),
      first_(store.mapping().cells(arena::CellTable::leases).first_unit),
      count_(store.mapping().cells(arena::CellTable::leases).count) {}

Result<void> Table::check_name(std::string_view name) {
  bool sane = !name.empty() && name.size() <= kLeaseNameBytesMax;
  for (const unsigned char c : name) sane &= c >= 0x20 && c != 0x7f;
  if (sane) return {};
  return Error{Code::bad_argument, false, 0, 0,
               "lease name " + base::quoted(name) +
                   ": expected 1 to 64 bytes without control characters"};
}

bool Table::is_lease(Unit unit) const {
  return unit >= first_ && (unit - first_) % 8 == 0 && (unit - first_) / 8 < count_;
}

uint32_t Table::probe_count() const {
  return static_cast<uint32_t>(std::min<uint64_t>(kProbeMax, count_));
}

std::string name_of(const commit::CellImage& image) {
  char bytes[kLeaseNameBytesMax];
  std::memcpy(bytes, &image.value[kName], sizeof(bytes));
  return {bytes, std::min<size_t>(image.value[kNameBytes], sizeof(bytes))};
}

Found Table::find(std::string_view name, commit::Executor* executor) const {
  const uint64_t hash = base::hash_bytes(name.data(), name.size(),
                                         store_.mapping().geometry().hash_seed);
  const uint64_t home = base::reduce(hash, count_);
  uint64_t words[kLeaseNameBytesMax / 8] = {};
  std::memcpy(words, name.data(), name.size());
  const auto read = [&](Unit unit, commit::CellImage& image) {
    if (executor)
      commit::read_cell(store_, *executor, unit, kWordsUsed, image);
    else
      commit::peek_cell(store_, unit, kWordsUsed, image);
  };
  Found found;
  found.home = at(home);
  commit::CellImage image;
  for (uint32_t k = 0; k < probe_count(); ++k) {
    const Unit unit = probe(found.home, k);
    read(unit, image);
    if (k == 0) found.home_image = image;
    if (image.value[kNameBytes] == name.size() &&
        std::equal(words, words + std::size(words), &image.value[kName])) {
      found.exists = true;
      found.unit = unit;
      found.image = image;
      return found;
    }
    if (image.value[kHolder] == 0 && !found.has_room) {
      found.has_room = true;
      found.unit = unit;
      found.image = image;
    }
    if (image.value[kNameBytes] == 0) break;  // never used: no name went past it
  }
  return found;
}

namespace {

std::string look_at_lease(const commit::Store& store, const commit::CellImage& image) {
  if (image.value[kNameBytes] > kLeaseNameBytesMax)
    return "a name of " + std::to_string(image.value[kNameBytes]) + " bytes";
  const uint64_t holder = image.value[kHolder];
  const bool is_attached = holder != 0 && holder != kDetached;
  if (is_attached &&
      arena::AttachmentRef{holder}.index() >= store.mapping().geometry().attachments)
    return "held by attachment " + std::to_string(arena::AttachmentRef{holder}.index()) +
           ", which is none";
  if (holder != 0 && (image.value[kCount] == 0 || image.value[kNameBytes] == 0))
    return "held, without a count or a name";
  return "";
}

}  // namespace

void check_leases(const commit::Store& store, base::Findings& findings) {
  const Table table(store);
  commit::CellImage image;
  for (uint64_t i = 0; i < table.count() && !findings.is_full(); ++i)
    findings.check([&] {
      commit::peek_cell(store, table.at(i), kWordsUsed, image);
      const std::string wrong = look_at_lease(store, image);
      return wrong.empty() ? wrong : "lease " + std::to_string(i) + ": " + wrong;
    });
}

}  // namespace casbook::lease
