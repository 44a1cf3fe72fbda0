/* Ttys in canonical mode, and their hang-up. */
#define _GNU_SOURCE
#include <termios.h>

#include "fds.h"

/* `in` is the master, where somebody types; `out` the slave, where a program reads. */
static void make_tty(struct line *l) {
    struct termios mode;
    l->in = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (l->in < 0) SKIP("no pseudo-terminals here");
    CHECK_EQ(grantpt(l->in), 0);
    CHECK_EQ(unlockpt(l->in), 0);
    l->out = open(ptsname(l->in), O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(l->out >= 0);
    CHECK_EQ(tcgetattr(l->out, &mode), 0);
    mode.c_lflag |= ICANON | ISIG;
    mode.c_lflag &= ~(tcflag_t)ECHO;
    CHECK_EQ(tcsetattr(l->out, TCSANOW, &mode), 0);
}

/* A line at a time, and only when its end has come; ^D at its beginning is an end that passes. */
static void lines_come_whole(enum kind reader, int nonblocking) {
    struct line l;
    struct async r;
    char got[64];
    make_tty(&l);
    set_nonblocking(l.in, nonblocking);
    set_nonblocking(l.out, nonblocking);
    async_start(&r, reader, do_read, l.out, got, sizeof got);
    until_waits(&r);
    CHECK_EQ(gmp_write(l.in, "not yet", 7, SOON()), 7);
    CHECK_EQ(gmp_poll_fd(l.out, POLLIN, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_write(l.in, ", now\nnext\n", 11, SOON()), 11);
    CHECK_EQ(async_end(&r), 13);
    CHECK(memcmp(got, "not yet, now\n", 13) == 0);
    CHECK_EQ(gmp_read(l.out, got, 2, SOON()), 2);
    CHECK_EQ(gmp_read(l.out, got + 2, sizeof got - 2, SOON()), 3);
    CHECK(memcmp(got, "next\n", 5) == 0);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, gmp_after_ns(2 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_write(l.in, "\004", 1, SOON()), 1);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, SOON()), 0);
    CHECK_EQ(gmp_write(l.in, "on\n", 3, SOON()), 3);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, SOON()), 3);
    CHECK_EQ(!!(flags_of(l.out) & O_NONBLOCK), nonblocking);
    line_close(&l);
}

SCENARIO(canonical_mode_gives_lines) {
    check_start(2);
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        lines_come_whole(TASK, nonblocking);
        lines_come_whole(THREAD, nonblocking);
    }
}

/* The master's close is the end for who reads the slave, and EIO for who writes it. The kernel wakes a waiting reader
 * before the slave is hung up: a read in between is EIO (pty_close and n_tty_read of Linux). */
SCENARIO(hang_up_ends_the_reader_of_the_slave) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct line l;
        struct async r;
        char got[8];
        ssize_t ended;
        make_tty(&l);
        async_start(&r, (enum kind)kind, do_read, l.out, got, sizeof got);
        until_waits(&r);
        CHECK_EQ(close(l.in), 0);
        l.in = -1;
        ended = async_end(&r);
        CHECK(ended == 0 || ended == -EIO);
        CHECK_EQ(gmp_read(l.out, got, sizeof got, GMP_FOREVER), 0);
        CHECK_EQ(gmp_write(l.out, "x", 1, GMP_FOREVER), -EIO);
        CHECK(gmp_poll_fd(l.out, POLLIN, GMP_FOREVER) & POLLHUP);
        line_close(&l);
    }
}

/* The slave's last close is EIO for the master, until it is opened again. */
SCENARIO(hang_up_of_the_slave_is_eio_for_the_master) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct line l;
        struct async r;
        char got[8], name[64];
        make_tty(&l);
        CHECK_EQ(ptsname_r(l.in, name, sizeof name), 0);
        async_start(&r, (enum kind)kind, do_read, l.in, got, sizeof got);
        until_waits(&r);
        CHECK_EQ(close(l.out), 0);
        CHECK_EQ(async_end(&r), -EIO);
        CHECK_EQ(gmp_read(l.in, got, sizeof got, GMP_NOWAIT), -EIO);
        l.out = gmp_open(name, O_RDWR | O_NOCTTY, 0);
        CHECK(l.out >= 0);
        CHECK_EQ(gmp_read(l.in, got, sizeof got, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_EQ(gmp_write(l.out, "y", 1, SOON()), 1);
        CHECK_EQ(gmp_read(l.in, got, sizeof got, SOON()), 1);
        line_close(&l);
    }
}

/* Somebody has stopped the output (^S): a write waits until its deadline, and goes on after ^Q. */
static void stopped_output(void *arg) {
    struct line l;
    char got[8];
    make_tty(&l);
    set_nonblocking(l.out, *(int *)arg);
    CHECK_EQ(tcflow(l.out, TCOOFF), 0);
    CHECK_EQ(gmp_write(l.out, "x", 1, gmp_after_ns(5 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_write(l.out, "x", 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(tcflow(l.out, TCOON), 0);
    CHECK_EQ(gmp_write(l.out, "x", 1, SOON()), 1);
    CHECK_EQ(gmp_read(l.in, got, sizeof got, SOON()), 1);
    line_close(&l);
}

SCENARIO(stopped_output_waits_until_the_deadline) {
    int nonblocking = 1;
    check_start(2);
    by_both(stopped_output, &nonblocking);
}
