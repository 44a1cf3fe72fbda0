/* Streams of which one direction has ended: the other goes on, and who waits is told. */
//@ with IO_PROCS=2
#include "streams.h"

enum { QUESTION = 300000, ANSWER = 500000 };

struct side {
    struct party party;
    int fd;
};

static void send_all_and_shut(int fd, size_t n) {
    static const size_t piece = 7001;
    unsigned char bytes[7001];
    for (size_t place = 0; place < n;) {
        size_t part = n - place < piece ? n - place : piece;
        bytes_make(bytes, part, place);
        write_whole(fd, bytes, part);
        place += part;
    }
    CHECK_EQ(shutdown(fd, SHUT_WR), 0);
}

static void receive_to_the_end(int fd, size_t wanted) {
    unsigned char bytes[9000];
    size_t place = 0;
    ssize_t n;
    while ((n = gmp_read(fd, bytes, sizeof bytes, SOON())) > 0) {
        bytes_check(bytes, (size_t)n, place);
        place += (size_t)n;
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(place, wanted);
    for (int i = 0; i < 3; i++) CHECK_EQ(gmp_read(fd, bytes, sizeof bytes, i ? SOON() : GMP_NOWAIT), 0); /* it stays the end */
}

/* The question ends by its end, and so does the answer. */
static void ask(void *arg) {
    struct side *s = (struct side *)arg;
    send_all_and_shut(s->fd, QUESTION);
    CHECK_CODE((int)gmp_write(s->fd, "x", 1, SOON()), GMP_EPIPE);
    receive_to_the_end(s->fd, ANSWER);
}

static void answer(void *arg) {
    struct side *s = (struct side *)arg;
    receive_to_the_end(s->fd, QUESTION);
    send_all_and_shut(s->fd, ANSWER);
}

static void question_and_answer(enum pair kind, enum kind asks, enum kind answers) {
    io_start();
    for (int round = 0; round < 10; round++) {
        struct side sides[2];
        int fds[2];
        pair_make(kind, fds);
        for (int i = 0; i < 2; i++) sides[i].fd = fds[i];
        party_start(&sides[0].party, asks, ask, &sides[0]);
        party_start(&sides[1].party, answers, answer, &sides[1]);
        party_end(&sides[0].party);
        party_end(&sides[1].party);
        pair_close(fds);
    }
}

SCENARIO(question_and_answer_end_by_their_ends_over_tcp) { question_and_answer(TCP, TASK, TASK); }
SCENARIO(question_and_answer_end_by_their_ends_over_unix) { question_and_answer(UNIX, TASK, TASK); }
SCENARIO(question_and_answer_with_a_thread_over_tcp) { question_and_answer(TCP, THREAD, TASK); }
SCENARIO(question_and_answer_with_a_thread_over_unix) { question_and_answer(UNIX, TASK, THREAD); }

/* Both directions end at about the same moment. */
static void ask_first(void *arg) {
    struct side *s = (struct side *)arg;
    unsigned char sent[500], came[500];
    bytes_make(sent, sizeof sent, 0);
    write_whole(s->fd, sent, sizeof sent);
    CHECK_EQ(shutdown(s->fd, SHUT_WR), 0);
    read_whole(s->fd, came, sizeof came);
    bytes_check(came, sizeof came, 0);
    CHECK_EQ(gmp_read(s->fd, came, 1, SOON()), 0);
    CHECK_OK(gmp_close_fd(s->fd));
}

SCENARIO(both_sides_end_at_once) {
    io_start();
    for (int round = 0; round < 200; round++) {
        struct side sides[2];
        int fds[2];
        pair_make(round % 2 ? TCP : UNIX, fds);
        for (int i = 0; i < 2; i++) {
            sides[i].fd = fds[i];
            party_start(&sides[i].party, round % 3 == i ? THREAD : TASK, ask_first, &sides[i]);
        }
        party_end(&sides[0].party);
        party_end(&sides[1].party);
    }
}

/* ------------------------------------------------------------ waits of the one direction while the other ends */
static void reader_ends_writer_goes_on(enum pair kind) {
    struct call reader, writer;
    static char thrown_away[1 << 16];
    int fds[2];
    ssize_t n;
    io_start();
    pair_make(kind, fds);
    size_t left = fill_up(fds[0]);
    call_start(&reader, TASK, fds[0], POLLIN, GMP_FOREVER);
    call_start(&writer, TASK, fds[0], POLLOUT, GMP_FOREVER);
    until_tasks_wait(2);
    CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
    CHECK_EQ(call_end(&reader), 0);
    CHECK_EQ(atomic_load(&writer.answered), 0);
    /* The peer reads on, all that was written before and now. */
    left += CALL_MUCH;
    while (left > 0) {
        n = gmp_read(fds[1], thrown_away, sizeof thrown_away, SOON());
        CHECK(n > 0);
        left -= (size_t)n;
    }
    CHECK_EQ(call_end(&writer), CALL_MUCH);
    pair_close(fds);
}

SCENARIO(peers_end_wakes_readers_and_leaves_writers_over_tcp) { reader_ends_writer_goes_on(TCP); }
SCENARIO(peers_end_wakes_readers_and_leaves_writers_over_unix) { reader_ends_writer_goes_on(UNIX); }

/* shutdown(2) of one's own end, by another: who waits there is told. */
static void own_end(enum pair kind, enum kind who) {
    struct call reader, writer;
    int fds[2];
    io_start();
    for (int round = 0; round < 10; round++) {
        pair_make(kind, fds);
        call_start(&reader, who, fds[0], POLLIN, SOON());
        until_calls_wait(&reader, 1);
        CHECK_EQ(shutdown(fds[0], SHUT_RD), 0);
        CHECK_EQ(call_end(&reader), 0);
        fill_up(fds[0]);
        call_start(&writer, who, fds[0], POLLOUT, SOON());
        until_calls_wait(&writer, 1);
        CHECK_EQ(shutdown(fds[0], SHUT_WR), 0);
        call_end(&writer);
        if (writer.answer > 0) writer.answer = gmp_write(fds[0], "x", 1, SOON());
        CHECK_CODE((int)writer.answer, GMP_EPIPE);
        pair_close(fds);
    }
}

SCENARIO(own_shutdown_ends_the_waits_of_tasks_over_tcp) { own_end(TCP, TASK); }
SCENARIO(own_shutdown_ends_the_waits_of_tasks_over_unix) { own_end(UNIX, TASK); }
SCENARIO(own_shutdown_ends_the_waits_of_threads_over_tcp) { own_end(TCP, THREAD); }

/* ------------------------------------------------------------ as events */
struct look {
    struct party party;
    int fd, events, answer;
};

static void look(void *arg) {
    struct look *l = (struct look *)arg;
    l->answer = gmp_poll_fd(l->fd, l->events, SOON());
}

SCENARIO(half_close_is_told_as_an_event) {
    io_start();
    for (int round = 0; round < 40; round++) {
        struct look l;
        int fds[2];
        pair_make(round % 2 ? TCP : UNIX, fds);
        l = (struct look){.fd = fds[0], .events = round % 4 < 2 ? POLLRDHUP : POLLIN | POLLRDHUP};
        if (round % 4 < 2) { /* data is no end: this wait must not be answered by it */
            CHECK_CODE(gmp_poll_fd(fds[0], POLLRDHUP, GMP_NOWAIT), GMP_EAGAIN);
            CHECK_EQ(write(fds[1], "x", 1), 1);
            CHECK_CODE(gmp_poll_fd(fds[0], POLLRDHUP, GMP_NOWAIT), GMP_EAGAIN);
            CHECK_CODE(gmp_poll_fd(fds[0], POLLRDHUP, gmp_after_ns(MS)), GMP_ETIMEDOUT);
        }
        party_start(&l.party, round % 8 < 4 ? TASK : THREAD, look, &l);
        CHECK_EQ(shutdown(fds[1], SHUT_WR), 0);
        party_end(&l.party);
        CHECK((l.answer & POLLRDHUP) != 0);
        pair_close(fds);
    }
}

/* Of a pipe each end is a half. */
SCENARIO(pipe_ends_tell_each_other) {
    io_start();
    for (int round = 0; round < 20; round++) {
        struct call call;
        int fds[2];
        CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
        call_start(&call, round % 2 ? TASK : THREAD, fds[0], POLLIN, SOON());
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_close_fd(fds[1]));
        CHECK_EQ(call_end(&call), 0);
        CHECK_OK(gmp_close_fd(fds[0]));
        CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
        fill_up(fds[1]);
        call_start(&call, round % 2 ? TASK : THREAD, fds[1], POLLOUT, SOON());
        until_calls_wait(&call, 1);
        CHECK_OK(gmp_close_fd(fds[0]));
        call_end(&call);
        CHECK_CODE((int)call.answer, GMP_EPIPE);
        CHECK_OK(gmp_close_fd(fds[1]));
    }
}
