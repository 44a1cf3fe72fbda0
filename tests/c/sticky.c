/* Sticky tasks: once started they come back on the same thread, which others may share. */
//@ with GMP_MAXPROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#define _GNU_SOURCE
#include <sys/syscall.h>

#include "check.h"

/* Out of line: the compiler must not keep what it knows of a thread across a call that changes threads. */
__attribute__((noinline)) static pid_t here(void) { return (pid_t)syscall(SYS_gettid); }
__attribute__((noinline)) static long read_byte(int fd) {
    char byte;
    return read(fd, &byte, 1);
}

static gmp_chan_t *chan;
static gmp_mutex_t mutex;
static gmp_wg_t group;
static atomic_int stop, count, blocked, went_on;
static int fds[2];

static int procs(int most) {
    const char *text = getenv("GMP_MAXPROCS");
    int n = text ? atoi(text) : 1;
    return n < most ? n : most;
}

static gmp_task_t *sticky(gmp_task_fn_t body, void *arg) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = GMP_SPAWN_STICKY;
    CHECK_OK(gmp_spawn(body, arg, &opts, &task));
    return task;
}

static void *answer(void *arg) { return arg; }

static void *waits(void *arg) {
    pid_t mine = here();
    for (int i = 0; i < 100; i++) {
        int value = i;
        CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_sleep(20000));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        gmp_yield();
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_mutex_unlock(&mutex));
        gmp_yield();
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_blocking_enter());
        usleep(50);
        CHECK_OK(gmp_blocking_exit());
        CHECK_EQ(here(), mine);
        gmp_task_t *task;
        void *result;
        CHECK_OK(gmp_spawn(answer, &value, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
        CHECK(result == &value);
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_join(sticky(answer, &value), GMP_FOREVER, &result));
        CHECK(result == &value);
        CHECK_EQ(here(), mine);
    }
    return arg;
}

static void busy(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        gmp_yield();
        atomic_fetch_add(&count, 1);
    }
}

static void many_wait(void *arg) {
    gmp_task_t *tasks[20];
    CHECK_OK(gmp_chan_new(sizeof(int), 20, &chan));
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_wg_go(&group, busy, NULL));
    for (int i = 0; i < 20; i++) tasks[i] = sticky(waits, arg);
    for (int i = 0; i < 20; i++) {
        void *result;
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        CHECK(result == arg);
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    gmp_chan_free(chan);
}

SCENARIO(sticky_tasks_come_back_on_their_threads_and_share_them) {
    check_start(procs(2));
    int mark;
    CHECK_OK(gmp_run(many_wait, &mark));
    CHECK(atomic_load(&count) > 0);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}

SCENARIO(sticky_task_from_a_thread_gives_its_result) {
    check_start(procs(2));
    CHECK_OK(gmp_chan_new(sizeof(int), 20, &chan));
    void *result;
    int mark;
    CHECK_OK(gmp_join(sticky(waits, &mark), SOON(), &result));
    CHECK(result == &mark);
    CHECK_OK(gmp_shutdown(SOON()));
    gmp_chan_free(chan);
}

/* Two on one thread: the first waits for a value, the second then blocks in the kernel. */
static void *first(void *arg) {
    *(_Atomic pid_t *)arg = here();
    int value;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    atomic_store(&went_on, 1);
    CHECK_EQ(here(), *(_Atomic pid_t *)arg);
    return NULL;
}

static void *second(void *arg) {
    *(_Atomic pid_t *)arg = here();
    CHECK_OK(gmp_blocking_enter());
    atomic_store(&blocked, 1);
    CHECK_EQ(read_byte(fds[0]), 1);
    atomic_store(&blocked, 0);
    CHECK_OK(gmp_blocking_exit());
    return NULL;
}

