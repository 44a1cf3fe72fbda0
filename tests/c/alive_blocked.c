/* As many tasks as there are processors sleep in the kernel without having said so: a ticker keeps its beat, others
 * spawn, yield, join and hand over, and each call returns what it should. */
//@ with ALIVE_PROCS=2
//@ with GMP_TEST_NO_MEMBARRIER=1
//@ with GMP_TEST_OBSERVE=stat
//@ with GMP_TEST_OBSERVE=clock
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "alive.h"

static int fds[2];

static char path[64] = "/tmp/gmp-alive-XXXXXX";
static void forget(void) { unlink(path); }

/* ------------------------------------------------------------ pipes */
static intptr_t read_a_byte(int index) {
    char byte = 0;
    (void)index;
    foreign_starts();
    return read(fds[0], &byte, 1) == 1 ? byte : -1;
}

static void write_bytes(void) {
    for (int i = 0; i < alive_procs(); i++) CHECK_EQ(write(fds[1], "x", 1), 1);
}

SCENARIO(read_of_an_empty_pipe) {
    CHECK_EQ(pipe(fds), 0);
    gmp_stats_t stats = stays_alive("read", alive_procs(), read_a_byte, write_bytes, 'x');
    CHECK_RETAKEN(retakes_blocked, stats);
}

static intptr_t poll_without_end(int index) {
    struct pollfd wanted = {.fd = fds[0], .events = POLLIN};
    (void)index;
    foreign_starts();
    return poll(&wanted, 1, -1);
}

SCENARIO(poll_without_end_of_its_time) {
    CHECK_EQ(pipe(fds), 0);
    gmp_stats_t stats = stays_alive("poll", alive_procs(), poll_without_end, write_bytes, 1);
    CHECK_RETAKEN(retakes_blocked, stats);
}

static intptr_t open_to_read(int index) {
    int fd;
    (void)index;
    foreign_starts();
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    close(fd);
    return 0;
}

static void open_to_write(void) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    UNTIL(atomic_load(&foreign_returned) == alive_procs(), usleep(100));
    close(fd);
}

SCENARIO(open_of_a_fifo_that_nobody_writes) {
    snprintf(path, sizeof path, "/tmp/gmp-fifo-%d", (int)getpid());
    CHECK_EQ(mkfifo(path, 0600), 0);
    atexit(forget);
    gmp_stats_t stats = stays_alive("open", alive_procs(), open_to_read, open_to_write, 0);
    CHECK_RETAKEN(retakes_blocked, stats);
}

/* ------------------------------------------------------------ time */
static intptr_t one_long_sleep(int index) {
    (void)index;
    foreign_starts();
    sleep_in_the_kernel(3 * SECOND);
    return 7;
}

static void nothing(void) {}

SCENARIO(nanosleep_of_seconds) {
    gmp_stats_t stats = stays_alive("nanosleep", alive_procs(), one_long_sleep, nothing, 7);
    CHECK_RETAKEN(retakes_blocked, stats);
}

static intptr_t short_sleeps(int index) {
    (void)index;
    foreign_starts();
    while (!atomic_load(&let_go)) sleep_in_the_kernel(50000);
    return 8;
}

/* Each of them is over before anybody looks a second time. */
SCENARIO(nanosleeps_of_microseconds) {
    gmp_stats_t stats = stays_alive("short sleeps", alive_procs(), short_sleeps, release_by_flag, 8);
    CHECK(stats.retakes_blocked + stats.retakes_running >= 1);
}

/* ------------------------------------------------------------ pthreads */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static intptr_t lock_and_unlock(int index) {
    int code;
    (void)index;
    foreign_starts();
    code = pthread_mutex_lock(&mutex);
    return code ? code : pthread_mutex_unlock(&mutex);
}

static void unlock_mutex(void) { CHECK_EQ(pthread_mutex_unlock(&mutex), 0); }

SCENARIO(mutex_that_a_thread_holds) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    gmp_stats_t stats = stays_alive("pthread_mutex_lock", alive_procs(), lock_and_unlock, unlock_mutex, 0);
    CHECK_RETAKEN(retakes_blocked, stats);
}

static intptr_t wait_for_the_flag(int index) {
    int code = pthread_mutex_lock(&mutex);
    (void)index;
    foreign_starts();
    while (code == 0 && !atomic_load(&let_go)) code = pthread_cond_wait(&cond, &mutex);
    return code ? code : pthread_mutex_unlock(&mutex);
}

