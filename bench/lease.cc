// Leases without contention: acquire and release, renew, re-enter, look.
#include "floor.h"
#include "own_book.h"

namespace casbook::bench {
namespace {

constexpr std::chrono::milliseconds kTtl = std::chrono::hours(1);

void compare_lock(benchmark::State& state, double ns) {
  compare(state, ns, Floor::cas_16, 1);
  compare(state, ns, Floor::robust_lock, 1);
}

// What a lease is to be compared with, measured as the floors are. 0: not measured.
double& payment_ns() {
  static double ns = 0;
  return ns;
}

void payment(benchmark::State& state, const Sizes& sizes) {
  OwnBook& own = shared_book(sizes.few, sizes);
  Random random(8);
  bool ok = true;
  payment_ns() =
      time_loop(state, [&] { ok &= static_cast<bool>(own.session().pay(own.payment(random))); });
  if (!ok) state.SkipWithError("a payment was refused");
}

void acquire_and_release(benchmark::State& state, const Sizes& sizes) {
  OwnBook& own = shared_book(sizes.few, sizes);
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl});
    ok &= grant && own.session().release(grant->lease);
  });
  if (!ok) state.SkipWithError("a lease was refused");
  compare_lock(state, ns);
  if (payment_ns() > 0) state.counters["x_payment"] = ns / payment_ns();
}

void re_enter_and_release(benchmark::State& state, const Sizes& sizes) {
  OwnBook& own = shared_book(sizes.few, sizes);
  const Lease held = must(own.session().try_acquire("lease", {.ttl = kTtl})).lease;
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl});
    ok &= grant && grant->count == 2 && own.session().release(grant->lease);
  });
  if (!ok) state.SkipWithError("a lease was not entered again");
  must(own.session().release(held));
  compare_lock(state, ns);
}

void renew(benchmark::State& state, const Sizes& sizes) {
  OwnBook& own = shared_book(sizes.few, sizes);
  const Lease held = must(own.session().try_acquire("lease", {.ttl = kTtl})).lease;
  bool ok = true;
  const double ns =
      time_loop(state, [&] { ok &= static_cast<bool>(own.session().renew(held, kTtl)); });
  if (!ok) state.SkipWithError("a lease was not renewed");
  must(own.session().release(held));
  compare_lock(state, ns);
}

// Held by another: what a worker that looks for work meets most. The kernel is asked whether the
// holder lives, through the file's name, so this book keeps its own until the end.
void try_in_vain(benchmark::State& state, const Sizes& sizes) {
  OwnBook own(own_name(), sizes.few, 1'000);
  const Lease held = must(own.session().try_acquire("lease", {.ttl = kTtl, .owner_id = 7})).lease;
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl, .owner_id = 8});
    ok &= !grant && grant.error().code == Code::lease_held;
  });
  if (!ok) state.SkipWithError("a held lease was granted");
  must(own.session().release(held));
  must(Book::destroy(own.name()));
  compare_lock(state, ns);
}

void add(const std::string& name, void (*body)(benchmark::State&, const Sizes&),
         const Sizes& sizes) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [=, &sizes](benchmark::State& state) { body(state, sizes); });
}

void register_floors(const Sizes& sizes) {
  register_floor(Floor::cas_8, 1);
  register_floor(Floor::cas_16, 1);
  register_floor(Floor::robust_lock, 1);
  add("floor/payment/accounts:" + std::to_string(sizes.few), payment, sizes);
}

void register_benchmarks(const Sizes& sizes) {
  add("lease/acquire_release", acquire_and_release, sizes);
  add("lease/re_enter_release", re_enter_and_release, sizes);
  add("lease/renew", renew, sizes);
  add("lease/try_in_vain", try_in_vain, sizes);
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
