#include "journal/copy_target.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/probe.h"
#include "journal/backup.h"
#include "journal/configuration_file.h"
#include "journal/entry_reader.h"

namespace casbook::journal {

using base::FaultPoint;
using base::Mutant;

namespace {

constexpr uint64_t kGatheredBytesMax = kEntryBytesMax / 2;
constexpr size_t kGatheredMax = 1024;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};

// As direct I/O wants it: whole blocks, the rest zeros.
Result<void> write_padded(File& file, uint64_t offset, std::span<const std::byte> bytes) {
  const uint64_t padded = round_up_to_block(bytes.size());
  const std::unique_ptr<std::byte, Free> buffer(
      static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, padded)));
  std::memset(buffer.get(), 0, padded);
  std::memcpy(buffer.get(), bytes.data(), bytes.size());
  return file.write(offset, {buffer.get(), padded});
}

}  // namespace

CopyTarget::CopyTarget(Storage& storage, const CopyTargetOptions& options)
    : storage_(storage),
      options_(options),
      received_(storage, kReceivedPrefix),
      incoming_(storage, kIncomingPrefix) {}
CopyTarget::~CopyTarget() = default;

Result<std::unique_ptr<CopyTarget>> CopyTarget::open(Storage& storage,
                                                     const CopyTargetOptions& options) {
  if (auto discarded = discard_copy(storage); !discarded) return discarded.error();
  return std::unique_ptr<CopyTarget>(new CopyTarget(storage, options));
}

Error CopyTarget::unsound(const std::string& what) const {
  return {.code = Code::damaged,
          .detail = "the copy that came for " + storage_.describe() + ": " + what};
}

Result<void> CopyTarget::take(std::span<const std::byte> message) {
  bytes_ += message.size();
  const auto decoded = decode_copy_message(message);
  Result<void> taken = unsound("a message that is none");
  if (phase_ == Phase::over) return taken;
  if (decoded) {
    if (const auto* begin = std::get_if<CopyBegin>(&*decoded)) taken = take_begin(*begin);
    if (const auto* piece = std::get_if<CopyPiece>(&*decoded)) taken = take_piece(*piece);
    if (const auto* configuration = std::get_if<CopyConfiguration>(&*decoded))
      taken = take_configuration(*configuration);
    if (const auto* entry = std::get_if<CopyEntry>(&*decoded)) taken = take_entry(*entry);
    if (const auto* end = std::get_if<CopyEnd>(&*decoded)) taken = take_end(*end);
  }
  if (!taken) phase_ = Phase::over;
  return taken;
}

Result<void> CopyTarget::take_begin(const CopyBegin& begin) {
  if (phase_ != Phase::begin) return unsound("it begins twice");
  begin_ = begin;
  last_index_ = begin.base_index, last_term_ = begin.base_term;
  if (begin.position == 0) return begin_entries();
  phase_ = Phase::checkpoint;
  auto file = received_.create(checkpoint_name(Position{begin.position}));
  if (!file) return file.error();
  checkpoint_ = std::move(*file);
  return {};
}

Result<void> CopyTarget::take_piece(const CopyPiece& piece) {
  if (phase_ != Phase::checkpoint || piece.offset != checkpoint_bytes_ ||
      piece.offset + piece.bytes.size() > begin_.checkpoint_bytes ||
      piece.offset % kBlockBytes != 0)
    return unsound("a piece of the checkpoint at " + std::to_string(piece.offset) + ", expected " +
                   std::to_string(checkpoint_bytes_));
  if (auto written = write_padded(*checkpoint_, piece.offset, piece.bytes); !written)
    return written;
  checkpoint_bytes_ += piece.bytes.size();
  if (checkpoint_bytes_ < begin_.checkpoint_bytes) return {};
  checkpoint_.reset();
  // Every checksum of it is looked at, and made anew with this journal's id.
  const std::string name = checkpoint_name(Position{begin_.position});
  auto header = read_checkpoint_header(received_, name);
  if (!header) return header.error();
  if (header->journal_id != begin_.journal_id || header->index != begin_.committed_index)
    return unsound("its checkpoint is another than it says");
  auto restored =
      restore_checkpoint(received_, name, incoming_, options_.journal_id, &options_.shape);
  if (!restored) return restored.error();
  if (auto removed = received_.remove(name); !removed) return removed;
  return begin_entries();
}

Result<void> CopyTarget::take_configuration(const CopyConfiguration& configuration) {
  if (phase_ != Phase::entries || entries_ != 0 || configuration.bytes.empty())
    return unsound("a configuration in the midst of it");
  auto file = incoming_.create(kConfigurationName);
  if (!file) return file.error();
  if (auto written = write_padded(**file, 0, configuration.bytes); !written) return written;
  return (*file)->sync();
}

