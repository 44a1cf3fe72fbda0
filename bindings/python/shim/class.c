/* The Python task class: one thread state per task, attached and detached by the machine that runs it.
 *
 * Owns: the fields of `struct _ts` that PyO3 leaves out, and the word that names the task of this thread.
 *
 * The rooms beside it: exit.c (how the process ends), gilwait.c (who waits for the GIL), moving.c (who may change threads).
 *
 * Always true:
 *  - S1. A task's thread state is attached only by a Swap from a state that its machine has attached, and detached
 *        only by a Swap to another one on the same machine. (A SaveThread on one OS thread and a RestoreThread on
 *        another leave the interpreter's own thread-local word stale: the next PyGILState_Ensure hangs or dies.)
 *  - S2. Whenever the runtime is in charge between acquire and release, this machine's thread holds the GIL if and
 *        only if `attached` is not NULL, and `attached` is the state that holds it.
 *  - S3. Nothing here waits in the runtime. switch_out waits for nothing; the other hooks may wait for the GIL (from
 *        3.12 on every Swap lets go of it for a moment).
 *
 * Called by: the runtime (the hooks), src/ (the rest).
 *
 * Tried and dropped: pooling thread states (0.6 us saved a task, and every user-visible field leaks into the next
 * task); clearing a thread state in finish (finalizers of thread-locals may wait, which takes a task's stack). */
#define _GNU_SOURCE
#include "gil.h"
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ------------------------------------------------------------ who runs here */

/* One word per thread. Read only through these functions, which nobody inlines into code that a task's switch
 * could cut in two: a compiler may keep the address of a thread-local word across a call. */
static __thread struct {
    py_task *task;
    int in_hook;
} here __attribute__((tls_model("initial-exec")));

__attribute__((noinline)) py_task *shim_current(void)
{
    return here.task;
}

__attribute__((noinline)) int shim_caller(void)
{
    if (here.task != NULL)
        return CALLER_TASK;
    if (here.in_hook)
        return CALLER_HOOK;
    return gmp_self_id() != 0 ? CALLER_NATIVE_TASK : CALLER_THREAD;
}

/* ------------------------------------------------------------ thread states */

typedef int (*stack_protection_fn)(PyThreadState *, void *, size_t);
static stack_protection_fn set_stack_protection;

/* The first chunk of a thread state's data stack: carved from the very top of the task's own stack, where the
 * first C frames of the task share its page. Its address is no multiple of the page size, so an interpreter that
 * frees the chunks of abandoned thread states (fork, finalization) gets EINVAL from munmap and goes on. */
enum { ROOT_CHUNK = 2048 };

/* The thread-specific word behind PyGILState_Ensure: the state that this thread last had attached. Its key is not public: it is the
 * one whose value is this thread's state. Looked for on machine threads only, just after they got their state, so no other
 * library has stored the same pointer there. */
static pthread_key_t auto_key;
static int auto_key_known;

static int find_auto_key(PyThreadState *ts)
{
    for (unsigned k = 0; k < PTHREAD_KEYS_MAX; k++) {
        if (pthread_getspecific((pthread_key_t)k) == (void *)ts) {
            auto_key = (pthread_key_t)k;
            auto_key_known = 1;
            return 0;
        }
    }
    return -1;
}

/* What a Swap from `ts` to the machine's own state does to that word, without asking for the GIL: nothing on this thread names `ts` then,
 * and the next thread that attaches it puts it into its own word. */
static void unbind(py_machine *m, PyThreadState *ts)
{
#if PY_VERSION_HEX >= 0x030C0000
    ts->_status.bound_gilstate = 0;
    m->own->_status.bound_gilstate = 1;
#else
    (void)ts;
#endif
    pthread_setspecific(auto_key, m->own);
}

/* Has it given the GIL up? For the state of a task that a thread runs: by that thread, or, as a hint, by others. */
static int is_detached(PyThreadState *ts)
{
    volatile PyThreadState *seen = ts;
#if PY_VERSION_HEX >= 0x030D0000
    return seen->state == 0;
#elif PY_VERSION_HEX >= 0x030C0000
    return !seen->_status.active;
#else
    (void)seen;
    return _PyThreadState_UncheckedGet() != ts;
#endif
}

