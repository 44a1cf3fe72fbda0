/* Many connections at once, with everything that can happen to them: random sizes and deadlines, deadlines of the descriptor, cancels,
 * half-closes, closes and resets, and their numbers used again. Seeded; bounded in time.
 *
 * Each end has a reader and a writer, which go on where the one before was cancelled. A connection ends by running dry, and then
 * every byte that a write told of has been read; or it is broken off, and what was read is a beginning of what was written. */
//@ with IO_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
//@ limit 120
#include "streams.h"

enum { LINES = 40, FIRST_NUMBER = 700, MOST = 6000 };
#define LENGTH (3 * SECOND)

struct line;

/* One direction at one end. */
struct role {
    struct line *line;
    int end, writes;
    uint64_t random;
    struct party party;     /* a thread's, or a task's */
    uint64_t place;         /* of the next byte */
    int gone;               /* the stream has ended here */
};

struct line {
    int number[2];
    struct role roles[4];   /* [2 * end + writes] */
    atomic_int dry;         /* the writers end their streams */
    atomic_int broken;
    uint64_t random;
    struct party keeper;
};

static struct line lines[LINES];
static gmp_time_t end_of_all;
static atomic_long bytes_in_all, ended_dry, broken_off, cancels, late;

static gmp_time_t some_deadline(uint64_t *random) {
    switch (check_random(random) % 6) {
    case 0: return GMP_NOWAIT;
    case 1: return gmp_after_ns((int64_t)(check_random(random) % 20000));
    case 2: return gmp_after_ns((int64_t)(check_random(random) % 2000000));
    default: return SOON();
    }
}

/* A code that says: try again. */
static int goes_on(struct role *r, ssize_t code) {
    if (code == GMP_ETIMEDOUT || code == GMP_EAGAIN) {
        atomic_fetch_add(&late, 1);
        gmp_yield();
        return 1;
    }
    if (code == GMP_ECANCELED) return 0;
    if (code != GMP_EBADF && code != -ECONNRESET && code != GMP_EPIPE) CHECK_CODE((int)code, GMP_EBADF);
    CHECK(atomic_load(&r->line->broken));
    r->gone = 1;
    return 0;
}

static void set_some_deadline(struct role *r, int fd) {
    gmp_time_t when = check_random(&r->random) % 2 ? GMP_FOREVER : gmp_after_ns((int64_t)(check_random(&r->random) % 100000));
    int code = gmp_fd_set_deadline(fd, r->writes ? POLLOUT : POLLIN, when);
    CHECK(code == GMP_OK || (code == GMP_EBADF && atomic_load(&r->line->broken)));
}

static void read_on(struct role *r) {
    unsigned char bytes[MOST];
    int fd = r->line->number[r->end];
    /* Who is cancelled while it never has to wait would not be told. */
    while (gmp_checkpoint() != GMP_ECANCELED) {
        size_t n = 1 + check_random(&r->random) % (check_random(&r->random) % 4 ? 200 : sizeof bytes);
        ssize_t got;
        if (check_random(&r->random) % 32 == 0) set_some_deadline(r, fd);
        if (check_random(&r->random) % 16 == 0) (void)gmp_poll_fd(fd, POLLIN, some_deadline(&r->random));
        got = gmp_read(fd, bytes, n, some_deadline(&r->random));
        if (got == 0) {
            r->gone = 1;
            return;
        }
        if (got < 0) {
            if (!goes_on(r, got)) return;
            continue;
        }
        bytes_check(bytes, (size_t)got, r->place);
        r->place += (uint64_t)got;
        atomic_fetch_add(&bytes_in_all, got);
    }
}

static void write_on(struct role *r) {
    unsigned char bytes[MOST];
    int fd = r->line->number[r->end];
    while (!atomic_load(&r->line->dry)) {
        size_t n = 1 + check_random(&r->random) % (check_random(&r->random) % 4 ? 200 : sizeof bytes);
        ssize_t put;
        if (check_random(&r->random) % 32 == 0) set_some_deadline(r, fd);
        bytes_make(bytes, n, r->place);
        put = gmp_write(fd, bytes, n, some_deadline(&r->random));
        if (put < 0) {
            if (!goes_on(r, put)) return;
            continue;
        }
        CHECK(put > 0 && (size_t)put <= n);
        r->place += (uint64_t)put;
        if (gmp_checkpoint() == GMP_ECANCELED) return;
        if (check_random(&r->random) % 4 == 0) (void)gmp_sleep((int64_t)(check_random(&r->random) % 400000));
    }
    if (shutdown(fd, SHUT_WR) != 0) CHECK(atomic_load(&r->line->broken));
    r->gone = 1;
}

static void play(void *arg) {
    struct role *r = (struct role *)arg;
    if (r->writes) write_on(r);
    else read_on(r);
}

