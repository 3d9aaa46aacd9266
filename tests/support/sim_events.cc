#include "support/sim_events.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/clock.h"

namespace casbook::test {

SimEvents::SimEvents(bool is_traced) : is_traced_(is_traced) {
  base::injected_clock = {.virtual_ns = now_};
}

SimEvents::~SimEvents() { base::injected_clock = {}; }

void SimEvents::at(int64_t ns, std::function<void()> action) {
  queue_.push({std::max(ns, now_), ++numbers_, std::move(action)});
}

bool SimEvents::run_next() {
  if (queue_.empty()) return false;
  // A priority queue hands out only what cannot be moved from; it is gone at once.
  Event event = std::move(const_cast<Event&>(queue_.top()));
  queue_.pop();
  now_ = event.ns;
  base::injected_clock.virtual_ns = now_;
  ++count_;
  event.action();
  return true;
}

void SimEvents::note(SimWho who, const char* what, uint64_t a, uint64_t b) {
  const auto mix = [this](uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15 >> 1 ^ hash_ << 7;
  };
  mix(static_cast<uint64_t>(elapsed())), mix(static_cast<uint64_t>(who.kind) << 56 | who.number);
  for (const char* at = what; *at != 0; ++at) mix(static_cast<uint64_t>(*at));
  mix(a), mix(b);
  if (is_traced_) print(who, std::string(what) + " " + std::to_string(a) + " " + std::to_string(b));
}

void SimEvents::say(SimWho who, const std::function<std::string()>& text) {
  if (is_traced_) print(who, text());
}

void SimEvents::print(SimWho who, const std::string& text) const {
  std::fprintf(stderr, "%11.6f %c%llu  %s\n", static_cast<double>(elapsed()) / 1e9, who.kind,
               static_cast<unsigned long long>(who.number), text.c_str());
}

}  // namespace casbook::test
