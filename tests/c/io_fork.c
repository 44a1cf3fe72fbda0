/* A fork in the middle of I/O: the child uses it afresh, and nothing that it does to its copies of descriptors touches the
 * parent's waits. */
//@ with IO_PROCS=2
#include "streams.h"

static struct call waits[4];
static int pairs[4][2];

static void parent_waits(void) {
    for (int i = 0; i < 4; i++) {
        pair_make(i % 2 ? TCP : UNIX, pairs[i]);
        call_start(&waits[i], i == 3 ? THREAD : TASK, pairs[i][0], POLLIN, GMP_FOREVER);
    }
    until_calls_wait(waits, 4);
}

/* They still wait, and each is woken by its own byte. */
static void parent_goes_on(void) {
    usleep(1000);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(atomic_load(&waits[i].answered), 0);
        CHECK_EQ(write(pairs[i][1], &"abcd"[i], 1), 1);
        CHECK_EQ(call_end(&waits[i]), 1);
        CHECK_EQ(waits[i].byte, "abcd"[i]);
    }
    /* And again: the registrations are what they were. */
    for (int i = 0; i < 4; i++) call_start(&waits[i], TASK, pairs[i][0], POLLIN, GMP_FOREVER);
    until_calls_wait(waits, 4);
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(write(pairs[i][1], &"efgh"[i], 1), 1);
        CHECK_EQ(call_end(&waits[i]), 1);
        CHECK_EQ(waits[i].byte, "efgh"[i]);
        CHECK_OK(gmp_close_fd(pairs[i][0]));
        CHECK_OK(gmp_close_fd(pairs[i][1]));
    }
    CHECK_IDLE();
    CHECK_EQ(check_stats().poll_waiters, 0);
}

static void echo_afresh(void *unused) {
    char byte = 'q';
    (void)unused;
    for (int i = 0; i < 20; i++) {
        int fds[2];
        pair_make(i % 2 ? TCP : UNIX, fds);
        CHECK_CODE((int)gmp_read(fds[0], &byte, 1, gmp_after_ns(100000)), GMP_ETIMEDOUT);
        CHECK_EQ(gmp_write(fds[1], "z", 1, SOON()), 1);
        CHECK_EQ(gmp_read(fds[0], &byte, 1, SOON()), 1);
        CHECK_EQ(byte, 'z');
        pair_close(fds);
    }
}

static void fork_and(void (*in_the_child)(void)) {
    io_start();
    for (int round = 0; round < 8; round++) {
        parent_waits();
        pid_t pid = child_start();
        if (pid == 0) {
            in_the_child();
            _exit(0);
        }
        child_end(pid);
        parent_goes_on();
    }
}

static void afresh(void) {
    CHECK_EQ(check_stats().poll_waiters, 0);
    echo_afresh(NULL); /* as a plain thread ... */
    CHECK_OK(gmp_run(echo_afresh, NULL)); /* ... and in a runtime of its own */
    CHECK_OK(gmp_shutdown(SOON()));
}

static void close_all_plainly(void) {
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(close(pairs[i][0]), 0);
        CHECK_EQ(close(pairs[i][1]), 0);
    }
}

static void close_all_by_the_library(void) {
    for (int i = 0; i < 4; i++) pair_close(pairs[i]);
    CHECK_OK(gmp_run(echo_afresh, NULL));
}

/* The child uses the numbers of the parent for files of its own. */
static void use_the_numbers(void) {
    close_all_by_the_library();
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 4; i++) pair_make(UNIX, pairs[i]);
        CHECK_OK(gmp_run(echo_afresh, NULL));
        for (int i = 0; i < 4; i++) {
            CHECK_OK(gmp_fd_set_deadline(pairs[i][0], POLLIN, 1));
            CHECK_CODE((int)gmp_read(pairs[i][0], &(char){0}, 1, SOON()), GMP_ETIMEDOUT);
            pair_close(pairs[i]);
        }
    }
}

/* The child sets deadlines on what it shares with the parent: they are its own. */
static void set_deadlines(void) {
    for (int i = 0; i < 4; i++) {
        CHECK_OK(gmp_fd_set_deadline(pairs[i][0], POLLIN | POLLOUT, 1));
        CHECK_CODE((int)gmp_read(pairs[i][0], &(char){0}, 1, SOON()), GMP_ETIMEDOUT);
    }
}

