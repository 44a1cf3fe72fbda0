/* What a fork's child finds of the parent's: handles and objects that answer GMP_EFORKED, whatever somebody was doing with them,
 * keys and getters that go on working, memory that may be given up. */
#include <sys/wait.h>

#include "check.h"

static atomic_int ran;

static void nothing(void *arg) { (void)arg; }
static void *nothing_much(void *arg) { return arg; }
static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

/* Runs `body` in a child, which must end well. */
static void in_child(void (*body)(void)) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        alarm(30);
        body();
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

/* ------------------------------------------------------------ tasks */
static gmp_task_t *ended, *parked, *joined;
static gmp_chan_t *never;

static void *wait_for_it(void *arg) {
    long value;
    (void)gmp_chan_recv(never, &value, GMP_FOREVER);
    return arg;
}

static void tasks_are_forked(void) {
    gmp_task_t *all[] = {ended, parked, joined};
    for (int round = 0; round < 2; round++) { /* without a runtime, and with the child's own */
        for (int i = 0; i < 3; i++) {
            CHECK_CODE(gmp_join(all[i], GMP_FOREVER, NULL), GMP_EFORKED);
            CHECK_CODE(gmp_join(all[i], GMP_NOWAIT, NULL), GMP_EFORKED);
            CHECK_CODE(gmp_task_cancel(all[i]), GMP_EFORKED);
            CHECK_CODE(gmp_task_free(all[i]), GMP_EFORKED);
            CHECK_EQ(gmp_task_id(all[i]), 0);
        }
        CHECK_OK(gmp_run(nothing, NULL));
    }
    gmp_task_t *own;
    CHECK_OK(gmp_spawn(nothing_much, NULL, NULL, &own));
    CHECK_OK(gmp_join(own, GMP_FOREVER, NULL));
    CHECK_CODE(gmp_join(own, GMP_FOREVER, NULL), GMP_EINVAL);
}

SCENARIO(tasks_of_the_parent_answer_eforked) {
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof(long), 0, &never));
    CHECK_OK(gmp_spawn(nothing_much, NULL, NULL, &ended));
    CHECK_OK(gmp_spawn(nothing_much, NULL, NULL, &joined));
    CHECK_OK(gmp_join(joined, SOON(), NULL));
    CHECK_OK(gmp_spawn(wait_for_it, NULL, NULL, &parked));
    in_child(tasks_are_forked);
    CHECK_OK(gmp_chan_close(never));
    CHECK_OK(gmp_join(parked, SOON(), NULL));
    CHECK_OK(gmp_join(ended, SOON(), NULL));
}

/* ------------------------------------------------------------ channels */
static gmp_chan_t *empty, *full, *closed, *awaited;

static void receive(void *arg) {
    long value;
    (void)arg;
    (void)gmp_chan_recv(awaited, &value, GMP_FOREVER);
}

static void channels_are_forked(void) {
    gmp_chan_t *all[] = {empty, full, closed, awaited};
    gmp_time_t deadlines[] = {GMP_NOWAIT, GMP_FOREVER, gmp_after_ns(MS)};
    long value = 1;
    size_t chosen;
    for (int i = 0; i < 4; i++) {
        for (int d = 0; d < 3; d++) {
            CHECK_CODE(gmp_chan_send(all[i], &value, deadlines[d]), GMP_EFORKED);
            CHECK_CODE(gmp_chan_recv(all[i], &value, deadlines[d]), GMP_EFORKED);
            gmp_case_t cases[] = {{GMP_CASE_SEND, 0, all[i], &value}, {GMP_CASE_RECV, 0, NULL, &value}};
            CHECK_CODE(gmp_select(cases, 2, deadlines[d], &chosen), GMP_EFORKED);
            cases[0].op = GMP_CASE_RECV;
            CHECK_CODE(gmp_select(cases, 2, deadlines[d], &chosen), GMP_EFORKED);
        }
        CHECK_CODE(gmp_chan_close(all[i]), GMP_EFORKED);
    }
    CHECK_EQ(value, 1);
    CHECK_EQ(gmp_chan_cap(full), 1);
    CHECK_EQ(gmp_chan_len(full), 1);
    for (int i = 0; i < 4; i++) {
        gmp_chan_free(gmp_chan_ref(all[i]));
        gmp_chan_free(all[i]);
    }
}

static void channels_are_forked_for_tasks_too(void *arg) {
    (void)arg;
    channels_are_forked();
}

static void channels_in_a_task(void) { CHECK_OK(gmp_run(channels_are_forked_for_tasks_too, NULL)); }

