// A robust, process-shared mutex for each account: what POSIX has for shared memory.
#include "floor.h"
#include "peers/designs.h"
#include "peers/mapped_money.h"

namespace casbook::peers {
namespace {

using bench::Lines;

struct alignas(64) Mutex {
  pthread_mutex_t mutex;
};

class RobustLock {
 public:
  RobustLock(const Lines<Mutex>& mutexes, const Mutex& other)
      : mutexes_(mutexes), other_(const_cast<Mutex&>(other)) {
    mutexes_.touch_pages();
  }
  bool lock(uint32_t account) const {
    bench::lock_robust(mutexes_[account].mutex);
    return true;
  }
  void unlock(uint32_t account) const { pthread_mutex_unlock(&mutexes_[account].mutex); }
  bool round() const {
    bench::lock_robust(other_.mutex);
    return pthread_mutex_unlock(&other_.mutex) == 0;
  }

 private:
  const Lines<Mutex>& mutexes_;
  Mutex& other_;
};

class RobustMutex : public Design {
 public:
  explicit RobustMutex(Form form)
      : Design({.name = form == Form::safe ? "robust-mutex-intent" : "robust-mutex",
                .group = Group::shared_memory,
                .form = form,
                .floor = "one robust mutex locked and unlocked",
                .store = "a mapped file of /dev/shm",
                .work = form == Form::safe
                            ? "robust mutexes; both rows say what they will hold before they do"
                            : "robust mutexes; who finds the owner dead goes on with what is there",
                .death = "the kernel, at once; a stopped holder blocks until it goes on"}) {}

  std::unique_ptr<Caller> connect() override {
    return std::make_unique<MappedCaller<RobustLock>>(money_, RobustLock(*mutexes_, (*spare_)[0]),
                                                      about().form == Form::safe);
  }
  void forget() override { money_.forget(); }

 private:
  std::string make() override {
    mutexes_ = std::make_unique<Lines<Mutex>>(shape().accounts);
    for (uint32_t i = 0; i < shape().accounts; ++i) bench::make_robust((*mutexes_)[i].mutex);
    spare_ = std::make_unique<Lines<Mutex>>(1);
    bench::make_robust((*spare_)[0].mutex);
    return money_.make(shape());
  }

  MappedMoney money_;
  std::unique_ptr<Lines<Mutex>> mutexes_, spare_;
};

}  // namespace

std::unique_ptr<Design> make_robust_mutex() { return std::make_unique<RobustMutex>(Form::usual); }
std::unique_ptr<Design> make_robust_mutex_intent() {
  return std::make_unique<RobustMutex>(Form::safe);
}

}  // namespace casbook::peers
