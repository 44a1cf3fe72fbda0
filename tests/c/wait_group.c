/* Wait groups: the count, misuse, deadlines, mixed waiters, and memory that is freed the moment a wait returns. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_wg_t group, gate;
static atomic_int count;

static void add_one(void *arg) {
    (void)arg;
    atomic_fetch_add(&count, 1);
}

SCENARIO(wait_returns_when_all_are_done) {
    check_start(2);
    CHECK_OK(gmp_wg_wait(&group, GMP_NOWAIT));
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_wg_go(&group, add_one, NULL));
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_EQ(atomic_load(&count), 1000);
}

SCENARIO(count_below_zero_is_emisuse_and_changes_nothing) {
    CHECK_CODE(gmp_wg_done(&group), GMP_EMISUSE);
    CHECK_CODE(gmp_wg_add(&group, -1), GMP_EMISUSE);
    CHECK_OK(gmp_wg_wait(&group, GMP_NOWAIT));
    CHECK_OK(gmp_wg_add(&group, 2));
    CHECK_CODE(gmp_wg_add(&group, -3), GMP_EMISUSE);
    CHECK_CODE(gmp_wg_add(&group, INT64_MIN), GMP_EMISUSE);
    CHECK_CODE(gmp_wg_wait(&group, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_wg_add(&group, 0));
    CHECK_OK(gmp_wg_done(&group));
    CHECK_CODE(gmp_wg_wait(&group, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_wg_add(&group, -1));
    CHECK_OK(gmp_wg_wait(&group, GMP_NOWAIT));
}

SCENARIO(null_is_einval) {
    CHECK_CODE(gmp_wg_add(NULL, 1), GMP_EINVAL);
    CHECK_CODE(gmp_wg_done(NULL), GMP_EINVAL);
    CHECK_CODE(gmp_wg_wait(NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_wg_go(NULL, add_one, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_wg_go(&group, NULL, NULL), GMP_EINVAL);
    CHECK_OK(gmp_wg_wait(&group, GMP_NOWAIT)); /* the refused ones were not counted */
}

static void wait_with_deadlines(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_add(&group, 1));
    CHECK_CODE(gmp_wg_wait(&group, GMP_NOWAIT), GMP_EAGAIN);
    for (int i = 0; i < 20; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 50000);
        CHECK_CODE(gmp_wg_wait(&group, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
    }
    CHECK_CODE(gmp_wg_wait(&group, gmp_now() - SECOND), GMP_ETIMEDOUT);
    CHECK_OK(gmp_wg_done(&group));
    CHECK_OK(gmp_wg_wait(&group, gmp_now() - SECOND)); /* nothing to wait for: the deadline does not count */
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
}

SCENARIO(wait_takes_a_deadline) {
    wait_with_deadlines(NULL);
    CHECK_OK(gmp_run(wait_with_deadlines, NULL));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void many_rounds(void *arg) {
    (void)arg;
    for (int round = 1; round <= 1000; round++) {
        for (int i = 0; i < 10; i++) CHECK_OK(gmp_wg_go(&group, add_one, NULL));
        CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
        CHECK_EQ(atomic_load(&count), round * 10);
    }
}

SCENARIO(group_can_be_used_again) {
    check_start(2);
    CHECK_OK(gmp_run(many_rounds, NULL));
}

static int plain;

static void wait_and_read(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_wait(&gate, SOON()));
    CHECK_EQ(plain, 4711); /* what was done before the done is seen after the wait */
    atomic_fetch_add(&count, 1);
}

static void *wait_on_a_thread(void *arg) {
    wait_and_read(arg);
    return NULL;
}

SCENARIO(tasks_and_foreign_threads_wait_together) {
    pthread_t thread[8];
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    for (int i = 0; i < 8; i++) CHECK_EQ(pthread_create(&thread[i], NULL, wait_on_a_thread, NULL), 0);
    for (int i = 0; i < 1000; i++) CHECK_OK(gmp_go(wait_and_read, NULL));
    while (check_stats().tasks_parked < 1000) CHECK_OK(gmp_sleep(100000));
    plain = 4711;
    CHECK_OK(gmp_wg_done(&gate));
    for (int i = 0; i < 8; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&count), 1008);
}

static void finish(void *arg) { CHECK_OK(gmp_wg_done((gmp_wg_t *)arg)); }

/* The memory is the waiter's again when its wait returns, although the last done is still on its way out. */
static void use_the_memory_at_once(void *arg) {
    enum { SIZE = sizeof(gmp_wg_t) };
    (void)arg;
    for (int round = 0; round < 20000; round++) {
        gmp_wg_t *mine = (gmp_wg_t *)calloc(1, SIZE);
        unsigned char *bytes = (unsigned char *)mine;
        CHECK(mine != NULL);
        CHECK_OK(gmp_wg_add(mine, 1));
        CHECK_OK(gmp_go(finish, mine));
        CHECK_OK(gmp_wg_wait(mine, GMP_FOREVER));
        memset(bytes, 0xa5, SIZE);
        for (int look = 0; look < 3; look++) {
            for (int i = 0; i < SIZE; i++) CHECK_EQ(((volatile unsigned char *)bytes)[i], 0xa5);
            gmp_yield();
        }
        free(mine);
    }
}

static void *wait_and_use_the_memory(void *arg) {
    (void)arg;
    for (int round = 0; round < 2000; round++) {
        gmp_wg_t mine;
        memset(&mine, 0, sizeof mine);
        CHECK_OK(gmp_wg_add(&mine, 1));
        CHECK_OK(gmp_go(finish, &mine));
        CHECK_OK(gmp_wg_wait(&mine, GMP_FOREVER));
        memset(&mine, 0xa5, sizeof mine);
        for (int look = 0; look < 50; look++) {
            for (size_t i = 0; i < sizeof mine; i++) CHECK_EQ(((volatile unsigned char *)&mine)[i], 0xa5);
        }
    }
    return NULL;
}

SCENARIO(memory_may_go_as_soon_as_a_wait_returned_to_a_task) {
    check_start(2);
    for (int i = 0; i < 4; i++) CHECK_OK(gmp_go(use_the_memory_at_once, NULL));
    CHECK_IDLE();
}

SCENARIO(memory_may_go_as_soon_as_a_wait_returned_to_a_thread) {
    check_start(2);
    wait_and_use_the_memory(NULL);
}

static void wait_short(void *arg) {
    int code = gmp_wg_wait(&gate, gmp_after_ns((intptr_t)arg * 1000));
    CHECK(code == GMP_OK || code == GMP_ETIMEDOUT);
    atomic_fetch_add(&count, 1);
}

/* Deadlines that pass while the last done comes: each waiter gets exactly one of the two answers. */
SCENARIO(done_against_deadline_wakes_everyone_once) {
    uint64_t seed = check_seed();
    check_start(2);
    for (int round = 0; round < 100; round++) {
        atomic_store(&count, 0);
        CHECK_OK(gmp_wg_add(&gate, 1));
        for (int i = 0; i < 50; i++) CHECK_OK(gmp_go(wait_short, (void *)(intptr_t)(check_random(&seed) % 300)));
        CHECK_OK(gmp_sleep((int64_t)(check_random(&seed) % 200000)));
        CHECK_OK(gmp_wg_done(&gate));
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&count), 50);
    }
    CHECK_EQ(check_stats().timers_pending, 0);
}
