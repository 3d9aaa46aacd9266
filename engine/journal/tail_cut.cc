#include "journal/tail_cut.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "journal/checkpoint.h"

namespace casbook::journal {

namespace {

constexpr uint64_t kZeroBytes = 1 << 20;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

Result<void> zero(File& file, uint64_t from) {
  const std::unique_ptr<std::byte, Free> zeros(
      static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kZeroBytes)));
  std::memset(zeros.get(), 0, kZeroBytes);
  for (uint64_t offset = from; offset < file.bytes(); offset += kZeroBytes)
    if (auto done = file.write(offset, {zeros.get(), std::min(kZeroBytes, file.bytes() - offset)});
        !done)
      return done;
  return file.sync();
}

// {}: there is none.
Result<Position> newest_sound_checkpoint(const Storage& storage) {
  const auto names = list_checkpoints(storage);
  if (!names) return names.error();
  for (const std::string& name : *names)
    if (verify_checkpoint(storage, name)) return *checkpoint_position(name);
  return Position{};
}

// Nothing can be read from where the checkpoint ends: the journal begins anew there.
Result<TailCut> cut_all(const Storage& storage, TailCut cut) {
  const auto names = storage.list();
  if (!names) return names.error();
  cut.is_all = true, cut.last_good = cut.checkpoint;
  for (const std::string& name : *names) {
    const auto number = segment_number(name);
    if (!number) continue;
    const auto file = storage.open(name, Storage::Access::read);
    if (!file) return file.error();
    cut.later.push_back(*number);
    cut.bytes_lost += (*file)->bytes();
  }
  return cut;
}

}  // namespace

Result<TailCut> find_tail_cut(const Storage& storage, uint64_t journal_id) {
  TailCut cut;
  if (auto found = newest_sound_checkpoint(storage); !found)
    return found.error();
  else
    cut.checkpoint = *found;
  // What a checkpoint covers is not needed, so nothing is given up for it.
  auto segments =
      list_segments(storage, journal_id, cut.checkpoint.lsn() ? cut.checkpoint.lsn() + 1 : 0);
  if (!segments) return segments.error();
  if (segments->empty()) return cut;
  cut.segment = segments->front().number, cut.offset = kBlockBytes;
  EntryReader reader(storage, *segments);
  for (;;) {
    auto entry = reader.next();
    if (!entry && entry.error().code != Code::damaged) return entry.error();
    if (!entry) cut.damage = entry.error().detail;
    if (!entry || !*entry) break;
    const EntryHeader& header = (*entry)->header;
    cut.last_good = Position::of(header.term, header.first_lsn + header.count - 1);
    cut.last_index = header.index;
    cut.segment = (*entry)->segment;
    cut.offset = (*entry)->offset + round_up_to_block(header.bytes);
  }
  if (cut.damage.empty()) return cut;
  if (cut.last_good.lsn() < cut.checkpoint.lsn()) return cut_all(storage, std::move(cut));
  for (const Segment& segment : *segments) {
    if (segment.number == cut.segment) cut.bytes_lost += segment.header.bytes - cut.offset;
    if (segment.number <= cut.segment) continue;
    cut.later.push_back(segment.number);
    cut.bytes_lost += segment.header.bytes;
  }
  return cut;
}

Result<void> cut_tail(Storage& storage, const TailCut& cut) {
  // The newest first, so that those that are left follow each other at any time.
  for (auto number = cut.later.rbegin(); number != cut.later.rend(); ++number) {
    const std::string name = segment_name(*number);
    if (storage.open(name + ".cut", Storage::Access::read))
      return Error{.code = Code::book_exists,
                   .detail = storage.describe() + "/" + name + ".cut: move it away first"};
    if (auto done = storage.rename(name, name + ".cut"); !done) return done;
    if (auto done = storage.sync_directory(); !done) return done;
  }
  if (cut.is_all) return {};
  auto file = storage.open(segment_name(cut.segment), Storage::Access::write);
  if (!file) return file.error();
  return zero(**file, cut.offset);
}

}  // namespace casbook::journal
