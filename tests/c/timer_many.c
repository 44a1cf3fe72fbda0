/* A million timers: what they cost in memory, set and stopped from anywhere. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

#define HOUR (3600 * SECOND)

static atomic_int fired;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static long resident_kb(void) { return check_kilobytes("/proc/self/status", "VmRSS"); }

/* ------------------------------------------------------------ a million at once */
enum { MANY = 1000000 };
static gmp_timer_t **timers;

static void set_a_million(void *arg) {
    int from = (int)(intptr_t)arg, step = 2;
    uint64_t random = check_seed() + (uint64_t)from;
    for (int i = from; i < MANY; i += step) {
        int64_t ns = HOUR + (int64_t)(check_random(&random) % HOUR);
        CHECK_OK(gmp_timer_func(ns, count, NULL, &timers[i]));
    }
}

static void move_a_million(void *arg) {
    uint64_t random = check_seed() + 17;
    for (int i = (int)(intptr_t)arg; i < MANY; i += 2) {
        CHECK_CODE(gmp_timer_reset(timers[i], HOUR + (int64_t)(check_random(&random) % HOUR)), 1);
    }
}

static void stop_and_free_a_million(void *arg) {
    for (int i = (int)(intptr_t)arg; i < MANY; i += 2) {
        if (i % 3) CHECK_CODE(gmp_timer_stop(timers[i]), 1);
        gmp_timer_free(timers[i]);
    }
}

static void by_two(void (*fn)(void *), enum kind one, enum kind other) {
    struct party party[2];
    party_start(&party[0], one, fn, (void *)0);
    party_start(&party[1], other, fn, (void *)1);
    parties_end(party, 2);
}

static void a_million(enum kind one, enum kind other) {
    CHECK_OK(gmp_start(NULL));
    timers = (gmp_timer_t **)calloc(MANY, sizeof *timers);
    CHECK(timers != NULL);
    memset(timers, 1, MANY * sizeof *timers); /* the array is the test's own and not to be counted */
    long before = resident_kb();
    by_two(set_a_million, one, other);
    long each = (resident_kb() - before) * 1024 / MANY;
    printf("%ld bytes a timer\n", each);
    CHECK(each < 400);
    CHECK_EQ(check_stats().timers_pending, MANY);
    by_two(move_a_million, other, one);
    CHECK_EQ(check_stats().timers_pending, MANY);
    CHECK((resident_kb() - before) * 1024 / MANY < 800); /* a moved one may be in two places for a while */
    by_two(stop_and_free_a_million, other, one);
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK_EQ(atomic_load(&fired), 0);
    free(timers);
}

SCENARIO(million_pending_timers_of_tasks) { a_million(TASK, TASK); }
SCENARIO(million_pending_timers_of_a_task_and_a_thread) { a_million(TASK, THREAD); }

