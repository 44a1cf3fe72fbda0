/* Sleeping beyond sleep.c: cancellation, resolution, and what a hundred sleepers cost. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include <time.h>

#include "waits.h"

/* ------------------------------------------------------------ cancellation */
static void *sleep_until_cancelled(void *arg) {
    CHECK_CODE(gmp_sleep(*(int64_t *)arg), GMP_ECANCELED);
    CHECK_CODE(gmp_sleep(INT64_MAX), GMP_ECANCELED); /* the mark stays */
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    CHECK_OK(gmp_sleep(0)); /* no need to wait */
    CHECK_OK(gmp_sleep(-1));
    CHECK_OK(gmp_sleep(INT64_MIN));
    CHECK_EQ(gmp_shield(1), 0);
    gmp_time_t from = gmp_now();
    CHECK_OK(gmp_sleep(MS));
    CHECK(gmp_now() - from >= MS);
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    return NULL;
}

SCENARIO(cancelled_sleep_ends_at_once) {
    static int64_t asked[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, 3600 * SECOND};
    for (int i = 0; i < 4; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(sleep_until_cancelled, &asked[i], NULL, &task));
        until_parked(1);
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), NULL));
        CHECK_EQ(check_stats().timers_pending, 0);
    }
}

static void *sleep_or_not(void *arg) {
    gmp_time_t from = gmp_now();
    int code = gmp_sleep((intptr_t)arg);
    if (code == GMP_OK) CHECK(gmp_now() - from >= (intptr_t)arg);
    return (void *)(intptr_t)code;
}

SCENARIO(cancellation_against_the_end_of_a_sleep) {
    uint64_t random = check_seed();
    int slept = 0;
    for (int round = 0; round < 3000; round++) {
        gmp_task_t *task;
        void *code;
        CHECK_OK(gmp_spawn(sleep_or_not, (void *)(intptr_t)(1 + check_random(&random) % 40000), NULL, &task));
        spin_for((int64_t)(check_random(&random) % 40000));
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_join(task, SOON(), &code));
        CHECK((intptr_t)code == GMP_OK || (intptr_t)code == GMP_ECANCELED);
        slept += (intptr_t)code == GMP_OK;
    }
    printf("%d of 3000 slept\n", slept);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(ten_thousand_sleepers_are_cancelled) {
    enum { MANY = 10000 };
    static gmp_task_t *task[MANY];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_spawn(sleep_or_not, (void *)(intptr_t)(3600 * SECOND + i), NULL, &task[i]));
    }
    until_parked(MANY);
    CHECK_EQ(check_stats().timers_pending, MANY);
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_task_cancel(task[i * 7919 % MANY]));
    for (int i = 0; i < MANY; i++) {
        void *code;
        CHECK_OK(gmp_join(task[i], SOON(), &code));
        CHECK_CODE((int)(intptr_t)code, GMP_ECANCELED);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ resolution */
static int by_size(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static int64_t middle_of_fifty_sleeps(void) {
    int64_t took[50];
    for (int i = 0; i < 50; i++) {
        gmp_time_t from = gmp_now();
        CHECK_OK(gmp_sleep(50000));
        took[i] = gmp_now() - from;
    }
    qsort(took, 50, sizeof *took, by_size);
    return took[25];
}

/* §23.13: where Go rounds 50 us up to a millisecond. One quiet moment in ten tries is enough. */
static void sleep_shortly(void *arg) {
    int64_t best = INT64_MAX;
    (void)arg;
    for (int tries = 0; tries < 10 && best >= MS; tries++) {
        int64_t middle = middle_of_fifty_sleeps();
        if (middle < best) best = middle;
    }
    printf("half of the sleeps of 50 us took at most %lld us\n", (long long)best / 1000);
    CHECK(best < MS);
}

SCENARIO(short_sleeps_of_a_task_are_shorter_than_a_millisecond) { CHECK_OK(gmp_run(sleep_shortly, NULL)); }
SCENARIO(short_sleeps_of_a_thread_are_shorter_than_a_millisecond) { sleep_shortly(NULL); }

/* ------------------------------------------------------------ idle */
static int64_t cpu_ns(void) {
    struct timespec used;
    CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used), 0);
    return used.tv_sec * SECOND + used.tv_nsec;
}

static void cost_of(const char *what) {
    usleep(100000); /* whoever was awake has gone to sleep, the monitor as well */
    int64_t before = cpu_ns();
    usleep(1000000);
    int64_t used = cpu_ns() - before;
    printf("%s use %lld us a second\n", what, (long long)used / 1000);
    CHECK(used < 50 * MS);
}

SCENARIO(sleepers_cost_nothing_between_expiries) {
    enum { MANY = 100 };
    gmp_task_t *task[MANY];
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_spawn(sleep_or_not, (void *)(intptr_t)(3600 * SECOND + i), NULL, &task[i]));
    }
    until_parked(MANY);
    cost_of("a hundred sleepers");
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_task_cancel(task[i]));
        CHECK_OK(gmp_join(task[i], SOON(), NULL));
    }
    cost_of("no tasks");
}

SCENARIO(pending_timers_and_unread_tickers_cost_nothing) {
    enum { MANY = 100 };
    gmp_timer_t *timer[MANY];
    for (int i = 0; i < MANY; i++) {
        if (i % 2) {
            CHECK_OK(gmp_ticker_new(3600 * SECOND + i, &timer[i]));
        } else {
            CHECK_OK(gmp_timer_chan(3600 * SECOND + i, &timer[i]));
        }
    }
    cost_of("a hundred timers");
    for (int i = 0; i < MANY; i++) gmp_timer_free(timer[i]);
}
