/* gmprt.h: tasks, machines, processors (Go's G/M/P concurrency) for C and C++.
 * Generated from gmp-capi by cbindgen; do not edit. `make header` makes it anew.
 *
 * Rules that hold for every function:
 *  - Result: 0 or a count on success, a negative GMP_E* code on failure. Nothing is reported through errno.
 *    `errno` as a task last left it is preserved across every call that switches tasks.
 *  - Out-parameters come last and are written only on success.
 *  - NULL where an object is required gives GMP_EINVAL.
 *  - Whatever may wait takes a deadline (gmp_time_t). What can be done without waiting is done, whatever the deadline.
 *  - Whatever waits parks the calling task; a thread that is no task it blocks, with the same result. Every
 *    function may be called from any thread, also before gmp_start, unless its @context says otherwise.
 *  - Sync objects are plain structs: all-zero is ready to use. They must not be moved or copied while in use.
 *  - Structs that may grow start with struct_size; fill them with their _init function.
 *
 * @context says who may call: a task, a foreign thread (one that the runtime did not make), or any.
 * @blocks says who waits, or "never". @errors lists the codes. @since is the version that brought the function. */

#ifndef GMPRT_H
#define GMPRT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>

/**
 * The interface that this header describes: major << 16 | minor; 0.1 now. Minor versions only add.
 */
#define GMP_ABI_VERSION 1u

/**
 * Success.
 */
#define GMP_OK 0

/**
 * Not allowed here, for example outside a task. Codes from here to GMP_ECANCELED are errno values (Linux numbers),
 * negated; any other negative value above -4096 is an errno of the system's, passed on as it came.
 */
#define GMP_EPERM (0 - 1)

/**
 * There is no such thing.
 */
#define GMP_ENOENT (0 - 2)

/**
 * Not an open file descriptor.
 */
#define GMP_EBADF (0 - 9)

/**
 * It would have to wait, and was told not to (GMP_NOWAIT); or a resource is short for now.
 */
#define GMP_EAGAIN (0 - 11)

/**
 * Memory or address space is exhausted.
 */
#define GMP_ENOMEM (0 - 12)

/**
 * In use, for example a runtime that runs already.
 */
#define GMP_EBUSY (0 - 16)

/**
 * An argument makes no sense, or the handle is stale.
 */
#define GMP_EINVAL (0 - 22)

/**
 * The other side is gone.
 */
#define GMP_EPIPE (0 - 32)

/**
 * Waiting could never end.
 */
#define GMP_EDEADLK (0 - 35)

/**
 * This version, build or kernel cannot do it.
 */
#define GMP_ENOTSUP (0 - 95)

/**
 * The deadline passed.
 */
#define GMP_ETIMEDOUT (0 - 110)

/**
 * The wait was ended by cancellation, and has had no effect.
 */
#define GMP_ECANCELED (0 - 125)

/**
 * The channel is closed. Codes of our own start here and go down.
 */
#define GMP_ECLOSED (0 - 4097)

/**
 * The runtime is shutting down or stopped.
 */
#define GMP_ESTOPPED (0 - 4098)

/**
 * The task ended by a C++ exception, a Rust panic or gmp_exit. (Any function may answer it for a mistake inside the
 * library that was caught at its boundary; the message is on stderr.)
 */
#define GMP_EPANIC (0 - 4099)

/**
 * The object is not in a state that allows this: a negative wait group, an unpaired gmp_blocking_exit.
 */
#define GMP_EMISUSE (0 - 4100)

/**
 * The object belongs to the parent of a fork.
 */
#define GMP_EFORKED (0 - 4101)

/**
 * Configuration flag: a task that runs past its stack is told of on standard error, with its name, the size of the stack and where it was
 * spawned. For that gmp_start installs a handler of SIGSEGV. It hands every fault on to the handler that was there before, untouched; one that the
 * host installs later has the first word. The runtime's threads get an alternate signal stack of 64 KiB. gmp_shutdown takes the handler away if no
 * other has been installed since; else it stays and only hands on. GMP_ENOTSUP where that cannot be done.
 */
#define GMP_CONFIG_OVERFLOW_HANDLER 1u

/**
 * Configuration flag: a deadlock aborts the process, with the report, instead of being reported only.
 *
 * A deadlock is: tasks live, none of them can ever run again, nothing is pending that could make one ready (a deadline, a timer, a task
 * in foreign code), and every foreign thread that has called in and still lives is itself waiting in here without a deadline. Calls that only
 * look (clocks, statistics, names of codes, task ids) and task-local values do not count as calling in. It is reported once on standard error
 * ("all tasks are asleep", with the cycles over joins, mutexes and write locks, and the dump) and counted in gmp_stats_t.deadlocks, again when a task has run in between; gmp_run,
 * gmp_join, gmp_wait_idle and gmp_shutdown of foreign threads, without a deadline, answer GMP_EDEADLK. Tasks that wait for each other are left as
 * they are, and the runtime stays usable: somebody may come later and wake them. As long as the process has threads that have never called
 * in, the state must have lasted for 3 seconds, so that a thread which is only just starting is not overlooked; else for 10 milliseconds. What
 * a signal handler or a timer of the host would do cannot be seen.
 */
#define GMP_CONFIG_DEADLOCK_ABORT 2u

/**
 * Configuration flag, with a sched_seed only: time is virtual. gmp_now begins at 1000 s and stands still while a task could
 * run; when all are parked it jumps to the next deadline or timer of theirs, so a task sleeps an hour in no time. (A task
 * that waits in a loop for gmp_now to go on waits for ever.) A thread that is no task waits until its deadline in real time.
 */
#define GMP_CONFIG_VIRTUAL_TIME 4u

/**
 * Spawn flag: once started, the task always resumes on the same thread, for code that keeps what belongs to a thread. Other tasks
 * may share it; while one of them keeps it (in foreign code, or by gmp_lock_thread), the sticky task waits for the thread.
 */
#define GMP_SPAWN_STICKY 1u

/**
 * Spawn flag, a hint: the task is expected to block in the kernel, and never delays its neighbours.
 */
#define GMP_SPAWN_BLOCKING 2u

/**
 * Class flag: one task of the class runs at a time (a GIL). The token's holder runs its tasks back to back; others wait
 * in a queue, so that no machine ever blocks for the token.
 */
#define GMP_CLASS_EXCLUSIVE 1u

/**
 * Class flag, with GMP_CLASS_EXCLUSIVE: the class has a lock of its own, which acquire takes and release gives up, and which foreign
 * code under its tasks may give up and take again by itself (as Python's GIL). Then the token is taken from a task that stays in
 * foreign code: as soon as is_blocked says so, or, as the processor, after 10 ms of computing. The next holder's acquire waits for
 * the lock in the ordinary way; the task goes on without the token until its next call of this library that may wait.
 */
#define GMP_CLASS_OWN_LOCK 2u

/**
 * The case sends.
 */
#define GMP_CASE_SEND 1

/**
 * The case receives.
 */
#define GMP_CASE_RECV 2

/**
 * A channel: values of one size, handed from sender to receiver, first in, first out. Tasks and threads may use one
 * together. A NULL channel is allowed wherever a value is sent or received: it is never ready.
 *
 * A channel is reference-counted. Its last reference may be dropped as soon as the last value was received, although the
 * other side's call has not returned yet. It may even be dropped while others wait: they are not woken (free does not close),
 * and the memory goes with the last of them.
 *
 * In a fork's child a channel of the parent's answers GMP_EFORKED, and gmp_chan_free leaves its memory.
 */
struct gmp_chan;

/**
 * A context: a scope that ends, by gmp_ctx_cancel, by its deadline, or because the one above it ended. Tasks are in the
 * context that they were given or that their spawner was given; when it ends their waits answer GMP_ECANCELED. NULL is the
 * context that never ends, except as a parent: there it is the calling task's own.
 *
 * Contexts are reference-counted; each call that makes one gives a reference. A context keeps the ones above it.
 *
 * In a fork's child a context of the parent's has ended with GMP_EFORKED, which is what every use but gmp_ctx_value and
 * gmp_ctx_deadline answers; gmp_ctx_free leaves its memory.
 */
struct gmp_ctx;

/**
 * What gmp_ctx_after_func gives; used up by gmp_ctx_hook_stop.
 */
struct gmp_ctx_hook;

/**
 * A group of tasks that are waited for together. No task outlives its group: who makes a group waits for it. The first failure
 * (a result that is not 0) cancels the others.
 */
struct gmp_group;

/**
 * A task's handle. It carries a generation: one that was joined or freed answers GMP_EINVAL, one of a fork's parent
 * GMP_EFORKED. Every handle is used up by one gmp_join or gmp_task_free.
 *
 * Tasks: any call of this header may continue the task on another thread, except gmp_now and the like, gmp_task_id,
 * gmp_self_id, gmp_local_get, gmp_num_tasks (a task whose processor was taken meanwhile queues for one in its next call). So a
 * task must not keep across one: a lock that belongs to a thread (pthread_mutex_t, std::mutex), the address of a thread-local
 * variable, &errno. `errno` itself follows the task, as do floating-point modes and C++ exceptions.
 */
struct gmp_task;

/**
 * A timer: it runs a function as a task, or sends the time that was due into a channel, once or again and again. Every timer
 * is given back by one gmp_timer_free. Tasks and threads may use one together.
 *
 * A pending timer keeps nothing running: gmp_wait_idle and gmp_shutdown do not wait for it, and gmp_shutdown stops it
 * (gmp_timer_reset sets it again after the next start). In a fork's child a timer of the parent's answers GMP_EFORKED; it never
 * fires there, and gmp_timer_free leaves its memory.
 */
struct gmp_timer;

/**
 * A moment, in nanoseconds on CLOCK_MONOTONIC. A function that may wait takes one as its deadline: from that moment on
 * it does not wait any longer and answers GMP_ETIMEDOUT. What can be done without waiting is done whatever the
 * deadline. A negative one has passed; GMP_NOWAIT and GMP_FOREVER are special.
 */
typedef int64_t gmp_time_t;

/**
 * What a runtime is started with; fill it with gmp_config_init. There is one runtime a process. It starts by itself,
 * with defaults, at the first call that needs it; gmp_start starts it with settings of your own. After gmp_shutdown it
 * can be started again. In the child of a fork it starts afresh at first use.
 */
struct gmp_config {
  /**
   * The size of the struct as the caller knows it.
   */
  size_t struct_size;
  /**
   * Processors: how many tasks run at the same time. 0: the environment's GMP_MAXPROCS, else the CPUs allowed by
   * affinity and cgroup quota, followed while running.
   */
  int32_t max_procs;
  /**
   * Most threads. 0: 10000. At the cap work queues; the process is never killed. A thread that is left over (more than
   * one for each processor) ends after 30 s without work, or the milliseconds in the environment's GMP_IDLE_THREAD_MS.
   */
  int32_t max_threads;
  /**
   * Bytes of stack that a task may use, rounded up to a size class. 0: 192 KiB.
   */
  size_t stack_size;
  /**
   * 0: normal. Else repeatable scheduling on one processor (max_procs is 1, and stays 1): which ready task runs next, and
   * whether a task yields at a call of the runtime, before it or after it, is drawn from this seed. Equal seeds give a
   * program equal orders of task switches, as gmp_trace_hash tells, as long as what its tasks do depends on nothing else:
   * on no other thread (let gmp_run start the first task), on no real time, and on no call outside of the runtime that
   * takes longer than 100 ms.
   */
  uint64_t sched_seed;
  /**
   * GMP_CONFIG_* flags.
   */
  uint32_t flags;
};

/**
 * See struct gmp_config.
 */
typedef struct gmp_config gmp_config_t;

/**
 * A function without result: the body of a task that nobody asks, a deferred call.
 */
typedef void (*gmp_fn_t)(void *arg);

/**
 * See struct gmp_ctx.
 */
typedef struct gmp_ctx gmp_ctx_t;

