/* Descriptor numbers that are used again at once: for a new wait the number is the new file's, whatever happened to the old
 * one, and by whomever it was closed.
 *
 * The numbers are above all that anybody else opens, so that a number is free when its test has closed it. */
//@ with IO_PROCS=2

#include "streams.h"

#include <sys/timerfd.h>

enum { NUMBER = 700, PEER = 800 };

/* Two ends: one that is read, at NUMBER, and how to write to it. */
enum file { A_SOCKET, A_TCP_SOCKET, A_PIPE, AN_EVENTFD, FILES };

/* Moves `fd` to `number`, which is free. */
static void move(int fd, int number) {
    CHECK_EQ(fcntl(number, F_GETFD), -1);
    CHECK_EQ(dup3(fd, number, O_CLOEXEC), number);
    CHECK_EQ(close(fd), 0);
}

static void file_open(enum file kind, int number, int peer) {
    int fds[2];
    switch (kind) {
    case A_SOCKET:
    case A_TCP_SOCKET: pair_make(kind == A_SOCKET ? UNIX : TCP, fds); break;
    case A_PIPE: CHECK_EQ(pipe2(fds, O_CLOEXEC), 0); break;
    default:
        fds[0] = eventfd(0, EFD_CLOEXEC);
        CHECK(fds[0] >= 0);
        fds[1] = dup(fds[0]);
    }
    move(fds[0], number);
    move(fds[1], peer);
}

static void file_send(enum file kind, int peer, unsigned char value) {
    uint64_t count = value;
    if (kind == AN_EVENTFD) CHECK_EQ(write(peer, &count, sizeof count), 8);
    else CHECK_EQ(write(peer, &value, 1), 1);
}

static void file_receive(enum file kind, int fd, unsigned char value) {
    uint64_t count = 0;
    unsigned char byte = 0;
    if (kind == AN_EVENTFD) {
        ssize_t n = gmp_read(fd, &count, sizeof count, SOON());
        if (n != 8) CHECK_CODE((int)n, 8);
        CHECK_EQ(count, value);
    } else {
        ssize_t n = gmp_read(fd, &byte, 1, SOON());
        if (n != 1) CHECK_CODE((int)n, 1);
        CHECK_EQ(byte, value);
    }
}

/* ------------------------------------------------------------ in a tight loop */
struct reader {
    struct party party;
    enum file kind;
    unsigned char value;
    int plainly, closes;
};

static void end_number(struct reader *r) {
    if (r->plainly) CHECK_EQ(close(NUMBER), 0);
    else CHECK_OK(gmp_close_fd(NUMBER));
}

static void receive_at_number(void *arg) {
    struct reader *r = (struct reader *)arg;
    file_receive(r->kind, NUMBER, r->value);
    if (r->closes) end_number(r);
}

/* Who reads closes it, or another does after it; kinds take turns on the number. */
static void again_and_again(int plainly, int by_reader, enum kind reads, int rounds) {
    uint64_t random = check_seed() * 5 + 1;
    io_start();
    for (int round = 0; round < rounds; round++) {
        struct reader r = {.kind = (enum file)(check_random(&random) % FILES),
                           .value = (unsigned char)(1 + check_random(&random) % 255),
                           .plainly = plainly == 2 ? (int)(check_random(&random) % 2) : plainly,
                           .closes = by_reader};
        file_open(r.kind, NUMBER, PEER);
        int early = check_random(&random) % 4 == 0;
        if (early) file_send(r.kind, PEER, r.value);
        party_start(&r.party, reads, receive_at_number, &r);
        if (!early) {
            if (check_random(&random) % 2 && reads == TASK) until_tasks_wait(1);
            file_send(r.kind, PEER, r.value);
        }
        party_end(&r.party);
        if (!by_reader) end_number(&r);
        CHECK_EQ(close(PEER), 0);
    }
    CHECK_IDLE();
}

SCENARIO(closed_by_the_reader_through_the_library) { again_and_again(0, 1, TASK, 2000); }
SCENARIO(closed_by_another_through_the_library) { again_and_again(0, 0, TASK, 2000); }
SCENARIO(closed_by_the_reader_behind_our_back) { again_and_again(1, 1, TASK, 2000); }
SCENARIO(closed_by_another_behind_our_back) { again_and_again(1, 0, TASK, 2000); }
SCENARIO(closed_both_ways_in_turn) { again_and_again(2, 0, TASK, 2000); }
SCENARIO(closed_both_ways_under_threads) { again_and_again(2, 1, THREAD, 500); }

