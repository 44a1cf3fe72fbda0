/* sockets: what a message costs a server by epoll and by io_uring, behind a choice in docs/DECISIONS.md ("I/O").
 *
 *     cc -O2 sockets.c -luring -o sockets && ./sockets 50 50      (Debian: liburing-dev; connections, ready at once)
 *
 * One thread plays both ends of TCP connections on loopback: it sends `ready` messages of 64 bytes, then serves them, which
 * alone is timed, then takes the echoes. So neither another CPU nor another process is in the figures; of some thousand
 * rounds, in which the ways take turns, the quartiles are shown. Ends with a reason at the first thing that is not as
 * expected. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { LEVEL, EDGE, POLLED, OPERATIONS, MULTISHOT, WAYS };
static const char *const NAMES[WAYS] = {
    "epoll, level, recv and send", "epoll, edge, recv and send",       "io_uring POLL_ADD, recv and send",
    "io_uring RECV and SEND",      "io_uring RECV multishot and SEND",
};
enum { MOST = 2048, MESSAGE = 64, ROOM = 1024, BUFFERS = 4096, MESSAGES = 200000, BLOCKS = 5 };
#define RECV (1ull << 60) /* in user_data, above the connection; none: a readiness */
#define SEND (2ull << 60)

static int way, connections, epoll;
static int clients[MOST], servers[MOST];
static char room[MOST][ROOM], pool[BUFFERS][ROOM];
static struct io_uring ring;
static struct io_uring_buf_ring *given;

static void die(const char *what, int code) {
  fprintf(stderr, "error: %s: %s\n", what, strerror(code));
  exit(1);
}

static int64_t now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct io_uring_sqe *entry(uint64_t data) {
  struct io_uring_sqe *e;
  while (!(e = io_uring_get_sqe(&ring))) io_uring_submit(&ring);
  e->user_data = data;
  return e;
}

static void arm(int i) {
  struct io_uring_sqe *e = entry(0);
  if (way == POLLED) {
    io_uring_prep_poll_multishot(e, servers[i], POLLIN | POLLRDHUP);
  } else if (way == OPERATIONS) {
    io_uring_prep_recv(e, servers[i], room[i], ROOM, 0);
  } else {
    io_uring_prep_recv_multishot(e, servers[i], NULL, 0, 0);
    e->flags |= IOSQE_BUFFER_SELECT;
    e->buf_group = 1;
  }
  e->user_data = (uint64_t)i | (way == POLLED ? 0 : RECV);
}