/**
 * A task class: what another language's runtime supplies so that its tasks can be scheduled (Python thread states, Lua
 * states ...). Set all members (= {0} first); struct_size is sizeof(gmp_task_class_t). Any function may be NULL. The
 * table must stay as it is until gmp_shutdown has returned: its address is the class, its contents are read at the
 * first spawn.
 *
 * The functions are called on the machine that leaves or enters the task, and none may wait in this library. machine_start,
 * acquire, first_run, finish, release and machine_end are called on the machine's own stack and may block; switch_in on
 * the entered task's stack; switch_out and may_migrate on the leaving task's stack: these two must not block, nor call
 * into this library. The topmost 2048 bytes of the stack that first_run is told of are the class's own: the task's frames begin
 * below. Two tasks of a class that follow each other are switch_out(a), switch_in(b). `user` is the table's, `m` what machine_start
 * stored for that machine, `t` the task's class_data. Of a class with GMP_CLASS_OWN_LOCK whose token was taken, release is called on
 * the leaving task's stack, right after its switch_out, and must not block nor call into this library then.
 */
struct gmp_task_class {
  /**
   * sizeof(gmp_task_class_t).
   */
  size_t struct_size;
  /**
   * For dumps; may be NULL.
   */
  const char *name;
  /**
   * Handed to every function.
   */
  void *user;
  /**
   * GMP_CLASS_* flags.
   */
  uint32_t flags;
  /**
   * Once per machine, before its first task of the class; what it stores in `*m_out` is the machine's `m`. A result
   * other than 0 makes the class's tasks fail on this machine with that code.
   */
  int (*machine_start)(void *user, void **m_out);
  /**
   * Once per machine that machine_start was called on, before its thread ends.
   */
  void (*machine_end)(void *user, void *m);
  /**
   * GMP_CLASS_EXCLUSIVE: this machine now holds the class's token ...
   */
  void (*acquire)(void *user, void *m);
  /**
   * ... and gives it up (nothing to run, or others have waited), or learns that it was taken (GMP_CLASS_OWN_LOCK).
   */
  void (*release)(void *user, void *m);
  /**
   * Before the task's first instruction, with the stack it will have. A result other than 0: the task ends without
   * having run, and its join answers that code (make it negative).
   */
  int (*first_run)(void *user, void *m, void *t, void *stack_low, size_t stack_size);
  /**
   * The task goes on on this machine: at its start and after each park.
   */
  void (*switch_in)(void *user, void *m, void *t);
  /**
   * The task leaves this machine: at each park and at its end.
   */
  void (*switch_out)(void *user, void *m, void *t);
  /**
   * After the task's last instruction, off its stack.
   */
  void (*finish)(void *user, void *m, void *t);
  /**
   * May the parked task resume on another thread? `sp`: where it is parked, or, at a park, a place in the frames that lie below.
   * Asked at each park, on the leaving task's stack; NULL: yes. Of classes with GMP_CLASS_OWN_LOCK it is asked by the machine that
   * would take the task over, on its own stack; NULL: no. Of other exclusive classes it is not asked: their started tasks stay.
   */
  int (*may_migrate)(void *user, void *t, const void *sp);
  /**
   * The monitor asks, from its own thread, of a task that seems to compute while work waits behind it: not 0 if the task waits for
   * something in foreign code. It must not call this library, nor wait: everything stands still meanwhile. NULL: no.
   */
  int (*is_blocked)(void *user, void *t);
  /**
   * gmp_task_cancel was called: on the canceller's thread, while the task may be running. It must not wait for anything that
   * the class's tasks hold: a task that ends waits for it.
   */
  void (*cancel)(void *user, void *t);
};

/**
 * See struct gmp_task_class.
 */
typedef struct gmp_task_class gmp_task_class_t;

/**
 * What gmp_spawn can be told about a task; fill it with gmp_spawn_opts_init.
 */
struct gmp_spawn_opts {
  /**
   * The size of the struct as the caller knows it.
   */
  size_t struct_size;
  /**
   * Shown in dumps and traces; copied, at most 255 bytes of it. NULL: none.
   */
  const char *name;
  /**
   * Bytes of stack that the task may use, rounded up to a size class (48 KiB, 192 KiB, 960 KiB, 1984 KiB, 8128 KiB).
   * 0: the runtime's default.
   */
  size_t stack_size;
  /**
   * GMP_SPAWN_* flags.
   */
  uint32_t flags;
  /**
   * The task's context, which gmp_spawn takes a reference to. NULL: the one that the spawner was given.
   */
  gmp_ctx_t *ctx;
  /**
   * The task's class; NULL: a plain C task.
   */
  const gmp_task_class_t *task_class;
  /**
   * The task's own pointer, handed to the class's functions.
   */
  void *class_data;
};

/**
 * See struct gmp_spawn_opts.
 */
typedef struct gmp_spawn_opts gmp_spawn_opts_t;

/**
 * The body of a task. Its result goes to whoever joins the task. A C++ exception or Rust panic that leaves it ends the
 * task, and its join answers GMP_EPANIC.
 */
typedef void *(*gmp_task_fn_t)(void *arg);

/**
 * See struct gmp_task.
 */
typedef struct gmp_task gmp_task_t;

/**
 * A key of task-local values, as pthread_key_t is of thread-local ones; works on plain threads too. Keys are never
 * freed; a process can have 1024. All-zero is no key.
 */
struct gmp_key {
  /**
   * The library's business.
   */
  uint32_t opaque;
};

/**
 * See struct gmp_key.
 */
typedef struct gmp_key gmp_key_t;

/**
 * See struct gmp_chan.
 */
typedef struct gmp_chan gmp_chan_t;

/**
 * One case of a select.
 */
struct gmp_case {
  /**
   * GMP_CASE_SEND or GMP_CASE_RECV.
   */
  int32_t op;
  /**
   * Written for the chosen case: GMP_OK or GMP_ECLOSED.
   */
  int32_t status;
  /**
   * NULL: never ready.
   */
  gmp_chan_t *chan;
  /**
   * Where a send reads its value, and a receive writes it (NULL: it is thrown away). Only the chosen case's is written.
   */
  void *value;
};

/**
 * See struct gmp_case.
 */
typedef struct gmp_case gmp_case_t;

/**
 * A mutex. All-zero is unlocked and ready to use: no init, no destroy. It must not be moved or copied while in use. It
 * belongs to nobody: a task or thread may unlock what another has locked, and locking it twice waits for ever. Its memory
 * may be freed by whoever locked and unlocked it last, although an unlock before that may still be returning. A task that
 * comes may go before those that wait, until one has waited for 1 ms: that one is next. Tasks and threads may use one
 * together.
 */
struct gmp_mutex {
  /**
   * The library's business.
   */
  uint64_t opaque[2];
};

/**
 * See struct gmp_mutex.
 */
typedef struct gmp_mutex gmp_mutex_t;

/**
 * A reader-writer lock: many readers (2^30) or one writer. All-zero is unlocked and ready to use: no init, no destroy. It
 * must not be moved or copied while in use. While a writer waits, new readers wait behind it; when a writer leaves, all
 * readers that wait go before the next writer. So neither starves, and a reader that locks again waits for ever if a writer
 * came in between. It belongs to nobody: whoever likes may unlock it. Its memory may be freed by whoever was in last.
 * Tasks and threads may use one together.
 */
struct gmp_rwlock {
  /**
   * The library's business.
   */
  uint64_t opaque[4];
};

/**
 * See struct gmp_rwlock.
 */
typedef struct gmp_rwlock gmp_rwlock_t;

/**
 * A condition: those who wait for something that is guarded by a mutex. All-zero is ready to use: no init, no destroy. It
 * must not be moved or copied while in use. A wait ends by a signal, a broadcast, its deadline or cancellation, never
 * for no reason. Its memory may be freed when nobody waits, although the wake of the last one may still be returning.
 * Tasks and threads may use one together.
 */
struct gmp_cond {
  /**
   * The library's business.
   */
  uint64_t opaque[2];
};

/**
 * See struct gmp_cond.
 */
typedef struct gmp_cond gmp_cond_t;

/**
 * A wait group: a count of things under way, and those who wait for it to become zero. All-zero is ready to use: no
 * init, no destroy. It must not be moved or copied while in use. It may be used again, or its memory freed, as soon as
 * gmp_wg_wait has returned, although the last gmp_wg_done may still be returning. Count up before what is counted
 * starts, not in it. Tasks and threads may use one together.
 */
struct gmp_wg {
  /**
   * The library's business.
   */
  uint64_t opaque[2];
};

/**
 * See struct gmp_wg.
 */
typedef struct gmp_wg gmp_wg_t;

/**
 * A function that is run in one call of all. All-zero has not run: no init, no destroy. It must not be moved or copied
 * while in use. Its memory may be freed when a call has returned and no other is under way but the one that ran the
 * function. Tasks and threads may use one together.
 */
struct gmp_once {
  /**
   * The library's business.
   */
  uint64_t opaque[2];
};

/**
 * See struct gmp_once.
 */
typedef struct gmp_once gmp_once_t;

/**
 * A counting semaphore. All-zero holds 0 and is ready to use: no init, no destroy; gmp_sem_release fills it. It must not
 * be moved or copied while in use. Requests are served in turn: a small one does not overtake a large one that waits. Its
 * memory may be freed when nobody waits, although the release that served the last may still be returning. Tasks and
 * threads may use one together.
 */
struct gmp_sem {
  /**
   * The library's business.
   */
  uint64_t opaque[2];
};

/**
 * See struct gmp_sem.
 */
typedef struct gmp_sem gmp_sem_t;

/**
 * See struct gmp_timer.
 */
typedef struct gmp_timer gmp_timer_t;

/**
 * See struct gmp_ctx_hook.
 */
typedef struct gmp_ctx_hook gmp_ctx_hook_t;

/**
 * See struct gmp_group.
 */
typedef struct gmp_group gmp_group_t;

/**
 * The body of a group's task: 0, or the code of its failure.
 */
typedef int (*gmp_group_fn_t)(void *arg);

/**
 * Counters since the runtime's start, and levels now. The levels are exact when the runtime is at rest. Later versions
 * add members at the end.
 */
struct gmp_stats {
  /**
   * The size of the struct as the caller knows it.
   */
  size_t struct_size;
  /**
   * Tasks started.
   */
  uint64_t tasks_created;
  /**
   * Tasks ended.
   */
  uint64_t tasks_ended;
  /**
   * Times that a machine went on with another task.
   */
  uint64_t switches;
  /**
   * Times that a processor took tasks from another's queue.
   */
  uint64_t steals;
  /**
   * Times that a task parked ...
   */
  uint64_t parks;
  /**
   * ... and was made ready again.
   */
  uint64_t wakes;
  /**
   * Processors handed on because their task was in gmp_blocking_enter ... gmp_blocking_exit.
   */
  uint64_t handoffs;
  /**
   * Processors taken from code that blocked unannounced.
   */
  uint64_t retakes_blocked;
  /**
   * Processors taken from code that ran too long.
   */
  uint64_t retakes_running;
  /**
   * Times that the kernel was asked for ready descriptors.
   */
  uint64_t polls;
  /**
   * Timers that fired.
   */
  uint64_t timers_fired;
  /**
   * Times that work had to queue because max_threads was reached, or the system gave no thread.
   */
  uint64_t thread_limit_hits;
  /**
   * Deadlocks reported.
   */
  uint64_t deadlocks;
  /**
   * Tasks that wait for a processor.
   */
  int64_t tasks_runnable;
  /**
   * Tasks that run.
   */
  int64_t tasks_running;
  /**
   * Tasks in a declared blocking section, and those whose processor was taken while they blocked in other code.
   */
  int64_t tasks_blocked;
  /**
   * Tasks that wait for something.
   */
  int64_t tasks_parked;
  /**
   * Timers set.
   */
  int64_t timers_pending;
  /**
   * Tasks that wait for a descriptor.
   */
  int64_t poll_waiters;
  /**
   * Processors.
   */
  int32_t procs;
  /**
   * Processors with nothing to run.
   */
  int32_t procs_idle;
  /**
   * Threads that run tasks.
   */
  int32_t threads;
  /**
   * Threads that sleep.
   */
  int32_t threads_idle;
  /**
   * Threads that look for work.
   */
  int32_t threads_searching;
  /**
   * The most threads there were.
   */
  int32_t threads_peak;
  /**
   * Address space reserved for stacks, in bytes.
   */
  uint64_t stack_bytes_reserved;
  /**
   * Memory that stacks take up, in bytes.
   */
  uint64_t stack_bytes_resident;
};

