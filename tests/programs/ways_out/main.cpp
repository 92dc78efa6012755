// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "attempt.h"

namespace escape {

bool wasLetIn(long result) { return result >= 0 || (errno != EPERM && errno != EACCES && errno != ENOSYS); }

bool opens(const std::string& path, int flags) {
  int fd = open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

namespace {

bool endsWell(pid_t child) {
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool childDoes(bool (*what)(const Words&), const Words& words) {
  pid_t child = fork();
  if (child == 0) _exit(what(words) ? 0 : 1);
  return endsWell(child);
}

bool childDoes(bool (*what)()) {
  pid_t child = fork();
  if (child == 0) _exit(what() ? 0 : 1);
  return endsWell(child);
}

}  // namespace escape

int main(int argc, char** argv) {
  using namespace escape;
  const bool list = argc == 2 && std::strcmp(argv[1], "--list") == 0;
  for (auto attempts :
       {fileAttempts(), groupAttempts(), kernelAttempts(), networkAttempts(), processAttempts(), spaceAttempts()}) {
    for (const Attempt& attempt : attempts) {
      if (list) std::printf("%s\t%s\n", attempt.name, attempt.tries);
      if (list || argc < 2 || std::strcmp(argv[1], attempt.name) != 0) continue;
      Words words(argv + 2, argv + argc);
      if (words.size() < attempt.words) return 2;
      errno = 0;
      bool through = attempt.getsThrough(words);
      std::printf("%s: %s (%s)\n", attempt.name, through ? "through" : "held", std::strerror(errno));
      return through ? 0 : 1;
    }
  }
  return list ? 0 : 2;
}
