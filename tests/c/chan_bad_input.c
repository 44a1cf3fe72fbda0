/* Foolish calls on channels get a code, and change nothing. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_chan_t *ints(size_t capacity) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan));
    return chan;
}

SCENARIO(element_of_64_kib_is_einval) {
    gmp_chan_t *untouched = NULL, *chan = NULL;
    static const size_t too_large[] = {65536, 65537, 1 << 20, SIZE_MAX / 2, SIZE_MAX - 1, SIZE_MAX};
    for (int i = 0; i < 6; i++) {
        CHECK_CODE(gmp_chan_new(too_large[i], 0, &untouched), GMP_EINVAL);
        CHECK_CODE(gmp_chan_new(too_large[i], 1, &untouched), GMP_EINVAL);
        CHECK_CODE(gmp_chan_new(too_large[i], SIZE_MAX, &untouched), GMP_EINVAL);
        CHECK(untouched == NULL);
    }
    CHECK_OK(gmp_chan_new(65535, 3, &chan));
    CHECK_EQ(gmp_chan_cap(chan), 3);
    gmp_chan_free(chan);
}

SCENARIO(size_of_the_buffer_that_overflows_is_einval) {
    gmp_chan_t *untouched = NULL;
    CHECK_CODE(gmp_chan_new(2, SIZE_MAX / 2 + 1, &untouched), GMP_EINVAL);
    CHECK_CODE(gmp_chan_new(8, SIZE_MAX / 8 + 1, &untouched), GMP_EINVAL);
    CHECK_CODE(gmp_chan_new(8, SIZE_MAX, &untouched), GMP_EINVAL);
    CHECK_CODE(gmp_chan_new(65535, SIZE_MAX / 65535 + 1, &untouched), GMP_EINVAL);
    CHECK_CODE(gmp_chan_new(3, SIZE_MAX / 2, &untouched), GMP_EINVAL);
    CHECK(untouched == NULL);
}

/* No overflow, and more than any machine has: with the channel's own record it may still not fit into size_t. */
SCENARIO(buffer_that_nobody_can_allocate_is_an_error_code) {
    gmp_chan_t *untouched = NULL;
    CHECK_CODE(gmp_chan_new(1, (size_t)1 << 56, &untouched), GMP_ENOMEM);
    CHECK_CODE(gmp_chan_new(65535, (size_t)1 << 40, &untouched), GMP_ENOMEM);
    for (size_t below = 0; below < 300; below++) {
        int code = gmp_chan_new(1, SIZE_MAX - below, &untouched);
        CHECK(code == GMP_ENOMEM || code == GMP_EINVAL);
        code = gmp_chan_new(1, SIZE_MAX / 2 - below, &untouched);
        CHECK(code == GMP_ENOMEM || code == GMP_EINVAL);
        code = gmp_chan_new(8, SIZE_MAX / 8 - below, &untouched);
        CHECK(code == GMP_ENOMEM || code == GMP_EINVAL);
    }
    CHECK(untouched == NULL);
}

SCENARIO(capacity_of_elements_without_bytes_costs_nothing) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_chan_new(0, (size_t)1 << 30, &chan));
    CHECK_EQ(gmp_chan_cap(chan), 1 << 30);
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_chan_send(chan, NULL, GMP_NOWAIT));
    CHECK_EQ(gmp_chan_len(chan), 1000);
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_chan_recv(chan, NULL, GMP_NOWAIT));
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
    gmp_chan_free(chan);
}

SCENARIO(new_without_a_place_for_the_channel_is_einval) {
    CHECK_CODE(gmp_chan_new(4, 4, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_chan_new(0, 0, NULL), GMP_EINVAL);
}

static void send_null(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity < 3; capacity++) {
        gmp_chan_t *chan = ints(capacity);
        CHECK_CODE(gmp_chan_send(chan, NULL, GMP_NOWAIT), GMP_EINVAL);
        CHECK_CODE(gmp_chan_send(chan, NULL, gmp_now() - SECOND), GMP_EINVAL);
        CHECK_CODE(gmp_chan_send(chan, NULL, SOON()), GMP_EINVAL);
        CHECK_CODE(gmp_chan_send(chan, NULL, GMP_FOREVER), GMP_EINVAL);
        CHECK_EQ(gmp_chan_len(chan), 0);
        CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
        gmp_chan_free(chan);
    }
}

