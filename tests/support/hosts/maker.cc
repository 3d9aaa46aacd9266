#include "support/hosts/maker.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/child_process.h"

namespace casbook::test_support {
namespace {

constexpr size_t kTextBytes = 256;

// What sendmsg and recvmsg need for a text and at most one descriptor.
struct Letter {
  Letter() {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
  }
  char text[kTextBytes]{};
  iovec piece{text, sizeof(text)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
  msghdr message{};
};

void send_letter(int channel, const std::string& text, int descriptor) {
  Letter letter;
  text.copy(letter.text, kTextBytes - 1);
  if (descriptor < 0) {
    letter.message.msg_controllen = 0;
  } else {
    cmsghdr* header = CMSG_FIRSTHDR(&letter.message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  }
  sendmsg(channel, &letter.message, MSG_NOSIGNAL);
}

std::string receive_letter(int channel, int& descriptor) {
  Letter letter;
  if (recvmsg(channel, &letter.message, MSG_CMSG_CLOEXEC) <= 0)
    return "the process that makes a host has died";
  if (const cmsghdr* header = CMSG_FIRSTHDR(&letter.message))
    std::memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
  return letter.text;
}

}  // namespace

Maker::Maker(const std::function<std::string(int&)>& make) {
  const pid_t parent = getpid();
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0 || (pid_ = fork()) < 0) {
    pid_ = -1;
    why_not_ = std::string("a process that makes a host: ") + std::strerror(errno);
    return;
  }
  if (pid_ == 0) {
    die_with(parent);
    int descriptor = -1;
    const std::string why = make(descriptor);
    send_letter(ends[1], why, descriptor);
    for (;;) pause();  // its namespaces are opened meanwhile
  }
  close(ends[1]);
  channel_ = ends[0];
  why_not_ = receive_letter(channel_, descriptor_);
}

Maker::~Maker() {
  if (channel_ >= 0) close(channel_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

int Maker::open_namespace(const char* kind) {
  const std::string path = "/proc/" + std::to_string(pid_) + "/ns/" + kind;
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && why_not_.empty()) why_not_ = path + ": " + std::strerror(errno);
  return fd;
}

}  // namespace casbook::test_support
