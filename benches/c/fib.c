/* fib: fib(n) where each call spawns a task for fib(n - 1), computes fib(n - 2) itself and joins;
 * total ms and ns per task. No cut-off: fib(32) is 3.5 million tasks. */
#include "gmp_frame.h"

static void *fib(void *arg) {
  long n = (long)(intptr_t)arg;
  if (n < 2) return arg;
  gmp_task_t *left;
  void *left_result;
  CHECK(gmp_spawn(fib, (void *)(intptr_t)(n - 1), NULL, &left));
  long right = (long)(intptr_t)fib((void *)(intptr_t)(n - 2));
  CHECK(gmp_join(left, GMP_FOREVER, &left_result));
  return (void *)(intptr_t)((long)(intptr_t)left_result + right);
}

static long fib_plain(long n) {
  long a = 0, b = 1;
  for (; n > 0; n--) {
    long next = a + b;
    a = b;
    b = next;
  }
  return a;
}

static void measure(void *unused) {
  (void)unused;
  for (int rep = -1; rep < args.reps; rep++) {
    long n = rep < 0 && args.n > 8 ? args.n - 6 : args.n;
    int64_t start = bench_now();
    long value = (long)(intptr_t)fib((void *)(intptr_t)n);
    if (value != fib_plain(n)) bench_die("fib is wrong");
    int64_t end = bench_now();
    long tasks = fib_plain(n + 1) - 1;
    bench_line("fib", "gmp", &args, rep, "total", (end - start) / 1e6, "ms");
    bench_line("fib", "gmp", &args, rep, "task", (double)(end - start) / tasks, "ns");
  }
}

int main(int argc, char **argv) { return bench_run_tasks(argc, argv, measure); }
