// How many calls of a history ended how: whether it was one worth its name.
#pragma once

#include <cstdio>
#include <map>
#include <vector>

#include "support/history.h"

namespace casbook::test_support {

struct HistoryTally {
  uint64_t calls = 0, unknown = 0, done = 0, denied = 0, refused = 0, turned_away = 0;
  uint64_t replays = 0;
  uint64_t resolved = 0;  // replays of what an earlier call under the id had no answer about
  uint64_t guarded = 0, stale = 0;  // payments under a token: done, and refused
  uint64_t grants = 0, releases = 0, renewals = 0, re_entries = 0, reads = 0, reads_at = 0;

  void take(const std::vector<HistoryCall>& list) {
    std::map<uint64_t, int64_t> open;  // payment ids without an answer, and since when
    for (const HistoryCall& call : list)
      if (call.kind == CallKind::pay && call.end == CallEnd::unknown)
        open.emplace(call.id, call.called_ns);
    for (const HistoryCall& call : list) {
      take(call);
      const auto before = open.find(call.id);
      resolved += call.kind == CallKind::pay && call.is_replayed && before != open.end() &&
                  before->second < call.called_ns;
    }
  }
  void print() const {
    const auto line = [](const char* what, uint64_t count) {
      std::printf("  %-36s %8llu\n", what, static_cast<unsigned long long>(count));
    };
    line("calls", calls), line("done", done), line("payments denied, recorded", denied);
    line("refused for a lease's sake", refused), line("turned away", turned_away);
    line("unknown", unknown), line("replays", replays);
    line("replays of what had no answer", resolved), line("payments under a token", guarded);
    line("refused under an old one", stale), line("grants", grants), line("releases", releases);
    line("renewals", renewals), line("re-entries", re_entries);
    line("linearizable reads", reads), line("reads as of a position", reads_at);
  }

 private:
  void take(const HistoryCall& call) {
    uint64_t* const ends[] = {&unknown, &done, &denied, &refused, &turned_away};
    ++calls, ++*ends[static_cast<size_t>(call.end)];
    replays += call.is_replayed;
    const bool is_guarded = call.kind == CallKind::pay && call.token != 0;
    stale += is_guarded && call.end == CallEnd::refused;
    if (call.end != CallEnd::done) return;
    guarded += is_guarded && !call.is_replayed;
    grants += call.kind == CallKind::acquire;
    releases += call.kind == CallKind::release;
    renewals += call.kind == CallKind::renew;
    re_entries += call.kind == CallKind::reenter;
    reads += call.kind == CallKind::read_latest || call.kind == CallKind::peek;
    reads_at += call.kind == CallKind::read_at;
  }
};

}  // namespace casbook::test_support
