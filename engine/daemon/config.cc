#include "daemon/config.h"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include <fcntl.h>
#include <unistd.h>

#include <toml++/toml.h>

#include "arena/arena.h"
#include "base/byte_size.h"
#include "base/duration.h"
#include "base/error.h"
#include "base/file_rights.h"
#include "base/quote.h"
#include "daemon/loopback_address.h"
#include "journal/format.h"
#include "replicate/udp_address.h"

namespace casbook::daemon {

namespace {

using base::bad_argument;
using std::chrono::milliseconds;

constexpr size_t kFileBytesMax = 1 << 20;

// What is wrong with a configuration: the key, and what was expected there.
struct Fault {
  std::string key, what;
};
using MaybeFault = std::optional<Fault>;

std::string got(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return ", got " + base::quoted(*text);
  if (const auto number = node.value_exact<int64_t>()) return ", got " + std::to_string(*number);
  if (const auto flag = node.value_exact<bool>()) return *flag ? ", got true" : ", got false";
  return "";
}

// --- reading: types and names of keys
// --------------------------------------------------------------

// One table of the file. The keys that are asked for are taken out of it in turn; what nobody asked
// for is unknown. Keeps the first fault.
class Section {
 public:
  // `name`: of the table, {} for the file itself.
  Section(const toml::table& file, std::string name, MaybeFault& fault)
      : name_(std::move(name)), fault_(fault) {
    const toml::node* const node = name_.empty() ? &file : file.get(name_);
    if (node && !node->is_table()) fail(*node, "a table", name_);
    if (node) table_ = node->as_table();
  }

  void text(const char* key, std::string& into) {
    if (const toml::node* node = take(key)) {
      if (const auto value = node->value_exact<std::string>())
        into = *value;
      else
        fail(*node, "a text in quotes", path(key));
    }
  }
  void flag(const char* key, bool& into) {
    if (const toml::node* node = take(key)) {
      if (const auto value = node->value_exact<bool>())
        into = *value;
      else
        fail(*node, "true or false", path(key));
    }
  }
  void number(const char* key, uint64_t& into) {
    if (const toml::node* node = take(key)) {
      const auto value = node->value_exact<int64_t>();
      if (value && *value >= 0)
        into = static_cast<uint64_t>(*value);
      else
        fail(*node, "a whole number", path(key));
    }
  }
  void bytes(const char* key, uint64_t& into) {
    if (const toml::node* node = take(key)) {
      const auto text = node->value_exact<std::string>();
      const auto number = node->value_exact<int64_t>();
      const auto value = text ? base::parse_bytes(*text) : std::nullopt;
      if (value)
        into = *value;
      else if (number && *number >= 0)
        into = static_cast<uint64_t>(*number);
      else
        fail(*node, "a size like \"64MiB\"", path(key));
    }
  }
  void duration(const char* key, milliseconds& into) {
    parsed(key, "a time like \"90m\", \"30s\" or \"5ms\"", base::parse_duration, into);
  }
  // A text that `parse` makes something of, or nothing.
  template <class Parse, class Into>
  void parsed(const char* key, const char* expected, Parse parse, Into& into) {
    if (const toml::node* node = take(key)) {
      const auto text = node->value_exact<std::string>();
      const auto value = text ? parse(*text) : decltype(parse(*text))();
      if (value)
        into = *value;
      else
        fail(*node, expected, path(key));
    }
  }
  // [{id = 1, address = "10.0.0.1:7400"}, ...]
  void servers(const char* key, std::vector<replicate::Server>& into) {
    const toml::node* const node = take(key);
    if (!node) return;
    const toml::array* const list = node->as_array();
    if (!list) return fail(*node, "a list of {id, address}", path(key));
    for (const toml::node& item : *list) {
      const toml::table* const table = item.as_table();
      const auto id = table ? (*table)["id"].value_exact<int64_t>() : std::nullopt;
      const auto address = table ? (*table)["address"].value_exact<std::string>() : std::nullopt;
      if (!id || *id < 1 || !address || table->size() != 2)
        return fail(item, "{id, address}, like {id = 1, address = \"10.0.0.1:7400\"}", path(key));
      into.push_back({static_cast<uint64_t>(*id), *address});
    }
  }
  // After all others: is there a key that nobody asked for?
  void refuse_others(std::initializer_list<std::string_view> tables = {}) {
    if (!table_) return;
    for (const auto& entry : *table_) {
      const std::string_view key = entry.first.str();
      const auto is = [key](std::string_view known) { return known == key; };
      if (std::none_of(known_.begin(), known_.end(), is) &&
          std::none_of(tables.begin(), tables.end(), is))
        note({path(key), "no such key; expected one of " + list_known(tables)});
    }
  }

