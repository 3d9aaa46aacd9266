#include "journal/backup.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <sys/random.h>

#include "arena/header.h"
#include "journal/checkpoint_format.h"
#include "journal/state_file.h"

namespace casbook::journal {

namespace {

// Terms that the book of the backup may have opened since. Few enough that the term of the backup
// is still remembered when the next one is open, so that its positions are known to be held.
constexpr uint64_t kTermsSkipped = kTermStarts - 2;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<std::byte, Free>;

Error error_in(const Storage& storage, Code code, const std::string& what) {
  return {.code = code, .detail = storage.describe() + ": " + what};
}

// A copy on its way into `to`: written under a temporary name, synced, renamed, checked.
class Copy {
 public:
  static Result<Copy> begin(Storage& to) {
    if (auto removed = to.remove(kCheckpointTemporaryName);
        !removed && removed.error().code != Code::book_missing)
      return removed.error();
    auto file = to.create(kCheckpointTemporaryName);
    if (!file) return file.error();
    return Copy(to, std::move(*file));
  }
  Result<void> write(uint64_t offset, std::span<const std::byte> bytes) {
    return file_->write(offset, bytes);
  }
  Result<CheckpointInfo> finish(Position position) {
    if (auto done = file_->sync(); !done) return done.error();
    const std::string name = checkpoint_name(position);
    if (auto done = to_.rename(kCheckpointTemporaryName, name); !done) return done.error();
    if (auto done = to_.sync_directory(); !done) return done.error();
    // Under its name, for that says the position too. What does not verify is not left behind.
    auto verified = verify_checkpoint(to_, name);
    if (!verified) (void)!to_.remove(name);
    return verified;
  }

 private:
  Copy(Storage& to, std::unique_ptr<File> file) : to_(to), file_(std::move(file)) {}

  Storage& to_;
  std::unique_ptr<File> file_;
};

// The checkpoint under its new identity: every checksum is seeded with that.
class Reidentified {
 public:
  Reidentified(const File& from, Copy& to, uint64_t from_id, uint64_t to_id)
      : from_(from), to_(to), from_id_(from_id), to_id_(to_id) {}

  // Chunk after chunk; each was checked, and is again, for it is about to be vouched for.
  Result<void> copy_chunks() {
    for (uint64_t offset = kBlockBytes; offset < from_.bytes();) {
      ChunkHeader header{};
      if (auto read = from_.read(offset, std::as_writable_bytes(std::span(&header, 1))); !read)
        return read;
      const uint64_t padded = round_up_to_block(header.bytes);
      if (header.magic != kChunkMagic || header.bytes < sizeof header || padded > kChunkBytesMax)
        return damaged(offset);
      std::byte* const bytes = buffer_.get();
      std::memset(bytes, 0, padded);
      if (auto read = from_.read(offset, {bytes, header.bytes}); !read) return read;
      if (!reseal(header, {bytes + sizeof header, header.bytes - sizeof header}))
        return damaged(offset);
      std::memcpy(bytes, &header, sizeof header);
      if (auto written = to_.write(offset, {bytes, padded}); !written) return written;
      offset += padded;
    }
    return {};
  }
  Result<void> copy_header(CheckpointHeader header) {
    header.journal_id = to_id_;
    seal(header);
    std::memset(buffer_.get(), 0, kBlockBytes);
    std::memcpy(buffer_.get(), &header, sizeof header);
    return to_.write(0, {buffer_.get(), kBlockBytes});
  }

 private:
  static Error damaged(uint64_t offset) {
    return {.code = Code::damaged,
            .detail = "the checkpoint's chunk at offset " + std::to_string(offset)};
  }
  bool reseal(ChunkHeader& header, std::span<std::byte> body) {
    if (header.checksum != checksum_of(header, body, from_id_)) return false;
    if (header.kind == static_cast<uint32_t>(ChunkKind::end)) {
      if (body.size() < sizeof(CheckpointEnd)) return false;
      CheckpointEnd end;
      std::memcpy(&end, body.data(), sizeof end);
      end.digest = digest_of(checksums_, to_id_);
      std::memcpy(body.data(), &end, sizeof end);
    }
    header.checksum = checksum_of(header, body, to_id_);
    checksums_.push_back(header.checksum);
    return true;
  }

