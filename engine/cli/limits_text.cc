#include "cli/limits_text.h"

namespace casbook::cli {

namespace {

Result<void> parse_limit(const char* option, const std::string& text, uint32_t scale,
                         std::optional<Amount>& limit) {
  if (text.empty()) return {};
  auto amount = parse_signed_amount(text, scale);
  if (!amount)
    return Error{.code = Code::bad_argument,
                 .detail = std::string(option) + ": " + amount.error().detail};
  limit = *amount;
  return {};
}

}  // namespace

Result<AccountLimits> parse_limits(const LimitsText& text, uint32_t scale) {
  AccountLimits limits;
  if (auto ok = parse_limit("--min-available", text.min_available, scale, limits.min_available);
      !ok)
    return ok.error();
  if (auto ok = parse_limit("--max-available", text.max_available, scale, limits.max_available);
      !ok)
    return ok.error();
  return limits;
}

}  // namespace casbook::cli
