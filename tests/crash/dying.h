/* Watching a child die: what it died of and what it had said. Before the first call of the library, so that the child starts afresh. */
#ifndef GMP_TESTS_DYING_H
#define GMP_TESTS_DYING_H
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "../c/check.h"

struct death {
    int status;
    char said[1 << 16];
};

/* Runs `life` in a child, which exits with 0 if that returns. */
__attribute__((unused)) static struct death *death_of(void (*life)(void)) {
    static struct death death;
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        alarm(50);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        life();
        _exit(0);
    }
    close(ends[1]);
    size_t len = 0;
    for (;;) {
        ssize_t n = read(ends[0], death.said + len, sizeof death.said - 1 - len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        len += (size_t)n;
    }
    death.said[len] = 0;
    close(ends[0]);
    CHECK_EQ(waitpid(child, &death.status, 0), child);
    return &death;
}

static int times_said(const struct death *death, const char *text) {
    int n = 0;
    for (const char *at = death->said; (at = strstr(at, text)) != NULL; at += strlen(text)) n++;
    return n;
}

#define CHECK_DIED_OF(death, signal)                                                                                   \
    do {                                                                                                               \
        if (!WIFSIGNALED((death)->status) || WTERMSIG((death)->status) != (signal)) {                                  \
            fprintf(stderr, "status %x, said: %s\n", (death)->status, (death)->said);                                  \
            check_failed(__FILE__, __LINE__, "it did not die of " #signal);                                            \
        }                                                                                                              \
    } while (0)
#define CHECK_LIVED(death)                                                                                             \
    do {                                                                                                               \
        if ((death)->status != 0) {                                                                                    \
            fprintf(stderr, "status %x, said: %s\n", (death)->status, (death)->said);                                  \
            check_failed(__FILE__, __LINE__, "it did not live");                                                       \
        }                                                                                                              \
    } while (0)
#define CHECK_SAID(death, text, times)                                                                                 \
    do {                                                                                                               \
        if (times_said(death, text) != (times)) {                                                                      \
            fprintf(stderr, "%d times \"%s\", expected %d, in: %s\n", times_said(death, text), text, times,            \
                    (death)->said);                                                                                    \
            check_failed(__FILE__, __LINE__, "it said something else");                                                \
        }                                                                                                              \
    } while (0)

/* Not a tail call, and every frame is used: the compiler may not make a loop of it. */
__attribute__((noinline, unused)) static int dig(int level) {
    volatile char room[512];
    for (size_t i = 0; i < sizeof room; i++) room[i] = (char)level;
    int deeper = level < 1 << 30 ? dig(level + 1) : 0;
    return deeper + room[level % 512];
}

__attribute__((unused)) static void *dig_without_end(void *arg) { return (void *)(intptr_t)dig((int)(intptr_t)arg & 1); }

/* Starts the runtime with the reporter. */
__attribute__((unused)) static int start_reporting(int procs) {
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.max_procs = procs;
    config.flags = GMP_CONFIG_OVERFLOW_HANDLER;
    return gmp_start(&config);
}

/* Runs a task to its end. */
__attribute__((unused)) static void run_named(gmp_task_fn_t fn, void *arg, const char *name, size_t stack_size) {
    gmp_spawn_opts_t opts;
    gmp_task_t *task;
    CHECK_OK(gmp_spawn_opts_init(&opts, sizeof opts));
    opts.name = name;
    opts.stack_size = stack_size;
    CHECK_OK(gmp_spawn(fn, arg, &opts, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
}

static volatile int *volatile nowhere;

__attribute__((unused)) static void *dereference_null(void *arg) {
    *nowhere = 1;
    return arg;
}
#endif
