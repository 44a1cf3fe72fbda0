/* The same channel more than once in a select, and both ways: never against itself, and nothing is left in its queues.
 * §20.7 to §20.9, §20.14. */
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

static void nobody_waits(gmp_chan_t *chan) {
    int value = SENTINEL;
    CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
}

/* ------------------------------------------------------------ both ways, alone */
static void alone(void *arg) {
    (void)arg;
    for (size_t n = 2; n <= 20; n += 3) {
        gmp_chan_t *chan = ints(0);
        gmp_case_t cases[20];
        int value[20];
        size_t chosen = 99;
        for (size_t i = 0; i < n; i++) {
            value[i] = SENTINEL;
            cases[i] = (gmp_case_t){1 + (int32_t)i % 2, 9, chan, &value[i]};
        }
        CHECK_CODE(gmp_select(cases, n, GMP_NOWAIT, &chosen), GMP_EAGAIN);
        CHECK_CODE(gmp_select(cases, n, gmp_after_ns(20000), &chosen), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_select(cases, n, gmp_after_ns(200000), &chosen), GMP_ETIMEDOUT);
        CHECK_EQ(chosen, 99);
        for (size_t i = 0; i < n; i++) CHECK_EQ(value[i], SENTINEL);
        nobody_waits(chan);
        gmp_chan_free(chan);
    }
}

SCENARIO(select_alone_never_matches_itself) {
    alone(NULL);
    CHECK_OK(gmp_run(alone, NULL));
}

static void *select_both_ways(void *arg) {
    int out = 1, in = SENTINEL;
    gmp_case_t cases[2] = {{GMP_CASE_SEND, 9, (gmp_chan_t *)arg, &out}, {GMP_CASE_RECV, 9, (gmp_chan_t *)arg, &in}};
    size_t chosen = 99;
    int code = gmp_select(cases, 2, GMP_FOREVER, &chosen);
    CHECK_EQ(in, code == GMP_OK && chosen == 1 ? 1 : SENTINEL);
    return (void *)(intptr_t)(code == GMP_OK ? 1 + (int)chosen : code);
}

SCENARIO(select_alone_both_ways_waits_for_ever) {
    gmp_chan_t *chan = ints(0);
    gmp_task_t *task;
    void *result = NULL;
    check_start(2);
    for (int round = 0; round < 3; round++) {
        int value = 1;
        CHECK_OK(gmp_spawn(select_both_ways, chan, NULL, &task));
        parked(1);
        CHECK_OK(gmp_sleep(2 * MS)); /* time for it to match wrongly; none is needed to pass */
        CHECK_EQ(check_stats().tasks_parked, 1);
        if (round == 0) CHECK_OK(gmp_task_cancel(task));
        if (round == 1) CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
        if (round == 2) CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
        CHECK_OK(gmp_join(task, SOON(), &result));
        CHECK_EQ((intptr_t)result, round == 0 ? GMP_ECANCELED : round == 1 ? 2 : 1);
        nobody_waits(chan);
    }
    gmp_chan_free(chan);
}

SCENARIO(two_selects_both_ways_match_each_other) {
    check_start(2);
    for (int round = 0; round < 2000; round++) {
        gmp_chan_t *chan = ints(0);
        gmp_task_t *task[2];
        void *result[2] = {NULL, NULL};
        for (int i = 0; i < 2; i++) CHECK_OK(gmp_spawn(select_both_ways, chan, NULL, &task[i]));
        for (int i = 0; i < 2; i++) CHECK_OK(gmp_join(task[i], SOON(), &result[i]));
        CHECK_EQ((intptr_t)result[0] + (intptr_t)result[1], 3); /* one sent and one received */
        nobody_waits(chan);
        gmp_chan_free(chan);
    }
}

/* ------------------------------------------------------------ Go's TestSelfSelect */
struct player {
    gmp_chan_t *chan;
    int self, rounds;
};
static atomic_int sends, receives;

static void *send_or_recv(void *arg) {
    struct player *player = (struct player *)arg;
    int unbuffered = gmp_chan_cap(player->chan) == 0;
    for (int i = 0; i < player->rounds; i++) {
        int out = player->self, in = SENTINEL, send_at = player->self == 0 || i % 2 == 0 ? 0 : 1;
        gmp_case_t cases[2];
        size_t chosen = 99;
        cases[send_at] = (gmp_case_t){GMP_CASE_SEND, 9, player->chan, &out};
        cases[1 - send_at] = (gmp_case_t){GMP_CASE_RECV, 9, player->chan, &in};
        CHECK_OK(gmp_select(cases, 2, SOON(), &chosen));
        CHECK_EQ(out, player->self);
        if ((int)chosen == send_at) {
            atomic_fetch_add(&sends, 1);
            CHECK_EQ(in, SENTINEL);
        } else {
            atomic_fetch_add(&receives, 1);
            CHECK(in == 0 || in == 1);
            if (unbuffered) CHECK_EQ(in, 1 - player->self);
        }
    }
    return NULL;
}

