/* Shutdown with open connections and tasks that wait on them; the process stopped and continued. */
//@ with IO_PROCS=2
#include "streams.h"

#include <sys/resource.h>

enum { OPEN = 1000 };

static int fds[OPEN][2];
static atomic_int ended_by[3];

/* A connection's task: reads until something ends it. */
static void *hold(void *arg) {
    int fd = *(int *)arg;
    char byte;
    for (;;) {
        ssize_t n = gmp_read(fd, &byte, 1, GMP_FOREVER);
        if (n == 1) continue;
        if (n == GMP_ECANCELED) atomic_fetch_add(&ended_by[0], 1);
        else if (n == GMP_EBADF) atomic_fetch_add(&ended_by[1], 1);
        else if (n == 0) atomic_fetch_add(&ended_by[2], 1);
        else CHECK_CODE((int)n, GMP_ECANCELED);
        if (n != GMP_EBADF) CHECK_OK(gmp_close_fd(fd));
        return NULL;
    }
}

static void open_thousand(void) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_cur < 2 * OPEN + 100) {
        limit.rlim_cur = limit.rlim_max < 2 * OPEN + 100 ? limit.rlim_max : 2 * OPEN + 100;
        CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    if (limit.rlim_cur < 2 * OPEN + 100) SKIP("a thousand connections need %d descriptors", 2 * OPEN + 100);
    for (int i = 0; i < OPEN; i++) pair_make(i % 10 ? UNIX : TCP, fds[i]);
}

/* It waits for them, and refuses; once they are cancelled it is done. */
SCENARIO(shutdown_waits_for_a_thousand_connections_until_they_are_cancelled) {
    long before = check_descriptors();
    gmp_spawn_opts_t opts;
    gmp_ctx_t *ctx;
    open_thousand();
    io_start();
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = ctx;
    for (int i = 0; i < OPEN; i++) CHECK_OK(gmp_spawn(hold, fds[i], &opts, NULL));
    until_tasks_wait(OPEN);
    CHECK_CODE(gmp_shutdown(gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    /* They still work. */
    for (int i = 0; i < OPEN; i++) CHECK_EQ(write(fds[i][1], "x", 1), 1);
    CHECK_CODE(gmp_shutdown(GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_spawn(hold, fds[0], &opts, NULL), GMP_ESTOPPED);
    CHECK_OK(gmp_ctx_cancel(ctx));
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(atomic_load(&ended_by[0]), OPEN);
    gmp_ctx_free(ctx);
    for (int i = 0; i < OPEN; i++) CHECK_OK(gmp_close_fd(fds[i][1]));
    UNTIL(check_descriptors() == before, usleep(100));
}

/* The same by closing what they wait on, and by the peers' ends. */
SCENARIO(shutdown_ends_when_a_thousand_connections_were_closed) {
    long before = check_descriptors();
    open_thousand();
    io_start();
    for (int i = 0; i < OPEN; i++) CHECK_OK(gmp_spawn(hold, fds[i], NULL, NULL));
    until_tasks_wait(OPEN);
    CHECK_CODE(gmp_shutdown(gmp_after_ns(5 * MS)), GMP_ETIMEDOUT);
    for (int i = 0; i < OPEN; i++) CHECK_OK(gmp_close_fd(fds[i][i % 2]));
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(atomic_load(&ended_by[1]), OPEN / 2);
    CHECK_EQ(atomic_load(&ended_by[2]), OPEN / 2);
    for (int i = 0; i < OPEN; i++) {
        if (i % 2 == 0) CHECK_OK(gmp_close_fd(fds[i][1]));
    }
    UNTIL(check_descriptors() == before, usleep(100));
}

/* Threads that wait are no tasks: a shutdown does not wait for them, and they go on. */
SCENARIO(threads_wait_on_through_a_shutdown) {
    struct call call;
    int pair[2];
    io_start();
    for (int round = 0; round < 10; round++) {
        pair_make(UNIX, pair);
        call_start(&call, THREAD, pair[0], POLLIN, SOON());
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_shutdown(SOON()));
        CHECK_EQ(atomic_load(&call.answered), 0);
        if (round % 2) io_start(); /* else the next call starts it */
        CHECK_EQ(write(pair[1], "x", 1), 1);
        CHECK_EQ(call_end(&call), 1);
        pair_close(pair);
        if (round % 2 == 0) CHECK_OK(gmp_shutdown(SOON()));
        if (round % 2 == 0) io_start();
    }
}

/* ------------------------------------------------------------ stopped and continued */
/* A child stops us and lets us go on, `times` times; it ends when that is done. */
static pid_t stop_us(int times) {
    pid_t parent = getpid(), pid = child_start();
    if (pid == 0) {
        for (int i = 0; i < times; i++) {
            if (kill(parent, SIGSTOP) != 0) _exit(2);
            usleep(5000);
            if (kill(parent, SIGCONT) != 0) _exit(3);
            usleep(2000);
        }
        _exit(0);
    }
    return pid;
}

SCENARIO(stop_and_continue_leave_waits_as_they_are) {
    struct call calls[4];
    int pairs[4][2];
    io_start();
    for (int i = 0; i < 4; i++) {
        pair_make(i % 2 ? TCP : UNIX, pairs[i]);
        call_start(&calls[i], i == 3 ? THREAD : TASK, pairs[i][0], POLLIN, i < 2 ? GMP_FOREVER : SOON());
    }
    until_calls_wait(calls, 4);
    child_end(stop_us(20));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(atomic_load(&calls[i].answered), 0);
        CHECK_EQ(write(pairs[i][1], "x", 1), 1);
        CHECK_EQ(call_end(&calls[i]), 1);
        pair_close(pairs[i]);
    }
}

/* Time goes on while it is stopped: deadlines that have passed by then are over, not lost. */
SCENARIO(deadlines_pass_while_it_is_stopped) {
    struct call calls[6];
    int pair[2];
    io_start();
    pair_make(UNIX, pair);
    pid_t pid = stop_us(40);
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 6; i++) {
            call_start(&calls[i], i == 5 ? THREAD : TASK, pair[0], POLLIN, gmp_after_ns((i + 1) * MS));
        }
        for (int i = 0; i < 6; i++) CHECK_CODE((int)call_end(&calls[i]), GMP_ETIMEDOUT);
    }
    child_end(pid);
    pair_close(pair);
}

static atomic_int over;

static void bounce(void *arg) {
    int fd = *(int *)arg;
    unsigned char bytes[64];
    ssize_t n;
    while ((n = gmp_read(fd, bytes, sizeof bytes, SOON())) > 0) {
        if (gmp_write(fd, bytes, (size_t)n, SOON()) != n) break;
        if (atomic_load(&over)) break;
    }
    CHECK_EQ(shutdown(fd, SHUT_RDWR) == 0 || check_errno() == ENOTCONN, 1);
}

SCENARIO(stop_and_continue_under_traffic) {
    struct party parties[8];
    int pairs[4][2];
    io_start();
    for (int i = 0; i < 4; i++) {
        pair_make(i % 2 ? TCP : UNIX, pairs[i]);
        for (int end = 0; end < 2; end++) {
            party_start(&parties[2 * i + end], i == 3 && end ? THREAD : TASK, bounce, &pairs[i][end]);
        }
        CHECK_EQ(write(pairs[i][0], "ball", 4), 4);
    }
    child_end(stop_us(30));
    atomic_store(&over, 1);
    parties_end(parties, 8);
    for (int i = 0; i < 4; i++) pair_close(pairs[i]);
}
