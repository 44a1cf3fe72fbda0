/* One of two translation units that both include the header: nothing may be defined twice. */
#include "gmprt.h"

int run_from_the_other_unit(gmp_fn_t fn, void *arg);

static void set(void *arg) { *(int *)arg = 7; }

int main(void) {
    int here = 0, there = 0;
    if (gmp_run(set, &here) != GMP_OK || here != 7) return 1;
    if (run_from_the_other_unit(set, &there) != GMP_OK || there != 7) return 2;
    return 0;
}
