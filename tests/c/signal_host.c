/* Signal channels beside the handlers of a program, its threads and its children. */
#include <signal.h>
#include <sys/wait.h>

#include "waits.h"

static gmp_chan_t *chan_of(int signum) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_signal_chan(signum, &chan));
    return chan;
}

static void receive(gmp_chan_t *chan, int signum) {
    int32_t value = 0;
    CHECK_OK(gmp_chan_recv(chan, &value, SOON()));
    CHECK_EQ(value, signum);
}

static void send_self(int signum) { CHECK_EQ(kill(getpid(), signum), 0); }

static struct sigaction action_of(int signum) {
    struct sigaction now;
    CHECK_EQ(sigaction(signum, NULL, &now), 0);
    return now;
}

static atomic_int called, called_later, saw_code, saw_blocked;
static void plain(int signum) { atomic_fetch_add(&called, signum == SIGUSR1); }
static void full(int signum, siginfo_t *info, void *context) {
    sigset_t now;
    atomic_store(&saw_code, info->si_code);
    pthread_sigmask(SIG_BLOCK, NULL, &now);
    atomic_store(&saw_blocked, sigismember(&now, SIGUSR2));
    atomic_fetch_add(&called, signum == SIGUSR1 && context != NULL);
}

static void install(void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

/* ------------------------------------------------------------ a handler that was there before */
SCENARIO(handler_from_before_is_called_too_and_comes_back) {
    gmp_chan_t *chan;
    install(plain, SA_RESTART);
    chan = chan_of(SIGUSR1);
    for (int i = 1; i <= 10; i++) {
        send_self(SIGUSR1);
        receive(chan, SIGUSR1);
        UNTIL(atomic_load(&called) == i, sched_yield());
    }
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == plain);
    CHECK(action_of(SIGUSR1).sa_flags & SA_RESTART);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(atomic_load(&called), 11);
}

SCENARIO(handler_with_siginfo_gets_it_under_its_own_mask) {
    struct sigaction action = {.sa_sigaction = full, .sa_flags = SA_SIGINFO};
    gmp_chan_t *chan;
    sigaddset(&action.sa_mask, SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    chan = chan_of(SIGUSR1);
    CHECK_EQ(sigqueue(getpid(), SIGUSR1, (union sigval){0}), 0);
    receive(chan, SIGUSR1);
    UNTIL(atomic_load(&called) == 1, sched_yield());
    CHECK_EQ(atomic_load(&saw_code), SI_QUEUE);
    CHECK_EQ(atomic_load(&saw_blocked), 1);
    gmp_chan_free(chan);
}

SCENARIO(handler_for_one_time_is_called_once) {
    gmp_chan_t *chan;
    install(plain, (int)SA_RESETHAND);
    chan = chan_of(SIGUSR1);
    for (int i = 0; i < 3; i++) {
        send_self(SIGUSR1);
        receive(chan, SIGUSR1);
    }
    UNTIL(atomic_load(&called) == 1, sched_yield());
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == SIG_DFL);
}

SCENARIO(signal_that_was_ignored_is_again) {
    gmp_chan_t *chan;
    install(SIG_IGN, 0);
    chan = chan_of(SIGUSR1);
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == SIG_IGN);
    send_self(SIGUSR1);
}

/* System calls of the program that a handler would break off, or not, are as they were. */
static atomic_int reader_tid;
static void *reads(void *fd) {
    char c;
    atomic_store(&reader_tid, (int)syscall(SYS_gettid));
    return (void *)(intptr_t)(read(*(int *)fd, &c, 1) < 0 ? errno : 0);
}
static intptr_t read_interrupted_by(int flags, int has_handler) {
    int fds[2];
    pthread_t reader;
    gmp_chan_t *chan;
    void *result;
    CHECK_EQ(pipe(fds), 0);
    install(has_handler ? plain : SIG_DFL, flags);
    chan = chan_of(SIGUSR1);
    atomic_store(&reader_tid, 0);
    CHECK_EQ(pthread_create(&reader, NULL, reads, &fds[0]), 0);
    UNTIL(thread_sleeps(atomic_load(&reader_tid)), usleep(20));
    CHECK_EQ(pthread_kill(reader, SIGUSR1), 0);
    receive(chan, SIGUSR1);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(pthread_join(reader, &result), 0);
    gmp_chan_free(chan);
    close(fds[0]);
    close(fds[1]);
    return (intptr_t)result;
}
SCENARIO(restarting_is_as_the_program_chose) {
    CHECK_EQ(read_interrupted_by(SA_RESTART, 1), 0);
    CHECK_EQ(read_interrupted_by(0, 1), EINTR);
    CHECK_EQ(read_interrupted_by(0, 0), 0);
}

/* ------------------------------------------------------------ a handler that comes later */
static struct sigaction before_later;
static void later(int signum) {
    atomic_fetch_add(&called_later, 1);
    if (before_later.sa_flags & SA_SIGINFO) {
        before_later.sa_sigaction(signum, NULL, NULL);
    } else if (before_later.sa_handler != SIG_DFL && before_later.sa_handler != SIG_IGN) {
        before_later.sa_handler(signum);
    }
}
static void later_alone(int signum) {
    (void)signum;
    atomic_fetch_add(&called_later, 1);
}