static void swap_to(py_machine *m, PyThreadState *ts)
{
    if (m->attached == ts)
        return;
    GUARD(g);
    if (m->attached == NULL) {
        leave_if_closing();
        PyEval_RestoreThread(m->own);
        m->attached = m->own;
    }
    if (m->attached != ts) {
        PyThreadState_Swap(ts);
        m->attached = ts;
        if (m->dead != NULL) {
            PyThreadState_Delete(m->dead);
            m->dead = NULL;
        }
    }
#if PY_VERSION_HEX < 0x030C0000
    pthread_setspecific(auto_key, ts); /* Swap leaves it as it is there */
#endif
    GUARD_OFF(g);
}

static int state_new(py_task *t, char *low, size_t size)
{
    PyThreadState *ts = PyThreadState_New(PyInterpreterState_Main());
    if (ts == NULL)
        return GMP_ENOMEM;
    _PyStackChunk *chunk = (_PyStackChunk *)(low + size - ROOT_CHUNK);
    chunk->previous = NULL;
    chunk->size = ROOT_CHUNK;
    chunk->top = 1;
    ts->datastack_chunk = chunk;
    ts->datastack_top = &chunk->data[1];
    ts->datastack_limit = (PyObject **)((char *)chunk + ROOT_CHUNK);
    size_t usable = size - ROOT_CHUNK;
    t->top = (const char *)chunk;
#if PY_VERSION_HEX >= 0x030E0000
    if (set_stack_protection(ts, low, usable) != 0) {
        PyErr_Clear();
        PyThreadState_Clear(ts);
        ts->datastack_chunk = NULL;
        ts->datastack_top = ts->datastack_limit = NULL;
        PyThreadState_Delete(ts);
        return GMP_EINVAL;
    }
#elif PY_VERSION_HEX >= 0x030C0000
    /* Measured worst case: 1.65 KB of stack for each level that CPython counts. 96 KiB stay for what it does not. */
    ts->c_recursion_remaining = (int)((usable - 96 * 1024) / 2048);
#else
    (void)usable;
#endif
    t->ts = ts;
    return 0;
}

/* Takes the root chunk out of a state that will be deleted: it goes with the stack. The chunks that frames added were
 * freed when those frames ended; only a task that was cut off has any left, which the interpreter frees. */
static void forget_root_chunk(PyThreadState *ts)
{
    _PyStackChunk *chunk = ts->datastack_chunk;
    if (chunk != NULL && chunk->previous == NULL) {
        ts->datastack_chunk = NULL;
    } else if (chunk != NULL) {
        while (chunk->previous->previous != NULL)
            chunk = chunk->previous;
        chunk->previous = NULL;
    }
    ts->datastack_top = ts->datastack_limit = NULL;
}

/* ------------------------------------------------------------ the hooks */

static int machine_start(void *user, void **m_out)
{
    (void)user;
    py_machine *m = PyMem_RawCalloc(1, sizeof *m);
    if (m == NULL)
        return GMP_ENOMEM;
    GUARD(g);
    leave_if_closing();
    PyGILState_STATE before = PyGILState_Ensure();
    m->own = PyThreadState_Get();
    m->tid = syscall(SYS_gettid);
    int code = 0;
    if (!auto_key_known && find_auto_key(m->own) != 0)
        code = GMP_ENOTSUP;
    if (code != 0 || before != PyGILState_UNLOCKED) {
        PyGILState_Release(before);
        PyMem_RawFree(m);
        GUARD_OFF(g);
        return code != 0 ? code : GMP_EMISUSE;
    }
    PyEval_SaveThread();
    GUARD_OFF(g);
    *m_out = m;
    return 0;
}

static void machine_end(void *user, void *mv)
{
    (void)user;
    py_machine *m = mv;
    if (m == NULL || shim_closing())
        return;
    GUARD(g);
    PyEval_RestoreThread(m->own);
    pthread_setspecific(auto_key, m->own); /* whatever foreign code has done to it */
    PyGILState_Release(PyGILState_UNLOCKED);
    GUARD_OFF(g);
    PyMem_RawFree(m);
}

