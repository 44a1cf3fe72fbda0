/* Waiting for child processes. Each scenario runs a second time as where the kernel gives no pidfd. */
//@ with GMP_TEST_NO_PIDFD=1
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "net.h"

/* A child that ends with `status` when the other end of the pipe is closed, or is killed with this process. */
struct held {
    pid_t pid;
    int end;
};
static struct held held_child(int status) {
    struct held child;
    int fds[2];
    char c;
    CHECK_EQ(pipe(fds), 0);
    child.pid = fork();
    CHECK(child.pid >= 0);
    if (child.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(fds[1]);
        while (read(fds[0], &c, 1) < 0 && errno == EINTR) {
        }
        _exit(status);
    }
    close(fds[0]);
    child.end = fds[1];
    return child;
}

static pid_t child_that_ends(int status) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) _exit(status);
    return pid;
}

/* ------------------------------------------------------------ the status */
static void statuses(void *unused) {
    int status = -1;
    struct held child;
    (void)unused;
    CHECK_OK(gmp_wait_pid(child_that_ends(7), &status, SOON()));
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    CHECK_OK(gmp_wait_pid(child_that_ends(0), NULL, GMP_FOREVER));
    child = held_child(0);
    CHECK_EQ(kill(child.pid, SIGTERM), 0);
    CHECK_OK(gmp_wait_pid(child.pid, &status, SOON()));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    close(child.end);
    /* One that has ended already needs no wait. */
    child.pid = child_that_ends(3);
    UNTIL(waitid(P_PID, (id_t)child.pid, &(siginfo_t){0}, WEXITED | WNOWAIT) == 0, sched_yield());
    CHECK_OK(gmp_wait_pid(child.pid, &status, GMP_NOWAIT));
    CHECK_EQ(WEXITSTATUS(status), 3);
}
SCENARIO(status_is_that_of_waitpid) {
    statuses(NULL); /* before the start */
    task_and_thread(statuses);
}

