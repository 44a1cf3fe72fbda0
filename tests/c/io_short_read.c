/* A read that found less than it had room for says that nothing is left, until something comes: what may come in between, and what
 * a short read may mean otherwise. None of it may be missed. */
//@ with IO_PROCS=2
#include "streams.h"

/* Each scenario runs over TCP, where the library may take a short read for an empty socket, and over Unix. */
static int ends[2]; /* the tasks read from [0] */

static ssize_t get(void *bytes, size_t n, gmp_time_t deadline) { return gmp_read(ends[0], bytes, n, deadline); }

static void put(const char *bytes, size_t n) { CHECK_EQ(send(ends[1], bytes, n, MSG_NOSIGNAL), (ssize_t)n); }

/* Registered, and then read short: from here on the shortcut would count. */
static void read_short(void) {
    char bytes[64];
    CHECK_CODE((int)get(bytes, sizeof bytes, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    put("abc", 3);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 3);
    CHECK_EQ(memcmp(bytes, "abc", 3), 0);
}

static void over_each(void (*fn)(void *)) {
    io_start();
    for (int kind = 0; kind < PAIRS; kind++) {
        pair_make((enum pair)kind, ends);
        CHECK_OK(gmp_run(fn, &kind));
        if (ends[0] >= 0) CHECK_EQ(close(ends[0]), 0);
        if (ends[1] >= 0) CHECK_EQ(close(ends[1]), 0);
    }
}

/* ------------------------------------------------------------ what can be done without waiting is done */
static void nowait_after(void *unused) {
    char bytes[64];
    (void)unused;
    for (int round = 0; round < 50; round++) {
        read_short();
        CHECK_CODE((int)get(bytes, sizeof bytes, GMP_NOWAIT), GMP_EAGAIN);
        put("de", 2);
        ssize_t n = get(bytes, sizeof bytes, round % 2 ? GMP_NOWAIT : 1);
        if (n != 2) CHECK_CODE((int)n, 2);
        put("fgh", 3);
        n = gmp_recv(ends[0], bytes, sizeof bytes, round % 2 ? 0 : MSG_DONTWAIT, round % 2 ? GMP_NOWAIT : SOON());
        if (n != 3) CHECK_CODE((int)n, 3);
    }
}

SCENARIO(what_came_since_is_read_without_waiting) { over_each(nowait_after); }

static atomic_int may_be_cancelled;

static void *read_when_cancelled(void *unused) {
    char bytes[64];
    (void)unused;
    read_short();
    put("de", 2);
    atomic_store(&may_be_cancelled, 1);
    while (gmp_checkpoint() != GMP_ECANCELED) gmp_yield();
    ssize_t n = get(bytes, sizeof bytes, SOON());
    if (n != 2) CHECK_CODE((int)n, 2);
    CHECK_CODE((int)get(bytes, sizeof bytes, SOON()), GMP_ECANCELED);
    return NULL;
}

SCENARIO(what_came_since_is_read_by_a_cancelled_task) {
    io_start();
    for (int kind = 0; kind < PAIRS; kind++) {
        gmp_task_t *task;
        pair_make((enum pair)kind, ends);
        CHECK_OK(gmp_spawn(read_when_cancelled, NULL, NULL, &task));
        UNTIL(atomic_load(&may_be_cancelled), usleep(50));
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        atomic_store(&may_be_cancelled, 0);
        pair_close(ends);
    }
}

/* ------------------------------------------------------------ bytes that arrive at any moment around the short read */
enum { BYTES = 60000 };
static atomic_int placed;

static void *trickle(void *unused) {
    uint64_t random = check_seed() * 13 + 1;
    unsigned char bytes[4];
    (void)unused;
    for (int place = 0; place < BYTES;) {
        int n = 1 + (int)(check_random(&random) % sizeof bytes);
        if (n > BYTES - place) n = BYTES - place;
        bytes_make(bytes, (size_t)n, (uint64_t)place);
        put((char *)bytes, (size_t)n);
        place += n;
        /* Most of the time it waits until all was read: then nothing but these bytes can wake the reader. */
        if (check_random(&random) % 8) POLL_UNTIL(atomic_load(&placed) == place);
        for (uint64_t i = check_random(&random) % 4000; i > 0; i--) __asm__ volatile("");
    }
    return NULL;
}

static void read_the_trickle(void *unused) {
    unsigned char bytes[64];
    pthread_t thread;
    (void)unused;
    atomic_store(&placed, 0);
    CHECK_EQ(pthread_create(&thread, NULL, trickle, NULL), 0);
    for (int place = 0; place < BYTES;) {
        ssize_t n = get(bytes, sizeof bytes, SOON());
        if (n <= 0) CHECK_CODE((int)n, 1);
        bytes_check(bytes, (size_t)n, (uint64_t)place);
        place += (int)n;
        atomic_store(&placed, place);
    }
    while (pthread_tryjoin_np(thread, NULL) != 0) gmp_yield();
}

SCENARIO(bytes_that_come_just_after_a_short_read_wake_its_reader) { over_each(read_the_trickle); }

/* ------------------------------------------------------------ ends */
static int whole_end(int how) {
    if (how == 0) return shutdown(ends[1], SHUT_WR);
    int fd = ends[1];
    ends[1] = -1;
    return close(fd);
}

static void end_after(void *unused) {
    char bytes[64];
    (void)unused;
    read_short();
    CHECK_EQ(whole_end(0), 0);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 0);
    CHECK_EQ(get(bytes, sizeof bytes, GMP_NOWAIT), 0);
}

