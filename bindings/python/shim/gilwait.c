/* Whether a thread sleeps, and for something else than the GIL: asked of a task that has given it up, by the runtime's monitor.
 *
 * Owns: the address of the word that such threads sleep on, learnt once.
 *
 * Always true: an answer takes no lock and allocates nothing. A thread that waits for the GIL sleeps in a futex call on a word of the
 * interpreter's GIL structure: two condition variables and two mutexes side by side (Python/ceval_gil.c). Where the word could not be learnt, or the
 * kernel does not say what a thread sleeps on, nobody is taken for waiting for it:
 * the others then go on on one more thread, which waits too.
 *
 * Called by: class.c. gil_learn blocks its thread for some 100 us, with the GIL held; gil_blocks_elsewhere nothing.
 *
 * Sources: proc(5), /proc/PID/task/TID/syscall: the call's number and its arguments. */
#define _GNU_SOURCE
#include "gil.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Of the structure, before and after the word. */
enum { BEFORE = 128, AFTER = 256 };
/* How often the probe's thread is looked at, 20 us apart. */
enum { LOOKS = 5000 };

static uintptr_t gil_word;

/* What the kernel says of a thread: the call that it is in, "running", or nothing. */
static int ask(pid_t tid, char *text, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", (int)tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, room - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    return n > 0;
}

/* The word that the thread sleeps on; 0: none that is known. */
static uintptr_t word_in(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);
    return end != text && number == SYS_futex ? strtoull(end, NULL, 16) : 0;
}

int gil_blocks_elsewhere(pid_t tid)
{
    char text[160];
    if (tid == 0 || !ask(tid, text, sizeof text))
        return 1;
    /* On a CPU or waiting for one: it computes, or it was just woken to get the GIL. */
    if (strncmp(text, "running", 7) == 0)
        return 0;
    uintptr_t word = gil_word, at = word_in(text);
    return word == 0 || at + BEFORE < word || at >= word + AFTER;
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
        char text[160];
        uintptr_t word = tid != 0 && ask(tid, text, sizeof text) ? word_in(text) : 0;
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
