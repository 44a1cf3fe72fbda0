/* Corners of the poller, each of which was once wrong: what was told to nobody, told to the wrong one, or told without end. */
//@ with GMP_MAXPROCS=2
#define _GNU_SOURCE
#include <sys/un.h>
#include <time.h>

#include "streams.h"

static int ends[2];
static atomic_int answered, sent, pipes, burning;
static atomic_long answer;

static void read_end(void *arg) {
    char bytes[64];
    atomic_store(&answer, (long)gmp_read((int)(intptr_t)arg, bytes, sizeof bytes, SOON()));
    atomic_fetch_add(&answered, 1);
}

static void until_answered(int n) {
    gmp_time_t until = SOON();
    while (atomic_load(&answered) < n && gmp_now() < until) usleep(100);
    CHECK_EQ(atomic_load(&answered), n);
}

static void until_counted(int n) {
    gmp_time_t until = SOON();
    /* One look tells: who was woken for nothing waits again a moment later. */
    while (check_stats().poll_waiters != n) {
        CHECK(gmp_now() < until);
        usleep(100);
    }
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The machine that slept in the poller is woken for a task that computes until the reader has answered, which it must without it. */
static void burn_until_answered(void *arg) {
    gmp_time_t until = SOON();
    (void)arg;
    atomic_fetch_add(&burning, 1);
    while (!atomic_load(&answered) && gmp_now() < until) {}
}

SCENARIO(reader_is_woken_while_the_machine_that_polled_computes) {
    check_start(0);
    for (int round = 0; round < 20; round++) {
        gmp_time_t until = SOON();
        CHECK_EQ(pipe(ends), 0);
        atomic_store(&answered, 0);
        atomic_store(&burning, 0);
        CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
        until_counted(1);
        if (round == 0) usleep(1500000); /* once all is idle for so long that the monitor sleeps without bound */
        CHECK_OK(gmp_go(burn_until_answered, NULL));
        while (!atomic_load(&burning) && gmp_now() < until) usleep(10);
        CHECK_EQ(write(ends[1], "x", 1), 1);
        until_answered(1);
        CHECK_IDLE();
        close(ends[0]);
        close(ends[1]);
    }
}

/* Threads give work while a machine sleeps in the poller: no ring of its bell is lost to who looks in between. */
static void count_up(void *arg) { atomic_fetch_add((atomic_long *)arg, 1); }

static void *give_work(void *arg) {
    atomic_long done = 0;
    unsigned seed = (unsigned)(intptr_t)arg;
    for (long n = 1; n <= 4000; n++) {
        gmp_time_t until = SOON();
        CHECK_OK(gmp_go(count_up, &done));
        while (atomic_load(&done) < n && gmp_now() < until) {
            if (rand_r(&seed) % 4 == 0) usleep(1);
        }
        CHECK_EQ(atomic_load(&done), n);
        for (volatile int k = rand_r(&seed) % 2000; k > 0; k--) {}
    }
    return NULL;
}

SCENARIO(work_from_threads_is_done_beside_a_reader_that_waits) {
    pthread_t threads[3];
    CHECK_EQ(pipe(ends), 0);
    check_start(3);
    CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
    until_counted(1);
    for (intptr_t i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, give_work, (void *)(i + 1)), 0);
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_OK(gmp_close_fd(ends[0]));
    until_answered(1);
    CHECK_CODE((int)atomic_load(&answer), GMP_EBADF);
}

/* Task numbers begin anew with each runtime: what the last one's task knew of a socket is not the new one's. */
SCENARIO(socket_is_read_on_in_the_next_runtime) {
    pair_make(TCP, ends);
    for (int round = 1; round <= 3; round++) {
        check_start(0);
        CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
        until_counted(1);
        CHECK_EQ(write(ends[1], "abc", 3), 3);
        until_answered(2 * round - 1);
        CHECK_OK(gmp_shutdown(SOON()));
        CHECK_EQ(write(ends[1], "abcd", 4), 4);
        check_start(0);
        CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
        until_answered(2 * round);
        CHECK_EQ(atomic_load(&answer), 4);
        CHECK_OK(gmp_shutdown(SOON()));
    }
}

/* The kernel calls ready what the operation does not want: the task waits, and does not spin. */
static void wait_for_the_end(void *arg) {
    atomic_store(&answer, gmp_poll_fd((int)(intptr_t)arg, POLLRDHUP, SOON()));
    atomic_fetch_add(&answered, 1);
}

