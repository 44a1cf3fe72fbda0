/* A task locked to its thread: the same thread over every wait, nobody else on it, its end with it. */
//@ with GMP_MAXPROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

/* Out of line: the compiler must not keep what it knows of a thread across a call that changes threads. */
__attribute__((noinline)) static pid_t here(void) { return (pid_t)syscall(SYS_gettid); }

static gmp_chan_t *chan, *other;
static gmp_mutex_t mutex;
static gmp_cond_t cond;
static gmp_wg_t group;
static atomic_int stop, count, failures;
static pthread_key_t key;

/* One processor, or as many as the environment of this run says. */
static void start(void) {
    const char *procs = getenv("GMP_MAXPROCS");
    check_start(procs ? atoi(procs) : 1);
}

static void run_and_stop(gmp_fn_t body) {
    start();
    CHECK_OK(gmp_run(body, NULL));
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
}

static void depths(void *arg) {
    (void)arg;
    CHECK_CODE(gmp_unlock_thread(), GMP_EMISUSE);
    CHECK_EQ(gmp_lock_thread(), 1);
    CHECK_EQ(gmp_lock_thread(), 2);
    gmp_yield();
    CHECK_EQ(gmp_unlock_thread(), 1);
    CHECK_EQ(gmp_lock_thread(), 2);
    CHECK_EQ(gmp_unlock_thread(), 1);
    CHECK_EQ(gmp_unlock_thread(), 0);
    CHECK_CODE(gmp_unlock_thread(), GMP_EMISUSE);
}

SCENARIO(locks_are_counted_and_refused_outside_a_task) {
    CHECK_CODE(gmp_lock_thread(), GMP_EPERM);
    CHECK_CODE(gmp_unlock_thread(), GMP_EPERM);
    run_and_stop(depths);
    CHECK_CODE(gmp_lock_thread(), GMP_EPERM);
}

static void echo(void *arg) {
    (void)arg;
    int value;
    while (gmp_chan_recv(chan, &value, GMP_FOREVER) == GMP_OK) CHECK_OK(gmp_chan_send(other, &value, GMP_FOREVER));
    gmp_wg_done(&group);
}

static void busy(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        gmp_yield();
        CHECK_OK(gmp_mutex_unlock(&mutex));
        gmp_yield();
    }
    gmp_wg_done(&group);
}

static void signaller(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        CHECK_OK(gmp_cond_broadcast(&cond));
        gmp_yield();
    }
    gmp_wg_done(&group);
}

static void *nothing(void *arg) { return arg; }

static void body_of_waits(pid_t mine) {
    for (int i = 0; i < 50; i++) {
        CHECK_OK(gmp_chan_send(chan, &i, GMP_FOREVER));
        CHECK_EQ(here(), mine);
        int back;
        CHECK_OK(gmp_chan_recv(other, &back, GMP_FOREVER));
        CHECK_EQ(back, i);
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_sleep(50000));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_cond_wait(&cond, &mutex, GMP_FOREVER));
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_mutex_unlock(&mutex));
        gmp_yield();
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_blocking_enter());
        struct timespec ts = {0, 100000};
        nanosleep(&ts, NULL);
        CHECK_OK(gmp_blocking_exit());
        CHECK_EQ(here(), mine);
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(nothing, &task, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
        CHECK_EQ(here(), mine);
        CHECK_CODE(gmp_chan_recv(other, &back, gmp_after_ns(20000)), GMP_ETIMEDOUT);
        CHECK_EQ(here(), mine);
    }
}

static void waits(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &other));
    CHECK_OK(gmp_wg_add(&group, 4));
    CHECK_OK(gmp_go(echo, NULL));
    CHECK_OK(gmp_go(busy, NULL));
    CHECK_OK(gmp_go(busy, NULL));
    CHECK_OK(gmp_go(signaller, NULL));
    CHECK_EQ(gmp_lock_thread(), 1);
    body_of_waits(here());
    CHECK_EQ(gmp_unlock_thread(), 0);
    atomic_store(&stop, 1);
    CHECK_OK(gmp_chan_close(chan));
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    gmp_chan_free(chan);
    gmp_chan_free(other);
}

