"""Episodes of a few classes, learnt from a few images of each, on any images in class folders.

python tools/test.py configs/benchmarks/fewshot_folder.py CHECKPOINT

Classes are those of val/ and need not be those of the training: folders of unseen classes do.
"""

_base_ = ["knn_folder.py"]

# ---- the values that people change ----
ways = 5  # classes of an episode
shots = (1, 5)  # images of a class to learn from
queries = 15  # images of a class to classify; shots + queries are what a class must have
num_episodes = 600
# ---------------------------------------

test_cfg = dict(_delete_=True, type="hcsc_mm.FeatureTestLoop")  # nothing but the test images
test_evaluator = dict(
    _delete_=True,
    type="hcsc_mm.FewShot",
    ways=ways,
    shots=shots,
    queries=queries,
    num_episodes=num_episodes,
)
