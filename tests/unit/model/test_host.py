"""How far memory rises while something is done, and the highest it ever was."""

import sys
from types import SimpleNamespace

import pytest
import torch

from madrigal.model import host
from madrigal.model.host import memory_rise, peak_memory_bytes

CPU = torch.device("cpu")
MEGA = 1 << 20
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no /proc elsewhere")


@linux
@pytest.mark.parametrize("size", [32, 96])
def test_it_rises_by_what_is_made_even_if_it_is_gone_again(size):
    def work():
        torch.ones(size * MEGA // 4)
        return "done"

    found, rise = memory_rise(work, CPU)
    assert found == "done"
    # The kernel counts pages by processor and adds them up now and then.
    assert (size - 1) * MEGA <= rise < (size + 8) * MEGA


@linux
def test_what_was_held_before_does_not_count():
    held = torch.ones(16 * MEGA)
    _, rise = memory_rise(lambda: held.sum(), CPU)
    assert rise < 8 * MEGA


@linux
def test_the_highest_of_all_stays_known():
    memory_rise(lambda: torch.ones(32 * MEGA).sum(), CPU)
    highest = peak_memory_bytes(CPU)
    memory_rise(lambda: None, CPU)
    assert peak_memory_bytes(CPU) >= highest


def test_where_it_cannot_be_known_nothing_is_said(monkeypatch):
    def refused(*_):
        raise OSError

    monkeypatch.setattr(host, "ctypes", SimpleNamespace(CDLL=refused))
    assert memory_rise(lambda: 3, CPU) == (3, None)