SCENARIO(end_after_a_short_read) { over_each(end_after); }

/* The bytes and the end are there together: the short read took the bytes, and no event comes for the end. */
static void end_with_the_bytes(void *unused) {
    char bytes[64];
    (void)unused;
    read_short();
    put("last", 4);
    CHECK_EQ(whole_end(1), 0);
    gmp_yield();
    CHECK_OK(gmp_sleep(2 * MS)); /* whoever polls has seen both by now */
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 4);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 0);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 0);
}

SCENARIO(end_that_came_with_the_bytes_of_a_short_read) { over_each(end_with_the_bytes); }

static void reset_after(void *kind) {
    char bytes[64];
    read_short();
    reset(ends[1]);
    ends[1] = -1;
    CHECK_CODE((int)get(bytes, sizeof bytes, SOON()), *(int *)kind == TCP ? -ECONNRESET : 0);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 0);
}

SCENARIO(reset_after_a_short_read) { over_each(reset_after); }

static void shut_by_ourselves(void *unused) {
    char bytes[64];
    (void)unused;
    read_short();
    CHECK_EQ(shutdown(ends[0], SHUT_RD), 0);
    CHECK_EQ(get(bytes, sizeof bytes, SOON()), 0);
}

SCENARIO(own_shutdown_after_a_short_read) { over_each(shut_by_ourselves); }

/* ------------------------------------------------------------ flags and options */
static void peek(void *unused) {
    char bytes[64];
    (void)unused;
    for (int round = 0; round < 20; round++) {
        read_short();
        put("xyz", 3);
        CHECK_EQ(gmp_recv(ends[0], bytes, sizeof bytes, MSG_PEEK, SOON()), 3); /* short, and takes nothing */
        CHECK_EQ(gmp_recv(ends[0], bytes, sizeof bytes, MSG_PEEK, SOON()), 3);
        CHECK_EQ(get(bytes, 2, SOON()), 2);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 1);
        put("wait", 4);
        CHECK_EQ(gmp_recv(ends[0], bytes, 4, MSG_WAITALL, SOON()), 4);
    }
}

SCENARIO(peeks_and_short_reads) { over_each(peek); }

static void all_of_it(void *unused) {
    struct call call;
    char bytes[64];
    (void)unused;
    for (int round = 0; round < 10; round++) {
        read_short();
        put("ab", 2);
        /* Stopped half-way it tells what it has; those bytes are gone from the socket. */
        CHECK_EQ(gmp_recv(ends[0], bytes, 5, MSG_WAITALL, gmp_after_ns(MS)), 2);
        call_start(&call, TASK, ends[0], POLLIN, SOON());
        put("c", 1);
        while (!atomic_load(&call.answered)) gmp_yield();
        CHECK_EQ(call.answer, 1);
        CHECK_OK(gmp_join(call.party.task, SOON(), NULL));
    }
}

SCENARIO(reads_of_all_and_short_reads) { over_each(all_of_it); }

/* Below the mark nothing is told, but what is there can be read. */
static void low_water_mark(void *kind) {
    char bytes[64];
    int mark = 10, none = 1;
    if (*(int *)kind != TCP) return;
    for (int round = 0; round < 20; round++) {
        read_short();
        CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark), 0);
        put("abc", 3);
        ssize_t n = get(bytes, sizeof bytes, GMP_NOWAIT);
        if (n != 3) CHECK_CODE((int)n, 3);
        put("0123456789ab", 12);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 12);
        put("0123456789", 10);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 10);
        CHECK_EQ(setsockopt(ends[0], SOL_SOCKET, SO_RCVLOWAT, &none, sizeof none), 0);
    }
}

SCENARIO(low_water_marks_and_short_reads) { over_each(low_water_mark); }

/* A read stops at the mark of urgent data: it is short although bytes are left. */
static void urgent(void *kind) {
    char bytes[64];
    if (*(int *)kind != TCP) return;
    for (int round = 0; round < 40; round++) {
        size_t got = 0;
        read_short();
        put("ab", 2);
        CHECK_EQ(send(ends[1], "!", 1, MSG_OOB), 1);
        put("cd", 2);
        if (round % 2) CHECK_OK(gmp_sleep(MS)); /* all of it has been told of before the first read */
        while (got < 4) {
            ssize_t n = get(bytes + got, sizeof bytes - got, SOON());
            if (n <= 0) CHECK_CODE((int)n, 1);
            got += (size_t)n;
            if (got == 2 && round % 4 < 2) { /* the kernel forgets it when reads have passed it */
                CHECK_EQ(gmp_recv(ends[0], bytes + 60, 1, MSG_OOB, SOON()), 1);
                CHECK_EQ(bytes[60], '!');
            }
        }
        CHECK_EQ(got, 4);
        CHECK_EQ(memcmp(bytes, "abcd", 4), 0);
    }
}

