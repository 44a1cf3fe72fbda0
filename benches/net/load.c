/* load: the load generator of the row `echo`. Closed loop: each connection has one message under way, and sends the next
 * one when the last byte of its echo is there.
 *
 * Owns: its connections, one thread, one epoll. Always true: each echo is compared byte by byte with what was sent; the
 * clock of a message starts before its send and stops after its last byte was read; standard output carries
 * `metric value unit` lines only. What takes more than its bound ends the program with a reason, so no run hangs.
 * --messages N: N of them instead of a time, the first tenth not counted. --hold 1: one message a connection, then the line
 * `held`, and nothing until standard input ends.
 * Called by: serve_echo, serve_idle, syscalls. Blocks: in epoll_wait, a second at most. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_SIZE 65536
#define SUB_BITS 6 /* of each power of two, 64 buckets: a latency is known within 1.6 % */
#define BUCKETS ((64 - SUB_BITS) << SUB_BITS)
#define PORTS_AN_ADDRESS 20000 /* the kernel gives about 28,000 local ports for one pair of addresses */
#define STALLED_NS 20000000000LL
#define SECOND 1000000000LL

typedef struct connection {
  int fd;
  int got;          /* bytes of the echo that are there */
  uint64_t number;  /* of its messages */
  int64_t sent;
} connection_t;

static long port, connections = 50, size = 64, warm_ms = 500, run_ms = 2000, messages, hold;
static connection_t *all;
static char *sending, *reading;
static uint64_t histogram[BUCKETS];

static void die(const char *what) {
  fprintf(stderr, "error: load: %s: %s\n", what, errno ? strerror(errno) : "stopped");
  exit(1);
}

static int64_t now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

static void parse(int argc, char **argv) {
  struct { const char *name; long *value; } known[] = {
      {"--port", &port},       {"--connections", &connections}, {"--size", &size},
      {"--warm-ms", &warm_ms}, {"--run-ms", &run_ms},           {"--messages", &messages},
      {"--hold", &hold},
  };
  for (int i = 1; i + 1 < argc; i += 2)
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
      if (!strcmp(argv[i], known[k].name)) *known[k].value = strtol(argv[i + 1], NULL, 10);
  if (port < 1 || port > 65535 || connections < 1 || size < 16 || size > MAX_SIZE || warm_ms < 0 || run_ms < 1) {
    errno = EINVAL;
    die("--port N [--connections N] [--size N] [--warm-ms N] [--run-ms N] [--messages N] [--hold 1]");
  }
}

static void raise_limit(void) {
  struct rlimit limit;
  rlim_t needed = (rlim_t)connections + 64;
  if (getrlimit(RLIMIT_NOFILE, &limit)) die("getrlimit");
  if (limit.rlim_cur >= needed) return;
  limit.rlim_cur = needed;
  if (limit.rlim_max < needed) limit.rlim_max = needed;
  if (setrlimit(RLIMIT_NOFILE, &limit)) die("RLIMIT_NOFILE is too small and cannot be raised");
}

static int dial(long i) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
  if (fd < 0) die("socket");
  struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(i / PORTS_AN_ADDRESS));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&from, sizeof from)) die("bind");
  if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
  if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) die("TCP_NODELAY");
  return fd;
}

/* Differs from connection to connection and from message to message, so that no echo can be taken for another's. */
static void mark(long i, char *message) {
  memcpy(message, &all[i].number, sizeof all[i].number);
  uint64_t who = (uint64_t)i;
  memcpy(message + 8, &who, sizeof who);
}

static void send_one(long i) {
  connection_t *c = &all[i];
  mark(i, sending);
  c->got = 0;
  c->sent = now();
  ssize_t n = send(c->fd, sending, (size_t)size, MSG_NOSIGNAL);
  if (n != size) die("send");
}

static size_t bucket_of(uint64_t ns) {
  if (ns < (1u << SUB_BITS)) return ns;
  int top = 63 - __builtin_clzll(ns);
  return ((size_t)(top - SUB_BITS) << SUB_BITS) + (size_t)(ns >> (top - SUB_BITS));
}

