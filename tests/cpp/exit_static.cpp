// Objects of static storage that use the library in their constructors (before main) and destructors (after it).
//@ limit 240
#include <sys/wait.h>

#include <string>
#include <vector>

#include "../c/check.h"

namespace {

std::atomic<int> ran;
void count(void *) { ran++; }
void spin(void *) {
    for (volatile long i = 0;; i++) {
    }
}

struct User {
    gmp_chan_t *chan = nullptr;
    gmp_timer_t *ticker = nullptr;
    gmp_ctx_t *context = nullptr;
    bool stops;

    explicit User(bool stops) : stops(stops) {
        CHECK_OK(gmp_chan_new(sizeof(int), 1, &chan));
        CHECK_OK(gmp_ticker_new(MS, &ticker));
        CHECK_OK(gmp_ctx_new(nullptr, GMP_FOREVER, &context));
        CHECK_OK(gmp_run(count, nullptr));
    }

    ~User() {
        int value = 1;
        if (gmp_go(count, nullptr) == GMP_ESTOPPED) return; // the last one has been
        CHECK_OK(gmp_chan_send(chan, &value, GMP_FOREVER));
        CHECK_OK(gmp_chan_recv(chan, &value, GMP_FOREVER));
        CHECK_OK(gmp_ctx_cancel(context));
        gmp_timer_free(ticker);
        gmp_ctx_free(context);
        gmp_chan_free(chan);
        if (stops) {
            int code = gmp_shutdown(gmp_after_ns(20 * MS));
            CHECK(code == GMP_OK || code == GMP_ETIMEDOUT || code == GMP_EDEADLK);
        }
    }
};

User last(true), second(false);
std::vector<std::string> texts(100, "a string that does not fit in itself, so it is freed at the end");

void again(const char *scenario, int wanted) {
    for (int i = 0; i < 100; i++) {
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) {
            alarm(30);
            execl("/proc/self/exe", "again", scenario, static_cast<char *>(nullptr));
            _exit(98);
        }
        int status;
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, wanted);
    }
}

} // namespace

SCENARIO(quiet_at_the_end) { CHECK(ran >= 2); }

SCENARIO(quiet_at_the_end_hundred_times) { again("quiet_at_the_end", 0); }

SCENARIO(busy_at_the_end) {
    for (int i = 0; i < 3; i++) CHECK_OK(gmp_go(spin, nullptr));
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(count, nullptr));
}

SCENARIO(busy_at_the_end_hundred_times) { again("busy_at_the_end", 0); }
