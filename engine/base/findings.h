// What a check of the arena finds wrong. The book may be alive meanwhile: what is seen once may be a
// race, so a finding counts only when it is there, word for word, at several looks.
#pragma once

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace casbook::base {

class Findings {
 public:
  static constexpr size_t kMax = 100;

  // `look` says what is wrong, or nothing.
  template <class Look>
  void check(Look look) {
    if (is_full()) return;
    std::string found = look();
    int same = 0;
    for (int looks = 0; !found.empty() && same < kSameLooks && looks < kLooksMax; ++looks) {
      std::this_thread::sleep_for(std::chrono::microseconds(100));
      std::string again = look();
      same = again == found ? same + 1 : 0;
      found = std::move(again);
    }
    if (!found.empty() && same >= kSameLooks) list_.push_back(std::move(found));
  }
  // What needs no second look.
  void add(std::string text) {
    if (!is_full()) list_.push_back(std::move(text));
  }
  bool is_full() const { return list_.size() >= kMax; }
  const std::vector<std::string>& list() const { return list_; }

 private:
  static constexpr int kSameLooks = 5, kLooksMax = 200;

  std::vector<std::string> list_;
};

}  // namespace casbook::base
