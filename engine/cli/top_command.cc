// top: what a book is doing right now, look after look.
#include <cstdio>

#include <unistd.h>

#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/stop_signals.h"

namespace casbook::cli {

namespace {

constexpr CommandText kTopText{
    "top", "What a book is doing: payments per second, outcomes, conflicts, followers",
    "Rates are of the time since the last look. It maps the book read-only and delays nobody.\n"
    "On a terminal the page is drawn anew each time, elsewhere one line is added; ends by SIGINT\n"
    "or after --count looks.\n"
    "\n"
    "Examples:\n"
    "  casbook top demo\n"
    "  casbook top demo --interval 200ms --count 10 --json"};

struct TopArguments {
  std::string book;
  std::chrono::milliseconds interval = std::chrono::seconds(1);
  uint64_t count = 0;  // 0: until stopped
};

struct Look {
  BookActivity activity;
  std::chrono::steady_clock::time_point at;
};

// Whole numbers per second; a counter that a dying writer left behind never shows a negative rate.
class Rates {
 public:
  Rates(const Look& before, const Look& now)
      : before_(before.activity),
        now_(now.activity),
        seconds_(std::chrono::duration<double>(now.at - before.at).count()) {}

  uint64_t of(uint64_t BookActivity::*counter) const {
    const uint64_t from = before_.*counter, to = now_.*counter;
    if (to <= from || seconds_ <= 0) return 0;
    return static_cast<uint64_t>(static_cast<double>(to - from) / seconds_ + 0.5);
  }

 private:
  const BookActivity& before_;
  const BookActivity& now_;
  double seconds_;
};

Json followers_json(const BookActivity& activity) {
  Json list = Json::array();
  for (const FollowerStatus& follower : activity.followers)
    list.push_back({{"name", follower.name}, {"lag", follower.lag}, {"alive", follower.alive}});
  return list;
}

Json top_json(const Look& before, const Look& now) {
  const Rates rate(before, now);
  const BookActivity& activity = now.activity;
  return {{"position", std::to_string(activity.position.value)},
          {"payments_per_second", rate.of(&BookActivity::payments)},
          {"refusals_per_second", rate.of(&BookActivity::denials)},
          {"commits_per_second", rate.of(&BookActivity::commits)},
          {"conflicts_per_second", rate.of(&BookActivity::conflicts)},
          {"helps_per_second", rate.of(&BookActivity::helps)},
          {"slow_lane_per_second", rate.of(&BookActivity::slow_lane)},
          {"payments", activity.payments},
          {"refusals", activity.denials},
          {"sessions", activity.sessions},
          {"leases_held", activity.leases_held},
          {"takeovers", activity.takeovers},
          {"records_held", activity.records_held},
          {"records_max", activity.records_max},
          {"followers", followers_json(activity)}};
}

constexpr std::pair<const char*, const char*> kColumns[] = {
    {"payments/s", "payments_per_second"},   {"refused/s", "refusals_per_second"},
    {"conflicts/s", "conflicts_per_second"}, {"helps/s", "helps_per_second"},
    {"slow/s", "slow_lane_per_second"},      {"sessions", "sessions"},
    {"leases", "leases_held"},               {"records", "records_held"},
};

std::string padded(const std::string& text) {
  constexpr size_t kWidth = 12;
  return std::string(text.size() < kWidth ? kWidth - text.size() : 1, ' ') + text;
}

std::string longest_lag(const BookActivity& activity) {
  const FollowerStatus* last = nullptr;
  for (const FollowerStatus& follower : activity.followers)
    if (!last || follower.lag > last->lag) last = &follower;
  return last ? last->name + " " + std::to_string(last->lag) : "-";
}

bool print_line(const Json& object, const BookActivity& activity, bool with_heading) {
  std::string text;
  if (with_heading) {
    for (const auto& [heading, key] : kColumns) text += padded(heading);
    text += "  follower behind\n";
  }
  for (const auto& [heading, key] : kColumns) text += padded(plain_text(object.at(key)));
  return print(text + "  " + longest_lag(activity) + "\n");
}

bool print_look(const Json& object, const BookActivity& activity, uint64_t nth, bool as_json) {
  constexpr uint64_t kLinesPerHeading = 20;
  if (as_json) return print(json_line(object));
  if (!isatty(STDOUT_FILENO)) return print_line(object, activity, nth % kLinesPerHeading == 0);
  if (!print("\x1b[H\x1b[2J")) return false;  // home, clear
  print_object(object, false);
  return true;
}

ExitCode show_top(const TopArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  StopSignals signals;
  const auto look = [&] { return Look{book->activity(), std::chrono::steady_clock::now()}; };
  Look before = look();
  for (uint64_t nth = 0; arguments.count == 0 || nth < arguments.count; ++nth) {
    if (signals.wait(arguments.interval) == StopSignals::Woken::stop) break;
    Look now = look();
    if (!print_look(top_json(before, now), now.activity, nth, common.json) || !flush_output())
      break;
    before = std::move(now);
  }
  return ExitCode::done;
}

}  // namespace

void add_top_command(Menu& menu) {
  auto arguments = std::make_shared<TopArguments>();
  CLI::App& command = menu.command(menu.root(), kTopText, [arguments](const Common& common) {
    return show_top(*arguments, common);
  });
  add_book(command, arguments->book);
  add_duration(command, "--interval", arguments->interval, "Time between two looks")
      ->default_str("1s");
  add_whole_number(command, "--count", arguments->count, "Stop after so many looks")
      ->default_str("until SIGINT");
}

}  // namespace casbook::cli
