/* The table of gmp_py.h: the runtime's functions for extensions that do not link to it.
 *
 * Owns: the table, which is constant. Called once, at import, with the GIL held. Blocks nothing. */
#include "shim.h"
#include <gmp_py.h>

#define ENTRY(name) .name = name,
static const gmp_py_api_t table = {
    .struct_size = sizeof table,
    .abi_version = GMP_ABI_VERSION,
    GMP_PY_FUNCTIONS(ENTRY)
};

PyObject *shim_capsule(void)
{
    return PyCapsule_New((void *)&table, GMP_PY_CAPSULE, NULL);
}
