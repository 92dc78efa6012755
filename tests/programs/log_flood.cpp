// SPDX-License-Identifier: Apache-2.0
// log_flood LINES [WIDTH [stderr]]: numbered lines, padded with 'x' to WIDTH, as fast as they go.
#include <cstdio>
#include <cstdlib>
#include <string>

int main(int argc, char** argv) {
  long lines = argc > 1 ? std::atol(argv[1]) : 1000;
  std::size_t width = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 0;
  std::FILE* out = argc > 3 ? stderr : stdout;
  static char buffer[1 << 16];
  std::setvbuf(out, buffer, _IOFBF, sizeof buffer);
  for (long i = 0; i < lines; ++i) {
    std::string line = "line " + std::to_string(i);
    if (line.size() < width) line.append(width - line.size(), 'x');
    line += '\n';
    std::fwrite(line.data(), 1, line.size(), out);
  }
  return std::fflush(out) == 0 ? 0 : 1;
}
