// Trace points: where bpftrace, perf and SystemTap look into a running program (USDT, provider
// `casbook`; the scripts are in perf/). Not the probes of tests: those are in probe.h.
//
// A trace point is one `nop` and a note in the ELF file that says where it is and which registers
// or memory hold its arguments. So arguments have to be integers that are at hand: what would have
// to be computed, read from shared memory or timed for the probe alone does not belong here; the
// tracer has clocks. Without <sys/sdt.h> (Debian: systemtap-sdt-dev) nothing is compiled.
//
//   point   arguments                                where
//   commit  session, position, entries               an own instance committed; its cells are free
//   abort   session, outcome, entries, entry         an own instance did not: commit::Outcome; the
//                                                    entry that refused
//   help    session of who is helped, cell, entries  before another's instance is run
//   wait    Sleep, deadline (ns, CLOCK_MONOTONIC)    before sleeping in an event
//   woken   Sleep, arena::WaitEnd                    after it, by the same thread
//   sync    index of its last entry, ns taken        a sync of the journal completed
//   elect   node, term, replicate::Role              its role or term changed
#pragma once

#include <cstdint>

#if __has_include(<sys/sdt.h>)
#define SDT_USE_VARIADIC 1
#include <sys/sdt.h>
#define CASBOOK_TRACE(point, ...) STAP_PROBEV(casbook, point, __VA_ARGS__)
#else
namespace casbook::base {
template <class... Arguments>
constexpr void ignore_trace(const Arguments&...) {}
}  // namespace casbook::base
#define CASBOOK_TRACE(point, ...) ::casbook::base::ignore_trace(__VA_ARGS__)
#endif

namespace casbook::base {

// What a sleeper waits for. Numbers are part of what perf/'s scripts read.
enum Sleep : uint32_t {
  kForLease = 1,    // a lease that somebody holds
  kForQuorum = 2,   // a majority
  kForDurable = 3,  // the disk, of a cluster's majority
  kForLead = 4,     // the proof that this node leads
  kForDemand = 5,   // the daemon: something to journal or to send
  kForRoom = 6,     // the daemon: a write or a sync that is under way
};

}  // namespace casbook::base
