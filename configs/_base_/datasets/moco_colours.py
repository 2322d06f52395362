"""What MoCo v2 does to a crop: colours, blur and flip.

Images come as BGR, so grey is 0.114 blue + 0.587 green + 0.299 red.
"""

jitter = dict(
    type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, backend="cv2"
)
colours = [
    dict(type="RandomApply", prob=0.8, transforms=[jitter]),
    dict(
        type="RandomGrayscale", prob=0.2, keep_channels=True, channel_weights=(0.114, 0.587, 0.299)
    ),
]
# 'inf': σ is uniform over the range
blur = dict(type="GaussianBlur", magnitude_range=(0.1, 2.0), magnitude_std="inf", prob=0.5)
flip = dict(type="RandomFlip", prob=0.5)
colours_blur_and_flip = [*colours, blur, flip]
