/* What the programs about waiting share: parties that are tasks or threads, how to know that they wait, and memory
 * that answers a touch after its end with SIGSEGV. */
#ifndef GMP_TESTS_WAITS_H
#define GMP_TESTS_WAITS_H
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "check.h"

/* To other tasks and other threads: who looks at a variable all the time keeps a core from those who will set it. */
__attribute__((unused)) static void give_way(void) {
    gmp_yield();
    sched_yield();
}

/* Fails the scenario instead of leaving it to the driver's limit, so that the line is known. */
#define UNTIL(condition, pause)                                                                                        \
    do {                                                                                                               \
        gmp_time_t until_end = SOON();                                                                                 \
        while (!(condition)) {                                                                                         \
            CHECK(gmp_now() < until_end || !"in time: " #condition);                                                   \
            pause;                                                                                                     \
        }                                                                                                              \
    } while (0)

/* Looks again at once, so that it sees the condition the moment that it holds; and lets others run now and then. */
#define POLL_UNTIL(condition)                                                                                          \
    do {                                                                                                               \
        unsigned poll_looks = 0;                                                                                       \
        UNTIL(condition, if (++poll_looks % 64 == 0) give_way());                                                     \
    } while (0)

/* Works the processor for `ns` without a call that could switch: gmp_now() needs no enter. */
__attribute__((unused)) static void spin_for(int64_t ns) {
    gmp_time_t end = gmp_now() + ns;
    while (gmp_now() < end) {
    }
}

/* ------------------------------------------------------------ parties */
enum kind { TASK, THREAD };

struct party {
    void (*fn)(void *);
    void *arg;
    enum kind kind;
    gmp_task_t *task;
    pthread_t thread;
    atomic_int tid;
};

__attribute__((unused)) static void *party_as_a_thread(void *arg) {
    struct party *p = (struct party *)arg;
    atomic_store(&p->tid, (int)syscall(SYS_gettid));
    p->fn(p->arg);
    return NULL;
}

__attribute__((unused)) static void *party_as_a_task(void *arg) {
    struct party *p = (struct party *)arg;
    p->fn(p->arg);
    return NULL;
}

/* `p` stays where it is until party_end. */
__attribute__((unused)) static void party_start(struct party *p, enum kind kind, void (*fn)(void *), void *arg) {
    p->fn = fn;
    p->arg = arg;
    p->kind = kind;
    p->task = NULL;
    atomic_store(&p->tid, 0);
    if (kind == THREAD) {
        CHECK_EQ(pthread_create(&p->thread, NULL, party_as_a_thread, p), 0);
    } else {
        CHECK_OK(gmp_spawn(party_as_a_task, p, NULL, &p->task));
    }
}

__attribute__((unused)) static void party_end(struct party *p) {
    if (p->kind == THREAD) {
        CHECK_EQ(pthread_join(p->thread, NULL), 0);
    } else {
        CHECK_OK(gmp_join(p->task, SOON(), NULL));
    }
}

__attribute__((unused)) static void parties_end(struct party *p, int n) {
    for (int i = 0; i < n; i++) party_end(&p[i]);
}

/* ------------------------------------------------------------ who waits */

/* Until `n` tasks are parked and none runs. Only for threads: a task that asks is one that runs. */
__attribute__((unused)) static void until_parked(int64_t n) {
    gmp_stats_t s;
    UNTIL((s = check_stats(), s.tasks_parked == n && s.tasks_running == 0 && s.tasks_runnable == 0), usleep(20));
}

__attribute__((unused)) static int thread_sleeps(int tid) {
    char path[64], text[512], *after_name;
    FILE *file;
    size_t n;
    if (tid == 0) return 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
    file = fopen(path, "r");
    if (file == NULL) return 0;
    n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    after_name = strrchr(text, ')');
    return after_name != NULL && after_name[1] == ' ' && after_name[2] == 'S';
}

/* Until all of them wait: for parties whose first sleep is the wait in question, while no other task is parked. */
__attribute__((unused)) static void until_waiting(struct party *p, int n) {
    int tasks = 0;
    for (int i = 0; i < n; i++) {
        if (p[i].kind == TASK) {
            tasks++;
        } else {
            UNTIL(thread_sleeps(atomic_load(&p[i].tid)), usleep(20));
        }
    }
    until_parked(tasks);
}

/* ------------------------------------------------------------ rounds */
static atomic_int rounds_met;

/* All `parties` leave it for the round at about the same moment. Rounds count from zero, and all meet in each. */
__attribute__((unused)) static void meet(int round, int parties) {
    atomic_fetch_add(&rounds_met, 1);
    UNTIL(atomic_load(&rounds_met) >= (round + 1) * parties, give_way());
}

/* ------------------------------------------------------------ memory that goes away */
#define PAGE ((size_t)4096)

/* `n` pages of zeros, one for each round's object. */
__attribute__((unused)) static char *pages_new(int n) {
    void *pages = mmap(NULL, (size_t)n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(pages != MAP_FAILED);
    return (char *)pages;
}

/* From now on a touch of this object is a SIGSEGV, a read as well; no other object takes its place. */
__attribute__((unused)) static void page_free(void *object) { CHECK_EQ(mprotect(object, PAGE, PROT_NONE), 0); }
#endif
