/* gmp_py.h: the runtime of gmp_py for C extensions of Python, without a link step.
 *
 * The package has all functions of gmprt.h in a table, which a capsule hands out. An extension that calls through the table needs
 * no -l and no run path, and there is nothing of which a process could have two:
 *
 *     #include <gmp_py.h>                          // compile with -I<gmp_py.get_include()>
 *     static const gmp_py_api_t *gmp;
 *
 *     PyMODINIT_FUNC PyInit_mine(void) {
 *         gmp = gmp_py_import();                   // imports gmp_py; NULL: an exception is set
 *         return gmp == NULL ? NULL : PyModule_Create(&module);
 *     }
 *     ... gmp->gmp_go(function, argument) ...
 *
 * Constants and types are gmprt.h's, whose comments hold here too. What Python adds:
 *  - In a Python task a call may be made with the GIL held or released, whatever it waits for: other tasks run meanwhile.
 *  - In a plain thread release the GIL around whatever waits, as around any call that blocks.
 *  - In a native task (gmp_go, gmp_spawn, gmp_py.go_native) do not call while holding the GIL.
 *
 * The table only grows, at its end. `struct_size` is the size of the one that is there: a member that lies beyond it is missing
 * (GMP_PY_HAS). It lives as long as the process. */
#ifndef GMP_PY_H
#define GMP_PY_H

#include <Python.h>
#include <gmprt.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GMP_PY_CAPSULE "gmp_py._C_API"

/* Every function of gmprt.h. The order is the table's: what is new goes to the end. */
#define GMP_PY_FUNCTIONS(X) \
    X(gmp_now) X(gmp_after_ns) X(gmp_abi_version) X(gmp_version_string) X(gmp_strerror) X(gmp_errname) \
    X(gmp_config_init) X(gmp_start) X(gmp_run) X(gmp_wait_idle) X(gmp_shutdown) X(gmp_max_procs) \
    X(gmp_max_procs_default) X(gmp_set_max_threads) X(gmp_num_cpu) X(gmp_num_tasks) X(gmp_go) X(gmp_spawn_opts_init) \
    X(gmp_spawn) X(gmp_join) X(gmp_task_free) X(gmp_task_cancel) X(gmp_task_id) X(gmp_self_id) X(gmp_yield) \
    X(gmp_checkpoint) X(gmp_sleep) X(gmp_exit) X(gmp_defer) X(gmp_lock_thread) X(gmp_unlock_thread) \
    X(gmp_key_create) X(gmp_local_set) X(gmp_local_get) X(gmp_blocking_enter) X(gmp_blocking_exit) \
    X(gmp_blocking_call) X(gmp_chan_new) X(gmp_chan_ref) X(gmp_chan_free) X(gmp_chan_send) X(gmp_chan_recv) \
    X(gmp_chan_close) X(gmp_chan_len) X(gmp_chan_cap) X(gmp_select) X(gmp_mutex_lock) X(gmp_mutex_trylock) \
    X(gmp_mutex_unlock) X(gmp_rwlock_rdlock) X(gmp_rwlock_wrlock) X(gmp_rwlock_rdunlock) X(gmp_rwlock_wrunlock) \
    X(gmp_cond_wait) X(gmp_cond_signal) X(gmp_cond_broadcast) X(gmp_wg_add) X(gmp_wg_done) X(gmp_wg_go) \
    X(gmp_wg_wait) X(gmp_once_do) X(gmp_sem_acquire) X(gmp_sem_release) X(gmp_timer_func) X(gmp_timer_chan) \
    X(gmp_ticker_new) X(gmp_timer_channel) X(gmp_timer_stop) X(gmp_timer_reset) X(gmp_timer_free) X(gmp_ctx_new) \
    X(gmp_ctx_cancel) X(gmp_ctx_current) X(gmp_shield) X(gmp_ctx_cancel_cause) X(gmp_ctx_err) X(gmp_ctx_cause) \
    X(gmp_ctx_deadline) X(gmp_ctx_with_value) X(gmp_ctx_value) X(gmp_ctx_without_cancel) X(gmp_ctx_after_func) \
    X(gmp_ctx_hook_stop) X(gmp_ctx_done) X(gmp_ctx_ref) X(gmp_ctx_free) X(gmp_group_new) X(gmp_group_go) \
    X(gmp_group_wait) X(gmp_stats) X(gmp_dump) X(gmp_dump_leaks) X(gmp_trace_hash) X(gmp_read) X(gmp_write) \
    X(gmp_readv) X(gmp_writev) X(gmp_recv) X(gmp_send) X(gmp_recvfrom) X(gmp_sendto) X(gmp_recvmsg) X(gmp_sendmsg) \
    X(gmp_pread) X(gmp_pwrite) X(gmp_open) X(gmp_fsync) X(gmp_sendfile) X(gmp_splice) X(gmp_accept) X(gmp_connect) \
    X(gmp_poll_fd) X(gmp_fd_set_deadline) X(gmp_close_fd) X(gmp_dial) X(gmp_listen) X(gmp_wait_pid) \
    X(gmp_signal_chan) X(gmp_parked_frames) \
    X(gmp_trace_start) X(gmp_trace_stop)

#ifdef __cplusplus
#define GMP_PY_MEMBER(name) decltype(&::name) name;
#else
#define GMP_PY_MEMBER(name) __typeof__(name) *name;
#endif

typedef struct gmp_py_api {
    size_t struct_size;
    uint32_t abi_version; /* as GMP_ABI_VERSION */
    uint32_t reserved;
    GMP_PY_FUNCTIONS(GMP_PY_MEMBER)
} gmp_py_api_t;

/* Whether the table that is there has `member`; for extensions that work with an older gmp_py too. */
#define GMP_PY_HAS(api, member) \
    ((api)->struct_size >= offsetof(gmp_py_api_t, member) + sizeof((api)->member))

/* Imports gmp_py and gives its table; NULL with an exception set when that cannot be had, or when it lacks a function that this
 * header lists. With the GIL held. */
static inline const gmp_py_api_t *gmp_py_import(void)
{
    const gmp_py_api_t *api = (const gmp_py_api_t *)PyCapsule_Import(GMP_PY_CAPSULE, 0);
    if (api == NULL)
        return NULL;
    if (api->abi_version >> 16 != GMP_ABI_VERSION >> 16 || api->struct_size < sizeof *api) {
        PyErr_Format(PyExc_ImportError,
                     "this extension needs version %d.%d of the gmp_py interface, with a table of %zu bytes; "
                     "the gmp_py that is installed has %d.%d and %zu",
                     (int)(GMP_ABI_VERSION >> 16), (int)(GMP_ABI_VERSION & 0xffff), sizeof *api,
                     (int)(api->abi_version >> 16), (int)(api->abi_version & 0xffff), api->struct_size);
        return NULL;
    }
    return api;
}

#ifdef __cplusplus
}
#endif

#endif /* GMP_PY_H */
