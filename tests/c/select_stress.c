/* Selects of tasks and threads over the same channels: no value is lost or doubled, no queue damaged, nobody stuck.
 * §20.3, §20.7, §20.9. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77 };

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

/* ------------------------------------------------------------ Go's TestSelectStress */
enum { CHANNELS = 4 };
static gmp_chan_t *chan[CHANNELS];
static int each;

static void *send_each(void *arg) {
    gmp_chan_t *mine = chan[(intptr_t)arg];
    for (int i = 0; i < each; i++) {
        CHECK_OK(gmp_chan_send(mine, &i, SOON()));
        if (i % 31 == 0) gmp_yield();
    }
    return NULL;
}

static void *recv_each(void *arg) {
    gmp_chan_t *mine = chan[(intptr_t)arg];
    for (int i = 0; i < each; i++) {
        CHECK_OK(gmp_chan_recv(mine, NULL, SOON()));
        if (i % 37 == 0) gmp_yield();
    }
    return NULL;
}

/* `each` times on every channel, as they come; a channel that had its share is out by NULL. */
static void select_each(int op) {
    gmp_case_t cases[CHANNELS];
    int value[CHANNELS], left[CHANNELS];
    for (int i = 0; i < CHANNELS; i++) {
        value[i] = i;
        left[i] = each;
        cases[i] = (gmp_case_t){op, 9, chan[i], &value[i]};
    }
    for (int i = 0; i < CHANNELS * each; i++) {
        size_t chosen = 99;
        CHECK_OK(gmp_select(cases, CHANNELS, SOON(), &chosen));
        CHECK(chosen < CHANNELS && left[chosen] > 0);
        CHECK_OK(cases[chosen].status);
        if (--left[chosen] == 0) cases[chosen].chan = NULL;
    }
}

static void *select_send_each(void *arg) {
    select_each(GMP_CASE_SEND);
    return arg;
}

static void *select_recv_each(void *arg) {
    select_each(GMP_CASE_RECV);
    return arg;
}

static void start(pthread_t *thread, int is_thread, void *(*fn)(void *), void *arg) {
    if (is_thread) CHECK_EQ(pthread_create(thread, NULL, fn, arg), 0);
    else CHECK_OK(gmp_spawn(fn, arg, NULL, NULL));
}

