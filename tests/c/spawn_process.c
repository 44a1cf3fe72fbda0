/* Programs that tasks and threads start: by posix_spawn, system, popen, and vfork with exec, under load. What they inherit is what the
 * host's first thread had: signal mask, ignored signals, descriptors. */
//@ limit 120
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "check.h"

enum { ROUNDS = 200, TASKS = 4 };
extern char **environ;
static atomic_int stop, ran;
static gmp_mutex_t mutex;

static void nothing(void *arg) { (void)arg; }

static void load(void *arg) {
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        switch (check_random(&seed) % 4) {
        case 0: CHECK_OK(gmp_go(nothing, NULL)); break;
        case 1:
            CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
            gmp_yield();
            CHECK_OK(gmp_mutex_unlock(&mutex));
            break;
        case 2: CHECK_OK(gmp_sleep(50000)); break;
        default: gmp_yield(); break;
        }
    }
}

static void *load_thread(void *arg) {
    load(arg);
    return NULL;
}

static void expect(pid_t pid, int wanted) {
    int status;
    while (waitpid(pid, &status, 0) != pid) CHECK_EQ(check_errno(), EINTR);
    CHECK_EQ(status, wanted << 8);
}

static char *seven[] = {(char *)"sh", (char *)"-c", (char *)"exit 7", NULL};

static void by_posix_spawn(void) {
    pid_t pid;
    CHECK_EQ(posix_spawn(&pid, "/bin/sh", NULL, NULL, seven, environ), 0);
    expect(pid, 7);
}

static void by_system(void) { CHECK_EQ(system("exit 7"), 7 << 8); }

static void by_popen(void) {
    char line[16] = {0};
    FILE *out = popen("echo hello", "re");
    CHECK(out != NULL);
    CHECK(fgets(line, sizeof line, out) != NULL);
    CHECK_EQ(strcmp(line, "hello\n"), 0);
    CHECK_EQ(pclose(out), 0);
}

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void by_vfork(void) {
    pid_t pid = vfork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execv("/bin/sh", seven);
        _exit(1);
    }
    expect(pid, 7);
}

static void rounds(void *how) {
    for (int i = 0; i < ROUNDS / TASKS; i++) {
        ((void (*)(void))how)();
        gmp_yield();
        atomic_fetch_add(&ran, 1);
    }
}

static void under_load(void (*how)(void)) {
    pthread_t thread;
    check_start(2);
    for (uintptr_t i = 0; i < 4; i++) CHECK_OK(gmp_go(load, (void *)(check_seed() + i)));
    CHECK_EQ(pthread_create(&thread, NULL, load_thread, (void *)(uintptr_t)(check_seed() + 9)), 0);
    gmp_wg_t wg = {0};
    for (int i = 0; i < TASKS; i++) CHECK_OK(gmp_wg_go(&wg, rounds, (void *)how));
    for (int i = 0; i < 10; i++) how(); /* and from a thread */
    CHECK_OK(gmp_wg_wait(&wg, GMP_FOREVER));
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), ROUNDS);
}

SCENARIO(posix_spawn_from_tasks_under_load) { under_load(by_posix_spawn); }
SCENARIO(system_from_tasks_under_load) { under_load(by_system); }
SCENARIO(popen_from_tasks_under_load) { under_load(by_popen); }
SCENARIO(vfork_and_exec_from_tasks_under_load) { under_load(by_vfork); }

/* ------------------------------------------------------------ what they inherit */

/* What a program says; not through a shell, which may unblock signals. */
static size_t say(char *arguments[], char *text, size_t size) {
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    size_t n = 0;
    ssize_t got;
    CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
    CHECK_EQ(posix_spawn_file_actions_init(&actions), 0);
    CHECK_EQ(posix_spawn_file_actions_adddup2(&actions, ends[1], 1), 0);
    CHECK_EQ(posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ), 0);
    CHECK_EQ(posix_spawn_file_actions_destroy(&actions), 0);
    CHECK_EQ(close(ends[1]), 0);
    while ((got = read(ends[0], text + n, size - 1 - n)) > 0) n += (size_t)got;
    CHECK_EQ(got, 0);
    CHECK_EQ(close(ends[0]), 0);
    expect(pid, 0);
    text[n] = 0;
    CHECK(n > 0);
    return n;
}

/* The kernel's words for blocked and ignored signals, and the descriptors, of a program that is started here. */
static void look(char *text, size_t size) {
    char *signals[] = {(char *)"grep", (char *)"-E", (char *)"^Sig(Blk|Ign)", (char *)"/proc/self/status", NULL};
    char *descriptors[] = {(char *)"ls", (char *)"/proc/self/fd", NULL};
    size_t n = say(signals, text, size);
    say(descriptors, text + n, size - n);
}

static char before[1000], now[1000];

static void compare(void *arg) {
    (void)arg;
    look(now, sizeof now);
    CHECK_EQ(strcmp(before, now), 0);
    gmp_yield();
}

static void use_much(void *arg) {
    compare(arg);
    gmp_timer_t *timer;
    CHECK_OK(gmp_timer_func(MS, nothing, NULL, &timer));
    CHECK_OK(gmp_sleep(2 * MS));
    gmp_timer_free(timer);
    CHECK_OK(gmp_blocking_enter());
    usleep(2000);
    CHECK_OK(gmp_blocking_exit());
    usleep(2000);
    compare(arg);
}

static void same_for_programs_of_tasks(void) {
    look(before, sizeof before);
    check_start(2);
    for (int i = 0; i < 10; i++) CHECK_OK(gmp_run(use_much, NULL));
    compare(NULL);
    CHECK_OK(gmp_shutdown(GMP_FOREVER));
    compare(NULL);
}

SCENARIO(programs_of_tasks_inherit_an_empty_mask_and_no_descriptor) {
    sigset_t none, mask;
    CHECK_EQ(sigemptyset(&none), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &none, NULL), 0);
    same_for_programs_of_tasks();
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    for (int i = 1; i < NSIG; i++) CHECK(sigismember(&mask, i) != 1);
    CHECK(strstr(before, "SigBlk:\t0000000000000000") != NULL);
}

SCENARIO(programs_of_tasks_inherit_the_mask_of_who_started_the_runtime) {
    sigset_t mask;
    CHECK_EQ(sigemptyset(&mask), 0);
    CHECK_EQ(sigaddset(&mask, SIGUSR1), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    same_for_programs_of_tasks();
    CHECK(strstr(before, "SigBlk:\t0000000000000200") != NULL);
}

/* A machine that a thread with another mask makes: it runs tasks of everybody. */
static void see_an_empty_mask(void *arg) {
    sigset_t mask;
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    usleep(1000);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    CHECK_OK(gmp_blocking_exit());
    for (int i = 1; i < NSIG; i++) CHECK(sigismember(&mask, i) != 1);
    atomic_fetch_add(&ran, 1);
}

static void *spawn_with_all_blocked(void *arg) {
    sigset_t all;
    CHECK_EQ(sigfillset(&all), 0);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &all, NULL), 0);
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(see_an_empty_mask, NULL));
    return arg;
}

SCENARIO(machines_that_a_thread_with_another_mask_makes_have_the_first_mask) {
    pthread_t thread;
    check_start(4);
    CHECK_EQ(pthread_create(&thread, NULL, spawn_with_all_blocked, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 20);
}
