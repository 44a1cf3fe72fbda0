/* Every call that waits, in a task that is cancelled before or during the wait: GMP_ECANCELED, and nothing happened.
 *
 * One scenario a call. Each goes through every way to cancel a task, with and without a deadline of its own, and then
 * shows that the cancelled task still gets what needs no waiting. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include "check.h"

/* A call that waits. Members that are NULL have nothing to do. */
struct wait {
    void (*make)(void);           /* such that the call has to wait */
    int (*call)(gmp_time_t deadline);
    void (*unchanged)(void);      /* after the cancelled call: it has had no effect */
    void (*allow)(void);          /* such that the call need not wait any more */
    void (*unmake)(void);
    int others;                   /* tasks that are parked beside the waiting one */
    int no_deadline;              /* the call takes none */
    int allowed;                  /* what the call answers when it need not wait */
};

enum { BY_TASK, BY_CONTEXT, BY_PARENT, BY_DEADLINE, WAYS };
enum { READY = 1, CALLING, ANSWERED };

struct attempt {
    const struct wait *wait;
    int way;
    gmp_time_t deadline;
    gmp_sem_t turn;
    atomic_int stage;
    int code;
};

/* Parks until the scenario has done its part; a cancellation is not for this wait. */
static void take_turn(struct attempt *a, int stage) {
    CHECK_EQ(gmp_shield(1), 0);
    atomic_store(&a->stage, stage);
    CHECK_OK(gmp_sem_acquire(&a->turn, 1, GMP_FOREVER));
    CHECK_EQ(gmp_shield(0), 1);
}

static void *attempt(void *arg) {
    struct attempt *a = (struct attempt *)arg;
    const struct wait *w = a->wait;
    take_turn(a, READY);
    atomic_store(&a->stage, CALLING);
    a->code = w->call(a->deadline);
    CHECK_CODE(gmp_ctx_err(gmp_ctx_current()), a->way == BY_DEADLINE ? GMP_ETIMEDOUT : GMP_ECANCELED);
    CHECK_CODE(gmp_checkpoint(), GMP_ECANCELED);
    CHECK_CODE(w->call(a->deadline), GMP_ECANCELED); /* and each time again */
    if (!w->no_deadline) {
        CHECK_CODE(w->call(GMP_NOWAIT), GMP_EAGAIN);
        CHECK_CODE(w->call(gmp_now() - 1), GMP_ETIMEDOUT);
    }
    take_turn(a, ANSWERED);
    if (w->allow) CHECK_CODE(w->call(a->deadline), w->allowed);
    return a;
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

static void wait_stage(struct attempt *a, int stage) {
    gmp_time_t limit = SOON();
    while (atomic_load(&a->stage) != stage && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(atomic_load(&a->stage), stage);
    wait_parked(1 + a->wait->others);
}

static void give_turn(struct attempt *a) { CHECK_OK(gmp_sem_release(&a->turn, 1)); }

/* A task that has ended lets go of its context a moment after its join has answered. */
static void no_timer_is_left(void) {
    gmp_time_t limit = SOON();
    while (check_stats().timers_pending != 0 && gmp_now() < limit) CHECK_OK(gmp_sleep(20000));
    CHECK_EQ(check_stats().timers_pending, 0);
}

static gmp_ctx_t *new_ctx(gmp_ctx_t *parent, gmp_time_t deadline) {
    gmp_ctx_t *ctx = NULL;
    CHECK_OK(gmp_ctx_new(parent, deadline, &ctx));
    return ctx;
}

static void cancel(int way, gmp_task_t *task, gmp_ctx_t *ctx, gmp_ctx_t *parent) {
    if (way == BY_TASK) CHECK_OK(gmp_task_cancel(task));
    if (way == BY_CONTEXT) CHECK_OK(gmp_ctx_cancel(ctx));
    if (way == BY_PARENT) CHECK_OK(gmp_ctx_cancel_cause(parent, GMP_EPIPE));
    /* BY_DEADLINE it comes by itself. */
}

static void try_one(const struct wait *w, int way, int during, gmp_time_t deadline) {
    struct attempt a = {.wait = w, .way = way, .deadline = deadline};
    gmp_ctx_t *parent = new_ctx(NULL, GMP_FOREVER);
    gmp_ctx_t *ctx = new_ctx(parent, way == BY_DEADLINE ? gmp_after_ns(during ? 3 * MS : 0) : GMP_FOREVER);
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.ctx = way == BY_TASK ? NULL : ctx;
    if (w->make) w->make();
    CHECK_OK(gmp_spawn(attempt, &a, &opts, &task));
    wait_stage(&a, READY);
    if (during) {
        give_turn(&a);
        if (way != BY_DEADLINE) wait_stage(&a, CALLING);
    }
    cancel(way, task, ctx, parent);
    if (!during) give_turn(&a);
    wait_stage(&a, ANSWERED);
    CHECK_CODE(a.code, GMP_ECANCELED);
    if (w->unchanged) w->unchanged();
    if (w->allow) w->allow();
    give_turn(&a);
    CHECK_OK(gmp_join(task, SOON(), NULL));
    if (w->unmake) w->unmake();
    CHECK_IDLE();
    gmp_ctx_free(ctx);
    gmp_ctx_free(parent);
    no_timer_is_left();
}

static void try_all(const struct wait *w) {
    static int started;
    if (!started++) check_start(2);
    for (int way = 0; way < WAYS; way++) {
        for (int during = 0; during < 2; during++) {
            try_one(w, way, during, GMP_FOREVER);
            try_one(w, way, during, gmp_after_ns(3600 * SECOND));
        }
    }
}

/* ------------------------------------------------------------ channels */
static gmp_chan_t *chan, *other;

static void receive_42(void *arg) {
    int value = 0;
    (void)arg;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    CHECK_EQ(value, 42);
}

static void send_42(void *arg) {
    int value = 42;
    (void)arg;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
}

static void make_unbuffered(void) {
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &other));
}

