/* pthread_exit in a task, and pthread_cancel of its thread: the task ends as by gmp_exit, the machine is replaced. */
//@ needs own-switch
//@ with GMP_MAXPROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>

#include "check.h"

__attribute__((noinline)) static pid_t here(void) { return (pid_t)syscall(SYS_gettid); }
__attribute__((noinline)) static pthread_t self(void) { return pthread_self(); }

static atomic_int cleaned, deferred, destroyed, ran, blocked;
static gmp_key_t key;
static gmp_wg_t group;
static gmp_chan_t *chan;
static int fds[2];

static void start(void) {
    const char *procs = getenv("GMP_MAXPROCS");
    check_start(procs ? atoi(procs) : 1);
}

static void stop(void) {
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(1);
}

static void clean(void *arg) {
    (void)arg;
    atomic_fetch_add(&cleaned, 1);
}
static void later(void *arg) {
    (void)arg;
    CHECK_EQ(gmp_self_id(), 0);
    CHECK_OK(gmp_sleep(1000));
    atomic_fetch_add(&deferred, 1);
}
static void destroy(void *value) { atomic_fetch_add(&destroyed, (int)(intptr_t)value); }

static void *leaves(void *arg) {
    (void)arg;
    pthread_cleanup_push(clean, NULL);
    pthread_exit(NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *leaves_with_all(void *arg) {
    CHECK_OK(gmp_defer(later, NULL));
    CHECK_OK(gmp_defer(later, NULL));
    CHECK_OK(gmp_local_set(key, (void *)1));
    gmp_yield();
    return leaves(arg);
}

static void *counts(void *arg) {
    atomic_fetch_add(&ran, 1);
    return arg;
}

static int join(gmp_task_fn_t body, void *arg, uint32_t flags) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.flags = flags;
    CHECK_OK(gmp_spawn(body, arg, &opts, &task));
    return gmp_join(task, SOON(), NULL);
}

static void rounds(void *arg) {
    (void)arg;
    for (int i = 0; i < 100; i++) {
        CHECK_CODE(join(leaves_with_all, NULL, 0), GMP_EPANIC);
        CHECK_CODE(join(counts, NULL, 0), GMP_OK);
    }
}

SCENARIO(task_ends_with_epanic_and_others_go_on) {
    start();
    CHECK_OK(gmp_key_create(destroy, &key));
    CHECK_OK(gmp_run(rounds, NULL));
    CHECK_EQ(atomic_load(&cleaned), 100);
    CHECK_EQ(atomic_load(&deferred), 200);
    CHECK_EQ(atomic_load(&destroyed), 100);
    CHECK_EQ(atomic_load(&ran), 100);
    for (int i = 0; i < 20; i++) CHECK_CODE(join(leaves_with_all, NULL, 0), GMP_EPANIC);
    CHECK_EQ(gmp_num_tasks(), 0);
    stop();
}

static void leaves_detached(void *arg) { leaves(arg); }

SCENARIO(wait_group_of_tasks_that_leave_is_done) {
    start();
    for (int i = 0; i < 50; i++) CHECK_OK(gmp_wg_go(&group, leaves_detached, NULL));
    CHECK_OK(gmp_wg_wait(&group, SOON()));
    CHECK_CODE(gmp_run(leaves_detached, NULL), GMP_EPANIC);
    CHECK_EQ(atomic_load(&cleaned), 51);
    stop();
}

static void *in_section(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    return leaves(arg);
}
/* Blocked until its processor has gone to the writer. */
static void *without_processor(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    char byte;
    atomic_store(&blocked, 1);
    CHECK_EQ(read(fds[0], &byte, 1), 1);
    return leaves(arg);
}
static void *writes(void *arg) {
    while (!atomic_load(&blocked)) gmp_yield();
    CHECK_EQ(write(fds[1], "x", 1), 1);
    return arg;
}
static void sections(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) CHECK_CODE(join(in_section, NULL, 0), GMP_EPANIC);
    for (int i = 0; i < 20; i++) {
        gmp_task_t *writer;
        atomic_store(&blocked, 0);
        CHECK_OK(gmp_spawn(writes, NULL, NULL, &writer));
        CHECK_CODE(join(without_processor, NULL, 0), GMP_EPANIC);
        CHECK_OK(gmp_join(writer, SOON(), NULL));
    }
}

SCENARIO(task_leaves_from_a_blocking_section_with_and_without_its_processor) {
    CHECK_EQ(pipe(fds), 0);
    start();
    CHECK_OK(gmp_run(sections, NULL));
    CHECK_EQ(atomic_load(&cleaned), 40);
    stop();
}

static void *locks_and_leaves(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    gmp_yield();
    return leaves(arg);
}
static void locked(void *arg) {
    (void)arg;
    for (int i = 0; i < 30; i++) CHECK_CODE(join(locks_and_leaves, NULL, 0), GMP_EPANIC);
    for (int i = 0; i < 30; i++) CHECK_CODE(join(leaves_with_all, NULL, GMP_SPAWN_STICKY), GMP_EPANIC);
}

SCENARIO(locked_and_sticky_tasks_leave) {
    start();
    CHECK_OK(gmp_key_create(destroy, &key));
    CHECK_OK(gmp_run(locked, NULL));
    CHECK_EQ(atomic_load(&cleaned), 60);
    stop();
}

