/* Peers that go away without a word: in a read, in a write, before they were accepted. */
//@ with IO_PROCS=2
#include "streams.h"

/* Everything that waits is told; the error is one that the kernel gave, and comes once. */
static void reset_in_a_call(enum kind kind, short direction) {
    struct call call;
    int fds[2];
    char byte;
    io_start();
    for (int round = 0; round < 20; round++) {
        size_t full = 0;
        pair_make(TCP, fds);
        if (direction == POLLOUT) full = fill_up(fds[0]);
        call_start(&call, kind, fds[0], direction, SOON());
        until_calls_wait(&call, 1);
        reset(fds[1]);
        call_end(&call);
        if (call.answer > 0) { /* TCP found room for some bytes after all: the code comes with the next call */
            CHECK_EQ(direction, POLLOUT);
            CHECK(full > 0);
            call.answer = gmp_write(fds[0], "x", 1, SOON());
        }
        CHECK_CODE((int)call.answer, -ECONNRESET);
        CHECK_EQ(gmp_read(fds[0], &byte, 1, SOON()), 0);
        CHECK_CODE((int)gmp_write(fds[0], "x", 1, SOON()), GMP_EPIPE);
        CHECK_OK(gmp_close_fd(fds[0]));
    }
}

SCENARIO(task_that_reads_is_told_of_a_reset) { reset_in_a_call(TASK, POLLIN); }
SCENARIO(thread_that_reads_is_told_of_a_reset) { reset_in_a_call(THREAD, POLLIN); }
SCENARIO(task_that_writes_is_told_of_a_reset) { reset_in_a_call(TASK, POLLOUT); }
SCENARIO(thread_that_writes_is_told_of_a_reset) { reset_in_a_call(THREAD, POLLOUT); }

SCENARIO(reset_ends_the_waits_of_both_directions) {
    struct call calls[4];
    int fds[2];
    io_start();
    for (int round = 0; round < 20; round++) {
        int resets = 0;
        pair_make(TCP, fds);
        fill_up(fds[0]);
        for (int i = 0; i < 4; i++) call_start(&calls[i], TASK, fds[0], i % 2 ? POLLOUT : POLLIN, GMP_FOREVER);
        until_calls_wait(calls, 4);
        reset(fds[1]);
        for (int i = 0; i < 4; i++) {
            ssize_t n = call_end(&calls[i]);
            /* The kernel gives the error once; who comes later finds the end. */
            if (n == -ECONNRESET) resets++;
            else if (i % 2 && n < 0) CHECK_CODE((int)n, GMP_EPIPE);
            else if (i % 2) CHECK(n > 0);
            else CHECK_EQ(n, 0);
        }
        CHECK(resets <= 1);
        CHECK_OK(gmp_close_fd(fds[0]));
    }
}

/* Data that came before the reset is lost by the kernel, not by us: the answer is one or the other, then the end. */
SCENARIO(reset_behind_data_gives_the_data_or_the_reset) {
    struct call call;
    int fds[2];
    io_start();
    for (int round = 0; round < 100; round++) {
        ssize_t n;
        pair_make(TCP, fds);
        call_start(&call, round % 2 ? TASK : THREAD, fds[0], POLLIN, SOON());
        if (round % 4 < 2) until_calls_wait(&call, 1);
        CHECK_EQ(write(fds[1], "a", 1), 1);
        reset(fds[1]);
        n = call_end(&call);
        CHECK(n == 1 ? call.byte == 'a' : n == -ECONNRESET);
        if (n == 1) {
            n = gmp_read(fds[0], &call.byte, 1, SOON());
            CHECK(n == -ECONNRESET || n == 0);
        }
        CHECK_OK(gmp_close_fd(fds[0]));
    }
}

/* A peer that closes with bytes unread resets, too. */
static void close_with_bytes_unread(enum pair kind, enum kind who) {
    struct call call;
    int fds[2];
    io_start();
    for (int round = 0; round < 50; round++) {
        pair_make(kind, fds);
        write_whole(fds[0], "unread", 6);
        UNTIL(gmp_poll_fd(fds[1], POLLIN, SOON()) == POLLIN, usleep(50));
        call_start(&call, who, fds[0], POLLIN, SOON());
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_close_fd(fds[1]));
        CHECK_CODE((int)call_end(&call), -ECONNRESET);
        CHECK_EQ(gmp_read(fds[0], &call.byte, 1, SOON()), 0);
        CHECK_OK(gmp_close_fd(fds[0]));
    }
}

SCENARIO(close_with_bytes_unread_resets_a_task_over_tcp) { close_with_bytes_unread(TCP, TASK); }
SCENARIO(close_with_bytes_unread_resets_a_task_over_unix) { close_with_bytes_unread(UNIX, TASK); }
SCENARIO(close_with_bytes_unread_resets_a_thread_over_unix) { close_with_bytes_unread(UNIX, THREAD); }

