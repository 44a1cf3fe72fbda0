/* gmp_poll_fd with every mask, and descriptors that are used both ways at once. */
#define _GNU_SOURCE
#include "fds.h"

static void tcp(struct line *l) { make_tcp(l, AF_INET); }
static void stream_pair(struct line *l) { make_pair(l, SOCK_STREAM); }

enum { ALL = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };

/* What poll(2) says of the same descriptor at the same moment. */
static int kernels_word(int fd, int events) {
    struct pollfd p = {fd, (short)events, 0};
    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

/* Nothing changes meanwhile, so both must say the same, for each of the 15 masks. */
static void agrees_with_the_kernel(int fd) {
    for (int i = 1; i < 16; i++) {
        int events = (i & 1 ? POLLIN : 0) | (i & 2 ? POLLOUT : 0) | (i & 4 ? POLLPRI : 0) | (i & 8 ? POLLRDHUP : 0);
        int wanted = kernels_word(fd, events);
        CHECK_EQ(gmp_poll_fd(fd, events, GMP_NOWAIT), wanted ? wanted : GMP_EAGAIN);
        CHECK_EQ(gmp_poll_fd(fd, events, gmp_now() - 1), wanted ? wanted : GMP_ETIMEDOUT);
    }
}

static void masks(void *arg) {
    struct line l;
    char byte;
    ((void (*)(struct line *))arg)(&l);
    agrees_with_the_kernel(l.in);
    agrees_with_the_kernel(l.out);
    CHECK_EQ(gmp_write(l.in, "x", 1, SOON()), 1);
    until_ready(l.out, POLLIN);
    agrees_with_the_kernel(l.out);
    CHECK_EQ(gmp_poll_fd(l.out, POLLIN, GMP_FOREVER) & POLLIN, POLLIN);
    CHECK_EQ(gmp_read(l.out, &byte, 1, SOON()), 1);
    agrees_with_the_kernel(l.out);
    CHECK_EQ(gmp_poll_fd(l.out, POLLIN, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_EQ(close(l.in), 0);
    l.in = -1;
    until_ready(l.out, POLLIN | POLLRDHUP);
    agrees_with_the_kernel(l.out);
    CHECK(gmp_poll_fd(l.out, POLLIN, GMP_FOREVER) & (POLLIN | POLLHUP));
    line_close(&l);
}

SCENARIO(every_mask_agrees_with_poll) {
    check_start(2);
    by_both(masks, (void *)tcp);
    by_both(masks, (void *)stream_pair);
    by_both(masks, (void *)make_pipe);
}

/* The writer of a pipe learns that nobody reads, whatever it waits for. */
static ssize_t do_poll(struct call *c) { return gmp_poll_fd(c->fd, (int)c->n, c->deadline); }

SCENARIO(hang_up_and_error_are_told_unasked) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct line l;
        struct async p;
        make_pipe(&l);
        async_start(&p, (enum kind)kind, do_poll, l.in, NULL, POLLIN);
        until_waits(&p);
        CHECK_EQ(close(l.out), 0);
        CHECK(async_end(&p) & POLLERR);
        l.out = -1;
        line_close(&l);
        make_pipe(&l);
        async_start(&p, (enum kind)kind, do_poll, l.out, NULL, POLLPRI);
        until_waits(&p);
        CHECK_EQ(close(l.in), 0);
        CHECK(async_end(&p) & POLLHUP);
        l.in = -1;
        line_close(&l);
    }
}

/* Half of a connection is closed: told to those who ask for it. */
SCENARIO(half_close_is_pollrdhup) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct line l;
        struct async p;
        tcp(&l);
        async_start(&p, (enum kind)kind, do_poll, l.out, NULL, POLLRDHUP);
        until_waits(&p);
        CHECK_EQ(shutdown(l.in, SHUT_WR), 0);
        CHECK_EQ(async_end(&p) & POLLRDHUP, POLLRDHUP);
        CHECK_EQ(gmp_poll_fd(l.out, POLLOUT, GMP_NOWAIT), POLLOUT);
        CHECK_EQ(gmp_write(l.out, "still", 5, SOON()), 5);
        char got[8];
        CHECK_EQ(gmp_read(l.in, got, sizeof got, SOON()), 5);
        line_close(&l);
    }
}

SCENARIO(close_wakes_those_who_poll) {
    check_start(2);
    for (int kind = TASK; kind <= THREAD; kind++) {
        struct line l;
        struct async p;
        tcp(&l);
        async_start(&p, (enum kind)kind, do_poll, l.out, NULL, POLLIN);
        until_waits(&p);
        CHECK_OK(gmp_close_fd(l.out));
        CHECK_EQ(async_end(&p), GMP_EBADF);
        CHECK_EQ(gmp_poll_fd(l.out, POLLIN, GMP_NOWAIT), GMP_EBADF);
        l.out = -1;
        line_close(&l);
    }
}

