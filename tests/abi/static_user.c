/* Linked with the static library: one task, one result. */
#include "gmprt.h"

static void *answer(void *arg) { return arg; }

int main(void) {
    gmp_task_t *task;
    void *result = 0;
    int here;
    if (gmp_spawn(answer, &here, 0, &task) != GMP_OK) return 1;
    if (gmp_join(task, GMP_FOREVER, &result) != GMP_OK) return 2;
    if (result != &here) return 3;
    return gmp_shutdown(GMP_FOREVER) == GMP_OK ? 0 : 4;
}
