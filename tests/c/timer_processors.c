/* Timers and processors: busy ones, idle ones, those that go away, and threads that have none. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
#include "waits.h"

#define HOUR (3600 * SECOND)

static atomic_int fired, stop;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static void raise_stop(void *arg) {
    (void)arg;
    atomic_store(&stop, 1);
}

/* ------------------------------------------------------------ busy */
static gmp_timer_t *timer;

/* The timer is this processor's own; and this processor never comes round to look at it. */
static void set_and_spin(void *arg) {
    gmp_time_t patience = gmp_after_ns(20 * SECOND);
    CHECK_OK(gmp_timer_func((intptr_t)arg, raise_stop, NULL, &timer));
    while (!atomic_load(&stop)) CHECK(gmp_now() < patience);
}

SCENARIO(timer_of_a_hogging_processor_fires) {
    static const int64_t after[] = {0, 1000, MS, 15 * MS, 50 * MS};
    gmp_max_procs(2); /* the function needs a processor that nobody hogs */
    for (int i = 0; i < 5; i++) {
        atomic_store(&stop, 0);
        CHECK_OK(gmp_run(set_and_spin, (void *)(intptr_t)after[i]));
        CHECK_CODE(gmp_timer_stop(timer), 0);
        gmp_timer_free(timer);
    }
}

static void spin_until_stop(void *arg) {
    gmp_time_t patience = gmp_after_ns(30 * SECOND);
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK(gmp_now() < patience);
        CHECK_OK(gmp_checkpoint());
    }
}

static void sleep_often(void *arg) {
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_sleep(MS));
    atomic_store((atomic_int *)arg, 1);
}

/* More of those that compute than processors; they give way at their checkpoints only. */
SCENARIO(sleepers_wake_beside_computing_tasks) {
    struct party hog[3], sleeper[4];
    atomic_int done[4] = {0, 0, 0, 0};
    for (int i = 0; i < 4; i++) party_start(&sleeper[i], TASK, sleep_often, &done[i]);
    for (int i = 0; i < 3; i++) party_start(&hog[i], TASK, spin_until_stop, NULL);
    parties_end(sleeper, 4);
    atomic_store(&stop, 1);
    parties_end(hog, 3);
}

static gmp_time_t due;
static int64_t late[100];
static int lateness;

static void note_lateness(void *arg) {
    (void)arg;
    late[lateness++] = gmp_now() - due;
    atomic_fetch_add(&fired, 1);
}

static void yield_until_stop(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) gmp_yield();
}

static int by_size(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

/* §23.14: looked at in each round of the scheduler. The bound is for machines that do other things as well. */
SCENARIO(timers_are_not_late_beside_yielding_tasks) {
    enum { BUSY = 4 };
    struct party busy[BUSY];
    for (int i = 0; i < BUSY; i++) party_start(&busy[i], TASK, yield_until_stop, NULL);
    for (int i = 0; i < 100; i++) {
        due = gmp_after_ns(MS);
        CHECK_OK(gmp_timer_func(MS, note_lateness, NULL, &timer));
        UNTIL(atomic_load(&fired) == i + 1, usleep(100));
        gmp_timer_free(timer);
    }
    atomic_store(&stop, 1);
    parties_end(busy, BUSY);
    qsort(late, 100, sizeof *late, by_size);
    printf("half of them at most %lld us late\n", (long long)late[50] / 1000);
    CHECK(late[50] < 50 * MS);
}

/* ------------------------------------------------------------ idle */
/* Everybody sleeps until the hour: the earlier one must wake somebody (§23.15). */
static void earlier_on_an_idle_machine(void *arg) {
    gmp_timer_t *hour;
    (void)arg;
    CHECK_OK(gmp_timer_func(HOUR, count, NULL, &hour));
    for (int i = 0; i < 100; i++) {
        int before = atomic_load(&fired);
        if (i % 10 == 0) CHECK_OK(gmp_sleep(2 * MS)); /* so that machines do go to sleep */
        if (i % 2) CHECK_CODE(gmp_timer_stop(hour), 1);
        CHECK_CODE(gmp_timer_reset(hour, i % 4 * 300000), i % 2 == 0);
        UNTIL(atomic_load(&fired) == before + 1, CHECK_OK(gmp_sleep(50000)));
        CHECK_CODE(gmp_timer_reset(hour, HOUR), 0);
    }
    gmp_timer_free(hour);
}

SCENARIO(reset_to_earlier_is_not_lost_on_an_idle_machine) {
    CHECK_OK(gmp_start(NULL));
    earlier_on_an_idle_machine(NULL);
    CHECK_OK(gmp_run(earlier_on_an_idle_machine, NULL));
}

/* A thousand of an hour each, set again and again and then to a time that has passed. */
SCENARIO(reset_to_earlier_is_not_lost_among_many) {
    enum { MANY = 1000 };
    static gmp_timer_t *many[MANY];
    gmp_time_t value, start = gmp_now();
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_timer_chan(HOUR, &many[i]));
        for (int j = 0; j < 10; j++) {
            if (j % 2) CHECK_CODE(gmp_timer_stop(many[i]), 1);
            CHECK_CODE(gmp_timer_reset(many[i], -gmp_now()), j % 2 == 0);
        }
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(many[i]), &value, gmp_after_ns(8 * SECOND)));
        CHECK(value <= gmp_now() && value < start + HOUR);
        gmp_timer_free(many[i]);
    }
}

