// A book that daemons serve, one after the other, while payers pay; seen by the process that
// survives. It knows what the next daemon must have kept.
#pragma once

#include <optional>
#include <string>

#include "support/daemon_process.h"
#include "support/durable_payers.h"

namespace casbook::test_support {

class ServedBook {
 public:
  // The journal lies in a directory of the disk of the temporary files, unless one is named.
  explicit ServedBook(uint32_t payers = 2, const std::string& journal = {});

  const DaemonPlace& place() const { return place_; }
  DaemonPlace& place() { return place_; }
  DurablePayers& payers() { return payers_; }

  // What a daemon does in its life, in this order: opens the book, is paid through, takes
  // checkpoints, rotates and cleans up, closes. As far as the daemon gets.
  void live_through(DaemonProcess& daemon);
  // The first part of that: the accounts are open, each payer was told of payments.
  bool pay_through(DaemonProcess& daemon);
  bool take_checkpoint(DaemonProcess& daemon);
  // Records until the next segment begins.
  bool rotate(DaemonProcess& daemon);
  std::string newest_segment() const;
  // Without a daemon: positions and tokens that a loss of the arena undoes.
  void go_on_in_memory();
  // The book is there and no journal keeps it yet: with memory all of it is lost.
  bool is_unjournaled() const;
  // The host's memory is lost: the book has no name any more.
  void lose_arena();
  // A new daemon, which nothing happens to, has all that was told. Then it is killed or stopped.
  enum class End { kill, stop };
  void expect_kept(End end);

 private:
  bool open_accounts();
  bool await_payments(DaemonProcess& daemon, uint64_t count);
  void check_leases(Book& book);
  void check_terms(const Book& book);

  ScratchDirectory shm_;
  DiskDirectory disk_;
  DaemonPlace place_;
  DurablePayers payers_;
  Position newest_token_{}, kept_token_{}, memory_only_{};
  uint64_t newest_term_ = 0;
  bool was_lost_ = false;
};

}  // namespace casbook::test_support