static void one_blocks(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
    _Atomic pid_t a = 0, b = 0;
    gmp_task_t *one = sticky(first, (void *)&a);
    while (atomic_load(&a) == 0) gmp_yield();
    gmp_task_t *two = sticky(second, (void *)&b);
    while (!atomic_load(&blocked)) gmp_yield();
    CHECK_EQ(a, b);
    int value = 1;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    /* Made ready; its thread is not to be had, and nobody else may run it. */
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gmp_sleep(100000));
        CHECK_EQ(atomic_load(&went_on), 0);
    }
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_OK(gmp_join(one, SOON(), NULL));
    CHECK_OK(gmp_join(two, SOON(), NULL));
    CHECK_EQ(atomic_load(&went_on), 1);
    gmp_chan_free(chan);
}

SCENARIO(sticky_task_waits_for_its_thread_that_another_blocks) {
    check_start(1);
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_run(one_blocks, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
}

static _Atomic pid_t sticky_at, locked_at;

static void *lives_here(void *arg) {
    (void)arg;
    pid_t mine = here();
    atomic_store(&sticky_at, mine);
    while (!atomic_load(&stop)) {
        CHECK_EQ(here(), mine);
        CHECK(atomic_load(&locked_at) != mine);
        atomic_fetch_add(&count, 1);
        gmp_yield();
    }
    return NULL;
}

static void *locks(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    CHECK(mine != atomic_load(&sticky_at));
    atomic_store(&locked_at, mine);
    int before = atomic_load(&count);
    gmp_time_t limit = SOON();
    while (atomic_load(&count) < before + 100 && gmp_now() < limit) gmp_yield();
    CHECK(atomic_load(&count) >= before + 100);
    CHECK_EQ(here(), mine);
    atomic_store(&locked_at, 0);
    return NULL;
}

/* A main loop that locked itself where a sticky task lives would stop that for ever. */
static void lock_beside_sticky(void *arg) {
    (void)arg;
    gmp_task_t *resident = sticky(lives_here, NULL), *task;
    while (atomic_load(&sticky_at) == 0) gmp_yield();
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gmp_spawn(locks, NULL, NULL, &task));
        CHECK_OK(gmp_join(task, gmp_after_ns(40 * SECOND), NULL));
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_join(resident, SOON(), NULL));
}

