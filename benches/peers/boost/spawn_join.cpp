// spawn_join: spawn one fiber, join it, n times over; ns per spawn and join. Child-first, this library's faster way.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = bench_size(&args, rep);
      bench::stacks stack;
      const int64_t start = bench_now();
      for (long i = 0; i < n; i++) {
        long result = -1;
        bench::fibers::fiber(bench::fibers::launch::dispatch, std::allocator_arg, stack, [&result, i] { result = i; })
            .join();
        if (result != i) bench_die("a join came before the fiber had ended");
      }
      bench_line("spawn_join", "boost", &args, rep, "task", static_cast<double>(bench_now() - start) / n, "ns");
    }
  });
}