SCENARIO(channels_of_the_parent_answer_eforked) {
    long value = 7;
    check_start(2);
    CHECK_OK(gmp_chan_new(sizeof value, 1, &empty));
    CHECK_OK(gmp_chan_new(sizeof value, 1, &full));
    CHECK_OK(gmp_chan_new(sizeof value, 1, &closed));
    CHECK_OK(gmp_chan_new(sizeof value, 0, &awaited));
    CHECK_OK(gmp_chan_send(full, &value, GMP_NOWAIT));
    CHECK_OK(gmp_chan_close(closed));
    CHECK_OK(gmp_go(receive, NULL));
    while (check_stats().tasks_parked != 1) gmp_yield();
    in_child(channels_are_forked);
    in_child(channels_in_a_task);
    CHECK_OK(gmp_chan_send(awaited, &value, SOON()));
    CHECK_OK(gmp_chan_recv(full, &value, GMP_NOWAIT));
    CHECK_EQ(value, 7);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ timers */
static gmp_timer_t *func, *once, *ticker;

static void timers_are_forked(void) {
    gmp_timer_t *all[] = {func, once, ticker};
    gmp_time_t when;
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(gmp_timer_reset(all[i], MS), GMP_EFORKED);
        CHECK_CODE(gmp_timer_stop(all[i]), GMP_EFORKED);
    }
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_CODE(gmp_chan_recv(gmp_timer_channel(once), &when, GMP_FOREVER), GMP_EFORKED);
    CHECK_CODE(gmp_chan_recv(gmp_timer_channel(ticker), &when, GMP_FOREVER), GMP_EFORKED);
    for (int i = 0; i < 3; i++) gmp_timer_free(all[i]);
    CHECK_OK(gmp_timer_chan(MS, &once));
    CHECK_OK(gmp_chan_recv(gmp_timer_channel(once), &when, SOON()));
    gmp_timer_free(once);
    CHECK_OK(gmp_sleep(5 * MS)); /* the parent's function would have run by now */
    CHECK_EQ(atomic_load(&ran), 0);
}

SCENARIO(timers_of_the_parent_answer_eforked_and_never_fire) {
    check_start(2);
    CHECK_OK(gmp_timer_func(3 * MS, count, NULL, &func));
    CHECK_OK(gmp_timer_chan(3 * MS, &once));
    CHECK_OK(gmp_ticker_new(3 * MS, &ticker));
    in_child(timers_are_forked);
    gmp_time_t when;
    CHECK_OK(gmp_chan_recv(gmp_timer_channel(once), &when, SOON()));
    while (atomic_load(&ran) == 0) CHECK_OK(gmp_sleep(MS));
    gmp_timer_free(func);
    gmp_timer_free(once);
    gmp_timer_free(ticker);
}

/* ------------------------------------------------------------ contexts, hooks, groups */
static gmp_ctx_t *context, *below, *timed;
static gmp_ctx_hook_t *hook;
static gmp_chan_t *done;
static gmp_group_t *group;
static const int key = 0;

static int nothing_at_all(void *arg) {
    (void)arg;
    return 0;
}

static void contexts_are_forked(void) {
    gmp_ctx_t *all[] = {context, below, timed}, *made = NULL;
    gmp_ctx_hook_t *made_hook;
    gmp_spawn_opts_t opts;
    for (int i = 0; i < 3; i++) {
        CHECK_CODE(gmp_ctx_err(all[i]), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_cause(all[i]), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_cancel(all[i]), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_cancel_cause(all[i], -5000), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_new(all[i], GMP_FOREVER, &made), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_with_value(all[i], &key, NULL, &made), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_without_cancel(all[i], &made), GMP_EFORKED);
        CHECK_CODE(gmp_ctx_after_func(all[i], nothing, NULL, &made_hook), GMP_EFORKED);
        CHECK(made == NULL);
        CHECK(gmp_ctx_done(all[i]) != NULL);
        CHECK(gmp_ctx_done(all[i]) == gmp_ctx_done(all[i]));
        CHECK_CODE(gmp_chan_recv(gmp_ctx_done(all[i]), NULL, GMP_FOREVER), GMP_EFORKED);
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.ctx = all[i];
        CHECK_CODE(gmp_spawn(nothing_much, NULL, &opts, NULL), GMP_EFORKED);
    }
    CHECK(gmp_ctx_done(context) == done);
    CHECK(gmp_ctx_value(below, &key) == &key);
    CHECK(gmp_ctx_deadline(timed) != GMP_FOREVER);
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_CODE(gmp_ctx_hook_stop(hook), GMP_EFORKED);
    CHECK_CODE(gmp_group_go(group, nothing_at_all, NULL), GMP_EFORKED);
    CHECK_CODE(gmp_group_wait(group, GMP_FOREVER), GMP_EFORKED);
    CHECK_CODE(gmp_group_wait(group, GMP_NOWAIT), GMP_EFORKED);
    CHECK_CODE(gmp_group_new(context, &group), GMP_EFORKED);
    for (int i = 0; i < 3; i++) {
        gmp_ctx_free(gmp_ctx_ref(all[i]));
        gmp_ctx_free(all[i]);
    }
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &made));
    CHECK_OK(gmp_ctx_cancel(made));
    CHECK_CODE(gmp_ctx_err(made), GMP_ECANCELED);
    gmp_ctx_free(made);
    CHECK_EQ(atomic_load(&ran), 0);
}