static void free_both(void) {
    gmp_chan_free(chan);
    gmp_chan_free(other);
}

static int call_send(gmp_time_t deadline) {
    int value = 42;
    return gmp_chan_send(chan, &value, deadline);
}

static int call_recv(gmp_time_t deadline) {
    int value = 4711;
    int code = gmp_chan_recv(chan, &value, deadline);
    CHECK_EQ(value, code == GMP_OK ? 42 : 4711);
    return code;
}

static void nobody_waits(void) {
    int value = 7;
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_recv(other, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_chan_send(other, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_EQ(value, 7);
}

static void a_receiver_waits(void) {
    CHECK_OK(gmp_go(receive_42, NULL));
    wait_parked(2);
}

static void a_sender_waits(void) {
    CHECK_OK(gmp_go(send_42, NULL));
    wait_parked(2);
}

SCENARIO(chan_send) {
    try_all(&(struct wait){make_unbuffered, call_send, nobody_waits, a_receiver_waits, free_both, 0, 0, GMP_OK});
}

SCENARIO(chan_recv) {
    try_all(&(struct wait){make_unbuffered, call_recv, nobody_waits, a_sender_waits, free_both, 0, 0, GMP_OK});
}

static void make_full(void) {
    int value = 1;
    CHECK_OK(gmp_chan_new(sizeof(int), 2, &chan));
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    value = 2;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    other = NULL;
}

static void takes_out(int wanted, size_t left) {
    int value = 0;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_NOWAIT));
    CHECK_EQ(value, wanted);
    CHECK_EQ(gmp_chan_len(chan), left); /* no sender was left behind that would have moved up */
}

static void still_full(void) { CHECK_EQ(gmp_chan_len(chan), 2); }
static void make_room(void) { takes_out(1, 1); }

static void holds_2_and_42(void) {
    takes_out(2, 1);
    takes_out(42, 0);
    free_both();
}

