#include "cli/asked_to_write.h"

namespace casbook::cli {

Error asked_to_write(const Book& book, const Error& error) {
  if (error.code != Code::ledger_missing && error.code != Code::account_missing) return error;
  const ClusterStatus cluster = book.status().cluster;
  if (!cluster.clustered || cluster.leads) return error;
  const bool is_known = cluster.leader != 0 && cluster.leader != cluster.node;
  return {.code = Code::not_leader,
          .detail = is_known ? "node " + std::to_string(cluster.leader) + " at " +
                                   cluster.leader_address + " leads"
                             : "no leader is known"};
}

}  // namespace casbook::cli
