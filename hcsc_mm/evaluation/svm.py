"""Linear support vector machines on frozen features, one per class (Goyal et al., ICCV 2019,
Section 6.1 and its appendix).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from numpy.typing import NDArray
from torch import from_numpy, get_num_threads

from ..errors import HCSCError
from ..utils.progress import track
from ..utils.ranks import wait_for_ranks
from ..utils.shard import global_sum

if TYPE_CHECKING:
    from sklearn.svm import LinearSVC

# scikit-learn is imported where it works: with SciPy it takes most of a second, and a training has
# no use for it.

# A positive counts twice, as in Goyal et al.: there are far fewer of them.
_CLASS_WEIGHT = {True: 2.0, False: 1.0}
_MAX_ITER = 2000  # likewise


def svm_scores(
    train_features: NDArray,
    train_targets: NDArray,
    test_features: NDArray,
    *,
    costs: Sequence[float],
    num_folds: int = 3,
    seed: int = 0,
    names: Sequence[str] | None = None,
) -> tuple[NDArray, NDArray]:
    """Train one machine against the rest for each class, and let it judge the test images.

    Args:
        train_features: (N, D), the same on all ranks; unit length is usual.
        train_targets: (N, C): 1 for images that show the class, 0 for others, −1 for images that
            its machine does not see.
        test_features: (M, D).
        costs: C of the machine; of several, each class takes the one with the largest average
            precision in cross-validation.
        num_folds: Parts that the cross-validation of the cost splits the training images into.
        seed: Seeds folds and solver.
        names: Names of the C classes, for messages; their places by default.

    Returns:
        (M, C) float64 decision values and (C,) the cost of each class. The classes are shared over
        ranks and cores.

    Raises:
        HCSCError: a class without a positive or without a negative example.
    """

    from sklearn.exceptions import ConvergenceWarning

    def one_class(number: int) -> tuple[NDArray, float, bool]:
        targets = train_targets[:, number]
        seen, positive = train_features[targets >= 0], targets[targets >= 0] == 1
        name = str(number) if names is None else names[number]
        check_both_kinds(name, int(positive.sum()), len(positive))
        cost = choose_cost(seen, positive, costs, num_folds=num_folds, seed=seed)
        machine = fit_svm(seen, positive, cost, seed=seed)
        return machine.decision_function(test_features), cost, machine.n_iter_ < machine.max_iter

    num_classes = train_targets.shape[1]
    scores, chosen = np.zeros((len(test_features), num_classes)), np.zeros(num_classes)
    mine = range(get_rank(), num_classes, get_world_size())
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ConvergenceWarning
        )  # of every fold and cost; those that are used are counted below
        found = _in_threads(one_class, mine, "support vector machines")
    for number, (decision, cost, _) in zip(mine, found, strict=True):
        scores[:, number], chosen[number] = decision, cost
    unfinished = sum(not converged for *_, converged in found)
    if unfinished:
        print_log(
            f"{unfinished} of {len(found)} support vector machines have not converged after "
            f"{_MAX_ITER} iterations",
            "current",
            level=30,
        )
    wait_for_ranks("training of support vector machines")
    (
        global_sum(from_numpy(scores)),
        global_sum(from_numpy(chosen)),
    )  # in place; the ranks' columns do not overlap
    return scores, chosen


def check_both_kinds(name: str, positive: int, judged: int) -> None:
    """Raises HCSCError for a class that all of its images show, or none."""
    if positive in (0, judged):
        raise HCSCError(
            f"class {name} has {positive} positive training image{'s' if positive != 1 else ''} of "
            f"{judged}; both kinds are needed"
        )


def check_shots(name: str, positive: int, shots: int) -> None:
    """Raises HCSCError for a class with fewer images than are to be drawn."""
    if positive < shots:
        raise HCSCError(
            f"class {name} has {positive} training image{'s' if positive != 1 else ''}, fewer than "
            f"the {shots} to draw; use fewer shots"
        )


def choose_cost(
    features: NDArray,
    positive: NDArray,
    costs: Sequence[float],
    *,
    num_folds: int = 3,
    seed: int = 0,
) -> float:
    """The cost with the largest mean average precision over the folds of a stratified
    cross-validation; of equal ones the smallest.

    Args:
        features: (N, D).
        positive: (N,) bool.
        costs: To choose from.
        num_folds: At most as many as there are positives; with a single positive nothing can be
            held out, and the middle cost is taken.
        seed: Seeds the folds.
    """
    from sklearn.model_selection import StratifiedKFold

    costs = sorted(costs)
    num_folds = min(num_folds, int(positive.sum()), int((~positive).sum()))
    if len(costs) == 1 or num_folds < 2:
        return costs[len(costs) // 2]
    folds = list(
        StratifiedKFold(num_folds, shuffle=True, random_state=seed).split(features, positive)
    )
    precision = [
        np.mean(
            [
                average_precision(
                    positive[held_out],
                    fit_svm(features[rest], positive[rest], cost, seed=seed).decision_function(
                        features[held_out]
                    ),
                )
                for rest, held_out in folds
            ]
        )
        for cost in costs
    ]
    return costs[int(np.argmax(precision))]


def fit_svm(features: NDArray, positive: NDArray, cost: float, *, seed: int = 0) -> LinearSVC:
    """scikit-learn's linear machine with squared hinge loss."""
    from sklearn.svm import LinearSVC

    machine = LinearSVC(
        C=cost, class_weight=_CLASS_WEIGHT, dual=True, max_iter=_MAX_ITER, random_state=seed
    )
    return machine.fit(features, positive)


