// spawn_wait: one fiber spawns n fibers that do nothing and waits for all of them; ns per fiber.
// Child-first (`dispatch`): queued fibers would own a 128 KiB stack each, a million at once, and most machines refuse.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long n = bench_size(&args, rep);
      bench::stacks stack;
      bench::wait_group all(n);
      const int64_t start = bench_now();
      for (long i = 0; i < n; i++)
        bench::fibers::fiber(bench::fibers::launch::dispatch, std::allocator_arg, stack, [&all] {
          all.done();
        }).detach();
      all.wait();
      bench_line("spawn_wait", "boost", &args, rep, "task", static_cast<double>(bench_now() - start) / n, "ns");
    }
  });
}
