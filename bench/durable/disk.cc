#include "durable/disk.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace casbook::bench {
namespace {

void need(bool fine, const char* what, int error_number) {
  if (fine) return;
  std::fprintf(stderr, "benchmark: floor: %s: %s\n", what, std::strerror(error_number));
  std::exit(1);
}

}  // namespace

Blocks::Blocks(uint64_t bytes) : bytes_(round_up_to_block(bytes)) {
  void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  need(memory != MAP_FAILED, "mmap", errno);
  data_ = static_cast<std::byte*>(memory);
}

Blocks::~Blocks() { munmap(data_, bytes_); }

SyncedFile::SyncedFile(const std::string& path, uint64_t bytes)
    : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600)), bytes_(bytes) {
  need(fd_ >= 0, "open with O_DIRECT", errno);
  const int failure = posix_fallocate(fd_, 0, static_cast<off_t>(bytes_));
  need(failure == 0, "posix_fallocate", failure);
  const Blocks zeros(1 << 20);
  for (uint64_t at = 0; at < bytes_; at += zeros.bytes()) {
    const uint64_t part = std::min(zeros.bytes(), bytes_ - at);
    need(pwrite(fd_, zeros.data(), part, static_cast<off_t>(at)) == static_cast<ssize_t>(part),
         "pwrite", errno);
  }
  need(fsync(fd_) == 0, "fsync", errno);
}

SyncedFile::~SyncedFile() {
  if (has_ring_) io_uring_queue_exit(&ring_);
  close(fd_);
}

void SyncedFile::open_ring() {
  const int failure = io_uring_queue_init(8, &ring_, 0);
  need(failure == 0, "io_uring_queue_init", -failure);
  has_ring_ = true;
}

void SyncedFile::write_and_sync(const std::byte* data, uint64_t bytes) {
  if (next_ + bytes > bytes_) next_ = 0;
  io_uring_sqe* write = io_uring_get_sqe(&ring_);
  io_uring_prep_write(write, fd_, data, static_cast<unsigned>(bytes), next_);
  write->flags |= IOSQE_IO_LINK;
  io_uring_prep_fsync(io_uring_get_sqe(&ring_), fd_, IORING_FSYNC_DATASYNC);
  next_ += bytes;
  const int submitted = io_uring_submit_and_wait(&ring_, 2);
  need(submitted == 2, "io_uring_submit_and_wait", submitted < 0 ? -submitted : EIO);
  for (const int wanted : {static_cast<int>(bytes), 0}) {
    io_uring_cqe* done = nullptr;
    const int failure = io_uring_wait_cqe(&ring_, &done);
    need(failure == 0, "io_uring_wait_cqe", -failure);
    const int result = done->res;
    io_uring_cqe_seen(&ring_, done);
    need(result == wanted, "write and sync", result < 0 ? -result : EIO);
  }
}

}  // namespace casbook::bench