  const File& from_;
  Copy& to_;
  const uint64_t from_id_, to_id_;
  Buffer buffer_{static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kChunkBytesMax))};
  std::vector<uint64_t> checksums_;
};

Result<void> rename_book(BookShape& shape, const std::string& name) {
  if (name.empty()) return {};
  if (auto path = arena::book_path("/", name); !path) return path.error();
  std::fill(std::begin(shape.header.book_name), std::end(shape.header.book_name), uint8_t{0});
  std::memcpy(shape.header.book_name, name.data(), name.size());
  shape.header.checksum = arena::checksum_of(shape.header);
  return {};
}

Result<void> refuse_journal(const Storage& storage) {
  const auto names = storage.list();
  if (!names) return names.error();
  for (const std::string& name : *names)
    if (name == "state" || segment_number(name) || checkpoint_position(name))
      return error_in(storage, Code::book_exists, "it holds a journal, or a part of one: " + name);
  return {};
}

uint64_t random_id() {
  uint64_t id = 0;
  while (id == 0) (void)!getrandom(&id, sizeof id, 0);
  return id;
}

}  // namespace

Result<CheckpointInfo> back_up(const Storage& from, const std::string& name, Storage& to) {
  const auto present = to.list();
  if (!present) return present.error();
  if (!present->empty())
    return error_in(to, Code::bad_argument,
                    "expected an empty directory, it holds " + present->front());
  const auto position = checkpoint_position(name);
  if (!position) return error_in(from, Code::bad_argument, name + " is no checkpoint");
  auto file = from.open(name, Storage::Access::read);
  if (!file) return file.error();
  auto copy = Copy::begin(to);
  if (!copy) return copy.error();
  const Buffer buffer(static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kChunkBytesMax)));
  const uint64_t bytes = (*file)->bytes();
  for (uint64_t offset = 0; offset < bytes; offset += kChunkBytesMax) {
    const uint64_t step = std::min(bytes - offset, kChunkBytesMax);
    std::memset(buffer.get(), 0, kChunkBytesMax);
    if (auto read = (*file)->read(offset, {buffer.get(), step}); !read) return read.error();
    if (auto done = copy->write(offset, {buffer.get(), round_up_to_block(step)}); !done)
      return done.error();
  }
  return copy->finish(*position);
}

Result<CheckpointInfo> restore_checkpoint(const Storage& from, const std::string& name, Storage& to,
                                          uint64_t journal_id, const BookShape* shape) {
  if (auto verified = verify_checkpoint(from, name); !verified) return verified;
  auto header = read_checkpoint_header(from, name);
  if (!header) return header.error();
  const uint64_t from_id = header->journal_id;
  if (shape) header->shape = *shape;
  auto file = from.open(name, Storage::Access::read);
  if (!file) return file.error();
  auto copy = Copy::begin(to);
  if (!copy) return copy.error();
  Reidentified checkpoint(**file, *copy, from_id, journal_id);
  if (auto done = checkpoint.copy_chunks(); !done) return done.error();
  if (auto done = checkpoint.copy_header(*header); !done) return done.error();
  return copy->finish(Position{header->position});
}

Result<CheckpointInfo> restore(const Storage& backup, Storage& journal,
                               const RestoreRequest& request) {
  if (auto free = refuse_journal(journal); !free) return free.error();
  const auto names = list_checkpoints(backup);
  if (!names) return names.error();
  if (names->empty()) return error_in(backup, Code::book_missing, "it holds no checkpoint");
  const std::string& name = names->front();
  auto header = read_checkpoint_header(backup, name);
  if (!header) return header.error();
  const JournalState state{
      .journal_id = request.journal_id ? request.journal_id : random_id(),
      .reserved_term = std::min(Position{header->position}.term() + kTermsSkipped, kTermMax - 1)};
  if (auto renamed = rename_book(header->shape, request.book); !renamed) return renamed.error();
  auto restored = restore_checkpoint(backup, name, journal, state.journal_id, &header->shape);
  if (!restored) return restored;
  if (auto done = write_state(journal, state); !done) return done.error();
  return restored;
}

}  // namespace casbook::journal