SCENARIO(cancelled_poll_answers) {
    struct line l;
    struct async p;
    check_start(2);
    make_pipe(&l);
    async_start(&p, TASK, do_poll, l.out, NULL, POLLIN);
    until_waits(&p);
    CHECK_OK(gmp_task_cancel(p.party.task));
    CHECK_EQ(async_end(&p), GMP_ECANCELED);
    line_close(&l);
}

/* Readers and pollers of one descriptor: all pollers are told, one reader gets the byte. */
SCENARIO(pollers_and_a_reader_wait_together) {
    enum { POLLERS = 4 };
    check_start(2);
    for (int round = 0; round < 20; round++) {
        struct line l;
        struct async r, p[POLLERS];
        char byte = 0;
        make_pair(&l, SOCK_STREAM);
        for (int i = 0; i < POLLERS; i++) {
            async_start(&p[i], i % 2 ? THREAD : TASK, do_poll, l.out, NULL, POLLIN);
            if (i % 2) {
                until_waits(&p[i]);
            } else {
                UNTIL(tasks_wait(1 + i / 2), usleep(20));
            }
        }
        CHECK_EQ(gmp_write(l.in, "x", 1, SOON()), 1);
        for (int i = 0; i < POLLERS; i++) CHECK_EQ(async_end(&p[i]), POLLIN);
        async_start(&r, round % 2 ? THREAD : TASK, do_read, l.out, &byte, 1);
        CHECK_EQ(async_end(&r), 1);
        CHECK_EQ(byte, 'x');
        line_close(&l);
    }
}

/* ------------------------------------------------------------ both ways at once */
enum { MUCH = 1 << 20 };

/* One descriptor is read by one party and written by another at the same time; so is its peer. */
static void both_ways(void (*make)(struct line *), const enum kind kinds[4]) {
    struct line l;
    struct async a[4];
    char *there = (char *)malloc(MUCH), *back = (char *)malloc(MUCH), *got[2] = {(char *)malloc(MUCH), (char *)malloc(MUCH)};
    CHECK(there && back && got[0] && got[1]);
    fill(there, 0, MUCH);
    fill(back, 12345, MUCH);
    make(&l);
    async_start(&a[0], kinds[0], do_write, l.in, there, MUCH);
    async_start(&a[1], kinds[1], do_write, l.out, back, MUCH);
    async_start(&a[2], kinds[2], do_read_all, l.in, got[0], MUCH);
    async_start(&a[3], kinds[3], do_read_all, l.out, got[1], MUCH);
    for (int i = 0; i < 4; i++) CHECK_EQ(async_end(&a[i]), MUCH);
    CHECK(memcmp(got[0], back, MUCH) == 0);
    CHECK(memcmp(got[1], there, MUCH) == 0);
    line_close(&l);
    free(there);
    free(back);
    free(got[0]);
    free(got[1]);
}

SCENARIO(sockets_are_read_and_written_at_once) {
    static const enum kind mixes[][4] = {
        {TASK, TASK, TASK, TASK}, {THREAD, TASK, TASK, THREAD}, {THREAD, THREAD, THREAD, THREAD}, {TASK, THREAD, TASK, THREAD}};
    check_start(2);
    for (int i = 0; i < 4; i++) {
        both_ways(tcp, mixes[i]);
        both_ways(stream_pair, mixes[i]);
    }
}

/* Many readers of one pipe, tasks and threads: every byte goes to one of them. */
enum { READERS = 6, BYTES = 30000 };

struct account {
    int fd;
    long count, sum;
};

static void read_to_the_end(void *arg) {
    struct account *a = (struct account *)arg;
    unsigned char bytes[97];
    ssize_t n;
    while ((n = gmp_read(a->fd, bytes, sizeof bytes, SOON())) > 0) {
        a->count += n;
        for (ssize_t i = 0; i < n; i++) a->sum += bytes[i];
    }
    CHECK_EQ(n, 0);
}

static void shared_end(void (*make)(struct line *)) {
    struct line l;
    struct party p[READERS];
    struct account a[READERS];
    long count = 0, sum = 0, sent = 0;
    make(&l);
    for (int i = 0; i < READERS; i++) {
        a[i] = (struct account){.fd = l.out};
        party_start(&p[i], i % 2 ? THREAD : TASK, read_to_the_end, &a[i]);
    }
    for (long at = 0; at < BYTES; at++) {
        unsigned char byte = (unsigned char)byte_at((size_t)at);
        CHECK_EQ(gmp_write(l.in, &byte, 1, SOON()), 1);
        sent += byte;
    }
    CHECK_EQ(close(l.in), 0);
    l.in = -1;
    parties_end(p, READERS);
    for (int i = 0; i < READERS; i++) {
        count += a[i].count;
        sum += a[i].sum;
    }
    CHECK_EQ(count, BYTES);
    CHECK_EQ(sum, sent);
    line_close(&l);
}

SCENARIO(readers_of_one_descriptor_share_its_bytes) {
    check_start(2);
    shared_end(make_pipe);
    shared_end(stream_pair);
    shared_end(tcp);
}
