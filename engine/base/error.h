// Errors as the layers above write them.
#pragma once

#include <string>
#include <utility>

#include <casbook/result.h>

namespace casbook::base {

inline Error error_of(Code code, std::string detail) {
  return {.code = code, .detail = std::move(detail)};
}

/// What the caller gave cannot be taken: `detail` names the field and what was expected.
inline Error bad_argument(std::string detail) {
  return error_of(Code::bad_argument, std::move(detail));
}

}  // namespace casbook::base
