/* A deadlock's report: the cycles over what has a known holder, and what is waited for otherwise. */
#include "deadlock.h"

static gmp_mutex_t second;

static void lock_both(gmp_mutex_t *mine, gmp_mutex_t *other) {
    CHECK_OK(gmp_mutex_lock(mine, GMP_FOREVER));
    CHECK_OK(gmp_wg_done(&both_hold));
    CHECK_OK(gmp_wg_wait(&both_hold, GMP_FOREVER));
    CHECK_OK(gmp_mutex_lock(other, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(other));
    CHECK_OK(gmp_mutex_unlock(mine));
}

static void *first_then_second(void *arg) {
    lock_both(&first, &second);
    return arg;
}

static void *second_then_first(void *arg) {
    lock_both(&second, &first);
    return arg;
}

static void spawn_named(const char *name, gmp_task_fn_t fn) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = name;
    CHECK_OK(gmp_spawn(fn, NULL, &opts, NULL));
}

//@ says cycle: task
//@ says "left" waits for mutex
//@ says "right" waits for mutex
//@ says held by task
SCENARIO(two_tasks_with_two_mutexes) {
    CHECK_OK(gmp_wg_add(&both_hold, 2));
    spawn_named("left", first_then_second);
    spawn_named("right", second_then_first);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

/* ------------------------------------------------------------ cycles */
static gmp_task_t *one, *two;

static void *join_the_other(void *arg) {
    gmp_task_t **other = arg;
    CHECK_OK(gmp_wg_done(&both_hold));
    CHECK_OK(gmp_wg_wait(&both_hold, GMP_FOREVER));
    gmp_join(*other, GMP_FOREVER, NULL);
    return arg;
}

//@ says waits for the join of task
//@ says cycle: task
SCENARIO(two_tasks_that_join_each_other) {
    CHECK_OK(gmp_wg_add(&both_hold, 3));
    CHECK_OK(gmp_spawn(join_the_other, &two, NULL, &one));
    CHECK_OK(gmp_spawn(join_the_other, &one, NULL, &two));
    CHECK_OK(gmp_wg_done(&both_hold));
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

static void *lock_then_join(void *arg) {
    CHECK_OK(gmp_mutex_trylock(&first));
    CHECK_OK(gmp_wg_done(&both_hold));
    gmp_join(two, GMP_FOREVER, NULL);
    return arg;
}

static void *lock_after_it_is_held(void *arg) {
    CHECK_OK(gmp_wg_wait(&both_hold, GMP_FOREVER));
    gmp_mutex_lock(&first, GMP_FOREVER);
    return arg;
}

/* What is joined has parked before, so that it does not run on its joiner's stack. */
//@ says waits for mutex
//@ says waits for the join of task
//@ says cycle: task
SCENARIO(mutex_and_join) {
    CHECK_OK(gmp_wg_add(&both_hold, 1));
    CHECK_OK(gmp_spawn(lock_after_it_is_held, NULL, NULL, &two));
    UNTIL(check_stats().tasks_parked == 1, give_way());
    CHECK_OK(gmp_spawn(lock_then_join, NULL, NULL, &one));
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

/* A joiner whose child runs on its stack waits for that child. */
static void *lock_then_join_in_place(void *arg) {
    gmp_task_t *child;
    CHECK_OK(gmp_mutex_lock(&first, GMP_FOREVER));
    CHECK_OK(gmp_spawn(lock_after_it_is_held, arg, NULL, &child));
    gmp_join(child, GMP_FOREVER, NULL);
    return arg;
}

//@ says waits for mutex
//@ says waits for the join of task
//@ says cycle: task
SCENARIO(mutex_and_join_in_place) {
    check_start(1);
    spawn_named("host", lock_then_join_in_place);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

static gmp_rwlock_t rwlock;

static void *write_then_lock(void *arg) {
    CHECK_OK(gmp_rwlock_wrlock(&rwlock, GMP_FOREVER));
    CHECK_OK(gmp_wg_done(&both_hold));
    CHECK_OK(gmp_wg_wait(&both_hold, GMP_FOREVER));
    gmp_mutex_lock(&first, GMP_FOREVER);
    return arg;
}

static void *lock_then_read(void *arg) {
    CHECK_OK(gmp_mutex_lock(&first, GMP_FOREVER));
    CHECK_OK(gmp_wg_done(&both_hold));
    CHECK_OK(gmp_wg_wait(&both_hold, GMP_FOREVER));
    gmp_rwlock_rdlock(&rwlock, GMP_FOREVER);
    return arg;
}

//@ says "reader" waits for rwlock-read
//@ says "writer" waits for mutex
//@ says cycle: task
SCENARIO(mutex_and_write_lock) {
    CHECK_OK(gmp_wg_add(&both_hold, 2));
    spawn_named("writer", write_then_lock);
    spawn_named("reader", lock_then_read);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

//@ says waited for: chan-recv
//@ says tasks=3
SCENARIO(waiters_for_a_channel_are_counted) {
    make_chan();
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_go(receive, NULL));
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}

/* The mutex was taken and given back by many before: who has it now is named. */
static void lock_a_few_times(void *arg) {
    (void)arg;
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(gmp_mutex_lock(&first, GMP_FOREVER));
        if (i % 16 == 0) gmp_yield();
        CHECK_OK(gmp_mutex_unlock(&first));
    }
}

//@ says cycle: task
//@ says "left" waits for mutex
SCENARIO(cycle_after_a_busy_mutex) {
    check_start(2);
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(lock_a_few_times, NULL));
    CHECK_IDLE();
    CHECK_OK(gmp_wg_add(&both_hold, 2));
    spawn_named("left", first_then_second);
    spawn_named("right", second_then_first);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
}
