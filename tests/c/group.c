/* Groups: no task outlives its group, the first failure cancels the rest and is the result. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <limits.h>

#include "check.h"

static atomic_int live, started, ended, cancelled;
static gmp_wg_t gate;

static gmp_group_t *new_group(gmp_ctx_t *parent) {
    gmp_group_t *g = NULL;
    CHECK_OK(gmp_group_new(parent, &g));
    CHECK(g != NULL);
    return g;
}

static gmp_ctx_t *new_ctx(gmp_time_t deadline) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(NULL, deadline, &ctx));
    return ctx;
}

/* A task counts as parked before what it waits for knows of it. When every processor is idle too, it does. */
static void wait_parked(int tasks) {
    gmp_time_t limit = SOON();
    gmp_stats_t now = check_stats();
    while ((now.tasks_parked != tasks || now.procs_idle != now.procs) && gmp_now() < limit) {
        CHECK_OK(gmp_sleep(20000));
        now = check_stats();
    }
    CHECK_EQ(now.tasks_parked, tasks);
    CHECK_EQ(now.procs_idle, now.procs);
}

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void nobody_is_left(void) {
    CHECK_EQ(atomic_load(&live), 0);
    CHECK_EQ(atomic_load(&started), atomic_load(&ended));
}

static void begin(void) {
    atomic_fetch_add(&live, 1);
    atomic_fetch_add(&started, 1);
}

static int end(int result) {
    atomic_fetch_add(&ended, 1);
    atomic_fetch_sub(&live, 1);
    return result;
}

static int give(void *arg) {
    begin();
    return end((int)(intptr_t)arg);
}

static int yield_and_give(void *arg) {
    begin();
    for (int i = 0; i < 10; i++) gmp_yield();
    return end((int)(intptr_t)arg);
}

/* Waits until it is cancelled, and takes its time then. */
static int wait_long(void *arg) {
    begin();
    int code = gmp_sleep(3600 * SECOND);
    CHECK_CODE(code, GMP_ECANCELED);
    CHECK(gmp_ctx_err(gmp_ctx_current()) != GMP_OK);
    atomic_fetch_add(&cancelled, 1);
    for (int i = 0; i < 20; i++) gmp_yield();
    return end(arg ? code : 0);
}

static void as_thread_and_as_task(gmp_fn_t fn) {
    check_start(2);
    fn(NULL);
    CHECK_OK(gmp_run(fn, NULL));
    CHECK_IDLE();
    nobody_is_left();
    no_timer_is_left();
}

/* ------------------------------------------------------------ results */
static void wait_for_good_ones(void *arg) {
    (void)arg;
    CHECK_OK(gmp_group_wait(new_group(NULL), GMP_FOREVER)); /* an empty one */
    CHECK_OK(gmp_group_wait(new_group(NULL), GMP_NOWAIT));
    for (int tasks = 1; tasks <= 10000; tasks *= 10) {
        gmp_group_t *g = new_group(NULL);
        atomic_store(&started, 0);
        atomic_store(&ended, 0);
        for (int i = 0; i < tasks; i++) CHECK_OK(gmp_group_go(g, i % 2 ? give : yield_and_give, NULL));
        CHECK_OK(gmp_group_wait(g, SOON()));
        CHECK_EQ(atomic_load(&ended), tasks);
        nobody_is_left();
    }
}

SCENARIO(no_task_outlives_its_group) { as_thread_and_as_task(wait_for_good_ones); }

