"""How this process keeps the memory it has used."""

import ctypes
from contextlib import suppress

# Names of glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Larger blocks than the first, the largest that every glibc accepts, go back as before.
_LARGEST_KEPT, _NEVER = 1 << 25, 1 << 30


def keep_freed_memory() -> None:
    """Let freed blocks of up to 32 MiB be used again instead of given back to the kernel.

    By default glibc gives back every block of 128 KiB or more, which is an activation of 256 rows
    and 128 units, and fetching a fresh one page by page takes longer than the operation that fills
    it: an update took a third to a half longer. Where the C library is another one, nothing is
    done.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
