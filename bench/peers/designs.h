// What makes each design. Those of a library that this program was built without are not linked.
#pragma once

#include "peers/design.h"

namespace casbook::peers {

std::unique_ptr<Design> make_striped_map();
std::unique_ptr<Design> make_tbb_map();
std::unique_ptr<Design> make_robust_mutex();
std::unique_ptr<Design> make_robust_mutex_intent();
std::unique_ptr<Design> make_lock_file();
std::unique_ptr<Design> make_flock();
std::unique_ptr<Design> make_ofd_lock();
std::unique_ptr<Design> make_posix_queue();

std::unique_ptr<Design> make_casbook_lease();
std::unique_ptr<Design> make_casbook_lease_unguarded();
std::unique_ptr<Design> make_casbook_plain();

}  // namespace casbook::peers
