// The sender's side of a copy: the messages of it, one after the other, read from a journal that
// goes on being written to.
//
// Whoever asks keeps the journal from losing its old segments meanwhile (SegmentHolds). One thread
// at a time. Reads the disk, so it blocks.
#pragma once

#include <functional>

#include "journal/checkpoint.h"
#include "journal/copy.h"
#include "journal/entry_reader.h"

namespace casbook::journal {

class CopySource {
 public:
  struct End {
    uint64_t index = 0, term = 0;
  };
  // Of the entry before the first that is sent: the bytes of the file `configuration`, or none.
  using Configuration = std::function<std::vector<std::byte>(uint64_t base_index)>;
  // All up to entry `end` is synced. Errors: damaged: no sound checkpoint and the log does not
  // begin with entry 1, or entries are missing; those of the storage.
  static Result<std::unique_ptr<CopySource>> open(const Storage& storage, uint64_t journal_id,
                                                  const End& end,
                                                  const Configuration& configuration = {});

  // The next message into `into`; false: that was the last. Errors: damaged: what was to be sent
  // was cut off meanwhile, or is; those of the storage.
  Result<bool> next(std::vector<std::byte>& into);
  const CopyBegin& begin() const { return begin_; }

 private:
  explicit CopySource(const Storage& storage) : storage_(storage) {}
  Result<void> find_checkpoint(uint64_t journal_id);
  Result<void> find_base(uint64_t journal_id);
  Result<void> read_entry();
  Result<bool> next_piece(std::vector<std::byte>& into);
  Result<bool> next_entry(std::vector<std::byte>& into);

  const Storage& storage_;
  std::vector<std::byte> configuration_;
  CopyBegin begin_;
  std::unique_ptr<File> checkpoint_;  // open, so that its successor does not take it away
  std::unique_ptr<EntryReader> reader_;
  std::optional<Entry> entry_;  // the next to be sent
  enum class Phase { begin, checkpoint, configuration, entries, end, over };
  Phase phase_ = Phase::begin;
  uint64_t offset_ = 0, entries_ = 0;
  std::vector<std::byte> piece_;
};

}  // namespace casbook::journal
