// Mutated order files through `casbook apply`: it answers by its exit code, never by a signal, and
// money stays where it is or moves whole.
//
// CASBOOK_SECONDS is how long it goes on (3), CASBOOK_SEED where it begins.
#include <fstream>

#include "support/child_process.h"
#include "support/command_book.h"
#include "support/random.h"

namespace casbook {
namespace {

using test::Random;
using test_support::CommandBook;
using test_support::Ended;
using test_support::monotonic_ns;

class ApplyFuzz : public CommandBook {
 protected:
  ApplyFuzz() : CommandBook(CASBOOK_COMMAND) {}
};

std::string sound_file(uint64_t seed) {
  std::string text = "payment_id,debit_account,credit_account,amount,ledger\n";
  for (uint64_t i = 0; i < 6; ++i)
    text += "f" + std::to_string(seed) + "-" + std::to_string(i) + ",alice,\"bob\",0." +
            std::to_string(10 + i) + ",CZK\r\n";
  return text;
}

std::string mutated(std::string text, Random& random) {
  constexpr std::string_view kNasty("\",\n\r\0\xff\xef\xbb\xbf-.0;9aé", 18);
  for (uint64_t i = 1 + random.below(8); i > 0 && !text.empty(); --i) {
    const size_t at = random.below(text.size());
    switch (random.below(5)) {
      case 0: text[at] = static_cast<char>(random.next()); break;
      case 1: text.insert(at, 1, kNasty[random.below(kNasty.size())]); break;
      case 2: text.erase(at, 1 + random.below(9)); break;
      case 3: text.insert(at, text.substr(random.below(text.size()), random.below(40))); break;
      case 4: text.resize(at); break;
    }
  }
  return text;
}

TEST_F(ApplyFuzz, AnswersEveryFileByItsExitCode) {
  const char* const seconds = std::getenv("CASBOOK_SECONDS");
  const char* const first = std::getenv("CASBOOK_SEED");
  const int64_t end = monotonic_ns() + (seconds ? std::atoll(seconds) : 3) * 1'000'000'000;
  const std::string path = bench_.directory() + "/orders.csv";
  uint64_t seed = first ? std::strtoull(first, nullptr, 10) : 1, tried = 0, refused = 0, paid = 0;
  for (; monotonic_ns() < end || tried == 0; ++seed, ++tried) {
    Random random(seed);
    std::ofstream(path, std::ios::binary | std::ios::trunc) << (random.one_in(4) ? sound_file(seed) : mutated(sound_file(seed), random));
    const Ended ended = run({"apply", "b", path, "--processes", "1", "--json"});
    ASSERT_TRUE(ended.exit_code >= 0 && ended.exit_code <= 2)
        << "seed " << seed << ": " << ended.exit_code << " " << ended.err;
    refused += ended.exit_code != 0;
    paid += ended.exit_code == 0;
  }
  EXPECT_EQ(run({"audit", "b", "--json"}).object().at("ok"), true);
  EXPECT_TRUE((refused > 0 && paid > 0) || tried < 30) << refused << " refused, " << paid << " paid";
  std::printf("%lu files, %lu refused in whole or part\n", static_cast<unsigned long>(tried),
              static_cast<unsigned long>(refused));
}

}  // namespace
}  // namespace casbook
