/* Stop and reset at the moment of firing: exactly one of "delivered" and "prevented", a hundred thousand times. */
//@ env GMP_MAXPROCS=2
//@ with GMP_MAXPROCS=1
//@ limit 120
#include "waits.h"

#define HOUR (3600 * SECOND)

static gmp_timer_t *timer;
static atomic_llong armed_from; /* no value of this setting is older */
static atomic_long received, fired;
static atomic_int over;
static int by_reset;

static void receive_all(void *arg) {
    (void)arg;
    for (;;) {
        gmp_time_t value;
        CHECK_OK(gmp_chan_recv(gmp_timer_channel(timer), &value, SOON()));
        if (atomic_load(&over)) return;
        CHECK(value >= atomic_load(&armed_from));
        CHECK(value <= gmp_now());
        atomic_fetch_add(&received, 1);
    }
}

/* 1: the setting was prevented. */
static int prevent(void) {
    int code = by_reset ? gmp_timer_reset(timer, HOUR) : gmp_timer_stop(timer);
    CHECK(code == 0 || code == 1);
    return code;
}

static void set(uint64_t *random) {
    int64_t ns = (int64_t)(check_random(random) % 6000);
    atomic_store(&armed_from, gmp_now() + ns);
    int code = gmp_timer_reset(timer, ns);
    CHECK_CODE(code, by_reset ? 1 : 0);
}

static void dawdle(uint64_t *random, int yields) {
    spin_for((int64_t)(check_random(random) % 8000));
    if (yields && check_random(random) % 4 == 0) gmp_yield();
}

struct race {
    int rounds, yields;
    atomic_long *delivered;
};

static void stop_all(void *arg) {
    struct race *race = (struct race *)arg;
    uint64_t random = check_seed();
    long lost = 0;
    for (int i = 0; i < race->rounds; i++) {
        set(&random);
        dawdle(&random, race->yields);
        if (prevent() == 0) {
            lost++;
            UNTIL(atomic_load(race->delivered) >= lost, give_way());
        }
        CHECK_EQ(atomic_load(race->delivered), lost);
    }
    printf("%ld of %d fired\n", lost, race->rounds);
}

static void deliver_or_prevent(enum kind receives, enum kind stops, int rounds, int resets) {
    struct party receiver, stopper;
    struct race race = {rounds, 1, &received};
    by_reset = resets;
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_timer_chan(HOUR, &timer));
    if (!resets) CHECK_CODE(gmp_timer_stop(timer), 1);
    party_start(&receiver, receives, receive_all, NULL);
    party_start(&stopper, stops, stop_all, &race);
    party_end(&stopper);
    long in_the_end = atomic_load(&received);
    CHECK_OK(gmp_sleep(MS));
    CHECK_EQ(atomic_load(&received), in_the_end); /* nothing came after it was prevented */
    atomic_store(&over, 1);
    gmp_timer_reset(timer, 0);
    party_end(&receiver);
    gmp_timer_free(timer);
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(value_or_stop_between_tasks) { deliver_or_prevent(TASK, TASK, 100000, 0); }
SCENARIO(value_or_stop_by_a_thread) { deliver_or_prevent(TASK, THREAD, 100000, 0); }
SCENARIO(value_or_stop_for_a_thread) { deliver_or_prevent(THREAD, TASK, 30000, 0); }
SCENARIO(value_or_reset_between_tasks) { deliver_or_prevent(TASK, TASK, 100000, 1); }
SCENARIO(value_or_reset_by_a_thread) { deliver_or_prevent(TASK, THREAD, 50000, 1); }

/* ------------------------------------------------------------ functions */
static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&fired, 1);
}

static void run_or_prevent(enum kind stops, int rounds, int resets) {
    struct party stopper;
    struct race race = {rounds, 1, &fired};
    by_reset = resets;
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_timer_func(HOUR, count, NULL, &timer));
    if (!resets) CHECK_CODE(gmp_timer_stop(timer), 1);
    party_start(&stopper, stops, stop_all, &race);
    party_end(&stopper);
    gmp_timer_free(timer);
    long in_the_end = atomic_load(&fired);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&fired), in_the_end);
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_TEST_NO_MEMBARRIER=1
SCENARIO(function_or_stop_by_a_task) { run_or_prevent(TASK, 100000, 0); }
SCENARIO(function_or_stop_by_a_thread) { run_or_prevent(THREAD, 100000, 0); }
SCENARIO(function_or_reset_by_a_task) { run_or_prevent(TASK, 50000, 1); }
SCENARIO(function_or_reset_by_a_thread) { run_or_prevent(THREAD, 50000, 1); }