SCENARIO(send_of_null_is_einval_where_elements_have_bytes) {
    send_null(NULL);
    CHECK_OK(gmp_run(send_null, NULL));
}

static void *recv_one(void *arg) {
    int value = -1;
    CHECK_OK(gmp_chan_recv((gmp_chan_t *)arg, &value, SOON()));
    return (void *)(intptr_t)value;
}

SCENARIO(refused_send_leaves_a_waiting_receiver_waiting) {
    gmp_chan_t *chan = ints(0);
    gmp_task_t *task;
    void *result = NULL;
    int value = 5;
    CHECK_OK(gmp_spawn(recv_one, chan, NULL, &task));
    while (check_stats().tasks_parked != 1) CHECK_OK(gmp_sleep(50000));
    for (int i = 0; i < 100; i++) CHECK_CODE(gmp_chan_send(chan, NULL, GMP_FOREVER), GMP_EINVAL);
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK_EQ((intptr_t)result, 5);
    gmp_chan_free(chan);
}

static void close_twice(void *arg) {
    gmp_chan_t *chan = ints(2);
    int value = 3;
    (void)arg;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    CHECK_OK(gmp_chan_close(chan));
    for (int i = 0; i < 3; i++) CHECK_CODE(gmp_chan_close(chan), GMP_EMISUSE);
    CHECK_EQ(gmp_chan_len(chan), 1);
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
    CHECK_CODE(gmp_chan_close(chan), GMP_EMISUSE);
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_ECLOSED);
    gmp_chan_free(chan);
}

SCENARIO(close_twice_is_emisuse_and_changes_nothing) {
    close_twice(NULL);
    CHECK_OK(gmp_run(close_twice, NULL));
}

SCENARIO(send_after_close_is_eclosed_in_every_form) {
    static const gmp_time_t deadlines[] = {GMP_NOWAIT, GMP_FOREVER, INT64_MIN, -1, 1, INT64_MAX - 1};
    for (size_t capacity = 0; capacity < 3; capacity++) {
        gmp_chan_t *chan = ints(capacity);
        CHECK_OK(gmp_chan_close(chan));
        for (int i = 0; i < 6; i++) {
            int value = 7;
            size_t chosen = 99;
            gmp_case_t only = {GMP_CASE_SEND, 99, chan, &value};
            CHECK_CODE(gmp_chan_send(chan, &value, deadlines[i]), GMP_ECLOSED);
            CHECK_OK(gmp_select(&only, 1, deadlines[i], &chosen));
            CHECK_EQ(chosen, 0);
            CHECK_CODE(only.status, GMP_ECLOSED);
            CHECK_EQ(value, 7);
        }
        CHECK_EQ(gmp_chan_len(chan), 0);
        gmp_chan_free(chan);
    }
}

static atomic_int wins;

static void *close_it(void *arg) {
    int code = gmp_chan_close((gmp_chan_t *)arg);
    CHECK(code == GMP_OK || code == GMP_EMISUSE);
    if (code == GMP_OK) atomic_fetch_add(&wins, 1);
    return NULL;
}

SCENARIO(one_of_many_that_close_at_once_succeeds) {
    check_start(2);
    for (int round = 0; round < 200; round++) {
        gmp_chan_t *chan = ints(1);
        pthread_t thread[2];
        atomic_store(&wins, 0);
        for (int i = 0; i < 4; i++) CHECK_OK(gmp_spawn(close_it, chan, NULL, NULL));
        for (int i = 0; i < 2; i++) CHECK_EQ(pthread_create(&thread[i], NULL, close_it, chan), 0);
        for (int i = 0; i < 2; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&wins), 1);
        gmp_chan_free(chan);
    }
}
