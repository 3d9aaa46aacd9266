#include <sys/wait.h>
#include <unistd.h>

#include "support/hunt.h"

namespace casbook::test {

std::string hunt_in_child(unsigned seconds_max, const std::function<std::string()>& hunt) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    alarm(seconds_max);
    const std::string violation = hunt();
    (void)!write(ends[1], violation.data(), violation.size());
    _exit(0);
  }
  close(ends[1]);
  std::string caught;
  char text[256];
  for (ssize_t got; (got = read(ends[0], text, sizeof text)) > 0;)
    caught.append(text, static_cast<size_t>(got));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status))
    caught = WTERMSIG(status) == SIGABRT ? "an assert of the engine" : "it never ends";
  return caught;
}

}  // namespace casbook::test
