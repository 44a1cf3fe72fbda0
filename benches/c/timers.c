/* timers: n tasks sleep 0 to 100 ms each; ms from the first spawn until all have ended beyond the longest of the
 * sleeps, and ms of CPU time. */
#include "gmp_frame.h"

static void sleep_once(void *i) { CHECK(gmp_sleep(bench_draw_sleep((long)(intptr_t)i))); }

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = bench_size(&args, rep);
    int64_t longest = bench_longest_sleep(n);
    gmp_wg_t all = {{0}};
    int64_t cpu = bench_cpu(), start = bench_now();
    for (long i = 0; i < n; i++) CHECK(gmp_wg_go(&all, sleep_once, (void *)(intptr_t)i));
    CHECK(gmp_wg_wait(&all, GMP_FOREVER));
    int64_t end = bench_now(), used = bench_cpu() - cpu;
    bench_line("timers", "gmp", &args, rep, "over", (end - start - longest) / 1e6, "ms");
    bench_line("timers", "gmp", &args, rep, "cpu", used / 1e6, "ms");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
