/* The other one. */
#include "gmprt.h"

int run_from_the_other_unit(gmp_fn_t fn, void *arg);

int run_from_the_other_unit(gmp_fn_t fn, void *arg) { return gmp_run(fn, arg); }