static void fail_once(void *arg) {
    static const int results[] = {-1, GMP_EPIPE, -70000, INT_MIN, 1, 42, INT_MAX, GMP_ECANCELED};
    (void)arg;
    for (size_t i = 0; i < sizeof results / sizeof results[0]; i++) {
        gmp_group_t *g = new_group(NULL);
        atomic_store(&cancelled, 0);
        for (int j = 0; j < 20; j++) CHECK_OK(gmp_group_go(g, wait_long, j % 2 ? &live : NULL));
        for (int j = 0; j < 5; j++) CHECK_OK(gmp_group_go(g, give, NULL));
        while (atomic_load(&live) != 20) gmp_yield(); /* nothing has failed yet */
        CHECK_EQ(atomic_load(&cancelled), 0);
        CHECK_OK(gmp_group_go(g, yield_and_give, (void *)(intptr_t)results[i]));
        CHECK_CODE(gmp_group_wait(g, GMP_FOREVER), results[i]);
        CHECK_EQ(atomic_load(&cancelled), 20);
        nobody_is_left();
    }
}

SCENARIO(first_failure_cancels_the_rest_and_is_the_result) { as_thread_and_as_task(fail_once); }

static int fail_second(void *arg) {
    begin();
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    return end((int)(intptr_t)arg);
}

static void later_failures_do_not_count(void *arg) {
    (void)arg;
    gmp_group_t *g = new_group(NULL);
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_group_go(g, fail_second, (void *)(intptr_t)(-8000 - i)));
    while (atomic_load(&live) != 50) gmp_yield();
    CHECK_OK(gmp_group_go(g, give, (void *)(intptr_t)-7999));
    CHECK_CODE(gmp_group_wait(g, SOON()), -7999);
    nobody_is_left();
}

SCENARIO(only_the_first_failure_is_the_result) { as_thread_and_as_task(later_failures_do_not_count); }

static int leave_by_exit(void *arg) {
    begin();
    end(0);
    gmp_exit();
    CHECK(arg != arg);
    return 0;
}

static void leave(void *arg) {
    (void)arg;
    gmp_group_t *g = new_group(NULL);
    CHECK_OK(gmp_group_go(g, wait_long, NULL));
    while (atomic_load(&live) != 1) gmp_yield();
    CHECK_OK(gmp_group_go(g, leave_by_exit, NULL));
    CHECK_CODE(gmp_group_wait(g, SOON()), GMP_EPANIC);
    nobody_is_left();
}

SCENARIO(task_that_leaves_by_exit_has_failed) { as_thread_and_as_task(leave); }

static void say_goodbye(void *arg) {
    (void)arg;
    gmp_shield(1);
    for (int i = 0; i < 5; i++) gmp_yield();
    CHECK_OK(gmp_sleep(100000));
    end(0);
}

static int end_later(void *arg) {
    begin();
    CHECK_OK(gmp_defer(say_goodbye, NULL));
    return (int)(intptr_t)arg;
}

static void wait_for_goodbyes(void *arg) {
    (void)arg;
    for (int result = 0; result < 2; result++) {
        gmp_group_t *g = new_group(NULL);
        for (int i = 0; i < 20; i++) CHECK_OK(gmp_group_go(g, end_later, (void *)(intptr_t)-result));
        CHECK_CODE(gmp_group_wait(g, SOON()), -result);
        nobody_is_left();
    }
}

SCENARIO(deferred_calls_belong_to_the_task) { as_thread_and_as_task(wait_for_goodbyes); }

static int told_at_once(void *arg) {
    begin();
    CHECK(gmp_ctx_err(gmp_ctx_current()) == GMP_ECANCELED);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    atomic_fetch_add((atomic_int *)arg, 1);
    return end(-1);
}

static int fail_and_tell(void *arg) {
    begin();
    *(gmp_ctx_t **)arg = gmp_ctx_ref(gmp_ctx_current());
    return end(-7000);
}

static void go_after_the_failure(void *arg) {
    gmp_group_t *g = new_group(NULL);
    gmp_ctx_t *of_the_group = NULL;
    atomic_int told = 0;
    (void)arg;
    CHECK_OK(gmp_group_go(g, fail_and_tell, &of_the_group));
    while (atomic_load(&ended) == 0) gmp_yield();
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(of_the_group), NULL, SOON()), GMP_ECLOSED);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_group_go(g, told_at_once, &told));
    CHECK_CODE(gmp_group_wait(g, SOON()), -7000);
    CHECK_EQ(atomic_load(&told), 10);
    nobody_is_left();
    gmp_ctx_free(of_the_group);
    atomic_store(&ended, 0);
    atomic_store(&started, 0);
}

