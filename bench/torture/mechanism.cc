#include "torture/mechanism.h"

#include <map>

namespace casbook::torture {
namespace {

const std::map<std::string, const char*>& all_mechanisms() {
  static const std::map<std::string, const char*> all = {
      {"robust-mutex",
       "Whoever gets the lock of a dead owner goes on with what is there: half a transfer "
       "stays half (lost), and one that was moved but not noted is paid again by the retry. A "
       "stopped owner keeps its lock."},
      {"robust-mutex-intent",
       "The next owner finishes what both rows say, or finds that it had not begun. A stopped "
       "owner keeps its lock: nothing is wrong, and nobody gets on."},
      {"lock-file",
       "The file's age says nothing of its holder: one that was stopped goes on and writes "
       "what it had computed, over the payments made meanwhile, and then removes the file of "
       "whoever has the lock now. What a dead one left half done stays. The wall clock put "
       "forward frees all locks at once, put back it keeps those of the dead for as long."},
      {"flock",
       "The kernel frees the lock of the dead, and nobody knows what they had done: half a "
       "transfer stays half, one not yet noted is paid again. A stopped holder keeps its lock."},
      {"ofd-lock-intent", "As robust-mutex-intent, by the locks of a file."},
      {"posix-queue",
       "The token dies with its holder, and the whole book stands until somebody puts another "
       "one in. Then as flock: half a transfer stays half. A stopped holder keeps the token."},
      {"redis-lock",
       "The TTL frees the lock, and nothing tells the holder that goes on: it pays what the "
       "retry has paid, or what is no longer there, and its DEL frees the lock of the next. A "
       "holder killed between EXEC and SET leaves a payment that its retry makes again. Expiry "
       "follows the server's wall clock: put forward, all locks are free; put back, those of "
       "the dead stay."},
      {"redis-token",
       "The token keeps a late holder from freeing another's lock, not from paying: the money "
       "does not ask for it. Else as redis-lock."},
      {"redis-script", "One script looks, moves and notes; there is no holder to stop."},
      {"postgres-version",
       "A version that has moved on refuses the late writer; without a holder there is nobody "
       "to wait for before the first UPDATE. Between that and COMMIT a stopped client keeps "
       "both rows. The id is looked for before the versions are read: a payment that comes "
       "between the two, by a retry at the same time, is made again, now and then."},
      {"postgres-version-unique",
       "As postgres-version; the server ends a transaction that is idle for the TTL."},
      {"postgres-rows",
       "What a dead client left is rolled back. A stopped one keeps its rows locked, since "
       "nothing ends its transaction."},
      {"postgres-rows-unique",
       "As postgres-rows; the server ends a transaction that is idle for the TTL, so that who "
       "was stopped finds its transaction gone."},
      {"postgres-advisory",
       "Each statement is committed by itself: who dies after the first balance leaves half a "
       "transfer, who dies before the id is noted is paid again. A stopped session keeps its "
       "locks."},
      {"postgres-advisory-transaction",
       "The lock lives and dies with the transaction that does the work; the server ends one "
       "that is idle for the TTL."},
      {"postgres-function", "One statement looks, moves and notes; there is no holder to stop."},
      {"rabbitmq-token",
       "The token is acknowledged when it is got, so it dies with its holder, and the whole "
       "book stands. A stopped holder keeps it."},
      {"rabbitmq-unacknowledged",
       "The broker gives the token of a silent holder to another and cannot tell the holder, "
       "which goes on and sets the balances that it had read. The unique id refuses a second "
       "payment, not a stale balance."},
      {"zookeeper-lock",
       "The session of a stopped holder ends, its node goes, and it goes on all the same: it "
       "sets balances that it read before, and notes an id that is noted already. Stopped within "
       "its transaction it keeps the rows locked."},
      {"zookeeper-fence",
       "Each row takes the zxid of its lock and refuses a lower one: a late holder is refused "
       "by the money itself, and PostgreSQL ends a transaction that is idle for the TTL."},
      {"etcd-lock",
       "The lease of a stopped holder ends, and it puts its balances all the same. Balances "
       "and id are two transactions: who dies between them is paid again."},
      {"etcd-compare",
       "The transaction that pays compares the locks' revisions: a late holder changes "
       "nothing."},
      {"casbook-lease",
       "The payment names both leases' tokens, and the commit that moves the money checks "
       "them: a late holder is refused, whatever any clock says. The kernel frees the leases "
       "of the dead; who waits looks each 10 ms."},
      {"casbook-plain",
       "The book itself checks funds and id in the commit; there is no holder to stop."},
      {"casbook-lease-unguarded",
       "The control: leases, but the payment does not name their tokens. The book still pays "
       "each id once; the funds that the holder saw before it was stopped have been spent by "
       "the next."},
  };
  return all;
}

}  // namespace

const char* mechanism_of(std::string name) {
  constexpr const char* kDurable = "-durable";
  if (const size_t at = name.rfind(kDurable); at != std::string::npos) name.resize(at);
  const auto found = all_mechanisms().find(name);
  return found == all_mechanisms().end() ? "" : found->second;
}

}  // namespace casbook::torture
