/* What the POSIX thread programs add to frame.h: P processors are P allowed CPUs.
 *
 * Always true: a thread that could not be made ends the program, with the reason. */
#ifndef BENCH_PTHREAD_FRAME_H
#define BENCH_PTHREAD_FRAME_H
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include "frame.h"

static bench_args_t args;
static pthread_attr_t thread_attr;

/* The first P CPUs of those allowed; 64 KiB stacks, so that ten thousand threads fit. */
static inline void bench_start(int argc, char **argv) {
  cpu_set_t allowed, chosen;
  args = bench_parse(argc, argv);
  if (sched_getaffinity(0, sizeof allowed, &allowed)) bench_die("sched_getaffinity failed");
  CPU_ZERO(&chosen);
  for (int cpu = 0, left = args.procs; cpu < CPU_SETSIZE && left > 0; cpu++) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    CPU_SET(cpu, &chosen);
    left--;
  }
  if (sched_setaffinity(0, sizeof chosen, &chosen)) bench_die("sched_setaffinity failed");
  pthread_attr_init(&thread_attr);
  pthread_attr_setstacksize(&thread_attr, 64 * 1024);
}

static inline pthread_t bench_thread(void *(*fn)(void *), void *arg) {
  pthread_t thread;
  if (pthread_create(&thread, &thread_attr, fn, arg)) bench_die("pthread_create failed");
  return thread;
}

static inline void bench_join(pthread_t thread, void **result) {
  if (pthread_join(thread, result)) bench_die("pthread_join failed");
}
#endif
