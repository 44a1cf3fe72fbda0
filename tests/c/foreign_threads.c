/* Threads that the runtime did not make: they may do everything, all at once, before start, and then go away. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { THREADS = 8, EACH = 1000 };
static atomic_int count;
static pthread_barrier_t barrier;
static gmp_wg_t gate;

static void add_one(void *arg) {
    (void)arg;
    atomic_fetch_add(&count, 1);
}

static void *doubled(void *arg) { return (void *)((intptr_t)arg * 2); }

static void *spawn_all_at_once(void *arg) {
    pthread_barrier_wait(&barrier); /* so that the lazy start is raced for as well */
    for (int i = 0; i < EACH; i++) CHECK_OK(gmp_go(add_one, NULL));
    return arg;
}

static void in_threads(int n, void *(*fn)(void *)) {
    pthread_t thread[THREADS];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, (unsigned)n), 0);
    for (intptr_t i = 0; i < n; i++) CHECK_EQ(pthread_create(&thread[i], NULL, fn, (void *)i), 0);
    for (int i = 0; i < n; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
}

SCENARIO(eight_threads_start_and_spawn_at_once) {
    in_threads(THREADS, spawn_all_at_once);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), THREADS * EACH);
}

static void *join_in_a_thread(void *arg) {
    intptr_t base = (intptr_t)arg * EACH;
    pthread_barrier_wait(&barrier);
    for (intptr_t i = 0; i < EACH; i++) {
        gmp_task_t *task;
        void *result = NULL;
        CHECK_OK(gmp_spawn(doubled, (void *)(base + i), NULL, &task));
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_EQ((intptr_t)result, 2 * (base + i));
        CHECK_EQ(gmp_self_id(), 0);
    }
    return NULL;
}

SCENARIO(eight_threads_join_at_once) { in_threads(THREADS, join_in_a_thread); }

static gmp_task_t *left_behind;

static void *wait_then_double(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return doubled(arg);
}

static void *spawn_and_go_away(void *arg) {
    CHECK_OK(gmp_spawn(wait_then_double, arg, NULL, &left_behind));
    return NULL;
}

SCENARIO(task_outlives_the_thread_that_spawned_it) {
    for (intptr_t i = 0; i < 200; i++) {
        pthread_t thread;
        void *result = NULL;
        CHECK_OK(gmp_wg_add(&gate, 1));
        CHECK_EQ(pthread_create(&thread, NULL, spawn_and_go_away, (void *)i), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_OK(gmp_wg_done(&gate));
        CHECK_OK(gmp_join(left_behind, SOON(), &result));
        CHECK_EQ((intptr_t)result, 2 * i);
    }
}

static void *run_in_a_thread(void *arg) {
    for (int i = 0; i < 100; i++) {
        CHECK_OK(gmp_run(add_one, arg));
        CHECK_OK(gmp_sleep(1000));
        gmp_yield();
        CHECK_OK(gmp_checkpoint());
        CHECK_CODE(gmp_wg_wait(&gate, gmp_after_ns(1000)), GMP_ETIMEDOUT);
    }
    return NULL;
}

SCENARIO(threads_wait_like_tasks) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    in_threads(THREADS, run_in_a_thread);
    CHECK_EQ(atomic_load(&count), THREADS * 100);
}

static void start_a_thread(void *arg) {
    pthread_t thread;
    (void)arg;
    CHECK_EQ(pthread_create(&thread, NULL, spawn_and_go_away, (void *)(intptr_t)21), 0);
    CHECK_OK(gmp_blocking_enter());
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(gmp_blocking_exit());
    void *result = NULL;
    CHECK_OK(gmp_join(left_behind, GMP_FOREVER, &result));
    CHECK_EQ((intptr_t)result, 42);
}

SCENARIO(thread_made_by_a_task_is_foreign) {
    check_start(1);
    CHECK_OK(gmp_run(start_a_thread, NULL));
}