/**
 * See struct gmp_stats.
 */
typedef struct gmp_stats gmp_stats_t;

/**
 * The deadline that never waits: the answer is GMP_EAGAIN where the call would have to.
 */
#define GMP_NOWAIT ((gmp_time_t)1 - 1)

/**
 * The deadline that never comes.
 */
#define GMP_FOREVER INT64_MAX

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Now.
 *
 * @return  Nanoseconds on CLOCK_MONOTONIC; with GMP_CONFIG_VIRTUAL_TIME those of the tasks' time.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_time_t gmp_now(void);

/**
 * The deadline `ns` nanoseconds from now: gmp_now() + ns, without overflow.
 *
 * @param ns  Nanoseconds; negative for the past.
 * @return    A deadline. It is never GMP_NOWAIT; GMP_FOREVER for an `ns` beyond the clock's end.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_time_t gmp_after_ns(int64_t ns);

/**
 * The interface of the library in use: compare it with GMP_ABI_VERSION, which is that of the header.
 *
 * @return  major << 16 | minor.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
uint32_t gmp_abi_version(void);

/**
 * The library's version, like "0.1.0".
 *
 * @return  A text that stays valid for ever.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
const char *gmp_version_string(void);

/**
 * What a code means, in a few English words.
 *
 * @param code  Any result of a function of this header.
 * @return      A text that stays valid for ever; never NULL, also for unknown codes.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
const char *gmp_strerror(int code);

/**
 * The name of a code: "GMP_ECLOSED", or the errno's name ("EMFILE") for one that was passed on.
 *
 * @param code  Any result of a function of this header.
 * @return      A text that stays valid for ever; never NULL, also for unknown codes.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
const char *gmp_errname(int code);

/**
 * Fills `cfg` with the defaults. Always called with sizeof(gmp_config_t), so that the library knows which members the
 * caller's header has.
 *
 * @param cfg          The struct to fill.
 * @param struct_size  Its size in bytes.
 * @return             GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `cfg` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
 * @since   0.1
 */
int gmp_config_init(gmp_config_t *cfg, size_t struct_size);

/**
 * Starts the runtime. Calling it is optional.
 *
 * @param cfg  The settings; NULL for the defaults.
 * @return     GMP_OK or a code.
 * @context any thread or task  @blocks the thread, shortly, while threads are created
 * @errors  GMP_EBUSY: it runs already (also while a shutdown is waiting). GMP_EINVAL: a setting is negative, a stack
 *          size too large, a flag unknown, virtual time without a seed, or struct_size foolish. GMP_ENOTSUP: a flag of a later
 *          version.
 *          GMP_EAGAIN: the system gives no thread. GMP_ENOMEM. On failure nothing is left behind.
 * @since   0.1
 */
int gmp_start(const gmp_config_t *cfg);

/**
 * Runs fn(arg) as a task and returns when it has ended. Tasks that it started may still be going: gmp_wait_idle waits
 * for those. Called by a task it is gmp_spawn and gmp_join.
 *
 * @param fn   What the task runs.
 * @param arg  Its argument.
 * @return     GMP_OK or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EINVAL: `fn` is NULL. GMP_EPANIC: the task ended by an exception or gmp_exit. GMP_ENOMEM, GMP_ESTOPPED,
 *          GMP_EAGAIN as gmp_go: nothing ran. GMP_EDEADLK: called by a foreign thread, and no task can ever go on (see
 *          GMP_CONFIG_DEADLOCK_ABORT); the task is left alone.
 * @since   0.1
 */
int gmp_run(gmp_fn_t fn, void *arg);

/**
 * Waits until no task is left.
 *
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK (also when nothing was ever started) or a code.
 * @context foreign thread  @blocks the thread
 * @errors  GMP_EAGAIN: a task is left, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_EDEADLK: called
 *          by a task, which would wait for itself; or GMP_FOREVER was given and no task can ever go on (see
 *          GMP_CONFIG_DEADLOCK_ABORT).
 * @since   0.1
 */
int gmp_wait_idle(gmp_time_t deadline);

/**
 * Stops the runtime: refuses new tasks (GMP_ESTOPPED), waits until no task is left, then ends and joins every thread.
 * After that it can be started again by gmp_start, and by nothing else.
 *
 * @param deadline  Until when to wait for tasks: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK (also when nothing runs) or a code.
 * @context foreign thread  @blocks the thread
 * @errors  GMP_EAGAIN or GMP_ETIMEDOUT: tasks are left. It stays refusing, and calling again goes on waiting.
 *          GMP_EDEADLK: called by a task; nothing happened. Or GMP_FOREVER was given and no task can ever go on (see
 *          GMP_CONFIG_DEADLOCK_ABORT): it stays refusing, as after GMP_ETIMEDOUT.
 * @since   0.1
 */
int gmp_shutdown(gmp_time_t deadline);

/**
 * The number of processors; sets it when `n` > 0, which also ends the following of the CPUs allowed. Takes effect while
 * tasks run, in both directions.
 *
 * @param n  How many there shall be (at most 4096 are made; one with a sched_seed); 0 or less only asks.
 * @return   The number before the call, or a code.
 * @context any thread or task  @blocks the thread, shortly
 * @errors  GMP_ESTOPPED: `n` > 0 after gmp_shutdown. GMP_EAGAIN, GMP_ENOMEM: the runtime could not be started for it.
 * @since   0.1
 */
int gmp_max_procs(int n);

/**
 * The number of processors that 0 in the configuration would give now: GMP_MAXPROCS, else the CPUs allowed by affinity
 * and the cgroup quotas of every ancestor. (For tests: GMP_TEST_CGROUP=DIR and GMP_TEST_NCPU=N take the place of what
 * the system says.)
 *
 * @return  At least 1.
 * @context any thread or task  @blocks the thread, while files of the system are read  @errors none  @since 0.1
 */
int gmp_max_procs_default(void);

/**
 * Sets the most threads there may be. Below what is in use it takes effect as threads end; at the cap work queues.
 *
 * @param n  At least 1.
 * @return   The number before the call, or a code.
 * @context any thread or task  @blocks the thread, shortly
 * @errors  GMP_EINVAL: `n` < 1. GMP_ESTOPPED: after gmp_shutdown. GMP_EAGAIN, GMP_ENOMEM: the runtime could not be
 *          started for it.
 * @since   0.1
 */
int gmp_set_max_threads(int n);

/**
 * The CPUs that the process may run on (by affinity).
 *
 * @return  At least 1.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
int gmp_num_cpu(void);

/**
 * The number of live tasks: started, and not ended. Exact when nothing changes it meanwhile.
 *
 * @return  0 or more; 0 when no runtime runs.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
int64_t gmp_num_tasks(void);

/**
 * Starts fn(arg) as a task of its own, and forgets it.
 *
 * @param fn   What the task runs.
 * @param arg  Its argument.
 * @return     GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `fn` is NULL. GMP_ENOMEM: no memory or address space for another task. GMP_ESTOPPED: after
 *          gmp_shutdown has begun. GMP_EAGAIN: the runtime had to be started, and the system gives no thread. Nothing
 *          was started then.
 * @since   0.1
 */
int gmp_go(gmp_fn_t fn, void *arg);

/**
 * Fills `opts` with the defaults. Always called with sizeof(gmp_spawn_opts_t).
 *
 * @param opts         The struct to fill.
 * @param struct_size  Its size in bytes.
 * @return             GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `opts` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
 * @since   0.1
 */
int gmp_spawn_opts_init(gmp_spawn_opts_t *opts, size_t struct_size);

/**
 * Starts fn(arg) as a task.
 *
 * @param fn        What the task runs.
 * @param arg       Its argument.
 * @param opts      What else; NULL for nothing else.
 * @param task_out  The handle is written here on success, before this returns but maybe after the task has begun. NULL:
 *                  the task is detached, there is no handle.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `fn` is NULL; the stack size is too large; a flag of the options or of the class is unknown; a
 *          struct_size is foolish. GMP_EFORKED: the context is a fork's parent's. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as
 *          gmp_go. Nothing was started then.
 * @since   0.1
 */
int gmp_spawn(gmp_task_fn_t fn,
              void *arg,
              const gmp_spawn_opts_t *opts,
              gmp_task_t **task_out);

/**
 * Waits for a task's end and takes its result. A task that has not started may run right here, on the joiner's stack.
 *
 * @param task        The handle. On GMP_OK, GMP_EPANIC and the code of a class's first_run it is used up.
 * @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @param result_out  The task's result is written here on success; may be NULL.
 * @return            GMP_OK or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EPANIC: the task ended by an exception or gmp_exit. GMP_EAGAIN: it has not ended, and GMP_NOWAIT was
 *          given. GMP_ETIMEDOUT: the deadline passed. GMP_EINVAL: NULL, a stale handle, or somebody else joins it.
 *          GMP_EDEADLK: the task itself; or, from a foreign thread with
 *          GMP_FOREVER, no task can ever go on (see GMP_CONFIG_DEADLOCK_ABORT): the handle stays. GMP_EFORKED: a task of a fork's parent. GMP_ENOMEM: no room for a timer.
 *          GMP_ECANCELED: the calling task's context ended; the handle stays.
 * @since   0.1
 */
int gmp_join(gmp_task_t *task,
             gmp_time_t deadline,
             void **result_out);

/**
 * Detaches a task: uses the handle up; the task goes on.
 *
 * @param task  The handle.
 * @return      GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: NULL, a stale handle, or somebody joins it. GMP_EFORKED: a task of a fork's parent.
 * @since   0.1
 */
int gmp_task_free(gmp_task_t *task);

/**
 * Cancels one task: the wait that it is in, and every one that it enters from now on, answers GMP_ECANCELED (see gmp_shield), as
 * does gmp_checkpoint. The contexts that were made below the task's own end with it; tasks that it has started are not cancelled
 * unless they are in one of those. It is a request: the task goes on until its function returns.
 *
 * A gmp_join of a task that had not started runs that task right there. If the joiner is itself just being joined, a third party's
 * cancellation of it is seen when that task has ended.
 *
 * @param task  The handle; it stays valid.
 * @return      GMP_OK, also for a task that has ended or was cancelled before, or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: NULL or a stale handle. GMP_EFORKED: a task of a fork's parent. GMP_ENOMEM, GMP_ESTOPPED: it is cancelled, but
 *          a function of gmp_ctx_after_func could not be started.
 * @since   0.1
 */
int gmp_task_cancel(gmp_task_t *task);

/**
 * The id of a task: unique in this runtime's life, never 0.
 *
 * @param task  The handle.
 * @return      The id; 0 for NULL and for a stale handle.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
uint64_t gmp_task_id(const gmp_task_t *task);

/**
 * The id of the calling task.
 *
 * @return  The id; 0 outside a task.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
uint64_t gmp_self_id(void);

/**
 * Lets other tasks go first. Outside a task it is sched_yield.
 *
 * @context any thread or task  @blocks the task, while others go first  @errors none  @since 0.1
 */
void gmp_yield(void);

/**
 * For long computations, every few microseconds or so: lets others go first if they have waited long enough, and costs
 * three loads if not.
 *
 * @return  GMP_OK or a code.
 * @context any thread or task  @blocks the task, while others go first
 * @errors  GMP_ECANCELED: the task's context has ended, or it was cancelled.
 * @since   0.1
 */
int gmp_checkpoint(void);

