/* Signals as values of channels. */
#include <signal.h>
#include <sys/wait.h>

#include "waits.h"

static gmp_chan_t *chan_of(int signum) {
    gmp_chan_t *chan = NULL;
    CHECK_OK(gmp_signal_chan(signum, &chan));
    CHECK(chan != NULL);
    return chan;
}

static void receive(gmp_chan_t *chan, int signum) {
    int32_t value = 0;
    CHECK_OK(gmp_chan_recv(chan, &value, SOON()));
    CHECK_EQ(value, signum);
}

static void empty(gmp_chan_t *chan) { CHECK_CODE(gmp_chan_recv(chan, NULL, GMP_NOWAIT), GMP_EAGAIN); }

static void send_self(int signum) { CHECK_EQ(kill(getpid(), signum), 0); }

static uintptr_t handler_of(int signum) {
    struct sigaction now;
    CHECK_EQ(sigaction(signum, NULL, &now), 0);
    return (uintptr_t)now.sa_handler;
}

/* ------------------------------------------------------------ values */
static void one_by_one(void *unused) {
    gmp_chan_t *chan = chan_of(SIGUSR1);
    (void)unused;
    CHECK_EQ(gmp_chan_cap(chan), 64);
    for (int i = 0; i < 100; i++) {
        send_self(SIGUSR1);
        receive(chan, SIGUSR1);
    }
    empty(chan);
    gmp_chan_free(chan);
}
SCENARIO(each_signal_is_a_value) {
    long threads = check_threads();
    one_by_one(NULL); /* before the start, on a thread */
    CHECK_OK(gmp_run(one_by_one, NULL));
    CHECK_IDLE();
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_THREADS(threads);
}

static atomic_int received;
static void waits_first(void *arg) {
    receive((gmp_chan_t *)arg, SIGTERM);
    atomic_fetch_add(&received, 1);
}
SCENARIO(task_and_thread_wait_for_a_signal) {
    gmp_chan_t *chan = chan_of(SIGTERM);
    struct party p[2];
    party_start(&p[0], TASK, waits_first, chan);
    party_start(&p[1], THREAD, waits_first, chan);
    until_waiting(p, 2);
    send_self(SIGTERM);
    /* One has it; the other waits on, as two signals at once may be one to the kernel. */
    UNTIL(atomic_load(&received) == 1, usleep(20));
    send_self(SIGTERM);
    parties_end(p, 2);
    gmp_chan_free(chan);
}

SCENARIO(several_channels_get_each_signal_and_only_theirs) {
    gmp_chan_t *a = chan_of(SIGUSR1), *b = chan_of(SIGUSR1), *other = chan_of(SIGUSR2);
    send_self(SIGUSR1);
    receive(a, SIGUSR1);
    receive(b, SIGUSR1);
    empty(other);
    send_self(SIGUSR2);
    receive(other, SIGUSR2);
    empty(a);
    empty(b);
    gmp_chan_free(a);
    send_self(SIGUSR1); /* would end us if nobody wanted it */
    receive(b, SIGUSR1);
    gmp_chan_free(b);
    gmp_chan_free(other);
    CHECK_EQ(handler_of(SIGUSR1), (uintptr_t)SIG_DFL);
}

SCENARIO(what_comes_while_the_channel_is_full_is_dropped) {
    gmp_chan_t *chan = chan_of(SIGUSR1);
    int n = 0;
    for (int i = 0; i < 64; i++) {
        send_self(SIGUSR1);
        UNTIL(gmp_chan_len(chan) == (size_t)i + 1, sched_yield());
    }
    for (int i = 0; i < 1000; i++) send_self(SIGUSR1);
    CHECK_EQ(gmp_chan_len(chan), 64);
    while (gmp_chan_recv(chan, NULL, gmp_after_ns(50 * MS)) == GMP_OK) n++;
    CHECK(n >= 64 && n <= 2 * 64);
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    gmp_chan_free(chan);
}

SCENARIO(signals_of_real_time_are_counted) {
    gmp_chan_t *chan = chan_of(SIGRTMIN + 3);
    for (int i = 0; i < 20; i++) CHECK_EQ(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){0}), 0);
    for (int i = 0; i < 20; i++) receive(chan, SIGRTMIN + 3);
    empty(chan);
    gmp_chan_free(chan);
}

SCENARIO(ended_children_are_told) {
    gmp_chan_t *chan = chan_of(SIGCHLD);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(0);
    receive(chan, SIGCHLD);
    CHECK_OK(gmp_wait_pid(child, NULL, SOON()));
    gmp_chan_free(chan);
}

/* ------------------------------------------------------------ beside the runtime's life */
static void wait_for_usr1(void *arg) { receive((gmp_chan_t *)arg, SIGUSR1); }

