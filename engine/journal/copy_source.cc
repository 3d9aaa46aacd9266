#include "journal/copy_source.h"

#include <algorithm>

#include "journal/segment_records.h"

namespace casbook::journal {

namespace {

Error missing(const Storage& storage, const std::string& what) {
  return {.code = Code::damaged, .detail = storage.describe() + ": " + what};
}

CopyEntry copy_of(const Entry& entry) {
  const EntryHeader& header = entry.header;
  return {.index = header.index,
          .first_lsn = header.first_lsn,
          .count = header.count,
          .term = header.term,
          .type = static_cast<EntryType>(header.type),
          .body = entry.body};
}

}  // namespace

Result<std::unique_ptr<CopySource>> CopySource::open(const Storage& storage, uint64_t journal_id,
                                                     const End& end,
                                                     const Configuration& configuration) {
  auto source = std::unique_ptr<CopySource>(new CopySource(storage));
  source->begin_.journal_id = journal_id;
  source->begin_.end_index = end.index, source->begin_.end_term = end.term;
  if (auto found = source->find_checkpoint(journal_id); !found) return found.error();
  if (auto found = source->find_base(journal_id); !found) return found.error();
  if (configuration) source->configuration_ = configuration(source->begin_.base_index);
  return source;
}

// The newest one that can be read. The receiver checks all of it, and here its header.
Result<void> CopySource::find_checkpoint(uint64_t journal_id) {
  const auto names = list_checkpoints(storage_);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    auto header = read_checkpoint_header(storage_, name);
    if (!header || header->journal_id != journal_id || header->index == 0) continue;
    auto file = storage_.open(name, Storage::Access::read);
    if (!file) continue;
    begin_.position = header->position;
    begin_.committed_index = header->index;
    begin_.checkpoint_bytes = (*file)->bytes();
    checkpoint_ = std::move(*file);
    return {};
  }
  return {};
}

// The first entry that is sent is the one that holds the checkpoint's position, for that may lie
// inside of it. Where its segment is gone, it ends with that position.
Result<void> CopySource::find_base(uint64_t journal_id) {
  auto segments = list_segments(storage_, journal_id,
                                checkpoint_ ? Position{begin_.position}.lsn() : uint64_t{0});
  if (!segments) return segments.error();
  if (segments->empty()) return missing(storage_, "it has no segments");
  const SegmentHeader& header = segments->front().header;
  // Segments without a record may be gone before there is a checkpoint.
  if (!checkpoint_) begin_.committed_index = std::max<uint64_t>(header.first_index - 1, 1);
  const bool has_all =
      checkpoint_ ? header.first_index <= begin_.committed_index + 1 : header.next_lsn == 1;
  if (!has_all)
    return missing(storage_, "it begins with entry " + std::to_string(header.first_index) +
                                 ", and entry " + std::to_string(begin_.committed_index) +
                                 " is needed");
  if (begin_.committed_index > begin_.end_index)
    return missing(storage_, "it is synced up to entry " + std::to_string(begin_.end_index) +
                                 ", and its checkpoint is beyond");
  begin_.base_index = header.first_index - 1, begin_.base_term = header.term;
  begin_.base_next_lsn = header.next_lsn;
  reader_ = std::make_unique<EntryReader>(storage_, std::move(*segments));
  // Bounded by the entries before the one that is looked for.
  while (begin_.base_index < begin_.end_index) {
    if (auto read = read_entry(); !read) return read;
    if (entry_->header.index >= begin_.committed_index) break;
    const JournalEnd& end = reader_->end();
    begin_.base_index = end.index, begin_.base_term = end.term;
    begin_.base_next_lsn = end.next_lsn;
  }
  return {};
}

Result<void> CopySource::read_entry() {
  auto entry = reader_->next();
  if (!entry) return entry.error();
  if (!*entry)
    return missing(storage_, "entry " + std::to_string(reader_->end().index + 1) +
                                 " was cut off while it was to be copied");
  entry_ = **entry;
  return {};
}

Result<bool> CopySource::next(std::vector<std::byte>& into) {
  // Bounded by the phases.
  for (;;) {
    Result<bool> made = false;
    switch (phase_) {
      case Phase::begin:
        encode(begin_, into);
        made = true;
        phase_ = Phase::checkpoint;
        break;
      case Phase::checkpoint:
        made = next_piece(into);
        if (made && !*made) phase_ = Phase::configuration;
        break;
      case Phase::configuration:
        if (!configuration_.empty()) encode(CopyConfiguration{configuration_}, into), made = true;
        phase_ = Phase::entries;
        break;
      case Phase::entries:
        made = next_entry(into);
        if (made && !*made) phase_ = Phase::end;
        break;
      case Phase::end:
        encode(CopyEnd{entries_}, into);
        made = true;
        phase_ = Phase::over;
        break;
      case Phase::over:
        return false;
    }
    if (!made || *made) return made;
  }
}

Result<bool> CopySource::next_piece(std::vector<std::byte>& into) {
  if (offset_ == begin_.checkpoint_bytes) return false;
  piece_.resize(std::min(begin_.checkpoint_bytes - offset_, kCopyPieceBytes));
  if (auto read = checkpoint_->read(offset_, piece_); !read) return read.error();
  encode(CopyPiece{offset_, piece_}, into);
  offset_ += piece_.size();
  return true;
}

Result<bool> CopySource::next_entry(std::vector<std::byte>& into) {
  if (!entry_) return false;
  encode(copy_of(*entry_), into);
  ++entries_;
  const EntryHeader sent = entry_->header;
  entry_.reset();
  // What lies behind the end is being written.
  if (sent.index < begin_.end_index) {
    if (auto read = read_entry(); !read) return read.error();
  } else if (sent.term != begin_.end_term) {
    return missing(storage_, "entry " + std::to_string(sent.index) +
                                 " was replaced while it was to be copied");
  }
  return true;
}

}  // namespace casbook::journal
