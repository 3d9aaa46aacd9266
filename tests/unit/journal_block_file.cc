// The small files of one block: their bytes are those of FORMAT.md, by code of its own, and
// whatever is wrong with one is named.
#include <algorithm>
#include <cstring>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/hash.h"
#include "journal/state_file.h"
#include "replicate/peer_disks.h"
#include "support/faulty_storage.h"
#include "support/small_book.h"

namespace casbook::test {
namespace {

using namespace test_support;
using journal::kBlockBytes;
using testing::HasSubstr;

using Bytes = std::vector<std::byte>;

Bytes bytes_of(const journal::Storage& storage, const std::string& name) {
  Bytes bytes(kBlockBytes);
  must(must(storage.open(name, journal::Storage::Access::read))->read(0, bytes));
  return bytes;
}
void put(FaultyStorage& storage, const std::string& name, const Bytes& bytes) {
  (void)!storage.remove(name);
  auto file = must(storage.create(name));
  alignas(kBlockBytes) std::byte block[kBlockBytes] = {};
  std::memcpy(block, bytes.data(), bytes.size());
  if (!bytes.empty()) must(file->write(0, block));
}
uint64_t word(const Bytes& bytes, size_t offset) {
  uint64_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}
uint32_t half(const Bytes& bytes, size_t offset) {
  return static_cast<uint32_t>(word(bytes, offset));
}

struct BlockCase {
  const char* name;
  const char* magic;  // and a zero
  size_t checksum_at;
  std::function<Result<void>(FaultyStorage&)> write, read;
  bool keeps_room = false;
};
void PrintTo(const BlockCase& block, std::ostream* out) { *out << block.name; }

class BlockFiles : public testing::TestWithParam<BlockCase> {
 protected:
  BlockFiles() { must(GetParam().write(disk_)); }
  Result<void> read() { return GetParam().read(disk_); }
  Bytes bytes() { return bytes_of(disk_, GetParam().name); }
  // What is said of it with that change.
  Error refusal(const std::function<void(Bytes&)>& change) {
    Bytes changed = bytes();
    change(changed);
    FaultyStorage disk(2);
    put(disk, GetParam().name, changed);
    auto read = GetParam().read(disk);
    return read ? Error{} : read.error();
  }

  FaultyStorage disk_{1};
};

template <class T>
Result<void> outcome_of(const Result<T>& result) {
  return result ? Result<void>() : result.error();
}

const BlockCase kCases[] = {
    {.name = "state",
     .magic = "CBOOKST",
     .checksum_at = 64,
     .write =
         [](FaultyStorage& disk) {
           return journal::write_state(disk, {.journal_id = 7, .reserved_term = 3, .node = 2});
         },
     .read = [](FaultyStorage& disk) { return outcome_of(journal::read_state(disk)); },
     .keeps_room = true},
    {.name = "peers",
     .magic = "CBOOKPE",
     .checksum_at = 1040,
     .write =
         [](FaultyStorage& disk) {
           auto peers = must(replicate::PeerDisks::open(disk));
           uint64_t node = 1;
           while (peers.known(node) != 0) ++node;
           return peers.admit(node, 55) ? Result<void>() : Result<void>(*peers.failure());
         },
     .read = [](FaultyStorage& disk) { return outcome_of(replicate::PeerDisks::open(disk)); }},
};
INSTANTIATE_TEST_SUITE_P(Of, BlockFiles, testing::ValuesIn(kCases),
                         [](const auto& given) { return std::string(given.param.name); });

TEST_P(BlockFiles, HaveTheBytesOfTheFormat) {
  const Bytes block = bytes();
  EXPECT_EQ(std::memcmp(block.data(), GetParam().magic, 8), 0);
  EXPECT_EQ(half(block, 8), 1u) << "format";
  const size_t checksum_at = GetParam().checksum_at;
  EXPECT_EQ(word(block, checksum_at), base::hash_bytes(block.data(), checksum_at, word(block, 0)));
  for (size_t at = checksum_at + 8; at < block.size(); ++at)
    ASSERT_EQ(block[at], std::byte{0}) << at;
}

TEST_P(BlockFiles, SayWhatIsWrongWithThem) {
  const Error magic = refusal([](Bytes& b) { b[0] ^= std::byte{1}; });
  EXPECT_EQ(magic.code, Code::damaged);
  EXPECT_THAT(magic.detail, HasSubstr(": it is no "));
  const Error newer = refusal([](Bytes& b) { b[8] = std::byte{2}; });
  EXPECT_EQ(newer.code, Code::format_newer);
  EXPECT_THAT(newer.detail, HasSubstr(": format 2, this program knows 1"));
  EXPECT_EQ(refusal([](Bytes& b) { b[8] = std::byte{0}; }).code, Code::format_older);
  for (size_t at = 12; at < GetParam().checksum_at + 8; ++at) {
    const Error flipped = refusal([at](Bytes& b) { b[at] ^= std::byte{0x10}; });
    ASSERT_EQ(flipped.code, Code::damaged) << at;
    ASSERT_THAT(flipped.detail, HasSubstr(": its checksum does not fit")) << at;
  }
  const Error cut = refusal([](Bytes& b) { b.clear(); });
  EXPECT_EQ(cut.code, Code::damaged);
  EXPECT_THAT(cut.detail, HasSubstr(std::string("/") + GetParam().name + ": it is too short"));
}

TEST_P(BlockFiles, LeaveNothingBesideOrRoomForTheNext) {
  const std::vector<std::string> names = must(disk_.list());
  const std::string temporary = std::string(GetParam().name) + ".new";
  EXPECT_EQ(std::count(names.begin(), names.end(), temporary), GetParam().keeps_room ? 1 : 0);
  // What a crash left there is in nobody's way.
  put(disk_, temporary, Bytes(kBlockBytes, std::byte{0xff}));
  must(GetParam().write(disk_));
  EXPECT_TRUE(read());
}

// The former one or the next, whenever the power goes.
TEST_P(BlockFiles, AreWholeWhenThePowerGoes) {
  for (uint64_t nth = 1; nth <= 8; ++nth)
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      FaultyStorage disk(seed);
      must(GetParam().write(disk));
      disk.lose_power_at(nth);
      (void)!GetParam().write(disk);
      disk.crash();
      ASSERT_TRUE(GetParam().read(disk)) << "change " << nth << ", seed " << seed;
    }
}

}  // namespace
}  // namespace casbook::test
