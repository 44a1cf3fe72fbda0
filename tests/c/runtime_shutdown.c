/* Shutdown: what it waits for, what it refuses, and that a new start finds a clean house. */
#include <pthread.h>

#include "check.h"

static gmp_wg_t gate;
static atomic_int ended;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ended, 1);
}

static void sleep_a_little(void *arg) {
    CHECK_OK(gmp_sleep((int64_t)(intptr_t)arg * 1000));
    count(NULL);
}

static void wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    count(arg);
}

static void *result(void *arg) { return arg; }

SCENARIO(shutdown_waits_for_tasks) {
    for (intptr_t i = 0; i < 50; i++) CHECK_OK(gmp_go(sleep_a_little, (void *)(i * 100)));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_EQ(atomic_load(&ended), 50);
    CHECK_THREADS(1);
}

SCENARIO(shutdown_without_start_and_twice_is_ok) {
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_OK(gmp_shutdown(GMP_NOWAIT));
}

SCENARIO(calls_after_shutdown_are_estopped_until_start) {
    gmp_task_t *task = NULL, *untouched = NULL;
    void *answer = NULL;
    CHECK_OK(gmp_spawn(result, &gate, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), &answer));
    CHECK(answer == &gate);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));

    CHECK_CODE(gmp_go(count, NULL), GMP_ESTOPPED);
    CHECK_CODE(gmp_spawn(result, NULL, NULL, &untouched), GMP_ESTOPPED);
    CHECK(untouched == NULL);
    CHECK_CODE(gmp_run(count, NULL), GMP_ESTOPPED);
    CHECK_CODE(gmp_wg_go(&gate, count, NULL), GMP_ESTOPPED);
    CHECK_OK(gmp_wg_wait(&gate, GMP_NOWAIT)); /* the refused task is not counted */
    CHECK_OK(gmp_wait_idle(GMP_NOWAIT));
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_EQ(gmp_self_id(), 0);
    CHECK(gmp_max_procs(0) >= 1);
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    CHECK_OK(gmp_checkpoint());
    CHECK_CODE(gmp_exit(), GMP_EPERM);
    CHECK_CODE(gmp_join(task, GMP_NOWAIT, &answer), GMP_EINVAL);
    CHECK_THREADS(1);

    CHECK_OK(gmp_start(NULL));
    CHECK_OK(gmp_run(count, NULL));
    CHECK_EQ(atomic_load(&ended), 1);
}

static void *shut_down(void *arg) {
    (void)arg;
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    return NULL;
}

SCENARIO(calls_during_shutdown_are_estopped) {
    pthread_t first, second;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_go(wait_at_gate, NULL));
    CHECK_EQ(pthread_create(&first, NULL, shut_down, NULL), 0);
    CHECK_EQ(pthread_create(&second, NULL, shut_down, NULL), 0);
    int extra = 0, code;
    while ((code = gmp_go(count, NULL)) == GMP_OK) { /* until the shutdown has begun */
        extra++;
        while (gmp_num_tasks() > 100) CHECK_OK(gmp_sleep(10000));
    }
    CHECK_CODE(code, GMP_ESTOPPED);
    CHECK_CODE(gmp_run(count, NULL), GMP_ESTOPPED);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_EQ(pthread_join(first, NULL), 0);
    CHECK_EQ(pthread_join(second, NULL), 0);
    CHECK_EQ(atomic_load(&ended), extra + 1);
}

SCENARIO(shutdown_past_its_deadline_stays_refusing_and_can_go_on) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_go(wait_at_gate, NULL));
    gmp_time_t deadline = gmp_after_ns(5 * MS);
    CHECK_CODE(gmp_shutdown(deadline), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= deadline);
    CHECK_CODE(gmp_go(count, NULL), GMP_ESTOPPED);
    CHECK_CODE(gmp_shutdown(gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    CHECK_EQ(atomic_load(&ended), 1);
    CHECK_THREADS(1);
}

static void shut_down_inside(void *arg) {
    CHECK_CODE(gmp_shutdown(GMP_FOREVER), GMP_EDEADLK);
    count(arg);
}

SCENARIO(shutdown_from_a_task_is_edeadlk_and_refuses_nothing) {
    CHECK_OK(gmp_run(shut_down_inside, NULL));
    CHECK_OK(gmp_run(count, NULL));
    CHECK_EQ(atomic_load(&ended), 2);
}

static void sleep_in_the_kernel(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    usleep(200);
    CHECK_OK(gmp_blocking_exit());
    count(arg);
}

/* The C library keeps arenas and thread stacks of its own, now more, now fewer: told not to, it shows what is ours. */
//@ env GLIBC_TUNABLES=glibc.malloc.arena_max=1:glibc.pthread.stack_cache_size=0
SCENARIO(ten_rounds_leave_threads_descriptors_and_mappings_as_they_were) {
    enum { ROUNDS = 10, EACH = 100 };
    long descriptors[ROUNDS], mappings[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        check_start(2);
        for (intptr_t i = 0; i < EACH; i++) {
            CHECK_OK(gmp_go(sleep_a_little, (void *)i));
            CHECK_OK(gmp_go(sleep_in_the_kernel, NULL));
        }
        CHECK_OK(gmp_shutdown(GMP_FOREVER));
        CHECK_EQ(atomic_load(&ended), (round + 1) * 2 * EACH);
        CHECK_THREADS(1);
        descriptors[round] = check_descriptors();
        mappings[round] = check_mappings();
    }
    for (int round = 0; round < ROUNDS; round++) {
        CHECK_EQ(descriptors[round], descriptors[0]);
        CHECK_EQ(mappings[round], mappings[0]);
    }
}
