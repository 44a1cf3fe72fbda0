/* Signals beside work: a handler runs on every thread again and again, and no call of the library shows it. */
#include <signal.h>
#include <sys/wait.h>

#include "net.h"

enum { PAIRS = 4, MESSAGES = 500, SLEEPS = 50, CHILDREN = 10, SIGNALS = 3000 };
static atomic_int working;

static void *plays(void *arg) {
    int fd = *(int *)arg;
    char buf[100];
    for (int i = 0; i < MESSAGES; i++) {
        memset(buf, i, sizeof buf);
        CHECK_EQ(gmp_write(fd, buf, sizeof buf, SOON()), sizeof buf);
        for (size_t got = 0; got < sizeof buf;) {
            ssize_t n = gmp_read(fd, buf + got, sizeof buf - got, SOON());
            CHECK(n > 0);
            got += (size_t)n;
        }
        CHECK_EQ(buf[sizeof buf - 1], (char)i);
    }
    atomic_fetch_sub(&working, 1);
    return NULL;
}

static void *plays_as_a_thread(void *arg) { return plays(arg); }

static void *sleeps(void *unused) {
    for (int i = 0; i < SLEEPS; i++) CHECK_OK(gmp_sleep(MS));
    atomic_fetch_sub(&working, 1);
    return unused;
}

static void *waits_for_children(void *unused) {
    for (int i = 0; i < CHILDREN; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) _exit(i);
        CHECK_OK(gmp_wait_pid(child, &status, SOON()));
        CHECK_EQ(WEXITSTATUS(status), i);
    }
    atomic_fetch_sub(&working, 1);
    return unused;
}

static void *dials(void *unused) {
    int listener = gmp_listen("tcp", "127.0.0.1:0");
    struct text at = with_port("127.0.0.1", port_of(listener));
    for (int i = 0; i < 50; i++) {
        int client = gmp_dial("tcp", at.at, SOON()), server = gmp_accept(listener, NULL, NULL, SOON());
        CHECK_FD(client);
        CHECK_FD(server);
        CHECK_OK(gmp_close_fd(client));
        CHECK_OK(gmp_close_fd(server));
    }
    CHECK_OK(gmp_close_fd(listener));
    atomic_fetch_sub(&working, 1);
    return unused;
}

static void *takes(void *chan) {
    int n = 0;
    while (atomic_load(&working) > 0) n += gmp_chan_recv((gmp_chan_t *)chan, NULL, gmp_after_ns(10 * MS)) == GMP_OK;
    return (void *)(intptr_t)n;
}

/* To each thread of the process in turn. */
static void signal_all_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    struct dirent *entry;
    CHECK(tasks != NULL);
    while ((entry = readdir(tasks)) != NULL) {
        int tid = atoi(entry->d_name);
        if (tid > 0) syscall(SYS_tgkill, getpid(), tid, SIGUSR1); /* it may have ended */
    }
    closedir(tasks);
}

SCENARIO(no_call_shows_the_signals_that_interrupt_it) {
    static int fds[PAIRS][2];
    gmp_task_t *tasks[2 * PAIRS + 4];
    pthread_t thread;
    gmp_chan_t *chan;
    void *taken;
    int n = 0, sent = 0;
    check_start(2);
    signal(SIGUSR1, SIG_IGN); /* what is still under way to a thread at the end */
    CHECK_OK(gmp_signal_chan(SIGUSR1, &chan));
    atomic_store(&working, 2 * PAIRS + 3);
    for (int i = 0; i < PAIRS; i++) {
        CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds[i]), 0);
        for (int side = 0; side < 2; side++) {
            if (i == 0 && side == 0) continue;
            CHECK_OK(gmp_spawn(plays, &fds[i][side], NULL, &tasks[n++]));
        }
    }
    CHECK_EQ(pthread_create(&thread, NULL, plays_as_a_thread, &fds[0][0]), 0);
    CHECK_OK(gmp_spawn(sleeps, NULL, NULL, &tasks[n++]));
    CHECK_OK(gmp_spawn(waits_for_children, NULL, NULL, &tasks[n++]));
    CHECK_OK(gmp_spawn(dials, NULL, NULL, &tasks[n++]));
    CHECK_OK(gmp_spawn(takes, chan, NULL, &tasks[n]));
    /* A pause between them: who is interrupted all the time gets nowhere, as anywhere. */
    for (; atomic_load(&working) > 0 && sent < SIGNALS; sent++) {
        signal_all_threads();
        usleep(500);
    }
    for (int i = 0; i < n; i++) CHECK_OK(gmp_join(tasks[i], SOON(), NULL));
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_OK(gmp_join(tasks[n], SOON(), &taken));
    printf("%d rounds of signals, %d values\n", sent, (int)(intptr_t)taken);
    /* On a loaded machine the thread that hands them on may have come to nothing yet. */
    if (sent > 0 && taken == NULL) CHECK_OK(gmp_chan_recv(chan, NULL, SOON()));
    gmp_chan_free(chan);
    CHECK_OK(gmp_shutdown(SOON()));
}
