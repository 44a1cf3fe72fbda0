/* Whether a parked task may go on on another OS thread.
 *
 * Owns: the list of the code that is loaded, as far as it is neither the interpreter's, nor ours, nor the C library's.
 *
 * Always true: a task moves only if no word of its stack could be a return address into foreign code. The frames of such
 * code may hold what belongs to their thread: PyO3 counts attachments in thread-local storage, C++ keeps its exceptions
 * there. What the interpreter's own frames hold goes with the thread state. A word that looks like one may be left from a call that is over:
 * then the stack is unwound, which tells for sure, in some 20 us.
 *
 * Called by: class.c, on the machine that would take the task over, which holds the class's token: so never twice at a time. It blocks as the
 * dynamic loader's lock does.
 *
 * Tried and dropped: the distance from the top of the stack to the place of the park, compared with that of a probe: a constant for each entry point
 * and each way the interpreter calls it (cold, specialised, as a method), some hundred to be measured at import. */
#define _GNU_SOURCE
#include "gil.h"
#include <gnu/libc-version.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)

typedef struct range {
    uintptr_t low, high;
} range;

static struct {
    range *list; /* in order, none touches another */
    size_t len, room;
    unsigned long long adds; /* the loader's count when the list was made */
    int complete;
} foreign;

/* One place in the code of each object whose frames may move. */
static int is_known(uintptr_t low, uintptr_t high)
{
    const uintptr_t known[] = {(uintptr_t)&PyEval_EvalCode, (uintptr_t)&gmp_yield, (uintptr_t)&shim_init, (uintptr_t)&gnu_get_libc_version};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] >= low && known[i] < high)
            return 1;
    }
    return 0;
}

static int add_object(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    (void)arg;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];
        uintptr_t low = info->dlpi_addr + part->p_vaddr, high = low + part->p_memsz;
        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || is_known(low, high))
            continue;
        if (foreign.len == foreign.room) {
            size_t room = foreign.room * 2 + 64;
            /* Not the interpreter's: tracemalloc would have it ask for the GIL, under the loader's lock. */
            range *list = realloc(foreign.list, room * sizeof *list);
            if (list == NULL)
                return -1;
            foreign.list = list;
            foreign.room = room;
        }
        foreign.list[foreign.len++] = (range){low, high};
    }
    foreign.adds = info->dlpi_adds;
    return 0;
}

static int is_current(struct dl_phdr_info *info, size_t size, void *arg)
{
    (void)size;
    *(int *)arg = info->dlpi_adds == foreign.adds;
    return 1;
}

static int in_order(const void *a, const void *b)
{
    uintptr_t x = ((const range *)a)->low, y = ((const range *)b)->low;
    return (x > y) - (x < y);
}

/* Makes the list anew if something was loaded since. What was unloaded may stay in it. */
static int is_complete(void)
{
    int current = 0;
    dl_iterate_phdr(is_current, &current);
    if (!current || !foreign.complete) {
        foreign.len = 0;
        foreign.complete = dl_iterate_phdr(add_object, NULL) == 0;
        qsort(foreign.list, foreign.len, sizeof *foreign.list, in_order);
    }
    return foreign.complete;
}

static int is_foreign(uintptr_t word)
{
    size_t low = 0, high = foreign.len;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (word < foreign.list[middle].low)
            high = middle;
        else if (word >= foreign.list[middle].high)
            low = middle + 1;
        else
            return 1;
    }
    return 0;
}

static int has_foreign_frame(const py_task *t, const void *sp)
{
    void *at[32];
    int n = gmp_parked_frames(sp, t->top, at, sizeof at / sizeof at[0]);
    for (int i = 0; i < n; i++) {
        if (is_foreign((uintptr_t)at[i] - 1))
            return 1;
    }
    return n <= 0;
}

int may_move(const py_task *t, const void *sp)
{
    /* A trace function's frames keep addresses of thread-local words (the interpreter's legacy tracing). */
    if (t->detached || t->ts == NULL || t->ts->tracing || !is_complete())
        return 0;
    if (foreign.len == 0)
        return 1;
    int suspicious = 0;
    uintptr_t lowest = foreign.list[0].low, highest = foreign.list[foreign.len - 1].high;
    for (const uintptr_t *at = sp; (const char *)at < t->top && !suspicious; at++)
        suspicious = *at >= lowest && *at < highest && is_foreign(*at);
    return !suspicious || !has_foreign_frame(t, sp);
}

#else /* compilers keep addresses of thread-local words across calls there */

int may_move(const py_task *t, const void *sp)
{
    (void)t;
    (void)sp;
    return 0;
}

#endif