/* ------------------------------------------------------------ two that stop, one that polls */
enum { ROUNDS = 5000 };
static atomic_int finished, outcomes; /* of one round: deliveries, and stops that prevented it */

static void stop_beside(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        meet(round, 4);
        dawdle(&random, 0);
        if (gmp_timer_stop(timer) == 1) atomic_fetch_add(&outcomes, 1);
        atomic_fetch_add(&finished, 1);
    }
}

/* Receives without waiting, so that the timer is looked at by the reception itself. */
static void poll_beside(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg;
    for (int round = 0; round < ROUNDS; round++) {
        meet(round, 4);
        gmp_time_t until = gmp_now() + (int64_t)(check_random(&random) % 10000);
        do {
            int code = gmp_chan_recv(gmp_timer_channel(timer), NULL, GMP_NOWAIT);
            if (code == GMP_OK) {
                atomic_fetch_add(&outcomes, 1);
                break;
            }
            CHECK_CODE(code, GMP_EAGAIN);
        } while (gmp_now() < until);
        atomic_fetch_add(&finished, 1);
    }
}

static void set_each_round(enum kind stops, enum kind stops_too, enum kind polls) {
    struct party party[3];
    uint64_t random = check_seed();
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_timer_chan(HOUR, &timer));
    CHECK_CODE(gmp_timer_stop(timer), 1);
    party_start(&party[0], stops, stop_beside, (void *)7919);
    party_start(&party[1], stops_too, stop_beside, (void *)104729);
    party_start(&party[2], polls, poll_beside, (void *)1299709);
    for (int round = 0; round < ROUNDS; round++) {
        atomic_store(&outcomes, 0);
        CHECK_CODE(gmp_timer_reset(timer, (int64_t)(check_random(&random) % 6000)), 0);
        meet(round, 4);
        UNTIL(atomic_load(&finished) == (round + 1) * 3, give_way());
        CHECK_EQ(atomic_load(&outcomes), 1);
    }
    parties_end(party, 3);
    gmp_timer_free(timer);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(one_of_two_stops_and_a_poll_wins_among_tasks) { set_each_round(TASK, TASK, TASK); }
SCENARIO(one_of_two_stops_and_a_poll_wins_among_both) { set_each_round(TASK, THREAD, TASK); }
SCENARIO(one_of_two_stops_and_a_poll_wins_for_a_thread) { set_each_round(TASK, TASK, THREAD); }

/* ------------------------------------------------------------ reception against cancellation */
static void *receive_or_be_cancelled(void *arg) {
    (void)arg;
    return (void *)(intptr_t)gmp_chan_recv(gmp_timer_channel(timer), NULL, GMP_FOREVER);
}

static gmp_task_t *to_cancel;

static void cancel_it(void *arg) {
    spin_for((intptr_t)arg);
    CHECK_OK(gmp_task_cancel(to_cancel));
}

SCENARIO(cancelled_reception_leaves_the_value) {
    uint64_t random = check_seed();
    int got = 0;
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_timer_chan(HOUR, &timer));
    CHECK_CODE(gmp_timer_stop(timer), 1);
    for (int round = 0; round < 3000; round++) {
        struct party canceller;
        void *code;
        CHECK_OK(gmp_spawn(receive_or_be_cancelled, NULL, NULL, &to_cancel));
        if (round % 2) gmp_yield();
        CHECK_CODE(gmp_timer_reset(timer, (int64_t)(check_random(&random) % 30000)), 0);
        intptr_t after = (intptr_t)(check_random(&random) % 30000);
        party_start(&canceller, round % 3 ? TASK : THREAD, cancel_it, (void *)after);
        party_end(&canceller);
        CHECK_OK(gmp_join(to_cancel, SOON(), &code));
        if ((intptr_t)code == GMP_OK) {
            got++;
            CHECK_CODE(gmp_timer_stop(timer), 0);
        } else {
            CHECK_CODE((int)(intptr_t)code, GMP_ECANCELED);
            CHECK_OK(gmp_chan_recv(gmp_timer_channel(timer), NULL, SOON()));
        }
        CHECK_CODE(gmp_chan_recv(gmp_timer_channel(timer), NULL, GMP_NOWAIT), GMP_EAGAIN);
    }
    printf("%d of 3000 received it\n", got);
    gmp_timer_free(timer);
    CHECK_EQ(check_stats().timers_pending, 0);
}