/* Bit i of `threads` makes the i-th of the ten a thread. */
static void stress(int times, unsigned threads) {
    pthread_t thread[10];
    each = times;
    for (int i = 0; i < CHANNELS; i++) chan[i] = ints((size_t)(i < 2 ? 0 : i));
    for (intptr_t i = 0; i < CHANNELS; i++) {
        start(&thread[i], threads >> i & 1, send_each, (void *)i);
        start(&thread[4 + i], threads >> (4 + i) & 1, recv_each, (void *)i);
    }
    start(&thread[8], threads >> 8 & 1, select_send_each, NULL);
    start(&thread[9], threads >> 9 & 1, select_recv_each, NULL);
    for (int i = 0; i < 10; i++) {
        if (threads >> i & 1) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    }
    CHECK_IDLE();
    for (int i = 0; i < CHANNELS; i++) {
        CHECK_EQ(gmp_chan_len(chan[i]), 0);
        gmp_chan_free(chan[i]);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

//@ with GMP_MAXPROCS=1
SCENARIO(selects_and_plain_calls_share_four_channels) { stress(20000, 0); }

SCENARIO(selects_and_plain_calls_of_threads_share_four_channels_with_tasks) {
    check_start(2);
    stress(2000, 0x300); /* the two that select */
    stress(2000, 0x0a5); /* half of the others */
    stress(1000, 0x3ff);
}

/* ------------------------------------------------------------ many to many over overlapping channels, seeded */
enum { RING = 7, SIDES = 8, VALUES = 3000 };
static gmp_chan_t *ring[RING];
static _Atomic unsigned char received[SIDES * VALUES];
static unsigned char sent[SIDES * VALUES];
static uint64_t round_seed;

/* Cases over a random part of the ring, in random order, some twice, some NULL: every pair of selects overlaps and
 * takes its locks from another side. Gives the number of cases. */
static size_t draw_cases(gmp_case_t *cases, int op, int *value, uint64_t *random) {
    size_t n = 1 + check_random(random) % 12;
    for (size_t i = 0; i < n; i++) {
        uint64_t draw = check_random(random) % (RING + 1);
        cases[i] = (gmp_case_t){op, 9, draw < RING ? ring[draw] : NULL, value};
    }
    cases[check_random(random) % n].chan = ring[check_random(random) % RING];
    return n;
}

static gmp_time_t draw_deadline(uint64_t *random) {
    switch (check_random(random) % 6) {
    case 0: return GMP_NOWAIT;
    case 1: return gmp_after_ns((int64_t)(check_random(random) % 500));
    default: return gmp_after_ns((int64_t)(check_random(random) % 200000));
    }
}

static void *send_into_ring(void *arg) {
    int self = (int)(intptr_t)arg;
    uint64_t random = round_seed + (uint64_t)self * 7919 + 1;
    for (int number = self * VALUES; number < (self + 1) * VALUES; number++) {
        gmp_case_t cases[12];
        gmp_time_t deadline = draw_deadline(&random);
        int value = number, code;
        size_t n = draw_cases(cases, GMP_CASE_SEND, &value, &random), chosen = 99;
        if (check_random(&random) % 4) code = gmp_select(cases, n, deadline, &chosen);
        else code = gmp_chan_send(ring[check_random(&random) % RING], &value, deadline);
        CHECK(code == GMP_OK || code == (deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT));
        CHECK(chosen == 99 || (chosen < n && code == GMP_OK && cases[chosen].status == GMP_OK && cases[chosen].chan));
        CHECK_EQ(value, number);
        sent[number] = code == GMP_OK;
    }
    return NULL;
}

static atomic_int senders_left;

static void *recv_from_ring(void *arg) {
    uint64_t random = round_seed + (uint64_t)(intptr_t)arg * 104729 + 2;
    while (atomic_load(&senders_left) > 0) {
        gmp_case_t cases[12];
        gmp_time_t deadline = draw_deadline(&random);
        int value = SENTINEL, code;
        size_t n = draw_cases(cases, GMP_CASE_RECV, &value, &random), chosen = 99;
        if (check_random(&random) % 4) code = gmp_select(cases, n, deadline, &chosen);
        else code = gmp_chan_recv(ring[check_random(&random) % RING], &value, deadline);
        if (code == GMP_OK) {
            CHECK(value >= 0 && value < SIDES * VALUES);
            CHECK_EQ(atomic_fetch_add(&received[value], 1), 0);
        } else {
            CHECK_CODE(code, deadline == GMP_NOWAIT ? GMP_EAGAIN : GMP_ETIMEDOUT);
            CHECK_EQ(value, SENTINEL);
            if (deadline == GMP_NOWAIT) gmp_yield();
        }
    }
    return NULL;
}

static void *counted_sender(void *arg) {
    send_into_ring(arg);
    atomic_fetch_sub(&senders_left, 1);
    return NULL;
}

static void many_to_many(int threads, uint64_t *random) {
    pthread_t thread[2 * SIDES];
    int value;
    round_seed = check_random(random);
    memset(sent, 0, sizeof sent);
    memset((void *)received, 0, sizeof received);
    atomic_store(&senders_left, SIDES);
    for (int i = 0; i < RING; i++) ring[i] = ints((size_t)(i % 3));
    for (intptr_t i = 0; i < SIDES; i++) {
        start(&thread[2 * i], i < threads, counted_sender, (void *)i);
        start(&thread[2 * i + 1], i < threads, recv_from_ring, (void *)i);
    }
    for (int i = 0; i < 2 * threads; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    for (int i = 0; i < RING; i++) {
        while (gmp_chan_recv(ring[i], &value, GMP_NOWAIT) == GMP_OK) {
            CHECK_EQ(atomic_fetch_add(&received[value], 1), 0);
        }
        gmp_chan_free(ring[i]);
    }
    long all = 0;
    for (int i = 0; i < SIDES * VALUES; i++) {
        CHECK_EQ(atomic_load(&received[i]), sent[i]);
        all += sent[i];
    }
    printf("%d threads: %ld of %d sent\n", threads, all, SIDES * VALUES);
}

//@ with GMP_MAXPROCS=1
SCENARIO(selects_of_tasks_over_overlapping_channels_lose_and_double_nothing) {
    uint64_t random = check_seed();
    for (int round = 0; round < 6; round++) many_to_many(0, &random);
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(selects_of_tasks_and_threads_over_overlapping_channels_lose_and_double_nothing) {
    uint64_t random = check_seed();
    check_start(2);
    for (int threads = 1; threads <= SIDES; threads *= 2) many_to_many(threads, &random);
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* ------------------------------------------------------------ Go's test/chan/doubleselect */
enum { NUMBERS = 20000 };

static void *send_each_once(void *arg) {
    for (int i = 0; i < NUMBERS; i++) {
        gmp_case_t cases[CHANNELS];
        for (int k = 0; k < CHANNELS; k++) cases[k] = (gmp_case_t){GMP_CASE_SEND, 9, chan[k], &i};
        CHECK_OK(gmp_select(cases, CHANNELS, SOON(), NULL));
    }
    for (int k = 0; k < CHANNELS; k++) CHECK_OK(gmp_chan_close(chan[k]));
    return arg;
}

static _Atomic unsigned char seen[NUMBERS];

static void *recv_until_closed(void *arg) {
    int value, code, last = -1;
    while ((code = gmp_chan_recv(chan[(intptr_t)arg], &value, SOON())) == GMP_OK) {
        CHECK(value > last);
        last = value;
        CHECK_EQ(atomic_fetch_add(&seen[value], 1), 0);
    }
    CHECK_CODE(code, GMP_ECLOSED);
    return NULL;
}

//@ with GMP_MAXPROCS=1
SCENARIO(select_sends_to_one_of_four_receivers_and_to_one_only) {
    for (unsigned threads = 0; threads < 4; threads++) {
        pthread_t thread[CHANNELS + 1];
        memset((void *)seen, 0, sizeof seen);
        for (int i = 0; i < CHANNELS; i++) chan[i] = ints(0);
        start(&thread[CHANNELS], threads & 1, send_each_once, NULL);
        for (intptr_t i = 0; i < CHANNELS; i++) start(&thread[i], threads >> 1 & i & 1, recv_until_closed, (void *)i);
        if (threads & 1) CHECK_EQ(pthread_join(thread[CHANNELS], NULL), 0);
        for (int i = 0; i < CHANNELS; i++) {
            if (threads >> 1 & (unsigned)i & 1) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        }
        CHECK_IDLE();
        for (int i = 0; i < NUMBERS; i++) CHECK_EQ(atomic_load(&seen[i]), 1);
        for (int i = 0; i < CHANNELS; i++) gmp_chan_free(chan[i]);
    }
}
