#include "peers/designs.h"

// A design whose library this program was built without is listed, and says so.
#if CASBOOK_PEER_REDIS
#define CASBOOK_REDIS(make) make, ""
#else
#define CASBOOK_REDIS(make) nullptr, "hiredis"
#endif
#if CASBOOK_PEER_POSTGRES
#define CASBOOK_POSTGRES(make) make, ""
#else
#define CASBOOK_POSTGRES(make) nullptr, "libpq"
#endif
#if CASBOOK_PEER_ETCD
#define CASBOOK_ETCD(make) make, ""
#else
#define CASBOOK_ETCD(make) nullptr, "libcurl"
#endif
// Their money lies in PostgreSQL.
#if CASBOOK_PEER_RABBITMQ && CASBOOK_PEER_POSTGRES
#define CASBOOK_RABBITMQ(make) make, ""
#else
#define CASBOOK_RABBITMQ(make) nullptr, "librabbitmq and libpq"
#endif
#if CASBOOK_PEER_ZOOKEEPER && CASBOOK_PEER_POSTGRES
#define CASBOOK_ZOOKEEPER(make) make, ""
#else
#define CASBOOK_ZOOKEEPER(make) nullptr, "libzookeeper_mt and libpq"
#endif

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
      {"redis-lock", CASBOOK_REDIS(make_redis_lock)},
      {"redis-token", CASBOOK_REDIS(make_redis_token)},
      {"redis-script", CASBOOK_REDIS(make_redis_script)},
      {"casbook-lease", make_casbook_lease},
      {"casbook-lease-unguarded", make_casbook_lease_unguarded},
      {"casbook-plain", make_casbook_plain},
      {"redis-lock-durable", CASBOOK_REDIS(make_redis_lock_durable)},
      {"redis-token-durable", CASBOOK_REDIS(make_redis_token_durable)},
      {"redis-script-durable", CASBOOK_REDIS(make_redis_script_durable)},
      {"postgres-version", CASBOOK_POSTGRES(make_postgres_version)},
      {"postgres-version-unique", CASBOOK_POSTGRES(make_postgres_version_unique)},
      {"postgres-rows", CASBOOK_POSTGRES(make_postgres_rows)},
      {"postgres-rows-unique", CASBOOK_POSTGRES(make_postgres_rows_unique)},
      {"postgres-advisory", CASBOOK_POSTGRES(make_postgres_advisory)},
      {"postgres-advisory-transaction", CASBOOK_POSTGRES(make_postgres_advisory_transaction)},
      {"postgres-function", CASBOOK_POSTGRES(make_postgres_function)},
      {"rabbitmq-token", CASBOOK_RABBITMQ(make_rabbitmq_token)},
      {"rabbitmq-unacknowledged", CASBOOK_RABBITMQ(make_rabbitmq_unacknowledged)},
      {"zookeeper-lock", CASBOOK_ZOOKEEPER(make_zookeeper_lock)},
      {"zookeeper-fence", CASBOOK_ZOOKEEPER(make_zookeeper_fence)},
      {"etcd-lock", CASBOOK_ETCD(make_etcd_lock)},
      {"etcd-compare", CASBOOK_ETCD(make_etcd_compare)},
      {"casbook-lease-durable", make_casbook_lease_durable},
      {"casbook-plain-durable", make_casbook_plain_durable},
  };
  return all;
}

std::unique_ptr<Design> make_design(const std::string& name) {
  for (const Listed& listed : all_designs())
    if (listed.name == name && listed.make) return listed.make();
  return nullptr;
}

}  // namespace casbook::peers
