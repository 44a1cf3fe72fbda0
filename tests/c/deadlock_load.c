/* Threads and tasks that wait for each other all the time, without a deadline and with a verdict at the first look: none is given that
 * is false, and the one that is right is given. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "deadlock.h"

enum { PARTIES = 3, ROUNDS = 3000 };
static gmp_chan_t *asks[PARTIES], *answers[PARTIES];

static void *echo(void *arg) {
    intptr_t n = (intptr_t)arg;
    int value;
    while (gmp_chan_recv(asks[n], &value, GMP_FOREVER) == GMP_OK) {
        if (value % 7 == 0) gmp_yield();
        CHECK_OK(gmp_chan_send(answers[n], &value, GMP_FOREVER));
    }
    return arg;
}

static void *doubled(void *arg) {
    if ((intptr_t)arg % 3 == 0) gmp_yield();
    return (void *)(2 * (intptr_t)arg);
}

/* All waits are without a deadline, so the moments at which nobody is up are many, and none of them is a deadlock. */
static void *ask_again_and_again(void *arg) {
    intptr_t n = (intptr_t)arg;
    uint64_t random = check_seed() * 31 + (uint64_t)n + 1;
    for (int i = 0; i < ROUNDS; i++) {
        int value = i, seen = -1;
        gmp_task_t *task;
        void *result;
        switch (check_random(&random) % 4) {
        case 0:
            CHECK_OK(gmp_spawn(doubled, (void *)(intptr_t)i, NULL, &task));
            CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
            CHECK_EQ((intptr_t)result, 2 * i);
            break;
        case 1:
            CHECK_OK(gmp_run(lock_first, NULL));
            break;
        default:
            CHECK_OK(gmp_chan_send(asks[n], &value, GMP_FOREVER));
            CHECK_OK(gmp_chan_recv(answers[n], &seen, GMP_FOREVER));
            CHECK_EQ(seen, value);
        }
    }
    CHECK_OK(gmp_chan_close(asks[n]));
    return arg;
}

static void load(int procs, int parties) {
    pthread_t thread[PARTIES];
    check_start(procs);
    for (intptr_t i = 0; i < parties; i++) {
        CHECK_OK(gmp_chan_new(sizeof(int), 0, &asks[i]));
        CHECK_OK(gmp_chan_new(sizeof(int), 0, &answers[i]));
        CHECK_OK(gmp_spawn(echo, (void *)i, NULL, NULL));
        CHECK_EQ(pthread_create(&thread[i], NULL, ask_again_and_again, (void *)i), 0);
    }
    /* It lies all the while. */
    CHECK_OK(gmp_wait_idle(GMP_FOREVER));
    for (int i = 0; i < parties; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

//@ env GMP_TEST_DEADLOCK_NS=0
SCENARIO(one_look_under_load_gives_no_false_verdict) { load(2, PARTIES); }

//@ env GMP_TEST_DEADLOCK_NS=0
SCENARIO(one_look_at_one_thread_and_one_task_gives_no_false_verdict) { load(1, 1); }

enum { CHAIN = 2000 };

/* Each ends while the next one calls in for the first time. */
static void *start_the_next(void *arg) {
    intptr_t n = (intptr_t)arg;
    pthread_t next;
    pthread_attr_t attributes;
    int value = (int)n, seen = -1;
    CHECK_OK(gmp_chan_send(asks[0], &value, GMP_FOREVER));
    CHECK_OK(gmp_chan_recv(answers[0], &seen, GMP_FOREVER));
    CHECK_EQ(seen, value);
    if (n == CHAIN) {
        CHECK_OK(gmp_chan_close(asks[0]));
        return NULL;
    }
    CHECK_EQ(pthread_attr_init(&attributes), 0);
    CHECK_EQ(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    CHECK_EQ(pthread_create(&next, &attributes, start_the_next, (void *)(n + 1)), 0);
    CHECK_EQ(pthread_attr_destroy(&attributes), 0);
    return NULL;
}

//@ env GMP_TEST_DEADLOCK_NS=0
SCENARIO(one_look_while_threads_call_in_for_the_first_time_gives_no_false_verdict) {
    pthread_t thread;
    check_start(1);
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &asks[0]));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &answers[0]));
    CHECK_OK(gmp_spawn(echo, NULL, NULL, NULL));
    CHECK_EQ(pthread_create(&thread, NULL, start_the_next, (void *)1), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(gmp_wait_idle(GMP_FOREVER));
    CHECK_EQ(verdicts(), 0);
}

//@ env GMP_TEST_DEADLOCK_NS=0
SCENARIO(one_look_finds_a_deadlock) {
    make_chan();
    CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
}
