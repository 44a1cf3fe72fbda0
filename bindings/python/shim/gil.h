/* Asking for the GIL from a thread that the interpreter did not make: the guard that every such call stands in, and
 * the flags of exit.c. Private to the shim. */
#ifndef GMP_PY_GIL_H
#define GMP_PY_GIL_H
#include "shim.h"
#include <sys/types.h>

/* Up to 3.13 a thread that gets the GIL of a finalizing interpreter is ended by pthread_exit, which unwinds its
 * stack. Under a task that stack ends in the runtime, which no one may unwind; so the unwinding stops here, for ever.
 * From 3.14 on the interpreter itself parks such threads. */
typedef struct guard {
    int armed;
} guard;
void guard_check(guard *g);
#define GUARD(g) guard g __attribute__((cleanup(guard_check))) = {1}
#define GUARD_OFF(g) ((g).armed = 0)

void leave_if_closing(void); /* does not return once shim_close was called */
void token_taken(void);
void token_lost(void);

/* gilwait.c */
void gil_learn(void);
int gil_blocks_elsewhere(pid_t tid);

/* moving.c */
int may_move(const py_task *t, const void *sp);

#endif
