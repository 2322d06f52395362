"""FAISS, which hcsc_mm trains without, and which trees cannot be built without."""

from __future__ import annotations

from types import ModuleType

from ..errors import HCSCError


def import_faiss() -> ModuleType:
    """FAISS.

    Raises:
        HCSCError: it is not installed, or not whole.
    """
    try:
        import faiss
    except (ImportError, RuntimeError) as error:  # faiss-gpu without CUDA's libraries
        raise HCSCError(
            f"nearest neighbours need FAISS ({error}); pip install faiss-cpu, or faiss-gpu"
        ) from error
    return faiss
