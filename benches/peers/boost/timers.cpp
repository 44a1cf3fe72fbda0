// timers: n fibers sleep 0 to 100 ms each; ms from the first spawn until all have ended beyond the longest of the
// sleeps, and ms of CPU time.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = bench_size(&args, rep);
      const int64_t longest = bench_longest_sleep(n);
      bench::stacks stack;
      bench::wait_group all(n);
      const int64_t cpu = bench_cpu(), start = bench_now();
      for (long i = 0; i < n; i++)
        bench::fibers::fiber(bench::fibers::launch::post, std::allocator_arg, stack, [&all, i] {
          boost::this_fiber::sleep_for(std::chrono::nanoseconds(bench_draw_sleep(i)));
          all.done();
        }).detach();
      all.wait();
      const int64_t end = bench_now(), used = bench_cpu() - cpu;
      bench_line("timers", "boost", &args, rep, "over", (end - start - longest) / 1e6, "ms");
      bench_line("timers", "boost", &args, rep, "cpu", used / 1e6, "ms");
    }
  });
}