static void self_select(size_t capacity, int first_is_thread, int second_is_thread, int rounds) {
    struct player player[2] = {{ints(capacity), 0, rounds}, {NULL, 1, rounds}};
    int is_thread[2] = {first_is_thread, second_is_thread};
    pthread_t thread[2];
    gmp_task_t *task[2];
    player[1].chan = player[0].chan;
    atomic_store(&sends, 0);
    atomic_store(&receives, 0);
    for (int i = 0; i < 2; i++) {
        if (is_thread[i]) CHECK_EQ(pthread_create(&thread[i], NULL, send_or_recv, &player[i]), 0);
        else CHECK_OK(gmp_spawn(send_or_recv, &player[i], NULL, &task[i]));
    }
    for (int i = 0; i < 2; i++) {
        if (is_thread[i]) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        else CHECK_OK(gmp_join(task[i], SOON(), NULL));
    }
    CHECK_EQ(atomic_load(&sends) + atomic_load(&receives), 2 * rounds);
    CHECK_EQ(atomic_load(&sends) - atomic_load(&receives), gmp_chan_len(player[0].chan));
    gmp_chan_free(player[0].chan);
}

//@ with GMP_MAXPROCS=1
SCENARIO(tasks_and_threads_select_both_ways_against_each_other) {
    for (size_t capacity = 0; capacity <= 10; capacity += 5) {
        self_select(capacity, 0, 0, 20000);
        self_select(capacity, 0, 1, 2000);
        self_select(capacity, 1, 1, 2000);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* Buffered, half full: both cases of one select are ready, and each is taken on its own. */
SCENARIO(buffered_channel_is_ready_both_ways_for_one_select) {
    gmp_chan_t *chan = ints(4);
    int next_in = 0, next_out = 0;
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_chan_send(chan, &(int){next_in++}, GMP_NOWAIT));
    for (int i = 0; i < 10000; i++) {
        int out = next_in, in = SENTINEL, length = next_in - next_out;
        gmp_case_t cases[2] = {{GMP_CASE_SEND, 9, chan, &out}, {GMP_CASE_RECV, 9, chan, &in}};
        size_t chosen = 99;
        CHECK_OK(gmp_select(cases, 2, GMP_NOWAIT, &chosen));
        if (length == 0) CHECK_EQ(chosen, 0);
        if (length == 4) CHECK_EQ(chosen, 1);
        if (chosen == 0) next_in++;
        else CHECK_EQ(in, next_out++);
        CHECK_EQ(gmp_chan_len(chan), next_in - next_out);
    }
    gmp_chan_free(chan);
}

/* ------------------------------------------------------------ the same buffer in every case */
static void *recv_into_one_buffer(void *arg) {
    gmp_chan_t **chans = (gmp_chan_t **)arg;
    for (int i = 0; i < 3000; i++) {
        int value = SENTINEL;
        gmp_case_t cases[4] = {{GMP_CASE_RECV, 9, chans[0], &value},
                               {GMP_CASE_RECV, 9, chans[1], &value},
                               {GMP_CASE_RECV, 9, chans[0], &value},
                               {GMP_CASE_RECV, 9, chans[1], &value}};
        size_t chosen = 99;
        CHECK_OK(gmp_select(cases, 4, SOON(), &chosen));
        CHECK_EQ(value, i);
        CHECK_EQ(chosen % 2, i % 2);
    }
    return NULL;
}

SCENARIO(cases_may_share_their_memory) {
    check_start(2);
    gmp_chan_t *chans[2] = {ints(0), ints(0)};
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(recv_into_one_buffer, chans, NULL, &task));
    for (int i = 0; i < 3000; i++) CHECK_OK(gmp_chan_send(chans[i % 2], &i, SOON()));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    gmp_chan_free(chans[0]);
    gmp_chan_free(chans[1]);
}

/* ------------------------------------------------------------ Go's TestSelectDuplicateChannel and test/chan/select6 */
static gmp_chan_t *c, *d, *e;

