"""Runs side by side: the results of a plain loop, and they stop well."""

import signal
import threading
import time

import pytest
import torch

from rlhf_lib.training import History, OnlineSettings, side_by_side, train_online
from rlhf_lib.training.guards import run_steps


@pytest.fixture(params=[1, 2])
def threads(request):
    """torch's threads, put back afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_runs_are_those_of_a_plain_loop(tiny, threads):
    def train(seed):
        settings = OnlineSettings(
            steps=3, prompts_per_step=2, max_new_tokens=4, epochs=2, minibatches=2, seed=seed
        )
        reward = lambda rollout: (rollout.completion_ids[:, 0] < 150).float()  # noqa: E731
        history = train_online(tiny.copy(), ["hi", "who?", "what?"], reward, settings)
        return history.series("loss"), history.series("proxy")

    torch.set_num_threads(1)  # so that sums are rounded alike
    alone = {seed: train(seed) for seed in (4, 2, 7)}
    torch.set_num_threads(threads)
    found = side_by_side(train, alone)
    assert list(found) == [4, 2, 7] and found == alone
    assert torch.get_num_threads() == threads


def test_two_are_under_way_at_once(threads):
    both = threading.Barrier(threads, timeout=20)

    def meet(_):
        both.wait()  # breaks unless as many as there are threads are here together
        return torch.get_num_threads()

    assert side_by_side(meet, "abcd") == dict.fromkeys("abcd", 1)


def test_nothing_to_do():
    assert side_by_side(len, []) == {}


def long_run(do_step) -> History:
    """A run of 20 seconds, unless it is stopped."""
    return run_steps(range(2000), lambda step: do_step(step) or time.sleep(0.01), History())


def test_an_error_is_raised_and_ends_the_rest(threads):
    begun = []

    def job(number):
        begun.append(number)
        if number == 0:
            raise ValueError("no such run")
        return long_run(lambda step: None)

    started = time.perf_counter()
    with pytest.raises(ValueError, match="no such run"):
        side_by_side(job, range(6))
    assert len(begun) < 6 and time.perf_counter() - started < 15
    assert torch.get_num_threads() == threads


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs POSIX signals")
def test_the_stop_button_ends_all(threads):
    def press(step):
        if step == 20:  # all are submitted by now
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    def job(number):
        return long_run(press if number == 0 else lambda step: None)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
    try:
        found = side_by_side(job, range(6))
    finally:
        signal.signal(signal.SIGINT, before)
    assert 0 in found and 5 not in found
    assert all(history.stopped.startswith("interrupted by hand") for history in found.values())
