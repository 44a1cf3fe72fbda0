/* What a thread of our own needs of the interpreter, and where another thread state stands in its code.
 *
 * Owns: nothing.
 *
 * Called by: src/clock.rs, src/target.rs, src/scope.rs. shim_thread_enter and shim_thread_attach wait for the GIL; once the interpreter is gone they do not
 * return. */
#include "gil.h"
#include <opcode.h>

void shim_thread_enter(void)
{
    GUARD(g);
    leave_if_closing();
    PyGILState_Ensure();
    GUARD_OFF(g);
}

void shim_restore_exception(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef((PyObject *)Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

void shim_thread_attach(PyThreadState *ts)
{
    leave_if_closing();
    shim_attach(ts);
}

/* Whether `ts`, or for NULL the thread that the interpreter knows as `ident`, is at a jump backwards, the end of a turn of a loop: nothing that an expression gave is in flight there. */
int shim_at_jump(PyThreadState *ts, uint64_t ident)
{
    if (ts == NULL) {
        ts = PyInterpreterState_ThreadHead(PyInterpreterState_Main());
        while (ts != NULL && ts->thread_id != ident)
            ts = PyThreadState_Next(ts);
        if (ts == NULL)
            return 0;
    }
    PyFrameObject *frame = PyThreadState_GetFrame(ts);
    if (frame == NULL)
        return 0;
    int at = PyFrame_GetLasti(frame);
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *bytes = PyCode_GetCode(code);
    int jump = 0;
    if (bytes == NULL)
        PyErr_Clear();
    else if (at >= 0 && at < PyBytes_GET_SIZE(bytes))
        jump = (unsigned char)PyBytes_AS_STRING(bytes)[at] == JUMP_BACKWARD;
    Py_XDECREF(bytes);
    Py_DECREF(code);
    Py_DECREF(frame);
    return jump;
}
