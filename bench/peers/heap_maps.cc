// In one process, its callers threads: hash maps behind striped mutexes, and oneTBB's
// concurrent_hash_map with accessors. Nothing survives the process, so nobody has to be noticed.
#include <array>
#include <functional>
#include <mutex>
#include <unordered_map>
#include <unordered_set>

#include <oneapi/tbb/concurrent_hash_map.h>

#include "peers/designs.h"

namespace casbook::peers {
namespace {

constexpr const char* kDeath = "nobody has to: all that there is dies with it";

class OwnMutex {
 public:
  bool round() {
    mutex_.lock();
    mutex_.unlock();
    return true;
  }

 private:
  std::mutex mutex_;
};

class Striped {
 public:
  explicit Striped(const Shape& shape) {
    for (uint32_t i = 0; i < shape.accounts; ++i) stripe_of(i).funds[i] = shape.funds;
  }

  struct alignas(64) Stripe {
    std::mutex mutex;
    std::unordered_map<uint32_t, int64_t> funds;
  };
  struct alignas(64) IdStripe {
    std::mutex mutex;
    std::unordered_set<uint64_t> ids;
  };
  Stripe& stripe_of(uint32_t account) { return stripes_[account % kStripes]; }
  IdStripe& id_stripe_of(uint64_t id) { return id_stripes_[id % kStripes]; }
  bool is_noted(uint64_t id) {
    IdStripe& stripe = id_stripe_of(id);
    const std::lock_guard lock(stripe.mutex);
    return stripe.ids.count(id) != 0;
  }
  void note(uint64_t id) {
    IdStripe& stripe = id_stripe_of(id);
    const std::lock_guard lock(stripe.mutex);
    stripe.ids.insert(id);
  }
  void forget() {
    for (IdStripe& stripe : id_stripes_) stripe.ids.clear();
  }
  Audit audit() {
    Audit audit;
    for (const Stripe& stripe : stripes_)
      for (const auto& [account, funds] : stripe.funds) audit.funds += funds;
    for (const IdStripe& stripe : id_stripes_) audit.noted += stripe.ids.size();
    return audit;
  }

 private:
  static constexpr uint32_t kStripes = 1024;
  std::array<Stripe, kStripes> stripes_;
  std::array<IdStripe, kStripes> id_stripes_;
};

class StripedCaller : public Caller {
 public:
  explicit StripedCaller(Striped& all) : all_(all) {}

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    const auto locks = lock_pair(transfer.from, transfer.to);
    hook(Step::locked);
    if (all_.is_noted(transfer.id)) return Answer::replayed;
    int64_t& from = all_.stripe_of(transfer.from).funds[transfer.from];
    if (from < transfer.amount) return Answer::refused;
    hook(Step::checked);
    from -= transfer.amount;
    hook(Step::half_moved);
    all_.stripe_of(transfer.to).funds[transfer.to] += transfer.amount;
    hook(Step::moved);
    all_.note(transfer.id);
    hook(Step::noted);
    return Answer::paid;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    const auto locks = lock_pair(a, b);
    return locks.first.owns_lock();
  }
  bool floor_round() override { return own_.round(); }
  int64_t funds(uint32_t account) override {
    Striped::Stripe& stripe = all_.stripe_of(account);
    const std::lock_guard lock(stripe.mutex);
    return stripe.funds[account];
  }
  bool is_noted(uint64_t id) override { return all_.is_noted(id); }
  Audit audit() override { return all_.audit(); }

 private:
  using Locks = std::pair<std::unique_lock<std::mutex>, std::unique_lock<std::mutex>>;
  Locks lock_pair(uint32_t a, uint32_t b) {
    std::mutex* low = &all_.stripe_of(a).mutex;
    std::mutex* high = &all_.stripe_of(b).mutex;
    if (std::less<>()(high, low)) std::swap(low, high);
    Locks locks{std::unique_lock(*low), std::unique_lock<std::mutex>()};
    if (low != high) locks.second = std::unique_lock(*high);
    return locks;
  }

  Striped& all_;
  OwnMutex own_;
};

class StripedMap : public Design {
 public:
  StripedMap()
      : Design({.name = "striped-map",
                .group = Group::in_process,
                .form = Form::safe,
                .is_one_process = true,
                .floor = "one std::mutex locked and unlocked",
                .store = "unordered_map, 1,024 stripes",
                .work = "the std::mutex of both stripes; ids in striped sets of their own",
                .death = kDeath}) {}
  std::unique_ptr<Caller> connect() override { return std::make_unique<StripedCaller>(*all_); }
  void forget() override { all_->forget(); }

 private:
  std::string make() override {
    all_ = std::make_unique<Striped>(shape());
    return {};
  }
  std::unique_ptr<Striped> all_;
};

using Funds = oneapi::tbb::concurrent_hash_map<uint32_t, int64_t>;
using Ids = oneapi::tbb::concurrent_hash_map<uint64_t, uint8_t>;

class TbbCaller : public Caller {
 public:
  TbbCaller(Funds& funds, Ids& ids) : funds_(funds), ids_(ids) {}

  Answer pay(const Transfer& transfer, const StepHook& hook) override {
    Funds::accessor from, to;
    if (!lock_pair(transfer, from, to)) return Answer::failed;
    hook(Step::locked);
    if (ids_.count(transfer.id) != 0) return Answer::replayed;
    if (from->second < transfer.amount) return Answer::refused;
    hook(Step::checked);
    from->second -= transfer.amount;
    hook(Step::half_moved);
    to->second += transfer.amount;
    hook(Step::moved);
    ids_.insert(Ids::value_type(transfer.id, 1));
    hook(Step::noted);
    return Answer::paid;
  }
  bool lock_unlock(uint32_t a, uint32_t b) override {
    Funds::accessor first, second;
    return lock_pair({.from = a, .to = b}, first, second);
  }
  bool floor_round() override { return own_.round(); }
  int64_t funds(uint32_t account) override {
    Funds::const_accessor found;
    return funds_.find(found, account) ? found->second : -1;
  }
  bool is_noted(uint64_t id) override { return ids_.count(id) != 0; }
  Audit audit() override {
    Audit audit{.noted = ids_.size()};
    for (const auto& [account, funds] : funds_) audit.funds += funds;
    return audit;
  }

 private:
  bool lock_pair(const Transfer& transfer, Funds::accessor& from, Funds::accessor& to) {
    if (transfer.from < transfer.to)
      return funds_.find(from, transfer.from) && funds_.find(to, transfer.to);
    return funds_.find(to, transfer.to) && funds_.find(from, transfer.from);
  }

  Funds& funds_;
  Ids& ids_;
  OwnMutex own_;
};

class TbbMap : public Design {
 public:
  TbbMap()
      : Design({.name = "tbb-map",
                .group = Group::in_process,
                .form = Form::safe,
                .is_one_process = true,
                .floor = "one std::mutex locked and unlocked",
                .store = "concurrent_hash_map",
                .work = "the accessors of both accounts; ids in a map of their own",
                .death = kDeath}) {}
  std::unique_ptr<Caller> connect() override { return std::make_unique<TbbCaller>(funds_, ids_); }
  void forget() override { ids_.clear(); }

 private:
  std::string make() override {
    for (uint32_t i = 0; i < shape().accounts; ++i)
      funds_.insert(Funds::value_type(i, shape().funds));
    return {};
  }
  Funds funds_;
  Ids ids_;
};

}  // namespace

std::unique_ptr<Design> make_striped_map() { return std::make_unique<StripedMap>(); }
std::unique_ptr<Design> make_tbb_map() { return std::make_unique<TbbMap>(); }

}  // namespace casbook::peers
