// create(): what stands under a book's name, and what does not stay behind.
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "arena/arena.h"
#include "arena/available_memory.h"
#include "arena/life_lock.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;

std::string file_name(const std::string& name = "book") { return "casbook." + name; }

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

// The flags of the kernel's mapping that begins at `address`.
std::string mapping_field(const void* address, const std::string& field) {
  std::stringstream first;
  first << std::hex << reinterpret_cast<uintptr_t>(address) << '-';
  std::ifstream file("/proc/self/smaps");
  std::string line;
  bool is_found = false;
  while (std::getline(file, line)) {
    if (line.starts_with(first.str())) is_found = true;
    if (is_found && line.starts_with(field)) return line.substr(field.size()) + " ";
  }
  return "not found";
}

const void* base_of(const Mapping& mapping) {
  return reinterpret_cast<const std::byte*>(&mapping.control()) - kControlOffset;
}

TEST(BookPath, RefusesNamesThatAreNotPlain) {
  for (const std::string& name :
       {std::string(""), std::string(".hidden"), std::string("a/b"), std::string("a b"),
        std::string("a\0b", 3), std::string("\xc3\xa4"), std::string("a\n"), std::string(65, 'x'),
        std::string("..")}) {
    const Result<std::string> path = book_path("/dev/shm", name);
    ASSERT_FALSE(path) << name;
    EXPECT_EQ(path.error().code, Code::bad_argument) << name;
  }
  EXPECT_EQ(*book_path("/dev/shm", "Pay_1.eu-west"), "/dev/shm/casbook.Pay_1.eu-west");
  EXPECT_EQ(*book_path("/dev/shm/", "a"), "/dev/shm/casbook.a");
  EXPECT_TRUE(book_path("/dev/shm", std::string(64, 'x')));
}

TEST(Create, LeavesNothingWhenItsFormatFails) {
  ScratchDirectory scratch;
  const Result<void> created =
      create(small_arena(scratch.path()), [](Mapping&) -> Result<void> { return Code::damaged; });
  EXPECT_EQ(created.error().code, Code::damaged);
  EXPECT_TRUE(scratch.entries().empty());
}

TEST(Create, RoundTripAtDifferentAddresses) {
  ScratchDirectory scratch;
  const CreateRequest request = small_arena(scratch.path());
  ASSERT_TRUE(create(request, [](Mapping& mapping) -> Result<void> {
    mapping.region<base::AtomicU64>(Region::cells)[7].initialise(4711);
    return {};
  }));
  EXPECT_EQ(scratch.entries(), std::set<std::string>{file_name()});

  const auto one = must_attach(scratch.path());
  const auto two = must_attach(scratch.path());
  EXPECT_NE(base_of(*one), base_of(*two));
  EXPECT_EQ(two->region<base::AtomicU64>(Region::cells)[7].load_relaxed(), 4711u);
  one->region<base::AtomicU64>(Region::cells)[8].store_relaxed(42);
  EXPECT_EQ(two->region<base::AtomicU64>(Region::cells)[8].load_relaxed(), 42u);
  one->control().tail.store_relaxed(9);
  EXPECT_EQ(two->control().tail.load_relaxed(), 9u);
  EXPECT_EQ(two->geometry().sessions, 16u);
  EXPECT_EQ(two->cells(CellTable::accounts).count, 100u);
  EXPECT_STREQ(reinterpret_cast<const char*>(two->header().book_name), "book");
  EXPECT_NE(two->header().incarnation, 0u);

  ASSERT_TRUE(destroy(scratch.path(), "book"));
  EXPECT_TRUE(scratch.entries().empty());
  EXPECT_FALSE(one->is_current());
  two->region<base::AtomicU64>(Region::cells)[8].store_relaxed(43);
  EXPECT_EQ(one->region<base::AtomicU64>(Region::cells)[8].load_relaxed(), 43u);
  EXPECT_EQ(destroy(scratch.path(), "book").error().code, Code::book_missing);
}

