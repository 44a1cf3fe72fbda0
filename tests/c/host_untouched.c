/* What the host has set stays as it is: all signals, and every thread's and the process's own settings, before and after loading, starting,
 * using and stopping the library. The host here has set most of it to something unusual. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

extern char **environ;

/* ------------------------------------------------------------ what a process has */
struct kernel_sigaction {
    void *handler;
    unsigned long flags;
    void *restorer;
    uint64_t mask;
};

struct process {
    struct kernel_sigaction actions[64];
    struct rlimit limits[RLIM_NLIMITS];
    char locale[256], directory[PATH_MAX], oom[16];
    mode_t umask;
    int priority, personality, controls[8];
    char **environ;
    char environment[16384];
    struct itimerval timers[3];
    pid_t group, session;
};

static void read_environment(char *text, size_t size) {
    size_t at = 0;
    for (char **e = environ; *e; e++) at += (size_t)snprintf(text + at, size - at, "%s\n", *e);
    CHECK(at < size);
}

static void look_at_process(struct process *p) {
    memset(p, 0, sizeof *p);
    for (int i = 1; i <= 64; i++) CHECK_EQ(syscall(SYS_rt_sigaction, i, NULL, &p->actions[i - 1], sizeof(uint64_t)), 0);
    for (int i = 0; i < RLIM_NLIMITS; i++) CHECK_EQ(getrlimit((__rlimit_resource_t)i, &p->limits[i]), 0);
    snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
    CHECK(getcwd(p->directory, sizeof p->directory) != NULL);
    p->umask = umask(0);
    umask(p->umask);
    p->priority = getpriority(PRIO_PROCESS, 0);
    p->personality = personality(0xffffffff);
    p->controls[0] = prctl(PR_GET_DUMPABLE);
    p->controls[1] = prctl(PR_GET_KEEPCAPS);
    p->controls[2] = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
    p->controls[3] = prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0);
    CHECK_EQ(prctl(PR_GET_CHILD_SUBREAPER, &p->controls[4]), 0);
    CHECK_EQ(prctl(PR_GET_PDEATHSIG, &p->controls[5]), 0);
    p->controls[6] = prctl(PR_MCE_KILL_GET, 0, 0, 0, 0);
    p->environ = environ;
    read_environment(p->environment, sizeof p->environment);
    for (int i = 0; i < 3; i++) CHECK_EQ(getitimer((__itimer_which_t)i, &p->timers[i]), 0);
    p->group = getpgrp();
    p->session = getsid(0);
    int oom = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (oom >= 0) CHECK(read(oom, p->oom, sizeof p->oom - 1) > 0);
    if (oom >= 0) close(oom);
}

/* One after the other, to say which it was. */
static void same_process(const struct process *a, const struct process *b) {
    for (int i = 0; i < 64; i++) {
        if (memcmp(&a->actions[i], &b->actions[i], sizeof a->actions[i]) != 0) fprintf(stderr, "signal %d\n", i + 1);
        CHECK(memcmp(&a->actions[i], &b->actions[i], sizeof a->actions[i]) == 0);
    }
    CHECK(memcmp(a->limits, b->limits, sizeof a->limits) == 0);
    CHECK(strcmp(a->locale, b->locale) == 0);
    CHECK(strcmp(a->directory, b->directory) == 0);
    CHECK(strcmp(a->oom, b->oom) == 0);
    CHECK_EQ(a->umask, b->umask);
    CHECK_EQ(a->priority, b->priority);
    CHECK_EQ(a->personality, b->personality);
    CHECK(memcmp(a->controls, b->controls, sizeof a->controls) == 0);
    CHECK(a->environ == b->environ && strcmp(a->environment, b->environment) == 0);
    CHECK(memcmp(a->timers, b->timers, sizeof a->timers) == 0);
    CHECK(memcmp(a, b, sizeof *a) == 0);
}

/* ------------------------------------------------------------ what a thread has */
struct thread {
    sigset_t mask;
    cpu_set_t affinity;
    int policy, slack, ioprio;
    struct sched_param parameters;
    stack_t alternate;
    char name[16];
    uint32_t mxcsr;
    uint16_t x87;
};

static void look_at_thread(struct thread *t) {
    memset(t, 0, sizeof *t);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &t->mask), 0);
    CHECK_EQ(sched_getaffinity(0, sizeof t->affinity, &t->affinity), 0);
    t->policy = sched_getscheduler(0);
    CHECK_EQ(sched_getparam(0, &t->parameters), 0);
    t->slack = prctl(PR_GET_TIMERSLACK);
    t->ioprio = (int)syscall(SYS_ioprio_get, 1, 0);
    CHECK_EQ(sigaltstack(NULL, &t->alternate), 0);
    CHECK_EQ(prctl(PR_GET_NAME, t->name), 0);
#ifdef __x86_64__
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(t->mxcsr), "=m"(t->x87));
#endif
}

