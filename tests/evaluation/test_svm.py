"""Linear support vector machines: scikit-learn is the second opinion."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.svm import LinearSVC

from hcsc_mm import HCSCError
from hcsc_mm.evaluation.svm import choose_cost, draw_shots, mean_average_precision, svm_scores


def problem(
    num_train: int = 120,
    num_test: int = 80,
    num_classes: int = 4,
    dim: int = 10,
    noise: float = 0.8,
):
    random = np.random.default_rng(0)
    centres = random.normal(size=(num_classes, dim))
    labels = random.integers(0, num_classes, num_train + num_test)
    features = centres[labels] + noise * random.normal(size=(len(labels), dim))
    features = (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32)
    targets = (labels[:, None] == np.arange(num_classes)).astype(np.int8)
    return features[:num_train], targets[:num_train], features[num_train:], targets[num_train:]


def test_decision_values_and_map_are_those_of_scikit_learn():
    train, targets, test, test_targets = problem()
    scores, costs = svm_scores(train, targets, test, costs=(0.7,))
    machines = [
        LinearSVC(C=0.7, class_weight={1: 2, 0: 1}, max_iter=10**6, tol=1e-9).fit(
            train, targets[:, c]
        )
        for c in range(4)
    ]
    expected = np.stack([machine.decision_function(test) for machine in machines], axis=1)
    reference = np.mean(
        [average_precision_score(test_targets[:, c], scores[:, c]) for c in range(4)]
    )
    assert costs.tolist() == [0.7] * 4
    assert (
        np.abs(scores - expected).max() < 1e-3
    )  # the solver stops at a tolerance of 1e-4, here and by default
    assert mean_average_precision(test_targets, scores) == pytest.approx(reference, abs=1e-6)
    assert mean_average_precision(test_targets, expected) == pytest.approx(reference, abs=1e-6)


def test_the_cost_is_the_one_that_grid_search_finds():
    train, targets, *_ = problem(noise=1.5)
    costs = [0.01, 0.1, 1.0, 10.0, 100.0]
    for column in targets.T:
        search = GridSearchCV(
            LinearSVC(class_weight={True: 2, False: 1}, max_iter=2000, random_state=0),
            {"C": costs},
            scoring="average_precision",
            cv=StratifiedKFold(3, shuffle=True, random_state=0),
        ).fit(train, column == 1)
        assert choose_cost(train, column == 1, costs) == search.best_params_["C"]


def test_images_that_are_not_to_be_judged_count_neither_in_training_nor_in_the_score():
    train, targets, test, test_targets = problem()
    plain, _ = svm_scores(train, targets, test, costs=(1.0,))
    doubtful = np.concatenate([targets, -np.ones_like(targets[:7])])
    scores, _ = svm_scores(np.concatenate([train, -train[:7]]), doubtful, test, costs=(1.0,))
    assert np.array_equal(scores, plain)
    more = mean_average_precision(
        np.concatenate([test_targets, -np.ones_like(test_targets[:5])]),
        np.concatenate([scores, 99 + scores[:5]]),
    )
    assert more == mean_average_precision(test_targets, scores)


def test_a_class_with_one_image_takes_the_middle_cost():
    assert (
        choose_cost(
            np.eye(5, dtype=np.float32),
            np.array([True, False, False, False, False]),
            [4.0, 1.0, 0.25],
        )
        == 1.0
    )


def test_perfect_scores_give_one_and_classes_without_test_image_do_not_count():
    targets = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0]])
    assert mean_average_precision(targets, targets.astype(float)) == 1.0


def test_a_class_without_positives_is_refused():
    train, targets, test, _ = problem()
    targets[:, 2] = 0
    with pytest.raises(HCSCError, match="class 2 has 0 positive"):
        svm_scores(train, targets, test, costs=(1.0,))


def test_without_any_positive_test_image_there_is_no_map():
    with pytest.raises(HCSCError, match="no test image shows any class"):
        mean_average_precision(np.zeros((3, 2)), np.zeros((3, 2)))


def test_draws_have_so_many_of_each_class_and_repeat_with_their_seed():
    _, targets, *_ = problem()
    drawn = draw_shots(targets, 5, seed=3)
    assert targets[drawn].sum(axis=0).tolist() == [5] * 4
    assert np.array_equal(drawn, draw_shots(targets, 5, seed=3))
    assert not np.array_equal(drawn, draw_shots(targets, 5, seed=4))


def test_more_shots_than_images_are_refused():
    with pytest.raises(HCSCError, match="fewer than the 500 to draw"):
        draw_shots(problem()[1], 500, seed=0)