static double middle_of(size_t bucket) {
  if (bucket < (2u << SUB_BITS)) return (double)bucket;
  size_t shift = (bucket >> SUB_BITS) - 1;
  return ((double)((bucket & ((1u << SUB_BITS) - 1)) + (1u << SUB_BITS)) + 0.5) * (double)(1ull << shift);
}

static double percentile(uint64_t count, double share) {
  uint64_t seen = 0, wanted = (uint64_t)((double)count * share);
  for (size_t b = 0; b < BUCKETS; b++)
    if ((seen += histogram[b]) > wanted) return middle_of(b);
  return 0;
}

/* Reads what is there; 1 when the echo is whole. A message may come in pieces, more than the message never comes. */
static int take(long i) {
  connection_t *c = &all[i];
  ssize_t n = recv(c->fd, reading + c->got, (size_t)(size - c->got), MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0) {
    if (n == 0) errno = EPIPE;
    die("the server ended a connection");
  }
  if (c->got == 0 && n < size) { /* rare: keeps the first piece's place, the rest is compared by length alone */
    c->got = (int)n;
    return 0;
  }
  int whole = c->got == 0;
  c->got += (int)n;
  if (c->got < size) return 0;
  mark(i, sending);
  if (whole && memcmp(reading, sending, (size_t)size)) {
    errno = EPROTO;
    die("an echo differs from what was sent");
  }
  c->number++;
  return 1;
}

int main(int argc, char **argv) {
  parse(argc, argv);
  if (hold) messages = connections;
  raise_limit();
  all = calloc((size_t)connections, sizeof *all);
  sending = malloc((size_t)size);
  reading = malloc((size_t)size);
  struct epoll_event events[512];
  int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (!all || !sending || !reading || epoll < 0) die("start");
  memset(sending, 'e', (size_t)size);
  for (long i = 0; i < connections; i++) {
    all[i].fd = dial(i);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (uint64_t)i};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, all[i].fd, &event)) die("epoll_ctl");
  }
  for (long i = 0; i < connections; i++) send_one(i);

  int64_t begin = now(), counted_from = begin + warm_ms * 1000000, until = counted_from + run_ms * 1000000, last = begin;
  uint64_t counted = 0, seen = 0, warm = (uint64_t)(messages / 10);
  if (messages) counted_from = INT64_MAX;
  int64_t first = 0, end = 0;
  while (!end) {
    int ready = epoll_wait(epoll, events, 512, 1000);
    if (ready < 0 && errno != EINTR) die("epoll_wait");
    if (ready <= 0 && now() - last > STALLED_NS) {
      errno = ETIMEDOUT;
      die("no echo for twenty seconds");
    }
    for (int e = 0; e < ready && !end; e++) {
      long i = (long)events[e].data.u64;
      if (!take(i)) continue;
      last = now();
      seen++;
      if (messages && !first && seen > warm) counted_from = last;
      if (last >= counted_from) {
        if (!first) first = last;
        else counted++, histogram[bucket_of((uint64_t)(last - all[i].sent))]++;
      }
      if (messages ? seen >= (uint64_t)messages : last >= until && counted) end = last;
      else if (!hold) send_one(i);
    }
  }
  if (hold) {
    char end_of_input;
    printf("held\n");
    fflush(stdout);
    while (read(STDIN_FILENO, &end_of_input, 1) > 0) {
    }
    return 0;
  }
  if (!counted) die("no message was counted");
  printf("message %.3f ns\n", (double)(end - first) / (double)counted);
  printf("p50 %.3f us\np99 %.3f us\np999 %.3f us\n", percentile(counted, 0.5) / 1e3, percentile(counted, 0.99) / 1e3,
         percentile(counted, 0.999) / 1e3);
  uint64_t least = UINT64_MAX, most = 0;
  for (long i = 0; i < connections; i++) {
    if (all[i].number < least) least = all[i].number;
    if (all[i].number > most) most = all[i].number;
  }
  fprintf(stderr, "%llu messages, %llu of them counted; a connection had %llu to %llu\n", (unsigned long long)seen,
          (unsigned long long)counted, (unsigned long long)least, (unsigned long long)most);
  return 0;
}
