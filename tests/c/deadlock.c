/* Deadlocks: recognised when no task can ever run again and every thread that has called in waits itself; and only then. */
//@ with GMP_TEST_NO_MEMBARRIER=1
#include <time.h>

#include "deadlock.h"

//@ says gmp: all tasks are asleep
//@ says reason=chan-recv
SCENARIO(run_of_a_task_that_receives_for_ever_is_a_deadlock) {
    make_chan();
    CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
    CHECK_EQ(gmp_num_tasks(), 1);
}

//@ says gmp: all tasks are asleep
SCENARIO(join_of_a_deadlocked_task_answers_and_keeps_its_handle) {
    gmp_task_t *task;
    void *result = NULL;
    make_chan();
    CHECK_OK(gmp_spawn(receive_as_a_task, &chan, NULL, &task));
    CHECK_CODE(gmp_join(task, GMP_FOREVER, &result), GMP_EDEADLK);
    CHECK(result == NULL);
    CHECK_CODE(gmp_join(task, gmp_after_ns(30 * MS), &result), GMP_ETIMEDOUT);
    /* Nothing has changed: each such wait is answered, the state is not told of again. */
    CHECK_CODE(gmp_join(task, GMP_FOREVER, &result), GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
    send_one();
    CHECK_OK(gmp_join(task, GMP_FOREVER, &result));
    CHECK(result == &chan);
}

//@ says gmp: all tasks are asleep
SCENARIO(wait_idle_and_shutdown_answer_and_the_runtime_stays_usable) {
    make_chan();
    CHECK_OK(gmp_go(receive, NULL));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(50 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(verdicts(), 0);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    CHECK_CODE(gmp_shutdown(GMP_FOREVER), GMP_EDEADLK);
    CHECK_CODE(gmp_go(receive, NULL), GMP_ESTOPPED);
    send_one();
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(atomic_load(&received), 1);
}

static void *receive_locked(void *arg) {
    CHECK_EQ(gmp_lock_thread(), 1);
    return receive_as_a_task(arg);
}

//@ says gmp: all tasks are asleep
SCENARIO(task_that_is_locked_to_its_thread_is_no_exception) {
    gmp_task_t *tasks[2];
    make_chan();
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_spawn(receive_locked, &chan, NULL, &tasks[i]));
    CHECK_CODE(gmp_join(tasks[0], GMP_FOREVER, NULL), GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
    send_one();
    send_one();
    for (int i = 0; i < 2; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
}

/* ------------------------------------------------------------ threads that have called in */
static atomic_int attached, may_end;

static void *call_in_and_stay(void *arg) {
    int value;
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    atomic_store(&attached, 1);
    while (!atomic_load(&may_end)) sched_yield();
    return arg;
}

static void *wait_idle_as_a_thread(void *arg) {
    *(int *)arg = gmp_wait_idle(GMP_FOREVER);
    atomic_store(&attached, 2);
    return NULL;
}

/* While one thread is up there is none; it ends, and there is. */
SCENARIO(no_verdict_while_a_thread_that_has_called_in_is_busy) {
    pthread_t busy, waits;
    int code = 1;
    make_chan();
    CHECK_EQ(pthread_create(&busy, NULL, call_in_and_stay, NULL), 0);
    POLL_UNTIL(atomic_load(&attached) == 1);
    CHECK_OK(gmp_go(receive, NULL));
    CHECK_EQ(pthread_create(&waits, NULL, wait_idle_as_a_thread, &code), 0);
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(100 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(verdicts(), 0);
    struct timespec a_while = {.tv_nsec = 100 * MS};
    nanosleep(&a_while, NULL);
    CHECK_EQ(atomic_load(&attached), 1);
    atomic_store(&may_end, 1);
    CHECK_EQ(pthread_join(busy, NULL), 0);
    /* Now it is up to this thread alone. */
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    CHECK_EQ(pthread_join(waits, NULL), 0);
    CHECK_CODE(code, GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
}

static void *wait_with_a_deadline_then_send(void *arg) {
    int value;
    atomic_store(&attached, 1);
    CHECK_CODE(gmp_wg_wait(&both_hold, gmp_after_ns(200 * MS)), GMP_ETIMEDOUT);
    value = 7;
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    return arg;
}

SCENARIO(no_verdict_while_a_thread_waits_with_a_deadline) {
    pthread_t thread;
    make_chan();
    CHECK_OK(gmp_wg_add(&both_hold, 1));
    CHECK_EQ(pthread_create(&thread, NULL, wait_with_a_deadline_then_send, NULL), 0);
    POLL_UNTIL(atomic_load(&attached) == 1);
    CHECK_OK(gmp_run(receive, NULL));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

/* It is up again between the end of its wait and the next thing that it does. */
static void *receive_then_be_busy_then_send(void *arg) {
    int value = 0;
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
    struct timespec a_while = {.tv_nsec = 100 * MS};
    nanosleep(&a_while, NULL);
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    return arg;
}

static void ask(void *arg) {
    int value = 1;
    (void)arg;
    CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
    CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
}

SCENARIO(no_verdict_while_a_thread_that_was_woken_works) {
    pthread_t thread;
    make_chan();
    CHECK_EQ(pthread_create(&thread, NULL, receive_then_be_busy_then_send, NULL), 0);
    CHECK_OK(gmp_run(ask, NULL));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

/* The lock's short way, which never enters the runtime, counts as calling in too. */
static void *lock_and_stay(void *arg) {
    CHECK_OK(gmp_mutex_lock(&first, GMP_FOREVER));
    atomic_store(&attached, 1);
    while (!atomic_load(&may_end)) sched_yield();
    CHECK_OK(gmp_mutex_unlock(&first));
    return arg;
}

static void *end_it_in_four_seconds(void *arg) {
    struct timespec a_while = {.tv_sec = 4};
    nanosleep(&a_while, NULL);
    atomic_store(&may_end, 1);
    return arg;
}

SCENARIO(no_verdict_while_a_thread_holds_the_mutex) {
    pthread_t holder, clock;
    CHECK_EQ(pthread_create(&holder, NULL, lock_and_stay, NULL), 0);
    POLL_UNTIL(atomic_load(&attached) == 1);
    CHECK_EQ(pthread_create(&clock, NULL, end_it_in_four_seconds, NULL), 0);
    CHECK_OK(gmp_run(lock_first, NULL));
    CHECK_EQ(pthread_join(holder, NULL), 0);
    CHECK_EQ(pthread_join(clock, NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

/* ------------------------------------------------------------ threads that have not */
static void *stay(void *arg) {
    atomic_store(&attached, 1);
    while (!atomic_load(&may_end)) usleep(1000);
    return arg;
}

SCENARIO(threads_that_never_called_in_put_a_verdict_off_by_three_seconds) {
    pthread_t thread;
    make_chan();
    CHECK_EQ(pthread_create(&thread, NULL, stay, NULL), 0);
    POLL_UNTIL(atomic_load(&attached) == 1);
    gmp_time_t start = gmp_now();
    CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
    CHECK(gmp_now() - start >= 3 * SECOND);
    CHECK_EQ(verdicts(), 1);
    atomic_store(&may_end, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *send_after_a_second(void *arg) {
    struct timespec a_while = {.tv_sec = 1};
    nanosleep(&a_while, NULL);
    send_one();
    return arg;
}

SCENARIO(thread_that_calls_in_late_is_not_overlooked) {
    pthread_t thread;
    make_chan();
    CHECK_EQ(pthread_create(&thread, NULL, send_after_a_second, NULL), 0);
    CHECK_OK(gmp_run(receive, NULL));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

/* ------------------------------------------------------------ what is pending */
static void sleep_then_send(void *arg) {
    (void)arg;
    CHECK_OK(gmp_sleep(200 * MS));
    send_one();
}

static void sleep_in_the_kernel_then_send(void *arg) {
    struct timespec a_while = {.tv_nsec = 200 * MS};
    (void)arg;
    nanosleep(&a_while, NULL);
    send_one();
}

static void sleep_declared_then_send(void *arg) {
    CHECK_OK(gmp_blocking_enter());
    struct timespec a_while = {.tv_nsec = 200 * MS};
    nanosleep(&a_while, NULL);
    CHECK_OK(gmp_blocking_exit());
    (void)arg;
    send_one();
}

static int pipes[2];

static void read_then_send(void *arg) {
    char byte;
    (void)arg;
    CHECK_EQ(read(pipes[0], &byte, 1), 1);
    send_one();
}

static void *write_after_a_while(void *arg) {
    struct timespec a_while = {.tv_nsec = 200 * MS};
    nanosleep(&a_while, NULL);
    CHECK_EQ(write(pipes[1], "x", 1), 1);
    return arg;
}

static void nobody_is_deadlocked(int procs, gmp_fn_t helper) {
    check_start(procs);
    make_chan();
    CHECK_OK(gmp_go(helper, NULL));
    CHECK_OK(gmp_run(receive, NULL));
    CHECK_EQ(verdicts(), 0);
}

SCENARIO(sleeping_task_is_no_deadlock) { nobody_is_deadlocked(1, sleep_then_send); }
SCENARIO(timer_is_no_deadlock) {
    gmp_timer_t *timer;
    make_chan();
    CHECK_OK(gmp_timer_func(200 * MS, sleep_then_send, NULL, &timer));
    CHECK_OK(gmp_run(receive, NULL));
    CHECK_EQ(verdicts(), 0);
    gmp_timer_free(timer);
}
SCENARIO(task_in_undeclared_nanosleep_is_no_deadlock) { nobody_is_deadlocked(2, sleep_in_the_kernel_then_send); }
SCENARIO(task_in_undeclared_nanosleep_is_no_deadlock_on_one_processor) {
    nobody_is_deadlocked(1, sleep_in_the_kernel_then_send);
}
SCENARIO(task_in_a_declared_section_is_no_deadlock) { nobody_is_deadlocked(1, sleep_declared_then_send); }
SCENARIO(task_in_undeclared_read_is_no_deadlock_on_one_processor) {
    pthread_t thread;
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(pthread_create(&thread, NULL, write_after_a_while, NULL), 0);
    nobody_is_deadlocked(1, read_then_send);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* A timer is stopped by a thread, which then waits: that is what makes it a deadlock. */
SCENARIO(stopping_the_last_timer_makes_it_a_deadlock) {
    gmp_timer_t *timer;
    make_chan();
    CHECK_OK(gmp_timer_func(40 * SECOND, receive, NULL, &timer));
    CHECK_OK(gmp_go(receive, NULL));
    CHECK_CODE(gmp_wait_idle(gmp_after_ns(50 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(gmp_timer_stop(timer), 1);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    gmp_timer_free(timer);
}

static void sleep_then_receive(void *arg) {
    CHECK_OK(gmp_sleep(1500 * MS));
    receive(arg);
}

/* All has been idle for so long that the monitor sleeps without bound: the machine that comes to rest must wake it. */
SCENARIO(deadlock_after_a_long_sleep_is_found) {
    make_chan();
    CHECK_CODE(gmp_run(sleep_then_receive, NULL), GMP_EDEADLK);
    CHECK_EQ(verdicts(), 1);
}

/* ------------------------------------------------------------ after a verdict */
static void *send_as_a_thread(void *arg) {
    send_one();
    return arg;
}

SCENARIO(tasks_go_on_when_somebody_comes_after_the_verdict_and_the_next_deadlock_counts_again) {
    make_chan();
    for (int i = 1; i <= 3; i++) {
        pthread_t thread;
        CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
        CHECK_EQ(verdicts(), i);
        CHECK_EQ(pthread_create(&thread, NULL, send_as_a_thread, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_IDLE();
        CHECK_EQ(atomic_load(&received), i);
        CHECK_OK(gmp_run(lock_first, NULL));
    }
}

static void *join_as_a_thread(void *arg) {
    CHECK_CODE(gmp_join((gmp_task_t *)arg, GMP_FOREVER, NULL), GMP_EDEADLK);
    return NULL;
}

SCENARIO(many_threads_are_answered_at_once) {
    enum { MANY = 300 }; /* more than there are slots without memory */
    static pthread_t thread[MANY];
    gmp_task_t *task[MANY];
    make_chan();
    for (int i = 0; i < MANY; i++) CHECK_OK(gmp_spawn(receive_as_a_task, NULL, NULL, &task[i]));
    for (int i = 0; i < MANY; i++) CHECK_EQ(pthread_create(&thread[i], NULL, join_as_a_thread, task[i]), 0);
    CHECK_CODE(gmp_wait_idle(GMP_FOREVER), GMP_EDEADLK);
    for (int i = 0; i < MANY; i++) CHECK_EQ(pthread_join(thread[i], NULL), 0);
    for (int i = 0; i < MANY; i++) {
        send_one();
        CHECK_OK(gmp_task_free(task[i]));
    }
    CHECK_IDLE();
}

#include <sys/wait.h>

SCENARIO(forks_child_has_the_forking_thread_alone) {
    pthread_t busy;
    make_chan();
    CHECK_EQ(pthread_create(&busy, NULL, call_in_and_stay, NULL), 0);
    POLL_UNTIL(atomic_load(&attached) == 1);
    CHECK_OK(gmp_run(lock_first, NULL));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        /* The busy thread is not here. */
        make_chan();
        CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
        CHECK_EQ(verdicts(), 1);
        _exit(0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    atomic_store(&may_end, 1);
    CHECK_EQ(pthread_join(busy, NULL), 0);
    CHECK_EQ(verdicts(), 0);
}

static void fork_in_a_task(void *arg) {
    pid_t child = fork();
    (void)arg;
    CHECK(child >= 0);
    if (child == 0) {
        make_chan();
        CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
        _exit(0);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
}

SCENARIO(child_of_a_task_that_forks_has_one_thread) { CHECK_OK(gmp_run(fork_in_a_task, NULL)); }
