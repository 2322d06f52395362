"""hcsc_r18_200e_folder.py on tar shards as WebDataset writes them, read where they lie.

    python tools/index_shards.py /my/shards
    python tools/train.py configs/hcsc_r18_200e_tar.py --cfg-options data_root=/my/shards

The values at that file's top can be changed here as there.
"""

_base_ = ["hcsc_r18_200e_folder.py"]

# ---- the values that differ ----
data_root = "data/photos_shards"  # the folder of the tar files
shards = "*.tar"  # which of its files; the same as --shards of tools/index_shards.py
# --------------------------------

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type="hcsc_mm.TarImages",
        data_root=data_root,
        shards=shards,
        pipeline=[_base_.load, *_base_.two_crops],
    )
)
