/* A host that closes every descriptor it does not know closes the poller's too: waits go on, and nothing spins. */
#include <limits.h>

#include "check.h"

static int first[2], second[2];
static gmp_task_t *reader;

/* How many of the process's descriptors are queues of readiness; each is closed. */
static int close_queues(void) {
    int closed = 0;
    for (int fd = 3; fd < 256; fd++) {
        char link[64], to[PATH_MAX];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(link, to, sizeof to - 1);
        if (n <= 0) continue;
        to[n] = 0;
        if (strcmp(to, "anon_inode:[eventpoll]") == 0) closed += close(fd) == 0;
    }
    return closed;
}

static void *read_both(void *arg) {
    char byte;
    (void)arg;
    for (int round = 0; round < 100; round++) {
        CHECK_EQ(gmp_read(first[0], &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_read(second[0], &byte, 1, SOON()), 1);
    }
    return NULL;
}

SCENARIO(queue_that_was_closed_is_made_anew) {
    CHECK_EQ(pipe(first), 0);
    CHECK_EQ(pipe(second), 0);
    check_start(1);
    CHECK_OK(gmp_spawn(read_both, NULL, NULL, &reader));
    int closed = 0;
    for (int round = 0; round < 100; round++) {
        gmp_time_t until = SOON();
        while (check_stats().poll_waiters == 0 && gmp_now() < until) CHECK_OK(gmp_sleep(MS / 10));
        if (round % 10 == 0) closed += close_queues();
        CHECK_EQ(write(first[1], "x", 1), 1);
        CHECK_EQ(write(second[1], "x", 1), 1);
    }
    CHECK_OK(gmp_join(reader, SOON(), NULL));
    CHECK(closed > 1); /* it was made anew */
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
}
