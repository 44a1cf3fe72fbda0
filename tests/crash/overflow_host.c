/* The stack-overflow reporter beside the host's own handlers: before and after ours, of every kind; and that nothing is left behind. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <ucontext.h>

#include "dying.h"

static void say(const char *text) { CHECK(write(STDERR_FILENO, text, strlen(text)) >= 0); }

static struct sigaction now(void) {
    struct sigaction action;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &action), 0);
    return action;
}

static void install(void (*f)(int, siginfo_t *, void *), int flags, struct sigaction *was) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = f;
    action.sa_flags = SA_SIGINFO | flags;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGUSR1);
    CHECK_EQ(sigaction(SIGSEGV, &action, was), 0);
}

static void check_same_action(const struct sigaction *a, const struct sigaction *b) {
    CHECK(a->sa_sigaction == b->sa_sigaction);
    CHECK_EQ(a->sa_flags, b->sa_flags);
    for (int signal = 1; signal < SIGRTMAX; signal++)
        CHECK_EQ(sigismember(&a->sa_mask, signal), sigismember(&b->sa_mask, signal));
}

static void overflow(void) { run_named(dig_without_end, NULL, "digger", 0); }

static const char *const told = " (digger): stack overflow (size 196608";

/* ------------------------------------------------------------ before ours */

static int blocked(int signal) {
    sigset_t mask;
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    return sigismember(&mask, signal);
}

static void end_here(int signal, siginfo_t *info, void *context) {
    (void)context;
    say(signal == SIGSEGV && info->si_signo == SIGSEGV && info->si_addr ? "the host's\n" : "wrong\n");
    say(blocked(SIGSEGV) ? "held\n" : "free\n");
    say(blocked(SIGUSR1) && !blocked(SIGUSR2) ? "its mask\n" : "another mask\n");
    _exit(9);
}

static int before_flags;

static void life_with_a_handler_before(void) {
    install(end_here, before_flags, NULL);
    CHECK_OK(start_reporting(1));
    overflow();
}

SCENARIO(crash_handler_from_before_has_its_turn_after_the_line) {
    struct death *death = death_of(life_with_a_handler_before);
    CHECK_EQ(WEXITSTATUS(death->status), 9);
    CHECK_SAID(death, told, 1);
    CHECK_SAID(death, "the host's\nheld\nits mask\n", 1);
    CHECK(strstr(death->said, told) < strstr(death->said, "the host's"));
}

SCENARIO(crash_handler_from_before_that_wants_the_signal_free_has_it_free) {
    before_flags = SA_NODEFER | SA_ONSTACK;
    struct death *death = death_of(life_with_a_handler_before);
    CHECK_EQ(WEXITSTATUS(death->status), 9);
    CHECK_SAID(death, "the host's\nfree\nits mask\n", 1);
}

static void say_and_return(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    say("once\n");
}

static void life_with_a_handler_for_once(void) {
    install(say_and_return, SA_RESETHAND, NULL);
    CHECK_OK(start_reporting(1));
    run_named(dereference_null, NULL, NULL, 0);
}

SCENARIO(crash_handler_for_one_time_is_called_one_time) {
    struct death *death = death_of(life_with_a_handler_for_once);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "once\n", 1);
}

static void plain_handler(int number) {
    say(number == SIGSEGV ? "plain\n" : "wrong\n");
    signal(SIGSEGV, SIG_DFL);
}

static void life_with_a_plain_handler(void) {
    signal(SIGSEGV, plain_handler);
    CHECK_OK(start_reporting(1));
    overflow();
}

SCENARIO(crash_plain_handler_from_before_has_its_turn) {
    struct death *death = death_of(life_with_a_plain_handler);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, told, 1);
    CHECK_SAID(death, "plain\n", 1);
}

static void life_ignoring(void) {
    signal(SIGSEGV, SIG_IGN);
    CHECK_OK(start_reporting(1));
    raise(SIGSEGV);
    kill(getpid(), SIGSEGV);
    say("ignored\n");
    overflow();
}

SCENARIO(crash_ignored_signal_is_ignored_when_sent_and_kills_as_a_fault) {
    struct death *death = death_of(life_ignoring);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "ignored\n", 1);
    CHECK_SAID(death, told, 1);
}

/* ------------------------------------------------------------ untouched */

static volatile struct { void *addr; int code, times; greg_t ip; } seen;
static sigjmp_buf back;

static void keep_and_jump(int signal, siginfo_t *info, void *context) {
    seen.addr = info->si_addr;
    seen.code = info->si_code;
    seen.times++;
#ifdef __x86_64__
    seen.ip = ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
#endif
    (void)context;
    siglongjmp(back, signal);
}

static int wild = 40;

