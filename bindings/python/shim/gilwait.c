/* Whether a thread waits for the GIL: asked of a task that has given it up, by the runtime's monitor.
 *
 * Owns: the address of the word that such threads sleep on, learnt once.
 *
 * Always true: an answer takes no lock and allocates nothing. A thread that waits for the GIL sleeps in a futex call on a word of the
 * interpreter's GIL structure: two condition variables and two mutexes side by side (Python/ceval_gil.c). Where the word could not be learnt, or the
 * kernel does not say what a thread sleeps on, nobody is taken for waiting for it: the others then go on on one more thread, which waits too.
 *
 * Called by: class.c. gil_learn blocks its thread for some 100 us, with the GIL held; gil_waits nothing.
 *
 * Sources: proc(5), /proc/PID/task/TID/syscall: the call's number and its arguments. */
#define _GNU_SOURCE
#include "gil.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of the structure, before and after the word. */
enum { BEFORE = 128, AFTER = 256 };
/* How often the probe's thread is looked at, 20 us apart. */
enum { LOOKS = 5000 };

static uintptr_t gil_word;

/* The word that the thread sleeps on; 0: it does not, or nobody can tell. */
static uintptr_t word_of(pid_t tid)
{
    char path[64], text[160];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    char *end;
    long number = strtol(text, &end, 10);
    return end != text && number == SYS_futex ? strtoull(end, NULL, 16) : 0;
}

int gil_waits(pid_t tid)
{
    uintptr_t word = gil_word;
    if (word == 0 || tid == 0)
        return 0;
    uintptr_t at = word_of(tid);
    return at + BEFORE >= word && at < word + AFTER;
}

struct probe {
    atomic_int tid;
};

static void *wait_for_gil(void *arg)
{
    struct probe *probe = arg;
    GUARD(g);
    atomic_store(&probe->tid, (int)syscall(SYS_gettid));
    PyGILState_Release(PyGILState_Ensure());
    GUARD_OFF(g);
    return NULL;
}

void gil_learn(void)
{
    pthread_t thread;
    struct probe probe = {0};
    if (pthread_create(&thread, NULL, wait_for_gil, &probe) != 0)
        return;
    struct timespec pause = {0, 20000};
    uintptr_t before = 0;
    for (int i = 0; i < LOOKS; i++) {
        int tid = atomic_load(&probe.tid);
        /* Twice the same: it did not just pass a lock of the allocator. */
        uintptr_t word = tid != 0 ? word_of(tid) : 0;
        if (word != 0 && word == before) {
            gil_word = word;
            break;
        }
        before = word;
        nanosleep(&pause, NULL);
    }
    Py_BEGIN_ALLOW_THREADS
    pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
}
