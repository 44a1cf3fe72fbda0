/* Dumps of many tasks and beside work: bounded, complete, and in nobody's way. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>

#include "dump_text.h"

static gmp_chan_t *chan;
static int fds[2];
static atomic_int stop, count;
static char line[2048];

static void receive(void *arg) {
    int value;
    (void)arg;
    int code = gmp_chan_recv(chan, &value, GMP_FOREVER);
    CHECK(code == GMP_OK || code == GMP_ECLOSED);
}

static void wait_until_parked(int64_t n) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked < n) CHECK(gmp_now() < until && usleep(1000) == 0);
}

__attribute__((noinline)) static void spawn_others(int n) {
    for (int i = 0; i < n; i++) CHECK_OK(gmp_go(receive, NULL));
}

SCENARIO(a_hundred_thousand_tasks_are_grouped) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    for (int i = 0; i < 100000; i++) CHECK_OK(gmp_go(receive, NULL));
    spawn_others(30);
    wait_until_parked(100030);
    char *text = text_from(gmp_dump);
    CHECK(strlen(text) < 100000);
    CHECK_LINE(text, line, "tasks new=0 runnable=0 running=0 blocking=0 blocked=0 parked=100030 ended=0");
    CHECK_LINE(text, line, "grouped: 100030 tasks ");
    CHECK_EQ(count_lines(text, "group "), 2);
    CHECK_LINE(text, line, "group tasks=100000 state=parked reason=chan-recv oldest=", " example=", " site=");
    CHECK_LINE(text, line, "group tasks=30 state=parked reason=chan-recv ");
    CHECK_EQ(count_lines(text, "task "), 6);
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
}

/* The last one before grouping begins. */
SCENARIO(a_thousand_tasks_have_their_lines) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    spawn_others(1000);
    wait_until_parked(1000);
    char *text = text_from(gmp_dump);
    CHECK_EQ(count_lines(text, "task "), 1000);
    CHECK_EQ(count_lines(text, "group"), 0);
    free(text);
    spawn_others(1);
    wait_until_parked(1001);
    text = text_from(gmp_dump);
    CHECK_EQ(count_lines(text, "task "), 3);
    CHECK_EQ(count_lines(text, "group "), 1);
    free(text);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
}

/* ------------------------------------------------------------ a reader that takes its time */

struct reader {
    char *text;
    size_t size;
};
static void *read_slowly(void *arg) {
    struct reader *reader = arg;
    size_t room = 1 << 20;
    reader->text = malloc(room);
    CHECK(reader->text != NULL);
    ssize_t n;
    while ((n = read(fds[0], reader->text + reader->size, 700)) > 0) {
        reader->size += (size_t)n;
        CHECK(reader->size + 1000 < room);
        if (reader->size % 5 == 0) usleep(100);
    }
    reader->text[reader->size] = 0;
    return NULL;
}
static void nothing(int signal) { (void)signal; }

static void *dump_into_pipe(void *arg) {
    (void)arg;
    CHECK_OK(gmp_dump(fds[1]));
    return NULL;
}
static void dump_as_task(void *arg) {
    dump_into_pipe(arg);
    atomic_fetch_add(&count, 1);
}
static void tick(void *arg) {
    (void)arg;
    while (!atomic_load(&count)) CHECK_OK(gmp_sleep(MS));
    atomic_store(&stop, 1);
}

/* What came through the pipe is a whole dump of 300 tasks. */
static void check_pipe(pthread_t thread, struct reader *reader) {
    close(fds[1]);
    pthread_join(thread, NULL);
    CHECK_LINE(reader->text, line, "gmp dump version=");
    CHECK_EQ(count_lines(reader->text, "task ") >= 300, 1);
    CHECK_EQ(reader->text[reader->size - 1], '\n');
    free(reader->text);
}

SCENARIO(slow_reader_gets_all_also_through_signals_and_without_blocking) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    spawn_others(300);
    wait_until_parked(300);
    struct sigaction action = {0};
    action.sa_handler = nothing; /* without SA_RESTART: the write answers EINTR */
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    for (int nonblocking = 0; nonblocking < 2; nonblocking++) {
        struct reader reader = {NULL, 0};
        pthread_t thread, dumper;
        CHECK_EQ(pipe(fds), 0);
        CHECK_EQ(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096, 1);
        if (nonblocking) CHECK_EQ(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
        CHECK_EQ(pthread_create(&dumper, NULL, dump_into_pipe, NULL), 0);
        for (int i = 0; i < 50; i++) {
            pthread_kill(dumper, SIGUSR1);
            usleep(200);
        }
        CHECK_EQ(pthread_create(&thread, NULL, read_slowly, &reader), 0);
        pthread_join(dumper, NULL);
        check_pipe(thread, &reader);
        close(fds[0]);
    }
}

