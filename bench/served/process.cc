#include "served/process.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace casbook::bench {
namespace {

constexpr int kNotRun = 127;

cpu_set_t cores_of(int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  if (core >= 0)
    CPU_SET(core, &cores);
  else
    for (int i = 0; i < CPU_SETSIZE; ++i) CPU_SET(i, &cores);
  return cores;
}

void send_output_to(const std::string& path) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND;
  const int fd = open(path.empty() ? "/dev/null" : path.c_str(), flags, 0644);
  if (fd < 0) _exit(kNotRun);
  dup2(fd, 1);
  dup2(fd, 2);
}

void become(const char* user) {
  if (!user || geteuid() != 0) return;
  const passwd* entry = getpwnam(user);
  if (!entry || setgroups(0, nullptr) != 0 || setgid(entry->pw_gid) != 0 ||
      setuid(entry->pw_uid) != 0)
    _exit(kNotRun);
}

[[noreturn]] void execute(const Command& command) {
  std::vector<char*> words;
  for (const std::string& word : command.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  for (const auto& [name, value] : command.environment) setenv(name.c_str(), value.c_str(), 1);
  send_output_to(command.output);
  if (command.before) command.before();
  become(command.user);
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // behind the change of user, which would undo it
  execvp(words[0], words.data());
  _exit(kNotRun);
}

int status_of(int raw) { return WIFEXITED(raw) ? WEXITSTATUS(raw) : -1; }

}  // namespace

Process::Process(const Command& command) : pid_(fork()) {
  if (pid_ < 0)
    pid_ = 0;
  else if (pid_ == 0)
    execute(command);
}

Process& Process::operator=(Process&& other) noexcept {
  stop(SIGKILL);
  pid_ = other.pid_;
  other.pid_ = 0;
  return *this;
}

bool Process::is_running() {
  if (pid_ == 0) return false;
  if (waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = 0;
  return false;
}

int Process::stop(int signal) {
  if (pid_ == 0) return -1;
  kill(pid_, signal);
  return wait();
}

int Process::wait() {
  if (pid_ == 0) return -1;
  int status = 0;
  const bool ended = waitpid(pid_, &status, 0) == pid_;
  pid_ = 0;
  return ended ? status_of(status) : -1;
}

bool run_to_end(const Command& command) { return Process(command).wait() == 0; }

void pin_process(pid_t pid, int core) {
  const cpu_set_t cores = cores_of(core);
  std::error_code ignored;
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  for (const auto& task : std::filesystem::directory_iterator(tasks, ignored))
    sched_setaffinity(std::atoi(task.path().filename().c_str()), sizeof(cores), &cores);
}

void pin_thread(int core) {
  const cpu_set_t cores = cores_of(core);
  sched_setaffinity(0, sizeof(cores), &cores);
}

std::string last_line(const std::string& path) {
  std::ifstream file(path);
  std::string line, last;
  while (std::getline(file, line))
    if (!line.empty()) last = line;
  return last;
}

}  // namespace casbook::bench