TEST(Create, GivesEveryRegionItsOwnPages) {
  ScratchDirectory scratch;
  const auto mapping = create_and_attach(small_arena(scratch.path()));
  const FixedHeader& header = mapping->header();
  uint64_t end = kPageBytes;
  for (const RegionExtent& region : header.regions) {
    EXPECT_EQ(region.offset, end);
    EXPECT_EQ(region.bytes % kPageBytes, 0u);
    end += region.bytes;
  }
  EXPECT_EQ(header.file_bytes, end);
  // The regions of the arena itself are large enough though the request did not say how large.
  EXPECT_GE(header.regions[static_cast<uint32_t>(Region::sessions)].bytes,
            16 * sizeof(SessionSlot));
  EXPECT_GE(header.regions[static_cast<uint32_t>(Region::events)].bytes, kEventLines * 64);
  EXPECT_EQ(header.regions[static_cast<uint32_t>(Region::blocks)].bytes, 25 * kPageBytes);
}

TEST(Create, GivesEveryBookAnotherIncarnation) {
  ScratchDirectory scratch;
  const auto one = create_and_attach(small_arena(scratch.path(), "one"));
  const auto two = create_and_attach(small_arena(scratch.path(), "two"));
  EXPECT_NE(one->header().incarnation, two->header().incarnation);
}

TEST(Create, LeavesAnExistingBookAlone) {
  ScratchDirectory scratch;
  const CreateRequest request = small_arena(scratch.path());
  ASSERT_TRUE(create(request, format_nothing));
  const std::string before = bytes_of(scratch.path() + "/" + file_name());
  const Result<void> again = create(request, format_nothing);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, Code::book_exists);
  EXPECT_EQ(bytes_of(scratch.path() + "/" + file_name()), before);
  EXPECT_EQ(scratch.entries().size(), 1u);
}

// Both stand in `format` at the same time, past every look at the name.
TEST(Create, OfTwoCreatorsExactlyOneWins) {
  for (int round = 0; round < 20; ++round) {
    ScratchDirectory scratch;
    struct Board {
      base::AtomicU64 formatting, winners, exists, other;
    };
    Shared<Board> board;
    const auto creator = [&] {
      const Result<void> created =
          create(small_arena(scratch.path()), [&](Mapping& mapping) -> Result<void> {
            board->formatting.add_relaxed(1);
            mapping.region<base::AtomicU64>(Region::cells)[0].initialise(getpid());
            require(await([&] { return board->formatting.load_relaxed() == 2; }), "alone");
            return {};
          });
      if (created)
        board->winners.add_relaxed(1);
      else if (created.error().code == Code::book_exists)
        board->exists.add_relaxed(1);
      else
        board->other.add_relaxed(1);
    };
    Child one(creator), two(creator);
    EXPECT_TRUE(one.succeeded() && two.succeeded());
    EXPECT_EQ(board->winners.load_relaxed(), 1u);
    EXPECT_EQ(board->exists.load_relaxed(), 1u);
    EXPECT_EQ(scratch.entries(), std::set<std::string>{file_name()});
    EXPECT_TRUE(attach(scratch.path(), "book", Access::read_only));
  }
}

TEST(Create, RefusesWhatCannotBeLaidOut) {
  ScratchDirectory scratch;
  const auto code_of = [&](auto change) {
    CreateRequest request = small_arena(scratch.path());
    change(request);
    const Result<void> created = create(request, format_nothing);
    return created ? Code::book_exists : created.error().code;
  };
  const auto cells = static_cast<uint32_t>(Region::cells);
  EXPECT_EQ(code_of([](auto& r) { r.name = "a/b"; }), Code::bad_argument);
  EXPECT_EQ(code_of([](auto& r) { r.directory += "/missing"; }), Code::bad_argument);
  EXPECT_EQ(code_of([](auto& r) { r.geometry.sessions = kSessionsMax + 1; }), Code::bad_argument);
  EXPECT_EQ(code_of([](auto& r) { r.geometry.attachments = UINT64_MAX; }), Code::bad_argument);
  EXPECT_EQ(code_of([&](auto& r) { r.region_bytes[cells] = UINT64_MAX; }), Code::bad_argument);
  EXPECT_EQ(code_of([&](auto& r) { r.cell_tables[0] = {1024, 1}; }), Code::bad_argument);
  EXPECT_EQ(code_of([&](auto& r) { r.cell_tables[0] = {2, UINT64_MAX}; }), Code::bad_argument);
  EXPECT_TRUE(scratch.entries().empty());
}