 private:
  const toml::node* take(const char* key) {
    known_.emplace_back(key);
    return table_ ? table_->get(key) : nullptr;
  }
  std::string path(std::string_view key) const {
    return name_.empty() ? std::string(key) : name_ + "." + std::string(key);
  }
  std::string list_known(std::initializer_list<std::string_view> tables) const {
    std::string list;
    for (const std::string& key : known_) list += (list.empty() ? "" : ", ") + key;
    for (const std::string_view key : tables) list += ", [" + std::string(key) + "]";
    return list;
  }
  void fail(const toml::node& node, const char* expected, const std::string& key) {
    note({key, std::string("expected ") + expected + got(node)});
  }
  void note(Fault fault) {
    if (!fault_) fault_ = std::move(fault);
  }

  const toml::table* table_ = nullptr;
  std::string name_;
  MaybeFault& fault_;
  std::vector<std::string> known_;
};

void read_arena(const toml::table& file, CreateOptions& create, MaybeFault& fault) {
  uint64_t sessions = create.sessions;
  Section arena(file, "arena", fault);
  arena.text("directory", create.directory);
  arena.number("accounts", create.accounts);
  arena.number("payments", create.payments);
  arena.duration("window", create.window);
  arena.number("leases", create.leases);
  arena.number("ledgers", create.ledgers);
  arena.number("sessions", sessions);
  arena.number("records", create.records);
  arena.parsed("owner", "the name or number of a user", base::parse_user, create.owner);
  arena.parsed("group", "the name or number of a group", base::parse_group, create.group);
  arena.parsed("mode", "an octal mode up to 0777 in quotes, like \"0660\"", base::parse_mode,
               create.mode);
  arena.refuse_others();
  create.sessions = static_cast<uint32_t>(std::min<uint64_t>(sessions, UINT32_MAX));
}

std::optional<bool> parse_mode_of_sending(const std::string& text) {
  if (text == "multicast") return true;
  if (text == "unicast") return false;
  return std::nullopt;
}

void read_cluster(const toml::table& file, ClusterConfig& cluster, MaybeFault& fault) {
  Section section(file, "cluster", fault);
  section.text("id", cluster.id);
  section.number("node", cluster.node);
  section.servers("nodes", cluster.nodes);
  section.text("interface", cluster.interface);
  section.text("group", cluster.group);
  section.parsed("mode", "\"multicast\" or \"unicast\"", parse_mode_of_sending,
                 cluster.is_multicast);
  section.text("key_file", cluster.key_file);
  section.duration("election_timeout", cluster.election_timeout);
  section.duration("heartbeat", cluster.heartbeat);
  section.number("mtu", cluster.mtu);
  section.flag("join", cluster.is_joining);
  section.bytes("catch_up_bytes_per_second", cluster.catch_up_bytes_per_second);
  section.bytes("lag_soft_bytes", cluster.lag_soft_bytes);
  section.bytes("lag_hard_bytes", cluster.lag_hard_bytes);
  section.bytes("digest_bytes_per_second", cluster.digest_bytes_per_second);
  section.refuse_others();
}

Config read_tables(const toml::table& file, MaybeFault& fault) {
  Config config;
  Section top(file, "", fault);
  top.text("book", config.book);
  top.refuse_others({"arena", "journal", "checkpoint", "cluster", "metrics", "log"});
  read_arena(file, config.create, fault);
  Section journal(file, "journal", fault);
  journal.text("directory", config.journal.directory);
  journal.bytes("segment", config.journal.segment_bytes);
  journal.duration("flush_interval", config.journal.flush_interval);
  journal.flag("direct", config.journal.direct);
  journal.refuse_others();
  Section checkpoint(file, "checkpoint", fault);
  checkpoint.bytes("every_bytes", config.checkpoint.every_bytes);
  checkpoint.duration("every", config.checkpoint.every);
  checkpoint.refuse_others();
  read_cluster(file, config.cluster, fault);
  Section metrics(file, "metrics", fault);
  metrics.text("address", config.metrics.address);
  metrics.refuse_others();
  Section log(file, "log", fault);
  log.text("level", config.log_level);
  log.refuse_others();
  return config;
}

// --- checking: values
// ------------------------------------------------------------------------------

struct Range {
  const char* key;
  uint64_t value, min, max;
  std::string (*format)(uint64_t);
};

std::string as_number(uint64_t value) { return std::to_string(value); }
std::string as_duration(uint64_t ms) {
  return base::format_duration(milliseconds(static_cast<int64_t>(ms)));
}

uint64_t ms_of(milliseconds duration) {
  return static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0));
}

