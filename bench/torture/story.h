// What happens in a bout: who is struck, where, and what others do meanwhile.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "peers/design.h"

namespace casbook::torture {

enum class Fault : uint8_t {
  reply_lost,     // nobody is struck; two callers ask for the same payments at once, each twice
  stop,           // a holder is stopped past its TTL, another caller comes, then it goes on
  kill,           // a holder is killed, another caller comes
  clock_forward,  // a holder is stopped within its TTL while the clock is put forward by an hour
  clock_back,     // a holder is killed, and the clock is put back by an hour
};

// What the other caller asks for.
enum class Rival : uint8_t {
  retry,   // the same payment, as if the answer had been lost; then another
  other,   // another payment of the same accounts
  spend,   // another, where there is not enough for both
  third,   // as spend, by two others: the first is stopped within its TTL when the holder goes on
  stream,  // several, while the holder is struck at a random moment of several payments
};

struct Story {
  Fault fault = Fault::reply_lost;
  Rival rival = Rival::retry;
  std::optional<peers::Step> step{};  // of the holder's payment

  bool spends() const { return rival == Rival::spend || rival == Rival::third; }
  std::string name() const;  // "stop-checked-retry"
};

// `repeats`: of those that strike at random or not at all; half as many of the others, at least
// one.
std::vector<Story> all_stories(uint32_t repeats);

const char* name_of(Fault fault);
const char* name_of(Rival rival);
const char* name_of(peers::Step step);

}  // namespace casbook::torture
