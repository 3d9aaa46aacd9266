#include "arena/os_file.h"

#include <cerrno>
#include <cstring>

namespace casbook::arena {
namespace {

Code code_of(int error_number) {
  switch (error_number) {
    case EACCES:
    case EPERM:
    case EROFS:
      return Code::no_permission;
    case ENOMEM:
    case ENOSPC:
    case EDQUOT:
      return Code::no_memory;
    default:
      return Code::io_error;
  }
}

}  // namespace

Error os_error(int error_number, const char* call, const std::string& path) {
  const char* text = strerrordesc_np(error_number);
  return Error{.code = code_of(error_number),
               .detail = std::string(call) + " " + path + ": " + (text ? text : "unknown error")};
}

}  // namespace casbook::arena