/* One task does it all: no other gives the library time to notice. */
static void alone(void *arg) {
    uint64_t random = check_seed() * 11 + 1;
    char byte;
    (void)arg;
    for (int round = 0; round < 3000; round++) {
        enum file kind = (enum file)(check_random(&random) % FILES);
        unsigned char value = (unsigned char)(1 + check_random(&random) % 255);
        uint64_t count;
        file_open(kind, NUMBER, PEER);
        ssize_t n = gmp_read(NUMBER, kind == AN_EVENTFD ? (void *)&count : &byte, kind == AN_EVENTFD ? 8 : 1,
                             gmp_after_ns(1000)); /* it is registered, and nothing is there */
        CHECK_CODE((int)n, GMP_ETIMEDOUT);
        file_send(kind, PEER, value);
        if (check_random(&random) % 2) file_receive(kind, NUMBER, value);
        if (check_random(&random) % 2) CHECK_EQ(close(NUMBER), 0);
        else CHECK_OK(gmp_close_fd(NUMBER));
        CHECK_EQ(close(PEER), 0);
    }
}

SCENARIO(one_task_opens_waits_and_closes) {
    io_start();
    CHECK_OK(gmp_run(alone, NULL));
}

/* ------------------------------------------------------------ the old file lives on */
enum old { IS_GONE, HAS_A_DUP, HAS_A_DUP_AND_BYTES, OLDS };
enum by { BY_THE_LIBRARY, BY_CLOSE, BY_DUP2, BYS };

/* It waited once, so that it is registered if things ever are. */
static void wait_once(enum file kind) {
    struct reader r = {.kind = kind, .value = 7};
    party_start(&r.party, TASK, receive_at_number, &r);
    until_tasks_wait(1);
    file_send(kind, PEER, 7);
    party_end(&r.party);
}

static void new_file_on_the_number(enum old old, enum by by) {
    enum { OLD_PEER = 900, OLD_DUP = 901, FRESH = 902, FRESH_PEER = 903 };
    io_start();
    for (int round = 0; round < FILES * FILES * 4; round++) {
        enum file was = (enum file)(round % FILES), is = (enum file)(round / FILES % FILES);
        struct reader r = {.kind = is, .value = 99};
        file_open(was, NUMBER, PEER);
        wait_once(was);
        if (old != IS_GONE) CHECK_EQ(dup3(NUMBER, OLD_DUP, O_CLOEXEC), OLD_DUP);
        if (old == HAS_A_DUP_AND_BYTES) file_send(was, PEER, 55);
        CHECK_EQ(dup3(PEER, OLD_PEER, O_CLOEXEC), OLD_PEER);
        if (by == BY_THE_LIBRARY) CHECK_OK(gmp_close_fd(NUMBER));
        if (by == BY_CLOSE) CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(close(PEER), 0);
        if (by == BY_DUP2) {
            file_open(is, FRESH, FRESH_PEER);
            CHECK_EQ(dup3(FRESH, NUMBER, O_CLOEXEC), NUMBER);
            CHECK_EQ(close(FRESH), 0);
            CHECK_EQ(dup3(FRESH_PEER, PEER, O_CLOEXEC), PEER);
            CHECK_EQ(close(FRESH_PEER), 0);
        } else {
            file_open(is, NUMBER, PEER);
        }
        party_start(&r.party, round % 3 ? TASK : THREAD, receive_at_number, &r);
        if (r.party.kind == TASK) until_tasks_wait(1);
        /* What happens to the old file is nothing to the new one. */
        if (old != IS_GONE) file_send(was, OLD_PEER, 77);
        CHECK_EQ(close(OLD_PEER), 0);
        file_send(is, PEER, 99);
        party_end(&r.party);
        if (old == HAS_A_DUP) file_receive(was, OLD_DUP, 77);
        if (old == HAS_A_DUP_AND_BYTES) file_receive(was, OLD_DUP, was == AN_EVENTFD ? 55 + 77 : 55);
        if (old != IS_GONE) CHECK_EQ(close(OLD_DUP), 0);
        CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(close(PEER), 0);
    }
}

