/* gmp_task_cancel: which handles it takes, what it ends, and what it leaves alone. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <pthread.h>

#include "check.h"

static gmp_wg_t gate;
static atomic_int stage;

static void *nothing(void *arg) { return arg; }

static void *sleep_until_told(void *arg) {
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    return arg;
}

static void until(int wanted) {
    while (atomic_load(&stage) != wanted) gmp_yield();
}

static void wait_until(int wanted) {
    gmp_time_t limit = SOON();
    while (atomic_load(&stage) != wanted && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(atomic_load(&stage), wanted);
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

static gmp_task_t *spawn(gmp_task_fn_t fn, void *arg) {
    gmp_task_t *task = NULL;
    CHECK_OK(gmp_spawn(fn, arg, NULL, &task));
    return task;
}

static void join(gmp_task_t *task, void *wanted) {
    void *result = NULL;
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK(result == wanted);
}

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, GMP_FOREVER, &ctx));
    return ctx;
}

/* ------------------------------------------------------------ handles */
static void use_handles(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_task_cancel(NULL), GMP_EINVAL);
    gmp_task_t *task = spawn(nothing, &gate);
    join(task, &gate);
    CHECK_CODE(gmp_task_cancel(task), GMP_EINVAL);
    task = spawn(sleep_until_told, &gate);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_task_cancel(task)); /* again changes nothing */
    join(task, &gate);
    CHECK_CODE(gmp_task_cancel(task), GMP_EINVAL);
    gmp_task_t *next = spawn(nothing, &stage); /* very likely in the record that was */
    CHECK_CODE(gmp_task_cancel(task), GMP_EINVAL);
    join(next, &stage);
    task = spawn(sleep_until_told, NULL);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_task_free(task));
    CHECK_CODE(gmp_task_cancel(task), GMP_EINVAL);
}

SCENARIO(null_and_stale_handles_are_refused) {
    check_start(2);
    use_handles(NULL);
    CHECK_OK(gmp_run(use_handles, NULL));
    CHECK_IDLE();
    CHECK_EQ(check_stats().timers_pending, 0);
}

SCENARIO(ended_task_may_be_cancelled_and_keeps_its_result) {
    check_start(2);
    for (int i = 0; i < 100; i++) {
        gmp_task_t *task = spawn(nothing, &gate);
        CHECK_IDLE();
        CHECK_OK(gmp_task_cancel(task));
        CHECK_OK(gmp_task_cancel(task));
        join(task, &gate);
    }
}

static void *not_cancelled(void *arg) {
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_sleep(1));
    CHECK_OK(gmp_ctx_err(gmp_ctx_current()));
    return arg;
}

SCENARIO(record_of_a_cancelled_task_serves_the_next_one_clean) {
    check_start(1);
    for (int i = 0; i < 1000; i++) {
        gmp_task_t *task = spawn(i % 2 ? nothing : sleep_until_told, NULL);
        CHECK_OK(gmp_task_cancel(task));
        join(task, NULL);
        join(spawn(not_cancelled, &gate), &gate);
    }
}

static _Atomic(gmp_task_t *) published;

static void *cancel_whatever_is_published(void *arg) {
    gmp_task_t *task;
    while ((task = atomic_load(&published)) != NULL) {
        int code = gmp_task_cancel(task);
        CHECK(code == GMP_OK || code == GMP_EINVAL);
    }
    return arg;
}

/* The handle goes stale while somebody cancels by it, and its record already serves another task. */
SCENARIO(cancel_against_join_never_reaches_the_next_task) {
    pthread_t thread;
    check_start(1);
    gmp_task_t *task = spawn(nothing, NULL);
    atomic_store(&published, task);
    CHECK_EQ(pthread_create(&thread, NULL, cancel_whatever_is_published, NULL), 0);
    for (int i = 0; i < 20000; i++) {
        join(task, NULL);
        join(spawn(not_cancelled, &gate), &gate);
        task = spawn(nothing, NULL);
        atomic_store(&published, task);
    }
    atomic_store(&published, NULL);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    join(task, NULL);
}