static void *wait_on_c_twice_and_d(void *arg) {
    gmp_case_t cases[3] = {{GMP_CASE_RECV, 9, c, NULL}, {GMP_CASE_RECV, 9, c, NULL}, {GMP_CASE_RECV, 9, d, NULL}};
    size_t chosen = 99;
    CHECK_OK(gmp_select(cases, 3, GMP_FOREVER, &chosen));
    CHECK_EQ(chosen, 2);
    CHECK_OK(gmp_chan_send(e, &(int){9}, GMP_FOREVER));
    return arg;
}

static void *recv_from_c(void *arg) {
    int value = SENTINEL;
    (void)arg;
    CHECK_OK(gmp_chan_recv(c, &value, GMP_FOREVER));
    return (void *)(intptr_t)value;
}

SCENARIO(select_with_a_duplicate_leaves_the_queue_whole) {
    check_start(2);
    for (int round = 0; round < 100; round++) {
        gmp_task_t *before, *after;
        void *first = NULL, *second = NULL;
        int value;
        c = ints(0), d = ints(0), e = ints(0);
        if (round % 2) {
            CHECK_OK(gmp_spawn(recv_from_c, NULL, NULL, &before));
            parked(1);
        }
        CHECK_OK(gmp_spawn(wait_on_c_twice_and_d, NULL, NULL, NULL));
        parked(1 + round % 2);
        CHECK_OK(gmp_spawn(recv_from_c, NULL, NULL, &after));
        parked(2 + round % 2);
        CHECK_OK(gmp_chan_send(d, &(int){7}, GMP_NOWAIT));
        CHECK_OK(gmp_chan_recv(e, &value, SOON()));
        CHECK_EQ(value, 9);
        for (int i = 1 - round % 2; i < 2; i++) CHECK_OK(gmp_chan_send(c, &i, GMP_NOWAIT));
        if (round % 2) CHECK_OK(gmp_join(before, SOON(), &first));
        CHECK_OK(gmp_join(after, SOON(), &second));
        CHECK_EQ((intptr_t)first, 0);
        CHECK_EQ((intptr_t)second, 1);
        CHECK_IDLE();
        nobody_waits(c);
        nobody_waits(d);
        gmp_chan_free(c), gmp_chan_free(d), gmp_chan_free(e);
    }
}

static void *select_then_wait(void *arg) {
    int is_send = arg != NULL, value = 1;
    gmp_case_t cases[2] = {{is_send ? GMP_CASE_SEND : GMP_CASE_RECV, 9, c, &value}, {GMP_CASE_RECV, 9, d, &value}};
    size_t chosen = 99;
    CHECK_OK(gmp_select(cases, 2, GMP_FOREVER, &chosen));
    CHECK_EQ(chosen, 1);
    CHECK_OK(gmp_chan_send(e, &value, GMP_FOREVER));
    value = 2;
    if (is_send) CHECK_OK(gmp_chan_send(c, &value, GMP_FOREVER));
    else CHECK_OK(gmp_chan_recv(c, &value, GMP_FOREVER));
    return NULL;
}

static void *plain_wait(void *arg) {
    int value = 1;
    if (arg) CHECK_OK(gmp_chan_send(c, &value, GMP_FOREVER));
    else CHECK_OK(gmp_chan_recv(c, &value, GMP_FOREVER));
    return NULL;
}

/* The tail of the queue leaves it, and somebody enters behind. */
SCENARIO(tail_that_leaves_by_another_case_does_not_damage_the_queue) {
    check_start(2);
    for (int round = 0; round < 200; round++) {
        void *is_send = round % 2 ? &c : NULL;
        int value = 0;
        c = ints(0), d = ints(0), e = ints(0);
        CHECK_OK(gmp_spawn(plain_wait, is_send, NULL, NULL));
        parked(1);
        CHECK_OK(gmp_spawn(select_then_wait, is_send, NULL, NULL));
        parked(2);
        CHECK_OK(gmp_chan_send(d, &(int){5}, GMP_NOWAIT));
        CHECK_OK(gmp_chan_recv(e, &value, SOON()));
        CHECK_EQ(value, 5);
        for (int i = 1; i <= 2; i++) {
            value = i;
            if (is_send) CHECK_OK(gmp_chan_recv(c, &value, SOON()));
            else CHECK_OK(gmp_chan_send(c, &value, SOON()));
            CHECK_EQ(value, i);
        }
        CHECK_IDLE();
        nobody_waits(c);
        gmp_chan_free(c), gmp_chan_free(d), gmp_chan_free(e);
    }
}
