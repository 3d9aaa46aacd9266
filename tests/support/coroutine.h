// A stack of its own, resumed and suspended at will, in one thread: what a test schedule uses as a
// process. One that is never resumed again is a process killed there; its stack is used again, and
// what it had on the heap is lost, as with a process.
#pragma once

#include <cstddef>
#include <functional>

namespace casbook::test {

class Coroutine {
 public:
  explicit Coroutine(std::function<void()> body);
  ~Coroutine();
  Coroutine(const Coroutine&) = delete;
  Coroutine& operator=(const Coroutine&) = delete;

  // Runs it until it suspends itself or ends.
  void resume();
  // Called inside: goes back to where it was resumed.
  void suspend();
  bool is_done() const { return is_done_; }
  // Whether so little of the stack is left that a recursion must have gone wrong.
  bool is_deep(const void* here) const;

 private:
  struct Context;
  static void enter(Coroutine* self);
  void switch_in();
  void switch_out();

  std::function<void()> body_;
  std::byte* stack_;
  Context* context_;
  bool is_done_ = false;
};

}  // namespace casbook::test
