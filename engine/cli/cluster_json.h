// What a cluster's status looks like, for `status` and `cluster status`.
#pragma once

#include <casbook/cluster.h>

#include "cli/output.h"

namespace casbook::cli {

// null: no cluster keeps the book.
Json cluster_json(const ClusterStatus& cluster);
// The same as lines for people.
void add_cluster_for_people(const ClusterStatus& cluster, Json& object);

}  // namespace casbook::cli
