// Spoiled checkpoints whose checksums fit again: what answers is the look at what is in them.
// Verifying and loading say the same, nothing is written outside the cells, nothing crashes. (That
// a checksum notices each flipped bit is unit/journal_checkpoint.cc.)
//
// CASBOOK_SECONDS is how long it goes on (1), CASBOOK_SEED where it begins.
#include <cstdlib>
#include <cstring>

#include <gtest/gtest.h>

#include "journal/checkpoint_format.h"
#include "support/child_process.h"
#include "support/faulty_storage.h"
#include "support/random.h"
#include "support/twin.h"

namespace casbook::journal {
namespace {

using namespace test_support;
using Bytes = std::vector<std::byte>;

uint64_t setting(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

// Seals each chunk, and the end chunk, as they are now. A chunk that no length leads on from ends
// it.
void reseal(Bytes& file) {
  std::vector<uint64_t> checksums;
  for (size_t at = kBlockBytes; at + sizeof(ChunkHeader) <= file.size();) {
    ChunkHeader header;
    std::memcpy(&header, &file[at], sizeof header);
    if (header.bytes < sizeof header || header.bytes > file.size() - at) return;
    std::byte* const body = &file[at] + sizeof header;
    const size_t body_bytes = header.bytes - sizeof header;
    if (header.kind == static_cast<uint32_t>(ChunkKind::end) &&
        body_bytes >= sizeof(CheckpointEnd)) {
      const uint64_t digest = digest_of(checksums, kTestJournalId);
      std::memcpy(body + offsetof(CheckpointEnd, digest), &digest, sizeof digest);
    }
    header.checksum = checksum_of(header, {body, body_bytes}, kTestJournalId);
    std::memcpy(&file[at], &header, sizeof header);
    checksums.push_back(header.checksum);
    at += round_up_to_block(header.bytes);
  }
}

// One to three changes: a word random, small, or another of the file's.
void spoil(Bytes& file, test::Random& random) {
  for (uint64_t changes = 1 + random.below(3); changes > 0; --changes) {
    const size_t words = (file.size() - kBlockBytes) / 8;
    std::byte* const word = &file[kBlockBytes + 8 * random.below(words)];
    uint64_t value;
    switch (random.below(4)) {
      case 0:
        value = random.below(UINT64_MAX);
        break;
      case 1:
        value = random.below(64);
        break;
      case 2:
        std::memcpy(&value, word, 8);
        value ^= uint64_t{1} << random.below(64);
        break;
      default:
        std::memcpy(&value, &file[kBlockBytes + 8 * random.below(words)], 8);
    }
    std::memcpy(word, &value, 8);
  }
}

TEST(CheckpointBytes, WhateverIsInItVerifyingAndLoadingAgree) {
  SmallBook book;
  const Account account = book.open_with("a", 100);
  must(book.session.try_acquire("lease", {.ttl = std::chrono::hours(1)}));
  for (int i = 0; i < 20; ++i) book.fund(account, 1);
  const OpenArena arena(book);
  CheckpointRequest request = checkpoint_request(arena.store());
  request.must_stop = [&] {
    book.fund(account, 1);  // so that records follow the cells
    return false;
  };
  test::FaultyStorage disk(1);
  const std::string name = must(write_checkpoint(arena.store(), disk, request)).name;
  const Bytes sound = disk.content(name);
  Twin twin(arena.mapping());

  const uint64_t first_seed = setting("CASBOOK_SEED", static_cast<uint64_t>(monotonic_ns()));
  const int64_t until = monotonic_ns() + static_cast<int64_t>(setting("CASBOOK_SECONDS", 1) * 1e9);
  uint64_t seed = first_seed, refused = 0;
  for (; monotonic_ns() < until; ++seed) {
    test::Random random(seed);
    Bytes file = sound;
    spoil(file, random);
    reseal(file);
    disk.put(name, file);
    const auto verified = verify_checkpoint(disk, name);
    const auto loaded = load_checkpoint(disk, name, twin.store());
    ASSERT_EQ(code_of(verified), code_of(loaded)) << "CASBOOK_SEED=" << seed;
    refused += !verified;
  }
  // Not every word matters: a balance may be any number.
  EXPECT_GT(refused, (seed - first_seed) / 10) << "from CASBOOK_SEED=" << first_seed;
  std::printf("%lu spoiled, %lu refused\n", seed - first_seed, refused);
  disk.put(name, sound);
  twin.clear();
  EXPECT_TRUE(load_checkpoint(disk, name, twin.store()));
  EXPECT_EQ(code_of(verify_checkpoint(disk, name)), kDone);
}

}  // namespace
}  // namespace casbook::journal
