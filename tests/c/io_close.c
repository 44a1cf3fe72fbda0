/* gmp_close_fd while others wait: each of them answers GMP_EBADF, then the descriptor is closed. */
//@ with IO_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "streams.h"

enum { MOST = 12 };

/* Numbers that nobody else opens: a closed one stays closed, although the library looks into files of /proc meanwhile. */
static void pair_make_above(enum pair kind, int ends[2]) {
    pair_make(kind, ends);
    for (int i = 0; i < 2; i++) {
        int above = fcntl(ends[i], F_DUPFD_CLOEXEC, 700);
        CHECK(above >= 700);
        CHECK_EQ(close(ends[i]), 0);
        ends[i] = above;
    }
}

struct closer {
    struct party party;
    int fd, answer;
};

static void close_it(void *arg) {
    struct closer *c = (struct closer *)arg;
    c->answer = gmp_close_fd(c->fd);
}

/* Readers and writers, tasks and threads, all on one descriptor. */
static void close_under(enum pair kind, int tasks, int threads, enum kind closes, int rounds) {
    static struct call calls[MOST];
    io_start();
    for (int round = 0; round < rounds; round++) {
        struct closer closer;
        int fds[2];
        char byte;
        pair_make_above(kind, fds);
        fill_up(fds[0]);
        for (int i = 0; i < tasks + threads; i++) {
            call_start(&calls[i], i < tasks ? TASK : THREAD, fds[0], i % 2 ? POLLOUT : POLLIN,
                       i % 3 ? SOON() : GMP_FOREVER);
        }
        until_calls_wait(calls, tasks + threads);
        closer.fd = fds[0];
        party_start(&closer.party, closes, close_it, &closer);
        party_end(&closer.party);
        CHECK_OK(closer.answer);
        for (int i = 0; i < tasks + threads; i++) {
            /* TCP may have made room meanwhile; then the writer tells how far it came. */
            if (call_end(&calls[i]) > 0) CHECK(kind == TCP && calls[i].direction == POLLOUT && calls[i].answer < CALL_MUCH);
            else CHECK_CODE((int)calls[i].answer, GMP_EBADF);
        }
        CHECK_CODE((int)gmp_read(fds[0], &byte, 1, GMP_NOWAIT), GMP_EBADF);
        CHECK_CODE((int)gmp_write(fds[0], &byte, 1, SOON()), GMP_EBADF);
        CHECK_CODE(gmp_close_fd(fds[0]), GMP_EBADF);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
    CHECK_IDLE();
}

SCENARIO(one_task_that_reads) { close_under(TCP, 1, 0, THREAD, 30); }
SCENARIO(one_thread_that_reads) { close_under(TCP, 0, 1, TASK, 30); }
SCENARIO(readers_and_writers_that_are_tasks) { close_under(UNIX, 8, 0, TASK, 20); }
SCENARIO(readers_and_writers_that_are_threads) { close_under(UNIX, 0, 6, THREAD, 20); }
SCENARIO(tasks_and_threads_together) { close_under(TCP, 6, 4, TASK, 20); }

/* ------------------------------------------------------------ other calls that wait */
struct other {
    struct party party;
    int which, fd;
    int64_t answer;
};

enum { LOOK_IN, LOOK_PRI, RECV, RECV_ALL, RECVFROM, RECVMSG, READV, ACCEPT, SPLICE_IN, OTHERS };

static int a_pipe[2];

static void call_other(void *arg) {
    struct other *o = (struct other *)arg;
    char bytes[64];
    struct iovec parts[2] = {{bytes, 10}, {bytes + 10, 20}};
    struct msghdr message;
    switch (o->which) {
    case LOOK_IN: o->answer = gmp_poll_fd(o->fd, POLLIN, GMP_FOREVER); break;
    case LOOK_PRI: o->answer = gmp_poll_fd(o->fd, POLLPRI, SOON()); break;
    case RECV: o->answer = gmp_recv(o->fd, bytes, sizeof bytes, MSG_PEEK, GMP_FOREVER); break;
    case RECV_ALL: o->answer = gmp_recv(o->fd, bytes, sizeof bytes, MSG_WAITALL, GMP_FOREVER); break;
    case RECVFROM: o->answer = gmp_recvfrom(o->fd, bytes, sizeof bytes, 0, NULL, NULL, GMP_FOREVER); break;
    case RECVMSG:
        memset(&message, 0, sizeof message);
        message.msg_iov = parts;
        message.msg_iovlen = 2;
        o->answer = gmp_recvmsg(o->fd, &message, 0, GMP_FOREVER);
        break;
    case READV: o->answer = gmp_readv(o->fd, parts, 2, GMP_FOREVER); break;
    case ACCEPT: o->answer = gmp_accept(o->fd, NULL, NULL, GMP_FOREVER); break;
    case SPLICE_IN: o->answer = gmp_splice(o->fd, NULL, a_pipe[1], NULL, 10, GMP_FOREVER); break;
    default: CHECK(!"a call");
    }
}

static void close_under_other_calls(enum kind kind) {
    static struct other others[OTHERS];
    io_start();
    CHECK_EQ(pipe2(a_pipe, O_CLOEXEC), 0);
    for (int round = 0; round < 5; round++) {
        struct sockaddr_in address;
        int fds[2], listener = tcp_listener(4, &address);
        pair_make_above(TCP, fds);
        for (int i = 0; i < OTHERS; i++) {
            others[i].which = i;
            others[i].fd = i == ACCEPT ? listener : fds[0];
            party_start(&others[i].party, kind, call_other, &others[i]);
        }
        if (kind == TASK) until_tasks_wait(OTHERS);
        else for (int i = 0; i < OTHERS; i++) UNTIL(thread_sleeps(atomic_load(&others[i].party.tid)), usleep(20));
        CHECK_OK(gmp_close_fd(fds[0]));
        CHECK_OK(gmp_close_fd(listener));
        for (int i = 0; i < OTHERS; i++) {
            party_end(&others[i].party);
            CHECK_CODE((int)others[i].answer, GMP_EBADF);
        }
        CHECK_OK(gmp_close_fd(fds[1]));
    }
    pair_close(a_pipe);
}

SCENARIO(every_call_of_a_task_that_waits) { close_under_other_calls(TASK); }
SCENARIO(every_call_of_a_thread_that_waits) { close_under_other_calls(THREAD); }

/* What a write had done before counts: fewer bytes now, GMP_EBADF with the next call. */
SCENARIO(write_that_was_half_done_tells_how_far_it_came) {
    enum { ROOM = 50000 };
    static unsigned char bytes[ROOM];
    io_start();
    for (int round = 0; round < 20; round++) {
        struct call call;
        int fds[2];
        size_t came = 0;
        pair_make_above(UNIX, fds);
        call_start(&call, round % 2 ? TASK : THREAD, fds[0], POLLOUT, GMP_FOREVER);
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_close_fd(fds[0]));
        call_end(&call);
        CHECK(call.answer > 0 && call.answer < CALL_MUCH);
        for (ssize_t n; (n = gmp_read(fds[1], bytes, sizeof bytes, SOON())) > 0;) came += (size_t)n;
        CHECK_EQ(came, call.answer);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}

/* ------------------------------------------------------------ close against the beginning of a wait */
static atomic_int begun;

static void read_a_byte(void *arg) {
    struct call *c = (struct call *)arg;
    atomic_fetch_add(&begun, 1);
    call_make(c);
}

/* Seeded: the wait is about to begin, has begun, or comes after; each call answers GMP_EBADF, and none hangs. */
static void close_against_the_wait(enum kind kind, int rounds) {
    uint64_t random = check_seed() * 3 + 1;
    io_start();
    for (int round = 0; round < rounds; round++) {
        struct call calls[3];
        int fds[2];
        pair_make_above(UNIX, fds);
        atomic_store(&begun, 0);
        for (int i = 0; i < 3; i++) {
            calls[i].fd = fds[0];
            calls[i].direction = POLLIN;
            calls[i].deadline = GMP_FOREVER;
            atomic_store(&calls[i].answered, 0);
            party_start(&calls[i].party, kind, read_a_byte, &calls[i]);
        }
        POLL_UNTIL(atomic_load(&begun) > (int)(check_random(&random) % 3));
        for (uint64_t i = check_random(&random) % 3000; i > 0; i--) __asm__ volatile("");
        CHECK_OK(gmp_close_fd(fds[0]));
        for (int i = 0; i < 3; i++) CHECK_CODE((int)call_end(&calls[i]), GMP_EBADF);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
    CHECK_IDLE();
}

SCENARIO(close_against_tasks_that_begin_to_wait) { close_against_the_wait(TASK, 1500); }
SCENARIO(close_against_threads_that_begin_to_wait) { close_against_the_wait(THREAD, 300); }

/* Two that close: one has closed it, the other is told. */
static atomic_int go;

static void close_when_told(void *arg) {
    POLL_UNTIL(atomic_load(&go));
    close_it(arg);
}

SCENARIO(two_that_close_at_once) {
    io_start();
    for (int round = 0; round < 300; round++) {
        struct closer closers[2];
        struct call call;
        int fds[2];
        atomic_store(&go, 0);
        pair_make_above(UNIX, fds);
        call_start(&call, TASK, fds[0], POLLIN, GMP_FOREVER);
        for (int i = 0; i < 2; i++) {
            closers[i].fd = fds[0];
            party_start(&closers[i].party, i ? THREAD : TASK, close_when_told, &closers[i]);
        }
        atomic_store(&go, 1);
        for (int i = 0; i < 2; i++) party_end(&closers[i].party);
        CHECK_EQ(closers[0].answer + closers[1].answer, GMP_EBADF);
        CHECK_CODE((int)call_end(&call), GMP_EBADF);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}

/* Close against data: the call answers one of the two, and a byte that it answers is right. */
SCENARIO(close_against_data) {
    uint64_t random = check_seed() * 7 + 1;
    int bytes = 0;
    io_start();
    for (int round = 0; round < 1000; round++) {
        struct call call;
        int fds[2];
        pair_make_above(UNIX, fds);
        call_start(&call, round % 8 ? TASK : THREAD, fds[0], POLLIN, GMP_FOREVER);
        if (round % 2) until_calls_wait(&call, 1);
        CHECK_EQ(write(fds[1], "z", 1), 1);
        for (uint64_t i = check_random(&random) % 3000; i > 0; i--) __asm__ volatile("");
        CHECK_OK(gmp_close_fd(fds[0]));
        if (call_end(&call) == 1) {
            CHECK_EQ(call.byte, 'z');
            bytes++;
        } else {
            CHECK_CODE((int)call.answer, GMP_EBADF);
        }
        CHECK_OK(gmp_close_fd(fds[1]));
    }
    printf("%d of 1000 had their byte\n", bytes);
}

/* ------------------------------------------------------------ what is no descriptor */
SCENARIO(what_is_no_descriptor_is_refused) {
    int fds[2];
    char byte;
    io_start();
    pair_make_above(UNIX, fds);
    pair_close(fds);
    int bad[] = {-1, -2, INT32_MIN, fds[0], 19999999, INT32_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_CODE(gmp_close_fd(bad[i]), GMP_EBADF);
        CHECK_CODE((int)gmp_read(bad[i], &byte, 1, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE((int)gmp_write(bad[i], &byte, 1, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE((int)gmp_recv(bad[i], &byte, 1, 0, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE((int)gmp_send(bad[i], &byte, 1, 0, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_accept(bad[i], NULL, NULL, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_poll_fd(bad[i], POLLIN, GMP_FOREVER), GMP_EBADF);
        CHECK_CODE(gmp_fd_set_deadline(bad[i], POLLIN, GMP_NOWAIT), GMP_EBADF);
    }
}
