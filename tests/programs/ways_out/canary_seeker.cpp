// SPDX-License-Identifier: Apache-2.0
// canary_seeker HEX [PID | DIRECTORY]…: looks for a secret and says where it is: "found PLACE". HEX is the secret with
// each byte's bits turned over, so that this program itself does not hold it. Without more words it looks through
// whatever it can reach: its own memory, that of each process it can open, their environments and command lines, its
// descriptors, and every file below /. With them, through the memory of that process or the files of that directory.
// Ends with 0 when it found nothing, 1 when it did.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

constexpr std::size_t kBlock = 1 << 20;
constexpr unsigned char kTurn = 0xff;
std::vector<unsigned char> turned;
long found = 0, regions = 0, files = 0, descriptors = 0, processes = 0;

bool holds(const unsigned char* data, std::size_t size) {
  auto same = [](unsigned char byte, unsigned char other) { return static_cast<unsigned char>(byte ^ kTurn) == other; };
  return std::search(data, data + size, turned.begin(), turned.end(), same) != data + size;
}

void tell(const std::string& place) {
  ++found;
  std::printf("found %s\n", place.c_str());
}

// In overlapping blocks. The buffer is wiped: it would be found in this process's own memory.
bool isIn(int fd, std::uint64_t from, std::uint64_t to) {
  static std::vector<unsigned char> buffer(kBlock);
  bool is = false;
  for (std::uint64_t at = from; at < to && !is;) {
    const ssize_t got = pread(fd, buffer.data(), std::min<std::uint64_t>(kBlock, to - at), static_cast<off_t>(at));
    if (got <= 0) break;
    const auto size = static_cast<std::size_t>(got);
    is = holds(buffer.data(), size);
    at += size;
    if (size == kBlock && at < to) at -= turned.size();
  }
  std::fill(buffer.begin(), buffer.end(), std::uint8_t{0});
  return is;
}

void searchFile(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return;
  ++files;
  if (isIn(fd, 0, 64 << 20)) tell(path);
  close(fd);
}

void searchMemory(const std::string& process) {
  std::FILE* maps = std::fopen((process + "/maps").c_str(), "re");
  int memory = open((process + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
  if (maps == nullptr || memory < 0) return;
  ++processes;
  char line[4096];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long from = 0, to = 0;
    char access[5] = {};
    if (std::sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[0] != 'r') continue;
    ++regions;
    line[std::strcspn(line, "\n")] = '\0';
    if (isIn(memory, from, to)) tell(process + " " + line);
  }
  std::fclose(maps);
  close(memory);
}

void searchProcess(const std::string& process) {
  for (const char* name : {"/environ", "/cmdline"}) searchFile(process + name);
  searchMemory(process);
  DIR* list = opendir((process + "/fd").c_str());
  while (const dirent* entry = list == nullptr ? nullptr : readdir(list)) {
    const std::string path = process + "/fd/" + entry->d_name;
    struct stat info{};
    if (entry->d_name[0] == '.' || stat(path.c_str(), &info) != 0) continue;
    ++descriptors;
    if (S_ISREG(info.st_mode)) searchFile(path);
  }
  if (list != nullptr) closedir(list);
}

void searchProcesses() {
  DIR* list = opendir("/proc");
  while (const dirent* entry = list == nullptr ? nullptr : readdir(list)) {
    if (std::atoi(entry->d_name) > 0) searchProcess(std::string("/proc/") + entry->d_name);
  }
  if (list != nullptr) closedir(list);
}

void searchDirectory(const std::string& directory, int depth) {
  DIR* list = opendir(directory.empty() ? "/" : directory.c_str());
  while (const dirent* entry = list == nullptr ? nullptr : readdir(list)) {
    const std::string name = entry->d_name, path = directory + "/" + name;
    struct stat info{};
    // /usr is the host's own programs, the same for everybody.
    if (name == "." || name == ".." || path == "/proc" || path == "/sys" || path == "/usr") continue;
    if (lstat(path.c_str(), &info) != 0) continue;
    if (S_ISREG(info.st_mode)) searchFile(path);
    if (S_ISDIR(info.st_mode) && depth < 64) searchDirectory(path, depth + 1);
  }
  if (list != nullptr) closedir(list);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || std::strlen(argv[1]) < 16) return 2;
  for (const char* digit = argv[1]; digit[0] != '\0' && digit[1] != '\0'; digit += 2) {
    const char pair[3] = {digit[0], digit[1], '\0'};
    turned.push_back(static_cast<unsigned char>(std::strtoul(pair, nullptr, 16)));
  }
  for (int i = 2; i < argc; ++i) {
    if (argv[i][0] == '/') {
      searchDirectory(argv[i], 0);
    } else {
      searchProcess(std::string("/proc/") + argv[i]);
    }
  }
  if (argc == 2) {
    searchProcesses();
    searchDirectory("", 0);
  }
  std::printf("searched processes=%ld regions=%ld files=%ld descriptors=%ld found=%ld\n", processes, regions, files,
              descriptors, found);
  return found == 0 ? 0 : 1;
}
