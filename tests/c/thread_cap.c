/* The cap on threads: work queues there, nothing dies, and the stats say so. */
#include <pthread.h>
#include <time.h>

#include "check.h"

enum { CAP = 6 };
static atomic_int inside, most, ended;
static atomic_int let_go;

static void start_with_cap(int procs, int threads) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = procs;
    config.max_threads = threads;
    CHECK_OK(gmp_start(&config));
}

static void pause_in_the_kernel(long ns) {
    struct timespec left = {0, ns};
    nanosleep(&left, NULL);
}

static void block_a_little(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    int now = atomic_fetch_add(&inside, 1) + 1, seen = atomic_load(&most);
    while (now > seen && !atomic_compare_exchange_weak(&most, &seen, now)) {
    }
    pause_in_the_kernel(2000000);
    atomic_fetch_sub(&inside, 1);
    CHECK_OK(gmp_blocking_exit());
    atomic_fetch_add(&ended, 1);
}

SCENARIO(tasks_queue_at_the_cap_and_all_end) {
    start_with_cap(2, CAP);
    for (int i = 0; i < 200; i++) CHECK_OK(gmp_go(block_a_little, NULL));
    CHECK_IDLE();
    gmp_stats_t stats = check_stats();
    CHECK_EQ(atomic_load(&ended), 200);
    CHECK(atomic_load(&most) <= CAP);
    CHECK(stats.threads_peak <= CAP);
    CHECK(stats.thread_limit_hits >= 1);
}

static void block_until_let_go(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    atomic_fetch_add(&inside, 1);
    while (!atomic_load(&let_go)) pause_in_the_kernel(200000);
    CHECK_OK(gmp_blocking_exit());
    atomic_fetch_add(&ended, 1);
}

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ended, 1);
}

SCENARIO(raised_cap_lets_queued_work_go_on) {
    start_with_cap(1, 3);
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_go(block_until_let_go, NULL));
    while (atomic_load(&inside) < 3) CHECK_OK(gmp_sleep(100000));
    CHECK_OK(gmp_go(count, NULL)); /* no thread is left to run it */
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(atomic_load(&ended), 0);
    CHECK_EQ(gmp_set_max_threads(10), 3);
    while (atomic_load(&ended) == 0) CHECK_OK(gmp_sleep(100000));
    atomic_store(&let_go, 1);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 4);
}

SCENARIO(cap_can_be_asked_and_lowered_below_use) {
    start_with_cap(1, 0);
    CHECK_EQ(gmp_set_max_threads(5000), 10000);
    CHECK_EQ(gmp_set_max_threads(10000), 5000);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(block_until_let_go, NULL));
    while (atomic_load(&inside) < 20) CHECK_OK(gmp_sleep(100000));
    CHECK_EQ(gmp_set_max_threads(2), 10000);
    CHECK_OK(gmp_go(count, NULL));
    atomic_store(&let_go, 1);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ended), 21);
}
