"""The update directory: `UPDATE_DIR/PRODUCT/assemblies/NAME` and `…/extensions/NAME` (MTA-6, MTA-7, MTA-8).

An update builds a whole new folder for its product beside the old one, which shares the files that stay by hard links,
and puts it in the place of the old one by a single rename. Killed at any moment, the agent leaves the old folder or
the new one. What else it leaves lies in the staging folder, which the next start clears.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import unicodedata
from pathlib import Path
from typing import IO

from wire import META, UPDATE_FOLDERS, Decoder, Malformed, UpdateFile

STAGING = ".staging"
KINDS = ("assemblies", "extensions")
MAX_NAME_BYTES = 255
COPY_BYTES = 1 << 18

TICKS_AT_UNIX_EPOCH = 621355968000000000
NANOSECONDS_PER_TICK = 100

AT_FDCWD = -100
RENAME_EXCHANGE = 2

DEVICES = {"CON", "PRN", "AUX", "NUL"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(10)}


def check_name(name: str) -> None:
    """Refuses a file name that would leave its folder, or that means something else on Windows (MTA-7)."""
    if not name or len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise Malformed(f"a file name of {len(name)} characters")
    if any(char in '/\\:*?"<>|' or unicodedata.category(char) == "Cc" for char in name):
        raise Malformed(f"the file name {name!r} holds a character that it must not hold")
    if name[-1] in " .":  # among them "." and ".."
        raise Malformed(f"the file name {name!r} ends in a dot or a blank")
    if name.split(".")[0].rstrip(" ").upper() in DEVICES:
        raise Malformed(f"the file name {name!r} is that of a device")


def check(message: IO[bytes], size: int) -> str:
    """Reads an Update Agent message (MTA-1) to its end, and returns the name of the folder that it is for.

    Refuses it as a whole before anything of it is written, but for a name that it holds twice.
    """
    decoder = Decoder(message, size)
    agent_type = decoder.byte()
    if agent_type not in UPDATE_FOLDERS:
        raise Malformed(f"an update of agent type {agent_type}")
    for kind in KINDS:
        for file in decoder.update_files():
            if agent_type == META and kind == "extensions":
                raise Malformed("an update of the agent itself with extensions")
            check_name(file.name)
    return UPDATE_FOLDERS[agent_type]


def exchange(one: Path, other: Path) -> None:
    """Lets two folders change places at once."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        raise OSError("this system has no renameat2, which updates need") from None
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(one), None, str(other))


class UpdateDirectory:
    """Applies updates, one at a time: the caller sees to that."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._staging = root / STAGING
        self._clear_staging()

    def _clear_staging(self) -> None:
        if self._staging.exists():
            shutil.rmtree(self._staging)

    def apply(self, message: IO[bytes], size: int) -> None:
        """Puts all files of an Update Agent message in place, or none.

        Raises Malformed when the update is refused, OSError when the file system does not do its part.
        """
        folder = check(message, size)
        current, new = self._root / folder, self._staging / folder
        try:
            decoder = Decoder(message, size)
            decoder.byte()
            for kind in KINDS:
                (new / kind).mkdir(parents=True)
                for file in decoder.update_files():
                    write(os.fsencode(new / kind), file, message)
                share(os.fsencode(current / kind), os.fsencode(new / kind))
            if current.exists():
                exchange(new, current)
            else:
                new.rename(current)
        finally:
            self._clear_staging()


def share(current: bytes, new: bytes) -> None:
    """Lets a new folder have the files of the current one that an update does not name."""
    for name in os.listdir(current) if os.path.isdir(current) else ():
        with contextlib.suppress(FileExistsError):
            os.link(os.path.join(current, name), os.path.join(new, name))


def write(folder: bytes, file: UpdateFile, message: IO[bytes]) -> None:
    """Writes one file. Its name is bytes on disk: the encoding that the environment asks for does not matter."""
    path = os.path.join(folder, file.name.encode("utf-8"))
    message.seek(file.offset)
    try:
        with open(path, "xb") as target:
            left = file.size
            while left > 0:
                left -= target.write(message.read(min(left, COPY_BYTES)))
    except FileExistsError:
        raise Malformed(f"the file name {file.name!r} is there twice") from None
    modified = (file.modified_ticks - TICKS_AT_UNIX_EPOCH) * NANOSECONDS_PER_TICK
    os.utime(path, ns=(modified, modified))