SCENARIO(quarter_million_channel_timers) {
    enum { FEWER = 250000 };
    CHECK_OK(gmp_start(NULL));
    timers = (gmp_timer_t **)calloc(FEWER, sizeof *timers);
    CHECK(timers != NULL);
    memset(timers, 1, FEWER * sizeof *timers);
    long before = resident_kb();
    for (int i = 0; i < FEWER; i++) CHECK_OK(gmp_timer_chan(HOUR + i, &timers[i]));
    long each = (resident_kb() - before) * 1024 / FEWER;
    printf("%ld bytes a timer\n", each);
    CHECK(each < 1000);
    for (int i = 0; i < FEWER; i++) {
        CHECK_CODE(gmp_timer_stop(timers[i]), 1);
        gmp_timer_free(timers[i]);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
    free(timers);
}

/* ------------------------------------------------------------ no growth */
static void churn(void *arg) {
    gmp_timer_t *a, *b;
    (void)arg;
    CHECK_OK(gmp_timer_func(HOUR, count, NULL, &a));
    CHECK_OK(gmp_timer_chan(HOUR, &b));
    for (int i = 0; i < 300000; i++) {
        CHECK_CODE(gmp_timer_reset(a, HOUR + i % 1000), 1);
        CHECK_CODE(gmp_timer_reset(b, HOUR - i % 1000), 1);
        if (i % 3 == 0) {
            CHECK_CODE(gmp_timer_stop(a), 1);
            CHECK_CODE(gmp_timer_reset(a, HOUR), 0);
        }
    }
    gmp_timer_free(a);
    gmp_timer_free(b);
    for (int i = 0; i < 300000; i++) {
        CHECK_OK(gmp_timer_func(HOUR - i, count, NULL, &a));
        gmp_timer_free(a);
        CHECK_OK(gmp_timer_chan(HOUR - i, &b));
        gmp_timer_free(b);
    }
}

/* What was stopped or moved is not kept until the hour has passed. */
SCENARIO(stopped_and_moved_timers_leave_nothing_behind) {
    CHECK_OK(gmp_start(NULL));
    by_two(churn, TASK, THREAD);
    long before = resident_kb();
    by_two(churn, TASK, THREAD);
    by_two(churn, TASK, TASK);
    long grown = resident_kb() - before;
    printf("grown by %ld kB\n", grown);
    CHECK(grown < 16 * 1024);
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK_EQ(atomic_load(&fired), 0);
}

static void wait_shortly(void *arg) {
    static gmp_wg_t never;
    CHECK_OK(gmp_wg_add(&never, 1));
    for (int i = 0; i < 30000; i++) {
        gmp_mutex_t mine;
        memset(&mine, 0, sizeof mine);
        CHECK_OK(gmp_mutex_lock(&mine, gmp_after_ns(HOUR)));
        CHECK_OK(gmp_mutex_unlock(&mine));
        CHECK_CODE(gmp_wg_wait(&never, gmp_after_ns(i % 5 * 100)), GMP_ETIMEDOUT);
    }
    (void)arg;
}

SCENARIO(deadlines_leave_nothing_behind) {
    CHECK_OK(gmp_start(NULL));
    by_two(wait_shortly, TASK, TASK);
    long before = resident_kb();
    by_two(wait_shortly, TASK, THREAD);
    CHECK(resident_kb() - before < 8 * 1024);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ from everywhere */
enum { SHARED = 500, CHANGERS = 4, CHANGES = 60000 };
static gmp_timer_t *shared[SHARED];
static atomic_long prevented, settings;

/* Each setting is prevented by a later call, or fires. */
static void change_shared(void *arg) {
    uint64_t random = check_seed() + 7919 * (uint64_t)(intptr_t)arg;
    for (int i = 0; i < CHANGES; i++) {
        gmp_timer_t *timer = shared[check_random(&random) % SHARED];
        int code, stops = check_random(&random) % 3 == 0;
        if (stops) {
            code = gmp_timer_stop(timer);
        } else {
            code = gmp_timer_reset(timer, (int64_t)(check_random(&random) % (check_random(&random) % 4 ? HOUR : MS)));
            atomic_fetch_add(&settings, 1);
        }
        CHECK(code == 0 || code == 1);
        if (code) atomic_fetch_add(&prevented, 1);
        if (check_random(&random) % 64 == 0) gmp_yield();
    }
}

SCENARIO(every_setting_of_shared_timers_fires_or_is_prevented) {
    struct party party[CHANGERS];
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < SHARED; i++) CHECK_OK(gmp_timer_func(HOUR, count, NULL, &shared[i]));
    atomic_store(&settings, SHARED);
    for (int i = 0; i < CHANGERS; i++) {
        party_start(&party[i], i % 2 ? THREAD : TASK, change_shared, (void *)(intptr_t)(i + 1));
    }
    parties_end(party, CHANGERS);
    for (int i = 0; i < SHARED; i++) {
        if (gmp_timer_stop(shared[i]) == 1) atomic_fetch_add(&prevented, 1);
        gmp_timer_free(shared[i]);
    }
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&fired) + atomic_load(&prevented), atomic_load(&settings));
    CHECK(atomic_load(&fired) > 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(two_hundred_thousand_timers_all_fire) {
    enum { FIRING = 200000 };
    uint64_t random = check_seed();
    CHECK_OK(gmp_start(NULL));
    timers = (gmp_timer_t **)calloc(FIRING, sizeof *timers);
    CHECK(timers != NULL);
    for (int i = 0; i < FIRING; i++) {
        CHECK_OK(gmp_timer_func((int64_t)(check_random(&random) % (300 * MS)), count, NULL, &timers[i]));
    }
    UNTIL(atomic_load(&fired) == FIRING, CHECK_OK(gmp_sleep(MS)));
    for (int i = 0; i < FIRING; i++) {
        CHECK_CODE(gmp_timer_stop(timers[i]), 0);
        gmp_timer_free(timers[i]);
    }
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
    CHECK(check_stats().timers_fired >= FIRING);
    free(timers);
}
