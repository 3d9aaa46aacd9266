#include "daemon/event_log.h"

#include <memory>
#include <mutex>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/quote.h"

namespace casbook::daemon {

namespace {

struct Level {
  const char* name;
  spdlog::level::level_enum of_spdlog;
};
// By Severity.
constexpr Level kLevels[] = {{"debug", spdlog::level::debug},
                             {"info", spdlog::level::info},
                             {"warn", spdlog::level::warn},
                             {"error", spdlog::level::err}};

constexpr const char* kPattern = "ts=%Y-%m-%dT%H:%M:%S.%eZ %v";

// Null until it is opened. Under its mutex only while it is exchanged or copied.
std::mutex logger_mutex;
std::shared_ptr<spdlog::logger> logger;

std::shared_ptr<spdlog::logger> current_logger() {
  const std::lock_guard lock(logger_mutex);
  return logger;
}

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') return false;
  return !text.empty();
}

void append_quoted(std::string& line, std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  line += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line.append({'\\', c});
    } else if (byte < ' ' || byte > '~') {
      line.append({'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]});
    } else {
      line += c;
    }
  }
  line += '"';
}

}  // namespace

void Field::append_to(std::string& line) const {
  line.append(" ").append(key_).append("=");
  if (is_number_) {
    line.append(is_negative_ ? "-" : "").append(std::to_string(number_));
  } else if (is_plain(text_)) {
    line.append(text_);
  } else {
    append_quoted(line, text_);
  }
}

Result<void> open_event_log(const std::string& level) {
  for (const Level& known : kLevels) {
    if (level != known.name) continue;
    auto opened =
        std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    opened->set_formatter(
        std::make_unique<spdlog::pattern_formatter>(kPattern, spdlog::pattern_time_type::utc));
    opened->set_level(known.of_spdlog);
    opened->flush_on(spdlog::level::trace);
    const std::lock_guard lock(logger_mutex);
    logger = std::move(opened);
    return {};
  }
  return Error{
      .code = Code::bad_argument,
      .detail = "log.level: expected debug, info, warn or error, got " + base::quoted(level)};
}

void log_event(Severity severity, std::string_view event, std::initializer_list<Field> fields) {
  const Level& level = kLevels[static_cast<size_t>(severity)];
  const auto to = current_logger();
  if (!to || !to->should_log(level.of_spdlog)) return;
  std::string line = std::string("level=") + level.name;
  Field("event", event).append_to(line);
  for (const Field& field : fields) field.append_to(line);
  to->log(level.of_spdlog, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace casbook::daemon
