"""What one of many processes would hold and do, counted without holding or doing it.

    python benchmarks/dry_run.py                       # 10⁹ images on 64 processes
    python benchmarks/dry_run.py --images 1281168 --ranks 8 --prototypes 3000 2000 1000

The project's own code runs, on tensors that have shapes and no numbers: k-means, the tree, the
bank, the sampler's order, the denominators. Every storage that it makes is counted from its
beginning to its end, and every matrix product. Where the code asks for a number, the answer is the
one that lets it go on: nothing is empty, nothing moves, the first is the smallest. So each k-means
makes one iteration, and what depends on how many there are is not told.
"""

from __future__ import annotations

import argparse
import json
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._distributed_c10d import FakeWork
from torch.overrides import TorchFunctionMode
from torch.testing._internal.distributed import fake_pg  # noqa: F401  registers the back end
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from hcsc_mm.clustering import check_num_prototypes, hierarchical_kmeans
from hcsc_mm.datasets import OwnShardSampler
from hcsc_mm.errors import HCSCError
from hcsc_mm.models import ClusterSelection
from hcsc_mm.models.memories import KeyBank

# Tensors of so many numbers are real: sums over the ranks, seeds, answers.
_SMALL = 256
QUEUE = 16384
_ASKS = ("aten::all", "aten::any")  # of which a check is glad when they are true


class DryRun(TorchDispatchMode):
    """Operators without numbers, on as many processes as the process group says.

    All processes have shards of equal length: what this one would send is what it receives.

    Attributes:
        held: Bytes of the storages that are alive.
        peak: The most that have been at once, since :meth:`start`.
        products: Multiplications of matrix products, since :meth:`start`.
    """

    def __init__(self, world_size: int) -> None:
        super().__init__()
        self.world_size = world_size
        self.held = self.peak = self.products = 0
        self._known: set[int] = set()

    def start(self) -> None:
        """Begin to count anew; what is alive stays so."""
        self.peak, self.products = self.held, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func._schema.name
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        if name.startswith("c10d::"):
            return self._collective(func, args)
        if tensors and not any(tensor.is_meta for tensor in tensors):
            found = _filled(name, func(*args, **self._on(kwargs, "cpu")))
            return self._counted(tree_map_only(Tensor, _without_many_numbers, found))
        if not tensors:
            found = self._without_numbers(func, args, kwargs)
            small = isinstance(found, Tensor) and found.numel() <= _SMALL
            if small:
                return _filled(name, func(*args, **self._on(kwargs, "cpu")))
            return self._counted(found)
        if name == "aten::_local_scalar_dense":
            return getattr(args[0], "_answer", 0)
        if name == "aten::is_nonzero":
            return bool(getattr(args[0], "_answer", False))
        if name == "aten::nonzero":
            return torch.empty(0, args[0].dim(), dtype=torch.long)
        if name in ("aten::_unique2", "aten::unique_dim"):
            numbers = self._counted(args[0].clone())
            return numbers, torch.empty(0, device="meta"), torch.empty(0, device="meta")
        if name == "aten::bincount":
            length = kwargs.get("minlength", args[-1])
            return self._counted(torch.empty(length, dtype=torch.long, device="meta"))
        if name in ("aten::index", "aten::index_put_") and _by_mask(args[1]):
            return args[0].clone() if name == "aten::index" else args[0]
        if name == "aten::_to_copy" and args[0].numel() <= _SMALL and _wants(kwargs, "cpu"):
            return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
        if args and isinstance(args[0], Tensor) and not args[0].is_meta and name.endswith("_"):
            return args[0]  # a real number that would be written to
        if "matmul" in name or name in ("aten::mm", "aten::addmm", "aten::bmm"):
            rows, others = [a for a in args if isinstance(a, Tensor)][-2:]
            self.products += rows.numel() * others.shape[-1]
        found = self._without_numbers(func, args, kwargs)
        if name in _ASKS:
            found._answer = True
        return self._counted(found)

    def _without_numbers(self, func: Any, args: Sequence, kwargs: dict) -> Any:
        args, kwargs = tree_map_only(Tensor, _shape_of, (args, kwargs))
        kwargs = {**kwargs, "generator": None} if "generator" in kwargs else kwargs
        return func(*args, **self._on(kwargs, "meta"))

    @staticmethod
    def _on(kwargs: dict, device: str) -> dict:
        return {**kwargs, "device": torch.device(device)} if "device" in kwargs else kwargs

    def _collective(self, func: Any, args: Sequence) -> Any:
        tensors = args[0]
        if func._schema.name == "c10d::allreduce_":
            for tensor in tensors:
                if not tensor.is_meta:
                    tensor.mul_(self.world_size)
        elif func._schema.name == "c10d::allgather_":
            for gathered, own in zip(tensors, args[1], strict=True):
                for place in gathered:
                    if not place.is_meta and not own.is_meta:
                        place.copy_(own)
        elif func._schema.name != "c10d::broadcast_":
            raise NotImplementedError(func._schema.name)
        return (tensors, FakeWork().boxed())

    def _counted(self, found: Any) -> Any:
        for value in tree_flatten(found)[0]:
            if isinstance(value, Tensor) and value.is_meta:
                storage = value.untyped_storage()
                if storage._cdata not in self._known:
                    self._known.add(storage._cdata)
                    self.held += storage.nbytes()
                    weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        self.peak = max(self.peak, self.held)
        return found

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.held -= size


