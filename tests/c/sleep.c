/* Sleeping: never short, in order, without a processor. No upper bound is asserted: that is the bench's. */
#include "check.h"

static atomic_int woken;
static gmp_wg_t gate;

static void sleep_at_least(void *arg) {
    int64_t ns = (int64_t)(intptr_t)arg;
    gmp_time_t from = gmp_now();
    CHECK_OK(gmp_sleep(ns));
    CHECK(gmp_now() - from >= ns);
    atomic_fetch_add(&woken, 1);
}

SCENARIO(sleep_is_never_short) {
    static const int64_t asked[] = {1, 1000, 20000, 50000, 100000, 300000, MS, 3 * MS, 20 * MS};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        sleep_at_least((void *)(intptr_t)asked[i]); /* from a plain thread */
        CHECK_OK(gmp_run(sleep_at_least, (void *)(intptr_t)asked[i]));
    }
}

SCENARIO(sleep_of_nothing_returns_at_once) {
    static const int64_t asked[] = {0, -1, -SECOND, INT64_MIN};
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        CHECK_OK(gmp_sleep(asked[i]));
        CHECK_OK(gmp_run(sleep_at_least, (void *)(intptr_t)asked[i]));
    }
}

static int order[64];
static int turns;
static gmp_time_t base;

/* A wait with an absolute deadline, so that nothing depends on when each task got round to it. */
static void wake_in_order(void *arg) {
    intptr_t place = (intptr_t)arg;
    CHECK_CODE(gmp_wg_wait(&gate, base + place * MS), GMP_ETIMEDOUT);
    order[turns++] = (int)place;
}

SCENARIO(waits_end_in_the_order_of_their_deadlines) {
    enum { MANY = 40 };
    check_start(1);
    CHECK_OK(gmp_wg_add(&gate, 1));
    base = gmp_after_ns(100 * MS);
    for (intptr_t i = 0; i < MANY; i++) CHECK_OK(gmp_go(wake_in_order, (void *)(i * 17 % MANY)));
    CHECK_IDLE();
    CHECK_EQ(turns, MANY);
    for (int i = 0; i < MANY; i++) CHECK_EQ(order[i], i);
}

SCENARIO(ten_thousand_sleepers_all_wake) {
    uint64_t seed = check_seed();
    check_start(2);
    for (int i = 0; i < 10000; i++) {
        CHECK_OK(gmp_go(sleep_at_least, (void *)(intptr_t)(check_random(&seed) % (50 * MS))));
    }
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&woken), 10000);
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK(check_stats().timers_fired >= 9000);
}

static atomic_int asleep;
static long yields;

static void yield_while_it_sleeps(void *arg) {
    (void)arg;
    while (atomic_load(&asleep)) {
        yields++;
        gmp_yield();
    }
}

static void sleep_beside(void *arg) {
    (void)arg;
    atomic_store(&asleep, 1);
    CHECK_OK(gmp_go(yield_while_it_sleeps, NULL));
    CHECK_OK(gmp_sleep(10 * MS));
    atomic_store(&asleep, 0);
}

SCENARIO(sleeper_holds_no_processor) {
    check_start(1);
    CHECK_OK(gmp_run(sleep_beside, NULL));
    CHECK_IDLE();
    CHECK(yields > 0);
}

static void sleep_for_ever(void *arg) {
    (void)arg;
    gmp_sleep(INT64_MAX);
    CHECK(!"for ever has passed");
}

SCENARIO(sleep_for_ever_neither_ends_nor_overflows) {
    CHECK_OK(gmp_go(sleep_for_ever, NULL));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(10 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_num_tasks(), 1);
}

SCENARIO(times_saturate) {
    CHECK(gmp_after_ns(INT64_MAX) == GMP_FOREVER);
    gmp_time_t now = gmp_now();
    CHECK(gmp_after_ns(SECOND) >= now + SECOND);
    CHECK(gmp_after_ns(-SECOND) < gmp_now());
    for (int i = 0; i < 100000; i++) {
        gmp_time_t later = gmp_now();
        CHECK(later >= now);
        now = later;
    }
}

static atomic_int flag;

static void raise_flag(void *arg) {
    (void)arg;
    atomic_store(&flag, 1);
}

static void checkpoint_until_flag(void *arg) {
    (void)arg;
    CHECK_OK(gmp_go(raise_flag, NULL));
    while (!atomic_load(&flag)) CHECK_OK(gmp_checkpoint());
}

SCENARIO(checkpoint_lets_a_waiting_task_run) {
    check_start(1);
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_run(checkpoint_until_flag, NULL));
}
