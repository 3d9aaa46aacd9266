// What leaves one host on the wire: every datagram of the cluster's protocol, as its kernel sends
// it. Whether a number is used twice under a key, and whether IP cuts anything in pieces.
#pragma once

#include <atomic>

#include "support/host_process.h"

namespace casbook::test_support {

// Shared; the host's sniffer counts.
struct SniffedCounts {
  std::atomic<uint64_t> datagrams, fragments;
  std::atomic<uint64_t> repeats;  // a number again under its key, with other bytes
  std::atomic<uint64_t> runs;     // boots of senders
  std::atomic<uint64_t> keys;     // ids of cluster keys
  std::atomic<uint64_t> largest;  // IP bytes; a test sets it to 0
  std::atomic<uint64_t> missed;   // more than it could look at
  std::atomic<uint32_t> is_ready;
};

// Until it is killed. Returns when it looks.
Child sniff_on(const Hosts& hosts, uint32_t host, SniffedCounts& counts);

}  // namespace casbook::test_support