static int wait_for_the_end(void *arg) {
    (void)arg;
    return gmp_sleep(60 * SECOND) == GMP_ECANCELED ? 0 : 1;
}

SCENARIO(contexts_hooks_and_groups_of_the_parent_answer_eforked) {
    check_start(2);
    CHECK_OK(gmp_ctx_new(NULL, GMP_FOREVER, &context));
    CHECK_OK(gmp_ctx_with_value(context, &key, (void *)(uintptr_t)&key, &below));
    CHECK_OK(gmp_ctx_new(below, gmp_after_ns(MS), &timed));
    CHECK_OK(gmp_ctx_after_func(context, count, NULL, &hook));
    done = gmp_ctx_done(context);
    CHECK_OK(gmp_group_new(context, &group));
    CHECK_OK(gmp_group_go(group, wait_for_the_end, NULL));
    in_child(contexts_are_forked);
    while (gmp_ctx_err(timed) != GMP_ETIMEDOUT) gmp_yield();
    CHECK_OK(gmp_ctx_cancel(context));
    CHECK_OK(gmp_group_wait(group, SOON()));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_EQ(gmp_ctx_hook_stop(hook), 0);
    gmp_ctx_free(timed);
    gmp_ctx_free(below);
    gmp_ctx_free(context);
}

/* ------------------------------------------------------------ plain memory: as POSIX has it, a copy of the moment */
static gmp_mutex_t mutex;
static gmp_sem_t sem;
static gmp_wg_t wg;
static gmp_once_t once_done;
static gmp_rwlock_t rwlock;

static void sync_objects_are_copies(void) {
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN); /* held at the fork, by the one who forked */
    CHECK_CODE(gmp_mutex_lock(&mutex, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_sem_acquire(&sem, 2, GMP_FOREVER));
    CHECK_CODE(gmp_sem_acquire(&sem, 1, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_wg_done(&wg));
    CHECK_OK(gmp_wg_wait(&wg, GMP_FOREVER));
    CHECK_OK(gmp_once_do(&once_done, count, NULL));
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_OK(gmp_rwlock_wrunlock(&rwlock));
    CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_FOREVER));
}

SCENARIO(sync_objects_in_the_child_are_copies_of_the_moment) {
    check_start(2);
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_sem_release(&sem, 2));
    CHECK_OK(gmp_wg_add(&wg, 1));
    CHECK_OK(gmp_once_do(&once_done, count, NULL));
    CHECK_OK(gmp_rwlock_wrlock(&rwlock, GMP_FOREVER));
    in_child(sync_objects_are_copies);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_wg_done(&wg));
    CHECK_OK(gmp_rwlock_wrunlock(&rwlock));
}

static void lock_and_unlock(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&mutex));
    atomic_fetch_add(&ran, 1);
}

static void unlock(void *arg) {
    (void)arg;
    CHECK_OK(gmp_mutex_unlock(&mutex));
}

/* The parent's tasks stand in its queue: the child must neither run them nor wait for them inside the unlock. */
static void unlock_in_a_task(void) { CHECK_OK(gmp_run(unlock, NULL)); }
static void unlock_in_a_thread(void) { unlock(NULL); }

SCENARIO(unlock_in_the_child_runs_no_task_of_the_parent) {
    check_start(2);
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    for (int i = 0; i < 5; i++) CHECK_OK(gmp_go(lock_and_unlock, NULL));
    while (check_stats().tasks_parked != 5) gmp_yield();
    in_child(unlock_in_a_task);
    in_child(unlock_in_a_thread);
    CHECK_EQ(atomic_load(&ran), 0);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 5);
}

/* ------------------------------------------------------------ keys */
static gmp_key_t local;

static void keys_stay(void) {
    CHECK(gmp_local_get(local) == &local);
    CHECK_OK(gmp_local_set(local, NULL));
    CHECK(gmp_local_get(local) == NULL);
    gmp_key_t another;
    CHECK_OK(gmp_key_create(NULL, &another));
    CHECK_OK(gmp_local_set(another, &another));
    CHECK(gmp_local_get(another) == &another);
}

SCENARIO(keys_and_values_of_the_forking_thread_stay) {
    CHECK_OK(gmp_key_create(NULL, &local));
    CHECK_OK(gmp_local_set(local, &local));
    check_start(2);
    in_child(keys_stay);
    CHECK(gmp_local_get(local) == &local);
}