/**
 * Sleeps for at least `ns` nanoseconds.
 *
 * @param ns  Nanoseconds; for 0 and less it returns at once.
 * @return    GMP_OK or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_ENOMEM: no room for a timer. GMP_ECANCELED: the task's context ended, or it was cancelled.
 * @since   0.1
 */
int gmp_sleep(int64_t ns);

/**
 * Ends the calling task now: its deferred calls run, last first, then its join answers GMP_EPANIC. Frames are left
 * without unwinding: no C++ destructor runs. In a deferred call it ends that call.
 *
 * pthread_exit in a task, and pthread_cancel of its thread, end the task likewise after cleanup handlers and destructors have run: its
 * deferred calls run on the dying thread, outside the task (gmp_self_id is 0 there). Another thread takes that one's place, also for
 * sticky tasks. A task that was running on its joiner's stack takes the joiner along. (Built on the `context` crate, it aborts.)
 *
 * @return  Only a code.
 * @context task  @blocks never
 * @errors  GMP_EPERM: outside a task, or between gmp_blocking_enter and gmp_blocking_exit.
 * @since   0.1
 */
int gmp_exit(void);

/**
 * Has fn(arg) called at the calling task's end, however it ends, on its own stack; last asked, first called.
 *
 * @param fn   The function. If it leaves by an exception or gmp_exit, the others still run, and the task ended so.
 * @param arg  Its argument.
 * @return     GMP_OK or a code.
 * @context task  @blocks never
 * @errors  GMP_EPERM: outside a task. GMP_EINVAL: `fn` is NULL. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_defer(gmp_fn_t fn, void *arg);

/**
 * Locks the calling task to the thread that it runs on: until it has unlocked as often, it runs on that thread only, and no other
 * task does. Waits, yields and blocking sections come back on the thread; while the task waits, the thread sleeps and its
 * processor runs others elsewhere, so that each wait costs two changes of threads. Tasks that it starts are not locked.
 *
 * A task that ends locked ends the thread, with the destructors of its thread-specific data; another takes its place. A locked
 * thread counts for max_threads; when every machine is locked, one more is made beyond it. Where sticky tasks live on the
 * thread, the task moves to another one first, before this returns; if it is sticky itself, or has a class, they wait for it and
 * keep the thread after its end. Tasks of a GMP_CLASS_EXCLUSIVE class, which stay on one thread anyway, share it all the same.
 *
 * @return  How often the task is locked now (at least 1), or a code.
 * @context task  @blocks the task, while it moves to another thread
 * @errors  GMP_EPERM: outside a task. GMP_ENOMEM. GMP_EAGAIN: sticky tasks live on the thread, and no other can be had.
 *          GMP_EMISUSE: locked INT_MAX times. Nothing changed then.
 * @since   0.1
 */
int gmp_lock_thread(void);

/**
 * Takes one gmp_lock_thread back.
 *
 * @return  How often the task is still locked, or a code.
 * @context task  @blocks never
 * @errors  GMP_EPERM: outside a task. GMP_EMISUSE: it is not locked; nothing changed.
 * @since   0.1
 */
int gmp_unlock_thread(void);

/**
 * The frames of a parked task, for a class's may_migrate.
 *
 * @param sp     Where it is parked, as may_migrate is told.
 * @param top    Where its frames begin: the end of the stack that first_run was told of, less 2048 bytes.
 * @param at     Receives the return addresses, newest first.
 * @param most   How many `at` has room for.
 * @return       Their number.
 * @context      any thread or task; from may_migrate too, unlike the rest of this library.
 * @blocks       nothing; about 20 µs.
 * @errors       GMP_EINVAL: a NULL, `sp` not below `top`, or more frames than `most` or than 32; GMP_EAGAIN: another thread asks;
 *               GMP_ENOTSUP: the platform has no unwinder.
 * @since        0.1
 *
 * # Safety
 * The context is parked at `sp` until this returns, and the memory up to `top` is its stack's.
 */
int gmp_parked_frames(const void *sp,
                      const void *top,
                      void **at,
                      size_t most);

/**
 * Makes a key. Every task and thread has NULL under it.
 *
 * @param destroy  Called at the end of a task or thread with its value, unless that is NULL; may be NULL. A destructor
 *                 that sets values again makes another round, four in all.
 * @param key_out  The key is written here on success.
 * @return         GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `key_out` is NULL. GMP_EAGAIN: there are 1024 keys already.
 * @since   0.1
 */
int gmp_key_create(void (*destroy)(void *value), gmp_key_t *key_out);

/**
 * Sets the calling task's (or plain thread's) value under a key. The value before is not destroyed.
 *
 * @param key    The key.
 * @param value  Any pointer.
 * @return       GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: not a key. GMP_ENOMEM. GMP_EAGAIN: the thread has no room for thread-specific data.
 * @since   0.1
 */
int gmp_local_set(gmp_key_t key, void *value);

/**
 * The calling task's (or plain thread's) value under a key.
 *
 * @param key  The key.
 * @return     The value; NULL when none was set, and for what is no key.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
void *gmp_local_get(gmp_key_t key);

/**
 * Begins a blocking section: the calling task is about to call something that may block, and its processor may go on
 * with another machine. Costs a few nanoseconds.
 *
 * Blocking sections: enter and exit come in pairs on the same task, around ordinary code. A call of this header that
 * parks the task ends the section. Code that blocks without them loses its processor too, if others wait for one:
 * 0.1 to 0.5 ms after it fell asleep in the kernel, or after 10 ms if it computes. The sections only make it sooner.
 *
 * @return  GMP_OK; outside a task GMP_OK, and nothing happens.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: the task is in such a section already; nothing changed.
 * @since   0.1
 */
int gmp_blocking_enter(void);

/**
 * Ends the section that gmp_blocking_enter began. The task may go on on another thread.
 *
 * @return  GMP_OK; outside a task GMP_OK, and nothing happens.
 * @context any thread or task  @blocks the task, while all processors are busy with others
 * @errors  GMP_EMISUSE: the task is in no such section; nothing changed.
 * @since   0.1
 */
int gmp_blocking_exit(void);

/**
 * Calls fn(arg) in such a section. Inside a section, or outside a task, it is a plain call.
 *
 * @param fn          The function; a C++ exception or Rust panic that leaves it ends here.
 * @param arg         Its argument.
 * @param result_out  Its result is written here on success; may be NULL.
 * @return            GMP_OK or a code.
 * @context any thread or task  @blocks what `fn` blocks
 * @errors  GMP_EINVAL: `fn` is NULL. GMP_EPANIC: an exception left `fn`.
 * @since   0.1
 */
int gmp_blocking_call(gmp_task_fn_t fn, void *arg, void **result_out);

/**
 * Makes a channel with one reference.
 *
 * @param elem_size  Bytes of a value, at most 65535. 0: values are only counted.
 * @param capacity   How many values the channel keeps while nobody receives; 0: each send waits for its receive.
 * @param chan_out   The channel is written here on success.
 * @return           GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `chan_out` is NULL, the element is too large, or elem_size * capacity is. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_chan_new(size_t elem_size, size_t capacity, gmp_chan_t **chan_out);

/**
 * Takes one more reference.
 *
 * @param chan  The channel; NULL is fine.
 * @return      `chan`.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_chan_t *gmp_chan_ref(gmp_chan_t *chan);

/**
 * Drops one reference. The memory goes with the last one, and with the last who waits. Values still in it are dropped as the
 * bytes they are.
 *
 * @param chan  The channel; NULL is fine.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
void gmp_chan_free(gmp_chan_t *chan);

/**
 * Sends a value: to the receiver that has waited longest, else into the buffer, else waits for one of them. What the sender
 * did before is visible to who receives the value.
 *
 * @param chan      The channel. NULL: never ready.
 * @param value     The value is read from here; not needed for values of 0 bytes.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK: sent. Any code: not sent.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_ECLOSED: the channel is closed, or was while this waited. GMP_EAGAIN: it would wait, and GMP_NOWAIT was given.
 *          GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_EINVAL: `value` is NULL.
 *          GMP_EMISUSE: a channel of a timer or for signals. GMP_ENOMEM: no room for a deadline. GMP_EFORKED: a channel of a fork's parent.
 * @since   0.1
 */
int gmp_chan_send(gmp_chan_t *chan,
                  const void *value,
                  gmp_time_t deadline);

/**
 * Receives a value: the oldest in the buffer, else from the sender that has waited longest, else waits for one.
 *
 * @param chan       The channel. NULL: never ready.
 * @param value_out  The value is written here; with GMP_ECLOSED zeros are; with another code nothing. NULL: it is thrown away.
 * @param deadline   Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return           GMP_OK: received. Any code: not.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_ECLOSED: the channel is closed, and every value was received. GMP_EAGAIN: it would wait, and GMP_NOWAIT was
 *          given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_ENOMEM: no room for a
 *          deadline. GMP_EFORKED: a channel of a fork's parent.
 * @since   0.1
 */
int gmp_chan_recv(gmp_chan_t *chan,
                  void *value_out,
                  gmp_time_t deadline);

/**
 * Closes the channel. Values in its buffer can still be received; all who wait for more, and all who wait to send, are woken
 * with GMP_ECLOSED.
 *
 * @param chan  The channel.
 * @return      GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: NULL, closed already, or a channel of a timer or context, or for signals. GMP_EFORKED: a channel of a fork's parent.
 * @since   0.1
 */
int gmp_chan_close(gmp_chan_t *chan);

/**
 * How many values are in the buffer: out of date as soon as it is known.
 *
 * @param chan  The channel; NULL: 0.
 * @return      The number; 0 for a timer's channel.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
size_t gmp_chan_len(const gmp_chan_t *chan);

/**
 * How many values the buffer has room for.
 *
 * @param chan  The channel; NULL: 0.
 * @return      The number; 0 for a timer's channel.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
size_t gmp_chan_cap(const gmp_chan_t *chan);

/**
 * Does one of several sends and receives: the first that can be done. If several can at once, each is equally likely. The same
 * channel may appear more than once, also to send and to receive; a select never deals with itself.
 *
 * @param cases       The cases, at most 65536. Up to 8 cost no allocation.
 * @param n           How many; 0: as if all channels were NULL.
 * @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT (Go's default).
 * @param chosen_out  The index of the chosen case is written here; may be NULL.
 * @return            GMP_OK: a case was chosen, and its status written: GMP_OK, or GMP_ECLOSED (nothing was sent; or nothing is
 *                    left to receive, and zeros were written). Any code: none was, nothing was written.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: no case can be done, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the
 *          task's context ended. GMP_EINVAL: too many cases, `cases` is NULL, an op is unknown, a send has no value.
 *          GMP_EMISUSE: a send to a channel of a timer or for signals. GMP_ENOMEM: no memory for many cases, or no room for a deadline.
 *          GMP_EFORKED: a channel of a fork's parent is among them.
 * @since   0.1
 */
int gmp_select(gmp_case_t *cases,
               size_t n,
               gmp_time_t deadline,
               size_t *chosen_out);

/**
 * Locks the mutex.
 *
 * @param m         The mutex.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK or a code; with a code the mutex was not locked.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: it is held, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task
 *          is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `m` is NULL.
 * @since   0.1
 */
int gmp_mutex_lock(gmp_mutex_t *m,
                   gmp_time_t deadline);

/**
 * Locks the mutex if nobody holds it.
 *
 * @param m  The mutex.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EAGAIN: it is held. GMP_EINVAL: `m` is NULL.
 * @since   0.1
 */
int gmp_mutex_trylock(gmp_mutex_t *m);

/**
 * Unlocks the mutex, and wakes who is next if somebody waits.
 *
 * @param m  The mutex. It is not touched any more once somebody else can lock it.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: nobody holds it; it is unchanged. GMP_EINVAL: `m` is NULL.
 * @since   0.1
 */
int gmp_mutex_unlock(gmp_mutex_t *m);

