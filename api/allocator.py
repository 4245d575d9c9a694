"""How the C library allots memory, for training on CPUs."""

import ctypes
import os
import platform

# Parameters of mallopt(3), from <malloc.h>.
_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8
_NEVER = -1
_FEW_CPUS = 8  # with more, one arena may be what threads wait for


def keep_freed_memory():
    """Makes glibc keep freed memory for later, instead of giving it back to the kernel.

    A training step allots and frees the same hundreds of megabytes as the one before. By default
    glibc returns large blocks at once, and the kernel clears every page again when it is next
    asked. The process stays as large as its largest step.

    Call it before TensorFlow is imported, since threads keep the arenas that they have. It does
    nothing with other C libraries, with more than 8 CPUs, or if `GLIBC_TUNABLES` is set.

    Returns:
        Whether it did something.
    """
    many = len(os.sched_getaffinity(0)) > _FEW_CPUS if hasattr(os, "sched_getaffinity") else True
    if platform.libc_ver()[0] != "glibc" or many or "GLIBC_TUNABLES" in os.environ:
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all([mallopt(_MMAP_MAX, 0), mallopt(_TRIM_THRESHOLD, _NEVER), mallopt(_ARENA_MAX, 1)])
