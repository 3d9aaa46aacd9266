// What a daemon does for its book beside journaling: writing a checkpoint, and bringing a book back
// from checkpoint and journal. On a real directory: that of the program, or CASBOOK_BENCH_DIR.
//
// Figures are by the wall clock: all threads of the machine work.
#include <cstring>
#include <filesystem>
#include <numeric>

#include "cells.h"
#include "journal/checkpoint.h"
#include "journal/directory_storage.h"
#include "journal/replay.h"
#include "log/log_reader.h"

namespace casbook::bench {
namespace {

using journal::kBlockBytes;

constexpr uint64_t kJournalId = 42;

class OwnDirectory {
 public:
  explicit OwnDirectory(const char* what) {
    const char* const given = std::getenv("CASBOOK_BENCH_DIR");
    path_ = std::string(given ? given : ".") + "/" + own_name() + "-" + what;
    storage_ = must(journal::DirectoryStorage::open(path_));
  }
  ~OwnDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  journal::DirectoryStorage& storage() const { return *storage_; }

 private:
  std::string path_;
  std::unique_ptr<journal::DirectoryStorage> storage_;
};

// An empty arena of the same shape.
class Twin {
 public:
  explicit Twin(const journal::BookShape& shape) {
    auto request = must(journal::request_of(shape, "/dev/shm"));
    request.name = own_name();
    must(arena::create(request, [](arena::Mapping& mapping) -> Result<void> {
      commit::Store::format(mapping, false);
      return {};
    }));
    mapping_ = must(arena::attach(request.directory, request.name, arena::Access::read_write));
    must(arena::destroy(request.directory, request.name));
    store_.emplace(*mapping_);
  }
  const commit::Store& store() const { return *store_; }
  void clear() {
    const auto& region = mapping_->header().regions[static_cast<uint32_t>(arena::Region::cells)];
    std::memset(mapping_->region<std::byte>(arena::Region::cells), 0, region.bytes);
    commit::Store::format(*mapping_, false);
  }

 private:
  std::unique_ptr<arena::Mapping> mapping_;
  std::optional<commit::Store> store_;
};

// A journal as the daemon writes it under load: entries of half a MiB, segments of 64 MiB.
class JournalWriter {
 public:
  JournalWriter(journal::Storage& storage, const journal::BookShape& shape, uint64_t first_lsn)
      : storage_(storage), shape_(shape), segment_(kSegmentBlocks), next_lsn_(first_lsn) {}

  void add(std::span<const uint64_t> words) {
    const Position position{words[2]};
    if (count_ > 0 && (body_.size() * 8 > kEntryBytes || position.term() != term_)) end_entry();
    term_ = position.term();
    body_.insert(body_.end(), words.begin(), words.end());
    ++count_;
  }
  void finish() {
    if (count_ > 0) end_entry();
    if (used_ > 1) end_segment();
  }

 private:
  static constexpr uint64_t kEntryBytes = 512 << 10, kSegmentBlocks = (64 << 20) / kBlockBytes;
  struct alignas(kBlockBytes) Block {
    std::byte bytes[kBlockBytes];
  };

  void end_entry() {
    journal::EntryHeader header{};
    const auto body = std::as_bytes(std::span(body_));
    const auto bytes = sizeof header + body.size();
    const uint64_t blocks = journal::round_up_to_block(bytes) / kBlockBytes;
    if (used_ + blocks > kSegmentBlocks) end_segment();
    if (used_ == 0) begin_segment();
    header.magic = journal::kEntryMagic, header.bytes = static_cast<uint32_t>(bytes);
    header.index = index_ + 1, header.first_lsn = next_lsn_, header.count = count_;
    header.term = static_cast<uint16_t>(term_);
    header.type = static_cast<uint8_t>(journal::EntryType::records);
    header.synced_index = index_, header.chain = chain_;
    journal::seal(header, body, journal::seed_of(kJournalId, number_));
    std::memcpy(segment_[used_].bytes, &header, sizeof header);
    std::memcpy(segment_[used_].bytes + sizeof header, body.data(), body.size());
    used_ += blocks, index_ = header.index, chain_ = header.checksum, entry_term_ = term_;
    next_lsn_ += count_;
    body_.clear();
    count_ = 0;
  }
  void begin_segment() {
    journal::SegmentHeader header{};
    header.magic = journal::kSegmentMagic, header.format = journal::kJournalFormat;
    header.header_bytes = sizeof header, header.journal_id = kJournalId;
    header.number = ++number_, header.bytes = kSegmentBlocks * kBlockBytes;
    header.first_index = index_ + 1, header.next_lsn = next_lsn_;
    header.chain = chain_, header.term = entry_term_, header.shape = shape_;
    journal::seal(header);
    std::memcpy(segment_[0].bytes, &header, sizeof header);
    used_ = 1;
  }
  void end_segment() {
    auto file = must(storage_.create(journal::segment_name(number_)));
    must(file->write(0, std::as_bytes(std::span(segment_))));
    std::memset(segment_[0].bytes, 0, kSegmentBlocks * kBlockBytes);
    used_ = 0;
  }