SCENARIO(task_that_locks_itself_leaves_a_thread_where_sticky_ones_live) {
    check_start(procs(2));
    CHECK_OK(gmp_run(lock_beside_sticky, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}

static void *locks_with_the_other_waiting(void *arg) {
    (void)arg;
    pid_t mine = here();
    CHECK_EQ(gmp_lock_thread(), 1);
    CHECK_EQ(here(), mine);
    int value = 1;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    for (int i = 0; i < 20; i++) {
        CHECK_OK(gmp_sleep(100000));
        CHECK_EQ(here(), mine);
        CHECK_EQ(atomic_load(&went_on), 0);
    }
    CHECK_EQ(gmp_unlock_thread(), 0);
    return NULL;
}

static void *ends_locked(void *arg) {
    *(pid_t *)arg = here();
    CHECK_EQ(gmp_lock_thread(), 1);
    return NULL;
}

static void sticky_locks(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_new(sizeof(int), 2, &chan));
    _Atomic pid_t a = 0;
    gmp_task_t *one = sticky(first, (void *)&a);
    while (atomic_load(&a) == 0) gmp_yield();
    CHECK_OK(gmp_join(sticky(locks_with_the_other_waiting, NULL), SOON(), NULL));
    CHECK_OK(gmp_join(one, SOON(), NULL));
    CHECK_EQ(atomic_load(&went_on), 1);
    /* One that ends locked leaves the thread to those who live there. */
    atomic_store(&a, 0);
    atomic_store(&went_on, 0);
    one = sticky(first, (void *)&a);
    while (atomic_load(&a) == 0) gmp_yield();
    pid_t ended;
    CHECK_OK(gmp_join(sticky(ends_locked, &ended), SOON(), NULL));
    CHECK_EQ(ended, a);
    int value = 2;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    CHECK_OK(gmp_join(one, SOON(), NULL));
    gmp_chan_free(chan);
}

SCENARIO(sticky_task_that_locks_itself_keeps_the_others_of_its_thread_waiting) {
    check_start(1);
    CHECK_OK(gmp_run(sticky_locks, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
}

/* ------------------------------------------------------------ 1000 on 4 threads */

static uint64_t seed;

static void *random_waits(void *arg) {
    uint64_t random = (seed + (uintptr_t)arg) * 0x9E3779B97F4A7C15u | 1;
    pid_t mine = here();
    for (int i = 0; i < 40; i++) {
        int value;
        switch (check_random(&random) % 7) {
        case 0: gmp_chan_recv(chan, &value, gmp_after_ns((int64_t)(random >> 40) % 100000)); break;
        case 1: value = 1; gmp_chan_send(chan, &value, gmp_after_ns((int64_t)(random >> 40) % 100000)); break;
        case 2: gmp_sleep((int64_t)(random >> 40) % 50000); break;
        case 3:
            if (gmp_mutex_lock(&mutex, GMP_FOREVER) == GMP_OK) {
                gmp_yield();
                CHECK_OK(gmp_mutex_unlock(&mutex));
            }
            break;
        case 4: {
            gmp_task_t *task;
            CHECK_OK(gmp_spawn(answer, NULL, NULL, &task));
            if (gmp_join(task, GMP_FOREVER, NULL) != GMP_OK) CHECK_OK(gmp_task_free(task));
            break;
        }
        case 5:
            if (random >> 60 == 0) {
                CHECK(gmp_lock_thread() > 0);
                gmp_yield();
                CHECK_EQ(here(), mine);
                CHECK(gmp_unlock_thread() >= 0);
            }
            break;
        default: gmp_yield();
        }
        CHECK_EQ(here(), mine);
    }
    atomic_fetch_add(&count, 1);
    return NULL;
}

static void thousand(void *arg) {
    (void)arg;
    enum { TASKS = 1000 };
    static gmp_task_t *tasks[TASKS];
    uint64_t random = seed;
    for (uintptr_t i = 0; i < TASKS; i++) tasks[i] = sticky(random_waits, (void *)i);
    for (int i = 0; i < TASKS; i++) {
        if (check_random(&random) % 4 == 0) CHECK_OK(gmp_task_cancel(tasks[i]));
        if (random % 16 == 1) gmp_yield();
    }
    for (int i = 0; i < TASKS; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
    CHECK_EQ(atomic_load(&count), TASKS);
}

//@ limit 120
SCENARIO(thousand_sticky_tasks_on_four_threads_with_cancels_and_deadlines) {
    seed = check_seed();
    fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
    check_start(procs(1) == 1 && !getenv("GMP_MAXPROCS") ? 4 : procs(2));
    CHECK_OK(gmp_chan_new(sizeof(int), 4, &chan));
    CHECK_OK(gmp_run(thousand, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
    gmp_chan_free(chan);
    CHECK_THREADS(1);
}

/* ------------------------------------------------------------ threads come back */

static void *blocks_then_ends(void *arg) {
    (void)arg;
    atomic_fetch_add(&blocked, 1);
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(read_byte(fds[0]), 1);
    CHECK_OK(gmp_blocking_exit());
    gmp_yield();
    return NULL;
}

static void burst(void *arg) {
    (void)arg;
    gmp_task_t *tasks[50];
    for (int i = 0; i < 50; i++) tasks[i] = sticky(blocks_then_ends, NULL);
    while (atomic_load(&blocked) < 50) gmp_yield();
    for (int i = 0; i < 50; i++) CHECK_EQ(write(fds[1], "x", 1), 1);
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
}

//@ env GMP_IDLE_THREAD_MS=20
SCENARIO(threads_of_sticky_tasks_end_when_those_have_ended) {
    check_start(procs(2));
    CHECK_EQ(pipe(fds), 0);
    CHECK_OK(gmp_run(burst, NULL));
    gmp_time_t limit = SOON();
    while (check_threads() > 6 && gmp_now() < limit) usleep(1000);
    CHECK(check_threads() <= 6);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}
