/* idle: n threads sleep 200 ms again and again in the kernel, all in step; us of CPU time a second over eight of their
 * periods. What is used between the expiries is seen from outside, by ../../watch.py. */
#include "pthread_frame.h"

static void sleep_for(long ns) {
  struct timespec span = {ns / 1000000000, ns % 1000000000};
  nanosleep(&span, NULL);
}

static void *sleep_again(void *unused) {
  for (int left = BENCH_PERIODS + 2; left > 0; left--) sleep_for(BENCH_PERIOD);
  return unused;
}

int main(int argc, char **argv) {
  bench_start(argc, argv);
  pthread_t *threads = calloc((size_t)args.n, sizeof *threads);
  if (!threads) bench_die("no memory");
  for (long i = 0; i < args.n; i++) threads[i] = bench_thread(sleep_again, NULL);
  sleep_for(BENCH_PERIOD + BENCH_PERIOD / 8);
  int64_t cpu = bench_cpu(), start = bench_now();
  sleep_for(BENCH_PERIODS * BENCH_PERIOD);
  int64_t used = bench_cpu() - cpu;
  bench_line("idle", "pthread", &args, 0, "cpu", used * 1e6 / (double)(bench_now() - start), "us/s");
  for (long i = 0; i < args.n; i++) bench_join(threads[i], NULL);
  free(threads);
  return 0;
}
