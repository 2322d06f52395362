"""The proof: five data sets × start, MoCo v2, PCL v2, SwAV, HCSC by both rules × three seeds.

    make proof DATA=folder                       goes on where it was stopped
    make proof DATA=folder ARGS="--minutes 60"   an hour of it

Finished cells are files in docs/results/proof, and docs/results.md is made of them.

Every method has the data set's network, views, batch and steps. What was chosen was chosen on
training images (docs/recipe.md); no value was chosen by a test score.
"""

_base_ = ["../_base_/proof/methods.py"]

title = "Proof"
folder = "{{ fileDirname }}"
lite0 = "data/proof/lite0.pth"  # benchmarks/proof_data.py writes it
digits = dict(
    config=f"{folder}/../hcsc_r18_digits.py",
    train=dict(type="hcsc_mm.Digits", split="train"),
    test=dict(type="hcsc_mm.Digits", split="test"),
    num_clusters=(60, 30, 10),
    note="1,437 scans to train on, 360 held out; kNN with k = 20.",
)
omniglot = dict(
    config=f"{folder}/proof/omniglot.py",
    train=dict(
        type="hcsc_mm.LabelledImages", data_root="data/proof/omniglot", ann_file="train.txt"
    ),
    gallery=dict(
        type="hcsc_mm.LabelledImages", data_root="data/proof/omniglot", ann_file="gallery.txt"
    ),
    test=dict(type="hcsc_mm.LabelledImages", data_root="data/proof/omniglot", ann_file="query.txt"),
    num_clusters=(964, 170, 30),
    k=5,
    note="19,280 drawings of 964 characters in 30 alphabets, 28 pixels. kNN (k = 5) on 659 unseen "
    "characters of 20 unseen alphabets: ten drawers to compare with, ten to find.",
)
fashion = dict(
    config=f"{folder}/proof/fashion.py",
    train=dict(
        type="hcsc_mm.LabelledImages", data_root="data/proof/fashion-mnist", ann_file="train.txt"
    ),
    test=dict(
        type="hcsc_mm.LabelledImages", data_root="data/proof/fashion-mnist", ann_file="test.txt"
    ),
    num_clusters=(300, 60, 10),
    linear=True,
    note="Fashion-MNIST, the first 10,000 images to train on, all 10,000 of the test; k = 20.",
)
coins_images = dict(
    train=dict(type="hcsc_mm.LabelledImages", data_root="data/proof/coins", ann_file="train.txt"),
    test=dict(type="hcsc_mm.LabelledImages", data_root="data/proof/coins", ann_file="test.txt"),
    num_clusters=(64, 8, 3),
)
coins = dict(
    config=f"{folder}/proof/coins.py",
    note="1,291 photographs of coins, 8 denominations, 3 metals; 1,539 held out; k = 20.",
    **coins_images,
)
coins_lite0 = dict(
    config=f"{folder}/proof/coins_timm.py",
    checkpoint=lite0,
    projection=True,
    note="The same from EfficientNet-Lite0, which stays as it is: its features beside a projection "
    "that is trained; 'start' is its features alone.",
    **coins_images,
)
grocery_images = dict(
    train=dict(type="hcsc_mm.LabelledImages", data_root="data/proof/grocery", ann_file="train.txt"),
    test=dict(type="hcsc_mm.LabelledImages", data_root="data/proof/grocery", ann_file="test.txt"),
    num_clusters=(240, 81, 43),
)
grocery = dict(
    config=f"{folder}/proof/grocery.py",
    note="2,640 photographs of groceries, 81 classes, 43 coarse; 2,485 held out; k = 20.",
    **grocery_images,
)
grocery_lite0 = dict(
    config=f"{folder}/proof/grocery_timm.py",
    checkpoint=lite0,
    projection=True,
    note="The same from EfficientNet-Lite0, as with the coins.",
    **grocery_images,
)
data = dict(
    digits=digits,
    omniglot=omniglot,
    fashion=fashion,
    coins=coins,
    coins_lite0=coins_lite0,
    grocery=grocery,
    grocery_lite0=grocery_lite0,
)