SCENARIO(urgent_data_and_short_reads) { over_each(urgent); }

/* ------------------------------------------------------------ others who read the same socket */
/* Each in turn: what one has found empty, another finds full. */
static void in_turn(void *unused) {
    char bytes[64];
    int twin = dup(ends[0]);
    (void)unused;
    CHECK(twin >= 0);
    for (int round = 0; round < 200; round++) {
        int fd = round % 2 ? twin : ends[0];
        put("12345", 5);
        CHECK_EQ(gmp_read(fd, bytes, round % 3 ? sizeof bytes : 5, SOON()), 5);
        CHECK_CODE((int)gmp_read(fd, bytes, sizeof bytes, round % 5 ? GMP_NOWAIT : gmp_after_ns(200000)),
                   round % 5 ? GMP_EAGAIN : GMP_ETIMEDOUT);
    }
    CHECK_OK(gmp_close_fd(twin));
    read_short(); /* the twin's end is not ours */
}

SCENARIO(duplicates_read_in_turn) { over_each(in_turn); }

static void *plain_reader(void *n) {
    char bytes[64];
    CHECK_EQ(recv(ends[0], bytes, (size_t)(intptr_t)n, MSG_WAITALL), (ssize_t)(intptr_t)n);
    return NULL;
}

/* A foreign thread takes some of it by a plain call. */
static void with_a_thread(void *unused) {
    char bytes[64];
    pthread_t thread;
    (void)unused;
    for (int round = 0; round < 100; round++) {
        read_short();
        CHECK_EQ(pthread_create(&thread, NULL, plain_reader, (void *)(intptr_t)3), 0);
        put("123", 3);
        while (pthread_tryjoin_np(thread, NULL) != 0) gmp_yield();
        put("45", 2);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 2);
        CHECK_EQ(bytes[0], '4');
    }
}

SCENARIO(thread_reads_the_same_socket_by_plain_calls) { over_each(with_a_thread); }

/* A child has the same socket, and reads of it. */
static void with_a_process(void *unused) {
    char bytes[64];
    (void)unused;
    for (int round = 0; round < 10; round++) {
        read_short();
        pid_t pid = child_start();
        if (pid == 0) {
            if (recv(ends[0], bytes, 3, MSG_WAITALL) != 3) _exit(1);
            _exit(0);
        }
        put("123", 3);
        child_end(pid);
        put("45", 2);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 2);
        CHECK_EQ(bytes[0], '4');
    }
}

SCENARIO(process_reads_the_same_socket) { over_each(with_a_process); }

/* Two tasks: what the one has emptied, the other waits for; one wake is for the one that can go on. */
static atomic_int shared_read;

static void *read_of_both(void *unused) {
    char bytes[16];
    ssize_t n;
    (void)unused;
    while ((n = get(bytes, sizeof bytes, SOON())) > 0) atomic_fetch_add(&shared_read, (int)n);
    CHECK_EQ(n, 0);
    return NULL;
}

static void two_readers(void *unused) {
    gmp_task_t *tasks[2];
    (void)unused;
    atomic_store(&shared_read, 0);
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_spawn(read_of_both, NULL, NULL, &tasks[i]));
    for (int round = 0; round < 400; round++) {
        put("12345", 5);
        UNTIL(atomic_load(&shared_read) == 5 * (round + 1), gmp_yield());
    }
    CHECK_EQ(whole_end(1), 0);
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
}

SCENARIO(two_tasks_read_short_of_one_socket) { over_each(two_readers); }

/* A poll of the descriptor after a short read, and before. */
static void polls_between(void *unused) {
    char bytes[64];
    (void)unused;
    for (int round = 0; round < 50; round++) {
        read_short();
        CHECK_CODE(gmp_poll_fd(ends[0], POLLIN, round % 2 ? GMP_NOWAIT : gmp_after_ns(100000)),
                   round % 2 ? GMP_EAGAIN : GMP_ETIMEDOUT);
        put("ab", 2);
        CHECK_EQ(gmp_poll_fd(ends[0], POLLIN, SOON()), POLLIN);
        CHECK_EQ(gmp_poll_fd(ends[0], POLLIN, SOON()), POLLIN);
        CHECK_EQ(get(bytes, 1, SOON()), 1);
        CHECK_EQ(gmp_poll_fd(ends[0], POLLIN, SOON()), POLLIN);
        CHECK_EQ(get(bytes, sizeof bytes, SOON()), 1);
    }
}

SCENARIO(polls_and_short_reads) { over_each(polls_between); }