static void *never_waits(void *arg) {
    until(1);
    CHECK_CODE(gmp_checkpoint(), GMP_ECANCELED);
    return arg;
}

SCENARIO(task_that_does_not_wait_runs_to_its_end) {
    check_start(2);
    gmp_task_t *task = spawn(never_waits, &gate);
    CHECK_OK(gmp_task_cancel(task));
    atomic_store(&stage, 1);
    join(task, &gate);
}

/* ------------------------------------------------------------ before the start, and the task itself */
static void cancel_before_the_start(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        gmp_task_t *task[3];
        for (int j = 0; j < 3; j++) task[j] = spawn(sleep_until_told, &task[j]); /* one processor, and it is ours */
        for (int j = 0; j < 3; j++) CHECK_OK(gmp_task_cancel(task[j]));
        join(task[0], &task[0]); /* with a deadline: it runs on a stack of its own */
        gmp_yield();
        join(task[1], &task[1]);
        void *result = NULL;
        CHECK_OK(gmp_join(task[2], GMP_FOREVER, &result));
        CHECK(result == &task[2]);
    }
    gmp_task_t *task = spawn(sleep_until_told, &gate);
    void *result = NULL;
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result)); /* in place, on our stack: its mark is not ours */
    CHECK(result == &gate);
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_sleep(1));
    CHECK_OK(gmp_ctx_err(gmp_ctx_current()));
}

SCENARIO(task_cancelled_before_its_start_runs_and_its_first_wait_answers) {
    check_start(1);
    CHECK_OK(gmp_run(cancel_before_the_start, NULL));
}

static void *cancel_self(void *arg) {
    until(1); /* our handle is written */
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_task_cancel(*(gmp_task_t **)arg));
    CHECK_CODE(gmp_checkpoint(), GMP_ECANCELED);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    gmp_yield();
    return arg;
}

SCENARIO(task_may_cancel_itself) {
    static gmp_task_t *task;
    check_start(2);
    task = spawn(cancel_self, &task);
    atomic_store(&stage, 1);
    join(task, &task);
}

/* ------------------------------------------------------------ contexts of the cancelled task */
static gmp_ctx_t *given, *made, *made_late;

static void *make_contexts(void *arg) {
    gmp_ctx_t *mine = gmp_ctx_current();
    if (given) CHECK(mine == given);
    made = new_ctx(NULL);
    atomic_store(&stage, 1);
    until(2);
    CHECK_CODE(gmp_ctx_err(gmp_ctx_current()), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_cause(gmp_ctx_current()), GMP_ECANCELED);
    CHECK_CODE(gmp_ctx_err(made), GMP_ECANCELED);
    made_late = new_ctx(NULL);
    CHECK_CODE(gmp_ctx_err(made_late), GMP_ECANCELED);
    CHECK_CODE(gmp_chan_recv(gmp_ctx_done(gmp_ctx_current()), NULL, GMP_NOWAIT), GMP_ECLOSED);
    return arg;
}

static void cancel_a_maker(void) {
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = given;
    atomic_store(&stage, 0);
    CHECK_OK(gmp_spawn(make_contexts, NULL, &opts, &task));
    wait_until(1);
    CHECK_OK(gmp_ctx_err(made));
    CHECK_OK(gmp_task_cancel(task));
    CHECK_CODE(gmp_ctx_err(made), GMP_ECANCELED); /* before the cancel returned */
    atomic_store(&stage, 2);
    join(task, NULL);
    gmp_ctx_free(made);
    gmp_ctx_free(made_late);
}

SCENARIO(contexts_made_in_the_task_end_with_it) {
    check_start(2);
    cancel_a_maker();
    given = new_ctx(NULL);
    cancel_a_maker();
    CHECK_OK(gmp_ctx_err(given)); /* others may use it */
    gmp_ctx_free(given);
}

