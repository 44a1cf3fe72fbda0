/* Selects of every length, with NULL channels among the cases, and foolish ones. §20.1, §20.6, §20.13, §20.14. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77, MOST = 65536 };
static const size_t LENGTHS[] = {1, 2, 8, 9, 100, MOST};
enum { LENGTHS_COUNT = sizeof LENGTHS / sizeof LENGTHS[0] };

static gmp_case_t cases[MOST + 1];
static int values[MOST + 1];

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

static void fill_cases(size_t n, int op, gmp_chan_t *chan) {
    for (size_t i = 0; i < n; i++) {
        values[i] = SENTINEL;
        cases[i] = (gmp_case_t){op, 9, chan, &values[i]};
    }
}

static void only_this_was_written(size_t n, size_t chosen, int value) {
    CHECK_EQ(values[chosen], value);
    CHECK_EQ(cases[chosen].status, 0);
    values[chosen] = SENTINEL;
    cases[chosen].status = 9;
    for (size_t i = 0; i < n; i++) CHECK(values[i] == SENTINEL && cases[i].status == 9);
}

/* ------------------------------------------------------------ the ready one, wherever it stands */
static void find_the_ready_one(void *arg) {
    gmp_chan_t *never = ints(0), *data = ints(1), *room = ints(1);
    (void)arg;
    for (int l = 0; l < LENGTHS_COUNT; l++) {
        size_t n = LENGTHS[l], at[] = {0, n / 3, n / 2, n - 1};
        for (int k = 0; k < 8; k++) {
            size_t chosen = MOST + 9, ready = at[k / 2];
            int value = 4711;
            fill_cases(n, GMP_CASE_RECV, k % 2 ? never : NULL);
            if (k < 4) {
                cases[ready].chan = data;
                CHECK_OK(gmp_chan_send(data, &value, GMP_NOWAIT));
                CHECK_OK(gmp_select(cases, n, k % 2 ? GMP_NOWAIT : GMP_FOREVER, &chosen));
                CHECK_EQ(chosen, ready);
                only_this_was_written(n, ready, 4711);
            } else {
                cases[ready].chan = room;
                cases[ready].op = GMP_CASE_SEND;
                CHECK_OK(gmp_select(cases, n, k % 2 ? GMP_NOWAIT : GMP_FOREVER, &chosen));
                CHECK_EQ(chosen, ready);
                only_this_was_written(n, ready, SENTINEL);
                CHECK_OK(gmp_chan_recv(room, &value, GMP_NOWAIT));
                CHECK_EQ(value, SENTINEL);
            }
            fill_cases(n, GMP_CASE_RECV, k % 2 ? never : NULL);
            CHECK_CODE(gmp_select(cases, n, GMP_NOWAIT, &chosen), GMP_EAGAIN);
        }
    }
    gmp_chan_free(never);
    gmp_chan_free(data);
    gmp_chan_free(room);
}

SCENARIO(ready_case_is_found_wherever_it_stands) {
    find_the_ready_one(NULL);
    CHECK_OK(gmp_run(find_the_ready_one, NULL));
}

/* ------------------------------------------------------------ waiting on all of them */
static size_t length, chosen;
static gmp_chan_t **channels;

static void *select_all(void *arg) {
    chosen = MOST + 9;
    CHECK_OK(gmp_select(cases, length, arg ? SOON() : GMP_FOREVER, &chosen));
    return NULL;
}

