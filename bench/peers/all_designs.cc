#include "peers/designs.h"

namespace casbook::peers {

const std::vector<Listed>& all_designs() {
  static const std::vector<Listed> all = {
      {"striped-map", make_striped_map},
      {"tbb-map", make_tbb_map},
      {"robust-mutex", make_robust_mutex},
      {"robust-mutex-intent", make_robust_mutex_intent},
      {"lock-file", make_lock_file},
      {"flock", make_flock},
      {"ofd-lock-intent", make_ofd_lock},
      {"posix-queue", make_posix_queue},
      {"casbook-lease", make_casbook_lease},
      {"casbook-lease-unguarded", make_casbook_lease_unguarded},
      {"casbook-plain", make_casbook_plain},
  };
  return all;
}

std::unique_ptr<Design> make_design(const std::string& name) {
  for (const Listed& listed : all_designs())
    if (listed.name == name && listed.make) return listed.make();
  return nullptr;
}

}  // namespace casbook::peers
