/* echo: a server, one task a connection, which reads what is there and writes it back. ../serve_echo.py drives it from
 * outside; it ends when it is killed. Also the server of the row `idle_connections`.
 *
 * Always true: nothing is tuned for the row; this is what a user of gmp_recv and gmp_send writes. */
#include "gmp_frame.h"
#include "net_frame.h"

static void serve(void *arg) {
  int fd = (int)(intptr_t)arg;
  char buffer[ECHO_BUFFER];
  for (;;) {
    ssize_t n = gmp_recv(fd, buffer, sizeof buffer, 0, GMP_FOREVER);
    if (n <= 0 || gmp_write(fd, buffer, (size_t)n, GMP_FOREVER) != n) break;
  }
  gmp_close_fd(fd);
}

static void listen_and_serve(void *unused) {
  (void)unused;
  int listener = gmp_listen("tcp", "127.0.0.1:0");
  CHECK(listener);
  net_tell_port(listener);
  for (;;) {
    int fd = gmp_accept(listener, NULL, NULL, GMP_FOREVER);
    CHECK(fd);
    CHECK(gmp_go(serve, (void *)(intptr_t)fd));
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, listen_and_serve); }