SCENARIO(chan_send_to_a_full_one) {
    try_all(&(struct wait){make_full, call_send, still_full, make_room, holds_2_and_42, 0, 0, GMP_OK});
}

static void make_empty(void) {
    CHECK_OK(gmp_chan_new(sizeof(int), 2, &chan));
    other = NULL;
}

static void fill(void) {
    int value = 42;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    CHECK_EQ(gmp_chan_len(chan), 1);
}

static void close_it(void) { CHECK_OK(gmp_chan_close(chan)); }

static int call_recv_nothing(gmp_time_t deadline) { return gmp_chan_recv(chan, NULL, deadline); }

SCENARIO(chan_recv_from_an_empty_one) {
    try_all(&(struct wait){make_empty, call_recv, NULL, fill, free_both, 0, 0, GMP_OK});
    try_all(&(struct wait){make_empty, call_recv_nothing, NULL, fill, free_both, 0, 0, GMP_OK});
}

SCENARIO(chan_operations_that_a_close_allows) {
    try_all(&(struct wait){make_full, call_send, still_full, close_it, free_both, 0, 0, GMP_ECLOSED});
    try_all(&(struct wait){make_empty, call_recv_nothing, NULL, close_it, free_both, 0, 0, GMP_ECLOSED});
}

static int call_send_null(gmp_time_t deadline) { return gmp_chan_send(NULL, &chan, deadline); }
static int call_recv_null(gmp_time_t deadline) { return gmp_chan_recv(NULL, &chan, deadline); }

SCENARIO(chan_operations_on_null) {
    try_all(&(struct wait){.call = call_send_null});
    try_all(&(struct wait){.call = call_recv_null});
}

/* ------------------------------------------------------------ select */
static int call_select(gmp_time_t deadline) {
    int in = 4711, out = 42;
    size_t chosen = 99;
    gmp_case_t cases[] = {
        {GMP_CASE_RECV, 0, NULL, &in},
        {GMP_CASE_SEND, 0, chan, &out},
        {GMP_CASE_RECV, 0, other, &in},
        {GMP_CASE_RECV, 0, other, &in}, /* the same channel twice */
    };
    int code = gmp_select(cases, 4, deadline, &chosen);
    CHECK_EQ(in, 4711);
    if (code != GMP_OK) CHECK_EQ(chosen, 99);
    if (code == GMP_OK) CHECK_EQ(chosen, 1);
    return code;
}

static int call_select_of_one(gmp_time_t deadline) {
    int in = 4711;
    gmp_case_t one = {GMP_CASE_RECV, 0, chan, &in};
    int code = gmp_select(&one, 1, deadline, NULL);
    CHECK_EQ(in, code == GMP_OK ? 42 : 4711);
    return code;
}

static int call_wide_select(gmp_time_t deadline) {
    enum { WIDE = 300 };
    int out = 42;
    gmp_case_t cases[WIDE];
    for (int i = 0; i < WIDE; i++) {
        cases[i] = (gmp_case_t){i % 2 ? GMP_CASE_SEND : GMP_CASE_RECV, 0, i % 2 ? chan : other, i % 2 ? &out : NULL};
    }
    return gmp_select(cases, WIDE, deadline, NULL);
}

static int call_select_of_none(gmp_time_t deadline) { return gmp_select(NULL, 0, deadline, NULL); }

static int call_select_of_nulls(gmp_time_t deadline) {
    gmp_case_t cases[] = {{GMP_CASE_RECV, 0, NULL, NULL}, {GMP_CASE_RECV, 0, NULL, NULL}};
    return gmp_select(cases, 2, deadline, NULL);
}

SCENARIO(select_of_some) {
    try_all(&(struct wait){make_unbuffered, call_select, nobody_waits, a_receiver_waits, free_both, 0, 0, GMP_OK});
    try_all(&(struct wait){make_unbuffered, call_select_of_one, nobody_waits, a_sender_waits, free_both, 0, 0, GMP_OK});
}

SCENARIO(select_of_many) {
    try_all(&(struct wait){make_unbuffered, call_wide_select, nobody_waits, a_receiver_waits, free_both, 0, 0, GMP_OK});
}

