#include "replicated/raw_link.h"

#include <csignal>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"
#include "harness.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;

constexpr uint16_t kPort = 7600;  // beside the cluster
constexpr size_t kChunkBytes = 256 << 10;

sockaddr_in place_of(uint32_t host) {
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(kPort);
  inet_pton(AF_INET, Hosts::address(host).c_str(), &place.sin_addr);
  return place;
}

template <class Body>
pid_t start_on(const Hosts& hosts, uint32_t host, const Body& body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hosts.enter(host);
  body();
  _exit(0);
}

// Counts what comes until the sender closes.
void take_all(uint64_t& bytes) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in own = place_of(2);
  if (bind(listener, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
      listen(listener, 1) != 0)
    return;
  const int stream = accept(listener, nullptr, nullptr);
  std::vector<char> chunk(kChunkBytes);
  for (ssize_t came; (came = read(stream, chunk.data(), chunk.size())) > 0;)
    bytes += static_cast<uint64_t>(came);
}

void send_for(double seconds) {
  const sockaddr_in other = place_of(2);
  int stream = -1;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    stream = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(stream, reinterpret_cast<const sockaddr*>(&other), sizeof other) == 0) break;
    close(stream);
    stream = -1;
    usleep(2000);
  }
  if (stream < 0) _exit(1);
  const std::vector<char> chunk(kChunkBytes, 'x');
  for (const int64_t until = now_ns() + static_cast<int64_t>(seconds * 1e9); now_ns() < until;)
    if (write(stream, chunk.data(), chunk.size()) <= 0) break;
}

}  // namespace

double raw_link_rate(const Hosts& hosts, double seconds) {
  const Lines<uint64_t> bytes(1);
  const pid_t receiver = start_on(hosts, 2, [&] { take_all(bytes[0]); });
  const int64_t start = now_ns();
  const pid_t sender = start_on(hosts, 1, [&] { send_for(seconds); });
  int status = -1;
  waitpid(sender, &status, 0);
  if (status != 0) kill(receiver, SIGKILL);
  waitpid(receiver, nullptr, 0);
  return static_cast<double>(bytes[0]) / (static_cast<double>(now_ns() - start) / 1e9);
}

}  // namespace casbook::bench