static void acquire(void *user, void *mv)
{
    (void)user;
    swap_to(mv, ((py_machine *)mv)->own);
    token_taken();
}

/* Also on the stack of a task that leaves a machine whose token was taken: then it must not wait, so it does not Swap. */
static void release(void *user, void *mv)
{
    (void)user;
    py_machine *m = mv;
    if (m->attached != NULL) {
        if (m->dead != NULL)
            swap_to(m, m->own);
        else
            unbind(m, m->attached);
        PyEval_SaveThread();
        m->attached = NULL;
    }
    token_lost();
}

static int first_run(void *user, void *mv, void *tv, void *low, size_t size)
{
    (void)user;
    py_task *t = tv;
    py_machine *m = mv;
    if (m->attached == NULL)
        swap_to(m, m->own); /* else any state will do: the machine's own would cost two more Swaps a task */
    if (shim_stopping())
        return t->start_error = GMP_ESTOPPED;
    return t->start_error = state_new(t, low, size);
}

static void switch_in(void *user, void *mv, void *tv)
{
    (void)user;
    py_machine *m = mv;
    py_task *t = tv;
    swap_to(m, t->ts);
    here.task = t;
    t->tid = m->tid;
    if (t->detached) {
        /* It parked while foreign code had released the GIL, and goes on so. The Swap above made its state the one
         * that PyGILState_Ensure finds on this thread. */
        t->detached = 0;
        PyEval_SaveThread();
        m->attached = NULL;
    }
}

/* What the task left attached is known only now: its C code may have released and retaken the GIL. */
static void leave_task(py_machine *m, py_task *t)
{
    t->detached = (uint8_t)is_detached(t->ts);
    m->attached = t->detached ? NULL : t->ts;
    if (t->detached)
        unbind(m, t->ts); /* or a native task's callback would find a parked task's state */
    here.task = NULL;
}

static void switch_out(void *user, void *mv, void *tv)
{
    (void)user;
    leave_task(mv, tv);
}

static void finish(void *user, void *mv, void *tv)
{
    (void)user;
    py_machine *m = mv;
    py_task *t = tv;
    PyThreadState *ts = t->ts;
    if (ts != NULL && here.task == t)
        leave_task(m, t);
    if (!t->done || m->attached == NULL) {
        swap_to(m, m->own);
        here.in_hook = 1;
        if (!t->done)
            gmp_py_abandoned(t);
        if (ts != NULL && !t->cleared)
            PyThreadState_Clear(ts);
        here.in_hook = 0;
    }
    t->ts = NULL;
    if (ts != NULL) {
        forget_root_chunk(ts);
        if (m->attached == ts)
            m->dead = ts;
        else
            PyThreadState_Delete(ts);
    }
    /* Before any Swap, which may hand the GIL to a thread that drops the last other reference. */
    Py_DECREF((PyObject *)t);
}

/* A task's whole life, in C so that no Rust frame lies under Python code: the guard's unwinding passes here. */
static void *entry(void *arg)
{
    py_task *t = arg;
    GUARD(g);
    t->id = gmp_self_id();
    t->ts->thread_id = (unsigned long)t->id;
    if (gmp_py_begin(t))
        gmp_py_end(t, t->args != NULL ? PyObject_Call(t->fn, t->args, NULL) : PyObject_CallNoArgs(t->fn));
    /* Here, not in finish: finalizers of the task's locals may wait, which takes a task's stack. */
    PyThreadState_Clear(t->ts);
    t->cleared = 1;
    gmp_py_done(t);
    GUARD_OFF(g);
    return NULL;
}

/* The rest of the list of hooks: asked by others than the machine that runs the task. */

static int may_migrate(void *user, void *tv, const void *sp)
{
    (void)user;
    return may_move(tv, sp);
}

