/* Streams of bytes: TCP, Unix sockets, pipes, FIFOs, ttys in raw mode. What holds for all of them is in io_suite.h. */
#define _GNU_SOURCE
#include <termios.h>

#include "io_suite.h"

static void tcp4(struct line *l) { make_tcp(l, AF_INET); }
static void tcp6(struct line *l) { make_tcp(l, AF_INET6); }
static void unix_stream(struct line *l) { make_pair(l, SOCK_STREAM); }

SCENARIO(tcp_over_ipv4) {
    static const struct kind_of_line kind = {.make = tcp4};
    suite(&kind);
}

SCENARIO(tcp_over_ipv6) {
    static const struct kind_of_line kind = {.make = tcp6};
    suite(&kind);
}

SCENARIO(unix_streams) {
    static const struct kind_of_line kind = {.make = unix_stream};
    suite(&kind);
}

SCENARIO(pipes) {
    static const struct kind_of_line kind = {.make = make_pipe};
    suite(&kind);
}

/* The open of one end waits for the other. */
static ssize_t do_open(struct call *c) { return gmp_open(c->bytes, (int)c->n, 0); }

static void fifo(struct line *l) {
    static int turn;
    struct place p;
    struct async reader;
    place_make(&p);
    CHECK_EQ(mkfifo(p.path, 0600), 0);
    async_start(&reader, turn++ % 2 ? THREAD : TASK, do_open, -1, p.path, O_RDONLY);
    l->in = gmp_open(p.path, O_WRONLY, 0);
    CHECK(l->in >= 0);
    l->out = (int)async_end(&reader);
    CHECK(l->out >= 0);
    CHECK_EQ(fcntl(l->in, F_GETFD) & fcntl(l->out, F_GETFD), FD_CLOEXEC);
    place_end(&p);
}

SCENARIO(fifos) {
    static const struct kind_of_line kind = {.make = fifo};
    suite(&kind);
}

/* The line leads from the master to the slave. */
static void raw_tty(struct line *l) {
    struct termios mode;
    l->in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (l->in < 0) SKIP("no pseudo-terminals here");
    CHECK_EQ(grantpt(l->in), 0);
    CHECK_EQ(unlockpt(l->in), 0);
    l->out = open(ptsname(l->in), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(l->out >= 0);
    CHECK_EQ(tcgetattr(l->out, &mode), 0);
    cfmakeraw(&mode);
    CHECK_EQ(tcsetattr(l->out, TCSANOW, &mode), 0);
}

static void raw_tty_back(struct line *l) {
    raw_tty(l);
    *l = (struct line){l->out, l->in};
}

SCENARIO(raw_ttys_from_master_to_slave) {
    static const struct kind_of_line kind = {.make = raw_tty, .tty = 1};
    suite(&kind);
}

SCENARIO(raw_ttys_from_slave_to_master) {
    static const struct kind_of_line kind = {.make = raw_tty_back, .tty = 1};
    suite(&kind);
}