static int echo(int i) {
  ssize_t n = recv(servers[i], room[i], ROOM, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return 0;
  if (n <= 0 || send(servers[i], room[i], (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n) die("echo", errno);
  return 1;
}

static void give(int buffer) { io_uring_buf_ring_add(given, pool[buffer], ROOM, (unsigned short)buffer, BUFFERS - 1, 0); }

/* One completion; 1 when it ends a message. */
static int complete(const struct io_uring_cqe *c) {
  int i = (int)(c->user_data & 0xffff), buffer = (int)(c->user_data >> 32 & 0xffff), done = 0;
  int armed = (c->flags & IORING_CQE_F_MORE) != 0;
  if (c->user_data & SEND) {
    if (c->res <= 0) die("send", -c->res);
    if (way == MULTISHOT) {
      give(buffer);
      io_uring_buf_ring_advance(given, 1);
    } else {
      arm(i);
    }
    return 1;
  }
  if (c->user_data & RECV) {
    if (c->res <= 0 && c->res != -ENOBUFS) die("recv", -c->res);
    if (c->res > 0) {
      int from = way == MULTISHOT ? (int)(c->flags >> IORING_CQE_BUFFER_SHIFT) : 0;
      struct io_uring_sqe *e = entry(0);
      io_uring_prep_send(e, servers[i], way == MULTISHOT ? pool[from] : room[i], (size_t)c->res, MSG_NOSIGNAL);
      e->user_data = SEND | (uint64_t)from << 32 | (uint64_t)i;
    }
    if (way == MULTISHOT && !armed) arm(i);
    return 0;
  }
  done = echo(i);
  if (!armed) arm(i);
  return done;
}

static void serve(int ready) {
  struct epoll_event events[512];
  for (int done = 0; done < ready;) {
    if (way <= EDGE) {
      int n = epoll_wait(epoll, events, 512, -1);
      for (int e = 0; e < n; e++)
        if (events[e].events & EPOLLIN) done += echo((int)events[e].data.u32);
      continue;
    }
    int code = io_uring_submit_and_wait(&ring, 1);
    if (code < 0) die("io_uring_enter", -code);
    struct io_uring_cqe *c;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&ring, head, c) seen++, done += complete(c);
    io_uring_cq_advance(&ring, seen);
  }
  if (way == OPERATIONS) io_uring_submit(&ring); /* a server would join this with its next wait */
}

static void open_way(int listener, const struct sockaddr_in *at) {
  int one = 1;
  for (int i = 0; i < connections; i++) {
    clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (clients[i] < 0 || connect(clients[i], (const struct sockaddr *)at, sizeof *at)) die("connect", errno);
    if ((servers[i] = accept(listener, NULL, NULL)) < 0) die("accept", errno);
    setsockopt(clients[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(servers[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }
  if (way <= EDGE) {
    epoll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
      unsigned edge = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
      struct epoll_event event = {.events = way == EDGE ? edge : EPOLLIN, .data.u32 = (unsigned)i};
      if (epoll_ctl(epoll, EPOLL_CTL_ADD, servers[i], &event)) die("epoll_ctl", errno);
    }
    return;
  }
  struct io_uring_params with = {.cq_entries = 2 * BUFFERS};
  with.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
  int code = io_uring_queue_init_params(MOST, &ring, &with);
  if (code < 0) die("io_uring_setup", -code);
  if (way == MULTISHOT) {
    if (posix_memalign((void **)&given, 4096, BUFFERS * sizeof(struct io_uring_buf))) die("memory", ENOMEM);
    memset(given, 0, BUFFERS * sizeof(struct io_uring_buf));
    struct io_uring_buf_reg group = {.ring_addr = (uintptr_t)given, .ring_entries = BUFFERS, .bgid = 1};
    if ((code = io_uring_register_buf_ring(&ring, &group, 0)) < 0) die("io_uring_register", -code);
    for (int b = 0; b < BUFFERS; b++) {
      io_uring_buf_ring_add(given, pool[b], ROOM, (unsigned short)b, BUFFERS - 1, b);
    }
    io_uring_buf_ring_advance(given, BUFFERS);
  }
  for (int i = 0; i < connections; i++) arm(i);
  io_uring_submit(&ring);
}

static void close_way(void) {
  if (way <= EDGE) close(epoll);
  else io_uring_queue_exit(&ring);
  if (way == MULTISHOT) free(given);
  for (int i = 0; i < connections; i++) close(clients[i]), close(servers[i]);
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  connections = argc > 1 ? atoi(argv[1]) : 50;
  int ready = argc > 2 ? atoi(argv[2]) : connections, at = 0;
  if (connections < 1 || connections > MOST || ready < 1 || ready > connections) die("sockets CONNECTIONS READY", EINVAL);
  int rounds = MESSAGES / ready / BLOCKS + 1;
  double *took[WAYS];
  for (int w = 0; w < WAYS; w++) took[w] = malloc((size_t)(rounds * BLOCKS) * sizeof(double));
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 4096)) die("listen", errno);
  getsockname(listener, (struct sockaddr *)&address, &length);
  for (int block = 0; block < BLOCKS; block++) {
    for (way = 0; way < WAYS; way++) {
      open_way(listener, &address);
      for (int round = -20; round < rounds; round++) {
        char message[ROOM] = "an echo";
        for (int k = 0; k < ready; k++)
          if (send(clients[(at + k) % connections], message, MESSAGE, 0) != MESSAGE) die("client's send", errno);
        int64_t start = now();
        serve(ready);
        if (round >= 0) took[way][block * rounds + round] = (double)(now() - start) / ready;
        for (int k = 0; k < ready; k++)
          if (recv(clients[(at + k) % connections], message, ROOM, 0) != MESSAGE) die("client's recv", errno);
        at = (at + ready) % connections;
      }
      close_way();
    }
  }
  size_t n = (size_t)(rounds * BLOCKS);
  for (int w = 0; w < WAYS; w++) {
    qsort(took[w], n, sizeof(double), by_size);
    printf("%4d connections, %4d ready: %-33s first quartile %6.0f ns, median %6.0f, of the first way's %.2f\n", connections,
           ready, NAMES[w], took[w][n / 4], took[w][n / 2], took[w][n / 4] / took[0][n / 4]);
  }
  return 0;
}