/**
 * Locks it for reading, together with other readers.
 *
 * @param l         The lock.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK or a code; with a code it was not locked.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: a writer is in or waits, and GMP_NOWAIT was given; or there are 2^30 readers. GMP_ETIMEDOUT: the
 *          deadline passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `l` is NULL.
 * @since   0.1
 */
int gmp_rwlock_rdlock(gmp_rwlock_t *l,
                      gmp_time_t deadline);

/**
 * Locks it for writing, alone.
 *
 * @param l         The lock.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK or a code; with a code it was not locked.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: somebody is in, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the
 *          task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `l` is NULL.
 * @since   0.1
 */
int gmp_rwlock_wrlock(gmp_rwlock_t *l, gmp_time_t deadline);

/**
 * A reader leaves. The last one lets the writer in that has waited longest.
 *
 * @param l  The lock. It is not touched any more once others can come in.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: no reader is in; it is unchanged. GMP_EINVAL: `l` is NULL.
 * @since   0.1
 */
int gmp_rwlock_rdunlock(gmp_rwlock_t *l);

/**
 * The writer leaves. All readers that wait come in, or else the writer that has waited longest.
 *
 * @param l  The lock. It is not touched any more once others can come in.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: no writer is in; it is unchanged. GMP_EINVAL: `l` is NULL.
 * @since   0.1
 */
int gmp_rwlock_wrunlock(gmp_rwlock_t *l);

/**
 * Unlocks the mutex, waits for a signal or broadcast, and locks the mutex again. What happens once the mutex is free is
 * not missed. The mutex is held again on return whatever the result (the wait for it has no deadline and is not
 * cancelled); GMP_EMISUSE and GMP_EINVAL leave it as it was.
 *
 * @param c         The condition.
 * @param m         A mutex that the caller holds.
 * @param deadline  Until when to wait for the signal: a gmp_now() time or GMP_FOREVER.
 * @return          GMP_OK when it was woken, or a code; then no signal was used up.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EMISUSE: nobody holds the mutex; nothing has changed. GMP_EAGAIN: GMP_NOWAIT was given. GMP_ETIMEDOUT: the
 *          deadline passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `c` or `m`
 *          is NULL.
 * @since   0.1
 */
int gmp_cond_wait(gmp_cond_t *c,
                  gmp_mutex_t *m,
                  gmp_time_t deadline);

/**
 * Wakes the one that has waited longest, if somebody waits. The caller need not hold the mutex.
 *
 * @param c  The condition.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `c` is NULL.
 * @since   0.1
 */
int gmp_cond_signal(gmp_cond_t *c);

/**
 * Wakes all that wait now. The caller need not hold the mutex.
 *
 * @param c  The condition.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `c` is NULL.
 * @since   0.1
 */
int gmp_cond_broadcast(gmp_cond_t *c);

/**
 * Changes the count by `n`; wakes whoever waits when it becomes zero. With a positive `n` the task stays on its thread.
 *
 * @param wg  The group.
 * @param n   What to add, or to take away when negative.
 * @return    GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: the count would become negative (or greater than 2^61 - 1); it is unchanged.
 *          GMP_EINVAL: `wg` is NULL.
 * @since   0.1
 */
int gmp_wg_add(gmp_wg_t *wg, int64_t n);

/**
 * Takes one away from the count: gmp_wg_add(wg, -1).
 *
 * @param wg  The group. It is not touched any more once the count is zero and a waiter may go on.
 * @return    GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: the count is zero already. GMP_EINVAL: `wg` is NULL.
 * @since   0.1
 */
int gmp_wg_done(gmp_wg_t *wg);

/**
 * Adds one to the count and starts fn(arg) as a detached task; its end, however it ends, takes the one away. On
 * failure the count is as before.
 *
 * @param wg   The group.
 * @param fn   What the task runs.
 * @param arg  Its argument.
 * @return     GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `wg` or `fn` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as gmp_go; GMP_EMISUSE as gmp_wg_add.
 * @since   0.1
 */
int gmp_wg_go(gmp_wg_t *wg, gmp_fn_t fn, void *arg);

/**
 * Waits until the count is zero.
 *
 * @param wg        The group.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: the count is not zero, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed.
 *          GMP_ENOMEM: no room for a timer. GMP_EINVAL: `wg` is NULL.
 * @since   0.1
 */
int gmp_wg_wait(gmp_wg_t *wg, gmp_time_t deadline);

/**
 * Runs fn(arg) if no call has yet; else waits until that call's function has ended. It counts as run also when it ends by
 * gmp_exit, or by a C++ exception or Rust panic, which goes on in the caller.
 *
 * @param o    The once.
 * @param fn   What to run. It is called as by the caller, in the same task or thread.
 * @param arg  Its argument.
 * @return     GMP_OK when the function has ended, here or elsewhere, or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EDEADLK: called from within its own function. GMP_ECANCELED: the task is cancelled, and would have to wait
 *          for another's run. GMP_ENOMEM: no memory to stand by for a gmp_exit; the function was not run. GMP_EINVAL: `o` or
 *          `fn` is NULL.
 * @since   0.1
 */
int gmp_once_do(gmp_once_t *o,
                gmp_fn_t fn,
                void *arg);

/**
 * Takes `n` from the count, all at once; waits while it is smaller, or others wait. 0 is there at once.
 *
 * @param s         The semaphore.
 * @param n         How much to take.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          GMP_OK or a code; with a code nothing was taken.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EAGAIN: the count is too small or others wait, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline
 *          passed. GMP_ECANCELED: the task is cancelled. GMP_ENOMEM: no room for a timer. GMP_EINVAL: `s` is NULL.
 * @since   0.1
 */
int gmp_sem_acquire(gmp_sem_t *s, uint32_t n, gmp_time_t deadline);

/**
 * Adds `n` to the count; wakes all that can go on.
 *
 * @param s  The semaphore.
 * @param n  How much to add.
 * @return   GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EMISUSE: the count would become greater than UINT32_MAX; it is unchanged. GMP_EINVAL: `s` is NULL.
 * @since   0.1
 */
int gmp_sem_release(gmp_sem_t *s, uint32_t n);

/**
 * Makes a timer that starts fn(arg) as a detached task of its own, once in `ns` nanoseconds.
 *
 * @param ns         When, from now; for 0 and less at once.
 * @param fn         What the task runs. It may use the timer, and free it. When the timer is set again it runs again, maybe
 *                   while the run before goes on.
 * @param arg        Its argument.
 * @param timer_out  The timer is written here on success, before `fn` may run.
 * @return           GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `fn` or `timer_out` is NULL. GMP_ENOMEM. GMP_ESTOPPED: after gmp_shutdown has begun. GMP_EAGAIN: the
 *          runtime had to be started, and the system gives no thread. (When there is no memory for the task at its time, it
 *          starts as soon as there is.)
 * @since   0.1
 */
int gmp_timer_func(int64_t ns,
                   gmp_fn_t fn,
                   void *arg,
                   gmp_timer_t **timer_out);

/**
 * Makes a timer that sends one value into its channel (gmp_timer_channel) in `ns` nanoseconds: a gmp_time_t, the time when
 * it was due, however late it is received.
 *
 * @param ns         When, from now; for 0 and less at once.
 * @param timer_out  The timer is written here on success.
 * @return           GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `timer_out` is NULL. GMP_ENOMEM. GMP_ESTOPPED: after gmp_shutdown. GMP_EAGAIN: as gmp_timer_func.
 * @since   0.1
 */
int gmp_timer_chan(int64_t ns,
                   gmp_timer_t **timer_out);

/**
 * Makes a timer that sends into its channel every `period_ns` nanoseconds until it is stopped: each time the time when it
 * was due. Times stay in step with the start. The channel keeps one value: while nobody receives it, further ones are left
 * out.
 *
 * @param period_ns  The time from one value to the next, above 0.
 * @param timer_out  The timer is written here on success.
 * @return           GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: the period is 0 or less, or `timer_out` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN: as
 *          gmp_timer_chan.
 * @since   0.1
 */
int gmp_ticker_new(int64_t period_ns,
                   gmp_timer_t **timer_out);

/**
 * The channel of a timer: of gmp_time_t, to be received from. It looks unbuffered. Nobody can send into it or close it
 * (GMP_EMISUSE).
 *
 * @param timer  The timer.
 * @return       The channel, borrowed: it lasts as long as the timer, longer with a gmp_chan_ref. NULL for a timer that runs
 *               a function, and for NULL.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_chan_t *gmp_timer_channel(gmp_timer_t *timer);

/**
 * Stops a timer. It does not close the channel, and does not wait for a function that runs.
 *
 * @param timer  The timer.
 * @return       1: it will not fire, or it had, and its value was not received and never will be. 0: neither: it was
 *               stopped before, its value was received, or its function was started. Or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `timer` is NULL. GMP_EFORKED: a timer of a fork's parent.
 * @since   0.1
 */
int gmp_timer_stop(gmp_timer_t *timer);

/**
 * Sets a timer anew, whatever its state: it fires in `ns` nanoseconds; a ticker every `ns` nanoseconds. No value of the
 * setting before is received any more.
 *
 * @param timer  The timer.
 * @param ns     When, from now; for 0 and less at once.
 * @return       What gmp_timer_stop would have answered, or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `timer` is NULL, or a ticker's `ns` is 0 or less; nothing has changed. GMP_ESTOPPED: as gmp_timer_func
 *          and gmp_timer_chan; nothing has changed. GMP_EAGAIN: as gmp_timer_func. GMP_ENOMEM: the timer is stopped.
 *          GMP_EFORKED: a timer of a fork's parent.
 * @since   0.1
 */
int gmp_timer_reset(gmp_timer_t *timer,
                    int64_t ns);

/**
 * Stops a timer and gives it back. A function that was started goes on; it may be the caller. Who waits for the channel
 * stays, and its memory goes with the last of them.
 *
 * @param timer  The timer; NULL is fine.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
void gmp_timer_free(gmp_timer_t *timer);

/**
 * Makes a context below another one: it ends when that one does, or at its deadline, or by gmp_ctx_cancel.
 *
 * @param parent    The context above. NULL: the calling task's own, which ends with gmp_task_cancel or when the context that
 *                  the task was given does; outside a task: none.
 * @param deadline  When it ends by itself: a gmp_now() time or GMP_FOREVER. One that has passed (GMP_NOWAIT too): it has
 *                  ended, with GMP_ETIMEDOUT.
 * @param ctx_out   The context is written here on success; one reference.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM. With a deadline also
 *          GMP_ESTOPPED (after gmp_shutdown) and GMP_EAGAIN (the runtime had to be started, and the system gives no thread).
 * @since   0.1
 */
int gmp_ctx_new(gmp_ctx_t *parent,
                gmp_time_t deadline,
                gmp_ctx_t **ctx_out);

/**
 * Ends a context, and everything below it, before it returns: gmp_ctx_cancel_cause without a cause.
 *
 * @param ctx  The context.
 * @return     GMP_OK, also when it has ended already, or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: NULL. GMP_ENOMEM, GMP_ESTOPPED: it ended, but a function of gmp_ctx_after_func could not be started.
 *          GMP_EFORKED: a context of a fork's parent.
 * @since   0.1
 */
int gmp_ctx_cancel(gmp_ctx_t *ctx);

/**
 * The calling task's context: the one it was given; if it was given none, or was cancelled by gmp_task_cancel, one of its own.
 *
 * @return  The context, borrowed: valid while the task lives. NULL outside a task (and when there is no memory for one).
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_ctx_t *gmp_ctx_current(void);

/**
 * Shields the calling task: while on, its waits ignore cancellation, as does gmp_checkpoint. For cleaning up.
 *
 * @param on  1: from now on; 0: not any more.
 * @return    The previous state, or a code.
 * @context task  @blocks never  @errors GMP_EPERM: outside a task. GMP_EINVAL: neither 0 nor 1.  @since 0.1
 */
int gmp_shield(int on);

