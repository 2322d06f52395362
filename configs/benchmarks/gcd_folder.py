"""New classes beside known ones, on any images in class folders.

python tools/test.py configs/benchmarks/gcd_folder.py CHECKPOINT
"""

_base_ = ["clustering_folder.py"]  # train/: the number of classes comes from a tree of its images

# ---- the values that people change ----
old_classes = None  # labels of the known classes; None: the first half of the folders, by name
labelled_share = 0.5  # of a known class's images
# ---------------------------------------

test_evaluator = dict(
    _delete_=True,
    type="hcsc_mm.CategoryDiscovery",
    old_classes=old_classes,
    labelled_share=labelled_share,
)
