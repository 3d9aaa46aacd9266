#include "replicated/raw_link.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"

namespace casbook::bench {
namespace {

using test_support::Hosts;

constexpr uint16_t kPort = 7900;
constexpr size_t kPieceBytes = 256 << 10;
constexpr int kTries = 2000;  // a millisecond apart

sockaddr_in address_of(uint32_t host) {
  sockaddr_in address{};
  address.sin_family = AF_INET, address.sin_port = htons(kPort);
  inet_pton(AF_INET, Hosts::address(host).c_str(), &address.sin_addr);
  return address;
}

pid_t start_on(const Hosts& hosts, uint32_t host, const std::function<bool()>& body) {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  hosts.enter(host);
  _exit(body() ? 0 : 1);
}

bool receive(uint32_t host, uint64_t bytes, double& rate) {
  const int door = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = address_of(host);
  if (bind(door, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
  if (listen(door, 1) != 0) return false;
  const int stream = accept(door, nullptr, nullptr);
  std::vector<std::byte> piece(kPieceBytes);
  const int64_t start = now_ns();
  uint64_t got = 0;
  for (ssize_t more; (more = read(stream, piece.data(), piece.size())) > 0;)
    got += static_cast<uint64_t>(more);
  rate = static_cast<double>(got) * 1e9 / static_cast<double>(now_ns() - start);
  return got == bytes;
}

bool send(uint32_t to, uint64_t bytes) {
  const int stream = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = address_of(to);
  for (int i = 0;; ++i) {
    if (connect(stream, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) break;
    if (i == kTries) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::vector<std::byte> piece(kPieceBytes, std::byte{1});
  while (bytes > 0) {
    const ssize_t sent = write(stream, piece.data(), std::min<uint64_t>(bytes, piece.size()));
    if (sent <= 0) return false;
    bytes -= static_cast<uint64_t>(sent);
  }
  return true;
}

}  // namespace

double raw_link_rate(const Hosts& hosts, uint32_t from, uint32_t to, uint64_t bytes) {
  const Lines<double> rate(1);
  const pid_t receiver = start_on(hosts, to, [&] { return receive(to, bytes, rate[0]); });
  const pid_t sender = start_on(hosts, from, [&] { return send(to, bytes); });
  int sent = -1, received = -1;
  if (sender > 0) waitpid(sender, &sent, 0);
  if (sent != 0 && receiver > 0) kill(receiver, SIGKILL);  // it would wait for ever
  if (receiver > 0) waitpid(receiver, &received, 0);
  return sent == 0 && received == 0 ? rate[0] : 0;
}

}  // namespace casbook::bench
