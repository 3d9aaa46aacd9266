#include "journal/cell_item.h"

#include <algorithm>

namespace casbook::journal {

namespace {

using commit::Cell;

constexpr uint32_t kDamaged = kCellItemWordsMax + 1;

// The words of one cell on their way into `out`. No branch depends on what is in them.
class ItemWriter {
 public:
  ItemWriter(uint64_t version, uint64_t* out) : version_(version), out_(out) {}

  void add(uint32_t word, uint64_t value, uint64_t word_version) {
    const uint64_t is_written = word_version != 0;
    const uint64_t is_own = is_written & (word_version != version_);
    out_[count_] = value;
    count_ += is_written;
    own_versions_[own_count_] = word_version;
    own_count_ += is_own;
    written_ |= is_written << word;
    own_ |= is_own << word;
    newest_ = std::max(newest_, word_version);
  }
  uint32_t finish(commit::Unit unit) {
    if (newest_ != version_) return kDamaged;
    out_[0] = unit;
    out_[1] = written_ | own_ << 32;
    out_[2] = version_;
    std::copy_n(own_versions_, own_count_, out_ + count_);
    return static_cast<uint32_t>(count_ + own_count_);
  }

 private:
  uint64_t version_, newest_ = 0, written_ = 0, own_ = 0;
  uint64_t* out_;
  uint64_t count_ = kCellItemHeadWords, own_count_ = 0;
  uint64_t own_versions_[kCellWordsMax + 1];
};

// Of a cell that is taken, or was while it was read.
uint32_t encode_cell_slow(const commit::Store& store, commit::Unit unit, uint32_t words,
                          uint64_t* out) {
  commit::CellImage image;
  commit::peek_cell(store, unit, words, image);
  if (image.version == 0) return 0;
  ItemWriter item(image.version, out);
  for (uint32_t i = 0; i < words; ++i) item.add(i, image.value[i], image.word_version[i]);
  return item.finish(unit);
}

}  // namespace

uint32_t encode_cell(const commit::Store& store, commit::Unit unit, uint32_t words, uint64_t* out) {
  Cell& cell = store.cell(unit);
  const uint64_t version = cell.state.load_acquire();  // [release]
  if (version == 0) return 0;
  if (!commit::is_reference(version)) {
    ItemWriter item(version, out);
    for (uint32_t i = 0; i < words; ++i)
      item.add(i, cell.word(i).lo.load_relaxed(), cell.word(i).hi.load_relaxed());
    const uint32_t count = item.finish(unit);
    base::acquire_fence();  // [lock] the words before the second look
    if (cell.state.load_relaxed() == version) return count;
  }
  return encode_cell_slow(store, unit, words, out);
}

bool parse_cell(std::span<const uint64_t> words, CellItem& item) {
  if (words.size() < kCellItemHeadWords) return false;
  item.unit = words[0];
  item.written = static_cast<uint32_t>(words[1]);
  item.own = static_cast<uint32_t>(words[1] >> 32);
  item.version = words[2];
  const bool is_sane = item.unit <= kCellItemUnitMask && item.written != 0 &&
                       item.written >> kCellWordsMax == 0 && (item.own & ~item.written) == 0 &&
                       item.own != item.written && item.version != 0 &&
                       !commit::is_reference(item.version);
  if (!is_sane) return false;
  const auto values = static_cast<size_t>(std::popcount(item.written));
  const auto versions = static_cast<size_t>(std::popcount(item.own));
  if (words.size() < kCellItemHeadWords + values + versions) return false;
  item.values = words.subspan(kCellItemHeadWords, values);
  item.versions = words.subspan(kCellItemHeadWords + values, versions);
  return std::all_of(item.versions.begin(), item.versions.end(),
                     [&](uint64_t version) { return version != 0 && version < item.version; });
}

}  // namespace casbook::journal
