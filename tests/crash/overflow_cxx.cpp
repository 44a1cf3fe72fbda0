// The stack-overflow reporter in a C++ program: with exceptions on their way, and below a terminate handler.
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <vector>

#include "../c/check.h"

static int start_reporting() {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = GMP_CONFIG_OVERFLOW_HANDLER;
    return gmp_start(&config);
}

struct Noisy {
    int value;
    std::vector<int> rest;
    explicit Noisy(int v) : value(v), rest(4, v) {}
    ~Noisy() { value = 0; }
};

__attribute__((noinline)) static int dig(int level) {
    Noisy noisy(level);
    int deeper = level < 1 << 30 ? dig(level + 1) : 0;
    return deeper + noisy.value;
}

static void *throw_then_dig(void *arg) {
    try {
        throw std::runtime_error("first");
    } catch (const std::exception &e) {
        fprintf(stderr, "caught %s\n", e.what());
        return (void *)(intptr_t)dig(0);
    }
    return arg;
}

static void run(gmp_task_fn_t fn) {
    gmp_task_t *task;
    gmp_spawn_opts_t opts;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = "thrower";
    CHECK_OK(gmp_spawn(fn, NULL, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

//@ dies SIGSEGV
//@ says caught first
//@ says (thrower): stack overflow (size 196608, used
SCENARIO(crash_overflow_inside_a_catch_block_is_told) {
    std::set_terminate([] {
        fprintf(stderr, "terminate\n");
        _exit(8);
    });
    CHECK_OK(start_reporting());
    run(throw_then_dig);
}

static void *throw_in_destructor(void *arg) {
    struct Bad {
        ~Bad() noexcept(false) { throw std::runtime_error("second"); }
    };
    Bad bad;
    throw std::runtime_error("first");
    return arg;
}

//@ dies SIGABRT
//@ says the host's terminate
SCENARIO(crash_terminate_is_the_hosts_with_the_reporter_too) {
    std::set_terminate([] {
        fprintf(stderr, "the host's terminate\n");
        abort();
    });
    CHECK_OK(start_reporting());
    run(throw_in_destructor);
}
