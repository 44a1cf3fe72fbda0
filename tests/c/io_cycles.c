/* Connections that come and go by the hundred thousand: no descriptor and no memory stays behind. */
//@ with IO_PROCS=2
//@ limit 180
#include "streams.h"

#include <sys/resource.h>

static long resident(void) { return check_kilobytes("/proc/self/status", "VmRSS"); }

/* One round warms up what is kept for reuse; what grows afterwards grows for ever. */
static void leaves_nothing(void (*round)(int), int n, int rounds) {
    long descriptors, kilobytes, mappings;
    io_start();
    round(n);
    CHECK_IDLE();
    descriptors = check_descriptors();
    kilobytes = resident();
    mappings = check_mappings();
    for (int i = 0; i < rounds; i++) round(n);
    CHECK_IDLE();
    printf("%ld kB more, %ld mappings more\n", resident() - kilobytes, check_mappings() - mappings);
    CHECK(check_descriptors() <= descriptors + 40); /* what the runtime reads of its threads comes and goes */
    CHECK(resident() - kilobytes < 8192); /* hundred bytes a cycle would be more */
    CHECK(check_mappings() - mappings < 400);
    CHECK_EQ(check_stats().poll_waiters, 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ connect, accept, a word, close */
struct server {
    struct sockaddr_un address;
    int listener, n;
    int tcp;
    struct sockaddr_in inet;
};

static void serve(void *arg) {
    struct server *s = (struct server *)arg;
    for (int i = 0; i < s->n; i++) {
        char byte;
        int fd = gmp_accept(s->listener, NULL, NULL, SOON());
        if (fd < 0) CHECK_CODE(fd, 0);
        CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_write(fd, &byte, 1, SOON()), 1);
        if (i % 2) CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 0);
        CHECK_OK(gmp_close_fd(fd));
    }
}

