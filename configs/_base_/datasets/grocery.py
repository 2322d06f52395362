"""The Grocery Store data set (Klasson et al., WACV 2019): photographs of 81 kinds of groceries,
which make up 43 coarser ones.

data/grocery holds train.txt and test.txt, with lines 'path, class, coarse class', and the
photographs: the folder ``dataset`` of github.com/marcusklasson/GroceryStoreDataset. The configs
that use it take their size from here.
"""

data_root = "data/grocery"
image_size = 64
num_classes = 81

load_image = dict(type="hcsc_mm.LoadImage")
centre_crop = [
    load_image,
    dict(
        type="ResizeEdge", scale=image_size * 8 // 7, edge="short", backend="pillow"
    ),  # 73; 256 for 224, as on ImageNet
    dict(type="CenterCrop", crop_size=image_size),
    dict(type="PackInputs"),
]
random_crop = [
    load_image,
    dict(type="RandomResizedCrop", scale=image_size, backend="pillow"),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackInputs"),
]
train_images = dict(
    type="hcsc_mm.LabelledImages", data_root=data_root, ann_file="train.txt"
)  # 2640
test_images = dict(type="hcsc_mm.LabelledImages", data_root=data_root, ann_file="test.txt")  # 2485
