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

void acquire_and_release(benchmark::State& state, const Sizes& sizes) {
  OwnBook& own = shared_book(sizes.few, sizes);
  bool ok = true;
  const double ns = time_loop(state, [&] {
    const auto grant = own.session().try_acquire("lease", {.ttl = kTtl});
    ok &= grant && own.session().release(grant->lease);
  });
  if (!ok) state.SkipWithError("a lease was refused");
  compare_lock(state, ns);
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

void register_floors(const Sizes&) {
  register_floor(Floor::cas_8, 1);
  register_floor(Floor::cas_16, 1);
  register_floor(Floor::robust_lock, 1);
}

void register_benchmarks(const Sizes& sizes) {
  constexpr std::pair<const char*, void (*)(benchmark::State&, const Sizes&)> kBenchmarks[] = {
      {"lease/acquire_release", acquire_and_release},
      {"lease/re_enter_release", re_enter_and_release},
      {"lease/renew", renew},
      {"lease/try_in_vain", try_in_vain}};
  for (const auto& [name, body] : kBenchmarks)
    benchmark::RegisterBenchmark(
        name, [body = body, &sizes](benchmark::State& state) { body(state, sizes); });
}

}  // namespace
}  // namespace casbook::bench

int main(int argc, char** argv) {
  using namespace casbook::bench;
  return run(argc, argv, register_floors, register_benchmarks);
}
