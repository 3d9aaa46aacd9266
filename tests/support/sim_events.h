// Virtual time: what happens when, in one order that the seed decides. All clocks of the engine
// show it. Everything that happens goes into the hash of the trace, so two runs are the same run or
// differ in it.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <vector>

namespace casbook::test {

constexpr int64_t kSimUs = 1'000, kSimMs = 1'000'000, kSimSecond = 1'000'000'000;

// Of a node, a client or the world (0), as its trace shows.
struct SimWho {
  char kind = ' ';
  uint64_t number = 0;
};

class SimEvents {
 public:
  explicit SimEvents(bool is_traced);
  ~SimEvents();
  SimEvents(const SimEvents&) = delete;
  SimEvents& operator=(const SimEvents&) = delete;

  int64_t now() const { return now_; }
  int64_t elapsed() const { return now_ - kBegin; }
  void at(int64_t ns, std::function<void()> action);
  void after(int64_t ns, std::function<void()> action) { at(now_ + ns, std::move(action)); }
  // False: there is nothing more to come.
  bool run_next();

  // What happened: `what` is a literal. The text, which costs, only where somebody reads it.
  void note(SimWho who, const char* what, uint64_t a = 0, uint64_t b = 0);
  void say(SimWho who, const std::function<std::string()>& text);
  bool is_traced() const { return is_traced_; }
  uint64_t hash() const { return hash_; }
  uint64_t count() const { return count_; }

 private:
  static constexpr int64_t kBegin = 1'700'000'000 * kSimSecond;
  struct Event {
    int64_t ns;
    uint64_t number;
    std::function<void()> action;
    bool operator<(const Event& other) const {
      return ns != other.ns ? ns > other.ns : number > other.number;
    }
  };
  void print(SimWho who, const std::string& text) const;

  const bool is_traced_;
  int64_t now_ = kBegin;
  uint64_t numbers_ = 0, hash_ = 0xcbf29ce484222325, count_ = 0;
  std::priority_queue<Event> queue_;
};

}  // namespace casbook::test
