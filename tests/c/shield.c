/* gmp_shield: a section in which waits ignore cancellation. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

static gmp_wg_t gate;
static gmp_chan_t *chan;
static atomic_int stage;

static void until(int wanted) {
    while (atomic_load(&stage) != wanted) gmp_yield();
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

static gmp_task_t *spawn(gmp_task_fn_t fn, void *arg, gmp_ctx_t *ctx) {
    gmp_task_t *task = NULL;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = ctx;
    CHECK_OK(gmp_spawn(fn, arg, &opts, &task));
    return task;
}

static void join(gmp_task_t *task, void *wanted) {
    void *result = NULL;
    CHECK_OK(gmp_join(task, SOON(), &result));
    CHECK(result == wanted);
}

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static void *nothing(void *arg) { return arg; }

/* ------------------------------------------------------------ the state */
static void turn_it(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_shield(0), 0);
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_EQ(gmp_shield(1), 1);
    gmp_yield();
    CHECK_OK(gmp_sleep(1000));
    CHECK_EQ(gmp_shield(0), 1); /* a state and no depth */
    CHECK_EQ(gmp_shield(0), 0);
    CHECK_EQ(gmp_shield(1), 0); /* left on at the end */
}

SCENARIO(shield_gives_the_previous_state) {
    check_start(1);
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_run(turn_it, NULL)); /* each task begins without */
}

SCENARIO(shield_outside_a_task_is_eperm) {
    CHECK_CODE(gmp_shield(1), GMP_EPERM);
    CHECK_CODE(gmp_shield(0), GMP_EPERM);
    check_start(1);
    CHECK_CODE(gmp_shield(1), GMP_EPERM);
}

/* ------------------------------------------------------------ waits in it */
struct shielded {
    int err; /* of its context */
    gmp_task_t *other;
};

static void *wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return arg;
}

static void no_op(void *arg) { (void)arg; }

/* Each call waits for something that is to come; none sees the cancellation. */
static void waits_go_through(struct shielded *s) {
    static gmp_mutex_t mutex;
    static gmp_once_t once;
    static gmp_sem_t sem;
    gmp_cond_t cond = {{0, 0}};
    gmp_case_t one = {GMP_CASE_RECV, 0, chan, NULL};
    int value = 0;
    CHECK_OK(gmp_checkpoint());
    CHECK_OK(gmp_sleep(MS));
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    CHECK_OK(gmp_select(&one, 1, SOON(), NULL));
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    join(s->other, &gate);
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_CODE(gmp_cond_wait(&cond, &mutex, gmp_after_ns(MS)), GMP_ETIMEDOUT); /* a deadline counts all the same */
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_once_do(&once, no_op, NULL));
    CHECK_CODE(gmp_sem_acquire(&sem, 1, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(NULL, NULL, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_chan_recv(NULL, NULL, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_ctx_err(gmp_ctx_current()), s->err); /* it is not hidden */
}

static void *run_shielded(void *arg) {
    struct shielded *s = (struct shielded *)arg;
    until(1);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    CHECK_EQ(gmp_shield(1), 0);
    atomic_store(&stage, 2);
    waits_go_through(s);
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_checkpoint(), GMP_ECANCELED);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_FOREVER), GMP_ECANCELED);
    return arg;
}

static void try_shielded(int by_task, int deadline) {
    struct shielded s = {deadline ? GMP_ETIMEDOUT : GMP_ECANCELED, NULL};
    gmp_ctx_t *ctx = NULL;
    gmp_time_t limit = SOON();
    int value = 42;
    atomic_store(&stage, 0);
    CHECK_OK(gmp_ctx_new(NULL, deadline ? gmp_after_ns(MS) : GMP_FOREVER, &ctx));
    CHECK_OK(gmp_chan_new(sizeof value, 0, &chan));
    CHECK_OK(gmp_wg_add(&gate, 1));
    s.other = spawn(wait_at_gate, &gate, NULL);
    gmp_task_t *task = spawn(run_shielded, &s, by_task ? NULL : ctx);
    if (by_task) CHECK_OK(gmp_task_cancel(task));
    if (!by_task && !deadline) CHECK_OK(gmp_ctx_cancel(ctx));
    while (deadline && gmp_ctx_err(ctx) == GMP_OK && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    atomic_store(&stage, 1);
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    wait_parked(2);
    if (by_task) CHECK_OK(gmp_task_cancel(task)); /* while it waits: as little */
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    wait_parked(2);
    CHECK_OK(gmp_wg_done(&gate));
    join(task, &s);
    gmp_chan_free(chan);
    gmp_ctx_free(ctx);
    no_timer_is_left();
}

SCENARIO(waits_in_the_shield_ignore_every_cancellation) {
    check_start(2);
    for (int i = 0; i < 20; i++) {
        try_shielded(1, 0);
        try_shielded(0, 0);
        try_shielded(0, 1);
    }
}

static void *wait_shielded_twice(void *arg) {
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_OK(gmp_chan_recv(chan, NULL, GMP_FOREVER)); /* the cancel comes here */
    CHECK_OK(gmp_chan_recv(chan, NULL, GMP_FOREVER));
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_FOREVER), GMP_ECANCELED);
    return arg;
}