Result<void> CopyTarget::begin_entries() {
  phase_ = Phase::entries;
  const JournalEnd base{
      .index = begin_.base_index, .term = begin_.base_term, .next_lsn = begin_.base_next_lsn};
  auto appender = Appender::open(incoming_, options_.journal_id, options_.shape, base,
                                 {.segment_bytes = options_.segment_bytes,
                                  .buffers = 2,
                                  .segments_before = options_.segments_before});
  if (!appender) return appender.error();
  appender_ = std::move(*appender);
  return {};
}

Result<void> CopyTarget::take_entry(const CopyEntry& entry) {
  if (phase_ != Phase::entries) return unsound("an entry before its checkpoint");
  const uint64_t next_lsn = gathered_.empty() ? appender_->end().next_lsn
                                              : gathered_.back().first_lsn + gathered_.back().count;
  if (entry.index != last_index_ + 1 || entry.term < last_term_ || entry.first_lsn != next_lsn ||
      entry.index > begin_.end_index)
    return unsound("entry " + std::to_string(entry.index) + " does not follow entry " +
                   std::to_string(last_index_));
  bodies_.emplace_back(entry.body.begin(), entry.body.end());
  gathered_.push_back({.index = entry.index,
                       .first_lsn = entry.first_lsn,
                       .count = entry.count,
                       .term = entry.term,
                       .type = entry.type,
                       .body = bodies_.back()});
  gathered_bytes_ += entry_bytes(gathered_.back());
  last_index_ = entry.index, last_term_ = entry.term;
  ++entries_;
  const bool is_enough = gathered_bytes_ >= kGatheredBytesMax || gathered_.size() >= kGatheredMax;
  return is_enough ? write_entries() : Result<void>();
}

// One write after the other, each synced: what may have to be written again by a start stays small.
Result<void> CopyTarget::write_entries() {
  std::span<const EntryImage> left = gathered_;
  // Progress: each round writes one or more, or makes room.
  while (!left.empty()) {
    if (options_.must_stop()) return Code::wait_cancelled;
    std::vector<JournalEnd> ends;
    auto taken = appender_->append(left, ends);
    if (!taken) return taken.error();
    left = left.subspan(ends.size());
    if (auto settled = settle_entries(); !settled) return settled;
    if (*taken != Appender::Taken::no_segment) continue;
    if (auto prepared = appender_->prepare_spare(); !prepared) return prepared;
    if (auto rolled = appender_->roll(); !rolled) return rolled.error();
  }
  gathered_.clear(), bodies_.clear();
  gathered_bytes_ = 0;
  return {};
}

Result<void> CopyTarget::settle_entries() {
  // Progress: the disk's.
  while (!appender_->is_settled())
    if (auto done = appender_->complete(); !done) return done;
  return {};
}

Result<void> CopyTarget::take_end(const CopyEnd& end) {
  if (phase_ != Phase::entries) return unsound("it ends before its entries");
  if (end.entries != entries_ || last_index_ != begin_.end_index || last_term_ != begin_.end_term)
    return unsound("it ends with entry " + std::to_string(last_index_) + ", expected " +
                   std::to_string(begin_.end_index));
  if (auto written = write_entries(); !written) return written;
  appender_.reset();
  phase_ = Phase::over;
  if (auto removed = incoming_.remove("segment.new");
      !removed && removed.error().code != Code::book_missing)
    return removed;
  if (auto synced = incoming_.sync_directory(); !synced) return synced;
  if (auto read = read_back(); !read) return read;
  base::fault_point(FaultPoint::copy_whole);  // I0
  is_whole_ = true;
  return {};
}

// By the same code that will read it at the next start.
Result<void> CopyTarget::read_back() {
  auto segments = list_segments(incoming_, options_.journal_id);
  if (!segments) return segments.error();
  if (segments->empty()) return unsound("it has no segments");
  EntryReader reader(incoming_, std::move(*segments));
  // Bounded by the entries.
  for (;;) {
    auto entry = reader.next();
    if (!entry) return entry.error();
    if (!*entry) break;
  }
  const JournalEnd& end = reader.end();
  if (end.index != begin_.end_index || end.term != begin_.end_term)
    return unsound("read back, it ends with entry " + std::to_string(end.index));
  return {};
}

bool CopyTarget::is_whole() const {
  return is_whole_ ||
         (last_index_ > begin_.base_index && base::mutated(Mutant::copy_installed_half));
}

Installation CopyTarget::installation() const {
  return {.first_segment = options_.segments_before + 1,
          .checkpoint = begin_.position,
          .last_index = begin_.end_index,
          .last_term = begin_.end_term};
}

}  // namespace casbook::journal
