"""The folders that detection and segmentation configs read, as docs/transfer.md draws them, with
two small images in each part.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 120
RED = np.full((HEIGHT, WIDTH, 3), (255, 0, 0), dtype=np.uint8)
BOX = (20, 30, 100, 90)  # left, top, right, bottom
LABELS = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
LABELS[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 3

XML = """<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>
<object><name>dog</name><difficult>0</difficult>
<bndbox><xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object></annotation>
"""


def write(path: Path, content: str | np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        path.write_text(content)
    else:
        Image.fromarray(content).save(path)


def write_voc(data: Path) -> None:
    lists = {
        "2007": {"Main": ("trainval", "test")},
        "2012": {"Main": ("trainval",), "Segmentation": ("train", "val", "aug")},
    }
    for year, kinds in lists.items():
        folder = data / f"VOCdevkit/VOC{year}"
        for kind, parts in kinds.items():
            for part in parts:
                names = [f"{kind}_{part}_{number}" for number in range(2)]
                write(folder / f"ImageSets/{kind}/{part}.txt", "\n".join(names))
                for name in names:
                    write(folder / f"JPEGImages/{name}.jpg", RED)
                    write(
                        folder / f"Annotations/{name}.xml",
                        XML.format(*BOX, width=WIDTH, height=HEIGHT),
                    )
                    write(
                        folder / f"SegmentationClass{'Aug' if part == 'aug' else ''}/{name}.png",
                        LABELS,
                    )


def write_cityscapes(data: Path) -> None:
    for part in ("train", "val"):
        for number in range(2):
            name = f"{part}/town/town_{number}"
            write(data / f"cityscapes/leftImg8bit/{name}_leftImg8bit.png", RED)
            write(data / f"cityscapes/gtFine/{name}_gtFine_labelTrainIds.png", LABELS)


def write_ade20k(data: Path) -> None:
    for part in ("training", "validation"):
        for number in range(2):
            folder = data / "ade/ADEChallengeData2016"
            write(folder / f"images/{part}/{number}.jpg", RED)
            write(folder / f"annotations/{part}/{number}.png", LABELS)


def write_coco(data: Path) -> None:
    left, top, right, bottom = BOX
    outline = [[left, top, right, top, right, bottom, left, bottom]]
    for year in ("train2017", "val2017"):
        images = [
            dict(id=number, file_name=f"{number}.jpg", width=WIDTH, height=HEIGHT)
            for number in range(2)
        ]
        area = (right - left) * (bottom - top)
        box = [left, top, right - left, bottom - top]
        objects = [
            dict(
                id=number + 1,
                image_id=number,
                category_id=1,
                bbox=box,
                segmentation=outline,
                area=area,
                iscrowd=0,
            )
            for number in range(2)
        ]
        content = dict(images=images, annotations=objects, categories=[dict(id=1, name="person")])
        write(data / f"coco/annotations/instances_{year}.json", json.dumps(content))
        for image in images:
            write(data / f"coco/{year}/{image['file_name']}", RED)
