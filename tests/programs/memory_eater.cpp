// SPDX-License-Identifier: Apache-2.0
// memory_eater MIB [KEEP]: touches that much memory, a MiB at a time, says "ate N" at the end (or "refused at N" when
// an allocation fails), and with KEEP sleeps on it.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

int main(int argc, char** argv) {
  long wanted = argc > 1 ? std::atol(argv[1]) : 64;
  constexpr std::size_t kMiB = 1 << 20;
  for (long i = 0; i < wanted; ++i) {
    void* block = mmap(nullptr, kMiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) {
      std::printf("refused at %ld\n", i);
      return 1;
    }
    std::memset(block, 1, kMiB);
  }
  std::printf("ate %ld\n", wanted);
  std::fflush(stdout);
  while (argc > 2) pause();
  return 0;
}
