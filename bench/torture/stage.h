// Plays stories on one design. Each bout has fresh accounts; callers live on until they are killed,
// or do not come back.
#pragma once

#include <memory>

#include "harness.h"
#include "torture/judge.h"
#include "torture/player.h"
#include "torture/story.h"

namespace casbook::torture {

struct Pace {
  int64_t ttl_ms = 100;
  // A holder is stopped so long, beyond the TTL; and until another has had its answer, but no
  // longer than the most.
  int64_t stop_ms = 200, stop_ms_max = 1000;
  int64_t limit_ms = 2000;  // who has no answer by then is stuck
  int64_t payment_ns = 0;   // of one caller alone
};

struct Played {
  Verdict verdict{};
  std::string why{};  // it could not be played; empty: it was
  // From the strike to the first answer of the one who came next; -1: none, or it is not asked.
  int64_t next_ns = -1;
  bool stood_still = false;  // this process: neither of the next two says anything
  bool is_blocked = false;   // while the holder was stopped nobody got an answer
  bool is_stuck = false;     // nobody got one, though the holder is dead or went on
};

class Stage {
 public:
  Stage(peers::Design& design, const Pace& pace, uint64_t seed)
      : design_(design), pace_(pace), random_(seed) {}

  // `bout`: its number, which no other bout of this design has.
  Played play(const Story& story, uint32_t bout);

 private:
  using Seat = std::unique_ptr<Player>;

  // What comes to be known while a bout is played.
  struct Bout {
    const Story& story;
    Transfers transfers;
    Played played{};
    uint32_t payments = 2;  // that were asked for, by index from 0 on
  };

  void play_reply_lost(Bout& bout);
  void play_stop(Bout& bout);
  void play_third(Bout& bout);
  void play_stop_at_random(Bout& bout);
  void play_kill(Bout& bout);
  // All payments are asked for again by one caller, until each has its answer.
  void settle(Bout& bout);
  Evidence look(Bout& bout);

  // Somebody sits there. False: that cannot be had.
  bool take_seat(Seat& seat, Bout& bout, int64_t ahead_ns = 0);
  void vacate(Seat& seat);
  // Orders those payments; from then on struck so.
  void order(Seat& seat, const Bout& bout, uint32_t first, uint32_t last,
             const Strike& strike = {});
  // Its end; who does not come to it in time is killed, and stuck.
  bool await_end(Seat& seat, Bout& bout);
  static void note_next(const Player& next, Bout& bout, int64_t struck_ns);
  // Within that many payments.
  Strike at_random(int signal, uint32_t payments);

  peers::Design& design_;
  Pace pace_;
  bench::Random random_;
  Seat victim_, rival_, third_;
  std::vector<Seat> gone_;  // killed in this bout: their diaries are evidence
};

}  // namespace casbook::torture
