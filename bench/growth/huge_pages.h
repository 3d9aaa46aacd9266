// A directory whose files lie in pages of 2 MiB: a tmpfs of this program alone, mounted so in a
// namespace of its own. It goes with the program.
#pragma once

#include <string>

namespace casbook::growth {

// Empty where it cannot be had: root is needed. Mounted when it is first asked for.
const std::string& huge_page_directory();

// Which part of this process's shared memory is mapped by entries of 2 MiB.
double share_of_huge_pages();

}  // namespace casbook::growth
