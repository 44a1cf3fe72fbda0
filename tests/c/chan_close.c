/* Close: wakes all who wait, delivers nothing that was not sent, and loses nothing that was. §19.1, §19.2, §19.8. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

struct wide {
    uint64_t number, twice, complement;
};

static struct wide wide(uint64_t number) { return (struct wide){number, 2 * number, ~number}; }

static void holds(const struct wide *value, uint64_t number) {
    CHECK_EQ(value->number, number);
    CHECK_EQ(value->twice, 2 * number);
    CHECK_EQ(value->complement, ~number);
}

static gmp_chan_t *wides(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(struct wide), capacity, &chan));
    return chan;
}

static void parked(int64_t wanted) {
    gmp_time_t until = SOON();
    while (check_stats().tasks_parked != wanted) {
        CHECK(gmp_now() < until);
        CHECK_OK(gmp_sleep(50000));
    }
}

/* ------------------------------------------------------------ who waits is woken */
enum { TASKS = 200, THREADS = 6 };
static gmp_chan_t *chan;
static atomic_int closed_for;

static void *recv_until_closed(void *arg) {
    struct wide value = wide(4711);
    if ((intptr_t)arg % 2) {
        gmp_case_t cases[2] = {{GMP_CASE_RECV, 0, NULL, NULL}, {GMP_CASE_RECV, 0, chan, &value}};
        CHECK_OK(gmp_select(cases, 2, SOON(), NULL));
        CHECK_CODE(cases[1].status, GMP_ECLOSED);
    } else {
        CHECK_CODE(gmp_chan_recv(chan, &value, GMP_FOREVER), GMP_ECLOSED);
    }
    CHECK(value.number == 0 && value.twice == 0 && value.complement == 0);
    atomic_fetch_add(&closed_for, 1);
    return NULL;
}

static void *send_until_closed(void *arg) {
    struct wide value = wide(4711);
    if ((intptr_t)arg % 2) {
        gmp_case_t cases[2] = {{GMP_CASE_SEND, 0, chan, &value}, {GMP_CASE_SEND, 0, NULL, &value}};
        CHECK_OK(gmp_select(cases, 2, SOON(), NULL));
        CHECK_CODE(cases[0].status, GMP_ECLOSED);
    } else {
        CHECK_CODE(gmp_chan_send(chan, &value, GMP_FOREVER), GMP_ECLOSED);
    }
    holds(&value, 4711);
    atomic_fetch_add(&closed_for, 1);
    return NULL;
}

static void close_on_many(void *(*fn)(void *), size_t capacity, size_t filled) {
    pthread_t thread[THREADS];
    struct wide value;
    chan = wides(capacity);
    atomic_store(&closed_for, 0);
    for (uint64_t i = 0; i < filled; i++) {
        value = wide(i);
        CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    }
    for (intptr_t i = 0; i < TASKS; i++) CHECK_OK(gmp_spawn(fn, (void *)i, NULL, NULL));
    for (intptr_t i = 0; i < THREADS; i++) CHECK_EQ(pthread_create(&thread[i], NULL, fn, (void *)i), 0);
    parked(TASKS);
    CHECK_EQ(atomic_load(&closed_for), 0);
    CHECK_OK(gmp_chan_close(chan));
    for (int i = 0; i < THREADS; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&closed_for), TASKS + THREADS);
    CHECK_EQ(gmp_chan_len(chan), filled);
    for (uint64_t i = 0; i < filled; i++) {
        CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
        holds(&value, i);
    }
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_ECLOSED);
    gmp_chan_free(chan);
}

SCENARIO(close_wakes_every_waiting_receiver_with_zeroes) {
    check_start(2);
    close_on_many(recv_until_closed, 0, 0);
    close_on_many(recv_until_closed, 5, 0);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(close_wakes_every_waiting_sender_and_delivers_none_of_their_values) {
    check_start(2);
    close_on_many(send_until_closed, 0, 0);
    close_on_many(send_until_closed, 1, 1);
    close_on_many(send_until_closed, 7, 7);
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void close_within(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_close(chan));
}

/* By a task on the one processor that the woken also need. */
SCENARIO(close_by_a_task_wakes_them_too) {
    check_start(1);
    for (int round = 0; round < 50; round++) {
        chan = wides(0);
        atomic_store(&closed_for, 0);
        void *(*fn)(void *) = round % 2 ? recv_until_closed : send_until_closed;
        for (intptr_t i = 0; i < 20; i++) CHECK_OK(gmp_spawn(fn, (void *)i, NULL, NULL));
        parked(20);
        CHECK_OK(gmp_run(close_within, NULL));
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&closed_for), 20);
        gmp_chan_free(chan);
    }
}

/* ------------------------------------------------------------ close against those who work */
enum { SIDES = 4, EACH = 2000 };
static _Atomic unsigned char received[SIDES * EACH];
static unsigned char sent[SIDES * EACH];
static uint64_t patience;

