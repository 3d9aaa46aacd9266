// attach(): each way in which a file is not the book that is asked for has its own answer, and
// leaves the file as it was.
#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "arena/arena.h"
#include "arena/header.h"
#include "arena/mapping_access.h"
#include "support/child_process.h"
#include "support/scratch_directory.h"
#include "support/small_arena.h"

namespace casbook::arena {
namespace {

using namespace test_support;

struct FileState {
  std::string bytes;
  int64_t modified_ns;
  uint64_t inode;
  bool operator==(const FileState&) const = default;
};

class Attach : public testing::Test {
 protected:
  Attach() { EXPECT_TRUE(create(small_arena(scratch_.path()), format_nothing)); }

  std::string path() const { return scratch_.path() + "/casbook.book"; }
  FileState state() const {
    std::ifstream file(path(), std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    struct stat status {};
    stat(path().c_str(), &status);
    return {content.str(), status.st_mtim.tv_sec * int64_t{1'000'000'000} + status.st_mtim.tv_nsec,
            status.st_ino};
  }
  void write(const std::string& bytes) const {
    std::ofstream(path(), std::ios::binary | std::ios::trunc) << bytes;
  }
  FixedHeader header() const {
    FixedHeader header;
    std::memcpy(&header, state().bytes.data(), sizeof header);
    return header;
  }
  // With a checksum that fits.
  void write_header(FixedHeader header) const {
    header.checksum = checksum_of(header);
    std::string bytes = state().bytes;
    std::memcpy(bytes.data(), &header, sizeof header);
    write(bytes);
  }
  // The answer, the same for both kinds of access; bad_argument stands for success. Also looks that
  // a file refused is untouched.
  Code code() const {
    const FileState before = state();
    const Code writing = code(Access::read_write);
    EXPECT_EQ(code(Access::read_only), writing);
    EXPECT_TRUE(writing == Code::bad_argument || state() == before);
    return writing;
  }
  Code code(Access access) const {
    const auto mapping = attach(scratch_.path(), "book", access);
    return mapping ? Code::bad_argument : mapping.error().code;
  }

  ScratchDirectory scratch_;
};

TEST_F(Attach, MissingBook) {
  EXPECT_EQ(attach(scratch_.path(), "other", Access::read_write).error().code, Code::book_missing);
  EXPECT_EQ(attach(scratch_.path() + "/no", "book", Access::read_only).error().code,
            Code::book_missing);
  EXPECT_EQ(attach(path(), "book", Access::read_only).error().code, Code::book_missing);
  EXPECT_EQ(scratch_.entries().size(), 1u);
}

TEST_F(Attach, NoPermission) {
  if (getuid() != 0) GTEST_SKIP() << "needs root to become somebody else";
  ASSERT_EQ(chmod(scratch_.path().c_str(), 0755), 0);
  const auto answer_to_nobody = [&](Access access, bool is_allowed) {
    Child nobody([&] {
      require(setgid(65534) == 0 && setuid(65534) == 0, "setuid");
      const auto mapping = attach(scratch_.path(), "book", access);
      require(mapping ? is_allowed : !is_allowed && mapping.error().code == Code::no_permission,
              "another answer");
    });
    return nobody.succeeded();
  };
  const FileState before = state();
  EXPECT_TRUE(answer_to_nobody(Access::read_only, false));
  ASSERT_EQ(chmod(path().c_str(), 0444), 0);
  EXPECT_TRUE(answer_to_nobody(Access::read_only, true));
  EXPECT_TRUE(answer_to_nobody(Access::read_write, false));
  EXPECT_TRUE(state() == before);
}

TEST_F(Attach, ForeignContent) {
  for (const std::string& bytes :
       {std::string(), std::string("x"), std::string(11, '\0'), std::string(100'000, 'x'),
        state().bytes.substr(0, 11), std::string(4096, '\0') + state().bytes}) {
    write(bytes);
    EXPECT_EQ(code(), Code::foreign_file) << bytes.size();
  }
}

TEST_F(Attach, WhatIsNoRegularFileAndDoesNotHang) {
  alarm(20);
  const std::string elsewhere = scratch_.path() + "/elsewhere";
  ASSERT_EQ(rename(path().c_str(), elsewhere.c_str()), 0);
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  const auto answer = [&](Access access) {
    return attach(scratch_.path(), "book", access).error().code;
  };
  EXPECT_EQ(answer(Access::read_only), Code::foreign_file);
  EXPECT_EQ(answer(Access::read_write), Code::foreign_file);
  ASSERT_EQ(unlink(path().c_str()), 0);
  ASSERT_EQ(mkdir(path().c_str(), 0700), 0);
  EXPECT_EQ(answer(Access::read_only), Code::foreign_file);
  EXPECT_EQ(answer(Access::read_write), Code::foreign_file);
  EXPECT_EQ(destroy(scratch_.path(), "book").error().code, Code::foreign_file);
  ASSERT_EQ(rmdir(path().c_str()), 0);
  ASSERT_EQ(symlink(elsewhere.c_str(), path().c_str()), 0);
  EXPECT_EQ(answer(Access::read_only), Code::foreign_file);
  alarm(0);
}

TEST_F(Attach, OlderAndNewerFormats) {
  FixedHeader other = header();
  other.format_version = kFormatVersion - 1;
  write_header(other);
  EXPECT_EQ(code(), Code::format_older);
  other.format_version = kFormatVersion + 1;
  other.header_bytes = 512;  // a newer one may differ in everything that follows
  write_header(other);
  EXPECT_EQ(code(), Code::format_newer);
}

TEST_F(Attach, TruncatedAnywhere) {
  const std::string whole = state().bytes;
  for (const size_t bytes : {size_t{12}, size_t{100}, sizeof(FixedHeader) - 1, sizeof(FixedHeader),
                             size_t{4096}, whole.size() - 4096, whole.size() - 1}) {
    write(whole.substr(0, bytes));
    EXPECT_EQ(code(), Code::truncated) << bytes;
  }
  write(whole + "x");
  EXPECT_EQ(code(), Code::damaged);
  write(whole);
  EXPECT_EQ(code(), Code::bad_argument);  // whole again, so that the above is no accident
}

TEST_F(Attach, EveryFlippedByteOfTheHeaderIsSeen) {
  const std::string whole = state().bytes;
  for (size_t i = 0; i < sizeof(FixedHeader); ++i) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string bytes = whole;
      bytes[i] = static_cast<char>(bytes[i] ^ flip);
      write(bytes);
      const Code answer = code();
      if (i < 8)
        EXPECT_EQ(answer, Code::foreign_file) << i;
      else if (i < 12)
        EXPECT_TRUE(answer == Code::format_older || answer == Code::format_newer) << i;
      else
        EXPECT_EQ(answer, Code::damaged) << i;
    }
  }
}

// The checksum fits, as after a mistake of whoever wrote the header.
TEST_F(Attach, NumbersThatLeadOutsideTheFileAreDamage) {
  const FixedHeader whole = header();
  const auto cells = static_cast<uint32_t>(Region::cells);
  const auto sessions = static_cast<uint32_t>(Region::sessions);
  const auto answer = [&](auto change) {
    FixedHeader changed = whole;
    change(changed);
    write_header(changed);
    return code();
  };
  EXPECT_EQ(answer([](auto&) {}), Code::bad_argument);
  EXPECT_EQ(answer([&](auto& h) { h.header_bytes += 8; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[cells].bytes += 1; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[cells].bytes = 0 - h.regions[cells].offset; }),
            Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[cells].offset = 0 - kPageBytes; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[cells].offset -= kPageBytes; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) {
              h.regions[cells].offset += 64;
              h.regions[cells].bytes -= kPageBytes;
              h.cell_tables[3].count = 1;
            }),
            Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[0].offset = 0; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.regions[sessions].bytes = 16 * 128 - 1; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.geometry.sessions = 1024; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.geometry.sessions = UINT64_MAX; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.geometry.attachments = uint64_t{1} << 58; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.cell_tables[3] = {1025, 0}; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.cell_tables[3] = {1, 1024}; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.cell_tables[3] = {2, UINT64_MAX}; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.file_bytes -= 1; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.file_bytes = UINT64_MAX - kPageBytes + 1; }), Code::damaged);
  EXPECT_EQ(answer([&](auto& h) { h.file_bytes += kPageBytes; }), Code::truncated);
}

