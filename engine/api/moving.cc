// Following a book to the file that has its name now.
#include <cstring>

#include <time.h>

#include "api/book_impl.h"
#include "base/clock.h"

namespace casbook {

Book::Impl::Impl(std::shared_ptr<api::Core> shared) { set(std::move(shared)); }

// Handed out as a pointer only where no cluster keeps the book as of now. A cluster that takes it
// over later is noticed by share(); those who have the pointer read on in the first file till then.
void Book::Impl::set(std::shared_ptr<api::Core> core) {
  const bool is_fast = !core->is_forked() && !core->store.is_replicated();
  current_ = std::move(core);
  if (is_fast) first_ = current_;
  // [moved] Release: whoever takes the pointer sees the view.
  fast_.store_release(is_fast ? reinterpret_cast<uint64_t>(current_.get()) : 0);
}

Result<void> Book::Impl::follow_the_name() {
  const arena::Mapping& mapping = *current_->mapping;
  if (current_->is_forked() || !current_->has_retired()) return {};
  if (mapping.is_current())
    return Error{Code::not_leader, false, 0, 0, "the book is on its way to another file"};
  const std::string& path = mapping.path();
  const auto* bytes = reinterpret_cast<const char*>(mapping.header().book_name);
  const std::string name(bytes, strnlen(bytes, kBookNameBytesMax));
  auto moved = api::open_core(path.substr(0, path.rfind('/')), name, mapping.access());
  if (!moved && moved.error().code == Code::book_missing)
    return Error{Code::not_leader, false, 0, 0, "the book is on its way to another file"};
  if (!moved) return moved.error();
  set(std::move(*moved));
  return {};
}

Book::Impl::View Book::Impl::view_slow() { return View(share()); }

std::shared_ptr<api::Core> Book::Impl::share() {
  const std::lock_guard lock(mutex_);
  (void)!follow_the_name();  // then what is here is what there is to read
  return current_;
}

// Progress: another round means that the file retired. The next one may not be there yet.
Result<void> Book::Impl::wait(Position position, Level level, std::chrono::milliseconds timeout) {
  constexpr int64_t kPollNs = 1'000'000;
  const int64_t began = base::monotonic_ns();
  const auto left = [&] {
    const auto passed = std::chrono::nanoseconds(base::monotonic_ns() - began);
    return timeout - std::chrono::duration_cast<std::chrono::milliseconds>(passed);
  };
  for (;;) {
    const auto core = share();
    if (core->is_forked()) return Code::forked;
    auto reached = api::wait(*core, position, level, left());
    if (reached || reached.error().code != Code::book_moved) return reached;
    if (left().count() <= 0) return Code::outcome_unknown;
    const timespec nap{0, kPollNs};
    nanosleep(&nap, nullptr);
  }
}

Result<std::shared_ptr<api::Core>> Book::Impl::share_current() {
  const std::lock_guard lock(mutex_);
  if (auto followed = follow_the_name(); !followed) return followed.error();
  return current_;
}

}  // namespace casbook