/**
 * Ends a context, and everything below it, before it returns. The first end counts: it fixes error and cause, closes the done
 * channel, ends the waits of the context's tasks and starts the functions of gmp_ctx_after_func (without waiting for them).
 *
 * @param ctx    The context.
 * @param cause  Any negative code of the caller's, for gmp_ctx_cause; 0: none.
 * @return       GMP_OK, also when it has ended already, or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: NULL, or `cause` is positive. GMP_ENOMEM, GMP_ESTOPPED: it ended, but a function of gmp_ctx_after_func
 *          could not be started. GMP_EFORKED: a context of a fork's parent.
 * @since   0.1
 */
int gmp_ctx_cancel_cause(gmp_ctx_t *ctx,
                         int cause);

/**
 * Whether a context has ended, and how. Once not GMP_OK it never changes, and the done channel is closed.
 *
 * @param ctx  The context; NULL: GMP_OK.
 * @return     GMP_OK, GMP_ECANCELED or GMP_ETIMEDOUT; GMP_EFORKED for a context of a fork's parent.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
int gmp_ctx_err(const gmp_ctx_t *ctx);

/**
 * Why a context has ended: the cause that was given where the end began, here or above; without one as gmp_ctx_err.
 *
 * @param ctx  The context; NULL: GMP_OK.
 * @return     GMP_OK while it goes on; else a negative number.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
int gmp_ctx_cause(const gmp_ctx_t *ctx);

/**
 * When a context ends by itself at the latest: its deadline or an earlier one above it.
 *
 * @param ctx  The context; NULL: GMP_FOREVER.
 * @return     A gmp_now() time or GMP_FOREVER.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_time_t gmp_ctx_deadline(const gmp_ctx_t *ctx);

/**
 * Makes a context below another one that has a value for a key.
 *
 * @param parent   The context above; NULL as for gmp_ctx_new.
 * @param key      What the value is found by: an address of the caller's own, compared as it is.
 * @param value    The value. What it points to is the caller's, and must stay as long as somebody asks for it.
 * @param ctx_out  The context is written here on success; one reference.
 * @return         GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `key` or `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_ctx_with_value(gmp_ctx_t *parent, const void *key, void *value, gmp_ctx_t **ctx_out);

/**
 * The value for a key: of the context, else of the nearest one above that has one.
 *
 * @param ctx  The context; NULL: none.
 * @param key  The key.
 * @return     The value; NULL: there is none.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
void *gmp_ctx_value(const gmp_ctx_t *ctx, const void *key);

/**
 * Makes a context that has the values of another one, but neither its end nor its deadline.
 *
 * @param parent   Whose values; NULL as for gmp_ctx_new.
 * @param ctx_out  The context is written here on success; one reference.
 * @return         GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `ctx_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_ctx_without_cancel(gmp_ctx_t *parent, gmp_ctx_t **ctx_out);

/**
 * Has fn(arg) started, as a task of its own in no context, when a context ends; at once if it has.
 *
 * @param ctx       The context.
 * @param fn        The function.
 * @param arg       Its argument.
 * @param hook_out  The handle is written here on success; every one is used up by one gmp_ctx_hook_stop. It keeps the context.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `ctx`, `fn` or `hook_out` is NULL. GMP_EFORKED: a context of a fork's parent. GMP_ENOMEM. If the context
 *          has ended also GMP_ESTOPPED and GMP_EAGAIN, as gmp_go.
 * @since   0.1
 */
int gmp_ctx_after_func(gmp_ctx_t *ctx,
                       gmp_fn_t fn,
                       void *arg,
                       gmp_ctx_hook_t **hook_out);

/**
 * Takes a function of gmp_ctx_after_func back, if it was not started. Uses the handle up in any case.
 *
 * @param hook  The handle.
 * @return      1: it was not started and never will be. 0: too late; it may be running. Or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: NULL. GMP_EFORKED: of a context of a fork's parent.
 * @since   0.1
 */
int gmp_ctx_hook_stop(gmp_ctx_hook_t *hook);

/**
 * The channel that is closed when a context ends: for gmp_select and gmp_chan_recv. Nothing can be sent on it, nor can it be
 * closed by others. The same one each time.
 *
 * @param ctx  The context; NULL: NULL, which is never ready.
 * @return     The channel, borrowed: valid while the context is. NULL also when there is no memory for one.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_chan_t *gmp_ctx_done(gmp_ctx_t *ctx);

/**
 * Takes one more reference.
 *
 * @param ctx  The context; NULL is fine.
 * @return     `ctx`.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
gmp_ctx_t *gmp_ctx_ref(gmp_ctx_t *ctx);

/**
 * Drops one reference. Does not end the context: those below it, and its tasks, keep it.
 *
 * @param ctx  The context; NULL is fine.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
void gmp_ctx_free(gmp_ctx_t *ctx);

/**
 * Makes an empty group, with a context of its own.
 *
 * @param parent     The context above the group's. NULL: the calling task's own; outside a task: none.
 * @param group_out  The group is written here on success. It is given back by gmp_group_wait.
 * @return           GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `group_out` is NULL. GMP_EFORKED: `parent` is a fork's parent's. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_group_new(gmp_ctx_t *parent, gmp_group_t **group_out);

/**
 * Starts fn(arg) as a task of the group, in the group's context. The first result that is not 0 cancels the group and is what
 * gmp_group_wait answers; a task that ends by gmp_exit or an exception has failed with GMP_EPANIC.
 *
 * @param g    The group. Nobody has been answered by its gmp_group_wait yet.
 * @param fn   What the task runs.
 * @param arg  Its argument.
 * @return     GMP_OK or a code.
 * @context any thread or task  @blocks never  @errors GMP_EINVAL: `g` or `fn` is NULL. GMP_ENOMEM, GMP_ESTOPPED, GMP_EAGAIN as
 *          gmp_go. GMP_EFORKED: a group of a fork's parent. Nothing was started then.
 * @since   0.1
 */
int gmp_group_go(gmp_group_t *g,
                 gmp_group_fn_t fn,
                 void *arg);

/**
 * Waits until every task of the group has ended, and gives the group back. In a task whose context ends meanwhile it cancels the
 * group, waits on for its tasks (they outlive no group), and answers GMP_ECANCELED.
 *
 * @param g         The group. With GMP_ETIMEDOUT, GMP_EAGAIN and GMP_ENOMEM it stays, and must be waited for again; with
 *                  GMP_EFORKED it stays, and that is all; otherwise it is gone.
 * @param deadline  Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          0, or the first failure.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EINVAL: NULL. GMP_EAGAIN: tasks go on, and GMP_NOWAIT was given. GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED:
 *          see above. GMP_ENOMEM: no room for a deadline. GMP_EFORKED: a group of a fork's parent.
 *          (A failure may be one of these numbers too.)
 * @since   0.1
 */
int gmp_group_wait(gmp_group_t *g,
                   gmp_time_t deadline);

/**
 * Reads what is there, at least one byte, and waits for it. On a file it reads as read(2) does, handed off, without the
 * deadline.
 *
 * I/O: these functions work on any descriptor, whether calls on it block or not, and leave O_NONBLOCK as it is. They park the
 * task and not its thread, are not ended by signals (no EINTR), and raise no SIGPIPE. A descriptor that is closed with
 * gmp_close_fd meanwhile answers GMP_EBADF. A thread that is no task waits in poll(2). Waiting costs one registration for each
 * descriptor, with the kernel's epoll; files, directories and what the kernel cannot wait for are handed off: another thread goes on
 * with the tasks, and the deadline does not count.
 *
 * @param fd        The descriptor.
 * @param buf       Where the bytes go; NULL only if `n` is 0.
 * @param n         How many bytes there is room for. 0: the answer is 0, or a code.
 * @param deadline  Until when to wait; what is there is read whatever it is.
 * @return          Bytes read; 0 at the end of the stream; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
 *          GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED: nothing was read. Other codes are read(2)'s.
 * @since   0.1
 */
ssize_t gmp_read(int fd,
                 void *buf,
                 size_t n,
                 gmp_time_t deadline);

/**
 * Writes all of it, and waits for room as often as it must. On a file it writes as write(2) does, handed off, without the deadline.
 *
 * @param fd        The descriptor.
 * @param buf       The bytes; NULL only if `n` is 0.
 * @param n         How many.
 * @param deadline  Until when to wait.
 * @return          `n`; or fewer, when an error, the deadline or a cancellation came half-way (the next call answers its code);
 *                  or, when nothing was written, the code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
 *          GMP_EPIPE: nobody reads any more. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are write(2)'s.
 * @since   0.1
 */
ssize_t gmp_write(int fd,
                  const void *buf,
                  size_t n,
                  gmp_time_t deadline);

/**
 * Reads what is there into several buffers, one after the other, as gmp_read does.
 *
 * @param fd        The descriptor.
 * @param iov       The buffers; NULL only if `count` is 0.
 * @param count     How many, at most 1024.
 * @param deadline  Until when to wait.
 * @return          Bytes read; 0 at the end of the stream; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `count` is out of range, a buffer is NULL and not empty, or the sum is above SSIZE_MAX. Else as gmp_read.
 * @since   0.1
 */
ssize_t gmp_readv(int fd,
                  const struct iovec *iov,
                  int count,
                  gmp_time_t deadline);

/**
 * Writes all of several buffers, one after the other, as gmp_write does.
 *
 * @param fd        The descriptor.
 * @param iov       The buffers; NULL only if `count` is 0.
 * @param count     How many, at most 1024.
 * @param deadline  Until when to wait.
 * @return          The sum of the lengths; or fewer bytes, when it was stopped half-way; or the code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `count` is out of range, a buffer is NULL and not empty, or the sum is above SSIZE_MAX. Else as gmp_write.
 * @since   0.1
 */
ssize_t gmp_writev(int fd,
                   const struct iovec *iov,
                   int count,
                   gmp_time_t deadline);

/**
 * recv(2), which waits. With MSG_WAITALL on a stream it waits for all of `n`.
 *
 * @param fd        A socket.
 * @param buf       Where the bytes go; NULL only if `n` is 0.
 * @param n         How many bytes there is room for.
 * @param flags     recv(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param deadline  Until when to wait.
 * @return          Bytes read; 0 at the end of the stream; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
 *          GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are recv(2)'s, -ENOTSOCK among them.
 * @since   0.1
 */
ssize_t gmp_recv(int fd,
                 void *buf,
                 size_t n,
                 int flags,
                 gmp_time_t deadline);

/**
 * send(2), which waits: of a stream's bytes all are sent, as gmp_write does.
 *
 * @param fd        A socket.
 * @param buf       The bytes; NULL only if `n` is 0.
 * @param n         How many. 0 sends an empty datagram, if it is a socket of these.
 * @param flags     send(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param deadline  Until when to wait.
 * @return          `n`; or fewer, when it was stopped half-way; or the code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. GMP_EBADF: no such descriptor, or it was closed meanwhile.
 *          GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are send(2)'s, -ENOTSOCK among them.
 * @since   0.1
 */
ssize_t gmp_send(int fd,
                 const void *buf,
                 size_t n,
                 int flags,
                 gmp_time_t deadline);

/**
 * recvfrom(2), which waits.
 *
 * @param fd        A socket.
 * @param buf       Where the bytes go; NULL only if `n` is 0.
 * @param n         How many bytes there is room for; what a datagram has beyond that is lost.
 * @param flags     recvfrom(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param addr      The sender's address is written here; may be NULL.
 * @param len       Bytes of room there, and on return of the address; NULL only if `addr` is.
 * @param deadline  Until when to wait.
 * @return          Bytes read; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` or `len` is NULL, or `n` is above SSIZE_MAX. Else as gmp_recv.
 * @since   0.1
 */
ssize_t gmp_recvfrom(int fd,
                     void *buf,
                     size_t n,
                     int flags,
                     struct sockaddr *addr,
                     socklen_t *len,
                     gmp_time_t deadline);

