// Book's inside: the view of the book that it shares with its sessions and readers, and how that
// view moves to another file.
//
// A daemon that stops leading builds a new file, marks the old one as retired and gives the name to
// the new one. A call that finds its view retired attaches what has the name now.
//
// The view that a call works on stays mapped until the call is over: in a cluster each call holds
// it. Where no cluster keeps the book it never moves, and no call counts anything; should a cluster
// take the book over later, that first view stays mapped as long as the Book.
#pragma once

#include <mutex>

#include <casbook/book.h>

#include "api/core.h"

namespace casbook {

struct Book::Impl {
  explicit Impl(std::shared_ptr<api::Core> shared);

  // What one call works on.
  class View {
   public:
    explicit View(api::Core* core) : core_(core) {}
    explicit View(std::shared_ptr<api::Core> held) : held_(std::move(held)), core_(held_.get()) {}
    api::Core& operator*() const { return *core_; }
    api::Core* operator->() const { return core_; }

   private:
    std::shared_ptr<api::Core> held_;
    api::Core* core_;
  };

  // For a call that reads: where the book is, or was until now.
  View view() {
    // [moved] Acquire: the view is complete.
    auto* const core = reinterpret_cast<api::Core*>(fast_.load_acquire());
    return core && (core->is_forked() || !core->has_retired()) ? View(core) : view_slow();
  }
  // The same, to be kept. Moves first if it has to and can.
  std::shared_ptr<api::Core> share();
  // For a call that writes. Errors: not_leader: the book is on its way to another file; those of
  // Book::attach().
  Result<std::shared_ptr<api::Core>> share_current();
  // Book::wait(), in whatever file the book is by now.
  Result<void> wait(Position position, Level level, std::chrono::milliseconds timeout);

 private:
  View view_slow();
  // Under the mutex.
  Result<void> follow_the_name();
  void set(std::shared_ptr<api::Core> core);

  // A pointer, as long as no cluster keeps the book; else 0.
  base::AtomicU64 fast_{};
  std::mutex mutex_;  // of what is below; held while another file is attached
  std::shared_ptr<api::Core> current_;
  std::shared_ptr<api::Core> first_;  // that was handed out as a pointer
};

// Between a book and its view, for the daemon.
struct BookAccess {
  static Book wrap(std::shared_ptr<api::Core> core) {
    return Book(std::make_shared<Book::Impl>(std::move(core)));
  }
};

}  // namespace casbook
