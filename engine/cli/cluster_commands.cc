// cluster keygen: the key that the hosts of a cluster share.
#include "cli/answers.h"
#include "cli/menu.h"
#include "replicate/keys.h"

namespace casbook::cli {

namespace {

constexpr CommandText kKeygenText{
    "keygen", "Make a key file for a cluster",
    "A new file of mode 0600 with 32 random bytes as text; one that is there is left alone. Copy "
    "it\n"
    "to every host of the cluster, over a channel that you trust, and name it as key_file in\n"
    "[cluster]. Whoever has it can be a member; the daemon refuses a file that others may open.\n"
    "\n"
    "Example:\n"
    "  casbook cluster keygen /etc/casbook/cluster.key"};

ExitCode keygen(const std::string& path, const Common& common) {
  if (auto made = replicate::write_new_key(path); !made) return refuse(common, made.error());
  print_object({{"key_file", path}}, common.json);
  return ExitCode::done;
}

}  // namespace

void add_cluster_commands(Menu& menu) {
  CLI::App& group = menu.group("cluster", "Several hosts that hold one book: keygen");
  auto path = std::make_shared<std::string>();
  CLI::App& command = menu.plain_command(
      group, kKeygenText, [path](const Common& common) { return keygen(*path, common); });
  command.add_option("FILE", *path, "Where to write it")->required()->type_name("");
}

}  // namespace casbook::cli