static void same_thread(const struct thread *a, const struct thread *b) {
    CHECK(memcmp(&a->mask, &b->mask, sizeof a->mask) == 0);
    CHECK(memcmp(&a->affinity, &b->affinity, sizeof a->affinity) == 0);
    CHECK_EQ(a->policy, b->policy);
    CHECK_EQ(a->slack, b->slack);
    CHECK_EQ(a->ioprio, b->ioprio);
    CHECK_EQ(a->mxcsr, b->mxcsr);
    CHECK_EQ(a->x87, b->x87);
    CHECK_EQ(strcmp(a->name, b->name), 0);
    CHECK(memcmp(a, b, sizeof *a) == 0);
}

/* Something unusual, different for each thread. */
static char alternates[3][65536];

static void be_unusual(int which) {
    int signals[] = {SIGUSR1, SIGCHLD, SIGTERM};
    stack_t alternate = {.ss_sp = alternates[which], .ss_size = sizeof alternates[which]};
    sigset_t mask;
    char name[16];
    sigemptyset(&mask);
    sigaddset(&mask, signals[which]);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, &mask, NULL), 0);
    CHECK_EQ(prctl(PR_SET_TIMERSLACK, 12345 + which), 0);
#ifdef __x86_64__ /* how it rounds, and that something was inexact */
    uint32_t mxcsr = 0x1f80 | 0x20 | (uint32_t)(which + 1) << 13;
    uint16_t x87 = (uint16_t)(0x37f & ~0xc00) | (uint16_t)((which + 1) << 10);
    __asm__ volatile("ldmxcsr %0; fldcw %1" ::"m"(mxcsr), "m"(x87));
#endif
    CHECK_EQ(sigaltstack(&alternate, NULL), 0);
    snprintf(name, sizeof name, "host-%d", which);
    CHECK_EQ(prctl(PR_SET_NAME, name), 0);
}

/* ------------------------------------------------------------ the stages, which every thread looks at */
enum { OTHERS = 2 };
static pthread_barrier_t barrier;
static atomic_int stage, done;

static void nothing(void *arg) { (void)arg; }
static void *nothing_much(void *arg) { return arg; }

static void use_from_here(void) {
    gmp_mutex_t mutex = {0};
    gmp_task_t *task;
    gmp_chan_t *chan;
    long value = 1;
    CHECK_OK(gmp_go(nothing, NULL));
    CHECK_OK(gmp_spawn(nothing_much, NULL, NULL, &task));
    CHECK_OK(gmp_join(task, SOON(), NULL));
    CHECK_OK(gmp_mutex_lock(&mutex, GMP_FOREVER));
    CHECK_OK(gmp_mutex_unlock(&mutex));
    CHECK_OK(gmp_chan_new(sizeof value, 1, &chan));
    CHECK_OK(gmp_chan_send(chan, &value, SOON()));
    CHECK_OK(gmp_chan_recv(chan, &value, SOON()));
    CHECK_CODE(gmp_chan_recv(chan, &value, gmp_after_ns(MS)), GMP_ETIMEDOUT);
    gmp_chan_free(chan);
    CHECK_OK(gmp_sleep(MS));
    CHECK_OK(gmp_run(nothing, NULL));
}

static void *host_thread(void *which) {
    struct thread before, now;
    be_unusual((int)(intptr_t)which);
    look_at_thread(&before);
    for (;;) {
        pthread_barrier_wait(&barrier);
        if (atomic_load(&done)) return NULL;
        if (atomic_load(&stage) == 2) use_from_here();
        pthread_barrier_wait(&barrier);
        look_at_thread(&now);
        same_thread(&before, &now);
        pthread_barrier_wait(&barrier);
    }
}

static struct process before, now;
static struct thread mine, mine_now;

/* Every thread has been through stage `n`, and everything is as it was. */
static void through(int n, void (*body)(void)) {
    atomic_store(&stage, n);
    pthread_barrier_wait(&barrier);
    body();
    pthread_barrier_wait(&barrier);
    look_at_thread(&mine_now);
    same_thread(&mine, &mine_now);
    look_at_process(&now);
    same_process(&before, &now);
    pthread_barrier_wait(&barrier);
}

/* A copy from another file, so that it is loaded now. */
static void load(void) {
    Dl_info own;
    char path[32], block[65536];
    ssize_t n;
    CHECK(dladdr((void *)gmp_start, &own) != 0);
    int from = open(own.dli_fname, O_RDONLY | O_CLOEXEC), to = memfd_create("copy", MFD_CLOEXEC);
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, block, sizeof block)) > 0) CHECK_EQ(write(to, block, (size_t)n), n);
    snprintf(path, sizeof path, "/proc/self/fd/%d", to);
    void *handle = dlopen(path, RTLD_NOW);
    if (handle == NULL) fprintf(stderr, "%s\n", dlerror());
    CHECK(handle != NULL);
    close(from);
    close(to);
}

static void start(void) { check_start(3); }

static void block(void *arg) {
    if (arg) CHECK_OK(gmp_blocking_enter());
    usleep(3000);
    if (arg) CHECK_OK(gmp_blocking_exit());
}