static void *fault_and_recover(void *arg) {
    for (int i = 0; i < 5; i++) {
        int *volatile where = (int *)(uintptr_t)(i % 2 ? 0 : wild);
        if (sigsetjmp(back, 1) == 0) {
            *(volatile int *)where = 1;
            CHECK(0);
        }
        CHECK_EQ(seen.times, i + 1);
        CHECK(seen.addr == where);
        CHECK_EQ(seen.code, SEGV_MAPERR);
#ifdef __x86_64__
        CHECK(llabs(seen.ip - (greg_t)fault_and_recover) < 65536);
#endif
        CHECK_EQ(blocked(SIGSEGV), 0);
    }
    return arg;
}

static void life_with_recovery(void) {
    pthread_t thread;
    install(keep_and_jump, SA_ONSTACK, NULL);
    CHECK_OK(start_reporting(1));
    run_named(fault_and_recover, NULL, NULL, 0);
    seen.times = 0;
    fault_and_recover(NULL);
    seen.times = 0;
    CHECK_EQ(pthread_create(&thread, NULL, fault_and_recover, NULL), 0);
    pthread_join(thread, NULL);
}

SCENARIO(crash_faults_that_the_host_recovers_from_reach_it_as_they_were) {
    struct death *death = death_of(life_with_recovery);
    CHECK_LIVED(death);
    CHECK_SAID(death, "gmp: ", 0);
}

static void *dig_and_recover(void *arg) {
    for (int i = 0; i < 3; i++)
        if (sigsetjmp(back, 1) == 0) dig(0);
    return arg;
}

static void life_with_recovery_from_overflow(void) {
    install(keep_and_jump, SA_ONSTACK, NULL);
    CHECK_OK(start_reporting(1));
    run_named(dig_and_recover, NULL, "digger", 0);
    CHECK_EQ(seen.times, 3);
}

SCENARIO(crash_host_may_recover_from_an_overflow_over_and_over) {
    struct death *death = death_of(life_with_recovery_from_overflow);
    CHECK_LIVED(death);
    CHECK_SAID(death, told, 3);
}

/* ------------------------------------------------------------ after ours */

static struct sigaction saved;

static void say_and_call_saved(int signal, siginfo_t *info, void *context) {
    say("the host's\n");
    if (saved.sa_flags & SA_SIGINFO)
        saved.sa_sigaction(signal, info, context);
    else
        sigaction(SIGSEGV, &saved, NULL);
}

static void life_with_a_handler_after(void) {
    CHECK_OK(start_reporting(1));
    install(say_and_call_saved, SA_ONSTACK, &saved);
    overflow();
}

SCENARIO(crash_handler_from_after_comes_first_and_may_hand_on) {
    struct death *death = death_of(life_with_a_handler_after);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, told, 1);
    CHECK_SAID(death, "the host's\n", 1);
    CHECK(strstr(death->said, told) > strstr(death->said, "the host's"));
}

static void life_with_a_jealous_handler_after(void) {
    CHECK_OK(start_reporting(1));
    install(end_here, SA_ONSTACK, NULL);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_OK(start_reporting(1));
    CHECK(now().sa_sigaction == end_here);
    overflow();
}

SCENARIO(crash_handler_from_after_has_the_last_word_also_when_started_again) {
    struct death *death = death_of(life_with_a_jealous_handler_after);
    CHECK_EQ(WEXITSTATUS(death->status), 9);
    CHECK_SAID(death, "gmp: ", 0);
    CHECK_SAID(death, "the host's\n", 1);
}

static void life_after_a_shutdown_below_another(void) {
    CHECK_OK(start_reporting(1));
    install(say_and_call_saved, SA_ONSTACK, &saved);
    CHECK_OK(gmp_shutdown(SOON()));
    check_start(1);
    run_named(dereference_null, NULL, NULL, 0);
}

SCENARIO(crash_handler_left_behind_only_hands_on) {
    struct death *death = death_of(life_after_a_shutdown_below_another);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
    CHECK_SAID(death, "the host's\n", 1);
}

/* ------------------------------------------------------------ two that hand on to each other */

static void raise_to_saved(int signal, siginfo_t *info, void *context) {
    (void)info, (void)context;
    say("the host's\n");
    sigaction(SIGSEGV, &saved, NULL);
    raise(signal);
}

static void return_to_saved(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info, (void)context;
    say("the host's\n");
    sigaction(SIGSEGV, &saved, NULL);
}

static int raising_flags;

static void life_with_a_raising_handler_after(void) {
    CHECK_OK(start_reporting(1));
    install(raise_to_saved, SA_ONSTACK | raising_flags, &saved);
    run_named(dig_without_end, NULL, "digger", 0);
}

/* As Python's faulthandler does: what ours then sees first is the raised signal, not the fault. */
SCENARIO(crash_handler_from_after_may_hand_on_by_raising) {
    for (int i = 0; i < 2; i++) {
        raising_flags = i ? SA_NODEFER : 0;
        struct death *death = death_of(life_with_a_raising_handler_after);
        CHECK_DIED_OF(death, SIGSEGV);
        CHECK_SAID(death, told, 1);
        CHECK_SAID(death, "the host's\n", 1);
    }
}

