#include <cerrno>
#include <cstring>

#include <sys/mman.h>

#include <boost/interprocess/mapped_region.hpp>

#include "arena/mapping_access.h"

namespace casbook::arena {
namespace {

namespace ipc = boost::interprocess;

// An open descriptor as Boost.Interprocess maps it. Its own file_mapping opens by name, follows
// links, leaves the descriptor open across exec and hangs on a FIFO.
class MappableFile {
 public:
  MappableFile(const OsFile& file, Access access) : fd_(file.fd()), access_(access) {}
  ipc::mapping_handle_t get_mapping_handle() const {
    return ipc::ipcdetail::mapping_handle_from_file_handle(fd_);
  }
  ipc::mode_t get_mode() const {
    return access_ == Access::read_only ? ipc::read_only : ipc::read_write;
  }

 private:
  int fd_;
  Access access_;
};

// Pages are entered for writing where the mapping is writable; contents stay as they are. Failing
// costs page faults later and nothing else, since the file is allocated.
void populate(std::byte* base, uint64_t bytes, Access access) {
  const int advice = access == Access::read_only ? MADV_POPULATE_READ : MADV_POPULATE_WRITE;
  if (madvise(base, bytes, advice) != 0 && errno == EINVAL) touch_pages(base, bytes);
}

// Null when the kernel cannot (before 4.14).
uint64_t* new_fork_mark() {
  void* page =
      mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (madvise(page, kPageBytes, MADV_WIPEONFORK) != 0) {
    munmap(page, kPageBytes);
    return nullptr;
  }
  uint64_t* mark = static_cast<uint64_t*>(page);
  *mark = 1;
  return mark;
}

}  // namespace

struct Mapping::Os {
  ipc::mapped_region region;
};

Mapping::Mapping() = default;

Mapping::~Mapping() {
  // In a forked child the addresses of the arena are free, or in use by somebody else.
  if (fork_mark_ && is_forked() && os_) (void)os_.release();
  if (fork_mark_) munmap(fork_mark_, kPageBytes);
}

bool Mapping::is_current() const {
  struct stat status;
  return stat(path_.c_str(), &status) == 0 && identity_of(status) == identity_;
}

Result<std::unique_ptr<Mapping>> MappingAccess::map(const OsFile& file, const std::string& path,
                                                    Access access, const FixedHeader& header) {
  struct stat status;
  if (fstat(file.fd(), &status) != 0) return os_error(errno, "fstat", path);
  std::unique_ptr<Mapping> mapping(new Mapping());
  mapping->header_ = header;
  mapping->access_ = access;
  mapping->path_ = path;
  mapping->identity_ = identity_of(status);
  mapping->fork_mark_ = new_fork_mark();
  if (!mapping->fork_mark_) return os_error(errno, "madvise", "MADV_WIPEONFORK");

  mapping->os_ = std::make_unique<Mapping::Os>();
  const MappableFile source(file, access);
  try {
    ipc::mapped_region(source, source.get_mode(), 0, header.file_bytes).swap(mapping->os_->region);
  } catch (const ipc::interprocess_exception& failure) {
    return os_error(failure.get_native_error(), "mmap", path);
  }
  mapping->base_ = static_cast<std::byte*>(mapping->os_->region.get_address());

  // A forked child must not pay, and need not: it would share the parent's sessions.
  if (madvise(mapping->base_, header.file_bytes, MADV_DONTFORK) != 0)
    return os_error(errno, "madvise", "MADV_DONTFORK");
  // Both are wishes: a core file without gigabytes of book, huge pages where the directory has any.
  madvise(mapping->base_, header.file_bytes, MADV_DONTDUMP);
  madvise(mapping->base_, header.file_bytes, MADV_HUGEPAGE);
  populate(mapping->base_, header.file_bytes, access);
  return mapping;
}

void MappingAccess::write_header(Mapping& mapping) {
  std::memcpy(mapping.base_, &mapping.header_, sizeof(FixedHeader));
}

void touch_pages(const std::byte* base, uint64_t bytes) {
  // Relaxed: the value is not used. An atomic load is one that no compiler leaves out.
  for (uint64_t offset = 0; offset < bytes; offset += kPageBytes)
    (void)reinterpret_cast<const base::AtomicU64*>(base + offset)->load_relaxed();
}

}  // namespace casbook::arena
