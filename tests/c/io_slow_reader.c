/* A writer that is faster than its reader: all of it arrives, and what was written when it was stopped is told exactly. */
//@ with IO_PROCS=2
//@ limit 120
#include "streams.h"

enum { BIG = 100 << 20, PIECE = 1 << 20 };

struct reader {
    struct party party;
    int fd;
    uint64_t random;
    size_t most;              /* bytes of one read */
    int pauses;               /* one read in so many is followed by one */
    atomic_size_t received;
    size_t held_until;        /* it does not begin before the writer says so */
    atomic_int may_begin;
};

/* To the end of the stream, in bits and pieces. */
static void read_slowly(void *arg) {
    struct reader *r = (struct reader *)arg;
    unsigned char *bytes = (unsigned char *)malloc(r->most);
    ssize_t n;
    CHECK(bytes != NULL);
    UNTIL(atomic_load(&r->may_begin), give_way());
    while ((n = gmp_read(r->fd, bytes, 1 + check_random(&r->random) % r->most, SOON())) > 0) {
        bytes_check(bytes, (size_t)n, atomic_load(&r->received));
        atomic_fetch_add(&r->received, (size_t)n);
        if (check_random(&r->random) % (uint64_t)r->pauses == 0) CHECK_OK(gmp_sleep(200000));
        else if (check_random(&r->random) % 4 == 0) gmp_yield();
    }
    CHECK_EQ(n, 0);
    free(bytes);
}

static void reader_start(struct reader *r, enum kind kind, int fd, size_t most, int pauses, int at_once) {
    memset(r, 0, sizeof *r);
    r->fd = fd;
    r->random = check_seed() + 3;
    r->most = most;
    r->pauses = pauses;
    atomic_store(&r->may_begin, at_once);
    party_start(&r->party, kind, read_slowly, r);
}

static unsigned char *big_bytes(size_t n) {
    unsigned char *bytes = (unsigned char *)malloc(n);
    CHECK(bytes != NULL);
    bytes_make(bytes, n, 0);
    return bytes;
}

struct writer {
    struct party party;
    int fd;
    const unsigned char *bytes;
    size_t n;
    ssize_t answer;
    gmp_time_t deadline;
};

static void write_it(void *arg) {
    struct writer *w = (struct writer *)arg;
    w->answer = gmp_write(w->fd, w->bytes, w->n, w->deadline);
}

/* ------------------------------------------------------------ a hundred megabytes in one call */
static void hundred_megabytes(enum pair kind, enum kind writes, enum kind reads) {
    struct reader r;
    struct writer w = {.n = BIG, .deadline = gmp_after_ns(100 * SECOND)};
    int fds[2];
    io_start();
    pair_make(kind, fds);
    w.fd = fds[1];
    w.bytes = big_bytes(BIG);
    reader_start(&r, reads, fds[0], 300000, 100, 1);
    party_start(&w.party, writes, write_it, &w);
    UNTIL(atomic_load(&r.received) >= BIG / 2, usleep(1000));
    UNTIL(atomic_load(&r.received) == BIG, usleep(1000));
    party_end(&w.party);
    CHECK_EQ(w.answer, BIG);
    CHECK_OK(gmp_close_fd(fds[1]));
    party_end(&r.party);
    CHECK_OK(gmp_close_fd(fds[0]));
    free((void *)w.bytes);
}

SCENARIO(hundred_megabytes_of_a_task_over_tcp) { hundred_megabytes(TCP, TASK, TASK); }
SCENARIO(hundred_megabytes_of_a_task_over_unix) { hundred_megabytes(UNIX, TASK, THREAD); }
SCENARIO(hundred_megabytes_of_a_thread_over_tcp) { hundred_megabytes(TCP, THREAD, TASK); }

/* ------------------------------------------------------------ a deadline half-way */
static void deadline_half_way(enum pair kind, enum kind writes) {
    struct reader r;
    struct writer w = {.n = BIG};
    int fds[2];
    io_start();
    pair_make(kind, fds);
    w.fd = fds[1];
    w.bytes = big_bytes(BIG);
    reader_start(&r, TASK, fds[0], 300000, 20, 0);
    /* Nobody reads yet: it is full long before the deadline. */
    w.deadline = gmp_after_ns(300 * MS);
    party_start(&w.party, writes, write_it, &w);
    party_end(&w.party);
    CHECK(w.answer > 0 && w.answer < BIG); /* fewer bytes now ... */
    CHECK(gmp_now() >= w.deadline);
    size_t written = (size_t)w.answer;
    do {
        w.bytes += w.answer;
        w.n -= (size_t)w.answer;
        party_start(&w.party, writes, write_it, &w);
        party_end(&w.party);
        /* TCP may make room meanwhile: what can be done without waiting is done, whatever the deadline. */
        if (w.answer > 0) written += (size_t)w.answer;
    } while (w.answer > 0);
    CHECK_CODE((int)w.answer, GMP_ETIMEDOUT); /* ... the code with the next call */
    atomic_store(&r.may_begin, 1);
    /* Exactly what was told has been written: the rest joins it without a seam. */
    w.deadline = gmp_after_ns(100 * SECOND);
    party_start(&w.party, writes, write_it, &w);
    party_end(&w.party);
    CHECK_EQ(w.answer, (ssize_t)w.n);
    CHECK_OK(gmp_close_fd(fds[1]));
    party_end(&r.party);
    CHECK_EQ(atomic_load(&r.received), BIG);
    CHECK_OK(gmp_close_fd(fds[0]));
    free((void *)(w.bytes - written));
}