SCENARIO(locked_task_comes_back_on_its_thread_from_every_wait) { run_and_stop(waits); }

static _Atomic pid_t locked_thread;

/* What an unlocked task must never see: its own thread is the locked one. */
static void elsewhere(void *arg) {
    (void)arg;
    for (int i = 0; i < 200; i++) {
        if (here() == atomic_load(&locked_thread)) atomic_fetch_add(&failures, 1);
        gmp_yield();
    }
    gmp_wg_done(&group);
}

static void alone(void *arg) {
    (void)arg;
    for (int round = 0; round < 20; round++) {
        CHECK_EQ(gmp_lock_thread(), 1);
        atomic_store(&locked_thread, here());
        CHECK_OK(gmp_wg_add(&group, 8));
        for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(elsewhere, NULL));
        for (int i = 0; i < 20; i++) {
            gmp_yield();
            CHECK_OK(gmp_sleep(1000));
        }
        CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
        atomic_store(&locked_thread, 0);
        CHECK_EQ(gmp_unlock_thread(), 0);
    }
    CHECK_EQ(atomic_load(&failures), 0);
}

SCENARIO(nobody_else_runs_on_a_locked_thread) { run_and_stop(alone); }

static void pong(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    int value;
    while (gmp_chan_recv(chan, &value, GMP_FOREVER) == GMP_OK) {
        CHECK_EQ(here(), mine);
        CHECK_OK(gmp_chan_send(other, &value, GMP_FOREVER));
    }
    CHECK_EQ(gmp_unlock_thread(), 0);
    gmp_wg_done(&group);
}

static void ping(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &other));
    CHECK_OK(gmp_wg_add(&group, 1));
    CHECK_OK(gmp_go(pong, NULL));
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    for (int i = 0; i < 500; i++) {
        int back;
        CHECK_OK(gmp_chan_send(chan, &i, GMP_FOREVER));
        CHECK_OK(gmp_chan_recv(other, &back, GMP_FOREVER));
        CHECK_EQ(back, i);
        CHECK_EQ(here(), mine);
    }
    CHECK_OK(gmp_chan_close(chan));
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    CHECK_EQ(gmp_unlock_thread(), 0);
    gmp_chan_free(chan);
    gmp_chan_free(other);
}

SCENARIO(two_locked_tasks_exchange_values) { run_and_stop(ping); }

static int threads_now(void) { return (int)check_stats().threads; }

static void ends_locked(void *arg) {
    pthread_setspecific(key, arg);
    CHECK_EQ(gmp_lock_thread(), 1);
    gmp_yield();
    atomic_fetch_add(&count, 1);
}

static void destroyed(void *arg) { atomic_fetch_sub((atomic_int *)arg, 1); }

static void many_end_locked(void *arg) {
    for (int i = 0; i < 200; i++) {
        gmp_task_t *task;
        gmp_spawn_opts_t opts;
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.name = "locked";
        CHECK_OK(gmp_spawn((gmp_task_fn_t)(void *)ends_locked, arg, &opts, &task));
        CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_OK);
    }
}

SCENARIO(tasks_that_end_locked_end_their_threads_and_leave_nothing) {
    atomic_int destructors = 200;
    CHECK_EQ(pthread_key_create(&key, destroyed), 0);
    start();
    CHECK_OK(gmp_run(many_end_locked, &destructors));
    CHECK_EQ(atomic_load(&count), 200);
    gmp_time_t limit = SOON();
    while ((atomic_load(&destructors) != 0 || threads_now() > 4 || check_threads() > 8) && gmp_now() < limit) usleep(1000);
    CHECK_EQ(atomic_load(&destructors), 0);
    CHECK(threads_now() <= 4);
    CHECK(check_threads() <= 8);
    long before = check_mappings();
    atomic_store(&destructors, 200);
    CHECK_OK(gmp_run(many_end_locked, &destructors));
    limit = SOON();
    while ((atomic_load(&destructors) != 0 || check_mappings() > before + 20) && gmp_now() < limit) usleep(1000);
    CHECK_EQ(atomic_load(&destructors), 0);
    CHECK(check_mappings() <= before + 20);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}

