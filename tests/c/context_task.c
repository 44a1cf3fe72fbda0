/* A task's own context: which one it is, who inherits it, and that it lasts as long as the task needs it. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

static gmp_ctx_t *given, *second;
static int key, value;
static atomic_int checked;
static gmp_wg_t group, gate;

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &ctx));
    return ctx;
}

static void spawn_with(gmp_ctx_t *ctx, gmp_task_fn_t fn, void *arg, gmp_task_t **task_out) {
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    CHECK(opts.ctx == NULL);
    opts.ctx = ctx;
    CHECK_OK(gmp_spawn(fn, arg, &opts, task_out));
}

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void run_with(gmp_ctx_t *ctx, gmp_task_fn_t fn, void *arg) {
    gmp_task_t *task;
    spawn_with(ctx, fn, arg, &task);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_IDLE();
}

/* ------------------------------------------------------------ inheritance */
static void has_the_given(void *arg) {
    CHECK(gmp_ctx_current() == (gmp_ctx_t *)arg);
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    CHECK(gmp_ctx_current() == (gmp_ctx_t *)arg);
    atomic_fetch_add(&checked, 1);
}

static void *has_the_given_too(void *arg) {
    has_the_given(arg);
    return arg;
}

static void *inherit(void *arg) {
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK(gmp_ctx_current() == given);
    CHECK_OK(gmp_go(has_the_given, given));
    CHECK_OK(gmp_wg_go(&group, has_the_given, given));
    CHECK_OK(gmp_run(has_the_given, given));
    CHECK_OK(gmp_spawn(has_the_given_too, given, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = "inherits";
    CHECK_OK(gmp_spawn(has_the_given_too, given, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    spawn_with(second, has_the_given_too, second, &task);
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    CHECK(gmp_ctx_current() == given); /* whatever ran on our stack */
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    if (arg) {
        CHECK_OK(gmp_spawn(inherit, (char *)arg - 1, NULL, &task)); /* and so do its children's children */
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    }
    return NULL;
}

SCENARIO(children_inherit_the_given_context) {
    for (int procs = 1; procs <= 2; procs++) {
        gmp_max_procs(procs);
        given = new_ctx(NULL);
        second = new_ctx(NULL);
        atomic_store(&checked, 0);
        run_with(given, inherit, (void *)3);
        CHECK_EQ(atomic_load(&checked), 4 * 6);
        gmp_ctx_free(given);
        gmp_ctx_free(second);
    }
    CHECK(gmp_ctx_current() == NULL);
}

static void *last_user(void *arg) {
    gmp_ctx_t *own = gmp_ctx_current();
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER)); /* until its owner has let go of it */
    CHECK(gmp_ctx_current() == own);
    CHECK(gmp_ctx_value(own, &key) == &value);
    gmp_ctx_t *child = new_ctx(NULL);
    CHECK(gmp_ctx_value(child, &key) == &value);
    gmp_ctx_free(child);
    return arg;
}

SCENARIO(context_lives_as_long_as_a_task_has_it) {
    check_start(2);
    for (int i = 0; i < 1000; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_wg_add(&gate, 1));
        CHECK_OK(gmp_ctx_with_value(NULL, &key, &value, &given));
        spawn_with(given, last_user, NULL, &task);
        gmp_ctx_free(given);
        CHECK_OK(gmp_wg_done(&gate));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
}

static void *nothing(void *arg) { return arg; }

SCENARIO(contexts_of_tasks_that_came_and_went_are_freed) {
    check_start(2);
    long before = 0;
    for (int i = 0; i < 100000; i++) {
        gmp_task_t *task;
        if (i == 20000) before = check_kilobytes("/proc/self/status", "VmRSS");
        given = new_ctx(NULL);
        spawn_with(given, nothing, NULL, i % 2 ? &task : NULL);
        gmp_ctx_free(given);
        if (i % 2) CHECK_OK(gmp_join(task, SOON(), NULL));
    }
    CHECK_IDLE();
    CHECK(check_kilobytes("/proc/self/status", "VmRSS") - before < 2048);
}

/* ------------------------------------------------------------ a task without one */
static void *child_without(void *arg) {
    CHECK(gmp_ctx_current() != NULL);
    CHECK_OK(gmp_ctx_err(gmp_ctx_current()));
    return arg;
}

static void *has_one_of_its_own(void *arg) {
    gmp_ctx_t *own = gmp_ctx_current();
    gmp_task_t *task;
    CHECK(own != NULL);
    CHECK(gmp_ctx_current() == own);
    CHECK_OK(gmp_ctx_err(own));
    CHECK_OK(gmp_ctx_cause(own));
    CHECK_EQ(gmp_ctx_deadline(own), GMP_FOREVER);
    CHECK(gmp_ctx_value(own, &key) == NULL);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(own), NULL, GMP_NOWAIT), GMP_EAGAIN);
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    CHECK(gmp_ctx_current() == own);
    CHECK_OK(gmp_spawn(child_without, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    CHECK(gmp_ctx_current() == own);
    return arg;
}

SCENARIO(task_that_was_given_none_has_one_of_its_own) {
    check_start(2);
    for (int i = 0; i < 1000; i++) run_with(NULL, has_one_of_its_own, NULL);
}

static void *keep_its_own(void *arg) {
    *(gmp_ctx_t **)arg = gmp_ctx_ref(gmp_ctx_current());
    return NULL;
}

SCENARIO(own_context_may_be_kept_after_the_task) {
    gmp_ctx_t *kept = NULL;
    run_with(NULL, keep_its_own, &kept);
    CHECK_OK(gmp_ctx_err(kept));
    CHECK_OK(gmp_ctx_cancel(kept));
    CHECK_CODE(gmp_ctx_err(kept), GMP_ECANCELED);
    gmp_ctx_free(kept);
}

/* ------------------------------------------------------------ parent NULL */
static void *make_from_null(void *arg) {
    gmp_ctx_t *child = new_ctx(NULL), *valued = NULL, *cut = NULL;
    CHECK_OK(gmp_ctx_with_value(NULL, &checked, &checked, &valued));
    CHECK_OK(gmp_ctx_without_cancel(NULL, &cut));
    CHECK(gmp_ctx_value(child, &key) == &value);
    CHECK(gmp_ctx_value(valued, &key) == &value);
    CHECK(gmp_ctx_value(cut, &key) == &value);
    CHECK_OK(gmp_ctx_cancel(given));
    CHECK_CODE(gmp_ctx_err(child), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_err(valued), GMP_ECANCELED);
    CHECK_OK(gmp_ctx_err(cut));
    gmp_ctx_free(cut);
    gmp_ctx_free(valued);
    gmp_ctx_free(child);
    return arg;
}

SCENARIO(parent_null_is_the_own_context_of_the_task) {
    CHECK_OK(gmp_ctx_with_value(NULL, &key, &value, &given));
    run_with(given, make_from_null, NULL);
    gmp_ctx_free(given);
}

static void *deadline_of_the_task(void *arg) {
    gmp_ctx_t *child = new_ctx(NULL);
    CHECK_EQ(gmp_ctx_deadline(gmp_ctx_current()), *(gmp_time_t *)arg);
    CHECK_EQ(gmp_ctx_deadline(child), *(gmp_time_t *)arg);
    gmp_ctx_free(child);
    return NULL;
}

SCENARIO(deadline_of_the_task_holds_for_what_it_makes) {
    gmp_time_t deadline = gmp_after_ns(1000 * SECOND);
    CHECK_OK(gmp_ctx_new(NULL, deadline, &given));
    run_with(given, deadline_of_the_task, &deadline);
    gmp_ctx_free(given);
    no_timer_is_left();
}

/* ------------------------------------------------------------ an ended context */
static void *told_by_every_wait(void *arg) {
    CHECK_CODE(gmp_ctx_err(gmp_ctx_current()), (int)(intptr_t)arg);
    CHECK_CODE(gmp_checkpoint(), GMP_ECANCELED);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    CHECK_OK(gmp_sleep(0));
    CHECK_OK(gmp_sleep(-1));
    CHECK_CODE(gmp_wg_wait(&gate, GMP_FOREVER), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_err(gmp_ctx_current()), (int)(intptr_t)arg);
    return arg;
}

SCENARIO(task_born_with_an_ended_context_runs_and_is_told) {
    CHECK_OK(gmp_wg_add(&gate, 1));
    given = new_ctx(NULL);
    CHECK_OK(gmp_ctx_cancel(given));
    CHECK_OK(gmp_ctx_new(NULL, gmp_now() - 1, &second));
    run_with(given, told_by_every_wait, (void *)(intptr_t)GMP_ECANCELED);
    run_with(second, told_by_every_wait, (void *)(intptr_t)GMP_ETIMEDOUT);
    gmp_ctx_free(given);
    gmp_ctx_free(second);
}

static void *wait_long(void *arg) {
    CHECK_CODE(gmp_sleep(1000 * SECOND), GMP_ECANCELED);
    return arg;
}

SCENARIO(end_of_a_context_reaches_all_its_tasks) {
    enum { MANY = 1000 };
    static gmp_task_t *task[MANY];
    check_start(2);
    given = new_ctx(NULL);
    second = new_ctx(given);
    for (int i = 0; i < MANY; i++) spawn_with(i % 2 ? given : second, wait_long, NULL, &task[i]);
    while (check_stats().tasks_parked != MANY) CHECK_OK(gmp_sleep(100000));
    CHECK_OK(gmp_ctx_cancel(given));
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_join(task[i], SOON(), NULL));
    gmp_ctx_free(given);
    gmp_ctx_free(second);
    no_timer_is_left();
}