/**
 * sendto(2), which waits.
 *
 * @param fd        A socket.
 * @param buf       The bytes; NULL only if `n` is 0.
 * @param n         How many.
 * @param flags     sendto(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param addr      Where to; NULL for a connected socket.
 * @param len       Bytes of the address.
 * @param deadline  Until when to wait.
 * @return          `n`; on a stream fewer when it was stopped half-way; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `buf` is NULL, or `n` is above SSIZE_MAX. Else as gmp_send.
 * @since   0.1
 */
ssize_t gmp_sendto(int fd,
                   const void *buf,
                   size_t n,
                   int flags,
                   const struct sockaddr *addr,
                   socklen_t len,
                   gmp_time_t deadline);

/**
 * recvmsg(2), which waits.
 *
 * @param fd        A socket.
 * @param msg       recvmsg(2)'s, written to on success.
 * @param flags     recvmsg(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param deadline  Until when to wait.
 * @return          Bytes read; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `msg` is NULL. Else as gmp_recv.
 * @since   0.1
 */
ssize_t gmp_recvmsg(int fd, struct msghdr *msg, int flags, gmp_time_t deadline);

/**
 * sendmsg(2), once it can. On a stream it may send fewer bytes than there are (gmp_writev sends all).
 *
 * @param fd        A socket.
 * @param msg       sendmsg(2)'s.
 * @param flags     sendmsg(2)'s. MSG_DONTWAIT is the same as GMP_NOWAIT.
 * @param deadline  Until when to wait.
 * @return          Bytes sent; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `msg` is NULL. Else as gmp_send.
 * @since   0.1
 */
ssize_t gmp_sendmsg(int fd, const struct msghdr *msg, int flags, gmp_time_t deadline);

/**
 * pread(2), handed off: the task waits on a thread of its own, and others go on.
 *
 * @param fd   A file.
 * @param buf  Where the bytes go; NULL only if `n` is 0.
 * @param n    How many bytes there is room for.
 * @param off  From which byte of the file.
 * @return     Bytes read; 0 at the end; or a code.
 * @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
 * @errors  GMP_EINVAL: `buf` is NULL, `n` is above SSIZE_MAX, or `off` is negative. GMP_EBADF. Other codes are pread(2)'s.
 * @since   0.1
 */
ssize_t gmp_pread(int fd,
                  void *buf,
                  size_t n,
                  off_t off);

/**
 * pwrite(2) of all of it, handed off.
 *
 * @param fd   A file.
 * @param buf  The bytes; NULL only if `n` is 0.
 * @param n    How many.
 * @param off  To which byte of the file.
 * @return     `n`; fewer when an error came half-way (the next call answers its code); or the code.
 * @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
 * @errors  GMP_EINVAL: `buf` is NULL, `n` is above SSIZE_MAX, or `off` is negative. GMP_EBADF. Other codes are pwrite(2)'s.
 * @since   0.1
 */
ssize_t gmp_pwrite(int fd,
                   const void *buf,
                   size_t n,
                   off_t off);

/**
 * open(2), handed off; the descriptor is close-on-exec.
 *
 * @param path   The path.
 * @param flags  open(2)'s.
 * @param mode   The mode of a file that is made.
 * @return       A descriptor, or a code.
 * @context any thread or task  @blocks the task or thread (a FIFO until its other end is opened); no deadline or cancellation ends it
 * @errors  GMP_EINVAL: `path` is NULL. Other codes are open(2)'s.
 * @since   0.1
 */
int gmp_open(const char *path,
             int flags,
             mode_t mode);

/**
 * fsync(2), handed off.
 *
 * @param fd  A file.
 * @return    GMP_OK or a code.
 * @context any thread or task  @blocks the task or thread; no deadline or cancellation ends it
 * @errors  GMP_EBADF. Other codes are fsync(2)'s.
 * @since   0.1
 */
int gmp_fsync(int fd);

/**
 * Sends bytes of a file to a descriptor, without a copy where the kernel can (a socket that blocks is sent copies).
 *
 * @param out_fd    Where to; it is waited for as in gmp_write.
 * @param in_fd     The file.
 * @param offset    From which byte; moves on by what was sent. NULL: from where the file stands, which moves on.
 * @param n         How many bytes.
 * @param deadline  Until when to wait.
 * @return          Bytes sent: `n`; fewer at the file's end, or when it was stopped half-way; or the code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `n` is above SSIZE_MAX. GMP_EBADF. GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. GMP_ENOMEM. Other codes are
 *          sendfile(2)'s.
 * @since   0.1
 */
ssize_t gmp_sendfile(int out_fd,
                     int in_fd,
                     off_t *offset,
                     size_t n,
                     gmp_time_t deadline);

/**
 * splice(2), which waits for both sides.
 *
 * @param in_fd       From where.
 * @param in_offset   From which byte, which moves on; NULL for a pipe, or from where the file stands.
 * @param out_fd      Where to.
 * @param out_offset  To which byte, which moves on; NULL for a pipe, or where the file stands.
 * @param n           How many bytes at most.
 * @param deadline    Until when to wait.
 * @return            Bytes moved; 0 at the end; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `n` is above SSIZE_MAX, or neither is a pipe. GMP_EBADF. GMP_EPIPE. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes
 *          are splice(2)'s.
 * @since   0.1
 */
ssize_t gmp_splice(int in_fd,
                   int64_t *in_offset,
                   int out_fd,
                   int64_t *out_offset,
                   size_t n,
                   gmp_time_t deadline);

/**
 * Accepts a connection, and waits for one. One that was aborted before it was accepted does not show. The new socket is close-on-exec and, if
 * it is TCP, has TCP_NODELAY; calls on it block, for code that knows nothing of this library.
 *
 * @param fd        A listening socket. If calls on it block, it is asked first.
 * @param addr      The peer's address is written here; may be NULL.
 * @param len       Bytes of room there, and on return of the address; NULL only if `addr` is.
 * @param deadline  Until when to wait.
 * @return          The new socket, or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `len` is NULL, or it does not listen. GMP_EBADF: no such descriptor, or it was closed meanwhile. -EMFILE, -ENFILE:
 *          no descriptor is free; the connection waits in the backlog. GMP_EAGAIN, GMP_ETIMEDOUT, GMP_ECANCELED. Other codes
 *          are accept(2)'s.
 * @since   0.1
 */
int gmp_accept(int fd,
               struct sockaddr *addr,
               socklen_t *len,
               gmp_time_t deadline);

/**
 * Connects a socket, and waits until it is. For the moment of connect(2) itself O_NONBLOCK is set if it is not. After a code, close
 * the socket.
 *
 * @param fd        The socket.
 * @param addr      The peer's address.
 * @param len       Bytes of it.
 * @param deadline  Until when to wait.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: `addr` is NULL, or `len` is wrong. GMP_EBADF: no such descriptor, or it was closed meanwhile. GMP_EAGAIN: it goes on
 *          being connected. GMP_ETIMEDOUT, GMP_ECANCELED. Other codes are connect(2)'s: -ECONNREFUSED, -EISCONN …
 * @since   0.1
 */
int gmp_connect(int fd,
                const struct sockaddr *addr,
                socklen_t len,
                gmp_time_t deadline);

/**
 * Waits until a descriptor is ready.
 *
 * @param fd        The descriptor; a file is always ready.
 * @param events    POLLIN, POLLOUT, POLLPRI and POLLRDHUP of poll.h, at least one.
 * @param deadline  Until when to wait.
 * @return          Those that hold, and POLLERR and POLLHUP, which are always waited for; or a code.
 * @context any thread or task  @blocks the task or thread
 * @errors  GMP_EINVAL: other events, or none. GMP_EBADF: no such descriptor, or it was closed meanwhile. GMP_EAGAIN, GMP_ETIMEDOUT,
 *          GMP_ECANCELED.
 * @since   0.1
 */
int gmp_poll_fd(int fd,
                int events,
                gmp_time_t deadline);

/**
 * Sets the deadline of a descriptor: every wait on it, also one under way, answers GMP_ETIMEDOUT from then on, if its own deadline
 * is not earlier. It stays until it is set anew or the descriptor is closed with gmp_close_fd. What can be done without waiting is done.
 *
 * @param fd        The descriptor.
 * @param events    POLLIN: for reads and accepts; POLLOUT: for writes and connects; or both.
 * @param deadline  The deadline; GMP_FOREVER clears it, one that has passed ends the waits now.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: other events, or none. GMP_EBADF: no such descriptor. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_fd_set_deadline(int fd,
                        int events,
                        gmp_time_t deadline);

/**
 * Wakes every task and thread that waits on a descriptor in a function of this header, with GMP_EBADF, then closes it. A plain close(2)
 * wakes nobody.
 *
 * @param fd  The descriptor.
 * @return    GMP_OK or a code; it is closed in either case, but for GMP_EBADF.
 * @context any thread or task  @blocks never (as close(2): a socket that lingers, or a file on a network, may take its time)
 * @errors  GMP_EBADF: no such descriptor. Other codes are close(2)'s.
 * @since   0.1
 */
int gmp_close_fd(int fd);

/**
 * Connects to `address` of `network`, and gives the connected socket.
 *
 * Networks and addresses: "tcp", "udp" (IPv4 or IPv6), "tcp4", "udp4" (IPv4 alone), "tcp6", "udp6" (IPv6 alone), with an address
 * `HOST:PORT`. HOST is a name, an IPv4 address, an IPv6 address in brackets (`[::1]:80`, with a zone `[fe80::1%eth0]:80`) or nothing (`:80`:
 * this machine; for gmp_listen every address of it). PORT is a number or a service's name. And "unix" (a stream), "unixgram" and "unixpacket",
 * whose address is a path, or with `@` in front a name of Linux's that is no file.
 *
 * Addresses and ports in digits ask nobody. Other names go to getaddrinfo(3), which nothing can interrupt: it runs on a thread of its
 * own that this call waits for no longer than until its deadline or cancellation; the thread ends when the name servers have given up. Up to 64
 * such lookups run at once, and further ones wait their turn. They are no tasks: gmp_wait_idle and gmp_shutdown do not wait for them.
 *
 * The addresses of a host are tried as RFC 8305 says ("happy eyeballs"): in the order of the C library, the families taking turns; the next
 * begins when one has failed, or has taken 250 ms; the first that connects is it, and the others are closed. With a network "udp" nothing
 * is sent: "connected" says who will be sent to. "unix" waits while the listener's backlog is full.
 *
 * The socket is close-on-exec and blocks for calls other than this library's, as accepted ones do. A TCP socket has TCP_NODELAY,
 * and SO_KEEPALIVE with 15 s of silence, 15 s between questions, 9 questions; a UDP socket has SO_BROADCAST.
 *
 * @param network   The network.
 * @param address   The address.
 * @param deadline  Until when, for all of it: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return          The descriptor, which the caller closes (gmp_close_fd); or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EINVAL: NULL, an unknown network, an address that is not of these forms, of another family, or (Unix) empty or too long.
 *          GMP_ENOENT: no such host or service, or no address of that family (EAI_NONAME, EAI_NODATA, EAI_SERVICE); no such Unix socket.
 *          -EREMOTEIO: the name servers did not answer, or could not (EAI_AGAIN, EAI_FAIL). -ENODEV: no such zone.
 *          GMP_EAGAIN: it would wait, and GMP_NOWAIT was given; or no thread can be had for the lookup. GMP_ETIMEDOUT: the deadline passed,
 *          or the kernel gave up. GMP_ECANCELED: the task's context ended. GMP_ENOMEM. When no address was to be connected to, the error of
 *          the first: -ECONNREFUSED, -EHOSTUNREACH, -ENETUNREACH, -EMFILE and what else socket(2) and connect(2) fail with.
 * @since   0.1
 */
int gmp_dial(const char *network,
             const char *address,
             gmp_time_t deadline);

