/* Deadlines of send and recv: never early, without effect when they pass, of no account when nothing need be waited
 * for. Timed forms of §19.13. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77 };

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(20000));
    }
}

static void *in_a_thread(void *arg) {
    ((void (*)(void *))arg)(NULL);
    return NULL;
}

/* As a task, as the thread that started the runtime, and as another. */
static void in_all(gmp_fn_t fn) {
    pthread_t thread;
    CHECK_OK(gmp_run(fn, NULL));
    fn(NULL);
    CHECK_EQ(pthread_create(&thread, NULL, in_a_thread, (void *)fn), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void past_deadlines(void *arg) {
    static const gmp_time_t past[] = {INT64_MIN, INT64_MIN + 1, -SECOND, -1, 1, 1000};
    gmp_chan_t *empty = ints(0), *full = ints(1);
    int value = SENTINEL;
    (void)arg;
    CHECK_OK(gmp_chan_send(full, &value, GMP_NOWAIT));
    for (int i = 0; i < 6; i++) {
        CHECK_CODE(gmp_chan_recv(empty, &value, past[i]), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_send(empty, &value, past[i]), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_send(full, &value, past[i]), GMP_ETIMEDOUT);
    }
    CHECK_CODE(gmp_chan_recv(empty, &value, gmp_now()), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_send(empty, &value, gmp_after_ns(-1)), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_send(empty, &value, gmp_after_ns(INT64_MIN)), GMP_ETIMEDOUT);
    CHECK_EQ(value, SENTINEL);
    CHECK_EQ(gmp_chan_len(full), 1);
    gmp_chan_free(empty);
    gmp_chan_free(full);
}

SCENARIO(deadline_in_the_past_is_etimedout_at_once) { in_all(past_deadlines); }

static void near_deadlines(void *arg) {
    gmp_chan_t *empty = ints(3), *full = ints(1);
    int value = 5;
    (void)arg;
    CHECK_OK(gmp_chan_send(full, &value, GMP_NOWAIT));
    for (int i = 0; i < 30; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 20000);
        CHECK_CODE(gmp_chan_recv(empty, &value, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        deadline = gmp_after_ns(i * 20000);
        CHECK_CODE(gmp_chan_send(full, &value, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
    }
    CHECK_EQ(value, 5);
    CHECK_EQ(gmp_chan_len(empty), 0);
    CHECK_EQ(gmp_chan_len(full), 1);
    gmp_chan_free(empty);
    gmp_chan_free(full);
}

SCENARIO(wait_does_not_end_before_its_deadline) { in_all(near_deadlines); }

/* Afterwards the other side finds nobody. */
static void leave_no_trace(void *arg) {
    (void)arg;
    for (int i = 0; i < 50; i++) {
        gmp_chan_t *chan = ints(0);
        int value = i, got = SENTINEL;
        CHECK_CODE(gmp_chan_send(chan, &value, gmp_after_ns(10000)), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_recv(chan, &got, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_recv(chan, &got, gmp_after_ns(10000)), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(gmp_chan_send(chan, &value, gmp_after_ns(10000)), GMP_ETIMEDOUT);
        CHECK_OK(gmp_chan_close(chan));
        CHECK_CODE(gmp_chan_recv(chan, &got, GMP_NOWAIT), GMP_ECLOSED);
        gmp_chan_free(chan);
    }
}

SCENARIO(wait_that_timed_out_leaves_no_trace) { in_all(leave_no_trace); }

/* ------------------------------------------------------------ deadlines that lie far ahead */
struct waiter {
    gmp_chan_t *chan;
    gmp_time_t deadline;
    int code, value, sends;
};

static void *wait_far(void *arg) {
    struct waiter *waiter = (struct waiter *)arg;
    waiter->code = waiter->sends ? gmp_chan_send(waiter->chan, &waiter->value, waiter->deadline)
                                 : gmp_chan_recv(waiter->chan, &waiter->value, waiter->deadline);
    return NULL;
}

SCENARIO(deadline_ages_ahead_waits_until_the_other_side_comes) {
    const gmp_time_t far[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2, gmp_after_ns(INT64_MAX),
                              gmp_after_ns(INT64_MAX / 2), gmp_after_ns(INT64_MAX - 1)};
    struct waiter waiter[24];
    gmp_task_t *task[12];
    pthread_t thread[12];
    check_start(2);
    for (int i = 0; i < 24; i++) {
        waiter[i] = (struct waiter){ints(0), far[i / 4], 1, i % 2 ? 100 + i : SENTINEL, i % 2};
        if (i % 4 < 2) CHECK_OK(gmp_spawn(wait_far, &waiter[i], NULL, &task[i / 4 * 2 + i % 2]));
        else CHECK_EQ(pthread_create(&thread[i / 4 * 2 + i % 2], NULL, wait_far, &waiter[i]), 0);
    }
    parked(12);
    CHECK_OK(gmp_sleep(2 * MS)); /* time for one to leave wrongly; none is needed to pass */
    CHECK_EQ(check_stats().tasks_parked, 12);
    for (int i = 0; i < 24; i++) {
        int value = i;
        if (waiter[i].sends) CHECK_OK(gmp_chan_recv(waiter[i].chan, &value, SOON()));
        else CHECK_OK(gmp_chan_send(waiter[i].chan, &value, SOON()));
        CHECK_EQ(value, waiter[i].sends ? 100 + i : i);
    }
    for (int i = 0; i < 12; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    for (int i = 0; i < 12; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < 24; i++) {
        CHECK_OK(waiter[i].code);
        CHECK_EQ(waiter[i].value, waiter[i].sends ? 100 + i : i);
        gmp_chan_free(waiter[i].chan);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ leaving from anywhere in the queue */
static atomic_int received, expired;
static gmp_chan_t *shared;

static void *wait_a_little(void *arg) {
    int value = SENTINEL, code = gmp_chan_recv(shared, &value, gmp_after_ns((intptr_t)arg * 1000));
    if (code == GMP_OK) {
        CHECK(value >= 0);
        atomic_fetch_add(&received, 1);
    } else {
        CHECK_CODE(code, GMP_ETIMEDOUT);
        CHECK_EQ(value, SENTINEL);
        atomic_fetch_add(&expired, 1);
    }
    return NULL;
}

SCENARIO(waiters_leave_in_the_order_of_their_deadlines_and_values_reach_the_rest) {
    uint64_t random = check_seed();
    check_start(2);
    for (int round = 0; round < 30; round++) {
        int sent = 0;
        shared = ints(0);
        atomic_store(&received, 0);
        atomic_store(&expired, 0);
        for (int i = 0; i < 200; i++) {
            void *us = (void *)(intptr_t)(check_random(&random) % 4 ? check_random(&random) % 3000 : 40000000);
            CHECK_OK(gmp_spawn(wait_a_little, us, NULL, NULL));
        }
        while (gmp_num_tasks() > 0) {
            int code = gmp_chan_send(shared, &sent, GMP_NOWAIT);
            if (code == GMP_OK) sent++;
            else CHECK_CODE(code, GMP_EAGAIN);
            CHECK_OK(gmp_sleep((int64_t)(check_random(&random) % 100000)));
        }
        CHECK_EQ(atomic_load(&received), sent);
        CHECK_EQ(atomic_load(&received) + atomic_load(&expired), 200);
        gmp_chan_free(shared);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ value against deadline: exact accounts */
enum { SIDES = 4, EACH = 3000 };
static unsigned char sent_one[SIDES * EACH];
static _Atomic unsigned char received_one[SIDES * EACH];
static atomic_int sides_left;

static gmp_time_t some_deadline(uint64_t *random) {
    switch (check_random(random) % 5) {
    case 0: return GMP_NOWAIT;
    case 1: return -1;
    case 2: return gmp_after_ns((int64_t)(check_random(random) % 200));
    case 3: return gmp_after_ns((int64_t)(check_random(random) % 5000));
    default: return gmp_after_ns((int64_t)(check_random(random) % 50000));
    }
}

static void *send_with_deadlines(void *arg) {
    intptr_t self = (intptr_t)arg;
    uint64_t random = check_seed() + (uint64_t)self * 7919;
    for (int number = (int)self * EACH; number < ((int)self + 1) * EACH; number++) {
        gmp_time_t deadline = some_deadline(&random);
        int value = number, code = gmp_chan_send(shared, &value, deadline);
        CHECK(code == GMP_OK || code == (deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT));
        sent_one[number] = code == GMP_OK;
    }
    atomic_fetch_sub(&sides_left, 1);
    return NULL;
}

static void *recv_with_deadlines(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg * 104729 + 1;
    while (atomic_load(&sides_left) > 0) {
        gmp_time_t deadline = some_deadline(&random);
        int value = SENTINEL, code = gmp_chan_recv(shared, &value, deadline);
        if (code == GMP_OK) {
            CHECK(value >= 0 && value < SIDES * EACH);
            CHECK_EQ(atomic_fetch_add(&received_one[value], 1), 0);
        } else {
            CHECK_CODE(code, deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT);
            CHECK_EQ(value, SENTINEL);
            gmp_yield();
        }
    }
    return NULL;
}

static void exact_accounts(size_t capacity, int threads) {
    pthread_t thread[2 * SIDES];
    int value;
    shared = ints(capacity);
    memset(sent_one, 0, sizeof sent_one);
    memset((void *)received_one, 0, sizeof received_one);
    atomic_store(&sides_left, SIDES);
    for (intptr_t i = 0; i < SIDES; i++) {
        if (i < threads) {
            CHECK_EQ(pthread_create(&thread[2 * i], NULL, send_with_deadlines, (void *)i), 0);
            CHECK_EQ(pthread_create(&thread[2 * i + 1], NULL, recv_with_deadlines, (void *)i), 0);
        } else {
            CHECK_OK(gmp_spawn(send_with_deadlines, (void *)i, NULL, NULL));
            CHECK_OK(gmp_spawn(recv_with_deadlines, (void *)i, NULL, NULL));
        }
    }
    for (int i = 0; i < 2 * threads; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    while (gmp_chan_recv(shared, &value, GMP_NOWAIT) == GMP_OK) atomic_fetch_add(&received_one[value], 1);
    for (int i = 0; i < SIDES * EACH; i++) CHECK_EQ(atomic_load(&received_one[i]), sent_one[i]);
    CHECK_EQ(gmp_chan_len(shared), 0);
    gmp_chan_free(shared);
}

SCENARIO(every_value_sent_in_time_is_received_once_and_no_other) {
    static const size_t capacities[] = {0, 1, 16};
    check_start(2);
    for (int c = 0; c < 3; c++) {
        for (int threads = 0; threads <= SIDES; threads += 2) exact_accounts(capacities[c], threads);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}