static void *take_value(void *arg) {
    CHECK_OK(gmp_chan_recv(gmp_timer_channel((gmp_timer_t *)arg), NULL, GMP_FOREVER)); /* no timer of its own */
    return NULL;
}

/* The same with somebody who waits for each: those timers are in force somewhere already. */
SCENARIO(reset_to_earlier_wakes_who_waits) {
    enum { MANY = 300 };
    gmp_timer_t *many[MANY];
    gmp_task_t *task[MANY];
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_timer_chan(HOUR + i, &many[i]));
        CHECK_OK(gmp_spawn(take_value, many[i], NULL, &task[i]));
    }
    until_parked(MANY);
    CHECK_EQ(check_stats().timers_pending, MANY);
    for (int i = 0; i < MANY; i++) CHECK_CODE(gmp_timer_reset(many[i], i % 3 * MS), 1);
    for (int i = 0; i < MANY; i++) {
        CHECK_OK(gmp_join(task[i], SOON(), NULL));
        gmp_timer_free(many[i]);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

static int order[40];
static atomic_int turns;

static void take_turn(void *arg) { order[atomic_fetch_add(&turns, 1)] = (int)(intptr_t)arg; }

static int in_order_of_expiry(void) {
    enum { MANY = 40 };
    gmp_timer_t *some[MANY];
    atomic_store(&turns, 0);
    gmp_time_t start = gmp_after_ns(20 * MS);
    for (intptr_t i = 0; i < MANY; i++) {
        intptr_t place = i * 17 % MANY;
        CHECK_OK(gmp_timer_func(start + place * MS - gmp_now(), take_turn, (void *)place, &some[i]));
    }
    UNTIL(atomic_load(&turns) == MANY, usleep(1000));
    CHECK_IDLE();
    for (int i = 0; i < MANY; i++) gmp_timer_free(some[i]);
    for (int i = 0; i < MANY; i++) {
        if (order[i] != i) return 0;
    }
    return 1;
}

/* §23.4 speaks of an idle system; this one may be busy with other tests. Then several expire at a time, and their
 * tasks run in any order. So: one time in ten is enough. */
SCENARIO(functions_run_in_the_order_of_expiry) {
    gmp_max_procs(1);
    for (int tries = 1; !in_order_of_expiry(); tries++) CHECK(tries < 10);
}

/* ------------------------------------------------------------ processors that go away */
static gmp_timer_t *spread[8][50];

static void set_fifty(void *arg) {
    intptr_t mine = (intptr_t)arg;
    uint64_t random = check_seed() + (uint64_t)mine;
    for (int i = 0; i < 50; i++) {
        int64_t ns = i % 5 ? (int64_t)(check_random(&random) % (40 * MS)) : HOUR;
        CHECK_OK(gmp_timer_func(ns, count, NULL, &spread[mine][i]));
        if (i % 8 == 0) gmp_yield();
        if (i % 16 == 0) spin_for(200000); /* so that others get processors and set theirs there */
    }
}

SCENARIO(timers_survive_the_end_of_their_processors) {
    gmp_max_procs(8);
    for (int round = 0; round < 5; round++) {
        struct party party[8];
        atomic_store(&fired, 0);
        for (intptr_t i = 0; i < 8; i++) party_start(&party[i], TASK, set_fifty, (void *)i);
        if (round % 2) gmp_max_procs(1 + round); /* while they are being set */
        parties_end(party, 8);
        gmp_max_procs(1);
        UNTIL(atomic_load(&fired) == 8 * 40, usleep(100));
        for (int i = 0; i < 8; i++) {
            for (int j = 0; j < 50; j += 5) {
                if (j % 2) {
                    CHECK_CODE(gmp_timer_reset(spread[i][j], 1000), 1); /* of a processor that is gone */
                } else {
                    CHECK_CODE(gmp_timer_stop(spread[i][j]), 1);
                }
            }
        }
        UNTIL(atomic_load(&fired) == 8 * 45, usleep(100));
        for (int i = 0; i < 8 * 50; i++) gmp_timer_free(spread[i / 50][i % 50]);
        CHECK_EQ(check_stats().timers_pending, 0);
        gmp_max_procs(8);
    }
}

/* ------------------------------------------------------------ threads */
static void use_timers_from_a_thread(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg;
    for (int i = 0; i < 3000; i++) {
        gmp_timer_t *mine;
        gmp_time_t from = gmp_now(), value;
        int64_t ns = (int64_t)(check_random(&random) % 20000);
        switch (check_random(&random) % 3) {
        case 0:
            CHECK_OK(gmp_timer_func(ns, count, NULL, &mine));
            if (gmp_timer_stop(mine) == 1) atomic_fetch_add(&fired, 1);
            break;
        case 1:
            CHECK_OK(gmp_timer_chan(ns, &mine));
            CHECK_OK(gmp_chan_recv(gmp_timer_channel(mine), &value, SOON()));
            CHECK(value >= from + ns);
            atomic_fetch_add(&fired, 1);
            break;
        default:
            CHECK_OK(gmp_timer_chan(HOUR, &mine));
            CHECK_CODE(gmp_timer_reset(mine, ns), 1);
            if (check_random(&random) % 2) CHECK_OK(gmp_chan_recv(gmp_timer_channel(mine), NULL, SOON()));
            atomic_fetch_add(&fired, 1);
        }
        gmp_timer_free(mine);
    }
}

/* The first of these calls starts the runtime. */
SCENARIO(threads_set_and_stop_timers_before_the_start) {
    struct party party[4];
    for (intptr_t i = 0; i < 4; i++) party_start(&party[i], THREAD, use_timers_from_a_thread, (void *)(i * 17));
    parties_end(party, 4);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&fired), 4 * 3000);
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void set_and_go_away(void *arg) {
    CHECK_OK(gmp_timer_func(2 * MS, count, NULL, (gmp_timer_t **)arg));
}

