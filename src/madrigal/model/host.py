"""What the machine offers, and how this process uses it."""

import ctypes
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

T = TypeVar("T")

_highest: dict[str, int] = {}  # peaks by device before they were measured anew


def choose_device() -> torch.device:
    """The accelerator of this process, or the CPU. `MADRIGAL_DEVICE=cpu` forces the CPU."""
    forced = os.environ.get("MADRIGAL_DEVICE")
    if forced:
        return torch.device(forced)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether matrix products in bfloat16 run on hardware rather than by emulation."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def keep_freed_memory() -> None:
    """Let glibc keep large freed blocks instead of giving them back to the kernel.

    Activations are allocated and freed at every step; without this each large block costs its page
    faults again, a sixth to a third of a training step of a small model on a CPU.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # another C library than glibc
        return
    mmap_threshold, trim_threshold = -3, -1
    libc.mallopt(mmap_threshold, 1 << 30)
    libc.mallopt(trim_threshold, 2**31 - 1)


def only_our_progress_bars() -> None:
    """No bars of transformers for small files that it reads or writes; downloads keep theirs."""
    import huggingface_hub.utils
    import transformers

    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.utils.enable_progress_bars()


def set_determinism(level: str, seed: int) -> None:
    """`fast`: seeds only; `repeatable`: deterministic algorithms, warn; `strict`: refuse others."""
    torch.manual_seed(seed)
    if level == "fast":
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=level == "repeatable")
    # Filling fresh memory costs time, and nothing here reads memory that it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]
    torch.backends.cudnn.benchmark = False


def peak_memory_bytes(device: torch.device) -> int:
    """Largest memory that this process has held: on the accelerator, or resident on the host."""
    return max(_highest.get(str(device), 0), _peak(device))


def memory_rise(work: Callable[[], T], device: torch.device) -> tuple[T, int | None]:
    """Do some work; what it returns, and how far memory rose above what was held as it began.

    On an accelerator that is what tensors take. On Linux it is resident memory, once memory that
    was freed before has been given back to the system. Elsewhere it is not known.
    """
    _highest[str(device)] = peak_memory_bytes(device)
    before = _begin_anew(device)
    found = work()
    return found, None if before is None else max(0, _peak(device) - before)


def _begin_anew(device: torch.device) -> int | None:
    """Forget the peak so far; what is held now."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return _of_status("VmRSS")
    except (OSError, AttributeError):  # no Linux, or no right to
        return None


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        return _of_status("VmHWM")
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _of_status(name: str) -> int:
    """Bytes of a line of what Linux says of this process."""
    found = re.search(rf"^{name}:\s*(\d+) kB", Path("/proc/self/status").read_text("ascii"), re.M)
    if found is None:
        raise OSError(f"/proc/self/status has no {name}")
    return int(found[1]) * 1024
