/* Deadlines and cancels against data at the same moment: a call gives its bytes or its code, and in the sum no byte is lost, doubled
 * or moved. Seeded. */
//@ with IO_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "streams.h"

enum { BYTES = 120000, DATAGRAMS = 4000 };

static int ends[2];
static atomic_size_t read_so_far;

/* Small pieces, each about when the reader's deadline is over; now and then it goes on only when all was read. */
static void send_pieces(void *arg) {
    uint64_t random = check_seed() * 17 + 3;
    unsigned char bytes[40];
    (void)arg;
    for (size_t place = 0; place < BYTES;) {
        size_t n = 1 + check_random(&random) % sizeof bytes;
        if (n > BYTES - place) n = BYTES - place;
        bytes_make(bytes, n, place);
        write_whole(ends[1], bytes, n);
        place += n;
        if (check_random(&random) % 4) POLL_UNTIL(atomic_load(&read_so_far) == place);
        for (uint64_t i = check_random(&random) % 6000; i > 0; i--) __asm__ volatile("");
    }
}

struct reader {
    struct party party;
    uint64_t random;
    long codes;
};

static void read_under_deadlines(void *arg) {
    struct reader *r = (struct reader *)arg;
    unsigned char bytes[64];
    for (size_t place = 0; place < BYTES;) {
        size_t n = 1 + check_random(&r->random) % sizeof bytes;
        gmp_time_t deadline = gmp_after_ns((int64_t)(check_random(&r->random) % 30000));
        if (check_random(&r->random) % 4 == 0) {
            CHECK_OK(gmp_fd_set_deadline(ends[0], POLLIN, check_random(&r->random) % 2 ? deadline : GMP_FOREVER));
            deadline = SOON();
        }
        memset(bytes, 0xee, sizeof bytes);
        ssize_t got = gmp_read(ends[0], bytes, n, deadline);
        if (got < 0) {
            CHECK_CODE((int)got, GMP_ETIMEDOUT);
            CHECK_EQ(bytes[0], 0xee);
            CHECK_OK(gmp_fd_set_deadline(ends[0], POLLIN, GMP_FOREVER));
            r->codes++;
        } else {
            CHECK(got > 0);
            bytes_check(bytes, (size_t)got, place);
            place += (size_t)got;
            atomic_store(&read_so_far, place);
        }
    }
}

static void deadlines_against_data(enum pair kind, enum kind reads, enum kind writes) {
    struct reader r = {.random = check_seed() * 19 + 5};
    struct party sender;
    io_start();
    pair_make(kind, ends);
    party_start(&r.party, reads, read_under_deadlines, &r);
    party_start(&sender, writes, send_pieces, NULL);
    party_end(&sender);
    party_end(&r.party);
    printf("%ld deadlines\n", r.codes);
    pair_close(ends);
    CHECK_IDLE();
    UNTIL(check_stats().timers_pending == 0, usleep(100));
}

SCENARIO(deadlines_of_a_task_against_a_thread_over_tcp) { deadlines_against_data(TCP, TASK, THREAD); }
SCENARIO(deadlines_of_a_task_against_a_task_over_tcp) { deadlines_against_data(TCP, TASK, TASK); }
SCENARIO(deadlines_of_a_task_against_a_thread_over_unix) { deadlines_against_data(UNIX, TASK, THREAD); }
SCENARIO(deadlines_of_a_thread_against_a_task_over_unix) { deadlines_against_data(UNIX, THREAD, TASK); }

/* ------------------------------------------------------------ cancels */
static size_t place;          /* one task reads after the other, all of one stream */
static long cancelled;

static void *read_until_cancelled(void *unused) {
    unsigned char bytes[64];
    (void)unused;
    for (;;) {
        memset(bytes, 0xee, sizeof bytes);
        ssize_t got = gmp_read(ends[0], bytes, 1 + place % sizeof bytes, SOON());
        if (got == GMP_ECANCELED) {
            CHECK_EQ(bytes[0], 0xee);
            cancelled++;
            return NULL;
        }
        if (got == 0) return unused;
        if (got < 0) CHECK_CODE((int)got, 1);
        bytes_check(bytes, (size_t)got, place);
        place += (size_t)got;
        atomic_store(&read_so_far, place);
        if (place == BYTES) return NULL;
    }
}

