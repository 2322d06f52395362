"""hcsc_r18_200e_folder.py on a data set of Hugging Face's ``datasets`` library that lies on disk.

    python tools/train.py configs/hcsc_r18_200e_hf.py --cfg-options data_root=/my/data split=train

The values at that file's top can be changed here as there.
"""

_base_ = ["hcsc_r18_200e_folder.py"]

# ---- the values that differ ----
data_root = "data/photos_arrow"  # what save_to_disk has written, or Parquet files
split = None  # which; None where there is one
image_key = "image"  # the column of the images
# --------------------------------

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="hcsc_mm.HFImages",
        path=data_root,
        split=split,
        image_key=image_key,
        pipeline=[_base_.load, *_base_.two_crops],
    )
)