static void *make_one_and_end(void *arg) {
    *(gmp_ctx_t **)arg = new_ctx(NULL);
    return arg;
}

SCENARIO(contexts_made_in_a_task_outlive_it) {
    check_start(2);
    gmp_task_t *task = spawn(make_one_and_end, &made);
    CHECK_IDLE();
    CHECK_OK(gmp_ctx_err(made)); /* the end of a task is no cancel */
    join(task, &made);
    CHECK_OK(gmp_ctx_err(made));
    CHECK_OK(gmp_ctx_cancel(made));
    CHECK_CODE(gmp_ctx_err(made), GMP_ECANCELED);
    gmp_ctx_free(made);
}

/* ------------------------------------------------------------ relatives */
static void *wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    CHECK_OK(gmp_checkpoint());
    return arg;
}

static void *parent_of_one(void *arg) {
    CHECK(gmp_ctx_current() != NULL); /* from here on it has one of its own */
    gmp_task_t *child = spawn(wait_at_gate, &gate);
    CHECK_CODE(gmp_join(child, SOON(), NULL), GMP_ECANCELED);
    atomic_store(&stage, 1);
    *(gmp_task_t **)arg = child; /* the join had no effect: the handle is good */
    return arg;
}

SCENARIO(children_of_a_cancelled_task_go_on) {
    gmp_task_t *child = NULL;
    check_start(2);
    CHECK_OK(gmp_wg_add(&gate, 1));
    gmp_task_t *task = spawn(parent_of_one, &child);
    wait_parked(2);
    CHECK_OK(gmp_task_cancel(task));
    wait_until(1);
    join(task, &child);
    CHECK_EQ(gmp_num_tasks(), 1);
    CHECK_OK(gmp_wg_done(&gate));
    join(child, &gate);
}

static void *waits_then_reports(void *arg) {
    CHECK_CODE(gmp_wg_wait(&gate, GMP_FOREVER), GMP_ECANCELED);
    return arg;
}

static void *join_in_place(void *arg) {
    void *result = NULL;
    gmp_task_t *child = spawn(waits_then_reports, &gate);
    *(gmp_task_t **)arg = child;
    CHECK_OK(gmp_join(child, GMP_FOREVER, &result)); /* runs below us, and parks there */
    CHECK(result == &gate);
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_sleep(1));
    return arg;
}

SCENARIO(task_that_runs_on_its_joiners_stack_is_cancelled_alone) {
    static gmp_task_t *child;
    check_start(1);
    CHECK_OK(gmp_wg_add(&gate, 1));
    gmp_task_t *task = spawn(join_in_place, &child);
    wait_parked(2);
    CHECK_OK(gmp_task_cancel(child));
    join(task, &child);
}

/* The joiner's frames lie below its child's: it cannot come back before the child, and is told with its next wait. */
static void *join_below(void *arg) {
    void *result = NULL;
    gmp_task_t *child = spawn(wait_at_gate, &gate);
    int code = gmp_join(child, GMP_FOREVER, &result);
    if (code == GMP_ECANCELED) CHECK_OK(gmp_task_free(child)); /* had it been started elsewhere */
    else CHECK(code == GMP_OK && result == &gate);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    return arg;
}

