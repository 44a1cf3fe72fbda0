/* How the process ends: the two exit flags, and the wait for the machines to let go of the GIL.
 *
 * Owns: `stopping`, `closing`, the count of live tasks, the count of machines that hold the class's token.
 *
 * Always true:
 *  - E1. Once `closing` is set no machine starts to ask for the GIL; one that was asking already hangs in its guard
 *        when the interpreter turns it away. No frame of the runtime is ever unwound.
 *  - E2. `live` is written under the GIL only.
 *
 * Called by: class.c (the token's way), src/exit.rs. shim_drain blocks its thread; nothing else blocks. */
#define _GNU_SOURCE
#include "gil.h"
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

static atomic_int stopping; /* exit has begun: tokens given up are announced to shim_drain */
static atomic_int closing;  /* the interpreter may be gone: nobody asks for the GIL any more */
static atomic_llong live;   /* tasks spawned and not yet done */
static atomic_int holders;  /* machines between acquire and release */
static pthread_mutex_t drain_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t drain_wake = PTHREAD_COND_INITIALIZER;

static void hang(void)
{
    for (;;)
        pause();
}

void guard_check(guard *g)
{
    if (g->armed)
        hang();
}

int shim_closing(void)
{
    return atomic_load_explicit(&closing, memory_order_acquire);
}

int shim_stopping(void)
{
    return atomic_load_explicit(&stopping, memory_order_relaxed);
}

void leave_if_closing(void)
{
    if (shim_closing())
        hang();
}

void shim_live(int64_t delta)
{
    long long n = atomic_load_explicit(&live, memory_order_relaxed);
    atomic_store_explicit(&live, n + delta, memory_order_relaxed);
}

void shim_stop(void)
{
    atomic_store(&stopping, 1);
}

void shim_close(void)
{
    atomic_store(&closing, 1);
}

void token_taken(void)
{
    atomic_fetch_add(&holders, 1);
}

void token_lost(void)
{
    /* Sequentially consistent with shim_stop: either this machine sees `stopping` and announces itself, or shim_drain,
     * which looks at `holders` after setting it, sees the count already lowered. */
    atomic_fetch_sub(&holders, 1);
    if (atomic_load(&stopping)) {
        pthread_mutex_lock(&drain_lock);
        pthread_cond_broadcast(&drain_wake);
        pthread_mutex_unlock(&drain_lock);
    }
}

int shim_drain(int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t at = (int64_t)until.tv_sec * 1000000000 + until.tv_nsec + ns;
    until.tv_sec = at / 1000000000;
    until.tv_nsec = at % 1000000000;
    int left;
    pthread_mutex_lock(&drain_lock);
    while ((left = atomic_load(&live) != 0 || atomic_load(&holders) != 0) != 0) {
        if (pthread_cond_timedwait(&drain_wake, &drain_lock, &until) != 0)
            break;
    }
    pthread_mutex_unlock(&drain_lock);
    return !left;
}

void shim_exit_after_fork(void)
{
    atomic_store(&stopping, 0);
    atomic_store(&closing, 0);
    atomic_store(&live, 0);
    atomic_store(&holders, 0);
    pthread_mutex_init(&drain_lock, NULL);
    pthread_cond_init(&drain_wake, NULL);
}

PyThreadState *shim_detach(void)
{
    return PyEval_SaveThread();
}

void shim_attach(PyThreadState *ts)
{
    GUARD(g);
    PyEval_RestoreThread(ts);
    GUARD_OFF(g);
}
