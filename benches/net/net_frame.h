/* What the servers of the benches in C share: the listening socket, and the line that tells its port.
 *
 * Owns: nothing. Always true: the socket listens on loopback, on a port of the kernel's choice, with the longest backlog;
 * `port N` on standard output comes once connections are taken in. Called by: the servers beside it. */
#ifndef BENCH_NET_FRAME_H
#define BENCH_NET_FRAME_H
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Small, as the messages are: what a waiting connection holds is a figure of the row `idle_connections`. */
#define ECHO_BUFFER 1024

static inline void net_die(const char *what) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(errno));
  exit(1);
}

static inline void net_tell_port(int fd) {
  struct sockaddr_in at;
  socklen_t length = sizeof at;
  if (getsockname(fd, (struct sockaddr *)&at, &length)) net_die("getsockname");
  printf("port %d\n", ntohs(at.sin_port));
  fflush(stdout);
}

static inline int net_listen(int flags) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 65535)) net_die("listen");
  return fd;
}

static inline void net_no_delay(int fd) {
  int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
#endif