SCENARIO(channel_outlives_a_shutdown_and_is_not_waited_for) {
    gmp_chan_t *chan = chan_of(SIGUSR1);
    CHECK_OK(gmp_start(NULL));
    CHECK_IDLE();
    CHECK_EQ(gmp_num_tasks(), 0);
    CHECK_OK(gmp_shutdown(SOON()));
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    CHECK_OK(gmp_start(NULL));
    send_self(SIGUSR1);
    CHECK_OK(gmp_run(wait_for_usr1, chan));
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    gmp_chan_free(chan);
}

static void *signal_later(void *unused) {
    (void)unused;
    usleep(100 * 1000); /* ten times what makes a verdict */
    send_self(SIGUSR1);
    return NULL;
}
SCENARIO(task_that_waits_for_a_signal_is_no_deadlock) {
    gmp_chan_t *chan = chan_of(SIGUSR1);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, signal_later, NULL), 0);
    CHECK_OK(gmp_run(wait_for_usr1, chan));
    CHECK_EQ(check_stats().deadlocks, 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    gmp_chan_free(chan);
}

/* A thread of the library's own takes what all of the program's block. */
SCENARIO(signal_that_every_thread_blocks_still_comes) {
    sigset_t set, now;
    gmp_chan_t *chan;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    chan = chan_of(SIGUSR1);
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    send_self(SIGUSR2); /* nobody asked for this one */
    send_self(SIGUSR1);
    receive(chan, SIGUSR1);
    CHECK_EQ(sigpending(&now), 0);
    CHECK(sigismember(&now, SIGUSR2) && !sigismember(&now, SIGUSR1));
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
    CHECK(sigismember(&now, SIGUSR1));
    gmp_chan_free(chan);
}

/* ------------------------------------------------------------ its end */
SCENARIO(last_channel_gives_the_signal_back) {
    long threads = check_threads();
    for (int i = 0; i < 200; i++) {
        gmp_chan_t *chan = chan_of(SIGUSR1), *same = gmp_chan_ref(chan);
        CHECK(handler_of(SIGUSR1) != (uintptr_t)SIG_DFL);
        gmp_chan_free(chan);
        CHECK(handler_of(SIGUSR1) != (uintptr_t)SIG_DFL);
        send_self(SIGUSR1);
        receive(same, SIGUSR1);
        gmp_chan_free(same);
        CHECK_EQ(handler_of(SIGUSR1), (uintptr_t)SIG_DFL);
    }
    CHECK_THREADS(threads);
}

static void *free_and_ask(void *unused) {
    (void)unused;
    for (int i = 0; i < 500; i++) {
        gmp_chan_t *chan = chan_of(i % 2 ? SIGUSR1 : SIGUSR2);
        gmp_yield();
        gmp_chan_free(chan);
    }
    return NULL;
}
SCENARIO(channels_come_and_go_under_fire) {
    gmp_task_t *tasks[4];
    gmp_chan_t *both[2] = {chan_of(SIGUSR1), chan_of(SIGUSR2)};
    for (int i = 0; i < 4; i++) CHECK_OK(gmp_spawn(free_and_ask, NULL, NULL, &tasks[i]));
    for (int i = 0; i < 4; i++) {
        while (gmp_join(tasks[i], gmp_after_ns(100000), NULL) == GMP_ETIMEDOUT) {
            send_self(SIGUSR1);
            send_self(SIGUSR2);
        }
    }
    for (int i = 0; i < 2; i++) {
        while (gmp_chan_recv(both[i], NULL, GMP_NOWAIT) == GMP_OK) {
        }
        gmp_chan_free(both[i]);
    }
    CHECK_EQ(handler_of(SIGUSR1), (uintptr_t)SIG_DFL);
    CHECK_EQ(handler_of(SIGUSR2), (uintptr_t)SIG_DFL);
}

/* ------------------------------------------------------------ bad input */
static void bad(void *unused) {
    static const int refused[] = {INT32_MIN, -1, 0, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS,
                                  32,        33, 65, 100,    INT32_MAX};
    gmp_chan_t *chan = (gmp_chan_t *)16;
    gmp_case_t send = {.op = GMP_CASE_SEND};
    int32_t value = SIGUSR1;
    (void)unused;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) CHECK_CODE(gmp_signal_chan(refused[i], &chan), GMP_EINVAL);
    CHECK(chan == (gmp_chan_t *)16);
    CHECK_CODE(gmp_signal_chan(SIGUSR1, NULL), GMP_EINVAL);
    CHECK_EQ(handler_of(SIGUSR1), (uintptr_t)SIG_DFL);
    chan = chan_of(SIGUSR1);
    CHECK_CODE(gmp_chan_send(chan, &value, SOON()), GMP_EMISUSE);
    CHECK_CODE(gmp_chan_close(chan), GMP_EMISUSE);
    send.chan = chan;
    send.value = &value;
    CHECK_CODE(gmp_select(&send, 1, SOON(), NULL), GMP_EMISUSE);
    empty(chan);
    gmp_chan_free(chan);
}
SCENARIO(signals_that_cannot_be_asked_for_are_refused) {
    bad(NULL);
    CHECK_OK(gmp_run(bad, NULL));
}