TEST_F(Attach, ReadOnlyMappingCannotBeWritten) {
  const auto mapping = must_attach(scratch_.path(), "book", Access::read_only);
  EXPECT_EQ(mapping->region<base::AtomicU64>(Region::cells)->load_relaxed(), 0u);
  Child writer([&] {
    // The mapping of the parent is not inherited, so the child makes its own.
    const auto own = must_attach(scratch_.path(), "book", Access::read_only);
    require(own->region<base::AtomicU64>(Region::cells)->load_relaxed() == 0, "readable");
    signal(SIGSEGV, SIG_DFL);
    own->region<base::AtomicU64>(Region::cells)->store_relaxed(1);
  });
  EXPECT_TRUE(writer.was_killed_by(SIGSEGV));
  EXPECT_EQ(Attachment::open(*mapping, [](uint32_t) {}).error().code, Code::read_only);
}

TEST_F(Attach, SeesWhatOthersWriteThroughAReadOnlyMapping) {
  const auto reader = must_attach(scratch_.path(), "book", Access::read_only);
  const auto writer = must_attach(scratch_.path());
  writer->region<base::AtomicU64>(Region::cells)->store_relaxed(5);
  EXPECT_EQ(reader->region<base::AtomicU64>(Region::cells)->load_relaxed(), 5u);
}

