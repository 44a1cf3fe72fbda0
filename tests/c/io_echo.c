/* Streams between tasks, and between a task and a foreign thread: what is sent comes back, in order. */
//@ with IO_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "streams.h"

enum { MESSAGES = 4000, MOST_BYTES = 600 };

struct end {
    struct party party;
    int fd;
    uint64_t random;
    int messages;
};

/* Answers each piece as it comes; ends with the stream. */
static void answer(void *arg) {
    struct end *e = (struct end *)arg;
    unsigned char bytes[MOST_BYTES];
    ssize_t n;
    while ((n = gmp_read(e->fd, bytes, sizeof bytes, SOON())) > 0) write_whole(e->fd, bytes, (size_t)n);
    CHECK_EQ(n, 0);
    CHECK_OK(gmp_close_fd(e->fd));
}

static void ask(void *arg) {
    struct end *e = (struct end *)arg;
    unsigned char sent[MOST_BYTES], came[MOST_BYTES];
    uint64_t place = 0;
    for (int i = 0; i < e->messages; i++) {
        size_t n = 1 + check_random(&e->random) % MOST_BYTES;
        bytes_make(sent, n, place);
        write_whole(e->fd, sent, n);
        read_whole(e->fd, came, n);
        bytes_check(came, n, place);
        place += n;
    }
    CHECK_OK(gmp_close_fd(e->fd));
}

static void echo_between(enum pair kind, enum kind asks, enum kind answers) {
    struct end ends[2] = {{.random = check_seed() + 1, .messages = MESSAGES}, {.fd = 0}};
    int fds[2];
    io_start();
    pair_make(kind, fds);
    for (int i = 0; i < 2; i++) ends[i].fd = fds[i];
    party_start(&ends[1].party, answers, answer, &ends[1]);
    party_start(&ends[0].party, asks, ask, &ends[0]);
    party_end(&ends[0].party);
    party_end(&ends[1].party);
    CHECK_IDLE();
    CHECK_EQ(check_stats().poll_waiters, 0);
}

SCENARIO(task_and_task_over_tcp) { echo_between(TCP, TASK, TASK); }
SCENARIO(task_and_task_over_unix) { echo_between(UNIX, TASK, TASK); }
SCENARIO(task_asks_a_thread_over_tcp) { echo_between(TCP, TASK, THREAD); }
SCENARIO(thread_asks_a_task_over_tcp) { echo_between(TCP, THREAD, TASK); }
SCENARIO(thread_asks_a_task_over_unix) { echo_between(UNIX, THREAD, TASK); }
SCENARIO(thread_and_thread_over_unix) { echo_between(UNIX, THREAD, THREAD); }

/* ------------------------------------------------------------ many connections */
SCENARIO(three_hundred_connections_echo_at_once) {
    enum { CONNECTIONS = 300, EACH = 30 };
    static struct end clients[CONNECTIONS], servers[CONNECTIONS];
    long descriptors;
    io_start();
    descriptors = check_descriptors();
    for (int i = 0; i < CONNECTIONS; i++) {
        int fds[2];
        pair_make(i % 2 ? TCP : UNIX, fds);
        clients[i] = (struct end){.fd = fds[0], .random = check_seed() + (uint64_t)i + 1, .messages = EACH};
        servers[i] = (struct end){.fd = fds[1]};
    }
    for (int i = 0; i < CONNECTIONS; i++) party_start(&servers[i].party, TASK, answer, &servers[i]);
    for (int i = 0; i < CONNECTIONS; i++) party_start(&clients[i].party, i % 50 ? TASK : THREAD, ask, &clients[i]);
    for (int i = 0; i < CONNECTIONS; i++) {
        party_end(&clients[i].party);
        party_end(&servers[i].party);
    }
    CHECK_IDLE();
    CHECK_EQ(check_stats().poll_waiters, 0);
    CHECK(check_descriptors() <= descriptors + 40); /* the library has a few of its own */
}