/* Without bytes unread it is the end of the stream, and a broken pipe to who writes. */
static void peer_closes(enum pair kind) {
    struct call calls[2];
    int fds[2];
    io_start();
    for (int round = 0; round < 50; round++) {
        pair_make(kind, fds);
        call_start(&calls[0], TASK, fds[0], POLLIN, SOON());
        call_start(&calls[1], THREAD, fds[0], POLLIN, SOON());
        until_calls_wait(calls, 2);
        CHECK_OK(gmp_close_fd(fds[1]));
        for (int i = 0; i < 2; i++) CHECK_EQ(call_end(&calls[i]), 0);
        if (kind == TCP) { /* the first write makes the peer's system answer with a reset */
            CHECK_EQ(gmp_write(fds[0], "x", 1, SOON()), 1);
            CHECK((gmp_poll_fd(fds[0], POLLIN, SOON()) & POLLIN) != 0);
            UNTIL(gmp_write(fds[0], "x", 1, SOON()) == GMP_EPIPE, usleep(50));
        } else {
            CHECK_CODE((int)gmp_write(fds[0], "x", 1, SOON()), GMP_EPIPE);
        }
        CHECK_OK(gmp_close_fd(fds[0]));
    }
}

SCENARIO(closed_peer_is_the_end_over_tcp) { peer_closes(TCP); }
SCENARIO(closed_peer_is_the_end_over_unix) { peer_closes(UNIX); }

/* ------------------------------------------------------------ before it was accepted */
struct acceptor {
    struct party party;
    int listener, wanted;
    int resets, bytes;
};

static void accept_some(void *arg) {
    struct acceptor *a = (struct acceptor *)arg;
    for (int i = 0; i < a->wanted; i++) {
        struct sockaddr_in address;
        socklen_t length = sizeof address;
        char byte;
        ssize_t n;
        int fd = gmp_accept(a->listener, (struct sockaddr *)&address, &length, SOON());
        CHECK(fd >= 0);
        CHECK_EQ(length, sizeof address);
        n = gmp_read(fd, &byte, 1, SOON());
        if (n == -ECONNRESET) a->resets++;
        else {
            CHECK_EQ(n, 1);
            a->bytes++;
        }
        CHECK_OK(gmp_close_fd(fd));
    }
}

/* Linux accepts a connection that was reset meanwhile: it is delivered and says so, and those behind it are none the worse. */
static void reset_in_the_backlog(enum kind kind) {
    enum { ALL = 40 };
    struct sockaddr_in address;
    struct acceptor a = {.wanted = ALL};
    int fds[ALL];
    io_start();
    a.listener = tcp_listener(ALL, &address);
    for (int i = 0; i < ALL; i++) {
        fds[i] = tcp_client(&address);
        if (i % 3) {
            CHECK_EQ(write(fds[i], "x", 1), 1);
        } else {
            reset(fds[i]);
            fds[i] = -1;
        }
    }
    party_start(&a.party, kind, accept_some, &a);
    party_end(&a.party);
    CHECK_EQ(a.resets, (ALL + 2) / 3);
    CHECK_EQ(a.bytes, ALL - (ALL + 2) / 3);
    for (int i = 0; i < ALL; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
    CHECK_OK(gmp_close_fd(a.listener));
}

SCENARIO(connections_reset_in_the_backlog_are_delivered_to_a_task) { reset_in_the_backlog(TASK); }
SCENARIO(connections_reset_in_the_backlog_are_delivered_to_a_thread) { reset_in_the_backlog(THREAD); }

/* ------------------------------------------------------------ while connecting */
struct dialler {
    struct party party;
    struct sockaddr_in address;
    int fd, answer;
};

static void dial(void *arg) {
    struct dialler *d = (struct dialler *)arg;
    d->answer = gmp_connect(d->fd, (struct sockaddr *)&d->address, sizeof d->address, SOON());
}

SCENARIO(connect_to_a_port_where_nobody_listens_is_refused) {
    io_start();
    for (int round = 0; round < 20; round++) {
        struct dialler d;
        close(tcp_listener(1, &d.address));
        d.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | (round % 2 ? SOCK_NONBLOCK : 0), 0);
        party_start(&d.party, round % 4 < 2 ? TASK : THREAD, dial, &d);
        party_end(&d.party);
        CHECK_CODE(d.answer, -ECONNREFUSED);
        CHECK_EQ((fcntl(d.fd, F_GETFL) & O_NONBLOCK) != 0, round % 2);
        CHECK_OK(gmp_close_fd(d.fd));
    }
}

/* A backlog that is full leaves the caller waiting; the listener's end refuses or resets it, and it hears so. */
SCENARIO(connect_that_waits_is_told_when_the_listener_ends) {
    enum { MOST = 8 };
    struct sockaddr_in address;
    int listener, waiting = 0, fds[MOST];
    static struct dialler diallers[MOST];
    io_start();
    listener = tcp_listener(0, &address);
    for (int i = 0; i < MOST; i++) {
        diallers[i].address = address;
        diallers[i].fd = fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        diallers[i].answer = 4711;
        party_start(&diallers[i].party, TASK, dial, &diallers[i]);
    }
    /* One or two are connected at once; the others wait for room. */
    UNTIL(gmp_num_tasks() < MOST, usleep(100));
    CHECK_OK(gmp_close_fd(listener));
    for (int i = 0; i < MOST; i++) {
        /* The kernel tries a SYN again after a second, and then hears that nobody listens. */
        party_end(&diallers[i].party);
        waiting += diallers[i].answer != 0;
        CHECK(diallers[i].answer == 0 || diallers[i].answer == -ECONNREFUSED || diallers[i].answer == -ECONNRESET);
        CHECK_OK(gmp_close_fd(fds[i]));
    }
    printf("%d of %d had to wait\n", waiting, MOST);
}
