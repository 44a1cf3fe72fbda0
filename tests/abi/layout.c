/* What is promised about sizes, offsets and constants on 64-bit systems. Checked by the compiler; nothing to run.
 * Structs that start with struct_size may grow at their end, which raises their size here and nothing else. */
#include <stddef.h>

#include "gmprt.h"

#ifdef __cplusplus
#define CHECK_THAT(condition, text) static_assert(condition, text)
#else
#define CHECK_THAT(condition, text) _Static_assert(condition, text)
#endif
#define SIZE(type, bytes) CHECK_THAT(sizeof(type) == (bytes), "size of " #type)
#define OFFSET(type, member, bytes) CHECK_THAT(offsetof(type, member) == (bytes), "offset of " #type "." #member)
#define VALUE(name, value) CHECK_THAT((name) == (value), "value of " #name)

SIZE(gmp_config_t, 40);
OFFSET(gmp_config_t, struct_size, 0);
OFFSET(gmp_config_t, max_procs, 8);
OFFSET(gmp_config_t, max_threads, 12);
OFFSET(gmp_config_t, stack_size, 16);
OFFSET(gmp_config_t, sched_seed, 24);
OFFSET(gmp_config_t, flags, 32);
SIZE(gmp_spawn_opts_t, 56);
OFFSET(gmp_spawn_opts_t, struct_size, 0);
OFFSET(gmp_spawn_opts_t, name, 8);
OFFSET(gmp_spawn_opts_t, stack_size, 16);
OFFSET(gmp_spawn_opts_t, flags, 24);
OFFSET(gmp_spawn_opts_t, ctx, 32);
OFFSET(gmp_spawn_opts_t, task_class, 40);
OFFSET(gmp_spawn_opts_t, class_data, 48);
SIZE(gmp_task_class_t, 120);
OFFSET(gmp_task_class_t, struct_size, 0);
OFFSET(gmp_task_class_t, name, 8);
OFFSET(gmp_task_class_t, user, 16);
OFFSET(gmp_task_class_t, flags, 24);
OFFSET(gmp_task_class_t, machine_start, 32);
OFFSET(gmp_task_class_t, machine_end, 40);
OFFSET(gmp_task_class_t, acquire, 48);
OFFSET(gmp_task_class_t, release, 56);
OFFSET(gmp_task_class_t, first_run, 64);
OFFSET(gmp_task_class_t, switch_in, 72);
OFFSET(gmp_task_class_t, switch_out, 80);
OFFSET(gmp_task_class_t, finish, 88);
OFFSET(gmp_task_class_t, may_migrate, 96);
OFFSET(gmp_task_class_t, is_blocked, 104);
OFFSET(gmp_task_class_t, cancel, 112);
SIZE(gmp_stats_t, 200);
OFFSET(gmp_stats_t, struct_size, 0);
OFFSET(gmp_stats_t, tasks_created, 8);
OFFSET(gmp_stats_t, tasks_ended, 16);
OFFSET(gmp_stats_t, switches, 24);
OFFSET(gmp_stats_t, steals, 32);
OFFSET(gmp_stats_t, parks, 40);
OFFSET(gmp_stats_t, wakes, 48);
OFFSET(gmp_stats_t, handoffs, 56);
OFFSET(gmp_stats_t, retakes_blocked, 64);
OFFSET(gmp_stats_t, retakes_running, 72);
OFFSET(gmp_stats_t, polls, 80);
OFFSET(gmp_stats_t, timers_fired, 88);
OFFSET(gmp_stats_t, thread_limit_hits, 96);
OFFSET(gmp_stats_t, deadlocks, 104);
OFFSET(gmp_stats_t, tasks_runnable, 112);
OFFSET(gmp_stats_t, tasks_running, 120);
OFFSET(gmp_stats_t, tasks_blocked, 128);
OFFSET(gmp_stats_t, tasks_parked, 136);
OFFSET(gmp_stats_t, timers_pending, 144);
OFFSET(gmp_stats_t, poll_waiters, 152);
OFFSET(gmp_stats_t, procs, 160);
OFFSET(gmp_stats_t, procs_idle, 164);
OFFSET(gmp_stats_t, threads, 168);
OFFSET(gmp_stats_t, threads_idle, 172);
OFFSET(gmp_stats_t, threads_searching, 176);
OFFSET(gmp_stats_t, threads_peak, 180);
OFFSET(gmp_stats_t, stack_bytes_reserved, 184);
OFFSET(gmp_stats_t, stack_bytes_resident, 192);
SIZE(gmp_wg_t, 16);
OFFSET(gmp_wg_t, opaque, 0);
SIZE(gmp_key_t, 4);
OFFSET(gmp_key_t, opaque, 0);
VALUE(GMP_OK, 0);
VALUE(GMP_EPERM, -1);
VALUE(GMP_ENOENT, -2);
VALUE(GMP_EBADF, -9);
VALUE(GMP_EAGAIN, -11);
VALUE(GMP_ENOMEM, -12);
VALUE(GMP_EBUSY, -16);
VALUE(GMP_EINVAL, -22);
VALUE(GMP_EPIPE, -32);
VALUE(GMP_EDEADLK, -35);
VALUE(GMP_ENOTSUP, -95);
VALUE(GMP_ETIMEDOUT, -110);
VALUE(GMP_ECANCELED, -125);
VALUE(GMP_ECLOSED, -4097);
VALUE(GMP_ESTOPPED, -4098);
VALUE(GMP_EPANIC, -4099);
VALUE(GMP_EMISUSE, -4100);
VALUE(GMP_EFORKED, -4101);
VALUE(GMP_NOWAIT, 0);
VALUE(GMP_FOREVER, INT64_MAX);
VALUE(GMP_ABI_VERSION, 1);
VALUE(GMP_CONFIG_OVERFLOW_HANDLER, 1);
VALUE(GMP_CONFIG_DEADLOCK_ABORT, 2);
VALUE(GMP_CONFIG_VIRTUAL_TIME, 4);
VALUE(GMP_SPAWN_STICKY, 1);
VALUE(GMP_SPAWN_BLOCKING, 2);
VALUE(GMP_CLASS_EXCLUSIVE, 1);

