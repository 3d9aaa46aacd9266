// How much is measured.
#pragma once

#include <cstdint>

namespace casbook::bench {

struct Effort {
  uint64_t accounts = 100'000;
  uint64_t payments = 4'000'000;  // ids held: the table has 1.3 GiB
  uint32_t blocks = 30;           // subject and floor take turns
  uint32_t rounds = 100;          // in a block, by one caller
  double seconds = 0.5;           // of a block, where a rate is measured
  bool with_servers = true;       // peers that are processes of their own

  static Effort tiny() {
    return {.accounts = 256,
            .payments = 1'200'000,
            .blocks = 2,
            .rounds = 4,
            .seconds = 0.02,
            .with_servers = false};
  }
};

}  // namespace casbook::bench
