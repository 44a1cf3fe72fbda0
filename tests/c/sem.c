/* Semaphores: counts that come out, large requests that are served in turn, and waits that go away. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

static gmp_sem_t sem;

/* What is free is exactly `n`. */
static void holds(uint32_t n) {
    CHECK_OK(gmp_sem_acquire(&sem, n, GMP_NOWAIT));
    CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_sem_release(&sem, n));
}

static void count(void *arg) {
    (void)arg;
    holds(0);
    CHECK_OK(gmp_sem_release(&sem, 5));
    holds(5);
    CHECK_CODE(gmp_sem_acquire(&sem, 6, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_sem_acquire(&sem, 2, GMP_FOREVER));
    holds(3);
    CHECK_OK(gmp_sem_acquire(&sem, 3, INT64_MIN)); /* no need to wait: the deadline does not count */
    holds(0);
}

SCENARIO(zeroed_memory_holds_nothing) {
    CHECK_EQ(sizeof(gmp_sem_t), 16);
    count(NULL);
    CHECK_OK(gmp_run(count, NULL));
}

SCENARIO(nothing_is_always_there) {
    CHECK_OK(gmp_sem_acquire(&sem, 0, GMP_NOWAIT));
    CHECK_OK(gmp_sem_acquire(&sem, 0, GMP_FOREVER));
    CHECK_OK(gmp_sem_acquire(&sem, 0, INT64_MIN));
    CHECK_OK(gmp_sem_release(&sem, 0));
    holds(0);
}

SCENARIO(null_is_einval) {
    CHECK_CODE(gmp_sem_acquire(NULL, 1, GMP_FOREVER), GMP_EINVAL);
    CHECK_CODE(gmp_sem_acquire(NULL, 0, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_sem_release(NULL, 1), GMP_EINVAL);
}

SCENARIO(overflow_is_emisuse_and_changes_nothing) {
    gmp_sem_t before;
    CHECK_OK(gmp_sem_release(&sem, UINT32_MAX));
    before = sem;
    CHECK_CODE(gmp_sem_release(&sem, 1), GMP_EMISUSE);
    CHECK_CODE(gmp_sem_release(&sem, UINT32_MAX), GMP_EMISUSE);
    CHECK(memcmp(&before, &sem, sizeof sem) == 0);
    CHECK_OK(gmp_sem_release(&sem, 0));
    holds(UINT32_MAX);
    CHECK_OK(gmp_sem_acquire(&sem, 1, GMP_NOWAIT));
    CHECK_CODE(gmp_sem_release(&sem, 2), GMP_EMISUSE);
    holds(UINT32_MAX - 1);
    CHECK_OK(gmp_sem_release(&sem, 1));
    holds(UINT32_MAX);
}

static void wait_in_vain(void *arg) {
    (void)arg;
    for (uint32_t n = 1; n != 0; n = n < UINT32_MAX / 64 ? n * 64 : n == UINT32_MAX ? 0 : UINT32_MAX) {
        CHECK_CODE(gmp_sem_acquire(&sem, n, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_sem_acquire(&sem, n, INT64_MIN), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_sem_acquire(&sem, n, -1), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_sem_acquire(&sem, n, gmp_now() - SECOND), GMP_ETIMEDOUT);
        for (int i = 0; i < 5; i++) {
            gmp_time_t deadline = gmp_after_ns(i * 100000);
            CHECK_CODE(gmp_sem_acquire(&sem, n, deadline), GMP_ETIMEDOUT);
            CHECK(gmp_now() >= deadline);
        }
    }
}

SCENARIO(acquire_takes_a_deadline) {
    wait_in_vain(NULL);
    CHECK_OK(gmp_run(wait_in_vain, NULL));
    holds(0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ order */
struct request {
    struct party party;
    uint32_t n;
    atomic_int granted;
};

static void acquire(void *arg) {
    struct request *r = (struct request *)arg;
    CHECK_OK(gmp_sem_acquire(&sem, r->n, GMP_FOREVER));
    atomic_store(&r->granted, 1);
}

static int tasks_waiting;

/* Returns when it waits, so that requests queue in the order of these calls. */
static void request(struct request *r, enum kind kind, uint32_t n) {
    r->n = n;
    atomic_store(&r->granted, 0);
    party_start(&r->party, kind, acquire, r);
    if (kind == TASK) {
        until_parked(++tasks_waiting);
    } else {
        UNTIL(thread_sleeps(atomic_load(&r->party.tid)), usleep(20));
    }
}

static void granted(struct request *r) {
    party_end(&r->party);
    CHECK_EQ(atomic_load(&r->granted), 1);
    if (r->party.kind == TASK) tasks_waiting--;
}

static void release(uint32_t n) { CHECK_OK(gmp_sem_release(&sem, n)); }

/* A request that could be served is not, while an older and larger one waits. */
static void in_turn(enum kind one, enum kind other) {
    struct request large, small, last;
    CHECK_OK(gmp_start(NULL));
    release(2);
    request(&large, one, 4);
    CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_sem_acquire(&sem, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_sem_acquire(&sem, 0, GMP_NOWAIT));
    request(&small, other, 1);
    request(&last, one, 2);
    release(1);
    CHECK_EQ(atomic_load(&large.granted) + atomic_load(&small.granted) + atomic_load(&last.granted), 0);
    release(1);
    granted(&large);
    CHECK_EQ(atomic_load(&small.granted) + atomic_load(&last.granted), 0);
    release(2); /* one for the small one, one too few for the last */
    granted(&small);
    CHECK_EQ(atomic_load(&last.granted), 0);
    CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN);
    release(1);
    granted(&last);
    holds(0);
}

SCENARIO(large_request_of_a_task_is_served_in_turn) { in_turn(TASK, TASK); }
SCENARIO(large_request_of_a_thread_is_served_in_turn) { in_turn(THREAD, TASK); }
SCENARIO(small_request_of_a_thread_is_served_in_turn) { in_turn(TASK, THREAD); }

SCENARIO(one_release_serves_as_many_as_it_can) {
    enum { MANY = 10 };
    struct request r[MANY];
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < MANY; i++) request(&r[i], i % 4 == 3 ? THREAD : TASK, (uint32_t)i + 1);
    release(1 + 2 + 3 + 3);
    for (int i = 0; i < 3; i++) granted(&r[i]);
    for (int i = 3; i < MANY; i++) CHECK_EQ(atomic_load(&r[i].granted), 0);
    release(1 + 5 + 6 + 7 + 8 + 9 + 10 + 4);
    for (int i = 3; i < MANY; i++) granted(&r[i]);
    holds(4);
}

/* ------------------------------------------------------------ nobody starves */
enum { PERMITS = 4 };
static atomic_int stop, in_use;

static void acquire_one_in_a_loop(void *arg) {
    while (!atomic_load(&stop)) {
        CHECK_OK(gmp_sem_acquire(&sem, 1, GMP_FOREVER));
        CHECK(atomic_fetch_add(&in_use, 1) < PERMITS);
        arg ? (void)gmp_sleep(20000) : spin_for(20000);
        atomic_fetch_sub(&in_use, 1);
        CHECK_OK(gmp_sem_release(&sem, 1));
        CHECK_OK(gmp_checkpoint()); /* on one processor the others run when this one's time is up */
    }
}

static void acquire_all_ten_times(void *arg) {
    gmp_time_t patience = gmp_after_ns(10 * SECOND);
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_sem_acquire(&sem, PERMITS, patience));
        CHECK_EQ(atomic_fetch_add(&in_use, PERMITS), 0);
        gmp_yield();
        atomic_fetch_sub(&in_use, PERMITS);
        CHECK_OK(gmp_sem_release(&sem, PERMITS));
        CHECK_OK(gmp_sleep(100000));
    }
}

static void all_against_many(enum kind looping, enum kind other) {
    struct party loops[PERMITS + 2], all;
    release(PERMITS);
    for (int i = 0; i < PERMITS + 2; i++) {
        party_start(&loops[i], looping, acquire_one_in_a_loop, (void *)(intptr_t)(i % 2));
    }
    party_start(&all, other, acquire_all_ten_times, NULL);
    party_end(&all);
    atomic_store(&stop, 1);
    parties_end(loops, PERMITS + 2);
    holds(PERMITS);
}

SCENARIO(small_requests_of_tasks_do_not_starve_a_large_task) { all_against_many(TASK, TASK); }
SCENARIO(small_requests_of_tasks_do_not_starve_a_large_thread) { all_against_many(TASK, THREAD); }
SCENARIO(small_requests_of_threads_do_not_starve_a_large_task) { all_against_many(THREAD, TASK); }
