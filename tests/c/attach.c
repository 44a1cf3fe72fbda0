/* A thread's first call: it costs no system call, and its end takes it off the list whatever happens there. */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "waits.h"

static gmp_chan_t *chan;

static void make_chan(size_t capacity) { CHECK_OK(gmp_chan_new(sizeof(int), capacity, &chan)); }

static void receive(void *arg) {
    int value;
    (void)arg;
    gmp_chan_recv(chan, &value, GMP_FOREVER);
}

/* Nobody is left on the list who is not there: else there would be no verdict. */
static void check_list_is_right(void) {
    if (!chan) make_chan(0);
    CHECK_CODE(gmp_run(receive, NULL), GMP_EDEADLK);
}

/* ------------------------------------------------------------ system calls */
/* From here on the calling thread may make none (but, where asked for, wake a sleeper): the process would die by SIGSYS. */
static int forbid_system_calls(int but_wakes) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, but_wakes ? SYS_futex : SYS_exit_group, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, FUTEX_WAKE, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}

/* 1: done, -1: not to be had. The thread stays where it is: its end would need system calls. */
static atomic_int strict;

static void leave_strict(int how) {
    atomic_store(&strict, how);
    for (;;) {
    }
}

static gmp_mutex_t mutex;
static gmp_rwlock_t rwlock;
static gmp_sem_t sem;
static gmp_wg_t wg;

static void *try_all(void *arg) {
    int value = 5;
    if (!arg && forbid_system_calls(0)) leave_strict(-1);
    CHECK_CODE(gmp_chan_recv(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_OK(gmp_chan_send(chan, &value, GMP_NOWAIT));
    CHECK_CODE(gmp_chan_send(chan, &value, GMP_NOWAIT), GMP_EAGAIN);
    gmp_case_t cases[1] = {{GMP_CASE_RECV, 0, chan, &value}};
    size_t chosen = 9;
    CHECK_OK(gmp_select(cases, 1, GMP_NOWAIT, &chosen));
    CHECK_CODE(gmp_select(cases, 1, GMP_NOWAIT, &chosen), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_trylock(&mutex));
    CHECK_CODE(gmp_mutex_trylock(&mutex), GMP_EAGAIN);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_rwlock_rdlock(&rwlock, GMP_NOWAIT));
    CHECK_OK(gmp_rwlock_rdunlock(&rwlock));
    CHECK_OK(gmp_sem_release(&sem, 1));
    CHECK_OK(gmp_sem_acquire(&sem, 1, GMP_FOREVER));
    CHECK_OK(gmp_wg_add(&wg, 1));
    CHECK_OK(gmp_wg_done(&wg));
    leave_strict(1);
    return arg;
}

static void *unlock_first(void *arg) {
    if (forbid_system_calls(0)) leave_strict(-1);
    CHECK_OK(gmp_mutex_unlock(&mutex));
    return try_all(&mutex);
}

static void no_op(void *arg) { (void)arg; }

/* The making of a task wakes the monitor now and then, so that the task is not left behind foreign code. */
static void *go_a_few(void *arg) {
    if (forbid_system_calls(1)) leave_strict(-1);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(no_op, arg));
    leave_strict(1);
    return arg;
}

static void in_a_strict_thread(void *(*fn)(void *)) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, fn, NULL), 0);
    POLL_UNTIL(atomic_load(&strict));
    if (atomic_load(&strict) < 0) SKIP("no seccomp here");
}

static atomic_int spinning;

static void spin(void *arg) {
    (void)arg;
    atomic_store(&spinning, 1);
    for (;;) {
    }
}

SCENARIO(calls_that_break_the_rule_die) {
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        if (forbid_system_calls(0)) _exit(77);
        syscall(SYS_getppid);
        _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) SKIP("no seccomp here");
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

SCENARIO(first_calls_of_a_thread_make_no_system_call) {
    check_start(1);
    make_chan(1);
    in_a_strict_thread(try_all);
    _exit(0);
}

SCENARIO(unlock_as_the_first_call_makes_no_system_call) {
    check_start(1);
    make_chan(1);
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    in_a_strict_thread(unlock_first);
    _exit(0);
}

SCENARIO(tasks_made_by_a_new_thread_cost_no_system_call_but_a_wake) {
    check_start(1);
    /* What the first task of all maps is not the thread's to pay. */
    CHECK_OK(gmp_run(no_op, NULL));
    CHECK_OK(gmp_go(spin, NULL));
    POLL_UNTIL(atomic_load(&spinning));
    in_a_strict_thread(go_a_few);
    _exit(0);
}

/* ------------------------------------------------------------ the ends of threads */
enum { THREADS = 1000 };

static void *go_one(void *arg) {
    CHECK_OK(gmp_go(no_op, arg));
    return arg;
}

SCENARIO(threads_that_come_and_go_leave_nothing) {
    for (int i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, go_one, NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    check_list_is_right();
}

static pthread_key_t key;
static atomic_int destroyed;

/* As often as the C library comes round: in the last round nobody takes the thread off the list after it. */
static void call_in_again(void *value) {
    atomic_fetch_add(&destroyed, 1);
    CHECK_OK(gmp_go(no_op, NULL));
    CHECK_EQ(pthread_setspecific(key, value), 0);
}

static void *with_a_destructor(void *arg) {
    CHECK_EQ(pthread_setspecific(key, &key), 0);
    if (arg) CHECK_OK(gmp_go(no_op, NULL));
    return arg;
}

static void ends_in_destructors(int calls_in_before) {
    CHECK_EQ(pthread_key_create(&key, call_in_again), 0);
    for (int i = 0; i < 20; i++) {
        pthread_t thread;
        CHECK_EQ(pthread_create(&thread, NULL, with_a_destructor, calls_in_before ? &key : NULL), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
    CHECK(atomic_load(&destroyed) >= 40);
    check_list_is_right();
}

/* Keys are served in the order in which they were made: before ours is, and after. */
SCENARIO(destructors_may_call_in_before_the_thread_is_taken_out) { ends_in_destructors(1); }

SCENARIO(destructors_may_call_in_after_the_thread_was_taken_out) {
    CHECK_OK(gmp_run(no_op, NULL));
    ends_in_destructors(1);
}

SCENARIO(thread_whose_first_call_is_in_a_destructor_is_taken_out) {
    CHECK_OK(gmp_run(no_op, NULL));
    ends_in_destructors(0);
}

static void *go_on_without_main(void *arg) {
    CHECK_EQ(pthread_join(*(pthread_t *)arg, NULL), 0);
    CHECK_OK(gmp_run(no_op, NULL));
    check_list_is_right();
    exit(0);
}

SCENARIO(library_goes_on_when_main_has_ended) {
    static pthread_t self, thread;
    self = pthread_self();
    CHECK_OK(gmp_run(no_op, NULL));
    CHECK_EQ(pthread_create(&thread, NULL, go_on_without_main, &self), 0);
    pthread_exit(NULL);
}