SCENARIO(task_started_after_the_failure_runs_cancelled) { as_thread_and_as_task(go_after_the_failure); }

/* ------------------------------------------------------------ deadlines */
static int wait_at_gate(void *arg) {
    begin();
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return end((int)(intptr_t)arg);
}

static void wait_in_pieces(void *arg) {
    gmp_group_t *g = new_group(NULL);
    (void)arg;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_group_go(g, wait_at_gate, NULL));
    CHECK_CODE(gmp_group_wait(g, GMP_NOWAIT), GMP_EAGAIN);
    for (int i = 0; i < 10; i++) {
        gmp_time_t deadline = gmp_after_ns(i * 50000);
        CHECK_CODE(gmp_group_wait(g, deadline), GMP_ETIMEDOUT);
        CHECK(gmp_now() >= deadline);
        CHECK_CODE(gmp_group_wait(g, gmp_now() - SECOND), GMP_ETIMEDOUT);
        CHECK_OK(gmp_group_go(g, wait_at_gate, NULL)); /* it is as good as before */
    }
    CHECK_EQ(atomic_load(&cancelled), 0);
    CHECK_OK(gmp_wg_done(&gate));
    CHECK_OK(gmp_group_wait(g, SOON()));
    nobody_is_left();
}

SCENARIO(wait_that_timed_out_keeps_the_group) { as_thread_and_as_task(wait_in_pieces); }

static void past_deadline_of_ended_tasks(void *arg) {
    gmp_group_t *g = new_group(NULL);
    gmp_time_t limit = SOON();
    int code;
    (void)arg;
    CHECK_OK(gmp_group_go(g, give, (void *)(intptr_t)-9));
    do { /* once it has ended there is nothing to wait for, and the deadline does not count */
        gmp_yield();
        code = gmp_group_wait(g, limit - 3600 * SECOND);
    } while (code == GMP_ETIMEDOUT && gmp_now() < limit);
    CHECK_CODE(code, -9);
}

SCENARIO(deadline_does_not_count_when_all_have_ended) { as_thread_and_as_task(past_deadline_of_ended_tasks); }

/* ------------------------------------------------------------ the context of a group */
static int value, key;

static int has_a_context(void *arg) {
    begin();
    CHECK(gmp_ctx_current() != NULL);
    CHECK(gmp_ctx_current() != (gmp_ctx_t *)arg); /* its own scope, below the parent */
    CHECK(gmp_ctx_value(gmp_ctx_current(), &key) == &value);
    CHECK_EQ(gmp_ctx_deadline(gmp_ctx_current()), gmp_ctx_deadline((gmp_ctx_t *)arg));
    return end(0);
}

static void *own_context_is_the_parent(void *arg) {
    gmp_group_t *g = new_group(NULL);
    CHECK_OK(gmp_group_go(g, has_a_context, gmp_ctx_current()));
    CHECK_OK(gmp_group_wait(g, SOON()));
    return arg;
}

