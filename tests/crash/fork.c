/* The child of a fork dies as any process does: its reports are its own, and no handler of the parent's gets in the way. */
#include <pthread.h>

#include "dying.h"

static void nothing(void *arg) { (void)arg; }

static void start_reporting_and_use(void) {
    CHECK_OK(start_reporting(2));
    CHECK_OK(gmp_run(nothing, NULL));
}

static void dig_in_a_task(void) {
    CHECK_OK(start_reporting(2));
    run_named(dig_without_end, NULL, "child", 0);
}

SCENARIO(crash_overflow_in_a_forks_child_is_told) {
    start_reporting_and_use();
    struct death *death = death_of(dig_in_a_task);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "(child): stack overflow", 1);
    CHECK_OK(gmp_run(nothing, NULL));
}

static void dereference_in_a_task(void) {
    CHECK_OK(start_reporting(2));
    run_named(dereference_null, NULL, NULL, 0);
}

static void dereference_without_a_runtime(void) { (void)dereference_null(NULL); }

SCENARIO(crash_null_dereference_in_a_forks_child_is_passed_on) {
    start_reporting_and_use();
    struct death *death = death_of(dereference_in_a_task);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "stack overflow", 0);
    death = death_of(dereference_without_a_runtime);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp", 0);
}

/* The task that forked runs past its stack in the child, where it is no task any more. */
static void dig_here(void) { (void)dig_without_end(NULL); }

static void fork_and_dig(void *arg) {
    (void)arg;
    struct death *death = death_of(dig_here);
    CHECK_DIED_OF(death, SIGSEGV);
}

SCENARIO(crash_overflow_of_a_task_that_forked_ends_the_child) {
    start_reporting_and_use();
    CHECK_OK(gmp_run(fork_and_dig, NULL));
    CHECK_OK(gmp_run(nothing, NULL));
}

static void abort_in_a_task(void *arg) {
    (void)arg;
    abort();
}

static void run_and_abort(void) { (void)gmp_run(abort_in_a_task, NULL); }

static void fork_and_abort(void *arg) {
    (void)arg;
    CHECK_DIED_OF(death_of(abort), SIGABRT);
    CHECK_DIED_OF(death_of(run_and_abort), SIGABRT);
}

SCENARIO(crash_abort_in_a_forks_child_ends_the_child) {
    CHECK_OK(gmp_run(fork_and_abort, NULL));
    fork_and_abort(NULL);
}

/* Threads of the parent's that have called in are not waited for: nobody in the child can end this wait. */
static gmp_chan_t *chan;
static atomic_int stop;

static void receive(void *arg) {
    int value;
    (void)arg;
    (void)gmp_chan_recv(chan, &value, GMP_FOREVER);
}

static void wait_for_ever(void) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = GMP_CONFIG_DEADLOCK_ABORT;
    CHECK_OK(gmp_start(&config));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    (void)gmp_run(receive, NULL);
}

static void *call_in_now_and_then(void *arg) {
    while (!atomic_load(&stop)) CHECK_OK(gmp_sleep(MS));
    return arg;
}

static void fork_and_wait_for_ever(void *arg) {
    (void)arg;
    struct death *death = death_of(wait_for_ever);
    CHECK_DIED_OF(death, SIGABRT);
    CHECK_SAID(death, "all tasks are asleep", 1);
}

SCENARIO(crash_deadlock_in_a_forks_child_is_seen_although_the_parent_had_threads) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_create(&threads[i], NULL, call_in_now_and_then, NULL), 0);
    CHECK_OK(gmp_run(nothing, NULL));
    fork_and_wait_for_ever(NULL);
    CHECK_OK(gmp_run(fork_and_wait_for_ever, NULL));
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; i++) CHECK_EQ(pthread_join(threads[i], NULL), 0);
}
