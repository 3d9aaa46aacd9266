// Spoiled journals: the reader says where the damage is, or ends before it; it never accepts an
// entry that was not written there, never goes on for ever, never crashes.
//
// CASBOOK_SECONDS is how long each goes on (1), CASBOOK_SEED where it begins.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "journal/entry_reader.h"
#include "log/record.h"
#include "support/child_process.h"
#include "support/faulty_storage.h"
#include "support/journal_files.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test;
using journal::EntryHeader;
using journal::EntryReader;
using journal::kBlockBytes;
using journal::SegmentHeader;
using test_support::code_of;
using test_support::kDone;
using test_support::monotonic_ns;

using Bytes = std::vector<std::byte>;
using Files = std::map<std::string, Bytes>;

// What a journal gives to read, and how that ended.
struct Reading {
  std::vector<Bytes> entries;
  Code code = kDone;
  std::string message;
  bool was_torn = false;
};

void note_error(Reading& reading, const Error& error) {
  reading.code = error.code, reading.message = error.message();
}

Reading read_all(const Files& files, uint64_t journal_id) {
  FaultyStorage storage(1);
  uint64_t blocks = 0;
  for (const auto& [name, content] : files) {
    storage.put(name, content);
    blocks += content.size() / kBlockBytes + 1;
  }
  Reading reading;
  auto segments = journal::list_segments(storage, journal_id, 1);
  if (!segments) return note_error(reading, segments.error()), reading;
  EntryReader reader(storage, std::move(*segments));
  for (;;) {
    const auto entry = reader.next();
    if (!entry) return note_error(reading, entry.error()), reading;
    if (!entry->has_value()) break;
    Bytes bytes;
    std::ranges::copy(std::as_bytes(std::span(&(*entry)->header, 1)), std::back_inserter(bytes));
    std::ranges::copy((*entry)->body, std::back_inserter(bytes));
    reading.entries.push_back(std::move(bytes));
    if (reading.entries.size() > blocks) {
      ADD_FAILURE() << "more entries than blocks";
      break;
    }
  }
  reading.was_torn = reader.was_torn();
  return reading;
}

bool is_prefix(const std::vector<Bytes>& read, const JournalFiles& of) {
  if (read.size() > of.entries.size()) return false;
  for (size_t i = 0; i < read.size(); ++i)
    if (read[i] != of.entries[i].bytes) return false;
  return true;
}

template <class RunSeed>
void run_seeds(RunSeed run_seed) {
  const char* const seconds = std::getenv("CASBOOK_SECONDS");
  const char* const first = std::getenv("CASBOOK_SEED");
  const int64_t end = monotonic_ns() + (seconds ? std::atoll(seconds) : 1) * 1'000'000'000;
  uint64_t seed = first ? std::strtoull(first, nullptr, 10) : 1, tried = 0;
  for (; monotonic_ns() < end || tried == 0; ++seed, ++tried) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    run_seed(random);
    if (testing::Test::HasFailure()) return;
    if (first && !seconds) break;
  }
  std::printf("%lu seeds\n", static_cast<unsigned long>(tried));
}

// --- entries and segments -----------------------------------------------------------------------

// One journal; the same with another tail; another one.
struct Subjects {
  JournalFiles one = write_journal({});
  JournalFiles fork = write_journal({.fork_at = 17, .fork_seed = 99});
  JournalFiles other = write_journal({.journal_id = 2, .seed = 5});

  const Bytes& any_file(Random& random) const {
    const JournalFiles* const journals[] = {&one, &fork, &other};
    const Files& files = journals[random.below(3)]->files;
    return std::next(files.begin(), static_cast<ptrdiff_t>(random.below(files.size())))->second;
  }
};

size_t place_in(const Bytes& bytes, Random& random) {
  // Mostly where something stands.
  const size_t end =
      random.one_in(8) ? bytes.size() : std::min<size_t>(bytes.size(), 14 * kBlockBytes);
  return random.below(end + 1);
}

void spoil_bytes(Bytes& bytes, const Subjects& subjects, Random& random) {
  const size_t at = place_in(bytes, random);
  const size_t count = std::min<size_t>(bytes.size() - at, 1 + random.below(3 * kBlockBytes));
  const auto begin = bytes.begin() + static_cast<ptrdiff_t>(at);
  switch (random.below(6)) {
    case 0:
    case 1:
      if (at < bytes.size()) bytes[at] ^= static_cast<std::byte>(1u << random.below(8));
      break;
    case 2:
      std::fill_n(begin, count, static_cast<std::byte>(random.one_in(2) ? 0 : random.next()));
      break;
    case 3:
      bytes.resize(random.one_in(2) ? at / kBlockBytes * kBlockBytes : at);
      break;
    case 4:
      bytes.insert(begin, count / kBlockBytes * kBlockBytes, std::byte{});
      break;
    case 5: {  // blocks of another file, or of another place
      const Bytes& from = subjects.any_file(random);
      const size_t to_block = at / kBlockBytes, from_block = place_in(from, random) / kBlockBytes;
      const size_t blocks = 1 + random.below(4);
      for (size_t i = 0; i < blocks * kBlockBytes; ++i) {
        const size_t target = to_block * kBlockBytes + i, source = from_block * kBlockBytes + i;
        if (target < bytes.size() && source < from.size()) bytes[target] = from[source];
      }
    }
  }
}