/* On one processor, which the writing task does not keep. */
SCENARIO(dumping_task_does_not_stop_the_others) {
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    spawn_others(300);
    wait_until_parked(300);
    struct reader reader = {NULL, 0};
    pthread_t thread;
    CHECK_EQ(pipe(fds), 0);
    CHECK_EQ(fcntl(fds[1], F_SETPIPE_SZ, 4096) >= 4096, 1);
    CHECK_OK(gmp_go(dump_as_task, NULL));
    /* Others run while nobody reads. */
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_run(tick, (atomic_store(&count, 1), NULL)));
    atomic_store(&count, 0);
    CHECK_EQ(pthread_create(&thread, NULL, read_slowly, &reader), 0);
    gmp_time_t until = SOON();
    while (!atomic_load(&count)) CHECK(gmp_now() < until && usleep(1000) == 0);
    check_pipe(thread, &reader);
}

/* ------------------------------------------------------------ beside work */

static void short_life(void *arg) {
    uint64_t random = (uint64_t)(uintptr_t)arg;
    if (random % 3 == 0) gmp_yield();
    if (random % 5 == 0) CHECK_OK(gmp_sleep((int64_t)(random % 100000)));
}
static void *named_life(void *arg) {
    short_life(arg);
    return arg;
}
static void keep_spawning(void *arg) {
    uint64_t state = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        gmp_task_t *tasks[20];
        gmp_spawn_opts_t options;
        CHECK_OK(gmp_spawn_opts_init(&options, sizeof options));
        for (int i = 0; i < 20; i++) {
            options.name = i % 2 ? "short \"life\" with a name that takes memory of its own" : NULL;
            CHECK_OK(gmp_spawn(named_life, (void *)(uintptr_t)(check_random(&state) >> 8), &options, &tasks[i]));
        }
        for (int i = 0; i < 20; i++) CHECK_OK(gmp_join(tasks[i], GMP_FOREVER, NULL));
        for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(short_life, (void *)(uintptr_t)(check_random(&state) >> 8)));
        gmp_yield();
    }
}
static void keep_dumping(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        char *text = text_from(gmp_dump);
        CHECK(strncmp(text, "gmp dump version=", 17) == 0);
        free(text);
        atomic_fetch_add(&count, 1);
        gmp_yield();
    }
}
static int leaks_of_all(int fd) { return gmp_dump_leaks(fd, 0); }

/* A dump is whole, line by line, and what lives all the time is in each of them. */
static void dump_beside_work(int procs) {
    check_start(procs);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    spawn_others(7);
    wait_until_parked(7);
    uint64_t seed = check_seed();
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_go(keep_spawning, (void *)(uintptr_t)(check_random(&seed) | 1)));
    CHECK_OK(gmp_go(keep_dumping, NULL));
    gmp_time_t until = gmp_after_ns(3 * SECOND), latest = SOON();
    for (long dumps = 0; gmp_now() < until || dumps < 20 || atomic_load(&count) < 5; dumps++) {
        CHECK(gmp_now() < latest);
        char *text = text_from(gmp_dump);
        long receivers = 0;
        for (const char *at = text; *at; at += strcspn(at, "\n"), at += *at == '\n') {
            size_t length = strcspn(at, "\n");
            CHECK(at[length] == '\n' && length > 0);
            if (strncmp(at, "task ", 5) != 0) continue;
            CHECK(length < sizeof line);
            memcpy(line, at, length);
            line[length] = 0;
            CHECK(strstr(line, " state=") && strstr(line, " site="));
            receivers += strstr(line, " reason=chan-recv ") != NULL;
        }
        if (!strstr(text, "\ngrouped:")) CHECK_EQ(receivers, 7);
        free(text);
        free(text_from(leaks_of_all));
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(dumps_beside_tasks_that_come_and_go_are_whole) { dump_beside_work(3); }

static void *shut_down(void *arg) {
    (void)arg;
    for (int i = 0; i < 30; i++) {
        CHECK_OK(gmp_start(NULL));
        spawn_others(20);
        CHECK_OK(gmp_chan_close(chan));
        CHECK_OK(gmp_shutdown(SOON()));
        gmp_chan_free(chan);
        CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    }
    atomic_store(&stop, 1);
    return NULL;
}

SCENARIO(dumps_beside_start_and_shutdown) {
    pthread_t thread;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_EQ(pthread_create(&thread, NULL, shut_down, NULL), 0);
    while (!atomic_load(&stop)) {
        char *text = text_from(gmp_dump);
        CHECK(strncmp(text, "gmp dump version=", 17) == 0);
        free(text);
    }
    pthread_join(thread, NULL);
}
