/* A dump says of a task that waits for a descriptor which one it is, and what for; the stats count those who wait. */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "dump_text.h"

static int pipe_ends[2], quiet_ends[2], pair[2];
static char line[2048], big[1 << 16];

static void read_pipe(void *arg) {
    char byte;
    (void)arg;
    CHECK_EQ(gmp_read(pipe_ends[0], &byte, 1, GMP_FOREVER), 1);
}

static void fill(void *arg) {
    (void)arg;
    for (;;) {
        ssize_t n = gmp_write(pair[0], big, sizeof big, GMP_FOREVER);
        if (n < 0) CHECK_CODE(n, GMP_EBADF);
        if (n < (ssize_t)sizeof big) return;
    }
}

static void either(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_poll_fd(quiet_ends[0], POLLIN | POLLOUT, GMP_FOREVER), GMP_EBADF);
}

SCENARIO(who_waits_for_which_descriptor_is_told) {
    gmp_time_t until = SOON();
    char read_line[64], write_line[64], poll_line[64];
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(pipe(quiet_ends), 0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    check_start(2);
    CHECK_EQ(check_stats().poll_waiters, 0);
    CHECK_OK(gmp_go(read_pipe, NULL));
    CHECK_OK(gmp_go(fill, NULL));
    CHECK_OK(gmp_go(either, NULL));
    while (check_stats().poll_waiters < 3 && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(check_stats().poll_waiters, 3);
    while (check_stats().tasks_parked < 3 && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    snprintf(read_line, sizeof read_line, " state=parked reason=fd-read fd=%d ", pipe_ends[0]);
    snprintf(write_line, sizeof write_line, " state=parked reason=fd-write fd=%d ", pair[0]);
    snprintf(poll_line, sizeof poll_line, " state=parked reason=fd fd=%d ", quiet_ends[0]);
    char *text = text_from(gmp_dump);
    CHECK_LINE(text, line, "task ", read_line);
    CHECK_LINE(text, line, "task ", write_line);
    CHECK_LINE(text, line, "task ", poll_line);
    free(text);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    CHECK_OK(gmp_close_fd(pair[0]));
    while (check_stats().poll_waiters > 1 && gmp_now() < until) CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(check_stats().poll_waiters, 1);
    CHECK_OK(gmp_close_fd(quiet_ends[0]));
    CHECK_IDLE();
    CHECK_EQ(check_stats().poll_waiters, 0);
    CHECK(check_stats().polls > 0);
}