static void *let_go_later(void *child) {
    usleep(50 * 1000);
    close(((struct held *)child)->end);
    return NULL;
}
static void waits(void *unused) {
    struct held child = held_child(5);
    pthread_t thread;
    int status;
    (void)unused;
    CHECK_EQ(pthread_create(&thread, NULL, let_go_later, &child), 0);
    CHECK_OK(gmp_wait_pid(child.pid, &status, SOON()));
    CHECK_EQ(WEXITSTATUS(status), 5);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
SCENARIO(child_that_runs_is_waited_for) {
    task_and_thread(waits);
    CHECK_IDLE();
}

/* ------------------------------------------------------------ otherwise */
static void runs_on(void *unused) {
    struct held child = held_child(5);
    int status = 1234;
    gmp_time_t start = gmp_now();
    (void)unused;
    CHECK_CODE(gmp_wait_pid(child.pid, &status, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_wait_pid(child.pid, &status, gmp_now() - 1), GMP_ETIMEDOUT);
    CHECK_CODE(gmp_wait_pid(child.pid, &status, start + 30 * MS), GMP_ETIMEDOUT);
    CHECK(gmp_now() >= start + 30 * MS);
    CHECK_EQ(status, 1234);
    CHECK_EQ(open_of_kind("anon_inode:[pidfd]") + open_of_kind("pidfd:"), 0);
    /* It is there for others. */
    close(child.end);
    CHECK_OK(gmp_wait_pid(child.pid, &status, SOON()));
    CHECK_EQ(WEXITSTATUS(status), 5);
    CHECK_CODE(gmp_wait_pid(child.pid, &status, SOON()), -ECHILD);
    CHECK_EQ(WEXITSTATUS(status), 5);
}
SCENARIO(wait_that_ends_otherwise_leaves_the_child_to_others) { task_and_thread(runs_on); }

static void bad(void *unused) {
    int status = 1234;
    (void)unused;
    CHECK_CODE(gmp_wait_pid(0, &status, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_wait_pid(-1, &status, SOON()), GMP_EINVAL);
    CHECK_CODE(gmp_wait_pid(INT32_MIN, &status, GMP_NOWAIT), GMP_EINVAL);
    CHECK_CODE(gmp_wait_pid(getpid(), &status, SOON()), -ECHILD);
    CHECK_CODE(gmp_wait_pid(1, &status, SOON()), -ECHILD);
    CHECK_CODE(gmp_wait_pid(INT32_MAX, &status, SOON()), -ECHILD);
    CHECK_EQ(status, 1234);
}
SCENARIO(who_is_no_child_is_refused) { task_and_thread(bad); }

static void stopped(void *unused) {
    struct held child = held_child(4);
    int status = 1234;
    (void)unused;
    CHECK_EQ(kill(child.pid, SIGSTOP), 0);
    UNTIL(waitid(P_PID, (id_t)child.pid, &(siginfo_t){0}, WSTOPPED | WNOWAIT) == 0, sched_yield());
    CHECK_CODE(gmp_wait_pid(child.pid, &status, GMP_NOWAIT), GMP_EAGAIN);
    CHECK_CODE(gmp_wait_pid(child.pid, &status, gmp_after_ns(30 * MS)), GMP_ETIMEDOUT);
    CHECK_EQ(kill(child.pid, SIGCONT), 0);
    CHECK_CODE(gmp_wait_pid(child.pid, &status, gmp_after_ns(10 * MS)), GMP_ETIMEDOUT);
    close(child.end);
    CHECK_OK(gmp_wait_pid(child.pid, &status, SOON()));
    CHECK_EQ(WEXITSTATUS(status), 4);
}
SCENARIO(stopped_and_continued_children_have_not_ended) { task_and_thread(stopped); }

static void forgotten(void *unused) {
    struct held child;
    (void)unused;
    signal(SIGCHLD, SIG_IGN);
    child = held_child(4);
    CHECK_CODE(gmp_wait_pid(child.pid, NULL, GMP_NOWAIT), GMP_EAGAIN);
    close(child.end);
    CHECK_CODE(gmp_wait_pid(child.pid, NULL, SOON()), -ECHILD);
    signal(SIGCHLD, SIG_DFL);
}
SCENARIO(child_of_a_process_that_ignores_sigchld_leaves_no_status) { task_and_thread(forgotten); }

/* ------------------------------------------------------------ many */
static struct held shared;
static void *waits_too(void *unused) {
    int status = 1234, code = gmp_wait_pid(shared.pid, &status, GMP_FOREVER);
    (void)unused;
    CHECK_EQ(status, code == GMP_OK ? 9 << 8 : 1234);
    return (void *)(intptr_t)code;
}
SCENARIO(one_of_several_that_wait_gets_the_status) {
    enum { WAITERS = 8 };
    gmp_task_t *tasks[WAITERS];
    int got = 0;
    CHECK_OK(gmp_start(NULL));
    shared = held_child(9);
    for (int i = 0; i < WAITERS; i++) CHECK_OK(gmp_spawn(waits_too, NULL, NULL, &tasks[i]));
    CHECK_CODE(gmp_join(tasks[0], gmp_after_ns(20 * MS), NULL), GMP_ETIMEDOUT);
    close(shared.end);
    for (int i = 0; i < WAITERS; i++) {
        void *result;
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        CHECK((intptr_t)result == GMP_OK || (intptr_t)result == -ECHILD);
        got += (intptr_t)result == GMP_OK;
    }
    CHECK_EQ(got, 1);
}

enum { CHILDREN = 1000 };
static void *one_of_many(void *arg) {
    pid_t pid = (pid_t)(intptr_t)arg;
    int status;
    CHECK_OK(gmp_wait_pid(pid, &status, SOON()));
    CHECK(WIFEXITED(status));
    return (void *)(intptr_t)WEXITSTATUS(status);
}
/* With room for fewer descriptors than children: those that get none look again and again. */
SCENARIO(thousand_children_at_once) {
    static gmp_task_t *tasks[CHILDREN];
    struct rlimit files = {256, 256};
    int gate[2];
    CHECK_EQ(pipe(gate), 0);
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    CHECK_OK(gmp_start(NULL));
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        if (pid < 0 && errno == EAGAIN) SKIP("no room for %d processes", CHILDREN);
        CHECK(pid >= 0);
        if (pid == 0) {
            char c;
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            close(gate[1]);
            while (read(gate[0], &c, 1) < 0 && errno == EINTR) {
            }
            _exit(i % 200);
        }
        CHECK_OK(gmp_spawn(one_of_many, (void *)(intptr_t)pid, NULL, &tasks[i]));
    }
    close(gate[1]);
    for (int i = 0; i < CHILDREN; i++) {
        void *result;
        CHECK_OK(gmp_join(tasks[i], SOON(), &result));
        CHECK_EQ((intptr_t)result, i % 200);
    }
    CHECK_IDLE();
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_EQ(errno, ECHILD);
}