// In a child that cannot make large files: a create() that does not ask first must fail here, not
// take the machine's memory.
TEST(Create, RefusesMoreThanTheMemoryThereIsAndNamesBothFigures) {
  ScratchDirectory scratch;
  Child child([&] {
    const rlimit limit{.rlim_cur = 64 * 1024 * 1024, .rlim_max = 64 * 1024 * 1024};
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0, "setrlimit");
    signal(SIGXFSZ, SIG_IGN);
    CreateRequest request = small_arena(scratch.path());
    const uint64_t available = available_memory_bytes().value();
    const uint64_t asked = available + (uint64_t{1} << 34);
    request.region_bytes[static_cast<uint32_t>(Region::cells)] = asked;
    const Result<void> created = create(request, format_nothing);
    require(!created && created.error().code == Code::no_memory, "no_memory expected");
    uint64_t needed = 0, offered = 0;
    require(std::sscanf(created.error().detail.c_str(), "the book needs %lu bytes, %lu are",
                        &needed, &offered) == 2,
            created.error().detail.c_str());
    require(needed > asked && offered > available / 2 && offered < needed, "figures");
  });
  EXPECT_TRUE(child.succeeded());
  EXPECT_TRUE(scratch.entries().empty());
}

TEST(Create, SetsOwnerGroupAndModeWhateverTheUmask) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to give a file away";
  ScratchDirectory scratch;
  CreateRequest request = small_arena(scratch.path());
  request.owner = 65534;
  request.group = 12345;
  request.mode = 0664;
  const mode_t before = umask(077);
  ASSERT_TRUE(create(request, format_nothing));
  umask(before);
  struct stat status;
  ASSERT_EQ(stat((scratch.path() + "/" + file_name()).c_str(), &status), 0);
  EXPECT_EQ(status.st_uid, 65534u);
  EXPECT_EQ(status.st_gid, 12345u);
  EXPECT_EQ(status.st_mode & 07777, 0664u);
}

