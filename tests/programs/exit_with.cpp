// SPDX-License-Identifier: Apache-2.0
// exit_with CODE [STDOUT [STDERR]]: prints the texts as they are, without a newline, and exits with CODE; "-N" ends by
// signal N instead.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  for (int i = 2; i < argc && i < 4; ++i) {
    if (write(i - 1, argv[i], std::strlen(argv[i])) < 0) return 3;
  }
  int code = std::atoi(argv[1]);
  if (code >= 0) return code;
  raise(-code);
  return 4;
}