static void compute(void *arg) {
    (void)arg;
    gmp_time_t until = gmp_after_ns(15 * MS);
    while (gmp_now() < until) {
    }
}

static void use(void) {
    gmp_timer_t *ticker;
    gmp_time_t when;
    use_from_here();
    for (int i = 0; i < 10; i++) {
        CHECK_OK(gmp_go(block, NULL));
        CHECK_OK(gmp_go(block, &stage));
        CHECK_OK(gmp_go(compute, NULL));
    }
    CHECK_OK(gmp_ticker_new(MS, &ticker));
    for (int i = 0; i < 5; i++) CHECK_OK(gmp_chan_recv(gmp_timer_channel(ticker), &when, SOON()));
    gmp_timer_free(ticker);
    CHECK(gmp_max_procs(1) == 3);
    CHECK(gmp_max_procs(4) == 1);
    (void)gmp_num_cpu();
    (void)gmp_max_procs_default();
    CHECK_IDLE();
}

static void stop(void) { CHECK_OK(gmp_shutdown(GMP_FOREVER)); }
static void start_again(void) {
    CHECK_OK(gmp_start(NULL));
    use_from_here();
    CHECK_IDLE();
}

static void on_signal(int signal) { (void)signal; }

SCENARIO(nothing_of_the_host_is_changed) {
    pthread_t others[OTHERS];
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    CHECK_EQ(sigaction(SIGSEGV, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGPROF, &action, NULL), 0);
    CHECK_EQ(sigaction(SIGRTMIN, &action, NULL), 0);
    action.sa_handler = SIG_IGN;
    CHECK_EQ(sigaction(SIGPIPE, &action, NULL), 0);
    umask(031);
    CHECK_EQ(chdir("/"), 0);
    (void)setlocale(LC_ALL, "C.UTF-8");
    (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + 1);
    CHECK_EQ(setenv("SOMETHING", "else", 1), 0);
    struct rlimit limit;
    CHECK_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_cur > 500 ? 500 : limit.rlim_cur;
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    be_unusual(0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, OTHERS + 1), 0);
    for (intptr_t i = 0; i < OTHERS; i++) {
        CHECK_EQ(pthread_create(&others[i], NULL, host_thread, (void *)(i + 1)), 0);
    }
    look_at_process(&before);
    look_at_thread(&mine);
    long descriptors = check_descriptors();
    through(0, load);
    CHECK_EQ(check_descriptors(), descriptors);
    through(1, start);
    through(2, use);
    through(3, stop);
    CHECK_EQ(check_descriptors(), descriptors);
    CHECK_THREADS(1 + OTHERS);
    through(4, start_again);
    through(5, stop);
    CHECK_EQ(check_descriptors(), descriptors);
    atomic_store(&done, 1);
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < OTHERS; i++) CHECK_EQ(pthread_join(others[i], NULL), 0);
    CHECK_THREADS(1);
}

/* ------------------------------------------------------------ the library's own threads */
static atomic_int met;

static void meet(void *arg) {
    (void)arg;
    CHECK_OK(gmp_blocking_enter());
    atomic_fetch_add(&met, 1);
    while (atomic_load(&met) < 4) usleep(100);
    CHECK_OK(gmp_blocking_exit());
}

struct names {
    int machines, monitors, others;
};

static struct names look_at_names(void) {
    struct names seen = {0, 0, 0};
    DIR *threads = opendir("/proc/self/task");
    struct dirent *entry;
    CHECK(threads != NULL);
    while ((entry = readdir(threads)) != NULL) {
        char path[300], name[32] = {0};
        if (entry->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
        int comm = open(path, O_RDONLY | O_CLOEXEC);
        if (comm < 0) continue;
        ssize_t n = read(comm, name, sizeof name - 1);
        close(comm);
        if (n <= 0) continue;
        int number, end = 0;
        if (sscanf(name, "gmp-m%d%n", &number, &end) == 1 && name[end] == '\n') {
            seen.machines++;
        } else if (strcmp(name, "gmp-monitor\n") == 0) {
            seen.monitors++;
        } else {
            seen.others++;
        }
    }
    closedir(threads);
    return seen;
}

SCENARIO(threads_of_the_library_are_named) {
    struct rlimit limit = {64 << 20, 64 << 20};
    (void)setrlimit(RLIMIT_STACK, &limit); /* not what their stacks go by */
    check_start(2);
    for (int i = 0; i < 4; i++) CHECK_OK(gmp_go(meet, NULL));
    CHECK_IDLE();
    /* A thread that was just made has its maker's name until it has run. */
    int64_t end = SOON();
    struct names seen = look_at_names();
    while ((seen.machines < 4 || seen.monitors != 1 || seen.others != 1) && gmp_now() < end) {
        usleep(100);
        seen = look_at_names();
    }
    CHECK(seen.machines >= 4);
    CHECK_EQ(seen.monitors, 1);
    CHECK_EQ(seen.others, 1);
}