static void exits_locked(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    *(pid_t *)arg = here();
    gmp_exit();
}

static void in_place(void *arg) {
    (void)arg;
    int together = 0;
    for (int i = 0; i < 50; i++) {
        pid_t before = here(), ended;
        gmp_task_t *task;
        CHECK_OK(gmp_spawn((gmp_task_fn_t)(void *)exits_locked, &ended, NULL, &task));
        CHECK_CODE(gmp_join(task, GMP_FOREVER, NULL), GMP_EPANIC);
        /* The child ran on this stack and took the thread with it, or another machine was quicker. */
        CHECK(here() != ended);
        together += ended == before;
        CHECK_CODE(gmp_unlock_thread(), GMP_EMISUSE);
    }
    CHECK(together > 0);
}

SCENARIO(joiner_goes_on_when_the_child_on_its_stack_ends_locked) { run_and_stop(in_place); }

static void *child_of_locked(void *arg) {
    CHECK(here() != *(pid_t *)arg);
    CHECK_CODE(gmp_unlock_thread(), GMP_EMISUSE);
    return NULL;
}

static void parent(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    for (int i = 0; i < 100; i++) {
        gmp_task_t *task;
        CHECK_OK(gmp_spawn(child_of_locked, &mine, NULL, &task));
        CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
    }
}

SCENARIO(tasks_of_a_locked_task_run_elsewhere) { run_and_stop(parent); }

static void alone_yields(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    for (int i = 0; i < 100000; i++) gmp_yield();
    CHECK_EQ(here(), mine);
}

SCENARIO(locked_task_alone_yields_and_goes_on) { run_and_stop(alone_yields); }

static void sleeps_locked(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    CHECK_OK(gmp_sleep(5 * MS));
    CHECK_EQ(here(), mine);
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(child_of_locked, &mine, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_EQ(gmp_unlock_thread(), 0);
}

SCENARIO(cap_of_one_thread_lets_one_more_through_while_it_is_locked) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = 1;
    config.max_threads = 1;
    CHECK_OK(gmp_start(&config));
    for (int i = 0; i < 5; i++) CHECK_OK(gmp_run(sleeps_locked, NULL));
    CHECK_OK(gmp_shutdown(SOON()));
}

static gmp_task_t *waiting[100];

static void *waits_locked(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    int value;
    atomic_fetch_add(&count, 1);
    int code = gmp_chan_recv(chan, &value, (intptr_t)arg % 2 ? GMP_FOREVER : gmp_after_ns(2 * MS));
    CHECK_CODE(code, (intptr_t)arg % 2 ? GMP_ECANCELED : GMP_ETIMEDOUT);
    CHECK_EQ(here(), mine);
    if ((intptr_t)arg % 3) CHECK_EQ(gmp_unlock_thread(), 0);
    return NULL;
}

static void cancels(void *arg) {
    (void)arg;
    CHECK_OK(gmp_chan_new(sizeof(int), 0, &chan));
    for (intptr_t i = 0; i < 100; i++) CHECK_OK(gmp_spawn(waits_locked, (void *)i, NULL, &waiting[i]));
    while (atomic_load(&count) < 100) gmp_yield();
    for (int i = 1; i < 100; i += 2) CHECK_OK(gmp_task_cancel(waiting[i]));
    for (int i = 0; i < 100; i++) CHECK_OK(gmp_join(waiting[i], SOON(), NULL));
    gmp_chan_free(chan);
}

SCENARIO(cancellation_and_deadlines_reach_locked_tasks) { run_and_stop(cancels); }

