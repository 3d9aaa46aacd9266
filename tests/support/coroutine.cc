#include "support/coroutine.h"

#include <cstdint>
#include <cstdlib>
#include <utility>
#include <vector>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace casbook::test {

// What AddressSanitizer has to know of a change of stacks.
struct StackNote {
  void* fake_outside = nullptr;
  void* fake_inside = nullptr;
  const void* bottom_outside = nullptr;
  size_t bytes_outside = 0;
};

namespace {

constexpr size_t kStackBytes = 256 * 1024;

#if defined(__SANITIZE_ADDRESS__)
void note_new(std::byte* stack) { __asan_unpoison_memory_region(stack, kStackBytes); }
void note_leaving_outside(StackNote& note, std::byte* stack) {
  __sanitizer_start_switch_fiber(&note.fake_outside, stack, kStackBytes);
}
void note_back_outside(StackNote& note) {
  __sanitizer_finish_switch_fiber(note.fake_outside, nullptr, nullptr);
}
void note_leaving_inside(StackNote& note) {
  __sanitizer_start_switch_fiber(&note.fake_inside, note.bottom_outside, note.bytes_outside);
}
void note_inside(StackNote& note) {
  __sanitizer_finish_switch_fiber(note.fake_inside, &note.bottom_outside, &note.bytes_outside);
}
#else
void note_new(std::byte*) {}
void note_leaving_outside(StackNote&, std::byte*) {}
void note_back_outside(StackNote&) {}
void note_leaving_inside(StackNote&) {}
void note_inside(StackNote&) {}
#endif

std::vector<std::byte*>& free_stacks() {
  static std::vector<std::byte*> stacks;
  return stacks;
}

std::byte* take_stack() {
  auto& stacks = free_stacks();
  if (stacks.empty()) return static_cast<std::byte*>(std::aligned_alloc(64, kStackBytes));
  std::byte* stack = stacks.back();
  stacks.pop_back();
  note_new(stack);
  return stack;
}

}  // namespace

#if defined(__x86_64__)

// Saves the registers that a call preserves, on the stack, and exchanges the stacks: about 3 ns,
// where swapcontext() makes a system call.
extern "C" void casbook_test_switch(void** save, void* load);
asm(R"(
.text
.globl casbook_test_switch
casbook_test_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
)");

struct Coroutine::Context {
  void* inside = nullptr;
  void* outside = nullptr;
  StackNote note;
};

namespace {
Coroutine* starting = nullptr;
}

Coroutine::Coroutine(std::function<void()> body)
    : body_(std::move(body)), stack_(take_stack()), context_(new Context) {
  auto* top = reinterpret_cast<uint64_t*>(stack_ + kStackBytes - 64);
  *--top = 0;  // where enter() would return to: it never does
  *--top = reinterpret_cast<uint64_t>(+[] { enter(starting); });
  for (int i = 0; i < 6; ++i) *--top = 0;
  context_->inside = top;
}

void Coroutine::switch_in() {
  starting = this;
  casbook_test_switch(&context_->outside, context_->inside);
}

void Coroutine::switch_out() { casbook_test_switch(&context_->inside, context_->outside); }

#else

struct Coroutine::Context {
  ucontext_t inside, outside;
  StackNote note;
};

Coroutine::Coroutine(std::function<void()> body)
    : body_(std::move(body)), stack_(take_stack()), context_(new Context) {
  getcontext(&context_->inside);
  context_->inside.uc_stack.ss_sp = stack_;
  context_->inside.uc_stack.ss_size = kStackBytes;
  const auto self = reinterpret_cast<uint64_t>(this);
  const auto entry = +[](unsigned high, unsigned low) {
    enter(reinterpret_cast<Coroutine*>(uint64_t{high} << 32 | low));
  };
  makecontext(&context_->inside, reinterpret_cast<void (*)()>(entry), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

void Coroutine::switch_in() { swapcontext(&context_->outside, &context_->inside); }
void Coroutine::switch_out() { swapcontext(&context_->inside, &context_->outside); }

#endif

void Coroutine::resume() {
  note_leaving_outside(context_->note, stack_);
  switch_in();
  note_back_outside(context_->note);
}

void Coroutine::suspend() {
  note_leaving_inside(context_->note);
  switch_out();
  note_inside(context_->note);
}

void Coroutine::enter(Coroutine* self) {
  note_inside(self->context_->note);
  self->body_();
  self->is_done_ = true;
  for (;;) self->suspend();
}

Coroutine::~Coroutine() {
  free_stacks().push_back(stack_);
  delete context_;
}

bool Coroutine::is_deep(const void* here) const {
  return static_cast<const std::byte*>(here) < stack_ + kStackBytes / 8;
}

}  // namespace casbook::test
