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

std::unique_ptr<Design> make_redis_lock();
std::unique_ptr<Design> make_redis_token();
std::unique_ptr<Design> make_redis_script();
std::unique_ptr<Design> make_redis_lock_durable();
std::unique_ptr<Design> make_redis_token_durable();
std::unique_ptr<Design> make_redis_script_durable();

std::unique_ptr<Design> make_postgres_version();
std::unique_ptr<Design> make_postgres_version_unique();
std::unique_ptr<Design> make_postgres_rows();
std::unique_ptr<Design> make_postgres_rows_unique();
std::unique_ptr<Design> make_postgres_advisory();
std::unique_ptr<Design> make_postgres_advisory_transaction();
std::unique_ptr<Design> make_postgres_function();

std::unique_ptr<Design> make_rabbitmq_token();
std::unique_ptr<Design> make_rabbitmq_unacknowledged();
std::unique_ptr<Design> make_zookeeper_lock();
std::unique_ptr<Design> make_zookeeper_fence();
std::unique_ptr<Design> make_etcd_lock();
std::unique_ptr<Design> make_etcd_compare();

std::unique_ptr<Design> make_casbook_lease();
std::unique_ptr<Design> make_casbook_lease_unguarded();
std::unique_ptr<Design> make_casbook_plain();
std::unique_ptr<Design> make_casbook_lease_durable();
std::unique_ptr<Design> make_casbook_plain_durable();

}  // namespace casbook::peers