TEST_F(Attach, KeepsItsCopyOfTheHeader) {
  const auto mapping = must_attach(scratch_.path());
  const uint64_t offset = mapping->header().regions[0].offset;
  std::byte* shared = reinterpret_cast<std::byte*>(&mapping->control()) - kControlOffset;
  std::memset(shared, 0xff, sizeof(FixedHeader));
  EXPECT_EQ(mapping->header().regions[0].offset, offset);
  EXPECT_EQ(reinterpret_cast<std::byte*>(&attachment_slot(*mapping, 0)), shared + offset);
}

int64_t faults_of(const std::function<void()>& work) {
  rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  work();
  getrusage(RUSAGE_SELF, &after);
  return after.ru_minflt - before.ru_minflt;
}

TEST_F(Attach, LeavesNoPageFaultsToThePayments) {
  CreateRequest request = small_arena(scratch_.path(), "large");
  const uint64_t words = 16 * 1024 * 1024 / 8;
  request.region_bytes[static_cast<uint32_t>(Region::cells)] = words * 8;
  ASSERT_TRUE(create(request, format_nothing));
  const auto mapping = must_attach(scratch_.path(), "large");
  auto* cells = mapping->region<base::AtomicU64>(Region::cells);
  const int64_t faults = faults_of([&] {
    for (uint64_t i = 0; i < words; i += kPageBytes / 8) cells[i].store_relaxed(1);
  });
  const int64_t pages = static_cast<int64_t>(words * 8 / kPageBytes);
  EXPECT_LT(faults, pages / 4) << "of " << pages;  // some are those of a sanitizer's shadow
}

// What older kernels get.
TEST_F(Attach, TouchingPagesMakesThemWritableWithoutFaults) {
  const int fd = open(path().c_str(), O_RDWR | O_CLOEXEC);
  const uint64_t bytes = header().file_bytes;
  void* base = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  ASSERT_NE(base, MAP_FAILED);
  touch_pages(static_cast<std::byte*>(base), bytes);
  const int64_t faults = faults_of([&] {
    for (uint64_t i = kPageBytes; i < bytes; i += kPageBytes)
      reinterpret_cast<base::AtomicU64*>(static_cast<std::byte*>(base) + i)->store_relaxed(0);
  });
  EXPECT_LT(faults, 8) << "of " << bytes / kPageBytes << " pages";
  munmap(base, bytes);
}

TEST_F(Attach, AForkedChildKnowsThatItHasNoMapping) {
  auto mapping = must_attach(scratch_.path());
  EXPECT_FALSE(mapping->is_forked());
  Child child([&] {
    require(mapping->is_forked(), "the child is not told");
    Child grandchild([&] { require(mapping->is_forked(), "the grandchild is not told"); });
    require(grandchild.succeeded(), "grandchild");
    const auto own = must_attach(scratch_.path());
    require(!own->is_forked(), "its own mapping is its own");
    own->region<base::AtomicU64>(Region::cells)->store_relaxed(3);
  });
  EXPECT_TRUE(child.succeeded());
  EXPECT_FALSE(mapping->is_forked());
  EXPECT_EQ(mapping->region<base::AtomicU64>(Region::cells)->load_relaxed(), 3u);
}

// Where this process maps the book without any right of access: the page of the life lock.
char* life_lock_page() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line))
    if (line.find(" ---s ") != std::string::npos && line.ends_with("casbook.book"))
      return reinterpret_cast<char*>(std::stoull(line, nullptr, 16));
  return nullptr;
}

// The child may have mapped something else where the parent has the arena and the life lock.
TEST_F(Attach, DestroyingWhatAForkedChildInheritedUnmapsNothing) {
  auto mapping = must_attach(scratch_.path());
  auto attachment = must_open(*mapping);
  char* const base = reinterpret_cast<char*>(&mapping->control()) - kControlOffset;
  char* const lock = life_lock_page();
  ASSERT_NE(lock, nullptr);
  Child child([&] {
    for (char* const address : {base, lock}) {
      void* taken = mmap(address, kPageBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
      require(taken == address, "the addresses are free in the child");
    }
    attachment.reset();
    mapping.reset();
    std::memset(base, 1, kPageBytes);  // SIGSEGV if it was unmapped
    std::memset(lock, 1, kPageBytes);
  });
  EXPECT_TRUE(child.succeeded());
  EXPECT_EQ(slot_state(attachment_slot(*mapping, 0).state.load_relaxed()), SlotState::live);
}

TEST_F(Attach, IsNotMovedByChangeOfTheWorkingDirectory) {
  char before[4096];
  ASSERT_NE(getcwd(before, sizeof before), nullptr);
  ASSERT_EQ(chdir(scratch_.path().c_str()), 0);
  const auto mapping = must_attach(".");
  ASSERT_EQ(chdir(before), 0);
  EXPECT_TRUE(mapping->is_current());
  EXPECT_TRUE(must_open(*mapping)->open_session());
}

}  // namespace
}  // namespace casbook::arena
