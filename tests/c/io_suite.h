/* What holds for every line, whatever its kind: each step on blocking and on non-blocking ends, by tasks and threads. */
#ifndef GMP_TESTS_IO_SUITE_H
#define GMP_TESTS_IO_SUITE_H
#include "fds.h"

struct kind_of_line {
    void (*make)(struct line *l);
    int packets;      /* it keeps the bounds of what is written */
    int endless;      /* the other end's close is not told */
    int tty;          /* a hang-up is told otherwise; a blocking write of much waits in the kernel */
};

static const struct kind_of_line *suite_kind;
static int suite_nonblocking;

static void line_make(struct line *l) {
    suite_kind->make(l);
    set_nonblocking(l->in, suite_nonblocking);
    set_nonblocking(l->out, suite_nonblocking);
}

static void check_flags(struct line *l) {
    CHECK_EQ(!!(flags_of(l->in) & O_NONBLOCK), suite_nonblocking);
    CHECK_EQ(!!(flags_of(l->out) & O_NONBLOCK), suite_nonblocking);
}

/* A reader waits, the bytes come; a duplicate's user sees the flags as they were, meanwhile and afterwards. */
static void waiting_reader_gets_what_comes(enum kind reader) {
    struct line l;
    struct async read_one;
    char got[16] = {0};
    line_make(&l);
    int other = dup(l.out);
    CHECK(other >= 0);
    async_start(&read_one, reader, do_read, l.out, got, sizeof got);
    until_waits(&read_one);
    check_flags(&l);
    CHECK_EQ(!!(flags_of(other) & O_NONBLOCK), suite_nonblocking);
    CHECK_EQ(gmp_write(l.in, "hello", 5, SOON()), 5);
    CHECK_EQ(async_end(&read_one), 5);
    CHECK(memcmp(got, "hello", 5) == 0);
    check_flags(&l);
    CHECK_EQ(close(other), 0);
    line_close(&l);
}

static void nothing_there_answers_by_the_deadline(void *arg) {
    struct line *l = (struct line *)arg;
    char got[16];
    const char untouched[16] = {0};
    gmp_time_t soon;
    memset(got, 0, sizeof got);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, -1), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, INT64_MIN), GMP_ETIMEDOUT);
    soon = gmp_after_ns(2 * MS);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, soon), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= soon);
    CHECK(memcmp(got, untouched, sizeof got) == 0);
    /* What can be done without waiting is done, whatever the deadline. */
    CHECK_EQ(gmp_write(l->in, "abc", 3, gmp_now() - 1), 3);
    until_ready(l->out, POLLIN);
    CHECK_EQ(gmp_read(l->out, got, 0, GMP_FOREVER), 0);
    CHECK_EQ(gmp_read(l->out, NULL, 0, GMP_FOREVER), 0);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, gmp_now() - 1), 3);
    CHECK(memcmp(got, "abc", 3) == 0);
    CHECK_EQ(gmp_write(l->in, "defg", 4, GMP_NOWAIT), 4);
    until_ready(l->out, POLLIN);
    CHECK_EQ(gmp_read(l->out, got, sizeof got, GMP_NOWAIT), 4);
    CHECK(memcmp(got, "defg", 4) == 0);
    check_flags(l);
}

/* A whole megabyte goes through, whoever is on either side. */
static void much_is_written_whole(enum kind writer, enum kind reader) {
    enum { MUCH = 1 << 20 };
    struct line l;
    struct async w, r;
    char *sent = (char *)malloc(MUCH), *got = (char *)calloc(1, MUCH);
    CHECK(sent != NULL && got != NULL);
    fill(sent, 0, MUCH);
    line_make(&l);
    async_start(&w, writer, do_write, l.in, sent, MUCH);
    async_start(&r, reader, do_read_all, l.out, got, MUCH);
    CHECK_EQ(async_end(&w), MUCH);
    CHECK_EQ(async_end(&r), MUCH);
    CHECK(memcmp(sent, got, MUCH) == 0);
    check_flags(&l);
    line_close(&l);
    free(sent);
    free(got);
}

/* Writes until there is no room for anything more: how many bytes went. TCP makes room a moment later. */
static size_t fill_up(struct line *l) {
    char bytes[1000];
    size_t done = 0;
    ssize_t n;
    do {
        fill(bytes, done, sizeof bytes);
        n = gmp_write(l->in, bytes, sizeof bytes, gmp_after_ns(5 * MS));
        if (n > 0) done += (size_t)n;
    } while (n > 0 && done < (size_t)64 << 20);
    CHECK_EQ(n, GMP_ETIMEDOUT);
    return done;
}

static void full_line_answers_by_the_deadline_and_goes_on(enum kind writer) {
    enum { MORE = 200000 };
    struct line l;
    struct async w;
    char *bytes = (char *)malloc(MORE), *got;
    size_t before, done = 0;
    CHECK(bytes != NULL);
    line_make(&l);
    before = fill_up(&l);
    fill(bytes, before, MORE);
    async_start(&w, writer, do_write, l.in, bytes, MORE);
    until_waits(&w);
    got = (char *)malloc(before + MORE);
    CHECK(got != NULL);
    while (done < before + MORE) {
        ssize_t n = gmp_read(l.out, got + done, before + MORE - done, SOON());
        CHECK(n > 0);
        done += (size_t)n;
    }
    CHECK_EQ(async_end(&w), MORE);
    check_fill(got, 0, done);
    CHECK_EQ(gmp_read(l.out, got, 1, GMP_NOWAIT), GMP_EAGAIN);
    check_flags(&l);
    line_close(&l);
    free(bytes);
    free(got);
}

