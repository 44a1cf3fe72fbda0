/* What Rust and the C shim know of each other. Mirrored by hand in src/shim.rs; the assertions at the end of
 * class.c and src/shim.rs fail the build when the two drift apart. */
#ifndef GMP_PY_SHIM_H
#define GMP_PY_SHIM_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <gmprt.h>

/* The head of a Task object: what the class's hooks touch. The rest of the object belongs to src/task.rs. */
typedef struct py_task {
    PyObject_HEAD
    PyThreadState *ts;   /* from first_run to finish */
    const char *top;     /* where its frames begin, from first_run on */
    int64_t tid;         /* the kernel's id of the thread that runs it, or ran it last */
    PyObject *fn;        /* until the call has ended */
    PyObject *args;      /* a tuple; NULL: no arguments */
    uint64_t id;         /* the runtime's task id; 0 until known */
    int32_t start_error; /* what first_run failed with */
    uint8_t detached;    /* parked while its thread state was not attached (GIL released by foreign C code) */
    uint8_t cleared;     /* its thread state has been through PyThreadState_Clear */
    uint8_t done;        /* result or error is in place and joiners were woken */
    uint8_t unused;
} py_task;

/* One machine that runs Python tasks. `attached` is the thread state that this machine's thread has attached
 * while the runtime, not a task, is in charge: NULL, its own, or that of the task it ran last. `dead` is the state of
 * a task that has ended, attached until the next Swap and then deleted. */
typedef struct py_machine {
    int64_t tid;
    PyThreadState *own;
    PyThreadState *attached;
    PyThreadState *dead;
} py_machine;

/* Who is asking, from the point of view of a call that waits. */
enum { CALLER_THREAD = 0, CALLER_TASK = 1, CALLER_NATIVE_TASK = 2, CALLER_HOOK = 3 };

/* Implemented in Rust. All are called with the GIL held. */
int gmp_py_begin(py_task *t);                      /* 0: do not call fn */
void gmp_py_end(py_task *t, PyObject *result);     /* takes result, or the exception that is set */
void gmp_py_done(py_task *t);                      /* wakes joiners; nothing of the task runs after this */
void gmp_py_abandoned(py_task *t);                 /* the entry did not reach its end */

/* Implemented in C. */
int shim_init(void);
int shim_spawn(py_task *t, const char *name, size_t stack_size);
int shim_spawn_native(gmp_task_fn_t fn, void *arg, uint64_t *id_out, gmp_task_t **handle_out);
size_t shim_default_stack(void);
PyObject *shim_take_exception(void); /* the one that is set, normalized, its traceback in place; owned */
py_task *shim_current(void);
int shim_caller(void);
PyThreadState *shim_detach(void);
void shim_attach(PyThreadState *ts);
void shim_restore_exception(PyObject *error); /* takes it */
void shim_thread_enter(void);               /* a new thread takes the GIL, and a thread state for ever */
void shim_thread_attach(PyThreadState *ts); /* as shim_attach, on that thread */
int shim_at_jump(PyThreadState *ts, uint64_t ident);
void shim_live(int64_t delta);
void shim_stop(void);
int shim_stopping(void);
int shim_closing(void);
int shim_drain(int64_t ns); /* without the GIL: 1 when no task is left and no machine holds the token, 0 after ns */
void shim_close(void);
void shim_after_fork(void);
void shim_exit_after_fork(void);
PyObject *shim_capsule(void); /* the table of gmp_py.h */

#endif
