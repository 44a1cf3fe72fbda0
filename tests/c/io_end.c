/* The end of a stream that comes together with its last bytes: a read that found fewer than it had room for has not seen it. */
//@ with IO_PROCS=2
#include "streams.h"

enum { PAIRS_AT_ONCE = 20, ROUNDS = 100 };

static void read_to_the_end(void *arg) {
    int fd = (int)(intptr_t)arg;
    char bytes[100];
    for (size_t all = 0; all < 11;) {
        ssize_t n = gmp_read(fd, bytes, sizeof bytes, SOON());
        CHECK(n > 0);
        all += (size_t)n;
    }
    CHECK_EQ(gmp_read(fd, bytes, sizeof bytes, SOON()), 0);
    CHECK_OK(gmp_close_fd(fd));
}

static void write_and_end(void *arg) {
    int fd = (int)(intptr_t)arg;
    char byte = 0;
    write_whole(fd, "0123456789", 10);
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
    CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 0);
    CHECK_OK(gmp_close_fd(fd));
}

static void end_behind_bytes(enum pair kind) {
    io_start();
    for (int round = 0; round < ROUNDS; round++) {
        gmp_wg_t all = {{0, 0}};
        for (int i = 0; i < PAIRS_AT_ONCE; i++) {
            int ends[2];
            pair_make(kind, ends);
            CHECK_OK(gmp_wg_go(&all, read_to_the_end, (void *)(intptr_t)ends[0]));
            /* It has read a byte and waits for more without a try, or is about to. */
            write_whole(ends[1], "x", 1);
            CHECK_OK(gmp_wg_go(&all, write_and_end, (void *)(intptr_t)ends[1]));
        }
        CHECK_OK(gmp_wg_wait(&all, SOON()));
    }
}

SCENARIO(end_behind_the_last_bytes_is_seen_over_tcp) { end_behind_bytes(TCP); }
SCENARIO(end_behind_the_last_bytes_is_seen_over_unix) { end_behind_bytes(UNIX); }