SCENARIO(joiner_below_the_task_that_it_joins_is_told_later) {
    check_start(1);
    CHECK_OK(gmp_wg_add(&gate, 1));
    gmp_task_t *task = spawn(join_below, &gate);
    wait_parked(2);
    CHECK_OK(gmp_task_cancel(task));
    CHECK_OK(gmp_wg_done(&gate));
    join(task, &gate);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ what is done all the same */
static gmp_mutex_t mutex;
static gmp_cond_t cond;
static gmp_once_t once;
static int runs;

static void run_once(void *arg) { *(int *)arg += 1; }

static void *use_what_is_free(void *arg) {
    gmp_task_t *child;
    gmp_wg_t empty = {{0, 0}};
    void *result = NULL;
    int code;
    until(1);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    CHECK_OK(gmp_once_do(&once, run_once, &runs)); /* it does not wait: it runs */
    CHECK_EQ(runs, 1);
    CHECK_OK(gmp_once_do(&once, run_once, &runs));
    CHECK_EQ(runs, 1);
    CHECK_OK(gmp_wg_wait(&empty, GMP_FOREVER));
    CHECK_OK(gmp_wg_go(&empty, run_once, &runs)); /* and may start others */
    while (gmp_wg_wait(&empty, GMP_NOWAIT) == GMP_EAGAIN) gmp_yield();
    CHECK_EQ(runs, 2);
    child = spawn(not_cancelled, &runs); /* who are not cancelled: they have our context and not our mark */
    /* Until it has ended; being counted as ended comes a little before that. */
    while ((code = gmp_join(child, GMP_FOREVER, &result)) == GMP_ECANCELED) gmp_yield();
    CHECK_OK(code);
    CHECK(result == &runs);
    return arg;
}

SCENARIO(cancelled_task_may_do_all_that_does_not_wait) {
    check_start(2);
    gmp_task_t *task = spawn(use_what_is_free, NULL);
    CHECK_OK(gmp_task_cancel(task));
    atomic_store(&stage, 1);
    join(task, NULL);
}

static void *wait_for_cond(void *arg) {
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, GMP_FOREVER), GMP_ECANCELED);
    CHECK_EQ(atomic_load(&stage), 1); /* not before the mutex was let go */
    CHECK_OK(gmp_mutex_unlock(&mutex));
    return arg;
}

SCENARIO(cancelled_cond_wait_still_waits_for_the_mutex) {
    check_start(2);
    for (int i = 0; i < 50; i++) {
        atomic_store(&stage, 0);
        gmp_task_t *task = spawn(wait_for_cond, &gate);
        wait_parked(1);
        CHECK_OK(gmp_mutex_lock(&mutex, SOON()));
        CHECK_OK(gmp_task_cancel(task));
        CHECK_CODE(gmp_join(task, gmp_after_ns(MS), NULL), GMP_ETIMEDOUT);
        atomic_store(&stage, 1);
        CHECK_OK(gmp_mutex_unlock(&mutex));
        join(task, &gate);
    }
}

/* ------------------------------------------------------------ the class is told */
static atomic_int told;
static int user_mark;

static void told_of_cancel(void *user, void *t) {
    CHECK(user == &user_mark);
    CHECK(t == &told);
    atomic_fetch_add(&told, 1);
}

/* A task that ends as soon as it is marked may be gone before its class can be told. */
static void *sleep_until_its_class_is_told(void *arg) {
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    while (atomic_load(&told) == 0) gmp_yield();
    return arg;
}

static void class_is_told(uint32_t flags) {
    gmp_task_class_t class = {.struct_size = sizeof class, .name = "test", .user = &user_mark, .flags = flags};
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    class.cancel = told_of_cancel;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &class;
    opts.class_data = &told;
    check_start(2);
    CHECK_OK(gmp_spawn(sleep_until_its_class_is_told, &gate, &opts, &task));
    wait_parked(1);
    CHECK_EQ(atomic_load(&told), 0);
    CHECK_OK(gmp_task_cancel(task));
    join(task, &gate);
    CHECK_EQ(atomic_load(&told), 1);
    CHECK_OK(gmp_spawn(nothing, &gate, &opts, &task));
    CHECK_IDLE();
    CHECK_OK(gmp_task_cancel(task)); /* it has ended: its class_data may be gone */
    CHECK_EQ(atomic_load(&told), 1);
    join(task, &gate);
    CHECK_OK(gmp_shutdown(SOON()));
}

SCENARIO(class_is_told_of_a_cancel) { class_is_told(0); }
SCENARIO(exclusive_class_is_told_of_a_cancel) { class_is_told(GMP_CLASS_EXCLUSIVE); }