static void *resident(void *arg) {
    pid_t mine = here();
    int value;
    atomic_store((_Atomic pid_t *)arg, mine);
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    pid_t now = here();
    CHECK(now != mine);
    for (int i = 0; i < 20; i++) {
        gmp_yield();
        CHECK_EQ(here(), now);
    }
    return NULL;
}
static void *leaves_from(void *arg) {
    CHECK_EQ(here(), *(_Atomic pid_t *)arg);
    return leaves(NULL);
}
/* The thread of a sticky task is gone: it goes on on the one in its place, and stays there. */
static void shared_thread(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        _Atomic pid_t at = 0;
        gmp_spawn_opts_t opts;
        gmp_task_t *task;
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        opts.flags = GMP_SPAWN_STICKY;
        CHECK_OK(gmp_spawn(resident, (void *)&at, &opts, &task));
        while (atomic_load(&at) == 0) gmp_yield();
        CHECK_CODE(join(leaves_from, (void *)&at, GMP_SPAWN_STICKY), GMP_EPANIC);
        int value = 1;
        CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
        CHECK_OK(gmp_join(task, SOON(), NULL));
    }
}

SCENARIO(sticky_task_goes_on_when_another_ends_their_thread) {
    CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
    check_start(1);
    CHECK_OK(gmp_run(shared_thread, NULL));
    stop();
}

static void *joins_one_that_leaves(void *arg) {
    gmp_task_t *task;
    *(int *)arg = 1;
    CHECK_OK(gmp_spawn(leaves, NULL, NULL, &task));
    int code = gmp_join(task, GMP_FOREVER, NULL);
    CHECK_CODE(code, GMP_EPANIC);
    *(int *)arg = 2;
    return NULL;
}
static void in_place(void *arg) {
    (void)arg;
    int together = 0;
    for (int i = 0; i < 50; i++) {
        int stage = 0;
        gmp_spawn_opts_t opts;
        gmp_task_t *task;
        CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
        /* Not on our own stack. */
        opts.flags = GMP_SPAWN_BLOCKING;
        CHECK_OK(gmp_spawn(joins_one_that_leaves, &stage, &opts, &task));
        int code = gmp_join(task, GMP_FOREVER, NULL);
        /* On one stack both end; else the joiner goes on. */
        CHECK_CODE(code, stage == 1 ? GMP_EPANIC : GMP_OK);
        together += stage == 1;
    }
    CHECK(together > 0);
}

SCENARIO(tasks_on_one_stack_end_together) {
    start();
    CHECK_OK(gmp_run(in_place, NULL));
    CHECK_EQ(atomic_load(&cleaned), 50);
    CHECK_EQ(gmp_num_tasks(), 0);
    stop();
}

static pthread_t thread;
static void *is_cancelled(void *arg) {
    (void)arg;
    pthread_cleanup_push(clean, NULL);
    thread = self();
    atomic_store(&blocked, 1);
    char byte;
    while (read(fds[0], &byte, 1) >= 0) {
    }
    pthread_cleanup_pop(0);
    return NULL;
}

SCENARIO(cancelled_thread_ends_its_task) {
    CHECK_EQ(pipe(fds), 0);
    start();
    gmp_task_t *task;
    CHECK_OK(gmp_spawn(is_cancelled, NULL, NULL, &task));
    while (!atomic_load(&blocked)) usleep(100);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK_CODE(gmp_join(task, SOON(), NULL), GMP_EPANIC);
    CHECK_EQ(atomic_load(&cleaned), 1);
    CHECK_OK(join(counts, NULL, 0));
    stop();
}

/* ------------------------------------------------------------ an exclusive class */

static atomic_int holders, finished;
static void acquire(void *user, void *m) { (void)user, (void)m; CHECK_EQ(atomic_fetch_add(&holders, 1), 0); }
static void release(void *user, void *m) { (void)user, (void)m; CHECK_EQ(atomic_fetch_sub(&holders, 1), 1); }
static void finish(void *user, void *m, void *t) { (void)user, (void)m, (void)t, atomic_fetch_add(&finished, 1); }
static const gmp_task_class_t exclusive = {.struct_size = sizeof exclusive,
                                           .name = "exclusive",
                                           .flags = GMP_CLASS_EXCLUSIVE,
                                           .acquire = acquire,
                                           .release = release,
                                           .finish = finish};

static void *yields(void *arg) {
    for (int i = 0; i < 20; i++) gmp_yield();
    return counts(arg);
}

SCENARIO(token_is_passed_on_when_its_holder_leaves) {
    start();
    gmp_task_t *tasks[30];
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.task_class = &exclusive;
    for (int i = 0; i < 30; i++) CHECK_OK(gmp_spawn(i % 3 ? yields : leaves, NULL, &opts, &tasks[i]));
    for (int i = 0; i < 30; i++) CHECK_CODE(gmp_join(tasks[i], SOON(), NULL), i % 3 ? GMP_OK : GMP_EPANIC);
    CHECK_EQ(atomic_load(&finished), 30);
    CHECK_EQ(atomic_load(&ran), 20);
    stop();
    CHECK_EQ(atomic_load(&holders), 0);
}