static void dial(void *arg) {
    struct server *s = (struct server *)arg;
    for (int i = 0; i < s->n; i++) {
        char byte = 'x';
        int fd = socket(s->tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const struct sockaddr *address = s->tcp ? (struct sockaddr *)&s->inet : (struct sockaddr *)&s->address;
        int code = gmp_connect(fd, address, s->tcp ? sizeof s->inet : sizeof s->address, SOON());
        CHECK_OK(code);
        CHECK_EQ(gmp_write(fd, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 1);
        /* A reset by turns, so that the ports of TCP do not linger. */
        if (s->tcp) {
            struct linger at_once = {1, 0};
            if (i % 2 == 0) CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        }
        CHECK_OK(gmp_close_fd(fd));
    }
}

static struct server server;

static void connect_and_close(int n) {
    struct party parties[2];
    server.n = n;
    party_start(&parties[0], TASK, serve, &server);
    party_start(&parties[1], TASK, dial, &server);
    parties_end(parties, 2);
}

static void listen_unix(void) {
    char directory[] = "/tmp/gmp-io-XXXXXX";
    CHECK(mkdtemp(directory) != NULL);
    server.address.sun_family = AF_UNIX;
    snprintf(server.address.sun_path, sizeof server.address.sun_path, "%s/s", directory);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(server.listener, (struct sockaddr *)&server.address, sizeof server.address), 0);
    CHECK_EQ(listen(server.listener, 64), 0);
}

static void forget_path(void) {
    unlink(server.address.sun_path);
    *strrchr(server.address.sun_path, '/') = 0;
    rmdir(server.address.sun_path);
}

SCENARIO(hundred_thousand_unix_connections) {
    listen_unix();
    atexit(forget_path);
    leaves_nothing(connect_and_close, 10000, 9);
}

SCENARIO(six_thousand_tcp_connections) {
    server.tcp = 1;
    server.listener = tcp_listener(64, &server.inet);
    leaves_nothing(connect_and_close, 1500, 4);
}

/* ------------------------------------------------------------ made in pairs, by many tasks, closed in every way */
enum how { BY_THE_LIBRARY, PLAINLY, BOTH };
static enum how how;

static void pairs_of_a_task(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(uintptr_t)arg;
    for (int i = 0; i < 1000; i++) {
        char byte;
        int fds[2];
        pair_make(UNIX, fds);
        if (check_random(&random) % 2) {
            CHECK_CODE((int)gmp_read(fds[0], &byte, 1, gmp_after_ns(100)), GMP_ETIMEDOUT);
            if (how == BY_THE_LIBRARY) CHECK_OK(gmp_fd_set_deadline(fds[0], POLLIN, SOON()));
        }
        CHECK_EQ(gmp_write(fds[1], "x", 1, SOON()), 1);
        CHECK_EQ(gmp_read(fds[0], &byte, 1, SOON()), 1);
        for (int end = 0; end < 2; end++) {
            if (how == BY_THE_LIBRARY || (how == BOTH && check_random(&random) % 2)) CHECK_OK(gmp_close_fd(fds[end]));
            else CHECK_EQ(close(fds[end]), 0);
        }
    }
}

static void pairs(int n) {
    struct party parties[16];
    for (int i = 0; i < n; i++) party_start(&parties[i], TASK, pairs_of_a_task, (void *)(uintptr_t)(i + 1));
    parties_end(parties, n);
}

SCENARIO(fifty_thousand_pairs_closed_by_the_library) {
    how = BY_THE_LIBRARY;
    leaves_nothing(pairs, 10, 5);
}

SCENARIO(fifty_thousand_pairs_closed_behind_our_back) {
    how = PLAINLY;
    leaves_nothing(pairs, 10, 5);
}

/* By turns, on numbers that others use a moment later: what one closes is no concern of who opened after it. */
SCENARIO(hundred_thousand_pairs_closed_both_ways) {
    how = BOTH;
    leaves_nothing(pairs, 10, 9);
}

/* ------------------------------------------------------------ waits that are closed, cancelled or late */
static void waits_that_end_early(int n) {
    for (int i = 0; i < n; i++) {
        struct call call;
        int fds[2];
        pair_make(UNIX, fds);
        call_start(&call, i % 16 ? TASK : THREAD, fds[0], POLLIN, i % 3 ? GMP_FOREVER : gmp_after_ns(1000));
        if (i % 3 == 1) CHECK_EQ(write(fds[1], "x", 1), 1);
        if (i % 3 == 2) CHECK_OK(gmp_close_fd(fds[0]));
        call_end(&call);
        if (i % 3 != 2) CHECK_OK(gmp_close_fd(fds[0]));
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}

SCENARIO(waits_that_end_early_leave_nothing) { leaves_nothing(waits_that_end_early, 600, 8); }

/* High numbers and low ones: what is kept for a number is kept once. */
static void numbers(int n) {
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    int most = limit.rlim_cur < 60000 ? (int)limit.rlim_cur : 60000;
    for (int i = 0; i < n; i++) {
        char byte;
        int fds[2], high;
        pair_make(UNIX, fds);
        high = fcntl(fds[0], F_DUPFD_CLOEXEC, most - 1 - i % 100);
        CHECK(high >= 0);
        CHECK_CODE((int)gmp_read(high, &byte, 1, gmp_after_ns(100)), GMP_ETIMEDOUT);
        CHECK_OK(gmp_close_fd(high));
        pair_close(fds);
    }
}

static void numbers_in_a_task(void *n) { numbers((int)(intptr_t)n); }
static void numbers_of(int n) { CHECK_OK(gmp_run(numbers_in_a_task, (void *)(intptr_t)n)); }

SCENARIO(high_numbers_are_as_good_as_low_ones) { leaves_nothing(numbers_of, 1000, 5); }

/* ------------------------------------------------------------ runtimes that come and go */
static void use_and_wait(void *unused) {
    char byte;
    int fds[2];
    (void)unused;
    pair_make(UNIX, fds);
    CHECK_CODE((int)gmp_read(fds[0], &byte, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    pair_close(fds);
}

SCENARIO(runtimes_that_come_and_go_leave_no_descriptor) {
    long before = check_descriptors();
    int kept[2];
    char byte;
    pair_make(UNIX, kept);
    for (int round = 0; round < 60; round++) {
        struct call call;
        io_start();
        CHECK_OK(gmp_run(use_and_wait, NULL));
        /* A descriptor that outlives each runtime is registered with each anew. */
        call_start(&call, TASK, kept[0], POLLIN, SOON());
        until_calls_wait(&call, 1);
        CHECK_EQ(write(kept[1], "x", 1), 1);
        CHECK_EQ(call_end(&call), 1);
        if (round % 3 == 0) CHECK_CODE((int)gmp_read(kept[0], &byte, 1, gmp_after_ns(1000)), GMP_ETIMEDOUT);
        CHECK_OK(gmp_shutdown(SOON()));
        UNTIL(check_descriptors() == before + 2, usleep(100));
    }
    pair_close(kept);
}