static void life_with_a_raise_in_a_raising_handler(void) {
    CHECK_OK(start_reporting(1));
    install(raise_to_saved, SA_ONSTACK | SA_NODEFER, &saved);
    raise(SIGSEGV);
}

SCENARIO(crash_raised_signal_kills_also_by_way_of_a_raising_handler) {
    struct death *death = death_of(life_with_a_raise_in_a_raising_handler);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, "gmp: ", 0);
    CHECK_SAID(death, "the host's\n", 1);
}

static void (*hand_on)(int, siginfo_t *, void *);
static int hand_on_flags;
static gmp_task_fn_t last_act;

/* The host's handler hands on to ours, and ours, which was taken away and came back, to the host's. */
static void life_in_a_ring(void) {
    CHECK_OK(start_reporting(1));
    install(hand_on, SA_ONSTACK | hand_on_flags, &saved);
    CHECK_EQ(sigaction(SIGSEGV, &saved, NULL), 0);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK(now().sa_handler == SIG_DFL);
    install(hand_on, SA_ONSTACK | hand_on_flags, NULL);
    CHECK_OK(start_reporting(1));
    CHECK(now().sa_sigaction == saved.sa_sigaction);
    run_named(last_act, NULL, "digger", 0);
}

static void check_ring_ends(gmp_task_fn_t act, int tells) {
    last_act = act;
    struct death *death = death_of(life_in_a_ring);
    CHECK_DIED_OF(death, SIGSEGV);
    CHECK_SAID(death, told, tells);
    CHECK(times_said(death, "the host's\n") >= 1 && times_said(death, "the host's\n") <= 2);
}

SCENARIO(crash_ring_by_calls_ends) {
    hand_on = say_and_call_saved;
    check_ring_ends(dig_without_end, 1);
    check_ring_ends(dereference_null, 0);
}

SCENARIO(crash_ring_by_raises_ends) {
    hand_on = raise_to_saved;
    hand_on_flags = SA_NODEFER;
    check_ring_ends(dig_without_end, 1);
    check_ring_ends(dereference_null, 0);
}

SCENARIO(crash_ring_by_returns_ends) {
    hand_on = return_to_saved;
    check_ring_ends(dig_without_end, 1);
}

/* ------------------------------------------------------------ what is left as it was */

static void *keep_alternate_stack(void *arg) {
    CHECK_EQ(sigaltstack(NULL, (stack_t *)arg), 0);
    return NULL;
}

SCENARIO(crash_without_the_flag_nothing_is_installed) {
    struct sigaction before = now(), after;
    stack_t alternate;
    check_start(2);
    run_named(keep_alternate_stack, &alternate, NULL, 0);
    CHECK(alternate.ss_flags & SS_DISABLE);
    after = now();
    check_same_action(&before, &after);
    CHECK_OK(gmp_shutdown(SOON()));
    after = now();
    check_same_action(&before, &after);
}

SCENARIO(crash_with_the_flag_machines_have_an_alternate_stack_and_the_callers_is_its_own) {
    static char own[1 << 16];
    stack_t mine = {.ss_sp = own, .ss_size = sizeof own}, alternate, after;
    CHECK_EQ(sigaltstack(&mine, NULL), 0);
    CHECK_OK(start_reporting(1));
    run_named(keep_alternate_stack, &alternate, NULL, 0);
    CHECK_EQ(alternate.ss_flags, 0);
    CHECK(alternate.ss_size >= 65536);
    CHECK(alternate.ss_sp != own);
    CHECK_OK(gmp_shutdown(SOON()));
    CHECK_EQ(sigaltstack(NULL, &after), 0);
    CHECK(after.ss_sp == own && after.ss_size == sizeof own && after.ss_flags == 0);
}

SCENARIO(crash_shutdown_takes_the_handler_away_over_and_over) {
    install(keep_and_jump, SA_RESTART, NULL);
    struct sigaction before = now(), after;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(start_reporting(1));
        CHECK(now().sa_sigaction != before.sa_sigaction);
        CHECK_OK(gmp_shutdown(SOON()));
        after = now();
        check_same_action(&before, &after);
    }
}

SCENARIO(crash_start_that_fails_installs_nothing) {
    struct sigaction before = now(), after;
    gmp_config_t config;
    CHECK_OK(gmp_config_init(&config, sizeof config));
    config.flags = GMP_CONFIG_OVERFLOW_HANDLER;
    config.max_procs = -1;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    config.max_procs = 0;
    config.flags |= 1u << 31;
    CHECK_CODE(gmp_start(&config), GMP_EINVAL);
    after = now();
    check_same_action(&before, &after);
    check_start(1);
    CHECK_CODE(start_reporting(1), GMP_EBUSY);
    after = now();
    check_same_action(&before, &after);
}
