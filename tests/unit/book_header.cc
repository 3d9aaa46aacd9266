// A header whose checksum fits but whose numbers contradict one another: attaching names the fault,
// and nothing is touched through it.
#include <fstream>

#include <gtest/gtest.h>

#include "arena/header.h"
#include "support/small_book.h"

namespace casbook {
namespace {

using namespace test_support;
using arena::CellTable;
using arena::FixedHeader;

struct Fault {
  const char* name;
  void (*make)(FixedHeader&);
  const char* named;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

arena::CellTableExtent& table(FixedHeader& header, CellTable which) {
  return header.cell_tables[static_cast<uint32_t>(which)];
}

const Fault kFaults[] = {
    {"RecordsNoPowerOfTwo", [](FixedHeader& h) { h.geometry.records -= 1; }, "not a power of two"},
    {"MoreRecordsThanSlots", [](FixedHeader& h) { h.geometry.records *= 4; }, "records: more than"},
    {"NoSessions", [](FixedHeader& h) { h.geometry.sessions = 0; }, "sessions: none"},
    {"MoreSessionsThanDescriptors", [](FixedHeader& h) { h.geometry.sessions = 1000; },
     "a region is too small"},
    {"NoWindow", [](FixedHeader& h) { h.geometry.window_ms = 0; }, "window: not"},
    {"AnEndlessWindow", [](FixedHeader& h) { h.geometry.window_ms = ~uint64_t{0}; }, "window: not"},
    {"OtherBlocks", [](FixedHeader& h) { h.geometry.block_bytes *= 2; }, "blocks: of a size"},
    {"MoreBlocks", [](FixedHeader& h) { h.geometry.blocks *= 100; }, "blocks: more than"},
    {"NoPaymentIds", [](FixedHeader& h) { table(h, CellTable::payments).count = 0; }, "too small"},
    {"MoreLeases", [](FixedHeader& h) { table(h, CellTable::leases).count += 64; },
     "larger than its region"},
    {"FewerProfiles", [](FixedHeader& h) { table(h, CellTable::profiles).count -= 1; },
     "not as many as profiles"},
    {"TablesThatOverlap",
     [](FixedHeader& h) {
       table(h, CellTable::accounts) = {8, table(h, CellTable::accounts).count};
     },
     "overlap"},
    {"ATableThatReachesIntoTheNext",
     [](FixedHeader& h) { table(h, CellTable::ledgers).count += 1; }, "overlap"},
};

class Headers : public testing::TestWithParam<Fault> {};

TEST_P(Headers, ThatContradictThemselvesAreDamage) {
  const SmallBook small;
  std::fstream file(small.directory.path() + "/casbook.book",
                    std::ios::binary | std::ios::in | std::ios::out);
  FixedHeader header;
  file.read(reinterpret_cast<char*>(&header), sizeof header);
  GetParam().make(header);
  header.checksum = arena::checksum_of(header);
  file.seekp(0);
  file.write(reinterpret_cast<const char*>(&header), sizeof header);
  file.close();
  for (const auto& attached : {Book::attach("book", small.directory.path()),
                               Book::observe("book", small.directory.path())}) {
    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error().code, Code::damaged);
    EXPECT_NE(attached.error().detail.find(GetParam().named), std::string::npos)
        << attached.error().message();
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Headers, testing::ValuesIn(kFaults),
                         [](const testing::TestParamInfo<Fault>& given) {
                           return std::string(given.param.name);
                         });

}  // namespace
}  // namespace casbook