SCENARIO(new_file_after_close_fd) { new_file_on_the_number(IS_GONE, BY_THE_LIBRARY); }
SCENARIO(new_file_after_close_fd_of_one_that_was_duplicated) { new_file_on_the_number(HAS_A_DUP, BY_THE_LIBRARY); }
SCENARIO(new_file_after_close_fd_of_one_with_bytes_unread) {
    new_file_on_the_number(HAS_A_DUP_AND_BYTES, BY_THE_LIBRARY);
}
SCENARIO(new_file_after_plain_close) { new_file_on_the_number(IS_GONE, BY_CLOSE); }
SCENARIO(new_file_after_plain_close_of_one_that_was_duplicated) { new_file_on_the_number(HAS_A_DUP, BY_CLOSE); }
SCENARIO(new_file_after_plain_close_of_one_with_bytes_unread) { new_file_on_the_number(HAS_A_DUP_AND_BYTES, BY_CLOSE); }
SCENARIO(new_file_by_dup2_over_the_old) { new_file_on_the_number(IS_GONE, BY_DUP2); }
SCENARIO(new_file_by_dup2_over_one_that_was_duplicated) { new_file_on_the_number(HAS_A_DUP, BY_DUP2); }
SCENARIO(new_file_by_dup2_over_one_with_bytes_unread) { new_file_on_the_number(HAS_A_DUP_AND_BYTES, BY_DUP2); }

/* The same file leaves its number and comes back to it. */
SCENARIO(file_that_comes_back_to_its_number) {
    enum { AWAY = 904 };
    io_start();
    for (int round = 0; round < 200; round++) {
        enum file kind = (enum file)(round % FILES);
        struct reader r = {.kind = kind, .value = 42};
        file_open(kind, NUMBER, PEER);
        wait_once(kind);
        CHECK_EQ(dup3(NUMBER, AWAY, O_CLOEXEC), AWAY);
        if (round % 2) CHECK_EQ(close(NUMBER), 0);
        else CHECK_OK(gmp_close_fd(NUMBER));
        if (round % 3 == 0) { /* another file was there meanwhile, and was waited for */
            int fds[2];
            char byte;
            pair_make(UNIX, fds);
            move(fds[0], NUMBER);
            CHECK_CODE((int)gmp_read(NUMBER, &byte, 1, gmp_after_ns(1000)), GMP_ETIMEDOUT);
            CHECK_EQ(close(NUMBER), 0);
            CHECK_EQ(close(fds[1]), 0);
        }
        move(AWAY, NUMBER);
        party_start(&r.party, round % 5 ? TASK : THREAD, receive_at_number, &r);
        if (r.party.kind == TASK) until_tasks_wait(1);
        file_send(kind, PEER, 42);
        party_end(&r.party);
        CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(close(PEER), 0);
    }
}

/* ------------------------------------------------------------ who waited when it was closed behind our back */
/* What it is told is not defined; that it is told is, once a task waits at the number or the library closes it. */
SCENARIO(old_waiter_of_a_plain_close_does_not_hang_beside_the_new_one) {
    enum { OLD_PEER = 900 };
    io_start();
    for (int round = 0; round < 60; round++) {
        struct call old, new;
        enum file kind = round % 2 ? A_SOCKET : A_TCP_SOCKET;
        enum kind who = round % 4 < 2 ? TASK : THREAD;
        gmp_stats_t s;
        file_open(kind, NUMBER, PEER);
        call_start(&old, TASK, NUMBER, POLLIN, GMP_FOREVER);
        until_calls_wait(&old, 1);
        CHECK_EQ(dup3(PEER, OLD_PEER, O_CLOEXEC), OLD_PEER);
        CHECK_EQ(close(PEER), 0);
        CHECK_EQ(close(NUMBER), 0);
        file_open(kind, NUMBER, PEER);
        call_start(&new, who, NUMBER, POLLIN, GMP_FOREVER);
        if (who == TASK) {
            UNTIL((s = check_stats(), atomic_load(&old.answered) || s.tasks_parked + s.tasks_blocked == 2), usleep(20));
        }
        /* Two bytes: the old waiter, who reads from the number, may take one of them. */
        CHECK_EQ(write(PEER, "ab", 2), 2);
        CHECK_EQ(call_end(&new), 1);
        CHECK(new.byte == 'a' || new.byte == 'b');
        CHECK_EQ(close(OLD_PEER), 0);
        CHECK_EQ(close(PEER), 0);
        if (who == TASK) call_end(&old);
        CHECK_OK(gmp_close_fd(NUMBER));
        if (who == THREAD) call_end(&old);
        CHECK(old.answer == 1 || old.answer == 0 || old.answer == GMP_EBADF || old.answer == -ECONNRESET);
    }
}