MaybeFault find_out_of(std::span<const Range> ranges) {
  for (const Range& range : ranges)
    if (range.value < range.min || range.value > range.max)
      return Fault{range.key, "expected " + range.format(range.min) + " to " +
                                  range.format(range.max) + ", got " + range.format(range.value)};
  return std::nullopt;
}

MaybeFault find_out_of_range(const Config& config) {
  constexpr uint64_t kWindowMsMax = 366ull * 24 * 3'600'000;
  const CreateOptions& create = config.create;
  const Range ranges[] = {
      {"arena.accounts", create.accounts, 1, kAccountsMax, as_number},
      {"arena.payments", create.payments, 1, kPaymentsMax, as_number},
      {"arena.window", ms_of(create.window), 1000, kWindowMsMax, as_duration},
      {"arena.leases", create.leases, 1, kLeasesMax, as_number},
      {"arena.ledgers", create.ledgers, 1, kLedgersMax, as_number},
      {"arena.sessions", create.sessions, 1, kSessionsMax, as_number},
      {"arena.records", create.records, 64, kRecordsMax, as_number},
      {"journal.segment", config.journal.segment_bytes, journal::kSegmentBytesMin,
       journal::kSegmentBytesMax, base::format_bytes},
      {"journal.flush_interval", ms_of(config.journal.flush_interval), 1, 10'000, as_duration},
  };
  return find_out_of(ranges);
}

MaybeFault find_fault_of_nodes(const ClusterConfig& cluster) {
  if (cluster.is_joining && (cluster.nodes.size() < 2 || cluster.nodes.size() > 16))
    return Fault{"cluster.nodes", "expected this node and those that it may ask, up to 16, got " +
                                      std::to_string(cluster.nodes.size())};
  if (!cluster.is_joining && cluster.nodes.size() != 3 && cluster.nodes.size() != 5)
    return Fault{"cluster.nodes",
                 "expected three or five nodes, got " + std::to_string(cluster.nodes.size())};
  bool is_there = false;
  for (size_t i = 0; i < cluster.nodes.size(); ++i) {
    const replicate::Server& one = cluster.nodes[i];
    is_there |= one.id == cluster.node;
    if (!replicate::parse_udp_address("", one.address))
      return Fault{"cluster.nodes",
                   "expected an IPv4 address with a port, like \"10.0.0.1:7400\", got " +
                       base::quoted(one.address)};
    for (size_t j = 0; j < i; ++j)
      if (cluster.nodes[j].id == one.id || cluster.nodes[j].address == one.address)
        return Fault{"cluster.nodes", "expected ids and addresses that differ, got id " +
                                          std::to_string(one.id) + ", address " +
                                          base::quoted(one.address) + " twice"};
  }
  if (!is_there)
    return Fault{"cluster.node",
                 "expected the id of one of cluster.nodes, got " + std::to_string(cluster.node)};
  return std::nullopt;
}

constexpr uint64_t kLagBytesMin = 64ull << 10, kLagBytesMax = 1ull << 40;

MaybeFault find_fault_of_cluster(const ClusterConfig& cluster) {
  if (!cluster.is_set())
    return cluster.nodes.empty() && cluster.node == 0
               ? MaybeFault{}
               : Fault{"cluster.id", "expected the name of the cluster"};
  if (cluster.id.size() > 64)
    return Fault{"cluster.id", "expected up to 64 bytes, got " + std::to_string(cluster.id.size())};
  if (auto fault = find_fault_of_nodes(cluster)) return fault;
  if (cluster.key_file.empty())
    return Fault{"cluster.key_file", "expected a file made by casbook cluster keygen"};
  if (!replicate::parse_group_address("", cluster.group))
    return Fault{"cluster.group",
                 "expected a multicast address with a port, like \"239.192.7.1:7401\", got " +
                     base::quoted(cluster.group)};
  const Range ranges[] = {
      {"cluster.election_timeout", ms_of(cluster.election_timeout), 50, 60'000, as_duration},
      {"cluster.heartbeat", ms_of(cluster.heartbeat), 5, ms_of(cluster.election_timeout) / 3,
       as_duration},
      {"cluster.mtu", cluster.mtu, 576, 65'535, as_number},
      {"cluster.lag_soft_bytes", cluster.lag_soft_bytes, kLagBytesMin, kLagBytesMax,
       base::format_bytes},
      {"cluster.lag_hard_bytes", cluster.lag_hard_bytes, cluster.lag_soft_bytes, kLagBytesMax,
       base::format_bytes},
      {"cluster.digest_bytes_per_second", cluster.digest_bytes_per_second, 0, 1ull << 30,
       base::format_bytes},
  };
  return find_out_of(ranges);
}

MaybeFault find_fault(const Config& config) {
  if (auto path = arena::book_path(config.create.directory, config.book); !path)
    return Fault{"book", "expected the name of a book, got " + base::quoted(config.book) + "; " +
                             path.error().detail};
  if (config.create.directory.empty()) return Fault{"arena.directory", "expected a directory"};
  if (config.journal.directory.empty())
    return Fault{"journal.directory", "expected a directory, and none is given"};
  if (auto fault = find_out_of_range(config)) return fault;
  if (config.journal.segment_bytes % journal::kBlockBytes != 0)
    return Fault{"journal.segment", "expected a multiple of 4KiB, got " +
                                        base::format_bytes(config.journal.segment_bytes)};
  if (auto fault = find_fault_of_cluster(config.cluster)) return fault;
  const std::string& address = config.metrics.address;
  const auto loopback = parse_loopback_address(address);
  if (!address.empty() && (!loopback || loopback->port == 0))
    return Fault{"metrics.address",
                 "expected an address of the loopback interface with a port, like "
                 "\"127.0.0.1:9464\", got " +
                     base::quoted(address)};
  const std::string& level = config.log_level;
  if (level != "debug" && level != "info" && level != "warn" && level != "error")
    return Fault{"log.level", "expected debug, info, warn or error, got " + base::quoted(level)};
  return std::nullopt;
}

// "FILE:LINE: key: what", the line only where the key stands in the file.
Error fault_in(const std::string& path, const toml::table& file, const Fault& fault) {
  std::string where = path;
  if (const toml::node* node = file.at_path(fault.key).node())
    where += ":" + std::to_string(node->source().begin.line);
  return bad_argument(where + ": " + fault.key + ": " + fault.what);
}

Result<std::string> read_file(const std::string& path) {
  const arena::OsFile file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return arena::os_error(errno, "open", path);
  std::string content;
  char piece[4096];
  for (;;) {
    const ssize_t bytes = read(file.fd(), piece, sizeof piece);
    if (bytes < 0) return arena::os_error(errno, "read", path);
    if (bytes == 0) return content;
    content.append(piece, static_cast<size_t>(bytes));
    if (content.size() > kFileBytesMax)
      return bad_argument(path + ": expected a configuration, got more than 1 MiB");
  }
}

}  // namespace

Result<Config> read_config(const std::string& path) {
  auto content = read_file(path);
  if (!content) return content.error();
  try {
    const toml::table file = toml::parse(*content, path);
    MaybeFault fault;
    Config config = read_tables(file, fault);
    if (!fault) fault = find_fault(config);
    if (fault) return fault_in(path, file, *fault);
    return config;
  } catch (const toml::parse_error& error) {
    return bad_argument(path + ":" + std::to_string(error.source().begin.line) + ": " +
                        std::string(error.description()));
  }
}

Result<void> check_config(const Config& config) {
  if (const auto fault = find_fault(config)) return bad_argument(fault->key + ": " + fault->what);
  return {};
}

}  // namespace casbook::daemon
