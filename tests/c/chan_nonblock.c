/* Calls that do not wait: they answer would-wait only if at some instant of the call they would have had to. §19.9. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

/* ------------------------------------------------------------ Go's TestNonblockRecvRace */
static gmp_chan_t *rounds, *answers;

/* Takes a channel that holds a value or is closed, at every instant, from when it hears of it. */
static void *recv_must_not_wait(void *arg) {
    gmp_chan_t *chan;
    (void)arg;
    for (int i = 0; gmp_chan_recv(rounds, &chan, SOON()) == GMP_OK; i++) {
        int value = -1, code = gmp_chan_recv(chan, &value, i % 2 ? GMP_NOWAIT : -1);
        CHECK(code == GMP_OK || code == GMP_ECLOSED);
        CHECK_EQ(value, code == GMP_OK ? 1 : 0);
        CHECK_OK(gmp_chan_send(answers, &code, SOON()));
    }
    return NULL;
}

static void *close_and_recv(void *arg) {
    for (int i = 0; i < *(int *)arg; i++) {
        gmp_chan_t *chan = ints(1);
        int value = 1, mine, theirs;
        CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
        CHECK_OK(gmp_chan_send(rounds, &chan, SOON()));
        CHECK_OK(gmp_chan_close(chan));
        mine = gmp_chan_recv(chan, &value, GMP_NOWAIT);
        CHECK(mine == GMP_OK || mine == GMP_ECLOSED);
        CHECK_OK(gmp_chan_recv(answers, &theirs, SOON()));
        CHECK_EQ((mine == GMP_OK) + (theirs == GMP_OK), 1);
        gmp_chan_free(chan);
    }
    CHECK_OK(gmp_chan_close(rounds));
    return NULL;
}

static void race(int one_is_thread, int other_is_thread, int n) {
    pthread_t thread[2];
    CHECK_OK(gmp_chan_new(sizeof(gmp_chan_t *), 1, &rounds));
    answers = ints(1);
    if (one_is_thread) CHECK_EQ(pthread_create(&thread[0], NULL, recv_must_not_wait, NULL), 0);
    else CHECK_OK(gmp_spawn(recv_must_not_wait, NULL, NULL, NULL));
    if (other_is_thread) CHECK_EQ(pthread_create(&thread[1], NULL, close_and_recv, &n), 0);
    else CHECK_OK(gmp_spawn(close_and_recv, &n, NULL, NULL));
    if (one_is_thread) CHECK_EQ(pthread_join(thread[0], NULL), 0);
    if (other_is_thread) CHECK_EQ(pthread_join(thread[1], NULL), 0);
    CHECK_IDLE();
    gmp_chan_free(rounds);
    gmp_chan_free(answers);
}

SCENARIO(recv_of_a_channel_with_a_value_that_is_being_closed_never_says_it_would_wait) {
    check_start(2);
    race(0, 0, 20000);
    race(1, 0, 4000);
    race(0, 1, 4000);
    race(1, 1, 4000);
}

/* ------------------------------------------------------------ always a value and always room */
enum { HOLDERS = 4, TOKENS = 6, ROOM = 11 };
static gmp_chan_t *pool;
static atomic_long taken;
static int turns;

/* No more than HOLDERS tokens are in hand, so never none in the pool, nor the pool full. */
static void *take_and_give_back(void *arg) {
    long sum = 0;
    (void)arg;
    for (int i = 0; i < turns; i++) {
        int token = -1;
        CHECK_OK(gmp_chan_recv(pool, &token, i % 3 ? GMP_NOWAIT : -1));
        CHECK(token >= 0 && token < TOKENS);
        sum++;
        if (i % 64 == 0) gmp_yield();
        CHECK_OK(gmp_chan_send(pool, &token, i % 4 ? GMP_NOWAIT : -1));
    }
    atomic_fetch_add(&taken, sum);
    return NULL;
}