static void role_start(struct role *r) {
    party_start(&r->party, check_random(&r->random) % 16 ? TASK : THREAD, play, r);
}

static void line_open(struct line *l, int which) {
    int fds[2];
    pair_make(check_random(&l->random) % 2 ? TCP : UNIX, fds);
    if (check_random(&l->random) % 2) narrow(fds[0]);
    atomic_store(&l->dry, 0);
    atomic_store(&l->broken, 0);
    for (int end = 0; end < 2; end++) {
        /* Numbers of its own: a call that comes after a close finds nobody else's connection there. */
        l->number[end] = FIRST_NUMBER + 2 * which + end;
        CHECK_EQ(dup3(fds[end], l->number[end], O_CLOEXEC), l->number[end]);
        CHECK_EQ(close(fds[end]), 0);
    }
    for (int i = 0; i < 4; i++) {
        struct role *r = &l->roles[i];
        *r = (struct role){.line = l, .end = i / 2, .writes = i % 2, .random = check_random(&l->random) | 1};
    }
    for (int i = 0; i < 4; i++) role_start(&l->roles[i]);
}

/* One is stopped, and another takes its place. */
static void cancel_one(struct line *l) {
    struct role *r = &l->roles[check_random(&l->random) % 4];
    if (r->party.kind != TASK) return;
    CHECK_OK(gmp_task_cancel(r->party.task));
    party_end(&r->party);
    atomic_fetch_add(&cancels, 1);
    if (r->gone) {
        CHECK(atomic_load(&l->broken) || atomic_load(&l->dry));
        r->party.kind = THREAD; /* of nobody: see line_end */
        r->party.thread = 0;
    } else {
        role_start(r);
    }
}

static void break_off(struct line *l) {
    int end = (int)(check_random(&l->random) % 2);
    struct linger at_once = {1, 0};
    atomic_store(&l->broken, 1);
    switch (check_random(&l->random) % 4) {
    case 0: (void)setsockopt(l->number[end], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once); /* falls through */
    case 1: CHECK_OK(gmp_close_fd(l->number[end])); break;
    case 2: CHECK_EQ(shutdown(l->number[end], SHUT_RDWR), 0); break;
    default:
        CHECK_OK(gmp_close_fd(l->number[end]));
        CHECK_OK(gmp_close_fd(l->number[!end]));
    }
    atomic_fetch_add(&broken_off, 1);
}

static void line_end(struct line *l) {
    atomic_store(&l->dry, 1);
    for (int i = 0; i < 4; i++) {
        if (l->roles[i].party.kind == TASK || l->roles[i].party.thread != 0) party_end(&l->roles[i].party);
    }
    for (int end = 0; end < 2; end++) {
        uint64_t written = l->roles[2 * end + 1].place, read = l->roles[2 * !end].place;
        if (atomic_load(&l->broken)) CHECK(read <= written);
        else CHECK_EQ(read, written);
        int code = gmp_close_fd(l->number[end]);
        CHECK(code == GMP_OK || (code == GMP_EBADF && atomic_load(&l->broken)));
    }
    if (!atomic_load(&l->broken)) atomic_fetch_add(&ended_dry, 1);
}

static void keep(void *arg) {
    struct line *l = (struct line *)arg;
    do {
        line_open(l, (int)(l - lines));
        for (int turns = 1 + (int)(check_random(&l->random) % 12); turns > 0; turns--) {
            CHECK_OK(gmp_sleep((int64_t)(check_random(&l->random) % (4 * MS))));
            if (check_random(&l->random) % 2) cancel_one(l);
        }
        if (check_random(&l->random) % 2) break_off(l);
        if (check_random(&l->random) % 4 == 0) cancel_one(l);
        line_end(l);
    } while (gmp_now() < end_of_all);
}

SCENARIO(everything_happens_to_many_connections) {
    printf("seed %llu\n", (unsigned long long)check_seed());
    io_start();
    end_of_all = gmp_after_ns(LENGTH);
    for (int i = 0; i < LINES; i++) {
        lines[i].random = (check_seed() + (uint64_t)i) * 59 + 1;
        party_start(&lines[i].keeper, TASK, keep, &lines[i]);
    }
    for (int i = 0; i < LINES; i++) party_end(&lines[i].keeper);
    CHECK_IDLE();
    printf("%ld bytes, %ld ran dry, %ld broken off, %ld cancels, %ld late\n", atomic_load(&bytes_in_all),
           atomic_load(&ended_dry), atomic_load(&broken_off), atomic_load(&cancels), atomic_load(&late));
    CHECK(atomic_load(&ended_dry) > 0 && atomic_load(&broken_off) > 0 && atomic_load(&cancels) > 0);
    UNTIL(check_stats().poll_waiters == 0 && check_stats().timers_pending == 0, usleep(100));
    CHECK_OK(gmp_shutdown(SOON()));
}
