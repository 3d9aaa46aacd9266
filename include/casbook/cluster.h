// What a book says of the cluster that keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <casbook/types.h>

namespace casbook {

struct NodeStatus {
  uint64_t id = 0;
  Position received{};    // it has everything up to here in memory
  Position synced{};      // and on disk
  int64_t heard_ms = 0;   // wall clock; 0: never
  bool is_self = false, is_leader = false;
  // voter; standby: it follows, and counts for nothing; joining: until it has nearly all, then it
  // is a voter; none: no member.
  std::string role = "voter";
};

struct ClusterStatus {
  bool clustered = false;      // whether a cluster keeps this book
  std::string role = "none";   // none, following, leading, sealed (it led, and is about to follow)
  bool leads = false;          // payments are accepted here, as of now
  uint64_t node = 0;           // this one
  uint64_t leader = 0, leader_term = 0;  // 0: none is known
  std::string leader_address{};
  Position quorum{};           // a majority has everything up to here in memory
  Position durable{};          // and on disk
  uint64_t lag = 0;            // records of this arena that a majority does not have
  // Of waits for quorum, by powers of two: right within a factor of two. 0: none yet.
  uint64_t wait_p50_us = 0, wait_p99_us = 0, wait_max_us = 0;
  uint64_t elections = 0, step_downs = 0;
  // At which this host's book was found to be another than the cluster's; {}: it was not.
  Position diverged;
  uint64_t digests = 0;  // that this host made or compared
  Position digest;       // of the last in which nothing differed
  uint64_t datagrams_sent = 0, datagrams_received = 0, bytes_sent = 0, bytes_received = 0;
  uint64_t payload_sent = 0, repairs_asked = 0, repairs_sent = 0, repair_bytes = 0;
  uint64_t dropped_forged = 0, dropped_replayed = 0, dropped_foreign = 0, dropped_malformed = 0;
  uint64_t dropped_newer = 0;     // of a newer version: a node of another release, upgrade this one
  uint64_t refused_disks = 0;     // nodes met with another disk than their id had before
  uint64_t datagram_bytes = 0;    // sent in one piece at most: by the narrowest path to a node
  bool unicast_fallback = false;  // multicast is silent: data goes to each node by itself
  std::vector<NodeStatus> nodes{};
};

}  // namespace casbook
