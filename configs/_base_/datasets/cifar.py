"""CIFAR-10 and CIFAR-100: their colours, and the whole image of 32 × 32 pixels.

CIFAR's files hold RGB; everything else takes BGR.
"""

to_bgr = [dict(type="NumpyToPIL", to_rgb=False), dict(type="PILToNumpy", to_bgr=True)]
whole_image = [*to_bgr, dict(type="PackInputs")]

# of the training images, RGB
cifar10_colours = dict(mean=[125.307, 122.961, 113.8575], std=[51.5865, 50.847, 51.255])
cifar100_colours = dict(mean=[129.304, 124.070, 112.434], std=[68.170, 65.392, 70.418])