TEST(Create, IsForItsOwnerAloneUnlessToldOtherwise) {
  ScratchDirectory scratch;
  ASSERT_TRUE(create(small_arena(scratch.path()), format_nothing));
  struct stat status;
  ASSERT_EQ(stat((scratch.path() + "/" + file_name()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
}

TEST(Create, FailsWithoutTheRightToWriteTheDirectory) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ScratchDirectory scratch;  // of mode 0700
  Child nobody([&] {
    require(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
    const Result<void> created = create(small_arena(scratch.path()), format_nothing);
    require(!created && created.error().code == Code::no_permission, "no_permission expected");
    // A directory may be written, but its owner cannot give files away.
  });
  EXPECT_TRUE(nobody.succeeded());
}

TEST(Create, LeavesNothingBehindWhenTheOwnerCannotBeSet) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ScratchDirectory scratch;
  ASSERT_EQ(chmod(scratch.path().c_str(), 0777), 0);
  Child nobody([&] {
    require(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
    CreateRequest request = small_arena(scratch.path());
    request.owner = 0;
    const Result<void> created = create(request, format_nothing);
    require(!created && created.error().code == Code::no_permission, "no_permission expected");
  });
  EXPECT_TRUE(nobody.succeeded());
  EXPECT_TRUE(scratch.entries().empty());
}

TEST(Create, RemovesTemporaryFilesOfDeadCreatorsOfThisBookOnly) {
  ScratchDirectory scratch;
  const auto touch = [&](const std::string& name) {
    const int fd = open((scratch.path() + "/" + name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return OsFile(fd);
  };
  const std::string dead = ".casbook.book.0123456789abcdef";
  const std::string alive = ".casbook.book.aaaaaaaaaaaaaaaa";
  touch(dead);
  const OsFile held = touch(alive);
  ASSERT_TRUE(try_lock_byte(held, kCreatorLockOffset));
  const std::set<std::string> others = {".casbook.book.2.0123456789abcdef",
                                        ".casbook.boo.0123456789abcdef",
                                        ".casbook.book.0123456789abcdeF", ".casbook.book.012345"};
  for (const std::string& name : others) touch(name);

  ASSERT_TRUE(create(small_arena(scratch.path()), format_nothing));
  std::set<std::string> expected = others;
  expected.insert({alive, file_name()});
  EXPECT_EQ(scratch.entries(), expected);
}

TEST(Mapping, IsNeitherInheritedNorDumped) {
  ScratchDirectory scratch;
  const auto mapping = create_and_attach(small_arena(scratch.path()));
  const std::string flags = mapping_field(base_of(*mapping), "VmFlags:");
  EXPECT_NE(flags.find(" dc "), std::string::npos) << flags;
  EXPECT_NE(flags.find(" dd "), std::string::npos) << flags;
}

// Runs `body` in a child with a tmpfs of its own at `directory`. Exit status 77: not allowed here.
void with_tmpfs(const std::string& directory, const std::string& options,
                const std::function<void()>& body) {
  Child child([&] {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", directory.c_str(), "tmpfs", 0, options.c_str()) != 0)
      _exit(77);
    body();
  });
  const int status = child.wait();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting is not allowed";
  EXPECT_TRUE(child.succeeded());
}

TEST(Create, SaysHowMuchRoomThereIsInAFullDirectory) {
  ScratchDirectory scratch;
  with_tmpfs(scratch.path(), "size=1m", [&] {
    CreateRequest request = small_arena(scratch.path());
    request.region_bytes[static_cast<uint32_t>(Region::cells)] = 4 * 1024 * 1024;
    const Result<void> created = create(request, format_nothing);
    require(!created && created.error().code == Code::no_memory, "no_memory expected");
    uint64_t needed = 0, offered = 0;
    require(std::sscanf(created.error().detail.c_str(), "the book needs %lu bytes, %lu are",
                        &needed, &offered) == 2,
            created.error().detail.c_str());
    require(needed > 4 * 1024 * 1024 && offered > 900'000 && offered <= 1024 * 1024, "figures");
    require(scratch.entries().empty(), "something was left behind");
  });
}

TEST(Create, TakesHugePagesWhereTheDirectoryGivesThem) {
  ScratchDirectory scratch;
  with_tmpfs(scratch.path(), "size=64m,huge=always", [&] {
    CreateRequest request = small_arena(scratch.path());
    request.region_bytes[static_cast<uint32_t>(Region::cells)] = 5 * 1024 * 1024;
    const auto mapping = create_and_attach(request);
    require(mapping->header().file_bytes == 6 * 1024 * 1024, "not rounded to huge pages");
    const std::string mapped = mapping_field(base_of(*mapping), "ShmemPmdMapped:");
    require(std::strtoul(mapped.c_str(), nullptr, 10) == 6 * 1024, mapped.c_str());
    const auto attachment = must_open(*mapping);
    require(attachment->open_session().operator bool(), "no session");
  });
}

TEST(Create, WorksInHugetlbfs) {
  std::ifstream pool("/proc/sys/vm/nr_hugepages");
  int pages = 0;
  if (!(pool >> pages) || pages < 3) GTEST_SKIP() << "needs 3 huge pages in the system's pool";
  ScratchDirectory scratch;
  Child child([&] {
    require(unshare(CLONE_NEWNS) == 0, "unshare");
    require(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private");
    require(mount("none", scratch.path().c_str(), "hugetlbfs", 0, "pagesize=2M") == 0, "mount");
    CreateRequest request = small_arena(scratch.path());
    request.region_bytes[static_cast<uint32_t>(Region::cells)] = 3 * 1024 * 1024;
    const auto mapping = create_and_attach(request);
    require(mapping->header().file_bytes == 4 * 1024 * 1024, "not rounded to huge pages");
    const auto attachment = must_open(*mapping);
    const auto other = must_open(*mapping);
    require(attachment->open_session().operator bool(), "no session");
    require(other->is_alive(attachment->ref()), "not alive");
  });
  EXPECT_TRUE(child.succeeded());
}

}  // namespace
}  // namespace casbook::arena
