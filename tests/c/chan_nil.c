/* The NULL channel: never ready, no error. §19.1 (nil row), §19.11, §19.13. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

enum { SENTINEL = -77 };

static void null_would_wait(void *arg) {
    int value = SENTINEL;
    (void)arg;
    CHECK_CODE(gmp_chan_send(NULL, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_send(NULL, NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(NULL, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(NULL, NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_send(NULL, &value, gmp_now() - SECOND), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(NULL, &value, gmp_now() - SECOND), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_send(NULL, &value, INT64_MIN), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(NULL, &value, INT64_MIN), GMP_ETIMEDOUT);
    for (int i = 0; i < 20; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 20000);
        CHECK_CODE(gmp_chan_send(NULL, &value, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        deadline = gmp_after_ns(i * 20000);
        CHECK_CODE(gmp_chan_recv(NULL, &value, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
    }
    CHECK_EQ(value, SENTINEL);
}

static void *on_a_thread(void *arg) {
    null_would_wait(arg);
    return NULL;
}

SCENARIO(null_channel_waits_until_its_deadline) {
    pthread_t thread[4];
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_create(&thread[i], NULL, on_a_thread, NULL), 0);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_go(null_would_wait, NULL));
    null_would_wait(NULL);
    for (int i = 0; i < 4; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(null_channel_is_empty_and_has_no_room) {
    CHECK_EQ(gmp_chan_len(NULL), 0);
    CHECK_EQ(gmp_chan_cap(NULL), 0);
}

SCENARIO(close_of_null_is_emisuse) {
    CHECK_CODE(gmp_chan_close(NULL), GMP_EMISUSE);
    CHECK_CODE(gmp_chan_close(NULL), GMP_EMISUSE);
}

SCENARIO(free_of_null_is_fine) {
    gmp_chan_free(NULL);
    CHECK(gmp_chan_ref(NULL) == NULL);
}

static void *send_for_ever(void *arg) {
    int value = SENTINEL;
    *(int *)arg = gmp_chan_send(NULL, &value, GMP_FOREVER);
    return NULL;
}

static void *recv_for_ever(void *arg) {
    int value = SENTINEL;
    *(int *)arg = gmp_chan_recv(NULL, &value, GMP_FOREVER);
    CHECK_EQ(value, SENTINEL);
    return NULL;
}

static void *select_nothing(void *arg) {
    *(int *)arg = gmp_select(NULL, 0, GMP_FOREVER, NULL);
    return NULL;
}

static void *select_nulls(void *arg) {
    int value = SENTINEL;
    size_t chosen = 99;
    gmp_case_t cases[3] = {{GMP_CASE_SEND, 99, NULL, &value}, {GMP_CASE_RECV, 99, NULL, &value}, {1, 99, NULL, NULL}};
    *(int *)arg = gmp_select(cases, 3, GMP_FOREVER, &chosen);
    CHECK_EQ(chosen, 99);
    CHECK_EQ(value, SENTINEL);
    return NULL;
}

SCENARIO(null_channel_waits_for_ever_until_the_task_is_cancelled) {
    static void *(*const fn[4])(void *) = {send_for_ever, recv_for_ever, select_nothing, select_nulls};
    gmp_task_t *task[40];
    int code[40];
    check_start(2);
    for (int i = 0; i < 40; i++) {
        code[i] = 1;
        CHECK_OK(gmp_spawn(fn[i % 4], &code[i], NULL, &task[i]));
    }
    while (check_stats().tasks_parked != 40) CHECK_OK(gmp_sleep(50000));
    CHECK_OK(gmp_sleep(2 * MS)); /* time for one to leave wrongly; none is needed to pass */
    CHECK_EQ(check_stats().tasks_parked, 40);
    for (int i = 0; i < 40; i++) CHECK_OK(gmp_task_cancel(task[i]));
    for (int i = 0; i < 40; i++) {
        CHECK_OK(gmp_join(task[i], SOON(), NULL));
        CHECK_CODE(code[i], GMP_ECANCELED);
    }
}