/**
 * Makes a socket that listens on `address` of `network` (see gmp_dial); with "udp…" and "unixgram" one that has that address, and receives.
 *
 * "tcp" and "udp" without a host, or with `[::]`, are for IPv6 and IPv4 both, by one socket (where there is no IPv6: IPv4 alone); `0.0.0.0`
 * is IPv4, "tcp6" and "udp6" are IPv6 alone. Port 0: the kernel chooses one, which getsockname(2) tells. Of a name's addresses the first of
 * IPv4 is taken, else the first. TCP listeners have SO_REUSEADDR, UDP sockets SO_BROADCAST. The backlog is what
 * net.core.somaxconn allows. The file of a Unix socket is not removed by anybody: not before (-EADDRINUSE) and not by closing.
 *
 * The socket is close-on-exec and does not block.
 *
 * @param network  The network.
 * @param address  The address.
 * @return         The descriptor, which the caller closes (gmp_close_fd); or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task, while a name is looked up; else never
 * @errors  GMP_EINVAL, GMP_ENOENT, -EREMOTEIO, -ENODEV, GMP_ECANCELED, GMP_ENOMEM: as gmp_dial. -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -EMFILE and
 *          what else socket(2), bind(2) and listen(2) fail with.
 * @since   0.1
 */
int gmp_listen(const char *network,
               const char *address);

/**
 * Waits until a child process has ended, and takes its status, as waitpid(2) does: after that it is no zombie any more. Stopped and continued
 * children have not ended. It waits for the child's pidfd; where the kernel gives none (before Linux 5.3, in some sandboxes, with too
 * many files open) it looks up to 50 times a second.
 *
 * A wait that ends otherwise leaves the child and its status to others. When several wait for one child, one gets the status and the
 * others -ECHILD.
 *
 * @param pid         The child.
 * @param status_out  Its status is written here on success, for WIFEXITED and the like; may be NULL.
 * @param deadline    Until when: a gmp_now() time, GMP_FOREVER or GMP_NOWAIT.
 * @return            GMP_OK or a code.
 * @context any thread or task  @blocks the task, or a thread that is no task
 * @errors  GMP_EINVAL: `pid` is 0 or negative: process groups and "any child" are not waited for. -ECHILD: it is no child of this process, its
 *          status was taken by somebody else, or the process ignores SIGCHLD. GMP_EAGAIN: it runs, and GMP_NOWAIT was given.
 *          GMP_ETIMEDOUT: the deadline passed. GMP_ECANCELED: the task's context ended. GMP_ENOMEM.
 * @since   0.1
 */
int gmp_wait_pid(pid_t pid,
                 int *status_out,
                 gmp_time_t deadline);

/**
 * Makes a channel that gets the signal's number, an int32_t, each time that the process gets the signal. It has room for 64; what comes
 * while it is full is dropped. Any number of channels may be made for a signal: each gets it.
 *
 * Signals: this library handles, blocks and sends none, but for those asked for here (and GMP_CONFIG_OVERFLOW_HANDLER's). With
 * the first channel of a signal a handler is installed for it; when the last reference to the last channel is dropped (gmp_chan_free), what
 * was there before is put back, unless somebody has installed another handler meanwhile: theirs stays. As long as a channel is
 * there, the signal's default action does not happen, nor is it ignored. A handler that the program had installed before is still called, with
 * the same arguments and under its own mask and flags; one that it installs later takes the signal away from the channels, unless it hands on. What is
 * still under way to a thread when the last channel goes, does what it did before.
 *
 * The handler only counts, and wakes a thread (named "gmp-signals", there while a channel is) that fills the channels and accepts the
 * signals asked for, so that they come even where all threads of the program block them. No mask of another thread is changed. The channel
 * works before gmp_start and across gmp_shutdown, which does not wait for it. While there is one, waiting tasks are no deadlock: a signal
 * may come.
 *
 * Only the library sends into the channel, and nobody closes it (GMP_EMISUSE). In a fork's child the channel answers GMP_EFORKED, and
 * the signal does what it did before it was asked for; the child may ask anew.
 *
 * @param signum    The signal.
 * @param chan_out  The channel is written here on success. The caller frees it.
 * @return          GMP_OK or a code.
 * @context any thread or task  @blocks never
 * @errors  GMP_EINVAL: `chan_out` is NULL; no such signal; SIGKILL and SIGSTOP, which cannot be caught; SIGSEGV, SIGBUS, SIGFPE, SIGILL,
 *          SIGTRAP and SIGSYS, which a fault raises where it happens. GMP_ENOMEM. GMP_EAGAIN: no thread can be had.
 * @since   0.1
 */
int gmp_signal_chan(int signum,
                    gmp_chan_t **chan_out);

/**
 * Writes what every task, thread and processor is doing to `fd`, as lines of text that begin with what they are about
 * and go on with `name=value`, so that they can be searched:
 *
 *     gmp dump version=0.1.0 uptime=12.345s procs=2 threads=3 ...
 *     tasks new=0 runnable=1 running=1 blocking=0 blocked=1 parked=2 ended=0 created=9 finished=4
 *     counters switches=31 ...
 *     processor 0 state=busy machine=1 private=0 shared=no timers=1 next-timer=0.250s
 *     machine 1 thread=4711 state=running task=3 processor=0 call=read
 *     task 3 state=blocked thread=4711 call=read name="loader" stack=256K site=main+0x2f (prog)
 *     task 7 state=parked reason=chan-recv for=3.210s cancelled stack=256K site=spawn_all+0x41 (prog)
 *         at gmp_chan_recv+0x2d (libgmprt.so.0)
 *         at consume+0x18 (prog)
 *
 * A task's state is new (never ran), runnable (waits to go on), running, blocking (in a declared blocking section), blocked (its
 * thread sleeps in the kernel, in code that did not say so; `for` since the monitor noticed), parked (it waits in this library:
 * `reason`, and `for` how long, right to about 10 ms), or ended (nobody has joined it yet). `thread` and `call` are the thread that runs it and the system
 * call which that sleeps in, as the kernel tells. A task whose joined child runs on its stack is parked with reason
 * join-in-place, and the child says `on-stack-of`. Then may follow name, class, `context` (it is in one), `sticky`, `locked`, `bound-to` (its
 * thread), `cancelled`, `shielded`, `will-block`; then the stack's slot, and last the place that spawned it: `function+offset (object)`, or `object+offset`
 * where no exported function is known. Below a parked task stands where it waits, newest call first, up to 32 frames (x86-64 and
 * aarch64, not in builds on another switch); `went on meanwhile` if it was gone before it could be looked at.
 *
 * With more than 1000 tasks a line `grouped: ...` says so; then each `group` of equal state, reason and site is one line
 * with its number of tasks, and three of each follow in full. Programs that read dumps should allow for more fields.
 *
 * Lines `retaken call=... times=...` count the system calls that cost a processor without having been declared.
 *
 * A line `still: ...` says that no task can go on unless one of so many threads of the program's own, the caller among them,
 * makes it.
 *
 * Nothing is stopped for it: each line is true for some moment during the call. Before the runtime's start, after its shutdown
 * and in a fork's child that has not used it, one line says `not running`. As with write(2), a pipe that nobody
 * reads raises SIGPIPE.
 *
 * @param fd  A descriptor to write to. All is written, also where it does not block.
 * @return    GMP_OK or a code.
 * @context any thread or task  @blocks the thread, while it writes; a task is in a blocking section meanwhile
 * @errors  GMP_EBADF and what else write(2) fails with. GMP_ENOMEM: nothing was written.
 * @since   0.1
 */
int gmp_dump(int fd);

/**
 * Writes to `fd` which tasks have been parked for `older_than_ns` nanoseconds or longer, grouped by the place that spawned them and
 * what they wait for, most tasks first:
 *
 *     gmp leaks version=0.1.0 older-than=60.000s found=214 parked=230 tasks=233
 *     leak tasks=200 reason=chan-recv oldest=3605.120s example=8123 site=handle+0x91 (server)
 *         at gmp_chan_recv+0x2d (libgmprt.so.0)
 *         at next_request+0x44 (server)
 *
 * `example` is the id of the one that has waited longest, and below stands where it waits (see gmp_dump). Tasks that sleep or wait
 * with a deadline count like the others. A task that waits for a child on its own stack does not: the child does.
 *
 * @param fd             A descriptor to write to, as for gmp_dump.
 * @param older_than_ns  How long, in nanoseconds; right to about 10 ms, and up to 208 days. 0: every parked task.
 * @return               GMP_OK or a code.
 * @context any thread or task  @blocks the thread, while it writes; a task is in a blocking section meanwhile
 * @errors  GMP_EINVAL: `older_than_ns` is negative. Others as gmp_dump.
 * @since   0.1
 */
int gmp_dump_leaks(int fd,
                   int64_t older_than_ns);

/**
 * The numbers now; all zero when no runtime runs. Always called with sizeof(gmp_stats_t); what a newer header knows and
 * the library does not is zero.
 *
 * @param stats        The struct to fill, struct_size included.
 * @param struct_size  Its size in bytes.
 * @return             GMP_OK or a code.
 * @context any thread or task  @blocks the thread, for a short lock
 * @errors  GMP_EINVAL: `stats` is NULL, or the size is smaller than in version 0.1 or greater than 4096.
 * @since   0.1
 */
int gmp_stats(gmp_stats_t *stats, size_t struct_size);

/**
 * What a sched_seed has drawn so far, as one number: a hash over which task was chosen to run, and which made a call and
 * yielded at it, in their order. Two runs with equal hashes had the same order of task switches. To be compared when the
 * tasks are at rest.
 *
 * @return  The hash; 0 when no runtime runs, or one without a seed.
 * @context any thread or task  @blocks never  @errors none  @since 0.1
 */
uint64_t gmp_trace_hash(void);

/**
 * Begins a trace: until gmp_trace_stop, or the runtime's shutdown, what tasks, threads and processors do is written to a file in the
 * JSON trace event format, for https://ui.perfetto.dev and chrome://tracing. Starts the runtime if need be.
 *
 * The process "machines" has a track for each thread of the library, on which the tasks that it runs are slices, under their
 * names or as "task 7", with their id, their processor, and how the slice ended (`left`): a reason of gmp_dump's, "yield",
 * "displaced" (it lost its processor, or had its share), "ended". Declared blocking sections are slices within. Arrows lead from where
 * a task was created, or made ready, to where it goes on. "poll" and "steal" are instants. The process "processors" has a
 * track for each processor, with the machine that holds it, and an instant where it was handed off or retaken, and why.
 *
 * Without a trace this costs a load where tasks switch. With one, each event costs about 50 ns and 24 bytes in a buffer of its
 * thread; another thread empties those and writes, about 100 bytes for each event, for as long as the trace goes on. What comes faster is left out; the file
 * says where, and how much ("events lost", `otherData.lost`). Of more than 256 threads of the library not all are shown
 * (`otherData.machines-not-shown`). A process that ends by itself meanwhile leaves a file without its end, which Perfetto opens. A fork's child is in
 * no trace, and may begin its own.
 *
 * @param path  The file: made, or emptied if it is there.
 * @return      GMP_OK or a code; then nothing is traced.
 * @context any thread or task  @blocks the thread, while the file is opened; a task is in a blocking section meanwhile
 * @errors  GMP_EBUSY: a trace is under way; its file and the one named here stay as they are. GMP_EINVAL: `path` is NULL. What open(2) fails with (-ENOENT,
 *          -EACCES ...). GMP_ENOMEM; GMP_EAGAIN: there is no thread to be had. GMP_ESTOPPED: after a shutdown.
 * @since   0.1
 */
int gmp_trace_start(const char *path);

/**
 * Ends the trace and completes its file, while tasks run.
 *
 * @return  GMP_OK, or why the file is not complete. The trace has ended in any case.
 * @context any thread or task  @blocks the thread, until the rest is written; a task is in a blocking section meanwhile
 * @errors  GMP_EMISUSE: no trace is under way (a shutdown ends it too). What write(2) failed with (-ENOSPC ...); GMP_ENOMEM.
 * @since   0.1
 */
int gmp_trace_stop(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GMPRT_H */
