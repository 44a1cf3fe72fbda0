// mutex: 8 fibers lock, count one up, unlock, n times in all; ns per lock and unlock.
#include "boost_frame.hpp"

namespace {
constexpr int tasks = 8;
}  // namespace

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    for (int rep = -1; rep < args.reps; rep++) {
      const long each = bench_size(&args, rep) / tasks + 1;
      bench::fibers::mutex lock;
      std::vector<bench::fibers::fiber> all;
      long counter = 0;
      const int64_t start = bench_now();
      for (int task = 0; task < tasks; task++)
        all.emplace_back([&lock, &counter, each] {
          for (long i = 0; i < each; i++) {
            lock.lock();
            counter++;
            lock.unlock();
          }
        });
      for (auto &fiber : all) fiber.join();
      const int64_t end = bench_now();
      if (counter != tasks * each) bench_die("two fibers held the mutex at once");
      bench_line("mutex", "boost", &args, rep, "pair", static_cast<double>(end - start) / (tasks * each), "ns");
    }
  });
}
