"""Episodes of twenty characters of Omniglot's unseen alphabets, learnt from one drawing or five of
each; benchmarks/proof_data.py writes the images.

python tools/run_stages.py configs/compare/proof/omniglot.py --stages pretrain,fewshot
"""

_base_ = ["fewshot_folder.py"]

data_root = "data/proof/omniglot"
image_size = 28
ways = 20
queries = 15  # of 20 drawings; with five to learn from these are all

test_dataloader = dict(dataset=dict(ann_file="test.txt", data_prefix=""))