static void cancels_against_data(enum pair kind) {
    uint64_t random = check_seed() * 23 + 7;
    struct party sender;
    io_start();
    pair_make(kind, ends);
    party_start(&sender, THREAD, send_pieces, NULL);
    while (atomic_load(&read_so_far) < BYTES) {
        gmp_spawn_opts_t opts;
        gmp_task_t *task;
        gmp_ctx_t *ctx;
        int64_t soon = (int64_t)(check_random(&random) % 200000);
        CHECK_OK(gmp_ctx_new(NULL, check_random(&random) % 2 ? gmp_after_ns(soon) : GMP_FOREVER, &ctx));
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.ctx = ctx;
        CHECK_OK(gmp_spawn(read_until_cancelled, NULL, &opts, &task));
        for (uint64_t i = check_random(&random) % 100000; i > 0; i--) __asm__ volatile("");
        CHECK_OK(check_random(&random) % 2 ? gmp_ctx_cancel(ctx) : gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        gmp_ctx_free(ctx);
    }
    party_end(&sender);
    printf("%ld cancels\n", cancelled);
    CHECK(cancelled > 0);
    pair_close(ends);
    CHECK_IDLE();
    UNTIL(check_stats().poll_waiters == 0, usleep(100));
}

SCENARIO(cancels_against_data_over_tcp) { cancels_against_data(TCP); }
SCENARIO(cancels_against_data_over_unix) { cancels_against_data(UNIX); }

/* The writer is stopped: what it told is what arrived. */
static atomic_size_t written;

static void *write_until_cancelled(void *unused) {
    static unsigned char bytes[50000];
    (void)unused;
    for (;;) {
        size_t n = sizeof bytes;
        bytes_make(bytes, n, atomic_load(&written));
        ssize_t put = gmp_write(ends[1], bytes, n, SOON());
        if (put == GMP_ECANCELED) return NULL;
        if (put <= 0) CHECK_CODE((int)put, 1);
        atomic_fetch_add(&written, (size_t)put);
    }
}

static void check_what_comes(void *arg) {
    uint64_t random = check_seed() * 29 + 7;
    unsigned char bytes[9000];
    size_t came = 0;
    ssize_t n;
    (void)arg;
    while ((n = gmp_read(ends[0], bytes, 1 + check_random(&random) % sizeof bytes, SOON())) > 0) {
        bytes_check(bytes, (size_t)n, came);
        came += (size_t)n;
        atomic_store(&read_so_far, came);
        if (check_random(&random) % 8 == 0) CHECK_OK(gmp_sleep(50000));
    }
    CHECK_EQ(n, 0);
    CHECK_EQ(came, atomic_load(&written));
}

SCENARIO(cancels_against_writes) {
    uint64_t random = check_seed() * 31 + 7;
    struct party reader;
    io_start();
    pair_make(UNIX, ends);
    narrow(ends[1]);
    party_start(&reader, TASK, check_what_comes, NULL);
    for (int round = 0; round < 300; round++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(write_until_cancelled, NULL, NULL, &task));
        for (uint64_t i = check_random(&random) % 300000; i > 0; i--) __asm__ volatile("");
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
    CHECK_OK(gmp_close_fd(ends[1]));
    party_end(&reader);
    CHECK(atomic_load(&written) > 0);
    CHECK_OK(gmp_close_fd(ends[0]));
}

/* ------------------------------------------------------------ datagrams: each is received once, whole, in order */
static void send_datagrams(void *arg) {
    uint64_t random = check_seed() * 37 + 7;
    (void)arg;
    for (uint32_t i = 0; i < DATAGRAMS; i++) {
        CHECK_EQ(gmp_send(ends[1], &i, sizeof i, 0, SOON()), (ssize_t)sizeof i);
        if (check_random(&random) % 4) POLL_UNTIL(atomic_load(&read_so_far) > i);
        for (uint64_t n = check_random(&random) % 3000; n > 0; n--) __asm__ volatile("");
    }
}

SCENARIO(deadlines_against_datagrams) {
    uint64_t random = check_seed() * 41 + 7;
    struct party sender;
    uint32_t got;
    io_start();
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), 0);
    party_start(&sender, TASK, send_datagrams, NULL);
    for (uint32_t i = 0; i < DATAGRAMS;) {
        ssize_t n = gmp_recv(ends[0], &got, sizeof got, 0, gmp_after_ns((int64_t)(check_random(&random) % 40000)));
        if (n < 0) {
            CHECK_CODE((int)n, GMP_ETIMEDOUT);
            continue;
        }
        CHECK_EQ(n, (ssize_t)sizeof got);
        CHECK_EQ(got, i);
        atomic_store(&read_so_far, ++i);
    }
    party_end(&sender);
    pair_close(ends);
}

/* ------------------------------------------------------------ accept: no connection is lost */
enum { CONNECTIONS = 400 };
static struct sockaddr_in address;
static int listener;
static atomic_int accepted;

static void connect_and_wait(void *arg) {
    uint64_t random = check_seed() * 43 + 7;
    (void)arg;
    for (int i = 0; i < CONNECTIONS; i++) {
        int fd = tcp_client(&address);
        char byte = (char)i;
        CHECK_EQ(gmp_write(fd, &byte, 1, SOON()), 1);
        CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 0); /* the other end was accepted and closed */
        CHECK_OK(gmp_close_fd(fd));
        for (uint64_t n = check_random(&random) % 3000; n > 0; n--) __asm__ volatile("");
    }
}

static void *accept_until_cancelled(void *unused) {
    uint64_t random = check_seed() * 47 + 7 + (uint64_t)atomic_load(&accepted);
    (void)unused;
    while (atomic_load(&accepted) < CONNECTIONS) {
        char byte;
        int fd = gmp_accept(listener, NULL, NULL, gmp_after_ns((int64_t)(check_random(&random) % 100000)));
        if (fd == GMP_ETIMEDOUT) continue;
        if (fd == GMP_ECANCELED) return NULL;
        CHECK(fd >= 0);
        /* Even in a task that is cancelled: this connection is ours now. */
        CHECK_EQ(gmp_shield(1), 0);
        CHECK_EQ(gmp_read(fd, &byte, 1, SOON()), 1);
        CHECK_OK(gmp_close_fd(fd));
        CHECK_EQ(gmp_shield(0), 1);
        atomic_fetch_add(&accepted, 1);
    }
    return NULL;
}

SCENARIO(deadlines_and_cancels_against_connections) {
    uint64_t random = check_seed() * 53 + 7;
    struct party client;
    io_start();
    listener = tcp_listener(8, &address);
    party_start(&client, THREAD, connect_and_wait, NULL);
    while (atomic_load(&accepted) < CONNECTIONS) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(accept_until_cancelled, NULL, NULL, &task));
        usleep((useconds_t)(check_random(&random) % 2000));
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
    party_end(&client);
    CHECK_EQ(atomic_load(&accepted), CONNECTIONS);
    CHECK_OK(gmp_close_fd(listener));
}
