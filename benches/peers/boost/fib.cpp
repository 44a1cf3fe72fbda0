// fib: fib(n) where each call spawns a fiber for fib(n - 1), computes fib(n - 2) itself and joins; total ms.
// Round robin wakes the oldest first, so most of the tree is live at once, a 128 KiB stack each: fib(32) does not fit
// into memory, and the harness asks for a smaller n and compares ns per task.
#include "boost_frame.hpp"

namespace {
long fib(bench::stacks &stack, long n) {
  if (n < 2) return n;
  long left_result = 0;
  bench::fibers::fiber left(bench::fibers::launch::dispatch, std::allocator_arg, stack,
                            [&left_result, &stack, n] { left_result = fib(stack, n - 1); });
  const long right = fib(stack, n - 2);
  left.join();
  return left_result + right;
}

long fib_plain(long n) {
  long a = 0, b = 1;
  for (; n > 0; n--) {
    const long next = a + b;
    a = b;
    b = next;
  }
  return a;
}
}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = rep < 0 && args.n > 8 ? args.n - 6 : args.n;
      bench::stacks stack;
      const int64_t start = bench_now();
      if (fib(stack, n) != fib_plain(n)) bench_die("fib is wrong");
      const int64_t end = bench_now();
      const long tasks = fib_plain(n + 1) - 1;
      bench_line("fib", "boost", &args, rep, "total", (end - start) / 1e6, "ms");
      bench_line("fib", "boost", &args, rep, "task", static_cast<double>(end - start) / tasks, "ns");
    }
  });
}
