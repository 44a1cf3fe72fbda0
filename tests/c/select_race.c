/* A select decides at one instant: default and a passed deadline do not win while some case is ready at every instant.
 * §20.2. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

/* ------------------------------------------------------------ Go's TestNonblockSelectRace, ...2 and a third */
enum how { FILL, CLOSE, EMPTY };
struct round {
    gmp_chan_t *chan[2];
    int how;
};

static gmp_chan_t *rounds, *answers;

static void *select_must_not_wait(void *arg) {
    struct round round;
    (void)arg;
    while (gmp_chan_recv(rounds, &round, SOON()) == GMP_OK) {
        int value = 1;
        int32_t op = round.how == EMPTY ? GMP_CASE_SEND : GMP_CASE_RECV;
        gmp_case_t cases[2] = {{op, 9, round.chan[0], &value}, {op, 9, round.chan[1], &value}};
        int code = gmp_select(cases, 2, GMP_NOWAIT, NULL);
        CHECK_OK(gmp_chan_send(answers, &code, SOON()));
    }
    return NULL;
}

/* The second channel becomes ready before the first stops to be. */
static void *move_readiness(void *arg) {
    for (int i = 0; i < *(int *)arg; i++) {
        struct round round = {{ints(1), ints(1)}, i % 3};
        int value = 1, code;
        if (round.how == EMPTY) CHECK_OK(gmp_chan_send(round.chan[1], &value, GMP_NOWAIT));
        else CHECK_OK(gmp_chan_send(round.chan[0], &value, GMP_NOWAIT));
        CHECK_OK(gmp_chan_send(rounds, &round, SOON()));
        if (i % 5 == 0) gmp_yield();
        if (round.how == EMPTY) {
            CHECK_OK(gmp_chan_recv(round.chan[1], NULL, GMP_NOWAIT));
            (void)gmp_chan_send(round.chan[0], &value, GMP_NOWAIT);
        } else {
            if (round.how == FILL) CHECK_OK(gmp_chan_send(round.chan[1], &value, GMP_NOWAIT));
            else CHECK_OK(gmp_chan_close(round.chan[1]));
            (void)gmp_chan_recv(round.chan[0], &value, GMP_NOWAIT);
        }
        CHECK_OK(gmp_chan_recv(answers, &code, SOON()));
        CHECK_OK(code);
        gmp_chan_free(round.chan[0]);
        gmp_chan_free(round.chan[1]);
    }
    CHECK_OK(gmp_chan_close(rounds));
    return NULL;
}

static void race(int one_is_thread, int other_is_thread, int n) {
    pthread_t thread[2];
    CHECK_OK(gmp_chan_new(sizeof(struct round), 1, &rounds));
    answers = ints(1);
    if (one_is_thread) CHECK_EQ(pthread_create(&thread[0], NULL, select_must_not_wait, NULL), 0);
    else CHECK_OK(gmp_spawn(select_must_not_wait, NULL, NULL, NULL));
    if (other_is_thread) CHECK_EQ(pthread_create(&thread[1], NULL, move_readiness, &n), 0);
    else CHECK_OK(gmp_spawn(move_readiness, &n, NULL, NULL));
    if (one_is_thread) CHECK_EQ(pthread_join(thread[0], NULL), 0);
    if (other_is_thread) CHECK_EQ(pthread_join(thread[1], NULL), 0);
    CHECK_IDLE();
    gmp_chan_free(rounds);
    gmp_chan_free(answers);
}

SCENARIO(default_does_not_win_while_readiness_moves_from_one_channel_to_the_other) {
    check_start(2);
    race(0, 0, 30000);
    race(1, 0, 6000);
    race(0, 1, 6000);
    race(1, 1, 6000);
}

/* ------------------------------------------------------------ tokens that wander over a ring of channels */
enum { RING = 6, SIDES = 3 };
static gmp_chan_t *ring[RING];
static atomic_int stop;

static void take_one(gmp_chan_t *chan) {
    int code;
    while ((code = gmp_chan_recv(chan, NULL, GMP_NOWAIT)) == GMP_EAGAIN) gmp_yield(); /* a looker has it in hand */
    CHECK_OK(code);
}

/* One token down before one comes up: each mover has at least one on the ring, at every instant. */
static void *move_tokens(void *arg) {
    int at = (int)(intptr_t)arg, token = 1;
    for (int steps = 0; !atomic_load(&stop); steps++) {
        int next = (at + 1) % RING;
        CHECK_OK(gmp_chan_send(ring[next], &token, GMP_NOWAIT));
        take_one(ring[at]);
        at = next;
        if (steps % 50 == 0) gmp_yield();
    }
    take_one(ring[at]);
    return NULL;
}

/* As many tokens as lookers, and the others have at most one each in hand: there is one to be found. */
static void *look_for_tokens(void *arg) {
    for (int i = 0; i < *(int *)arg; i++) {
        int token = 0;
        gmp_case_t cases[RING];
        size_t chosen = 99;
        for (int k = 0; k < RING; k++) cases[k] = (gmp_case_t){GMP_CASE_RECV, 9, ring[(i + k) % RING], &token};
        CHECK_OK(gmp_select(cases, RING, i % 2 ? GMP_NOWAIT : -1, &chosen));
        CHECK_EQ(token, 1);
        if (i % 50 == 0) gmp_yield();
        CHECK_OK(gmp_chan_send(cases[chosen].chan, &token, GMP_NOWAIT));
    }
    return NULL;
}

static void wander(int mover_threads, int looker_threads, int turns) {
    pthread_t mover[SIDES], looker[SIDES];
    gmp_task_t *task[SIDES];
    int token = 1;
    atomic_store(&stop, 0);
    for (int i = 0; i < RING; i++) ring[i] = ints(SIDES);
    for (intptr_t i = 0; i < SIDES; i++) {
        CHECK_OK(gmp_chan_send(ring[i], &token, GMP_NOWAIT));
        if (i < mover_threads) CHECK_EQ(pthread_create(&mover[i], NULL, move_tokens, (void *)i), 0);
        else CHECK_OK(gmp_spawn(move_tokens, (void *)i, NULL, NULL));
    }
    for (int i = 0; i < SIDES; i++) {
        if (i < looker_threads) CHECK_EQ(pthread_create(&looker[i], NULL, look_for_tokens, &turns), 0);
        else CHECK_OK(gmp_spawn(look_for_tokens, &turns, NULL, &task[i]));
    }
    for (int i = 0; i < SIDES; i++) {
        if (i < looker_threads) CHECK_EQ(pthread_join(looker[i], NULL), 0);
        else CHECK_OK(gmp_join(task[i], SOON(), NULL));
    }
    atomic_store(&stop, 1);
    for (int i = 0; i < mover_threads; i++) CHECK_EQ(pthread_join(mover[i], NULL), 0);
    CHECK_IDLE();
    for (int i = 0; i < RING; i++) {
        CHECK_EQ(gmp_chan_len(ring[i]), 0);
        gmp_chan_free(ring[i]);
    }
}

SCENARIO(wandering_token_is_always_found) {
    check_start(2);
    wander(0, 0, 20000);
    wander(1, 0, 20000);
    wander(0, 1, 20000);
    wander(2, 2, 20000);
}