SCENARIO(later_handler_that_hands_on_keeps_the_channel) {
    struct sigaction action = {.sa_handler = later};
    gmp_chan_t *chan, *again;
    install(plain, 0);
    chan = chan_of(SIGUSR1);
    CHECK_EQ(sigaction(SIGUSR1, &action, &before_later), 0);
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    UNTIL(atomic_load(&called) == 1 && atomic_load(&called_later) == 1, sched_yield());
    /* It has the last word: it stays when the channel goes. */
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == later);
    send_self(SIGUSR1);
    UNTIL(atomic_load(&called) == 2 && atomic_load(&called_later) == 2, sched_yield());
    /* Asked for anew, the two hand on to each other: once round. */
    again = chan_of(SIGUSR1);
    for (int i = 3; i < 20; i++) {
        send_self(SIGUSR1);
        receive(again, SIGUSR1);
        UNTIL(atomic_load(&called_later) == i && atomic_load(&called) == i, sched_yield());
        CHECK_CODE(gmp_chan_recv(again, NULL, GMP_NOWAIT), GMP_EAGAIN);
    }
    gmp_chan_free(again);
    CHECK(action_of(SIGUSR1).sa_handler == later);
    /* They know each other for good. */
    for (int i = 0; i < 3; i++) {
        send_self(SIGUSR1);
        again = chan_of(SIGUSR1);
        send_self(SIGUSR1);
        receive(again, SIGUSR1);
        gmp_chan_free(again);
    }
}

SCENARIO(later_handler_that_does_not_hand_on_takes_the_signal) {
    gmp_chan_t *chan = chan_of(SIGUSR1), *again;
    install(later_alone, 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(atomic_load(&called_later), 1);
    CHECK_CODE(gmp_chan_recv(chan, NULL, gmp_after_ns(20 * MS)), GMP_ETIMEDOUT);
    /* Who asks after that is heard, and theirs is called too. */
    again = chan_of(SIGUSR1);
    send_self(SIGUSR1);
    receive(again, SIGUSR1);
    UNTIL(atomic_load(&called_later) == 2, sched_yield());
    gmp_chan_free(again);
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == later_alone);
}

SCENARIO(nothing_is_handled_that_nobody_asked_for) {
    void (*before[65])(int);
    gmp_chan_t *chan;
    for (int signum = 1; signum < 65; signum++) {
        if (signum != 32 && signum != 33) before[signum] = action_of(signum).sa_handler;
    }
    chan = chan_of(SIGUSR1);
    for (int signum = 1; signum < 65; signum++) {
        if (signum != 32 && signum != 33) CHECK_EQ(action_of(signum).sa_handler == before[signum], signum != SIGUSR1);
    }
    gmp_chan_free(chan);
    CHECK(action_of(SIGUSR1).sa_handler == SIG_DFL);
}

/* ------------------------------------------------------------ children of a fork */
static int status_of(pid_t child) {
    int status;
    CHECK_OK(gmp_wait_pid(child, &status, SOON()));
    return status;
}

SCENARIO(signal_does_in_a_child_what_it_did_before) {
    gmp_chan_t *chan = chan_of(SIGTERM);
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        for (;;) pause();
    }
    CHECK_EQ(kill(child, SIGTERM), 0);
    status = status_of(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    /* And it was the child's alone. */
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
    send_self(SIGTERM);
    receive(chan, SIGTERM);
    gmp_chan_free(chan);
}

SCENARIO(handler_of_the_program_goes_on_in_a_child) {
    gmp_chan_t *chan;
    pid_t child;
    install(plain, 0);
    chan = chan_of(SIGUSR1);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(atomic_load(&called), 1);
        CHECK(action_of(SIGUSR1).sa_handler == plain);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(atomic_load(&called), 2);
        _exit(0);
    }
    CHECK_EQ(status_of(child), 0);
    CHECK_EQ(atomic_load(&called), 0);
    CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN);
    gmp_chan_free(chan);
}

SCENARIO(child_asks_anew_and_its_parents_channel_says_so) {
    gmp_chan_t *chan = chan_of(SIGUSR1);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        gmp_chan_t *own;
        CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EFORKED);
        own = chan_of(SIGUSR1);
        send_self(SIGUSR1);
        receive(own, SIGUSR1);
        gmp_chan_free(chan);
        send_self(SIGUSR1);
        receive(own, SIGUSR1);
        gmp_chan_free(own);
        CHECK(action_of(SIGUSR1).sa_handler == SIG_DFL);
        _exit(0);
    }
    CHECK_EQ(status_of(child), 0);
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    gmp_chan_free(chan);
}

/* Forks while the list is in use: a child finds it fresh, whoever held its lock. */
static atomic_int forks_over;
static void *ask_and_free(void *unused) {
    (void)unused;
    while (!atomic_load(&forks_over)) gmp_chan_free(chan_of(SIGUSR2));
    return NULL;
}
SCENARIO(fork_while_channels_come_and_go) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, ask_and_free, NULL), 0);
    for (int i = 0; i < 50; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            gmp_chan_t *own = chan_of(SIGUSR1);
            send_self(SIGUSR1);
            receive(own, SIGUSR1);
            gmp_chan_free(own);
            _exit(0);
        }
        CHECK_EQ(status_of(child), 0);
    }
    atomic_store(&forks_over, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}