class _NumbersStay(TorchFunctionMode):
    """``torch.tensor`` of a number keeps it, whatever device it is for."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor:
            kwargs.pop("device", None)
        return func(*args, **kwargs)


def _shape_of(tensor: Tensor) -> Tensor:
    return tensor if tensor.is_meta else tensor.to("meta")


def _without_many_numbers(tensor: Tensor) -> Tensor:
    return tensor if tensor.numel() <= _SMALL else tensor.to("meta")


def _filled(name: str, found: Any) -> Any:
    """What is made empty is not always written to here."""
    return found.zero_() if "empty" in name else found


def _by_mask(indices: Sequence[Tensor | None]) -> bool:
    return any(index is not None and index.dtype == torch.bool for index in indices)


def _wants(kwargs: dict, device: str) -> bool:
    return kwargs.get("device") is not None and torch.device(kwargs["device"]).type == device


def count(
    images: int,
    ranks: int,
    prototypes: Sequence[int],
    dim: int = 128,
    queue_len: int = QUEUE,
    batch: int = 256,
    memory_mb: int = 256,
    sharded: bool = True,
) -> dict[str, dict[str, int]]:
    """The first of many processes, in a process group of :func:`as_one_of`.

    Args:
        images: N, a multiple of ``ranks``, so that all shards are equally long.
        ranks: Processes.
        prototypes: K per level, multiples of ``ranks``.
        dim: D.
        queue_len: Q.
        batch: Images of a process in a step.
        memory_mb: Of k-means, MiB.
        sharded: Each process keeps its own images' prototypes.

    Returns:
        Per part 'held': bytes that stay, 'peak': bytes that it needs while it is made, beyond what
        was held before, and 'products': its multiplications.
    """
    found: dict[str, dict[str, int]] = {}
    with _NumbersStay(), DryRun(ranks) as dry:

        def part(name: str, make: Callable[[], Any]) -> Any:
            dry.start()
            before = dry.held
            made = make()
            found[name] = {
                "held": dry.held - before,
                "peak": dry.peak - before,
                "products": dry.products,
            }
            return made

        order = part("order of an epoch's images", OwnShardSampler(range(images), seed=0).order)
        del order
        bank = part("bank", lambda: KeyBank(images, dim, torch.device("meta")))
        tree = part(
            "clustering",
            lambda: hierarchical_kmeans(
                bank.features, prototypes, memory_mb=memory_mb, sharded=sharded
            ),
        )
        found["the tree's assignment"] = {"held": tree.assignment.untyped_storage().nbytes()}
        keys = torch.empty(queue_len, dim, device="meta")
        selection = ClusterSelection()
        part("denominators of the queue", lambda: selection.set_hierarchy(tree, keys))
        fresh = slice(0, ranks * batch)
        slots = torch.arange(ranks * batch, device="meta")
        part("new keys of a step", lambda: selection.renew(slots, keys[fresh]))
    return found


def as_one_of(ranks: int) -> None:
    """Let this process be the first of so many, of which there are no others."""
    torch.distributed.init_process_group(
        "fake", rank=0, world_size=ranks, store=torch.distributed.HashStore()
    )
    store = torch.distributed.distributed_c10d._get_default_store()
    for stage in ("the seeds of k-means", "the restarts of k-means"):
        store.add(f"hcsc_mm/{stage}/arrived", 2**40)  # nobody is waited for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=10**9)
    parser.add_argument("--ranks", type=int, default=64)
    parser.add_argument("--prototypes", type=int, nargs="+", default=[102_400, 51_200, 10_240])
    parser.add_argument("--batch", type=int, default=256, help="images of a process in a step")
    parser.add_argument("--memory-mb", type=int, default=256)
    parser.add_argument("--plain", action="store_true", help="all assignments on every process")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if any(number % args.ranks for number in (args.images, *args.prototypes)):
        parser.error(f"--images and --prototypes must be multiples of the {args.ranks} ranks")
    try:
        check_num_prototypes(args.prototypes, args.images)
    except HCSCError as error:
        parser.error(str(error))
    if args.ranks * args.batch > QUEUE:
        parser.error(f"--ranks times --batch must be at most the queue's {QUEUE}")
    as_one_of(args.ranks)
    found = count(
        args.images,
        args.ranks,
        args.prototypes,
        batch=args.batch,
        memory_mb=args.memory_mb,
        sharded=not args.plain,
    )
    if args.json:
        print(json.dumps(found))
        return
    for name, part in found.items():
        peak, products = part.get("peak"), part.get("products")
        print(
            f"{name:32} held {part['held'] / 1e6:12,.1f} MB"
            + ("" if peak is None else f", while it is made {peak / 1e6:12,.1f} MB")
            + (f", {2 * products / 1e12:.2f} T operations" if products else "")
        )


if __name__ == "__main__":
    main()