SCENARIO(deadline_stops_a_task_half_way_over_tcp) { deadline_half_way(TCP, TASK); }
SCENARIO(deadline_stops_a_task_half_way_over_unix) { deadline_half_way(UNIX, TASK); }
SCENARIO(deadline_stops_a_thread_half_way_over_unix) { deadline_half_way(UNIX, THREAD); }

/* ------------------------------------------------------------ many short deadlines, cancels and other stops */
struct stopper {
    struct party party;
    int fd;
    uint64_t random;
    size_t all;
    const unsigned char *bytes;
    long stopped, partly;
};

static void write_under_short_deadlines(void *arg) {
    struct stopper *s = (struct stopper *)arg;
    for (size_t place = 0; place < s->all;) {
        size_t n = 1 + check_random(&s->random) % PIECE;
        gmp_time_t deadline = gmp_after_ns((int64_t)(check_random(&s->random) % 300000));
        ssize_t wrote;
        if (n > s->all - place) n = s->all - place;
        if (check_random(&s->random) % 8 == 0) deadline = GMP_NOWAIT;
        wrote = gmp_write(s->fd, s->bytes + place, n, deadline);
        if (wrote < 0) {
            CHECK_CODE((int)wrote, deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT);
            s->stopped++;
            if (s->stopped % 16 == 0) gmp_yield();
        } else {
            CHECK(wrote > 0 && (size_t)wrote <= n);
            s->partly += (size_t)wrote < n;
            place += (size_t)wrote;
        }
    }
}

static void short_deadlines(enum pair kind, enum kind writes) {
    struct stopper s = {.random = check_seed() + 11, .all = kind == TCP ? 2 << 20 : 12 << 20};
    struct reader r;
    int fds[2];
    io_start();
    pair_make(kind, fds);
    narrow(fds[1]);
    s.fd = fds[1];
    s.bytes = big_bytes(s.all);
    reader_start(&r, TASK, fds[0], 40000, 8, 1);
    party_start(&s.party, writes, write_under_short_deadlines, &s);
    party_end(&s.party);
    CHECK_OK(gmp_close_fd(fds[1]));
    party_end(&r.party);
    CHECK_EQ(atomic_load(&r.received), s.all);
    printf("%ld stopped with nothing, %ld half-way\n", s.stopped, s.partly);
    CHECK(s.stopped + s.partly > 0);
    CHECK_OK(gmp_close_fd(fds[0]));
    free((void *)s.bytes);
}

SCENARIO(short_deadlines_lose_no_byte_of_a_task_over_tcp) { short_deadlines(TCP, TASK); }
SCENARIO(short_deadlines_lose_no_byte_of_a_task_over_unix) { short_deadlines(UNIX, TASK); }
SCENARIO(short_deadlines_lose_no_byte_of_a_thread_over_unix) { short_deadlines(UNIX, THREAD); }

/* ------------------------------------------------------------ several writers of one descriptor */
enum { WRITERS = 4, RECORDS = 300, RECORD = 4096 };

static void write_records(void *arg) {
    struct writer *w = (struct writer *)arg;
    unsigned char record[RECORD];
    memset(record, (int)w->n, sizeof record);
    for (int i = 0; i < RECORDS; i++) {
        record[1] = (unsigned char)i;
        write_whole(w->fd, record, sizeof record);
    }
}

/* A write is whole for its caller; on a pipe records of PIPE_BUF are whole for the reader as well. */
SCENARIO(several_writers_of_a_pipe_write_all_of_theirs) {
    struct writer writers[WRITERS];
    unsigned char record[RECORD];
    int fds[2], seen[WRITERS + 1] = {0};
    io_start();
    CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
    for (int i = 0; i < WRITERS; i++) {
        writers[i].fd = fds[1];
        writers[i].n = (size_t)i + 1;
        party_start(&writers[i].party, i % 2 ? TASK : THREAD, write_records, &writers[i]);
    }
    for (int i = 0; i < WRITERS * RECORDS; i++) {
        read_whole(fds[0], record, sizeof record);
        CHECK(record[0] >= 1 && record[0] <= WRITERS);
        CHECK_EQ(record[1], (unsigned char)seen[record[0]]++);
        for (int b = 2; b < RECORD; b++) CHECK_EQ(record[b], record[0]);
    }
    for (int i = 0; i < WRITERS; i++) party_end(&writers[i].party);
    pair_close(fds);
}
