"""Few-shot episodes and classifiers against loops over numbers, closed forms and scikit-learn."""

import numpy as np
import pytest
import torch
from cases import unit_rows
from mmpretrain.registry import DATASETS
from sklearn.neighbors import NearestCentroid

from hcsc_mm import HCSCError
from hcsc_mm.evaluation import FeatureSet, FewShot
from hcsc_mm.evaluation.few_shot import clustered_class_mean, draw_episode, nearest_class_mean


def episode(ways=4, shots=2, queries=7, noise=0.8, seed=0):
    """(N, K, D), (M, D) and (M,) classes."""
    centres = unit_rows(ways, 6, seed=seed).double()
    support = centres[:, None] + noise * unit_rows(ways * shots, 6, seed=seed + 1).view(
        ways, shots, 6
    )
    classes = torch.arange(ways).repeat_interleave(queries)
    asked = centres[classes] + noise * unit_rows(ways * queries, 6, seed=seed + 2)
    return *(torch.nn.functional.normalize(x, dim=-1) for x in (support, asked)), classes


def images(features, labels) -> FeatureSet:
    return FeatureSet(features, torch.arange(len(labels)), labels, None, len(labels), None)


def direction(vectors):
    total = np.sum(vectors, axis=0)
    return total / np.linalg.norm(total)


def slow_clusters(support, queries) -> list[int]:
    """Spherical k-means with the support in its clusters, one query after the other."""
    support, queries = support.numpy(), queries.numpy()
    means = [direction(own) for own in support]
    found = [int(np.argmax([query @ mean for mean in means])) for query in queries]
    while True:
        means = [
            direction([*own, *(q for q, c in zip(queries, found, strict=True) if c == place)])
            for place, own in enumerate(support)
        ]
        again = [int(np.argmax([query @ mean for mean in means])) for query in queries]
        if again == found:
            return found
        found = again


@pytest.mark.filterwarnings("ignore:invalid value")  # of the deviation of one image
def test_nearest_class_mean_is_scikit_learns():
    support, queries, _ = episode()
    means = np.stack([direction(own) for own in support.numpy()])
    reference = NearestCentroid().fit(means, np.arange(4))
    expected = reference.predict(queries.numpy())
    assert nearest_class_mean(support, queries).tolist() == expected.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_clusters_are_those_of_the_slow_k_means(seed):
    support, queries, _ = episode(seed=10 * seed)
    assert clustered_class_mean(support, queries).tolist() == slow_clusters(support, queries)


def test_queries_correct_a_shot_that_lies_off():
    # Two tight groups of queries at 0 and 40 degrees; the shots of both classes lie to one side.
    angle = torch.deg2rad(torch.tensor([-40.0, 38.0, -1, 0, 1, 2, 39, 40, 41]).double())
    points = torch.stack([angle.cos(), angle.sin()], dim=1)
    support, queries = points[:2, None], points[2:]
    truth = [0, 0, 0, 0, 1, 1, 1]
    assert nearest_class_mean(support, queries).tolist() != truth
    assert clustered_class_mean(support, queries).tolist() == truth


def test_an_episode_has_other_images_to_learn_from_than_to_classify():
    labels = np.repeat(np.arange(6), [9, 3, 9, 9, 2, 9])
    seen = set()
    generator = np.random.default_rng(0)
    for _ in range(50):
        learnt, asked = draw_episode(labels, 3, 2, 4, generator)
        places = np.concatenate([learnt, asked], axis=1)
        assert len(np.unique(places)) == places.size == 3 * 6
        own = labels[places]
        assert (own == own[:, :1]).all() and len(set(own[:, 0].tolist())) == 3
        seen |= set(own[:, 0].tolist())
    assert seen == {0, 2, 3, 5}  # the others have too few


def test_classes_apart_are_all_right_and_one_point_is_chance():
    labels = torch.arange(60) % 6
    apart = torch.eye(6)[labels]
    metric = FewShot(ways=4, shots=(1, 3), queries=5, num_episodes=4)
    found = metric.evaluate(images(apart, labels))
    assert found == {
        f"few_shot/4way_{shots}shot{kind}": value
        for shots in (1, 3)
        for name, value in (("", 100.0), ("_ci95", 0.0))
        for kind in (name, f"_transductive{name}")
    }
    same = metric.evaluate(images(torch.ones(60, 6), labels))
    assert same["few_shot/4way_1shot"] == 25.0


def test_scores_are_means_and_intervals_of_the_same_episodes_each_time():
    labels = torch.arange(90) % 6
    features = torch.eye(6)[labels] + 1.2 * unit_rows(90, 6, seed=3)
    metric = FewShot(ways=3, shots=2, queries=5, num_episodes=20, seed=4)
    found = metric.evaluate(images(features, labels))
    assert found == metric.evaluate(images(features, labels))
    generator = np.random.default_rng([4, 2])
    unit = torch.nn.functional.normalize(features, dim=1)
    scores = []
    for _ in range(20):
        learnt, asked = draw_episode(labels.numpy(), 3, 2, 5, generator)
        truth = np.repeat(np.arange(3), 5)
        said = nearest_class_mean(unit[learnt], unit[asked.reshape(-1)]).numpy()
        scores.append(100 * float((said == truth).mean()))
    assert 40 < found["few_shot/3way_2shot"] < 100
    assert found["few_shot/3way_2shot"] == pytest.approx(np.mean(scores), rel=1e-9)
    half = 1.96 * np.std(scores, ddof=1) / np.sqrt(20)
    assert found["few_shot/3way_2shot_ci95"] == pytest.approx(half, rel=1e-9)


def test_too_few_classes_are_refused_before_any_feature():
    digits = DATASETS.build(dict(type="hcsc_mm.Digits", split="test"))
    FewShot(ways=10).check(digits, None, None)
    with pytest.raises(HCSCError, match="11 ways of 5 shots and 15 queries need 11 classes of 20"):
        FewShot(ways=11).check(digits, None, None)
    with pytest.raises(HCSCError, match=r"num_episodes=1 of FewShot must be .* at least 2"):
        FewShot(num_episodes=1)
