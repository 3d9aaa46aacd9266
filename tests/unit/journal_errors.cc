// Errors of the disk at the nth operation of a run, for all n: a clear error, nothing durable is
// lost, the book is as it was; a failed journal acknowledges nothing any more, and a new one goes
// on.
#include <gtest/gtest.h>

#include <cerrno>

#include "support/journaled_log.h"

namespace casbook::test {
namespace {

using base::Mutant;

constexpr uint64_t kSteps = 60;
#ifdef __SANITIZE_ADDRESS__
constexpr uint64_t kSeeds = 1;  // the same places in the code, each far dearer
#else
constexpr uint64_t kSeeds = 4;
#endif

// After an error nothing is acknowledged, though the disk works again. Errors that leave the
// appender as it is (no room for a spare segment) end here without one.
std::string stays_failed(JournaledLog& log) {
  const uint64_t durable = log.durable();
  if (log.pump()) return "";
  for (int i = 0; i < 20; ++i)
    if (log.pump()) return "a failed journal goes on";
  return log.durable() == durable ? "" : "a failed journal acknowledged";
}

std::string goes_on(FaultyStorage& storage, JournaledLog& log) {
  const uint64_t committed = log.committed();
  log.kill();
  auto done = log.start();
  if (done && log.committed() < committed && log.durable() < log.committed())
    return "the book lost records";
  if (done) log.pay();
  if (done) done = log.drain();
  log.lose_book();
  storage.crash();
  if (done) done = log.compare();
  if (!log.violation().empty()) return log.violation();
  return done ? "" : "without any fault: " + done.error().message();
}

// What went wrong; empty: nothing. `has_struck`: there was an nth operation.
std::string run(uint64_t seed, const Fault& fault, bool& has_struck) {
  FaultyStorage storage(seed);
  JournaledLog log(storage, seed);
  storage.fail(fault);
  auto done = log.start();
  for (uint64_t i = 0; done && i < kSteps; ++i) done = log.step();
  has_struck = storage.fault_has_struck();
  storage.fail({});
  if (!log.violation().empty()) return log.violation();
  if (!done) {
    const Code expected = fault.error_number == ENOSPC ? Code::no_space : Code::io_error;
    if (done.error().code != expected || done.error().detail.empty())
      return "another error: " + done.error().message();
    if (log.is_started())
      if (const std::string violation = stays_failed(log); !violation.empty()) return violation;
  }
  return goes_on(storage, log);
}

// The first n that shows something; 0: none.
uint64_t first_failing(Fault fault, uint64_t seed, uint64_t& struck, std::string& violation) {
  bool has_struck = true;
  for (fault.nth = 1; has_struck; ++fault.nth) {
    violation = run(seed, fault, has_struck);
    if (!violation.empty()) return fault.nth;
    struck += has_struck;
  }
  return 0;
}

class JournalErrors : public testing::TestWithParam<Operation> {};

TEST_P(JournalErrors, AtTheNthLoseNothing) {
  uint64_t struck = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed)
    for (const int error_number : {EIO, ENOSPC})
      for (const bool is_lasting : {false, true}) {
        std::string violation;
        const uint64_t nth = first_failing({.operations = only(GetParam()),
                                            .nth = 0,
                                            .error_number = error_number,
                                            .is_lasting = is_lasting},
                                           seed, struck, violation);
        ASSERT_EQ(nth, 0u) << "seed " << seed << (error_number == EIO ? ", EIO" : ", ENOSPC")
                           << (is_lasting ? ", lasting: " : ": ") << violation;
      }
  EXPECT_GT(struck, 4u) << "never met";
}

INSTANTIATE_TEST_SUITE_P(Each, JournalErrors,
                         testing::Values(Operation::write, Operation::sync, Operation::allocate,
                                         Operation::create, Operation::open, Operation::rename,
                                         Operation::remove, Operation::sync_directory,
                                         Operation::list, Operation::read, Operation::submit),
                         [](const testing::TestParamInfo<Operation>& given) {
                           return std::string(operation_name(given.param));
                         });

TEST(JournalErrorsMutant, AFailedSyncTakenForDoneIsCaught) {
  base::probes.mutant = Mutant::journal_ignores_errors;
  uint64_t nth = 0, struck = 0;
  std::string violation;
  for (uint64_t seed = 1; nth == 0 && seed <= 20; ++seed)
    nth = first_failing({.operations = only(Operation::sync), .nth = 0, .error_number = EIO}, seed,
                        struck, violation);
  base::probes.mutant = Mutant::none;
  EXPECT_NE(nth, 0u);
  std::printf("sync %lu: %s\n", static_cast<unsigned long>(nth), violation.c_str());
}

}  // namespace
}  // namespace casbook::test
