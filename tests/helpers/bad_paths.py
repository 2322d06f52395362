"""Kinds of paths and folders, and what has to become of them; the table of outcomes is
docs/bad_data.md.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

PATH_MAX = os.pathconf("/", "PC_PATH_MAX")  # with the byte that ends it
NAME_MAX = os.pathconf("/", "PC_NAME_MAX")


@contextmanager
def without_privileges() -> Iterator[None]:
    """Permissions do not hold for root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def images(*names: str) -> Callable[[Path], list[str]]:
    """Files that are listed under their names."""

    def make(folder: Path) -> list[str]:
        for name in names:
            picture(folder / name)
        return sorted(names)

    return make


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), (10, 20, 30)).save(path, "PNG")
    return path


def folder_of_length(folder: Path, length: int) -> Path:
    """A folder below this one whose path has so many bytes."""
    while (rest := length - len(os.fsencode(folder))) > 0:
        # never so that 1 byte is left, too little for a slash and a name
        folder = folder / ("d" * (min(rest, NAME_MAX - 50) - (2 if rest == NAME_MAX - 49 else 1)))
        folder.mkdir()
    return folder


def not_text(folder: Path) -> list[str]:
    name = os.fsdecode(b"caf\xe9.png")  # Latin-1
    picture(folder / name)
    return [name]


def nearly_too_long(folder: Path) -> list[str]:
    deep = folder_of_length(folder, PATH_MAX - 1 - len("/image.png"))
    picture(deep / "image.png")
    assert len(os.fsencode(deep / "image.png")) == PATH_MAX - 1
    return [str(deep.relative_to(folder) / "image.png")]


def link_to_a_file(folder: Path) -> list[str]:
    picture(folder / "a.png")
    (folder / "b.png").symlink_to("a.png")
    return ["a.png", "b.png"]


def loop_of_links(folder: Path) -> list[str]:
    picture(folder / "one" / "a.png")
    picture(folder / "two" / "b.png")
    (folder / "one" / "up").symlink_to("..")
    (folder / "one" / "aside").symlink_to("../two")
    (folder / "two" / "aside").symlink_to("../one")
    return ["one/a.png", "two/b.png"]


def links_to_one_folder(folder: Path) -> list[str]:
    """Two links to a folder that lies elsewhere: the first of them counts."""
    outside = folder.parent / f"{folder.name}_outside"
    picture(outside / "a.png")
    for name in ("link1", "link2"):
        (folder / name).symlink_to(outside)
    return ["link1/a.png"]


def hidden(folder: Path) -> list[str]:
    for name in ("a.png", "._a.png", ".thumbnails/a.png"):
        picture(folder / name)
    return ["a.png"]


LISTED: dict[str, Callable[[Path], list[str]]] = {
    "name with accents, composed and decomposed": images("caf\u00e9.png", "cafe\u0301.png"),
    "name with emoji, Chinese, Arabic": images("\U0001f408.png", "图像.png", "صورة.png"),
    "name with spaces, quotes, %20, #, ?, *": images(" a 'b' \"c\".png", "100%20#1?*.png"),
    "name with a line break": images("two\nlines.png"),
    "name that is not UTF-8": not_text,
    "name like an address": images("http:/s3:/a.png"),
    "name of 255 bytes": images("n" * (NAME_MAX - 4) + ".png"),
    "path as long as the system allows": nearly_too_long,
    "extension in capitals": images("A.PNG", "b.JpG"),
    "folder named x.jpg": images("x.jpg/a.png"),
    "hidden file or folder": hidden,
    "link to a file": link_to_a_file,
    "loop of links": loop_of_links,
    "two links to one folder": links_to_one_folder,
}


def link(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "x.jpg").symlink_to(target)
        return folder / "x.jpg"

    return make


def named_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.jpg")
    return folder / "x.jpg"


def open_socket(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "x.jpg"))
    return folder / "x.jpg"


def forbidden_file(folder: Path) -> Path:
    picture(folder / "x.jpg").chmod(0)
    return folder / "x.jpg"


def too_long(folder: Path) -> Path:
    deep = folder_of_length(folder, PATH_MAX - 20)
    name = "n" * 40 + ".png"
    at = os.open(deep, os.O_RDONLY)
    os.close(os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=at))
    os.close(at)
    return deep / name


# What is listed, and the reason that the message has to give.
UNREADABLE: dict[str, tuple[Callable[[Path], Path], str]] = {
    "link without a target": (link("gone.jpg"), "No such file or directory"),
    "link to itself": (link("x.jpg"), "Too many levels of symbolic links"),
    "link to a device": (link("/dev/zero"), "it is a device, not a file"),
    "named pipe": (named_pipe, "it is a named pipe, not a file"),
    "socket": (open_socket, "it is a socket, not a file"),
    "file without permission": (forbidden_file, "Permission denied"),
    "path longer than the system allows": (too_long, "File name too long"),
}


def forbidden_folder(folder: Path) -> None:
    picture(folder / "open" / "a.png")
    (folder / "closed").mkdir(mode=0)


def too_deep(folder: Path) -> None:
    at = os.open(folder_of_length(folder, PATH_MAX - 20), os.O_RDONLY)
    os.mkdir("d" * 40, dir_fd=at)
    os.close(at)


def no_images(folder: Path) -> None:
    (folder / "notes.txt").write_text("no image")


# What is made, and what the message has to say.
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty folder": (lambda folder: None, "no image under {folder}; supported are"),
    "folder without images": (no_images, "no image under {folder}; supported are"),
    "folder without permission": (
        forbidden_folder,
        "cannot list the image folder {folder}/closed (Permission denied)",
    ),
    "folder deeper than the system allows": (too_deep, "(File name too long)"),
}
