/* Ends of objects that hold objects of their own kind: a chain of a million of them must not eat the C stack.
 *
 * Owns: nothing. The interpreter's trashcan wants a function that is the type's own tp_dealloc, and is a macro. */
#include "shim.h"

/* src/chan_type.rs */
void gmp_py_unset_chan(PyObject *object);
void gmp_py_free_chan(PyObject *object);

void shim_dealloc_chan(PyObject *object)
{
    gmp_py_unset_chan(object);
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, shim_dealloc_chan)
    gmp_py_free_chan(object);
    Py_TRASHCAN_END
}