/* A channel a case: every one is waited on, the one that comes wins, and the others are let go. */
static void wait_on_all(int op) {
    for (int l = 0; l < LENGTHS_COUNT; l++) {
        length = LENGTHS[l];
        channels = (gmp_chan_t **)malloc(length * sizeof *channels);
        CHECK(channels != NULL);
        for (size_t i = 0; i < length; i++) channels[i] = ints(0);
        size_t at[] = {0, length / 3, length - 1};
        for (int k = 0; k < 3; k++) {
            gmp_task_t *task;
            int value = 4711;
            fill_cases(length, op, NULL);
            for (size_t i = 0; i < length; i++) cases[i].chan = channels[(i * 7919 + 1) % length];
            gmp_chan_t *winner = cases[at[k]].chan;
            CHECK_OK(gmp_spawn(select_all, (void *)(intptr_t)(k % 2), NULL, &task));
            parked(1);
            if (op == GMP_CASE_RECV) CHECK_OK(gmp_chan_send(winner, &value, GMP_NOWAIT));
            else CHECK_OK(gmp_chan_recv(winner, &value, GMP_NOWAIT));
            CHECK_OK(gmp_join(task, SOON(), NULL));
            CHECK(cases[chosen].chan == winner);
            CHECK_EQ(chosen, at[k]);
            only_this_was_written(length, chosen, op == GMP_CASE_RECV ? 4711 : SENTINEL);
            if (op == GMP_CASE_SEND) CHECK_EQ(value, SENTINEL);
            for (size_t i = 0; i < length; i++) {
                if (op == GMP_CASE_RECV) CHECK_CODE(gmp_chan_send(channels[i], &value, GMP_NOWAIT), GMP_EAGAIN);
                else CHECK_CODE(gmp_chan_recv(channels[i], &value, GMP_NOWAIT), GMP_EAGAIN);
            }
        }
        for (size_t i = 0; i < length; i++) gmp_chan_free(channels[i]);
        free(channels);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(select_waits_for_recv_on_all_of_its_channels_and_lets_go_of_all) {
    check_start(2);
    wait_on_all(GMP_CASE_RECV);
}

SCENARIO(select_waits_for_send_on_all_of_its_channels_and_lets_go_of_all) {
    check_start(2);
    wait_on_all(GMP_CASE_SEND);
}

/* One channel in every case: its queue holds the same select that many times. */
SCENARIO(select_waits_on_one_channel_in_all_of_its_cases) {
    check_start(2);
    for (int l = 0; l < LENGTHS_COUNT; l++) {
        for (int op = GMP_CASE_SEND; op <= GMP_CASE_RECV; op++) {
            gmp_chan_t *chan = ints(0);
            gmp_task_t *task;
            int value = 4711;
            length = LENGTHS[l];
            fill_cases(length, op, chan);
            CHECK_OK(gmp_spawn(select_all, NULL, NULL, &task));
            parked(1);
            if (op == GMP_CASE_RECV) CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
            else CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
            CHECK_OK(gmp_join(task, SOON(), NULL));
            only_this_was_written(length, chosen, op == GMP_CASE_RECV ? 4711 : SENTINEL);
            CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
            CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
            gmp_chan_free(chan);
        }
    }
}

static void *select_on_a_thread(void *arg) { return select_all(arg); }

SCENARIO(thread_selects_among_as_many) {
    for (int l = 0; l < LENGTHS_COUNT; l++) {
        gmp_chan_t *chan = ints(0);
        pthread_t thread;
        int value = 4711;
        length = LENGTHS[l];
        fill_cases(length, GMP_CASE_RECV, chan);
        CHECK_EQ(pthread_create(&thread, NULL, select_on_a_thread, &value), 0);
        CHECK_OK(gmp_chan_send(chan, &value, SOON()));
        CHECK_EQ(pthread_join(thread, NULL), 0);
        only_this_was_written(length, chosen, 4711);
        CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(chan);
    }
}

/* ------------------------------------------------------------ NULL channels */
static void nulls_are_never_ready(void *arg) {
    gmp_chan_t *data = ints(1);
    (void)arg;
    for (size_t n = 0; n < 12; n++) {
        size_t picked = 99;
        gmp_time_t deadline = gmp_after_ns(50000);
        fill_cases(n, GMP_CASE_RECV, NULL);
        for (size_t i = 0; i < n; i += 2) cases[i].op = GMP_CASE_SEND;
        CHECK_CODE(gmp_select(n ? cases : NULL, n, GMP_NOWAIT, &picked), GMP_EAGAIN);
        CHECK_CODE(gmp_select(n ? cases : NULL, n, -1, &picked), GMP_ETIMEDOUT);
        CHECK_CODE(gmp_select(cases, n, deadline, &picked), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        CHECK_EQ(picked, 99);
        if (n == 0) continue;
        cases[n / 2] = (gmp_case_t){GMP_CASE_RECV, 9, data, &values[n / 2]};
        CHECK_OK(gmp_chan_send(data, &(int){5}, GMP_NOWAIT));
        CHECK_OK(gmp_select(cases, n, GMP_FOREVER, &picked));
        CHECK_EQ(picked, n / 2);
        only_this_was_written(n, n / 2, 5);
    }
    gmp_chan_free(data);
}

SCENARIO(null_channels_are_never_chosen) {
    nulls_are_never_ready(NULL);
    CHECK_OK(gmp_run(nulls_are_never_ready, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

/* Go's idiom: a stream that has ended is taken out of the select by NULL. */
static gmp_chan_t *stream[3];

static void *send_and_close(void *arg) {
    intptr_t self = (intptr_t)arg;
    for (int i = 0; i < 1000 * (int)(self + 1); i++) CHECK_OK(gmp_chan_send(stream[self], &i, SOON()));
    CHECK_OK(gmp_chan_close(stream[self]));
    return NULL;
}

static void merge(void *arg) {
    int next[3] = {0}, open = 3, value;
    gmp_case_t inputs[3];
    (void)arg;
    for (intptr_t i = 0; i < 3; i++) {
        stream[i] = ints((size_t)i);
        inputs[i] = (gmp_case_t){GMP_CASE_RECV, 9, stream[i], &value};
        CHECK_OK(gmp_spawn(send_and_close, (void *)i, NULL, NULL));
    }
    while (open > 0) {
        size_t from = 9;
        CHECK_OK(gmp_select(inputs, 3, SOON(), &from));
        CHECK(inputs[from].chan != NULL);
        if (inputs[from].status == GMP_OK) {
            CHECK_EQ(value, next[from]++);
        } else {
            CHECK_CODE(inputs[from].status, GMP_ECLOSED);
            inputs[from].chan = NULL;
            open--;
        }
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(next[i], 1000 * (i + 1));
        gmp_chan_free(stream[i]);
    }
}

SCENARIO(ended_streams_are_disabled_by_null) {
    check_start(2);
    CHECK_OK(gmp_run(merge, NULL));
    merge(NULL);
}

/* ------------------------------------------------------------ foolish selects */
SCENARIO(more_than_65536_cases_are_einval) {
    static const size_t too_many[] = {MOST + 1, MOST + 2, (size_t)1 << 32, SIZE_MAX / 2, SIZE_MAX};
    gmp_chan_t *data = ints(1);
    size_t picked = 99;
    fill_cases(MOST + 1, GMP_CASE_RECV, data);
    CHECK_OK(gmp_chan_send(data, &(int){5}, GMP_NOWAIT));
    for (int i = 0; i < 5; i++) {
        CHECK_CODE(gmp_select(cases, too_many[i], GMP_NOWAIT, &picked), GMP_EINVAL);
        CHECK_CODE(gmp_select(cases, too_many[i], GMP_FOREVER, &picked), GMP_EINVAL);
    }
    CHECK_EQ(picked, 99);
    CHECK_EQ(gmp_chan_len(data), 1);
    CHECK_OK(gmp_select(cases, MOST, GMP_NOWAIT, &picked));
    only_this_was_written(MOST, picked, 5);
}

static void foolish(void *arg) {
    static const int32_t ops[] = {0, 3, 4, -1, -2, INT32_MAX, INT32_MIN, 0x10001, 0x102};
    gmp_chan_t *data = ints(2), *never = ints(0);
    size_t picked = 99;
    (void)arg;
    CHECK_OK(gmp_chan_send(data, &(int){5}, GMP_NOWAIT));
    for (size_t n = 1; n < 20; n += 3) {
        for (size_t at = 0; at < n; at += n / 2 + 1) {
            for (int i = 0; i < 9; i++) {
                fill_cases(n, GMP_CASE_RECV, data);
                cases[at].op = ops[i];
                CHECK_CODE(gmp_select(cases, n, GMP_NOWAIT, &picked), GMP_EINVAL);
                CHECK_CODE(gmp_select(cases, n, GMP_FOREVER, &picked), GMP_EINVAL);
                fill_cases(n, GMP_CASE_RECV, never);
                cases[at].op = ops[i];
                CHECK_CODE(gmp_select(cases, n, GMP_NOWAIT, &picked), GMP_EINVAL);
            }
            fill_cases(n, GMP_CASE_SEND, data);
            cases[at].value = NULL; /* nothing to send */
            CHECK_CODE(gmp_select(cases, n, GMP_NOWAIT, &picked), GMP_EINVAL);
            CHECK_CODE(gmp_select(cases, n, GMP_FOREVER, &picked), GMP_EINVAL);
        }
        CHECK_CODE(gmp_select(NULL, n, GMP_NOWAIT, &picked), GMP_EINVAL);
        CHECK_CODE(gmp_select(NULL, n, GMP_FOREVER, &picked), GMP_EINVAL);
    }
    CHECK_EQ(picked, 99);
    CHECK_EQ(gmp_chan_len(data), 1); /* although other cases were ready, none was taken */
    gmp_chan_free(data);
    gmp_chan_free(never);
}

SCENARIO(foolish_cases_are_einval_and_nothing_is_taken) {
    foolish(NULL);
    CHECK_OK(gmp_run(foolish, NULL));
}

SCENARIO(elements_without_bytes_need_no_value) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(0, 1, &chan));
    for (int i = 0; i < 10; i++) {
        gmp_case_t both[2] = {{GMP_CASE_SEND, 9, chan, NULL}, {GMP_CASE_RECV, 9, chan, NULL}};
        size_t picked = 99;
        CHECK_OK(gmp_select(both, 2, GMP_NOWAIT, &picked));
        CHECK_EQ(picked, i % 2); /* one or the other, by what is in the buffer */
        CHECK_EQ(gmp_chan_len(chan), 1 - i % 2);
    }
    gmp_chan_free(chan);
}