SCENARIO(select_of_nothing) {
    try_all(&(struct wait){.call = call_select_of_none});
    try_all(&(struct wait){.call = call_select_of_nulls});
}

/* ------------------------------------------------------------ join, sleep */
static gmp_task_t *target;
static gmp_wg_t gate;
static int target_joined;

static void *wait_at_gate(void *arg) {
    CHECK_OK(gmp_wg_wait(&gate, GMP_FOREVER));
    return arg;
}

static void make_target(void) {
    target_joined = 0;
    CHECK_OK(gmp_wg_add(&gate, 1));
    CHECK_OK(gmp_spawn(wait_at_gate, &gate, NULL, &target));
    wait_parked(1);
}

static int call_join(gmp_time_t deadline) {
    void *result = NULL;
    int code = gmp_join(target, deadline, &result);
    CHECK(result == (code == GMP_OK ? &gate : NULL));
    target_joined = code == GMP_OK;
    return code;
}

static void target_goes_on(void) {
    CHECK(gmp_task_id(target) != 0);
    CHECK_CODE(gmp_join(target, GMP_NOWAIT, NULL), GMP_EAGAIN); /* the handle is good, and nobody else joins */
}

static void end_target(void) {
    CHECK_OK(gmp_wg_done(&gate));
    wait_parked(1);
}

static void target_was_joined(void) { CHECK(target_joined); }

SCENARIO(join) {
    try_all(&(struct wait){make_target, call_join, target_goes_on, end_target, target_was_joined, 1, 0, GMP_OK});
}

static int long_sleep = 1;

static int call_sleep(gmp_time_t deadline) {
    if (!long_sleep) return gmp_sleep(deadline == GMP_FOREVER ? 0 : INT64_MIN);
    return gmp_sleep(deadline == GMP_FOREVER ? INT64_MAX : 3600 * SECOND);
}

static void sleep_long(void) { long_sleep = 1; }
static void sleep_short(void) { long_sleep = 0; }

SCENARIO(sleep_of_any_length) {
    try_all(&(struct wait){sleep_long, call_sleep, NULL, sleep_short, NULL, 0, 1, GMP_OK});
}

/* ------------------------------------------------------------ locks */
static gmp_mutex_t mutex;
static gmp_rwlock_t lock;

static void hold_mutex(void) { CHECK_OK(gmp_mutex_lock(&mutex, GMP_NOWAIT)); }
static void let_go_of_mutex(void) { CHECK_OK(gmp_mutex_unlock(&mutex)); }
static void mutex_is_free(void) { CHECK_CODE(gmp_mutex_unlock(&mutex), GMP_EMISUSE); }

static int call_lock(gmp_time_t deadline) {
    int code = gmp_mutex_lock(&mutex, deadline);
    if (code == GMP_OK) CHECK_OK(gmp_mutex_unlock(&mutex));
    return code;
}

SCENARIO(mutex_lock) {
    try_all(&(struct wait){hold_mutex, call_lock, NULL, let_go_of_mutex, mutex_is_free, 0, 0, GMP_OK});
}

static int call_rdlock(gmp_time_t deadline) {
    int code = gmp_rwlock_rdlock(&lock, deadline);
    if (code == GMP_OK) CHECK_OK(gmp_rwlock_rdunlock(&lock));
    return code;
}

static int call_wrlock(gmp_time_t deadline) {
    int code = gmp_rwlock_wrlock(&lock, deadline);
    if (code == GMP_OK) CHECK_OK(gmp_rwlock_wrunlock(&lock));
    return code;
}

static void hold_write(void) { CHECK_OK(gmp_rwlock_wrlock(&lock, GMP_NOWAIT)); }
static void hold_read(void) { CHECK_OK(gmp_rwlock_rdlock(&lock, GMP_NOWAIT)); }
static void let_go_of_write(void) { CHECK_OK(gmp_rwlock_wrunlock(&lock)); }
static void let_go_of_read(void) { CHECK_OK(gmp_rwlock_rdunlock(&lock)); }