/* The types of the scalars, and that a wait group of zeros is a constant expression away. */
SIZE(gmp_time_t, 8);
CHECK_THAT((gmp_time_t)-1 < 0, "times are signed");
extern gmp_wg_t layout_unused_group;
gmp_wg_t layout_unused_group = {{0, 0}};

/* The system's own types, as POSIX has them: a pointer of exactly this type takes the function. */
#define TYPE(function, result, arguments)           \
    extern result(*layout_unused_##function) arguments; \
    result(*layout_unused_##function) arguments = function
TYPE(gmp_read, ssize_t, (int, void *, size_t, gmp_time_t));
TYPE(gmp_write, ssize_t, (int, const void *, size_t, gmp_time_t));
TYPE(gmp_recv, ssize_t, (int, void *, size_t, int, gmp_time_t));
TYPE(gmp_send, ssize_t, (int, const void *, size_t, int, gmp_time_t));
TYPE(gmp_recvfrom, ssize_t, (int, void *, size_t, int, struct sockaddr *, socklen_t *, gmp_time_t));
TYPE(gmp_sendto, ssize_t, (int, const void *, size_t, int, const struct sockaddr *, socklen_t, gmp_time_t));
TYPE(gmp_recvmsg, ssize_t, (int, struct msghdr *, int, gmp_time_t));
TYPE(gmp_sendmsg, ssize_t, (int, const struct msghdr *, int, gmp_time_t));
TYPE(gmp_readv, ssize_t, (int, const struct iovec *, int, gmp_time_t));
TYPE(gmp_writev, ssize_t, (int, const struct iovec *, int, gmp_time_t));
TYPE(gmp_pread, ssize_t, (int, void *, size_t, off_t));
TYPE(gmp_pwrite, ssize_t, (int, const void *, size_t, off_t));
TYPE(gmp_sendfile, ssize_t, (int, int, off_t *, size_t, gmp_time_t));
TYPE(gmp_splice, ssize_t, (int, int64_t *, int, int64_t *, size_t, gmp_time_t));
TYPE(gmp_accept, int, (int, struct sockaddr *, socklen_t *, gmp_time_t));
TYPE(gmp_connect, int, (int, const struct sockaddr *, socklen_t, gmp_time_t));
TYPE(gmp_open, int, (const char *, int, mode_t));
TYPE(gmp_fsync, int, (int));
TYPE(gmp_poll_fd, int, (int, int, gmp_time_t));
TYPE(gmp_fd_set_deadline, int, (int, int, gmp_time_t));
TYPE(gmp_close_fd, int, (int));
TYPE(gmp_dial, int, (const char *, const char *, gmp_time_t));
TYPE(gmp_listen, int, (const char *, const char *));
TYPE(gmp_wait_pid, int, (pid_t, int *, gmp_time_t));
TYPE(gmp_signal_chan, int, (int, gmp_chan_t **));