/* Several begin to wait for the new file at once, of which one finds out that it is new: none is told that it was closed. */
SCENARIO(several_tasks_begin_to_wait_for_the_new_file) {
    io_start();
    for (int round = 0; round < 400; round++) {
        struct call calls[4];
        enum file kind = round % 2 ? A_SOCKET : A_PIPE;
        file_open(kind, NUMBER, PEER);
        wait_once(kind);
        CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(close(PEER), 0);
        file_open(kind, NUMBER, PEER);
        for (int i = 0; i < 4; i++) call_start(&calls[i], i < 3 ? TASK : THREAD, NUMBER, POLLIN, SOON());
        CHECK_EQ(write(PEER, "abcd", 4), 4);
        for (int i = 0; i < 4; i++) {
            if (call_end(&calls[i]) != 1) CHECK_CODE((int)calls[i].answer, 1);
        }
        CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(close(PEER), 0);
    }
}

/* gmp_close_fd reaches those who wait for the number, also when what it names is another file by now. */
SCENARIO(close_fd_of_the_number_ends_old_waits) {
    io_start();
    for (int round = 0; round < 60; round++) {
        struct call old;
        file_open(A_SOCKET, NUMBER, PEER);
        call_start(&old, round % 2 ? TASK : THREAD, NUMBER, POLLIN, GMP_FOREVER);
        until_calls_wait(&old, 1);
        CHECK_EQ(close(NUMBER), 0);
        CHECK_EQ(dup3(PEER, 900, O_CLOEXEC), 900);
        CHECK_EQ(close(PEER), 0);
        file_open(round % 4 < 2 ? A_PIPE : A_SOCKET, NUMBER, PEER);
        CHECK_OK(gmp_close_fd(NUMBER));
        CHECK_CODE((int)call_end(&old), GMP_EBADF);
        CHECK_EQ(close(PEER), 0);
        CHECK_EQ(close(900), 0);
    }
}

/* A deadline that was set for the old file is not the new one's, if the library closed the old one. */
SCENARIO(deadline_of_the_descriptor_ends_with_close_fd) {
    io_start();
    for (int round = 0; round < 40; round++) {
        struct reader r = {.kind = A_SOCKET, .value = 3};
        file_open(A_SOCKET, NUMBER, PEER);
        CHECK_OK(gmp_fd_set_deadline(NUMBER, POLLIN, 1));
        CHECK_CODE((int)gmp_read(NUMBER, &r.value, 1, SOON()), GMP_ETIMEDOUT);
        CHECK_OK(gmp_close_fd(NUMBER));
        CHECK_EQ(close(PEER), 0);
        file_open(A_SOCKET, NUMBER, PEER);
        party_start(&r.party, round % 2 ? TASK : THREAD, receive_at_number, &r);
        if (r.party.kind == TASK) until_tasks_wait(1);
        file_send(A_SOCKET, PEER, 3);
        party_end(&r.party);
        CHECK_OK(gmp_close_fd(NUMBER));
        CHECK_EQ(close(PEER), 0);
    }
}

/* timerfd: the new one has expired before, or will. */
SCENARIO(timerfds_come_and_go_on_a_number) {
    io_start();
    for (int round = 0; round < 300; round++) {
        struct itimerspec soon = {{0, 0}, {0, round % 2 ? 1 : 300000}};
        struct reader r = {.kind = AN_EVENTFD, .value = 1};
        int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        CHECK(fd >= 0);
        CHECK_EQ(timerfd_settime(fd, 0, &soon, NULL), 0);
        move(fd, NUMBER);
        party_start(&r.party, round % 4 ? TASK : THREAD, receive_at_number, &r);
        party_end(&r.party);
        if (round % 3) CHECK_EQ(close(NUMBER), 0);
        else CHECK_OK(gmp_close_fd(NUMBER));
    }
}
