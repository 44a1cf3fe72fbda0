// What the Boost.Fiber programs add to frame.h: P threads that schedule fibers, a wait group.
//
// Always true: at P = 1 the library's default scheduler (round robin, no sharing) runs; above, its work_stealing.
// Fibers are launched as the row says: `dispatch` runs the child at once (child-first), `post` queues it.
#pragma once
#include <atomic>
#include <boost/fiber/all.hpp>
#include <thread>
#include <vector>
#include "frame.h"

namespace bench {
namespace fibers = boost::fibers;
using stacks = fibers::fixedsize_stack;

class wait_group {
 public:
  explicit wait_group(long n) : left_(n) {}
  void done() {
    if (left_.fetch_sub(1) != 1) return;
    std::lock_guard<fibers::mutex> hold(lock_);
    none_left_ = true;
    ended_.notify_all();
  }
  // The flag, not the count: at a count of 0 the last done() may still be on its way to the lock.
  void wait() {
    std::unique_lock<fibers::mutex> hold(lock_);
    ended_.wait(hold, [this] { return none_left_; });
  }

 private:
  std::atomic<long> left_;
  bool none_left_ = false;
  fibers::mutex lock_;
  fibers::condition_variable ended_;
};

// Runs measure(args) on a fiber of a P-thread scheduler. The other threads sleep on a fiber condition until it ends.
template <typename Fn>
int run(int argc, char **argv, Fn measure) {
  const bench_args_t args = bench_parse(argc, argv);
  if (args.procs == 1) {
    measure(args);
    return 0;
  }
  bool ended = false;
  fibers::mutex lock;
  fibers::condition_variable end;
  std::vector<std::thread> threads;
  const auto count = static_cast<std::uint32_t>(args.procs);
  for (std::uint32_t i = 1; i < count; i++)
    threads.emplace_back([&] {
      fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count, true);
      std::unique_lock<fibers::mutex> hold(lock);
      end.wait(hold, [&] { return ended; });
    });
  fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count, true);
  measure(args);
  {
    std::lock_guard<fibers::mutex> hold(lock);
    ended = true;
  }
  end.notify_all();
  for (auto &thread : threads) thread.join();
  return 0;
}
}  // namespace bench