static void set_flag_and_broadcast(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    atomic_store(&let_go, 1);
    CHECK_EQ(pthread_cond_broadcast(&cond), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

SCENARIO(cond_that_a_thread_signals) {
    gmp_stats_t stats = stays_alive("pthread_cond_wait", alive_procs(), wait_for_the_flag, set_flag_and_broadcast, 0);
    CHECK_RETAKEN(retakes_blocked, stats);
}

static void *return_late(void *unused) {
    (void)unused;
    while (!atomic_load(&let_go)) sleep_in_the_kernel(MS);
    return NULL;
}

static intptr_t join_a_thread(int index) {
    pthread_t thread;
    (void)index;
    if (pthread_create(&thread, NULL, return_late, NULL) != 0) return -1;
    foreign_starts();
    return pthread_join(thread, NULL);
}

SCENARIO(join_of_a_thread_of_its_own) {
    gmp_stats_t stats = stays_alive("pthread_join", alive_procs(), join_a_thread, release_by_flag, 0);
    CHECK_RETAKEN(retakes_blocked, stats);
}

/* ------------------------------------------------------------ signals, processes */
static atomic_int waiting_tid[MOST_FOREIGN], signals_seen;

static void count_signal(int signal) {
    (void)signal;
    atomic_fetch_add(&signals_seen, 1);
}

static intptr_t suspend_until_signal(int index) {
    sigset_t with, before;
    sigemptyset(&with);
    sigaddset(&with, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &with, &before);
    with = before;
    sigdelset(&with, SIGUSR1);
    atomic_store(&waiting_tid[index], (int)syscall(SYS_gettid));
    foreign_starts();
    intptr_t result = sigsuspend(&with); /* -1 always */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

static void signal_each(void) {
    for (int i = 0; i < alive_procs(); i++)
        CHECK_EQ(syscall(SYS_tgkill, getpid(), atomic_load(&waiting_tid[i]), SIGUSR1), 0);
}

SCENARIO(sigsuspend_until_a_signal_comes) {
    struct sigaction action = {.sa_handler = count_signal};
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    gmp_stats_t stats = stays_alive("sigsuspend", alive_procs(), suspend_until_signal, signal_each, -1);
    CHECK_EQ(atomic_load(&signals_seen), alive_procs());
    CHECK_RETAKEN(retakes_blocked, stats);
}

static pid_t children[MOST_FOREIGN];

static intptr_t wait_for_child(int index) {
    int status = 0;
    foreign_starts();
    if (waitpid(children[index], &status, 0) != children[index]) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
}

/* The children are there before the runtime is: forks of a running one are other tests' business. */
SCENARIO(waitpid_of_a_child_that_lives) {
    CHECK_EQ(pipe(fds), 0);
    for (int i = 0; i < alive_procs(); i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            char byte;
            _exit(read(fds[0], &byte, 1) == 1 ? 5 : 6);
        }
    }
    gmp_stats_t stats = stays_alive("waitpid", alive_procs(), wait_for_child, write_bytes, 5);
    CHECK_RETAKEN(retakes_blocked, stats);
}

/* ------------------------------------------------------------ files */
static int locked_fd;

static intptr_t lock_file(int index) {
    int fd = open(path, O_RDWR | O_CLOEXEC), code;
    (void)index;
    if (fd < 0) return -1;
    foreign_starts();
    code = flock(fd, LOCK_EX);
    close(fd);
    return code;
}

static void unlock_file(void) { CHECK_EQ(flock(locked_fd, LOCK_UN), 0); }

SCENARIO(flock_that_another_open_file_holds) {
    locked_fd = mkstemp(path);
    CHECK(locked_fd >= 0);
    atexit(forget);
    CHECK_EQ(flock(locked_fd, LOCK_EX), 0);
    gmp_stats_t stats = stays_alive("flock", alive_procs(), lock_file, unlock_file, 0);
    CHECK_RETAKEN(retakes_blocked, stats);
}

static char block[64 * 1024];

/* Grows up to 32 MiB, again and again. */
static intptr_t write_and_sync(int index) {
    char name[] = "/tmp/gmp-alive-sync-XXXXXX";
    int fd = mkstemp(name);
    off_t end = 0;
    (void)index;
    if (fd < 0) return -1;
    unlink(name);
    foreign_starts();
    while (!atomic_load(&let_go)) {
        if (end >= 32 << 20) {
            if (ftruncate(fd, 0) != 0) return -2;
            end = 0;
        }
        if (pwrite(fd, block, sizeof block, end) != sizeof block || fsync(fd) != 0) return -3;
        end += sizeof block;
    }
    close(fd);
    return 0;
}

/* Where the file system has nothing to wait for it is computing. */
SCENARIO(fsync_of_a_growing_file) {
    gmp_stats_t stats = stays_alive("fsync", alive_procs(), write_and_sync, release_by_flag, 0);
    CHECK(stats.retakes_blocked + stats.retakes_running >= 1);
}
