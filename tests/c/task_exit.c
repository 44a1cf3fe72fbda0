/* How a task ends: return, gmp_exit, and the deferred calls of both. */
#include "check.h"

static char trail[4096];
static gmp_wg_t gate;

static void mark(void *arg) { strcat(trail, (const char *)arg); }

static void *returns(void *arg) {
    CHECK_OK(gmp_defer(mark, "3"));
    CHECK_OK(gmp_defer(mark, "2"));
    CHECK_OK(gmp_defer(mark, "1"));
    return arg;
}

static void *leaves(void *arg) {
    returns(arg);
    gmp_exit();
    CHECK(!"gmp_exit came back");
    return arg;
}

static int join_one(gmp_task_fn_t fn, void *arg) {
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(fn, arg, NULL, &task));
    return gmp_join(task, SOON(), NULL);
}

SCENARIO(return_runs_deferred_calls_last_first) {
    CHECK_OK(join_one(returns, NULL));
    CHECK(strcmp(trail, "123") == 0);
}

SCENARIO(exit_runs_deferred_calls_last_first_and_join_says_epanic) {
    CHECK_CODE(join_one(leaves, NULL), GMP_EPANIC);
    CHECK(strcmp(trail, "123") == 0);
}

static void defer_more(void *arg) {
    mark(arg);
    CHECK_OK(gmp_defer(mark, "y"));
    CHECK_OK(gmp_defer(mark, "x"));
}

static void *nests(void *arg) {
    CHECK_OK(gmp_defer(mark, "z"));
    CHECK_OK(gmp_defer(defer_more, "w"));
    return arg;
}

SCENARIO(deferred_call_may_defer) {
    CHECK_OK(join_one(nests, NULL));
    CHECK(strcmp(trail, "wxyz") == 0);
}

static void leave_again(void *arg) {
    mark(arg);
    gmp_exit();
    CHECK(!"gmp_exit came back");
}

static void *leaves_in_a_deferred_call(void *arg) {
    CHECK_OK(gmp_defer(mark, "c"));
    CHECK_OK(gmp_defer(leave_again, "b"));
    CHECK_OK(gmp_defer(mark, "a"));
    return arg;
}

SCENARIO(exit_in_a_deferred_call_runs_the_others) {
    CHECK_CODE(join_one(leaves_in_a_deferred_call, NULL), GMP_EPANIC);
    CHECK(strcmp(trail, "abc") == 0);
}

static void park_and_mark(void *arg) {
    CHECK_OK(gmp_sleep(1000));
    gmp_yield();
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    mark(arg);
}

static void *defers_a_parking_call(void *arg) {
    CHECK_OK(gmp_defer(park_and_mark, "2"));
    CHECK_OK(gmp_defer(park_and_mark, "1"));
    gmp_exit();
    return arg;
}

static void open_gate(void *arg) {
    (void)arg;
    CHECK_OK(gmp_wg_done(&gate));
}

SCENARIO(deferred_call_may_park) {
    gmp_task_t *task;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_spawn(defers_a_parking_call, NULL, NULL, &task));
    CHECK_OK(gmp_go(open_gate, NULL));
    CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_EPANIC);
    CHECK(strcmp(trail, "12") == 0);
}

static int countdown;

static void expect_next(void *arg) { CHECK_EQ((intptr_t)arg, --countdown); }

static void *defers_many(void *arg) {
    enum { MANY = 2000 };
    for (intptr_t i = 0; i < MANY; i++) CHECK_OK(gmp_defer(expect_next, (void *)i));
    countdown = MANY;
    return arg;
}

SCENARIO(two_thousand_deferred_calls_run_in_order) {
    CHECK_OK(join_one(defers_many, NULL));
    CHECK_EQ(countdown, 0);
}

static void *bad_defer(void *arg) {
    CHECK_CODE(gmp_defer(NULL, NULL), GMP_EINVAL);
    return arg;
}

SCENARIO(exit_and_defer_outside_a_task_are_eperm) {
    CHECK_CODE(gmp_exit(), GMP_EPERM);
    CHECK_CODE(gmp_defer(mark, "never"), GMP_EPERM);
    CHECK_OK(join_one(bad_defer, NULL));
    CHECK_CODE(gmp_exit(), GMP_EPERM);
    CHECK(trail[0] == 0);
}

static atomic_int left, stayed;

static void leave_or_stay(void *arg) {
    gmp_yield();
    if (arg) {
        atomic_fetch_add(&left, 1);
        gmp_exit();
    }
    gmp_yield();
    atomic_fetch_add(&stayed, 1);
}

SCENARIO(exit_of_one_task_does_not_touch_the_others) {
    check_start(2);
    for (intptr_t i = 0; i < 2000; i++) CHECK_OK(gmp_wg_go(&gate, leave_or_stay, (void *)(i & 1)));
    CHECK_OK(gmp_wg_wait(&gate, SOON())); /* exit counts as the end for the wait group too */
    CHECK_EQ(atomic_load(&left), 1000);
    CHECK_EQ(atomic_load(&stayed), 1000);
    CHECK_IDLE();
}
