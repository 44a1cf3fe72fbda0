/* One program that uses GNU MP and this library: both headers, in either order, and both libraries. */
#ifdef OURS_FIRST
#include "gmprt.h"
#include <gmp.h>
#else
#include <gmp.h>
#include "gmprt.h"
#endif
#include <stdio.h>
#include <string.h>

static void *factorial(void *arg) {
    mpz_ptr product = (mpz_ptr)arg;
    mpz_set_ui(product, 1);
    for (unsigned long i = 2; i <= 30; i++) {
        mpz_mul_ui(product, product, i);
        gmp_yield();
    }
    return product;
}

int main(void) {
    char text[64];
    void *result = NULL;
    gmp_task_t *task;
    mpz_t product;
    mpz_init(product);
    if (gmp_spawn(factorial, product, NULL, &task) != GMP_OK) return 1;
    if (gmp_join(task, GMP_FOREVER, &result) != GMP_OK || result != product) return 2;
    gmp_snprintf(text, sizeof text, "%Zd", product); /* GNU MP's */
    if (strcmp(text, "265252859812191058636308480000000") != 0) return 3;
    if (gmp_version == NULL || gmp_version_string() == NULL) return 4; /* GNU MP's, and ours */
    mpz_clear(product);
    return gmp_shutdown(GMP_FOREVER) == GMP_OK ? 0 : 5;
}