SCENARIO(cancellation_during_a_shielded_wait_is_told_after_the_shield) {
    check_start(2);
    for (int by_ctx = 0; by_ctx < 2; by_ctx++) {
        gmp_ctx_t *ctx = NULL;
        CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
        CHECK_OK(gmp_chan_new(0, 0, &chan));
        gmp_task_t *task = spawn(wait_shielded_twice, &gate, ctx);
        wait_parked(1);
        CHECK_OK(by_ctx ? gmp_ctx_cancel(ctx) : gmp_task_cancel(task));
        CHECK_CODE(gmp_join(task, gmp_after_ns(MS), NULL), GMP_ETIMEDOUT);
        wait_parked(1);
        CHECK_OK(gmp_chan_send(chan, NULL, SOON()));
        CHECK_OK(gmp_chan_send(chan, NULL, SOON()));
        join(task, &gate);
        gmp_chan_free(chan);
        gmp_ctx_free(ctx);
    }
}

/* ------------------------------------------------------------ whose it is */
static void *without_shield(void *arg) {
    CHECK_EQ(gmp_shield(0), 0);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    return arg;
}

static void *with_shield(void *arg) {
    gmp_shield(1);
    CHECK_OK(gmp_sleep(1000));
    return arg;
}

static void *spawn_in_shield(void *arg) {
    void *result = NULL;
    CHECK_OK(gmp_ctx_cancel(gmp_ctx_current()));
    CHECK_EQ(gmp_shield(1), 0);
    join(spawn(without_shield, &gate, NULL), &gate);
    CHECK_OK(gmp_join(spawn(without_shield, &gate, NULL), GMP_FOREVER, &result)); /* in place, maybe */
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_OK(gmp_join(spawn(with_shield, &gate, NULL), GMP_FOREVER, &result));
    CHECK_EQ(gmp_shield(0), 1);
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED); /* the child's shield was not ours */
    return arg;
}

SCENARIO(shield_belongs_to_one_task) {
    for (int procs = 1; procs <= 2; procs++) {
        gmp_ctx_t *ctx = NULL;
        gmp_max_procs(procs);
        CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &ctx));
        join(spawn(spawn_in_shield, ctx, ctx), ctx);
        gmp_ctx_free(ctx);
    }
}

/* ------------------------------------------------------------ what it is for */
static atomic_int cleaned;

static void clean_up(void *arg) {
    CHECK_EQ(gmp_shield(1), 0);
    CHECK_OK(gmp_sleep(MS));
    CHECK_OK(gmp_chan_send((gmp_chan_t *)arg, NULL, GMP_FOREVER));
    atomic_fetch_add(&cleaned, 1);
}

static void *work_until_cancelled(void *arg) {
    CHECK_OK(gmp_defer(clean_up, arg));
    CHECK_CODE(gmp_sleep(3600 * SECOND), GMP_ECANCELED);
    return NULL;
}

SCENARIO(deferred_clean_up_may_wait_in_a_shield) {
    enum { MANY = 100 };
    gmp_task_t *task[MANY];
    check_start(2);
    CHECK_OK(gmp_chan_new(0, 0, &chan));
    for (int i = 0; i < MANY; i++) task[i] = spawn(work_until_cancelled, chan, NULL);
    wait_parked(MANY);
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_task_cancel(task[i]));
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_chan_recv(chan, NULL, SOON()));
    for (int i = 0; i < MANY; i++) join(task[i], NULL);
    CHECK_EQ(atomic_load(&cleaned), MANY);
    gmp_chan_free(chan);
}

static void *leave_a_shield(void *arg) {
    gmp_shield(1);
    gmp_exit();
    return arg;
}

static void *plain_wait(void *arg) {
    CHECK_CODE(gmp_sleep(SECOND), GMP_ECANCELED);
    return arg;
}

SCENARIO(shield_ends_with_its_task) {
    check_start(1);
    for (int i = 0; i < 100; i++) {
        gmp_task_t *task = spawn(leave_a_shield, NULL, NULL);
        CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_EPANIC);
        task = spawn(plain_wait, &gate, NULL); /* in the record that was */
        CHECK_OK(gmp_task_cancel(task));
        join(task, &gate);
    }
    join(spawn(nothing, &gate, NULL), &gate);
}