def average_precision(positive: NDArray, scores: NDArray) -> float:
    """Area under the precision-recall curve, by scikit-learn: without interpolation."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(positive, scores))


def mean_average_precision(targets: NDArray, scores: NDArray) -> float:
    """Mean over classes of the average precision.

    Args:
        targets: (M, C): 1 shown, 0 not shown, −1 not judged.
        scores: (M, C).

    Raises:
        HCSCError: no class has a positive test image.
    """
    judged = [
        (targets[:, c] == 1, targets[:, c] >= 0, scores[:, c]) for c in range(targets.shape[1])
    ]
    precisions = [
        average_precision(positive[seen], score[seen])
        for positive, seen, score in judged
        if positive.any()
    ]
    if not precisions:
        raise HCSCError(
            "no test image shows any class; see whether the labels of training and test images "
            "mean the same"
        )
    return float(np.mean(precisions))


def draw_shots(
    targets: NDArray, shots: int, seed: int, names: Sequence[str] | None = None
) -> NDArray:
    """(n,) indices of a training set with ``shots`` positives drawn for each class, without
    repetition.

    Images are drawn for each class on its own; an image that shows several classes then brings all
    its labels.

    Args:
        targets: (N, C): 1 for images that show the class.
        shots: Positives of each class.
        seed: Seeds the draw.
        names: Names of the C classes, for messages; their places by default.

    Raises:
        HCSCError: a class has fewer positives.
    """
    random = np.random.default_rng(seed)
    drawn = []
    for number in range(targets.shape[1]):
        positive = np.flatnonzero(targets[:, number] == 1)
        check_shots(str(number) if names is None else names[number], len(positive), shots)
        drawn.append(random.choice(positive, shots, replace=False))
    return np.unique(np.concatenate(drawn))


def _in_threads(work: Callable[[int], Any], items: Sequence[int], description: str) -> list:
    """Apply to each, on as many cores as PyTorch has; the solver works outside of Python's lock."""
    results = Parallel(n_jobs=get_num_threads(), prefer="threads", return_as="generator")(
        delayed(work)(item) for item in items
    )
    return list(track(_Sized(results, len(items)), description))


class _Sized:
    """A generator whose length is known, so that its progress can be shown."""

    def __init__(self, generator: Any, length: int) -> None:
        self._generator, self._length = generator, length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Any:
        return iter(self._generator)