SCENARIO(group_lies_below_its_parent_context) {
    gmp_ctx_t *timed = new_ctx(gmp_after_ns(3600 * SECOND)), *valued = NULL;
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_ctx_with_value(timed, &key, &value, &valued));
    gmp_group_t *g = new_group(valued);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_group_go(g, has_a_context, valued));
    CHECK_OK(gmp_group_wait(g, SOON()));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = valued;
    CHECK_OK(gmp_spawn(own_context_is_the_parent, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    g = new_group(valued);
    CHECK_OK(gmp_group_go(g, give, (void *)(intptr_t)-5));
    CHECK_CODE(gmp_group_wait(g, SOON()), -5);
    CHECK_OK(gmp_ctx_err(valued)); /* a failure below never affects the parent */
    gmp_ctx_free(valued);
    gmp_ctx_free(timed);
    no_timer_is_left();
}

static void end_of_the_parent(void *arg) {
    (void)arg;
    for (int how = 0; how < 3; how++) {
        gmp_ctx_t *ctx = new_ctx(how == 2 ? gmp_after_ns(2 * MS) : GMP_FOREVER);
        gmp_group_t *g = new_group(ctx);
        atomic_store(&cancelled, 0);
        for (int i = 0; i < 20; i++) CHECK_OK(gmp_group_go(g, wait_long, how ? &live : NULL));
        if (how != 2) while (atomic_load(&live) != 20) gmp_yield();
        if (how != 2) CHECK_OK(gmp_ctx_cancel_cause(ctx, GMP_EPIPE));
        CHECK_CODE(gmp_group_wait(g, SOON()), how ? GMP_ECANCELED : GMP_OK); /* what the tasks make of it */
        CHECK_EQ(atomic_load(&cancelled), 20);
        nobody_is_left();
        gmp_ctx_free(ctx);
    }
}

SCENARIO(end_of_the_parent_context_cancels_all) { as_thread_and_as_task(end_of_the_parent); }

/* ------------------------------------------------------------ the waiter is cancelled */
/* Ends when the gate is open, so that its end does not come before its waiter is told. */
static int wait_long_and_at_gate(void *arg) {
    begin();
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return end(arg != NULL);
}

static void *wait_for_a_group(void *arg) {
    gmp_group_t *g = new_group(NULL);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_group_go(g, wait_long_and_at_gate, NULL));
    int code = gmp_group_wait(g, arg ? SOON() : GMP_FOREVER);
    nobody_is_left(); /* it has waited for them all the same */
    return (void *)(intptr_t)code;
}

enum { PARKED_BY_TASK, PARKED_BY_CONTEXT, EARLY_BY_TASK, BY_DEADLINE, WAYS };

SCENARIO(cancelled_waiter_cancels_its_group_and_waits_for_it) {
    check_start(2);
    for (int round = 0; round < 20 * WAYS; round++) {
        int way = round % WAYS;
        gmp_ctx_t *ctx = new_ctx(way == BY_DEADLINE ? gmp_after_ns(MS) : GMP_FOREVER);
        gmp_task_t *task;
        gmp_spawn_opts_t opts;
        void *result = NULL;
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.ctx = way == PARKED_BY_TASK ? NULL : ctx;
        int parked = way == PARKED_BY_TASK || way == PARKED_BY_CONTEXT;
        if (parked) CHECK_OK(gmp_wg_add(&gate, 1));
        CHECK_OK(gmp_spawn(wait_for_a_group, round % 8 < 4 ? NULL : &gate, &opts, &task));
        if (parked) wait_parked(21);
        if (way == PARKED_BY_TASK || way == EARLY_BY_TASK) CHECK_OK(gmp_task_cancel(task));
        if (way == PARKED_BY_CONTEXT) CHECK_OK(gmp_ctx_cancel(ctx));
        if (parked) CHECK_OK(gmp_wg_done(&gate));
        CHECK_OK(gmp_join(task, SOON(), &result));
        /* With the gate open they may all have ended before the waiter would wait, or is told. */
        if (parked || result != NULL) CHECK_CODE((int)(intptr_t)result, GMP_ECANCELED);
        CHECK_IDLE();
        gmp_ctx_free(ctx);
        no_timer_is_left();
    }
}

/* ------------------------------------------------------------ groups and tasks inside */
static gmp_group_t *shared;

static int spread(void *arg) {
    intptr_t depth = (intptr_t)arg;
    begin();
    for (int i = 0; i < 3 && depth > 0; i++) CHECK_OK(gmp_group_go(shared, spread, (void *)(depth - 1)));
    return end(0);
}

