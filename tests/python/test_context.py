"""Context: who ends it, whom it takes along, and what is told."""

import gc
import threading
import weakref

import gmp_py
import pytest
from callers import CALLERS
from gmp_py import Cancelled, ChannelClosed, Context
from support import HANG, in_task


@pytest.mark.parametrize("call", CALLERS)
def test_cancel_closes_the_channel(call):
    def main():
        context = Context()
        assert context.err() is None and context.done() is context.done() and not context.done().closed
        gmp_py.go(lambda: gmp_py.sleep(0.005) or context.cancel())
        with pytest.raises(ChannelClosed):
            context.done().recv(HANG)
        assert type(context.err()) is Cancelled
        error = context.err()
        context.cancel()
        return context.err() is error

    assert call(main) is True


@pytest.mark.parametrize("call", CALLERS)
@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_deadline_ends_it(call, timeout):
    def main():
        context = Context(timeout=timeout)
        with pytest.raises(ChannelClosed):
            context.done().recv(HANG)
        return type(context.err())

    assert call(main) is TimeoutError


def test_the_channel_ends_though_nobody_has_the_context():
    above = Context(timeout=0.01)
    chan = Context(above).done()
    del above
    gc.collect()
    with pytest.raises(ChannelClosed):
        chan.recv(HANG)


def test_children_end_with_their_parent_and_alone():
    top = Context()
    children = [Context(top) for _ in range(3)]
    grandchild = Context(children[0])
    children[1].cancel()
    assert top.err() is None and children[2].err() is None
    top.cancel()
    for context in [*children, grandchild]:
        assert type(context.err()) is Cancelled and context.done().closed
    late = Context(top)
    assert type(late.err()) is Cancelled and late.done().closed


def test_the_parent_s_reason_is_told():
    top = Context(timeout=0)
    child = Context(top, timeout=HANG)
    with pytest.raises(ChannelClosed):
        child.done().recv(HANG)
    assert type(child.err()) is TimeoutError and child.err().args


def test_a_deadline_does_not_reach_up():
    top = Context()
    child = Context(top, 0.001)
    with pytest.raises(ChannelClosed):
        child.done().recv(HANG)
    assert type(child.err()) is TimeoutError and top.err() is None


def test_the_block_cancels_it():
    with Context() as context:
        assert context.err() is None
    assert type(context.err()) is Cancelled


def test_forgotten_children_are_not_kept():
    top = Context()
    refs = [weakref.ref(Context(top)) for _ in range(10)]
    gc.collect()
    assert [ref() for ref in refs] == [None] * 10


def test_wrong_arguments():
    for wrong in (3, "parent"):
        with pytest.raises(TypeError):
            Context(wrong)
    for wrong in (-1, float("nan")):
        with pytest.raises(ValueError):
            Context(timeout=wrong)
    with pytest.raises(TypeError):
        Context(timeout="soon")
    assert Context(timeout=float("inf")).err() is None
    with pytest.raises(TypeError):
        Context().cancel(1)


def test_many_end_at_once():
    """Parents and children that end from several threads and tasks: each ends once, all channels close."""
    top = Context()
    leaves = [Context(Context(top), timeout=0.001 * (n % 3) if n % 2 else None) for n in range(60)]
    waiters = [gmp_py.go(lambda leaf=leaf: list(leaf.done())) for leaf in leaves]
    threads = [threading.Thread(target=top.cancel) for _ in range(4)]
    for thread in threads:
        thread.start()
    in_task(top.cancel)
    for thread in threads:
        thread.join(HANG)
    assert [waiter.join(HANG) for waiter in waiters] == [[]] * 60
    assert all(type(leaf.err()) in (Cancelled, TimeoutError) for leaf in leaves)