/* The monitor asks, while the task is in code that is not the runtime's: so its state stays. */
static int is_blocked(void *user, void *tv)
{
    (void)user;
    py_task *t = tv;
    return t->ts != NULL && is_detached(t->ts) && gil_blocks_elsewhere((pid_t)t->tid);
}

static const gmp_task_class_t python_class = {
    .struct_size = sizeof(gmp_task_class_t),
    .name = "python",
    .flags = GMP_CLASS_EXCLUSIVE | GMP_CLASS_OWN_LOCK,
    .machine_start = machine_start,
    .machine_end = machine_end,
    .acquire = acquire,
    .release = release,
    .first_run = first_run,
    .switch_in = switch_in,
    .switch_out = switch_out,
    .finish = finish,
    .may_migrate = may_migrate,
    .is_blocked = is_blocked,
};

/* ------------------------------------------------------------ calls from Rust */

/* What deep recursion needs on this interpreter; a task never gets less. Stacks are reserved, not committed: only
 * pages that were touched cost memory. */
size_t shim_default_stack(void)
{
#if PY_VERSION_HEX >= 0x030E0000
    return 256 * 1024 - 64 * 1024;
#elif PY_VERSION_HEX >= 0x030C0000
    /* The parser has a limit of its own, which c_recursion_remaining does not move: 0.92 MB of stack. */
    return 1024 * 1024 - 64 * 1024;
#else
    /* 3.11 has no limit for C recursion but the one it shares with Python code: a thousand levels, of which nested
     * sorted(key=) needs 2.0 MB. It counts on the 8 MB that threads have. */
    return 8 * 1024 * 1024 - 64 * 1024;
#endif
}

static gmp_spawn_opts_t python_opts, native_opts;

/* The task is detached at once; the handle serves only to learn its id. */
static int spawn(gmp_task_fn_t fn, void *arg, const gmp_spawn_opts_t *opts, uint64_t *id_out)
{
    gmp_task_t *handle = NULL;
    int code = gmp_spawn(fn, arg, opts, &handle);
    if (code != 0)
        return code;
    *id_out = gmp_task_id(handle);
    gmp_task_free(handle);
    return 0;
}

int shim_spawn(py_task *t, const char *name, size_t stack_size)
{
    gmp_spawn_opts_t opts = python_opts;
    opts.name = name;
    opts.stack_size = stack_size;
    opts.class_data = t;
    return spawn(entry, t, &opts, &t->id);
}

int shim_spawn_native(gmp_task_fn_t fn, void *arg, uint64_t *id_out, gmp_task_t **handle_out)
{
    int code = gmp_spawn(fn, arg, &native_opts, handle_out);
    if (code == 0)
        *id_out = gmp_task_id(*handle_out);
    return code;
}

PyObject *shim_take_exception(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#endif
}

/* The child of a fork has one thread and none of the machines; its interpreter has dropped their thread states. */
void shim_after_fork(void)
{
    here.task = NULL;
    here.in_hook = 0;
    auto_key_known = 0; /* 3.11 makes a new key in the child */
    shim_exit_after_fork();
}

int shim_init(void)
{
#if PY_VERSION_HEX >= 0x030E0000
    set_stack_protection = (stack_protection_fn)dlsym(RTLD_DEFAULT, "PyUnstable_ThreadState_SetStackProtection");
    if (set_stack_protection == NULL)
        return GMP_ENOTSUP;
#else
    (void)set_stack_protection;
#endif
    gil_learn();
    int code = gmp_spawn_opts_init(&native_opts, sizeof native_opts);
    if (code != 0)
        return code;
    python_opts = native_opts;
    python_opts.task_class = &python_class;
    return 0;
}

#ifdef Py_GIL_DISABLED
#error "gmp-py does not support free-threaded builds of CPython"
#endif
_Static_assert(offsetof(py_task, ts) == 16, "mirrored in src/shim.rs");
_Static_assert(sizeof(py_task) == 72, "mirrored in src/shim.rs");
_Static_assert(sizeof(gmp_wg_t) == 16, "mirrored in src/abi.rs");
_Static_assert(sizeof(gmp_stats_t) >= 200, "mirrored in src/abi.rs");