/* ------------------------------------------------------------ both directions of one descriptor at once */
enum { STREAM = 3 << 20 };

static void send_stream(void *arg) {
    struct end *e = (struct end *)arg;
    unsigned char bytes[16384];
    for (uint64_t place = 0; place < STREAM;) {
        size_t n = 1 + check_random(&e->random) % sizeof bytes;
        if (n > STREAM - place) n = STREAM - place;
        bytes_make(bytes, n, place);
        write_whole(e->fd, bytes, n);
        place += n;
    }
}

static void receive_stream(void *arg) {
    struct end *e = (struct end *)arg;
    unsigned char bytes[16384];
    for (uint64_t place = 0; place < STREAM;) {
        ssize_t n = gmp_read(e->fd, bytes, 1 + check_random(&e->random) % sizeof bytes, SOON());
        CHECK(n > 0);
        bytes_check(bytes, (size_t)n, place);
        place += (uint64_t)n;
    }
}

static void both_ways(enum pair kind, enum kind other) {
    struct end ends[4];
    int fds[2];
    io_start();
    pair_make(kind, fds);
    narrow(fds[0]);
    narrow(fds[1]);
    for (int i = 0; i < 4; i++) {
        ends[i] = (struct end){.fd = fds[i / 2], .random = check_seed() + (uint64_t)i + 1};
        party_start(&ends[i].party, i < 2 ? TASK : other, i % 2 ? send_stream : receive_stream, &ends[i]);
    }
    for (int i = 0; i < 4; i++) party_end(&ends[i].party);
    pair_close(fds);
}

SCENARIO(readers_and_writers_of_both_ends_over_tcp) { both_ways(TCP, TASK); }
SCENARIO(readers_and_writers_of_both_ends_over_unix) { both_ways(UNIX, TASK); }
SCENARIO(tasks_at_one_end_and_threads_at_the_other) { both_ways(TCP, THREAD); }

/* ------------------------------------------------------------ several readers of one descriptor */
enum { READERS = 6, TOKENS = 6000 };
static atomic_int tokens_read;

static void read_tokens(void *arg) {
    struct end *e = (struct end *)arg;
    unsigned char byte;
    ssize_t n;
    while ((n = gmp_read(e->fd, &byte, 1, SOON())) == 1) {
        e->messages += byte;
        atomic_fetch_add(&tokens_read, 1);
    }
    CHECK_EQ(n, 0); /* the end is for all of them */
}

static void share_a_stream(int threads) {
    static struct end readers[READERS];
    uint64_t random = check_seed() + 7;
    long sum = 0, sent = 0;
    int fds[2];
    io_start();
    pair_make(UNIX, fds);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct end){.fd = fds[0]};
        party_start(&readers[i].party, i < threads ? THREAD : TASK, read_tokens, &readers[i]);
    }
    for (int i = 0; i < TOKENS;) {
        unsigned char bytes[64];
        int n = 1 + (int)(check_random(&random) % sizeof bytes);
        if (n > TOKENS - i) n = TOKENS - i;
        bytes_make(bytes, (size_t)n, (uint64_t)i);
        for (int b = 0; b < n; b++) sent += bytes[b];
        write_whole(fds[1], bytes, (size_t)n);
        i += n;
        /* As often as not they have all gone to wait again: each byte must then be found by somebody. */
        if (check_random(&random) % 2) UNTIL(atomic_load(&tokens_read) == i, sched_yield());
    }
    CHECK_OK(gmp_close_fd(fds[1]));
    for (int i = 0; i < READERS; i++) {
        party_end(&readers[i].party);
        sum += readers[i].messages;
    }
    CHECK_EQ(sum, sent);
    CHECK_OK(gmp_close_fd(fds[0]));
}

SCENARIO(several_tasks_read_one_descriptor) { share_a_stream(0); }
SCENARIO(tasks_and_threads_read_one_descriptor) { share_a_stream(2); }