/* The loop of a program that owns its thread: a GUI's, say. Others post to it, from tasks and from a foreign thread. */
static void main_loop(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    int sum = 0, value;
    while (gmp_chan_recv(chan, &value, GMP_FOREVER) == GMP_OK) {
        CHECK_EQ(here(), mine);
        sum += value;
    }
    *(int *)arg = sum;
    CHECK_EQ(gmp_unlock_thread(), 0);
}

static void post(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        int one = 1;
        CHECK_OK(gmp_chan_send(chan, &one, GMP_FOREVER));
        if (i % 10 == 0) CHECK_OK(gmp_sleep(1000));
    }
    gmp_wg_done(&group);
}

SCENARIO(main_loop_on_a_thread_of_its_own) {
    start();
    CHECK_OK(gmp_chan_new(sizeof(int), 4, &chan));
    int sum = 0;
    CHECK_OK(gmp_go(main_loop, &sum));
    CHECK_OK(gmp_wg_add(&group, 9));
    for (int i = 0; i < 8; i++) CHECK_OK(gmp_go(post, NULL));
    post(NULL);
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_OK(gmp_chan_close(chan));
    CHECK_IDLE();
    CHECK_EQ(sum, 900);
    gmp_chan_free(chan);
    CHECK_OK(gmp_shutdown(SOON()));
}

static void resized(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_lock_thread(), 1);
    pid_t mine = here();
    CHECK_OK(gmp_wg_add(&group, 2));
    CHECK_OK(gmp_go(busy, NULL));
    CHECK_OK(gmp_go(busy, NULL));
    for (int i = 0; i < 200; i++) {
        CHECK(gmp_max_procs(1 + i % 4) >= 1);
        CHECK_EQ(here(), mine);
        gmp_yield();
        CHECK_EQ(here(), mine);
    }
    atomic_store(&stop, 1);
    CHECK_OK(gmp_wg_wait(&group, GMP_FOREVER));
    CHECK_EQ(here(), mine);
}

SCENARIO(locked_task_keeps_its_thread_while_processors_come_and_go) { run_and_stop(resized); }

static void random_locks(void *arg) {
    uint64_t random = (uint64_t)(uintptr_t)arg * 0x9E3779B97F4A7C15u + 1;
    pid_t mine = 0;
    int locks = 0;
    for (int i = 0; i < 300; i++) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        switch (random % 8) {
        case 0:
            CHECK_EQ(gmp_lock_thread(), locks + 1);
            if (locks++ == 0) mine = here();
            break;
        case 1: CHECK_EQ(gmp_unlock_thread(), locks ? locks - 1 : GMP_EMISUSE); locks -= locks > 0; break;
        case 2: CHECK_OK(gmp_sleep((int64_t)(random >> 20) % 50000)); break;
        case 3:
            CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
            gmp_yield();
            CHECK_OK(gmp_mutex_unlock(&mutex));
            break;
        case 4: {
            gmp_task_t *task;
            CHECK_OK(gmp_spawn(nothing, NULL, NULL, &task));
            CHECK_OK(gmp_join(task, GMP_FOREVER, NULL));
            break;
        }
        case 5:
            CHECK_OK(gmp_blocking_enter());
            CHECK_OK(gmp_blocking_exit());
            break;
        default: gmp_yield();
        }
        if (locks) CHECK_EQ(here(), mine);
    }
    if (random % 2) {
        while (locks-- > 0) CHECK_EQ(gmp_unlock_thread(), locks);
    }
    atomic_fetch_add(&count, 1);
}

SCENARIO(random_locks_and_waits) {
    uint64_t seed = check_seed();
    for (int round = 0; round < 4; round++) {
        start();
        atomic_store(&count, 0);
        for (uintptr_t i = 0; i < 40; i++) CHECK_OK(gmp_go(random_locks, (void *)(uintptr_t)(seed + 40u * (unsigned)round + i)));
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&count), 40);
        CHECK_OK(gmp_shutdown(SOON()));
        CHECK_THREADS(1);
    }
}
