#include "cli/exit_code.h"

namespace casbook::cli {

namespace {

constexpr uint16_t kFirstFailure = 200;  // see the error table in <casbook/result.h>

}  // namespace

ExitCode exit_code_of(Code code) {
  if (code == Code::bad_argument) return ExitCode::usage;
  if (code == Code::outcome_unknown) return ExitCode::outcome_unknown;
  return static_cast<uint16_t>(code) >= kFirstFailure ? ExitCode::environment : ExitCode::refused;
}

}  // namespace casbook::cli