SCENARIO(unread_bytes_do_not_keep_a_wait_for_the_end_spinning) {
    check_start(0);
    pair_make(TCP, ends);
    CHECK_EQ(write(ends[1], "abc", 3), 3);
    CHECK_OK(gmp_go(wait_for_the_end, (void *)(intptr_t)ends[0]));
    until_counted(1);
    usleep(50000);
    double before = cpu_seconds();
    usleep(400000);
    CHECK(cpu_seconds() - before < 0.2);
    CHECK_EQ(atomic_load(&answered), 0);
    CHECK_EQ(shutdown(ends[1], SHUT_WR), 0);
    until_answered(1);
    CHECK(atomic_load(&answer) & POLLRDHUP);
}

/* A number that was closed and used again without us: the deadline that is set for its new file holds. */
SCENARIO(deadline_set_on_a_reused_number_holds) {
    int others[2];
    check_start(0);
    pair_make(UNIX, ends);
    CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
    until_counted(1);
    CHECK_EQ(write(ends[1], "x", 1), 1);
    until_answered(1);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    CHECK_EQ(dup2(others[0], ends[0]), ends[0]); /* closes it, too */
    CHECK_OK(gmp_fd_set_deadline(ends[0], POLLIN, gmp_after_ns(20 * MS)));
    CHECK_OK(gmp_go(read_end, (void *)(intptr_t)ends[0]));
    until_answered(2);
    CHECK_CODE((int)atomic_load(&answer), GMP_ETIMEDOUT);
}

/* ------------------------------------------------------------ SIGPIPE behind a part that moved */
static void on_pipe(int signal) {
    (void)signal;
    atomic_fetch_add(&pipes, 1);
}

static void *close_the_other_end(void *arg) {
    usleep((useconds_t)(intptr_t)arg);
    close(ends[1]);
    return NULL;
}

static void send_file(void *arg) {
    off_t at = 0;
    atomic_store(&answer, (long)gmp_sendfile(ends[0], (int)(intptr_t)arg, &at, 8 << 20, SOON()));
    atomic_fetch_add(&sent, 1);
}

SCENARIO(part_of_a_file_that_was_sent_raises_no_sigpipe) {
    char path[] = "/tmp/gmp-corner-XXXXXX";
    int file = mkstemp(path), much = 1 << 24;
    CHECK(file >= 0);
    unlink(path);
    CHECK_EQ(ftruncate(file, 8 << 20), 0);
    signal(SIGPIPE, on_pipe);
    check_start(0);
    for (int round = 0; round < 100; round++) {
        pthread_t thread;
        gmp_time_t until = SOON();
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        setsockopt(ends[0], SOL_SOCKET, SO_SNDBUFFORCE, &much, sizeof much);
        CHECK_EQ(pthread_create(&thread, NULL, close_the_other_end, (void *)(intptr_t)(round % 40 * 5)), 0);
        CHECK_OK(gmp_go(send_file, (void *)(intptr_t)file));
        while (atomic_load(&sent) <= round && gmp_now() < until) usleep(50);
        CHECK_EQ(atomic_load(&sent), round + 1);
        if (atomic_load(&answer) < 0) CHECK_CODE((int)atomic_load(&answer), GMP_EPIPE);
        pthread_join(thread, NULL);
        close(ends[0]);
    }
    CHECK_EQ(atomic_load(&pipes), 0);
}

/* ------------------------------------------------------------ a datagram of many buffers */
static void write_many(void *arg) {
    static char bytes[100];
    struct iovec parts[100];
    for (int i = 0; i < 100; i++) parts[i] = (struct iovec){&bytes[i], 1};
    atomic_store(&answer, (long)gmp_writev((int)(intptr_t)arg, parts, 100, SOON()));
}

SCENARIO(datagram_of_many_buffers_is_one) {
    char bytes[200];
    check_start(0);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    CHECK_OK(gmp_run(write_many, (void *)(intptr_t)ends[0]));
    CHECK_EQ(atomic_load(&answer), 100);
    CHECK_EQ(recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT), 100);
    CHECK_EQ(recv(ends[1], bytes, sizeof bytes, MSG_DONTWAIT), -1);
}
