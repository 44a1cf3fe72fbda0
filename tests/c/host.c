/* A good guest: what the host process had stays as it was; fork before the first use; loading and unloading. */
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "check.h"

static atomic_int ran;

static void count(void *arg) {
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void sleep_a_little(void *arg) {
    CHECK_OK(gmp_sleep(MS));
    count(arg);
}

static void use_everything(void) {
    for (int i = 0; i < 20; i++) CHECK_OK(gmp_go(sleep_a_little, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 20);
}

SCENARIO(fork_before_the_first_use_leaves_both_sides_whole) {
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            use_everything();
            CHECK_OK(gmp_shutdown(GMP_FOREVER));
            _exit(0);
        }
        int status;
        CHECK_EQ(waitpid(child, &status, 0), child);
        CHECK_EQ(status, 0);
    }
    use_everything();
}

SCENARIO(descriptors_of_the_runtime_are_closed_by_exec) {
    enum { MOST = 256 };
    char before[MOST];
    for (int fd = 0; fd < MOST; fd++) before[fd] = fcntl(fd, F_GETFD) != -1;
    use_everything();
    for (int fd = 0; fd < MOST; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags != -1 && !before[fd]) CHECK(flags & FD_CLOEXEC);
    }
}

SCENARIO(limits_and_stack_of_the_host_are_left_alone) {
    struct rlimit before[RLIM_NLIMITS], now;
    for (int i = 0; i < RLIM_NLIMITS; i++) CHECK_EQ(getrlimit((__rlimit_resource_t)i, &before[i]), 0);
    use_everything();
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        CHECK_EQ(getrlimit((__rlimit_resource_t)i, &now), 0);
        CHECK(now.rlim_cur == before[i].rlim_cur && now.rlim_max == before[i].rlim_max);
    }
}

/* The library stays when it is unloaded while its threads live: closing the handle must not pull code away. */
SCENARIO(unloading_the_library_is_harmless) {
    void *handle = dlopen("libgmprt.so.0", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) SKIP("%s", dlerror());
    use_everything();
    CHECK_EQ(dlclose(handle), 0);
    CHECK_OK(gmp_go(count, NULL));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 21);
}

static void print_from_tasks(void *arg) {
    printf("%d\n", (int)(intptr_t)arg); /* stdio, malloc and wide vectors fit a task's stack */
    char *text = (char *)malloc(1000);
    CHECK(text != NULL);
    CHECK(snprintf(text, 1000, "%.17g %s", 1.0 / 3.0, strerror(2)) > 0);
    free(text);
    count(arg);
}

SCENARIO(tasks_may_use_the_c_library) {
    check_start(2);
    for (intptr_t i = 0; i < 200; i++) CHECK_OK(gmp_go(print_from_tasks, (void *)i));
    CHECK_IDLE();
    CHECK_EQ(atomic_load(&ran), 200);
}
