// What the processes of `apply` share beside the book: anonymous memory, made before the first
// fork, so it outlives a killed worker, and its successor knows what was answered.
//
// Every word has one writer at a time: a worker's successor is forked after it was reaped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string>

#include <sys/mman.h>

#include <casbook/result.h>

#include "base/atomic.h"

namespace casbook::cli {

// A zeroed array that processes forked later share. Pages are taken when they are first touched.
template <class T>
class SharedArray {
 public:
  explicit SharedArray(size_t count) : bytes_((count + 1) * sizeof(T)) {
    void* memory = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    items_ = static_cast<T*>(memory);
  }
  ~SharedArray() { munmap(items_, bytes_); }
  SharedArray(const SharedArray&) = delete;
  SharedArray& operator=(const SharedArray&) = delete;
  T& operator[](size_t index) const { return items_[index]; }

 private:
  size_t bytes_;
  T* items_;
};

enum class Answer : uint8_t { none = 0, executed = 1, replayed = 2, refused = 3 };

// The answer to one row. Detail and position are written before the answer is.
class RowAnswer {
 public:
  void put(Answer answer, Code code = Code{}, std::string_view detail = {}) {
    detail.copy(detail_, sizeof(detail_) - 1);
    // [row-answer] Who sees the answer sees the detail, which is never written again.
    word_.store_release(uint64_t{static_cast<uint16_t>(code)} << 8 | static_cast<uint64_t>(answer));
  }
  Answer answer() const { return static_cast<Answer>(word() & 0xff); }
  Code code() const { return static_cast<Code>(word() >> 8); }
  std::string detail() const { return {detail_, strnlen(detail_, sizeof(detail_))}; }

 private:
  // [row-answer]
  uint64_t word() const { return word_.load_acquire(); }

  base::AtomicU64 word_;
  char detail_[56];  // with a zero behind it: what the book said beside the code, cut off
};
static_assert(sizeof(RowAnswer) == 64);

struct alignas(64) WorkerBoard {
  base::AtomicU64 answered;  // rows; relaxed: a count to be shown, the answers themselves are above
  base::AtomicU64 failure;   // the code of what ended the worker; relaxed: read after it was reaped
};

struct ApplyBoard {
  ApplyBoard(size_t rows, size_t workers_count)
      : answers(rows), workers(workers_count), control(1) {}

  struct Control {
    base::AtomicU64 stopping;  // by the parent; relaxed: workers need not see it at once
  };
  SharedArray<RowAnswer> answers;  // by the place of the order in the plan
  SharedArray<WorkerBoard> workers;
  SharedArray<Control> control;
};

}  // namespace casbook::cli