static void end_is_told_as_often_as_asked(enum kind reader) {
    struct line l;
    struct async r;
    char got[8];
    line_make(&l);
    async_start(&r, reader, do_read, l.out, got, sizeof got);
    until_waits(&r);
    CHECK_EQ(close(l.in), 0);
    l.in = -1;
    CHECK_EQ(async_end(&r), 0);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, GMP_FOREVER), 0);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, GMP_NOWAIT), 0);
    line_close(&l);
}

static void is_broken(ssize_t code) { CHECK(code == GMP_EPIPE || code == -ECONNRESET); }

/* Nobody reads any more: a code, and no signal. SIGPIPE has its default action here. */
static void write_to_nobody_is_a_code(enum kind writer) {
    struct line l;
    struct async w;
    size_t more = (size_t)4 << 20;
    char *bytes = (char *)calloc(1, more);
    ssize_t n;
    CHECK(bytes != NULL);
    line_make(&l);
    async_start(&w, writer, do_write, l.in, bytes, suite_kind->packets ? 1 : more);
    if (!suite_kind->packets) until_waits(&w);
    CHECK_EQ(close(l.out), 0);
    l.out = -1;
    n = async_end(&w);
    CHECK(n < (ssize_t)more);
    if (n < 0) is_broken(n);
    gmp_time_t limit = SOON();
    while ((n = gmp_write(l.in, bytes, 1, SOON())) > 0) CHECK(gmp_now() < limit);
    is_broken(n);
    is_broken(gmp_write(l.in, bytes, 1, GMP_NOWAIT));
    line_close(&l);
    free(bytes);
}

static void cancelled_reader_has_read_nothing(void) {
    struct line l;
    struct async r;
    char got[8] = {0};
    line_make(&l);
    async_start(&r, TASK, do_read, l.out, got, sizeof got);
    until_waits(&r);
    CHECK_OK(gmp_task_cancel(r.party.task));
    CHECK_EQ(async_end(&r), GMP_ECANCELED);
    CHECK_EQ(got[0], 0);
    CHECK_EQ(gmp_write(l.in, "x", 1, SOON()), 1);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, SOON()), 1);
    CHECK_EQ(got[0], 'x');
    check_flags(&l);
    line_close(&l);
}

static void close_wakes_the_reader(enum kind reader) {
    struct line l;
    struct async r;
    char got[8];
    line_make(&l);
    async_start(&r, reader, do_read, l.out, got, sizeof got);
    until_waits(&r);
    CHECK_OK(gmp_close_fd(l.out));
    CHECK_EQ(async_end(&r), GMP_EBADF);
    CHECK_CODE(gmp_close_fd(l.out), GMP_EBADF);
    CHECK_EQ(gmp_read(l.out, got, sizeof got, GMP_FOREVER), GMP_EBADF);
    l.out = -1;
    line_close(&l);
}

/* A task and a thread read one end: each gets a part of its own. */
static void two_readers_share_an_end(void) {
    struct line l;
    struct async task, thread;
    char first = 0, second = 0;
    line_make(&l);
    async_start(&task, TASK, do_read, l.out, &first, 1);
    async_start(&thread, THREAD, do_read, l.out, &second, 1);
    until_waits(&task);
    until_waits(&thread);
    CHECK_EQ(gmp_write(l.in, "1", 1, SOON()), 1);
    CHECK_EQ(gmp_write(l.in, "2", 1, SOON()), 1);
    CHECK_EQ(async_end(&task), 1);
    CHECK_EQ(async_end(&thread), 1);
    CHECK_EQ(first + second, '1' + '2');
    CHECK(first != second);
    check_flags(&l);
    line_close(&l);
}

static void suite_of_one_mode(void) {
    struct line l;
    line_make(&l);
    by_both(nothing_there_answers_by_the_deadline, &l);
    line_close(&l);
    for (int i = 0; i < 2; i++) {
        enum kind one = i ? THREAD : TASK;
        waiting_reader_gets_what_comes(one);
        close_wakes_the_reader(one);
        if (!suite_kind->packets) {
            much_is_written_whole(one, TASK);
            much_is_written_whole(one, THREAD);
            if (!suite_kind->tty) full_line_answers_by_the_deadline_and_goes_on(one);
        }
        if (!suite_kind->endless && !suite_kind->tty) {
            end_is_told_as_often_as_asked(one);
            write_to_nobody_is_a_code(one);
        }
    }
    cancelled_reader_has_read_nothing();
    two_readers_share_an_end();
}

__attribute__((unused)) static void suite(const struct kind_of_line *kind) {
    int fds;
    suite_kind = kind;
    check_start(2);
    fds = open_ends();
    for (suite_nonblocking = 0; suite_nonblocking < 2; suite_nonblocking++) suite_of_one_mode();
    CHECK_IDLE();
    CHECK_EQ(open_ends(), fds);
}
#endif
