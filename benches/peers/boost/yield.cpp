// yield: two fibers yield to each other; ns per yield.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = bench_size(&args, rep);
      const auto yield_often = [n] {
        for (long left = n; left > 0; left--) boost::this_fiber::yield();
      };
      const int64_t start = bench_now();
      bench::fibers::fiber one(yield_often), two(yield_often);
      one.join();
      two.join();
      bench_line("yield", "boost", &args, rep, "yield", (bench_now() - start) / (2.0 * n), "ns");
    }
  });
}
