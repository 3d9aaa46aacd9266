// What a payment does with ids, amounts and refusals does not allocate: counted at operator new.
#include <cstdlib>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include <casbook/types.h>

namespace {
thread_local uint64_t allocation_count = 0;
}

void* operator new(size_t bytes) {
  ++allocation_count;
  if (void* memory = std::malloc(bytes)) return memory;
  throw std::bad_alloc();
}
// Not inlined: the compiler would warn of free() on what it knows came from new.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace casbook {
namespace {

template <class Work>
uint64_t allocations_of(Work work) {
  const uint64_t before = allocation_count;
  work();
  return allocation_count - before;
}

TEST(Allocation, IsCounted) {
  EXPECT_GT(allocations_of([] { static_cast<void>(ExternalId::parse("")); }), 0u);
}

TEST(Allocation, DoesNotHappenWhenAnIdIsParsed) {
  for (const char* text :
       {"17", "99999999999999999999999999999999999999", "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "01ARZ3NDEKTSV4RRFFQ69G5FAV", "0123456789abcdef0123456789abcdef01234567"}) {
    EXPECT_EQ(allocations_of([text] {
                const Result<ExternalId> id = ExternalId::parse(text);
                if (!id || id->own_time_ms() == 1) std::abort();
              }),
              0u)
        << text;
  }
}

TEST(Allocation, DoesNotHappenWhenAnAmountIsParsed) {
  EXPECT_EQ(allocations_of([] {
              if (*parse_amount("92233720368547758.07", 2) != INT64_MAX) std::abort();
              if (*parse_signed_amount("-92233720368547758.08", 2) != INT64_MIN) std::abort();
            }),
            0u);
}

TEST(Allocation, DoesNotHappenForABareRefusal) {
  EXPECT_EQ(allocations_of([] {
              const Result<ExternalId> refused = Code::insufficient_available;
              const Result<void> copied = refused.error();
              if (copied || !copied.error().is_final()) std::abort();
            }),
            0u);
}

}  // namespace
}  // namespace casbook