  journal::Storage& storage_;
  const journal::BookShape shape_;
  std::vector<Block> segment_;
  std::vector<uint64_t> body_;
  uint64_t used_ = 0;  // blocks of the segment
  uint32_t count_ = 0;
  uint64_t number_ = 0, index_ = 0, chain_ = 0, term_ = 0, entry_term_ = 0, next_lsn_;
};

// A book with payments made, its journal, a checkpoint of it, and room to rebuild it in.
class Recovery {
 public:
  explicit Recovery(const Sizes& sizes)
      : own_(own_name(), sizes.many, sizes.payments),
        cells_(own_.name(), arena::Access::read_only),
        shape_(must(journal::shape_of(cells_.mapping()))) {
    must(Book::destroy(own_.name()));
    // The payments only: the ring does not hold the opening of so many accounts.
    first_ = copied_ = log::log_end(cells_.store());
    JournalWriter writer(journal_.storage(), shape_, first_);
    Random random(3);
    // As many as leave every id in its window and every record in the journal.
    const uint64_t payments = sizes.is_tiny() ? 20'000 : 2'000'000;
    for (uint64_t i = 0; i < payments; ++i) {
      if (i % kPaymentsTogether == 0) copy_to(writer);
      must(own_.session().pay(own_.payment(random)));
    }
    copy_to(writer);
    writer.finish();
    checkpoint();
    twin_.emplace(shape_);
  }

  journal::CheckpointInfo checkpoint() {
    return last_ = must(journal::write_checkpoint(
               cells_.store(), checkpoints_.storage(),
               {.journal_id = kJournalId,
                .shape = shape_,
                .index_of = [](uint64_t lsn) { return lsn; },
                .records = [this](uint64_t from, uint64_t to,
                                  const auto& sink) { return records(from, to, sink); },
                .must_stop = {}}));
  }
  journal::CheckpointInfo load() {
    return must(journal::load_checkpoint(checkpoints_.storage(), last_.name, twin_->store()));
  }
  journal::Replayed replay() {
    return must(journal::replay(twin_->store(), journal_.storage(), kJournalId, first_));
  }
  void clear() { twin_->clear(); }
  const commit::Store& store() const { return cells_.store(); }
  const journal::Storage& journal_storage() const { return journal_.storage(); }
  uint64_t record_bytes() const { return record_bytes_; }

 private:
  static constexpr uint64_t kPaymentsTogether = 1000;

  // From the ring.
  template <class Sink>
  Result<void> records(uint64_t from, uint64_t to, const Sink& sink) const {
    log::EncodedRecord record;
    for (; from < to; ++from) {
      if (log::fetch_encoded(cells_.store(), from, record) != log::Fetch::got) return Code::overrun;
      sink(record.span());
    }
    return {};
  }
  void copy_to(JournalWriter& writer) {
    const uint64_t end = log::log_end(cells_.store());
    must(records(copied_, end, [&](std::span<const uint64_t> words) {
      writer.add(words);
      record_bytes_ += words.size_bytes();
    }));
    copied_ = end;
  }

