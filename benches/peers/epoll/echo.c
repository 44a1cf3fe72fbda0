/* echo_epoll: what a C programmer writes by hand: one thread, one level-triggered epoll, one recv and one send a message.
 * The yardstick of the row `echo`; it has no tasks and does nothing else. */
#define _GNU_SOURCE
#include "net_frame.h"
#include <sys/epoll.h>

#define EVENTS 512

static int epoll;

static void watch(int fd) {
  struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) net_die("epoll_ctl");
}

static void take_in(int listener) {
  int fd;
  while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
    net_no_delay(fd);
    watch(fd);
  }
  if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) net_die("accept");
}

static void echo(int fd) {
  char buffer[ECHO_BUFFER];
  ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  /* A closed loop of small messages never fills a socket; one that does is not what is measured, and is closed. */
  if (n <= 0 || send(fd, buffer, (size_t)n, MSG_NOSIGNAL) != n) close(fd);
}

int main(void) {
  struct epoll_event events[EVENTS];
  int listener = net_listen(SOCK_NONBLOCK);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) net_die("epoll_create1");
  watch(listener);
  net_tell_port(listener);
  for (;;) {
    int ready = epoll_wait(epoll, events, EVENTS, -1);
    if (ready < 0 && errno != EINTR) net_die("epoll_wait");
    for (int e = 0; e < ready; e++) {
      if (events[e].data.fd == listener) take_in(listener);
      else echo(events[e].data.fd);
    }
  }
}