SCENARIO(pool_that_is_never_empty_and_never_full_never_says_it_would_wait) {
    turns = 100000;
    check_start(2);
    for (int threads = 0; threads <= HOLDERS; threads += 2) {
        pthread_t thread[HOLDERS];
        unsigned seen = 0;
        pool = ints(ROOM);
        atomic_store(&taken, 0);
        for (int token = 0; token < TOKENS; token++) CHECK_OK(gmp_chan_send(pool, &token, GMP_NOWAIT));
        for (int i = 0; i < HOLDERS; i++) {
            if (i < threads) CHECK_EQ(pthread_create(&thread[i], NULL, take_and_give_back, NULL), 0);
            else CHECK_OK(gmp_spawn(take_and_give_back, NULL, NULL, NULL));
        }
        for (int i = 0; i < threads; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&taken), (long)HOLDERS * turns);
        for (int i = 0, token = -1; i < TOKENS; i++) {
            CHECK_OK(gmp_chan_recv(pool, &token, GMP_NOWAIT));
            seen |= 1u << token;
        }
        CHECK_EQ(seen, (1u << TOKENS) - 1);
        CHECK_CODE(gmp_chan_recv(pool, NULL, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(pool);
    }
}

/* ------------------------------------------------------------ always a waiting partner */
static void *always_send(void *arg) {
    int value = (int)(intptr_t)arg, code;
    while ((code = gmp_chan_send(pool, &value, GMP_FOREVER)) == GMP_OK) continue;
    CHECK_CODE(code, GMP_ECLOSED);
    return NULL;
}

/* While more senders wait than can be on their way back, a receive finds one. */
SCENARIO(recv_finds_a_waiting_sender_although_others_come_and_go) {
    enum { SENDERS = 64 };
    check_start(2);
    pool = ints(0);
    for (intptr_t i = 0; i < SENDERS; i++) CHECK_OK(gmp_spawn(always_send, (void *)i, NULL, NULL));
    for (int round = 0; round < 300; round++) {
        while (check_stats().tasks_parked != SENDERS) CHECK_OK(gmp_sleep(10000));
        for (int i = 0; i < SENDERS; i++) CHECK_OK(gmp_chan_recv(pool, NULL, GMP_NOWAIT));
    }
    CHECK_OK(gmp_chan_close(pool));
    CHECK_IDLE();
    gmp_chan_free(pool);
}

/* ------------------------------------------------------------ a failed call has no effect */
enum { SIDES = 3, EACH = 1500 };
static _Atomic unsigned char received[SIDES * EACH];

static void *send_by_looking(void *arg) {
    for (int number = (int)(intptr_t)arg; number < SIDES * EACH; number += SIDES) {
        int code;
        while ((code = gmp_chan_send(pool, &number, GMP_NOWAIT)) == GMP_EAGAIN) gmp_yield();
        CHECK_OK(code);
    }
    return NULL;
}

static void *recv_by_looking(void *arg) {
    int last[SIDES] = {-1, -1, -1};
    (void)arg;
    for (;;) {
        int number = -5, code = gmp_chan_recv(pool, &number, GMP_NOWAIT);
        if (code == GMP_ECLOSED) return NULL;
        if (code == GMP_EAGAIN) {
            CHECK_EQ(number, -5);
            gmp_yield();
            continue;
        }
        CHECK_OK(code);
        CHECK(number > last[number % SIDES]);
        last[number % SIDES] = number;
        CHECK_EQ(atomic_fetch_add(&received[number], 1), 0);
    }
}

//@ with GMP_MAXPROCS=1
SCENARIO(sides_that_only_look_lose_and_double_nothing) {
    static const size_t capacities[] = {1, 2, 64};
    for (int c = 0; c < 3; c++) {
        gmp_task_t *task[SIDES - 1];
        pthread_t thread[2];
        pool = ints(capacities[c]);
        memset((void *)received, 0, sizeof received);
        CHECK_EQ(pthread_create(&thread[0], NULL, recv_by_looking, NULL), 0);
        CHECK_EQ(pthread_create(&thread[1], NULL, send_by_looking, NULL), 0);
        for (intptr_t i = 1; i < SIDES; i++) {
            CHECK_OK(gmp_spawn(recv_by_looking, NULL, NULL, NULL));
            CHECK_OK(gmp_spawn(send_by_looking, (void *)i, NULL, &task[i - 1]));
        }
        CHECK_EQ(pthread_join(thread[1], NULL), 0);
        for (int i = 0; i < SIDES - 1; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
        CHECK_OK(gmp_chan_close(pool));
        CHECK_EQ(pthread_join(thread[0], NULL), 0);
        CHECK_IDLE();
        for (int i = 0; i < SIDES * EACH; i++) CHECK_EQ(atomic_load(&received[i]), 1);
        gmp_chan_free(pool);
    }
}