static void readers_are_let_in(void) { /* a writer that waits keeps them out; one that gave up does not */
    hold_read();
    let_go_of_read();
}

static void rwlock_is_free(void) {
    hold_write();
    let_go_of_write();
    CHECK_CODE(gmp_rwlock_rdunlock(&lock), GMP_EMISUSE);
}

SCENARIO(rwlock_rdlock) {
    try_all(&(struct wait){hold_write, call_rdlock, NULL, let_go_of_write, rwlock_is_free, 0, 0, GMP_OK});
}

SCENARIO(rwlock_wrlock) {
    try_all(&(struct wait){hold_read, call_wrlock, readers_are_let_in, let_go_of_read, rwlock_is_free, 0, 0, GMP_OK});
    try_all(&(struct wait){hold_write, call_wrlock, NULL, let_go_of_write, rwlock_is_free, 0, 0, GMP_OK});
}

/* ------------------------------------------------------------ cond, wait group, once, semaphore */
static gmp_cond_t cond;

static int call_cond_wait(gmp_time_t deadline) {
    gmp_time_t limit = SOON();
    int held = GMP_EAGAIN; /* a cancelled task cannot wait for the mutex, only try */
    while (held == GMP_EAGAIN && gmp_now() < limit) {
        held = gmp_mutex_trylock(&mutex);
        if (held == GMP_EAGAIN) gmp_yield();
    }
    CHECK_OK(held);
    int code = gmp_cond_wait(&cond, &mutex, deadline);
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_unlock(&mutex)); /* held again, whatever the answer */
    return code;
}

SCENARIO(cond_wait) { try_all(&(struct wait){.call = call_cond_wait, .unmake = mutex_is_free}); }

static void add_one(void) { CHECK_OK(gmp_wg_add(&gate, 1)); }
static void take_one(void) { CHECK_OK(gmp_wg_done(&gate)); }
static void count_is_one(void) { CHECK_CODE(gmp_wg_add(&gate, -2), GMP_EMISUSE); }
static int call_wg_wait(gmp_time_t deadline) { return gmp_wg_wait(&gate, deadline); }

SCENARIO(wg_wait) { try_all(&(struct wait){add_one, call_wg_wait, count_is_one, take_one, NULL, 0, 0, GMP_OK}); }

static gmp_once_t once;
static atomic_int once_runs;

static void once_fn(void *arg) {
    atomic_fetch_add(&once_runs, 1);
    wait_at_gate(arg);
}

static void first_once(void *arg) { CHECK_OK(gmp_once_do(&once, once_fn, arg)); }
static int call_once(gmp_time_t deadline) { return (void)deadline, gmp_once_do(&once, once_fn, NULL); }

static void make_once(void) {
    memset(&once, 0, sizeof once);
    atomic_store(&once_runs, 0);
    add_one();
    CHECK_OK(gmp_go(first_once, NULL));
    wait_parked(1);
}

static void ran_once(void) { CHECK_EQ(atomic_load(&once_runs), 1); }

SCENARIO(once_do) { try_all(&(struct wait){make_once, call_once, ran_once, end_target, ran_once, 1, 1, GMP_OK}); }

static gmp_sem_t sem;

static void two_units(void) { CHECK_OK(gmp_sem_release(&sem, 2)); }
static void one_more(void) { CHECK_OK(gmp_sem_release(&sem, 1)); }
static int call_acquire(gmp_time_t deadline) { return gmp_sem_acquire(&sem, 3, deadline); }
static void none_is_left(void) { CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN); }

static void still_two(void) { /* none was taken, and nobody is served before us */
    CHECK_OK(gmp_sem_acquire(&sem, 2, GMP_NOWAIT));
    none_is_left();
    two_units();
}

SCENARIO(sem_acquire) {
    try_all(&(struct wait){two_units, call_acquire, still_two, one_more, none_is_left, 0, 0, GMP_OK});
}
