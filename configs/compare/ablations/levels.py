"""HCSC with another number of levels: coarse ones left out, or one more in front, of twice as many
prototypes."""

_base_ = ["../../hcsc_r18_digits.py"]

levels = 3  # 1 to 4
finest = _base_.num_prototypes[0]
num_prototypes = (
    tuple(_base_.num_prototypes[:levels]) if levels < 4 else (2 * finest, *_base_.num_prototypes)
)
default_hooks = dict(clustering=dict(num_prototypes=num_prototypes))
