// One token in a POSIX message queue: who has received it may pay, and sends it back. One for the
// whole book, since a system has 256 queues. Its holder's death takes the token away for ever;
// there is no safe form of it, since a queue does not know who received.
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <mqueue.h>
#include <unistd.h>

#include "peers/designs.h"
#include "peers/mapped_money.h"

namespace casbook::peers {
namespace {

class Queue {
 public:
  Queue(const std::string& name, int flags) {
    mq_attr attributes{};
    attributes.mq_maxmsg = 1;
    attributes.mq_msgsize = 1;
    queue_ = mq_open(name.c_str(), O_RDWR | O_CLOEXEC | flags, 0600, &attributes);
  }
  Queue(Queue&& other) noexcept : queue_(std::exchange(other.queue_, -1)) {}
  ~Queue() {
    if (queue_ >= 0) mq_close(queue_);
  }

  bool is_open() const { return queue_ >= 0; }
  bool send() const { return mq_send(queue_, "t", 1, 0) == 0; }
  bool receive(int64_t patience_ms) const {
    char token;
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += patience_ms / 1000;
    until.tv_nsec += patience_ms % 1000 * 1'000'000;
    if (until.tv_nsec >= 1'000'000'000) ++until.tv_sec, until.tv_nsec -= 1'000'000'000;
    ssize_t got;
    do got = mq_timedreceive(queue_, &token, 1, nullptr, &until);
    while (got < 0 && errno == EINTR);
    return got == 1;
  }

 private:
  mqd_t queue_;
};

std::string own_queue_name(const char* purpose) {
  static int made = 0;
  return "/casbook-" + std::string(purpose) + "-" + std::to_string(getpid()) + "-" +
         std::to_string(++made);
}

// Both accounts of a payment are under the one token.
class TokenLock {
 public:
  TokenLock(const std::string& name, int64_t patience_ms)
      : token_(name, 0), own_(make_own()), patience_ms_(patience_ms) {}

  bool lock(uint32_t) {
    if (held_ == 0 && !token_.receive(patience_ms_)) return false;
    ++held_;
    return true;
  }
  void unlock(uint32_t) {
    if (--held_ == 0) token_.send();
  }
  bool round() const { return own_.send() && own_.receive(1000); }

 private:
  static Queue make_own() {
    const std::string name = own_queue_name("floor");
    Queue queue(name, O_CREAT | O_EXCL);
    mq_unlink(name.c_str());
    return queue;
  }

  Queue token_, own_;
  int64_t patience_ms_;
  int held_ = 0;
};

class PosixQueue : public Design {
 public:
  PosixQueue()
      : Design({.name = "posix-queue",
                .group = Group::queue,
                .floor = "one message sent and received, to itself",
                .store = "a mapped file of /dev/shm",
                .work = "one token in a message queue for the whole book",
                .death = "nobody: the token is gone with its holder"}) {}
  ~PosixQueue() override { mq_unlink(name_.c_str()); }

  std::unique_ptr<Caller> connect() override {
    return std::make_unique<MappedCaller<TokenLock>>(money_, TokenLock(name_, shape().patience_ms),
                                                     false);
  }
  void forget() override { money_.forget(); }

 private:
  std::string make() override {
    name_ = own_queue_name("token");
    const Queue queue(name_, O_CREAT | O_EXCL);
    if (!queue.is_open() || !queue.send())
      return "no message queue: " + std::string(std::strerror(errno));
    return money_.make(shape());
  }

  MappedMoney money_;
  std::string name_;
};

}  // namespace

std::unique_ptr<Design> make_posix_queue() { return std::make_unique<PosixQueue>(); }

}  // namespace casbook::peers
