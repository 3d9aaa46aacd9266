// The receiver's side of a copy: makes a journal of its own from the messages, under names that
// nobody looks at (`incoming.*`), and says when it is whole and sound. installation.h puts it in
// the place of the journal that is there.
//
// One thread at a time. Writes and syncs the disk, so it blocks. A crash or an error leaves files
// that discard_copy() removes.
#pragma once

#include <functional>

#include "journal/appender.h"
#include "journal/copy.h"
#include "journal/installation.h"
#include "journal/prefixed_storage.h"

namespace casbook::journal {

struct CopyTargetOptions {
  uint64_t journal_id = 0;       // of the journal that it is going to be
  BookShape shape{};             // of its book; the same cells as the sender's
  uint64_t segments_before = 0;  // the numbers of its segments come behind those that are there
  uint64_t segment_bytes = kSegmentBytesDefault;
  std::function<bool()> must_stop = [] { return false; };
};

class CopyTarget {
 public:
  // Removes what an earlier attempt left.
  static Result<std::unique_ptr<CopyTarget>> open(Storage& storage,
                                                  const CopyTargetOptions& options);
  ~CopyTarget();

  // The next message. Errors: damaged: it is none, or does not follow the one before; those of the
  // storage. After an error the copy is over.
  Result<void> take(std::span<const std::byte> message);
  // The last message was taken: all of it is synced, and was read back and checked.
  bool is_whole() const;
  const CopyBegin& begin() const { return begin_; }
  // What installation needs to know. Precondition: is_whole().
  Installation installation() const;
  uint64_t bytes() const { return bytes_; }  // of messages so far

 private:
  CopyTarget(Storage& storage, const CopyTargetOptions& options);
  Result<void> take_begin(const CopyBegin& begin);
  Result<void> take_piece(const CopyPiece& piece);
  Result<void> take_configuration(const CopyConfiguration& configuration);
  Result<void> take_entry(const CopyEntry& entry);
  Result<void> take_end(const CopyEnd& end);
  Result<void> begin_entries();
  Result<void> settle_entries();
  Result<void> write_entries();
  Result<void> read_back();
  Error unsound(const std::string& what) const;

  Storage& storage_;
  const CopyTargetOptions options_;
  PrefixedStorage received_, incoming_;
  CopyBegin begin_;
  enum class Phase { begin, checkpoint, entries, over };
  Phase phase_ = Phase::begin;
  bool is_whole_ = false;
  std::unique_ptr<File> checkpoint_;
  uint64_t checkpoint_bytes_ = 0, bytes_ = 0;
  std::unique_ptr<Appender> appender_;
  uint64_t entries_ = 0, last_index_ = 0, last_term_ = 0;
  // Gathered, so that they share a write.
  std::vector<std::vector<std::byte>> bodies_;
  std::vector<EntryImage> gathered_;
  uint64_t gathered_bytes_ = 0;
};

}  // namespace casbook::journal
