// How the command ends, for scripts: what it means and whether asking again makes sense.
#pragma once

#include <casbook/result.h>

namespace casbook::cli {

enum class ExitCode : int {
  done = 0,             // done, or done before under the same payment id
  refused = 1,          // the book works and said no
  usage = 2,            // an argument was wrong; the book was not asked or changed nothing
  environment = 3,      // no such book, no memory, no permission, no place to write
  outcome_unknown = 4,  // send the same ids again
};

ExitCode exit_code_of(Code code);

}  // namespace casbook::cli