void spoil_files(Files& files, const Subjects& subjects, Random& random) {
  if (files.empty()) return;
  const auto any = [&] {
    return std::next(files.begin(), static_cast<ptrdiff_t>(random.below(files.size())));
  };
  switch (random.below(8)) {
    case 0:
      files.erase(any());
      break;
    case 1:
      any()->second = subjects.any_file(random);
      break;
    case 2:
      files[journal::segment_name(1 + random.below(6))] = subjects.any_file(random);
      break;
    default:
      spoil_bytes(any()->second, subjects, random);
  }
}

TEST(JournalBytes, ASpoiledJournalIsRefusedOrEndsEarly) {
  const Subjects subjects;
  uint64_t refused = 0, shortened = 0, whole = 0;
  run_seeds([&](Random& random) {
    Files files = subjects.one.files;
    for (uint64_t i = 1 + random.below(3); i > 0; --i) spoil_files(files, subjects, random);
    const Reading reading = read_all(files, random.one_in(2) ? 1 : 0);
    EXPECT_TRUE(is_prefix(reading.entries, subjects.one) ||
                is_prefix(reading.entries, subjects.fork) ||
                is_prefix(reading.entries, subjects.other))
        << reading.entries.size() << " entries, " << reading.message;
    refused += reading.code != kDone;
    shortened += reading.code == kDone && reading.entries.size() < subjects.one.entries.size();
    whole += reading.entries.size() == subjects.one.entries.size();
  });
  if (refused + shortened + whole > 200) {
    EXPECT_TRUE(refused && shortened && whole);
  }
}

TEST(JournalBytes, DamageIsNamedUnlessItIsInTheTail) {
  const JournalPlan plan;
  const JournalFiles journal = write_journal(plan);
  run_seeds([&](Random& random) {
    const uint64_t at = random.below(journal.entries.size());
    const WrittenEntry& entry = journal.entries[at];
    const std::string name = journal::segment_name(entry.segment);
    Files files = journal.files;
    files[name][entry.offset + random.below(entry.bytes.size())] ^=
        static_cast<std::byte>(1u << random.below(8));
    const Reading reading = read_all(files, plan.journal_id);
    EXPECT_EQ(reading.entries.size(), at);
    const bool is_in_tail = at + plan.unsynced_max >= journal.entries.size();
    if (is_in_tail) {
      EXPECT_EQ(reading.code, kDone) << reading.message;
      EXPECT_TRUE(reading.was_torn);
    } else {
      EXPECT_EQ(reading.code, Code::damaged) << "entry " << at + 1;
      EXPECT_NE(reading.message.find(name), std::string::npos) << reading.message;
      EXPECT_NE(reading.message.find(std::to_string(entry.offset)), std::string::npos)
          << reading.message;
    }
  });
}

// As if it had been meant: checksums are right, what they cover is not.
TEST(JournalBytes, HeadersThatContradictThemselvesAreAnswered) {
  const JournalFiles journal = write_journal({});
  run_seeds([&](Random& random) {
    Files files = journal.files;
    const auto spoil_word = [&](auto& header) {
      auto* const words = reinterpret_cast<uint64_t*>(&header);
      uint64_t& word = words[random.below(sizeof header / 8)];
      switch (random.below(4)) {
        case 0:
          word = random.next();
          break;
        case 1:
          word = random.below(70);
          break;
        case 2:
          word ^= uint64_t{1} << random.below(64);
          break;
        case 3:
          word = ~uint64_t{0};
          break;
      }
    };
    const WrittenEntry& written = journal.entries[random.below(journal.entries.size())];
    Bytes& file = files[journal::segment_name(written.segment)];
    if (random.one_in(3)) {
      SegmentHeader header;
      std::memcpy(&header, file.data(), sizeof header);
      spoil_word(header);
      journal::seal(header);
      std::memcpy(file.data(), &header, sizeof header);
    } else {
      EntryHeader header;
      std::memcpy(&header, written.bytes.data(), sizeof header);
      spoil_word(header);
      const uint64_t body_bytes = std::min<uint64_t>(header.bytes - sizeof header,
                                                     file.size() - written.offset - sizeof header);
      journal::seal(header, std::span(file).subspan(written.offset + sizeof header, body_bytes),
                    journal::seed_of(1, written.segment));
      std::memcpy(file.data() + written.offset, &header, sizeof header);
    }
    (void)read_all(files, random.one_in(2) ? 1 : 0);
  });
}

// --- records ------------------------------------------------------------------------------------

TEST(JournalBytes, ASpoiledRecordIsNoRecord) {
  run_seeds([](Random& random) {
    const std::vector<uint64_t> original = random_record(random, Position::of(1, 1), 64);
    std::vector<uint64_t> words = original;
    for (uint64_t i = 1 + random.below(3); i > 0; --i) {
      uint64_t& word = words[random.below(words.size())];
      word = random.one_in(4) ? random.next() : word ^ uint64_t { 1 } << random.below(64);
    }
    if (random.one_in(8)) words.resize(1 + random.below(words.size()));
    log::Record record;
    const bool is_decoded = log::decode(words.data(), static_cast<uint32_t>(words.size()), record);
    EXPECT_EQ(is_decoded, words == original);
  });
}

}  // namespace
}  // namespace casbook