SCENARIO(timer_outlives_the_thread_that_set_it) {
    gmp_timer_t *left[50];
    for (int i = 0; i < 50; i++) {
        struct party party;
        party_start(&party, THREAD, set_and_go_away, &left[i]);
        party_end(&party);
    }
    UNTIL(atomic_load(&fired) == 50, usleep(50));
    for (int i = 0; i < 50; i++) gmp_timer_free(left[i]);
}

/* ------------------------------------------------------------ retired, and the others busy */
static atomic_int asleep, awake, both;

static void sleep_once(void *arg) {
    (void)arg;
    atomic_fetch_add(&asleep, 1);
    CHECK_OK(gmp_sleep(100 * MS));
    atomic_fetch_add(&awake, 1);
}

/* Its children sleep on its own processor's time, most likely. */
static void send_to_sleep(void *arg) {
    (void)arg;
    atomic_fetch_add(&both, 1);
    while (atomic_load(&both) < 2) CHECK_OK(gmp_checkpoint());
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(sleep_once, NULL));
    for (int i = 0; i < 50; i++) gmp_yield();
}

SCENARIO(sleepers_of_a_retired_processor_wake_beside_busy_tasks) {
    gmp_max_procs(2);
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_go(send_to_sleep, NULL));
    UNTIL(atomic_load(&asleep) == 16, usleep(1000));
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_go(yield_until_stop, NULL));
    gmp_max_procs(1);
    UNTIL(atomic_load(&awake) == 16, usleep(1000));
    atomic_store(&stop, 1);
    CHECK_IDLE();
}
