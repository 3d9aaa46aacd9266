#include "support/daemon_process.h"

#include <fstream>

#include "daemon/daemon.h"

namespace casbook::test_support {
namespace {

PointCounts* counted = nullptr;

}  // namespace

void count_points(PointCounts& counts) {
  counted = &counts;
  base::probes.fault = [](base::FaultPoint point) { ++(*counted)[static_cast<size_t>(point)]; };
}

DiskDirectory::DiskDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "casbook-test-XXXXXX").string();
  if (!mkdtemp(name.data())) std::abort();
  path_ = name;
}

DiskDirectory::~DiskDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void DaemonPlace::write_config() const {
  std::ofstream file(config_file());
  file << "book = \"" << book << "\"\n[arena]\ndirectory = \"" << shm << "\"\n";
  for (size_t i = 0; i + 1 < limits.size(); i += 2)
    file << limits[i].substr(2) << " = " << limits[i + 1] << "\n";
  file << "[journal]\ndirectory = \"" << journal << "\"\nsegment = \"4MiB\"\n" << more_config;
}

DaemonProcess::DaemonProcess(const DaemonPlace& place, const Strike& strike) {
  place.write_config();
  Words settings;
  if (strike.point != base::FaultPoint::count)
    settings.push_back(std::string("CASBOOK_FAULT=") + base::fault_point_name(strike.point) + ":" +
                       std::to_string(strike.nth) + (strike.signal == SIGSTOP ? ":stop" : ""));
  process_ =
      std::make_unique<Started>(place.program, Words{"serve", place.config_file()}, settings);
}

DaemonProcess::DaemonProcess(const DaemonPlace& place, const std::function<void()>& before) {
  place.write_config();
  process_ = std::make_unique<Started>([&] {
    before();
    const auto config = daemon::read_config(place.config_file());
    const auto served = config ? daemon::serve(*config) : Result<void>(config.error());
    if (!served) std::fprintf(stderr, "%s\n", served.error().message().c_str());
    return served ? 0 : 3;
  });
}

bool DaemonProcess::await_serving() {
  const bool came = await([this] {
    return process_->err_so_far().find("event=serving") != std::string::npos ||
           process_->has_ended();
  });
  return came && !process_->has_ended();
}

bool answers_stop(pid_t daemon) {
  std::ifstream file("/proc/" + std::to_string(daemon) + "/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("SigBlk:"))
      return std::stoull(line.substr(7), nullptr, 16) & (uint64_t{1} << (SIGTERM - 1));
  return false;
}

bool DaemonProcess::await_answering_stop() {
  return await([this] { return process_->has_ended() || answers_stop(process_->pid()); }) &&
         !process_->has_ended();
}

bool DaemonProcess::is_stopped() const {
  std::ifstream file("/proc/" + std::to_string(process_->pid()) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t end_of_name = text.rfind(") ");
  return end_of_name != text.npos && text[end_of_name + 2] == 'T';
}

Ended DaemonProcess::stop() {
  signal(SIGTERM);
  return process_->wait();
}

Ended DaemonProcess::kill() {
  signal(SIGKILL);
  return process_->wait();
}

}  // namespace casbook::test_support
