"""HCSC with multi-crop, ResNet-50, ImageNet, 200 epochs (linear 73.3, kNN 66.6 in the paper): six
crops of each image. All else: hcsc_r50_200e_in1k.py.

bash tools/dist_train.sh configs/hcsc_r50_mcrop_200e_in1k.py 8
"""

_base_ = ["hcsc_r50_200e_in1k.py"]

model = dict(selection=dict(type="hcsc_mm.ClusterSelection", local_instances=True))
train_dataloader = dict(dataset=dict(pipeline=[_base_.load, *_base_.six_crops]))
