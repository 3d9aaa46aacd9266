// cluster keygen, cluster status; add, remove, promote and transfer: member_commands.cc.
#include "cli/cluster_commands.h"

#include <unistd.h>

#include "cli/answers.h"
#include "cli/arguments.h"
#include "cli/cluster_json.h"
#include "cli/stop_signals.h"
#include "replicate/key_file.h"

namespace casbook::cli {

namespace {

constexpr CommandText kKeygenText{
    "keygen", "Make a key file for a cluster, or change the keys in it",
    "A new file of mode 0600 with 32 random bytes as text; one that is there is left alone. Copy "
    "it\n"
    "to every host of the cluster, over a channel that you trust, and name it as key_file in\n"
    "[cluster]. Whoever has it can be a member; the daemon refuses a file that others may open.\n"
    "\n"
    "Another key without a gap: --append makes a second one in the same file, --swap has the\n"
    "daemons seal with it, --drop removes the old. After each step copy the file to all hosts and\n"
    "send their daemons SIGHUP (systemctl reload casbook@NAME), before the next. Each says in its\n"
    "log keys_reloaded, with the ids that this command prints.\n"
    "\n"
    "Examples:\n"
    "  casbook cluster keygen /etc/casbook/cluster.key\n"
    "  casbook cluster keygen /etc/casbook/cluster.key --append"};

struct KeygenArguments {
  std::string file;
  bool must_append = false, must_swap = false, must_drop = false;
};

ExitCode keygen(const KeygenArguments& arguments, const Common& common) {
  using replicate::KeyChange;
  const bool is_change = arguments.must_append || arguments.must_swap || arguments.must_drop;
  const KeyChange change = arguments.must_append ? KeyChange::append
                           : arguments.must_swap ? KeyChange::swap
                                                 : KeyChange::drop;
  const auto keys = is_change ? replicate::change_keys(arguments.file, change)
                              : replicate::write_new_key(arguments.file);
  if (!keys) return refuse(common, keys.error());
  const auto ids = keys->ids();
  Json object{{"key_file", arguments.file}, {"sealing", replicate::text_of(ids[0])}};
  if (ids.size() > 1) object["also"] = replicate::text_of(ids[1]);
  print_object(object, common.json);
  return ExitCode::done;
}

constexpr CommandText kStatusText{
    "status", "Who leads, how far each node is, what the network did",
    "As the daemon of this host knows it: of the other nodes' positions the leader knows most.\n"
    "It maps the book read-only and delays nobody. With --watch again and again, until SIGINT;\n"
    "then it follows the book where its daemon moves it.\n"
    "\n"
    "Examples:\n"
    "  casbook cluster status demo\n"
    "  casbook cluster status demo --watch --interval 200ms --json"};

struct StatusArguments {
  std::string book;
  bool must_watch = false;
  std::chrono::milliseconds interval = std::chrono::seconds(1);
};

Json for_people(const ClusterStatus& cluster) {
  Json object = Json::object();
  add_cluster_for_people(cluster, object);
  if (!cluster.clustered) return object;
  object["wait"] = "p50 " + std::to_string(cluster.wait_p50_us) + " us, p99 " +
                   std::to_string(cluster.wait_p99_us) + " us, max " +
                   std::to_string(cluster.wait_max_us) + " us";
  object["elections"] = std::to_string(cluster.elections) + ", " +
                        std::to_string(cluster.step_downs) + " times stepped down";
  object["sent"] = std::to_string(cluster.datagrams_sent) + " datagrams, " +
                   std::to_string(cluster.bytes_sent >> 20) + " MiB, of entries " +
                   std::to_string(cluster.payload_sent >> 20) + " MiB" +
                   (cluster.unicast_fallback ? "; multicast is silent" : "");
  object["received"] = std::to_string(cluster.datagrams_received) + " datagrams, " +
                       std::to_string(cluster.bytes_received >> 20) + " MiB";
  object["repairs"] = std::to_string(cluster.repairs_asked) + " asked for, " +
                      std::to_string(cluster.repairs_sent) + " sent, " +
                      std::to_string(cluster.repair_bytes >> 10) + " KiB";
  object["dropped"] = std::to_string(cluster.dropped_forged) + " forged, " +
                      std::to_string(cluster.dropped_replayed) + " replayed, " +
                      std::to_string(cluster.dropped_foreign) + " foreign, " +
                      std::to_string(cluster.dropped_malformed) + " malformed, " +
                      std::to_string(cluster.dropped_newer) + " of a newer version" +
                      (cluster.dropped_newer ? ": upgrade this host" : "");
  object["refused"] = std::to_string(cluster.refused_disks) + " answers of other disks" +
                      (cluster.refused_disks ? ": a host that lost its disk needs a new id" : "");
  return object;
}

// Null with --json where no cluster keeps the book: said as an object, as every line is one.
void show(const std::string& book, const ClusterStatus& cluster, bool as_json) {
  if (!as_json) return print_object(for_people(cluster), false);
  print_object({{"book", book}, {"cluster", cluster_json(cluster)}}, true);
}

ExitCode show_status(const StatusArguments& arguments, const Common& common) {
  auto book = Book::observe(arguments.book, common.directory);
  if (!book) return refuse(common, book.error());
  if (!arguments.must_watch) {
    show(arguments.book, book->status().cluster, common.json);
    return ExitCode::done;
  }
  StopSignals signals;
  do {
    const bool is_terminal = !common.json && isatty(STDOUT_FILENO) == 1;
    if (is_terminal && !print("\x1b[H\x1b[J")) break;
    show(arguments.book, book->status().cluster, common.json);
    if (!common.json && !is_terminal && !print("\n")) break;
    if (!flush_output()) break;
  } while (signals.wait(arguments.interval) != StopSignals::Woken::stop);
  return ExitCode::done;
}

void add_status(Menu& menu, CLI::App& group) {
  auto arguments = std::make_shared<StatusArguments>();
  CLI::App& command = menu.command(group, kStatusText, [arguments](const Common& common) {
    return show_status(*arguments, common);
  });
  add_book(command, arguments->book);
  CLI::Option* watch = command.add_flag("--watch", arguments->must_watch, "Again and again");
  add_duration(command, "--interval", arguments->interval, "Between two looks")
      ->default_str("1s")
      ->needs(watch);
}

void add_keygen(Menu& menu, CLI::App& group) {
  auto arguments = std::make_shared<KeygenArguments>();
  CLI::App& command = menu.plain_command(
      group, kKeygenText, [arguments](const Common& common) { return keygen(*arguments, common); });
  command.add_option("FILE", arguments->file, "Where to write it")->required()->type_name("");
  CLI::Option* append = command.add_flag("--append", arguments->must_append, "A new second key");
  CLI::Option* swap =
      command.add_flag("--swap", arguments->must_swap, "The second key first")->excludes(append);
  command.add_flag("--drop", arguments->must_drop, "The second key away")
      ->excludes(append)
      ->excludes(swap);
}

}  // namespace

void add_cluster_commands(Menu& menu) {
  CLI::App& group = menu.group("cluster", "Several hosts that hold one book: their key, status, members");
  add_keygen(menu, group);
  add_status(menu, group);
  add_member_commands(menu, group);
}

}  // namespace casbook::cli
