"""Compile a numeric function with numba, keeping the machine code on disk where the installation allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def compiled(function: Callable[..., Any]) -> Any:
    """Return the function compiled, free of the interpreter's lock so that threads run it side by side."""
    import numba

    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        # A read-only installation without a home folder has no place for the machine code.
        return numba.njit(nogil=True)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Return a function that is put into each compiled one that calls it: a part of an inner loop with a name."""
    import numba

    return numba.njit(inline="always")(function)