/* Sends until the channel is closed, or at most its share. */
static void *send_my_share(void *arg) {
    uint64_t random = check_seed() + (uint64_t)(intptr_t)arg * 7919 + patience;
    for (uint64_t number = (uint64_t)(intptr_t)arg * EACH; number < ((uint64_t)(intptr_t)arg + 1) * EACH; number++) {
        struct wide value = wide(number);
        gmp_time_t deadline = check_random(&random) % 3 ? GMP_FOREVER : GMP_NOWAIT;
        int code = gmp_chan_send(chan, &value, deadline);
        holds(&value, number);
        sent[number] = code == GMP_OK;
        if (code == GMP_ECLOSED) break;
        if (code != GMP_OK) CHECK(code == GMP_EAGAIN && deadline == GMP_NOWAIT);
    }
    return NULL;
}

static void *recv_all(void *arg) {
    struct wide value;
    int code;
    while ((code = gmp_chan_recv(chan, &value, arg ? SOON() : GMP_FOREVER)) == GMP_OK) {
        CHECK(value.number < SIDES * EACH);
        holds(&value, value.number);
        CHECK_EQ(atomic_fetch_add(&received[value.number], 1), 0);
    }
    CHECK_CODE(code, GMP_ECLOSED);
    CHECK(value.number == 0 && value.twice == 0 && value.complement == 0);
    return NULL;
}

SCENARIO(what_was_sent_before_a_close_at_any_moment_arrives_and_nothing_else) {
    static const size_t capacities[] = {0, 1, 4, 128};
    uint64_t random = check_seed();
    check_start(2);
    for (int round = 0; round < 120; round++) {
        pthread_t thread[2];
        chan = wides(capacities[round % 4]);
        patience = check_random(&random);
        memset(sent, 0, sizeof sent);
        memset((void *)received, 0, sizeof received);
        CHECK_EQ(pthread_create(&thread[0], NULL, send_my_share, (void *)0), 0);
        CHECK_EQ(pthread_create(&thread[1], NULL, recv_all, NULL), 0);
        for (intptr_t i = 1; i < SIDES; i++) {
            CHECK_OK(gmp_spawn(send_my_share, (void *)i, NULL, NULL));
            CHECK_OK(gmp_spawn(recv_all, (void *)(i % 2), NULL, NULL));
        }
        if (check_random(&random) % 4) CHECK_OK(gmp_sleep((int64_t)(check_random(&random) % 400000)));
        CHECK_OK(gmp_chan_close(chan));
        for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        CHECK_IDLE();
        for (int i = 0; i < SIDES * EACH; i++) CHECK_EQ(atomic_load(&received[i]), sent[i]);
        CHECK_EQ(gmp_chan_len(chan), 0);
        gmp_chan_free(chan);
    }
}

static atomic_int timed_out;

static void *recv_shortly(void *arg) {
    struct wide value = wide(9);
    int code = gmp_chan_recv(chan, &value, gmp_after_ns((intptr_t)arg * 1000));
    if (code == GMP_ETIMEDOUT) {
        holds(&value, 9);
        atomic_fetch_add(&timed_out, 1);
    } else {
        CHECK_CODE(code, GMP_ECLOSED);
        CHECK(value.number == 0 && value.twice == 0 && value.complement == 0);
        atomic_fetch_add(&closed_for, 1);
    }
    return NULL;
}

SCENARIO(close_against_deadlines_gives_each_waiter_one_answer) {
    uint64_t random = check_seed();
    check_start(2);
    for (int round = 0; round < 100; round++) {
        pthread_t thread[2];
        chan = wides((size_t)(round % 2));
        atomic_store(&timed_out, 0);
        atomic_store(&closed_for, 0);
        for (int i = 0; i < 2; i++) {
            void *us = (void *)(intptr_t)(check_random(&random) % 500);
            CHECK_EQ(pthread_create(&thread[i], NULL, recv_shortly, us), 0);
        }
        for (int i = 0; i < 48; i++) {
            CHECK_OK(gmp_spawn(recv_shortly, (void *)(intptr_t)(check_random(&random) % 500), NULL, NULL));
        }
        CHECK_OK(gmp_sleep((int64_t)(check_random(&random) % 400000)));
        CHECK_OK(gmp_chan_close(chan));
        for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&timed_out) + atomic_load(&closed_for), 50);
        gmp_chan_free(chan);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* A stream with its end: receivers in any number learn of it after the last value, each once. */
SCENARIO(buffered_values_come_before_the_end_for_many_receivers) {
    check_start(2);
    for (int round = 0; round < 50; round++) {
        chan = wides(100);
        memset((void *)received, 0, sizeof received);
        for (int i = 0; i < 6; i++) CHECK_OK(gmp_spawn(recv_all, (void *)(intptr_t)(i % 2), NULL, NULL));
        if (round % 2) parked(6);
        for (uint64_t i = 0; i < 100; i++) {
            struct wide value = wide(i);
            CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
        }
        CHECK_OK(gmp_chan_close(chan));
        CHECK_IDLE();
        for (int i = 0; i < 100; i++) CHECK_EQ(atomic_load(&received[i]), 1);
        gmp_chan_free(chan);
    }
}
