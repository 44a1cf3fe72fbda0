// idle: n fibers sleep 200 ms again and again, all in step; us of CPU time a second over eight of their periods.
// What is used between the expiries is seen from outside, by ../../watch.py.
#include "boost_frame.hpp"

int main(int argc, char **argv) {
  return bench::run(argc, argv, [](const bench_args_t &args) {
    constexpr std::chrono::nanoseconds period(BENCH_PERIOD);
    bench::wait_group all(args.n);
    for (long i = 0; i < args.n; i++)
      bench::fibers::fiber([&all, period] {
        for (int left = BENCH_PERIODS + 2; left > 0; left--) boost::this_fiber::sleep_for(period);
        all.done();
      }).detach();
    boost::this_fiber::sleep_for(period + period / 8);
    const int64_t cpu = bench_cpu(), start = bench_now();
    boost::this_fiber::sleep_for(BENCH_PERIODS * period);
    const int64_t used = bench_cpu() - cpu;
    bench_line("idle", "boost", &args, 0, "cpu", used * 1e6 / static_cast<double>(bench_now() - start), "us/s");
    all.wait();
  });
}