static void spread_out(void *arg) {
    (void)arg;
    shared = new_group(NULL);
    atomic_store(&ended, 0);
    atomic_store(&started, 0);
    CHECK_OK(gmp_group_go(shared, spread, (void *)(intptr_t)7));
    CHECK_OK(gmp_group_wait(shared, SOON())); /* also for those that did not exist when it began */
    CHECK_EQ(atomic_load(&ended), 3280);
}

SCENARIO(tasks_of_a_group_may_start_more) { as_thread_and_as_task(spread_out); }

struct nest {
    int depth, fail_at, result;
};

/* The first of three children goes on to the failure, the others to long waits. */
static int nested(void *arg) {
    struct nest here = *(struct nest *)arg;
    begin();
    if (here.depth == here.fail_at) return end(here.result);
    if (here.depth == 0) return end(wait_long(&here));
    here.depth--;
    struct nest below[3] = {here, {here.depth, -1, 0}, {here.depth, -1, 0}};
    gmp_group_t *g = new_group(NULL);
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_group_go(g, nested, &below[i]));
    int code = gmp_group_wait(g, GMP_FOREVER);
    CHECK_CODE(code, here.fail_at >= 0 ? here.result : GMP_ECANCELED);
    return end(code);
}

static void nest(void *arg) {
    (void)arg;
    for (int fail_at = 0; fail_at < 5; fail_at++) {
        struct nest outermost = {4, fail_at, -7700 - fail_at};
        gmp_group_t *g = new_group(NULL);
        CHECK_OK(gmp_group_go(g, nested, &outermost));
        CHECK_CODE(gmp_group_wait(g, SOON()), outermost.result);
        nobody_is_left();
    }
}

SCENARIO(failure_in_a_group_in_a_group_goes_up) { as_thread_and_as_task(nest); }

static int inner_fails(void *arg) {
    begin();
    gmp_group_t *g = new_group(NULL);
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_group_go(g, wait_long, NULL));
    CHECK_OK(gmp_group_go(g, give, (void *)(intptr_t)-7800));
    CHECK_CODE(gmp_group_wait(g, GMP_FOREVER), -7800);
    CHECK_OK(gmp_checkpoint()); /* we are in the outer one, which is well */
    CHECK_OK(gmp_ctx_err(gmp_ctx_current()));
    atomic_fetch_add((atomic_int *)arg, 1);
    return end(0);
}

static void contain(void *arg) {
    atomic_int contained = 0;
    (void)arg;
    gmp_group_t *g = new_group(NULL);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_group_go(g, inner_fails, &contained));
    CHECK_OK(gmp_group_wait(g, SOON()));
    CHECK_EQ(atomic_load(&contained), 10);
    nobody_is_left();
}

SCENARIO(failure_of_an_inner_group_stays_there_if_nobody_passes_it_on) { as_thread_and_as_task(contain); }

/* ------------------------------------------------------------ bad input, and memory */
static void refuse(void *arg) {
    gmp_group_t *g = new_group(NULL);
    (void)arg;
    CHECK_CODE(gmp_group_new(NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_group_go(NULL, give, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_group_go(g, NULL, NULL), GMP_EINVAL);
    CHECK_CODE(gmp_group_wait(NULL, GMP_NOWAIT), GMP_EINVAL);
    CHECK_OK(gmp_group_wait(g, GMP_NOWAIT)); /* the refused one was not counted */
}

SCENARIO(null_is_einval) { as_thread_and_as_task(refuse); }

SCENARIO(groups_that_came_and_went_leave_nothing) {
    check_start(2);
    long before = 0;
    for (int i = 0; i < 60000; i++) {
        gmp_group_t *g = new_group(NULL);
        if (i == 20000) before = check_kilobytes("/proc/self/status", "VmRSS");
        if (i % 4) CHECK_OK(gmp_group_go(g, give, (void *)(intptr_t)(i % 4 - 1)));
        CHECK_CODE(gmp_group_wait(g, SOON()), i % 4 ? i % 4 - 1 : 0);
    }
    CHECK(check_kilobytes("/proc/self/status", "VmRSS") - before < 2048);
    nobody_is_left();
}