SCENARIO(child_uses_io_afresh) { fork_and(afresh); }
SCENARIO(child_that_ends_at_once_disturbs_nobody) { fork_and(set_deadlines); }
SCENARIO(child_that_closes_plainly_disturbs_nobody) { fork_and(close_all_plainly); }
SCENARIO(child_that_closes_by_the_library_disturbs_nobody) { fork_and(close_all_by_the_library); }
SCENARIO(child_that_uses_the_numbers_disturbs_nobody) { fork_and(use_the_numbers); }

/* The parent closes and goes on while the child, which has a copy of everything, lives. */
SCENARIO(parent_closes_what_a_living_child_holds) {
    io_start();
    for (int round = 0; round < 8; round++) {
        int gate[2];
        char byte;
        CHECK_EQ(pipe2(gate, O_CLOEXEC), 0);
        parent_waits();
        pid_t pid = child_start();
        if (pid == 0) {
            close(gate[1]);
            _exit(read(gate[0], &byte, 1) == 0 ? 0 : 1);
        }
        for (int i = 0; i < 4; i++) {
            CHECK_OK(gmp_close_fd(pairs[i][0]));
            CHECK_CODE((int)call_end(&waits[i]), GMP_EBADF);
            /* Into the file that only the child holds by now: an event of it is nobody's. */
            CHECK_EQ(write(pairs[i][1], "lost", 4), 4);
            CHECK_OK(gmp_close_fd(pairs[i][1]));
        }
        parent_waits();
        parent_goes_on();
        close(gate[1]);
        close(gate[0]);
        child_end(pid);
    }
}

/* Both read one stream: each byte goes to one of them. */
SCENARIO(parent_and_child_read_one_stream) {
    enum { BYTES = 4000 };
    int fds[2], count[2];
    long mine = 0, childs = 0;
    char byte;
    io_start();
    pair_make(UNIX, fds);
    CHECK_EQ(pipe2(count, O_CLOEXEC), 0);
    CHECK_CODE((int)gmp_read(fds[0], &byte, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    pid_t pid = child_start();
    if (pid == 0) {
        ssize_t n;
        CHECK_EQ(close(fds[1]), 0);
        while ((n = gmp_read(fds[0], &byte, 1, SOON())) == 1) childs++;
        CHECK_EQ(n, 0);
        CHECK_EQ(write(count[1], &childs, sizeof childs), sizeof childs);
        _exit(0);
    }
    struct call call;
    for (int i = 0; i < BYTES; i++) {
        call_start(&call, TASK, fds[0], POLLIN, gmp_after_ns(MS));
        CHECK_EQ(write(fds[1], "x", 1), 1);
        if (call_end(&call) == 1) mine++;
        else CHECK_CODE((int)call.answer, GMP_ETIMEDOUT);
    }
    CHECK_OK(gmp_close_fd(fds[1]));
    while (gmp_read(fds[0], &byte, 1, SOON()) == 1) mine++;
    child_end(pid);
    CHECK_EQ(read(count[0], &childs, sizeof childs), sizeof childs);
    printf("%ld read here, %ld by the child\n", mine, childs);
    CHECK_EQ(mine + childs, BYTES);
}

/* Forks while everything is in use: many waits, registrations and closes beside them. */
static atomic_int over;

static void keep_busy(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&over)) {
        int fds[2];
        char byte;
        pair_make(UNIX, fds);
        for (int i = 0; i < 4; i++) {
            (void)gmp_read(fds[0], &byte, 1, gmp_after_ns((int64_t)(check_random(&random) % 50000)));
            CHECK_EQ(gmp_write(fds[1], "x", 1, SOON()), 1);
            CHECK_EQ(gmp_read(fds[0], &byte, 1, SOON()), 1);
        }
        pair_close(fds);
    }
}

SCENARIO(hundred_forks_under_load) {
    struct party parties[6];
    io_start();
    for (int i = 0; i < 6; i++) party_start(&parties[i], i % 3 ? TASK : THREAD, keep_busy, (void *)(uintptr_t)(i + 1));
    for (int i = 0; i < 100; i++) {
        pid_t pid = child_start();
        if (pid == 0) {
            echo_afresh(NULL);
            CHECK_OK(gmp_run(echo_afresh, NULL));
            _exit(0);
        }
        child_end(pid);
    }
    atomic_store(&over, 1);
    parties_end(parties, 6);
}
