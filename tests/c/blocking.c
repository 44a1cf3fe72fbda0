/* Declared blocking calls: the processor goes on without its task, misuse is told, results come back. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>
#include <time.h>

#include "check.h"

static int fds[2];
static gmp_wg_t group;
static atomic_int count;

/* System calls out of line: a compiler keeps &errno across calls that move a task to another thread. */
__attribute__((noinline)) static long read_byte(int fd) {
    char byte;
    return read(fd, &byte, 1);
}
__attribute__((noinline)) static long write_byte(int fd) { return write(fd, "x", 1); }
__attribute__((noinline)) static void sleep_in_the_kernel(long ns) {
    struct timespec left = {ns / 1000000000, ns % 1000000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

static void read_from_empty_pipe(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(read_byte(fds[0]), 1);
    CHECK_OK(gmp_blocking_exit());
    atomic_fetch_add(&count, 1);
}

static void write_to_pipe(void *arg) {
    for (intptr_t i = 0; i < (intptr_t)arg; i++) CHECK_EQ(write_byte(fds[1]), 1);
}

/* On one processor the writers run only if the readers' processor was handed on. */
static void read_then_write(void *arg) {
    (void)arg;
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_wg_go(&group, read_from_empty_pipe, NULL));
    gmp_yield();
    CHECK_OK(gmp_wg_go(&group, write_to_pipe, (void *)(intptr_t)10));
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
}

SCENARIO(task_blocked_in_read_does_not_stop_the_others) {
    check_start(1);
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_run(read_then_write, NULL));
    CHECK_EQ(atomic_load(&count), 10);
    gmp_stats_t stats = check_stats();
    CHECK(stats.handoffs + stats.retakes_blocked >= 1);
    CHECK_EQ(stats.tasks_blocked, 0);
}

static void blocked_alone_until_written(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(read_byte(fds[0]), 1);
    CHECK_OK(gmp_blocking_exit());
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    atomic_fetch_add(&count, 1);
}

/* Work that comes from outside while the only machine blocks finds its processor free. */
SCENARIO(work_from_a_thread_runs_beside_a_blocked_task) {
    check_start(1);
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_go(blocked_alone_until_written, NULL));
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_run(write_to_pipe, NULL));
    CHECK_EQ(atomic_load(&count), 0);
    CHECK_OK(gmp_run(write_to_pipe, (void *)(intptr_t)1));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 1);
}

static void misuse(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_blocking_exit(), GMP_EMISUSE);
    CHECK_OK(gmp_blocking_enter());
    CHECK_CODE(gmp_blocking_enter(), GMP_EMISUSE);
    CHECK_OK(gmp_blocking_exit()); /* the refused one was not counted */
    CHECK_CODE(gmp_blocking_exit(), GMP_EMISUSE);
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(gmp_blocking_enter());
        CHECK_OK(gmp_blocking_exit());
    }
    atomic_fetch_add(&count, 1);
}

SCENARIO(nested_and_unpaired_are_emisuse) {
    CHECK_OK(gmp_run(misuse, NULL));
    CHECK_EQ(atomic_load(&count), 1);
}

SCENARIO(outside_a_task_nothing_happens) {
    for (int round = 0; round < 2; round++) {
        CHECK_OK(gmp_blocking_enter());
        CHECK_OK(gmp_blocking_enter());
        CHECK_OK(gmp_blocking_exit());
        CHECK_OK(gmp_blocking_exit());
        CHECK_OK(gmp_blocking_exit());
        if (round == 0) CHECK_OK(gmp_start(NULL));
    }
}

static void *add_one(void *arg) {
    atomic_fetch_add(&count, 1);
    return (void *)((intptr_t)arg + 1);
}

static void call_and_look(void *arg) {
    void *result = NULL;
    (void)arg;
    CHECK_CODE(gmp_blocking_call(NULL, NULL, &result), GMP_EINVAL);
    CHECK(result == NULL);
    CHECK_OK(gmp_blocking_call(add_one, (void *)(intptr_t)41, &result));
    CHECK_EQ((intptr_t)result, 42);
    CHECK_OK(gmp_blocking_call(add_one, NULL, NULL));
    CHECK_OK(gmp_blocking_enter()); /* the section of the call was left */
    CHECK_OK(gmp_blocking_exit());
}

SCENARIO(blocking_call_gives_the_result) {
    call_and_look(NULL); /* on a plain thread it is a call */
    CHECK_OK(gmp_run(call_and_look, NULL));
    CHECK_EQ(atomic_load(&count), 4);
}

static void *read_in_a_call(void *arg) {
    (void)arg;
    return (void *)read_byte(fds[0]);
}

static void call_read(void *arg) {
    void *result = NULL;
    (void)arg;
    CHECK_OK(gmp_blocking_call(read_in_a_call, NULL, &result));
    CHECK_EQ((intptr_t)result, 1);
    atomic_fetch_add(&count, 1);
}

SCENARIO(blocking_call_hands_the_processor_on) {
    check_start(1);
    CHECK_EQ(pipe(fds), 0);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_go(call_read, NULL));
    CHECK_OK(gmp_go(write_to_pipe, (void *)(intptr_t)10));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 10);
}

static pthread_barrier_t barrier;

static void meet_in_the_kernel(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    pthread_barrier_wait(&barrier);
    CHECK_OK(gmp_blocking_exit());
    atomic_fetch_add(&count, 1);
}

/* Passes only when all of them block at the same time. */
SCENARIO(hundred_tasks_block_at_once_on_one_processor) {
    check_start(1);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 100), 0);
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_go(meet_in_the_kernel, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 100);
    CHECK(check_stats().threads_peak >= 100);
}

static void sleep_ten_ms(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    sleep_in_the_kernel(10000000);
    CHECK_OK(gmp_blocking_exit());
    atomic_fetch_add(&count, 1);
}

SCENARIO(thousand_tasks_sleep_in_the_kernel) {
    check_start(2);
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_go(sleep_ten_ms, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 1000);
    CHECK_EQ(check_stats().tasks_blocked, 0);
}

static void block_and_compute(void *arg) {
    uint64_t state = (uint64_t)(intptr_t)arg, sum = 0;
    for (int i = 0; i < 200; i++) {
        long ns = (long)(check_random(&state) % 40000);
        CHECK_OK(gmp_blocking_enter());
        if (ns > 20000) sleep_in_the_kernel(ns);
        CHECK_OK(gmp_blocking_exit());
        for (int j = 0; j < 100; j++) sum += check_random(&state);
        if (sum % 3 == 0) gmp_yield();
    }
    atomic_fetch_add(&count, 1);
}

SCENARIO(stress_short_and_long_calls_on_changing_processors) {
    uint64_t seed = check_seed();
    check_start(2);
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(block_and_compute, (void *)(intptr_t)(check_random(&seed) | 1)));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 50);
    gmp_stats_t stats = check_stats();
    CHECK_EQ(stats.tasks_blocked, 0);
    CHECK_EQ(stats.tasks_running, 0);
}

static void hint_only(void *arg) {
    (void)arg;
    atomic_fetch_add(&count, 1);
}

SCENARIO(blocking_hint_changes_no_result) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = GMP_SPAWN_BLOCKING;
    for (intptr_t i = 0; i < 20; i++) {
        gmp_task_t *task;
        void *result = NULL;
        CHECK_OK(gmp_spawn(add_one, (void *)i, &opts, &task));
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_EQ((intptr_t)result, i + 1);
    }
    CHECK_OK(gmp_run(hint_only, NULL));
}
