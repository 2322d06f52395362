"""``hcsc TOOL [arguments]``: runs a tool of hcsc_mm as ``python tools/TOOL.py`` does.

A module of its own: importing anything of hcsc_mm takes seconds, and a tool catches the signals of
a scheduler before that. The tool takes the place of this process, so that signals, exit code and
standard streams are its own. In a clone the tools lie in ``tools/``, in an installation under
``hcsc_mm/.mim``; a new file there is a new command.
"""

from __future__ import annotations

import ast
import difflib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
USAGE = "usage: hcsc TOOL [arguments]; hcsc TOOL --help says which\n"


def main() -> NoReturn:
    """The console command."""
    tools = found_tools()
    name, *arguments = sys.argv[1:] or [""]
    if name in ("", "-h", "--help"):
        print(USAGE)
        width = max(map(len, tools), default=0)
        for tool, path in tools.items():
            print(f"  {tool:{width}}  {summary(path)}".rstrip())
        sys.exit(0 if name else 2)
    path = tools.get(name.removesuffix(".py").removesuffix(".sh").replace("_", "-"))
    if path is None:
        near = difflib.get_close_matches(name, tools, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        print(
            f"error: there is no tool {name!r}; {hint}hcsc --help lists all {len(tools)}",
            file=sys.stderr,
        )
        sys.exit(2)
    become([*interpreter(path), str(path), *arguments])


def found_tools() -> dict[str, Path]:
    """Command → file of every tool, sorted: 'run-stages' → tools/run_stages.py."""
    inside = HERE / "hcsc_mm" / ".mim" / "tools"
    folder = inside if inside.is_dir() else HERE / "tools"
    paths = [path for path in folder.rglob("*") if path.suffix in (".py", ".sh")]
    return {
        path.relative_to(folder).with_suffix("").as_posix().replace("_", "-"): path
        for path in sorted(paths)
    }


def summary(path: Path) -> str:
    """The first sentence of a tool's docstring, or of a shell script's comment, without the command
    line that may follow a colon in it.
    """
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        text = ast.get_docstring(ast.parse(text)) or ""
    else:
        lines = text.splitlines()[1:]  # the first one names the shell
        text = "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    paragraph = " ".join(text.split("\n\n")[0].split())
    return re.split(r": ``|\. |; |\.$", paragraph, maxsplit=1)[0]


def interpreter(path: Path) -> list[str]:
    """What runs a tool: this Python with the flags it was started with, or bash with this Python in
    its path.
    """
    if path.suffix == ".sh":
        folder = os.path.dirname(sys.executable)
        os.environ["PATH"] = os.pathsep.join([folder, os.environ.get("PATH", os.defpath)])
        return ["bash"]
    flags = sys.orig_argv[1 : len(sys.orig_argv) - len(sys.argv)]
    return [sys.executable, *(flags[:-1] if flags[-1:] == ["-m"] else flags)]


def become(command: list[str]) -> NoReturn:
    """Run a command in the place of this process."""
    sys.stdout.flush()
    if os.name == "nt":  # where exec starts another process and does not wait for it
        sys.exit(subprocess.run(command, check=False).returncode)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
