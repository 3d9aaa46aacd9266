// Processes on hosts.
#pragma once

#include <memory>

#include "support/command.h"
#include "support/hosts/hosts.h"

namespace casbook::test_support {

// A program on that host, in its folder; `settings`: words NAME=VALUE for its environment. What it
// says is captured, it is signalled by its pid, and it dies with the test.
inline std::unique_ptr<Started> start_on(const Hosts& hosts, uint32_t host,
                                         const std::string& program, const Words& words,
                                         const Words& settings = {}) {
  return std::make_unique<Started>([&] {
    hosts.enter(host);
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    for (const std::string& setting : settings) putenv(const_cast<char*>(setting.c_str()));
    execvp(program.c_str(), argv.data());
    return 127;
  });
}

// A fork of this process on that host.
inline Child fork_on(const Hosts& hosts, uint32_t host, const std::function<void()>& body) {
  return Child([&] {
    hosts.enter(host);
    body();
  });
}

}  // namespace casbook::test_support