  OwnBook own_;
  Cells cells_;
  const journal::BookShape shape_;  // looked up while the book has its name
  OwnDirectory journal_{"journal"}, checkpoints_{"checkpoints"};
  std::optional<Twin> twin_;
  journal::CheckpointInfo last_;
  uint64_t first_ = commit::kFirstLsn, copied_ = first_, record_bytes_ = 0;
};

Recovery& recovery(const Sizes& sizes) {
  static Recovery recovery(sizes);
  return recovery;
}

double per_second(uint64_t amount, int64_t ns) {
  return static_cast<double>(amount) * 1e9 / static_cast<double>(ns);
}

// Floors: the same bytes through the same file class, and nothing else.
void write_floor(benchmark::State& state, const Sizes& sizes) {
  const uint64_t bytes = recovery(sizes).checkpoint().bytes;
  const OwnDirectory directory("floor");
  constexpr uint64_t kPieceBytes = 4 << 20;
  std::unique_ptr<std::byte, decltype(&std::free)> piece(
      static_cast<std::byte*>(std::aligned_alloc(kBlockBytes, kPieceBytes)), &std::free);
  std::memset(piece.get(), 1, kPieceBytes);
  int64_t ns = 0;
  for (auto _ : state) {
    const int64_t start = now_ns();
    auto file = must(directory.storage().create("floor"));
    for (uint64_t at = 0; at < bytes; at += kPieceBytes)
      must(file->write(at, {piece.get(), std::min(kPieceBytes, bytes - at)}));
    must(file->sync());
    ns += now_ns() - start;
    must(directory.storage().remove("floor"));
  }
  state.counters["GB_per_s"] = per_second(bytes * state.iterations(), ns) / 1e9;
}

// Every entry read and checked, by one thread; no record looked at.
void read_floor(benchmark::State& state, const Sizes& sizes) {
  const journal::Storage& storage = recovery(sizes).journal_storage();
  uint64_t records = 0;
  const int64_t start = now_ns();
  for (auto _ : state) {
    journal::EntryReader reader(storage, must(journal::list_segments(storage, kJournalId)));
    for (auto entry = must(reader.next()); entry; entry = must(reader.next()))
      records += entry->header.count;
  }
  state.counters["Mrecords_per_s"] = per_second(records, now_ns() - start) / 1e6;
}

void checkpoint_write(benchmark::State& state, const Sizes& sizes) {
  Recovery& from = recovery(sizes);
  uint64_t bytes = 0, cells = 0;
  const int64_t start = now_ns();
  for (auto _ : state) {
    const journal::CheckpointInfo info = from.checkpoint();
    bytes += info.bytes, cells += info.cells;
  }
  const int64_t ns = now_ns() - start;
  state.counters["GB_per_s"] = per_second(bytes, ns) / 1e9;
  // Of cells, those never written included.
  state.counters["scanned_GB_per_s"] =
      per_second(from.store().units() * commit::kUnitBytes * state.iterations(), ns) / 1e9;
  state.counters["Mcells_per_s"] = per_second(cells, ns) / 1e6;
}

void checkpoint_load(benchmark::State& state, const Sizes& sizes) {
  Recovery& from = recovery(sizes);
  uint64_t bytes = 0, cells = 0;
  int64_t ns = 0;
  for (auto _ : state) {
    from.clear();
    const int64_t start = now_ns();
    const journal::CheckpointInfo info = from.load();
    ns += now_ns() - start;
    bytes += info.bytes, cells += info.cells;
  }
  state.counters["GB_per_s"] = per_second(bytes, ns) / 1e9;
  state.counters["Mcells_per_s"] = per_second(cells, ns) / 1e6;
}

void replay(benchmark::State& state, const Sizes& sizes) {
  Recovery& from = recovery(sizes);
  uint64_t records = 0;
  int64_t ns = 0;
  for (auto _ : state) {
    from.clear();
    const int64_t start = now_ns();
    records += from.replay().records;
    ns += now_ns() - start;
  }
  state.counters["Mrecords_per_s"] = per_second(records, ns) / 1e6;
  state.counters["record_bytes"] = static_cast<double>(from.record_bytes()) *
                                   static_cast<double>(state.iterations()) /
                                   static_cast<double>(records);
}

using Body = void (*)(benchmark::State&, const Sizes&);
void add(const char* name, Body body, const Sizes& sizes) {
  benchmark::RegisterBenchmark(name,
                               [body, &sizes](benchmark::State& state) { body(state, sizes); })
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime()
      ->MinTime(sizes.is_tiny() ? 0.001 : 1);
}

void floors(const Sizes& sizes) {
  add("floor/write_and_sync", write_floor, sizes);
  add("floor/read_journal", read_floor, sizes);
}

void benchmarks(const Sizes& sizes) {
  add("checkpoint/write", checkpoint_write, sizes);
  add("checkpoint/load", checkpoint_load, sizes);
  add("replay", replay, sizes);
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  return casbook::bench::run(argc, argv, casbook::bench::floors, casbook::bench::benchmarks);
}
