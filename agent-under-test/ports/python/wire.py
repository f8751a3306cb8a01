"""The bytes of the Inedo Agent protocol: handshakes, frames and the data in meta messages.

Nothing here does network traffic. Decoding works on a seekable file, so that a large message need not lie in memory.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

# 6CEBD24E-4AF7-4A13-B9AF-81D3DFC644BE in the byte order of .NET (HS-2).
PROTOCOL_ID = bytes.fromhex("4ed2eb6cf74a134ab9af81d3dfc644be")
HANDSHAKE_SIZE = 24

V1 = 1000
V2 = 2000
SERVER_VERSION = 1
ENCRYPTION_NONE = 0

LENGTH = struct.Struct("<i")
# Behind the length: int32 command, before it in v1 the agent type, which is a byte (FRM-1, FRM-2, DAT-1).
V1_HEADER = struct.Struct("<Bi")
V2_HEADER = struct.Struct("<i")

OPEN_SESSION = 1
UPDATE_AGENT = 2
GET_ROOT_PATH = 3

META = 0
PRODUCTS = {1: "otter", 2: "buildmaster", 3: "hedgehog"}
UPDATE_FOLDERS = {META: "meta", **PRODUCTS}

MAX_TICKS = 3155378975999999999
# A name of no bytes, the time and the count of no contents.
SMALLEST_UPDATE_FILE = 1 + 8 + 4


class Malformed(Exception):
    """Data that does not follow its format, or that must be refused."""


def acknowledgement(value: int) -> bytes:
    """int8 encryption mode, int32 session ID or version, int32 server version (HS-4)."""
    return struct.pack("<bii", ENCRYPTION_NONE, value, SERVER_VERSION)


def agent_frame(command: int, data: bytes) -> bytes:
    """int32 data length, int32 command, data (FRM-3)."""
    return struct.pack("<ii", len(data), command) + data


def encode_string(text: str) -> bytes:
    """UTF-8 behind its length in groups of 7 bits, low group first (DAT-2)."""
    encoded = text.encode("utf-8")
    prefix = bytearray()
    length = len(encoded)
    while length > 0x7F:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    prefix.append(length)
    return bytes(prefix) + encoded


@dataclass(frozen=True)
class UpdateFile:
    """A file of an Update Agent message; its contents are told by their place in the message."""

    name: str
    modified_ticks: int
    offset: int
    size: int


class Decoder:
    """Reads fields from the `size` bytes of data that `source` holds; bytes behind the last field are left (CMP-2).

    Others may read from `source` between two fields.
    """

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source = source
        self._size = size
        self._at = 0

    @property
    def _left(self) -> int:
        return self._size - self._at

    def _claim(self, count: int, what: str) -> int:
        if count > self._left:
            raise Malformed(f"{what} of {count} bytes, where {self._left} are left")
        offset = self._at
        self._at += count
        return offset

    def _take(self, count: int, what: str) -> bytes:
        self._source.seek(self._claim(count, what))
        return self._source.read(count)

    def byte(self) -> int:
        return self._take(1, "a byte")[0]

    def int32(self) -> int:
        value: int = struct.unpack("<i", self._take(4, "an int32"))[0]
        return value

    def ticks(self) -> int:
        value: int = struct.unpack("<q", self._take(8, "a datetime"))[0]
        if not 0 <= value <= MAX_TICKS:
            raise Malformed(f"a datetime of {value} ticks")
        return value

    def string(self) -> str:
        length = 0
        for shift in range(0, 35, 7):
            group = self.byte()
            length |= (group & 0x7F) << shift
            if group < 0x80:
                break
        else:
            raise Malformed("the length of a string takes more than 5 bytes")
        if length > 0xFFFFFFFF:
            raise Malformed("the length of a string takes more than 32 bits")
        try:
            return self._take(length, "a string").decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed(f"a string is not UTF-8: {error}") from None

    def count(self, smallest: int) -> int:
        """The count of an array whose items take `smallest` bytes or more."""
        count = self.int32()
        if count < 0 or count * smallest > self._left:
            raise Malformed(f"an array of {count} items, where {self._left} bytes are left")
        return count

    def update_file(self) -> UpdateFile:
        name = self.string()
        modified = self.ticks()
        size = self.count(1)
        return UpdateFile(name, modified, self._claim(size, "contents"), size)

    def update_files(self) -> Iterator[UpdateFile]:
        """An array of files, one after the other: a message may hold millions of them."""
        for _ in range(self.count(SMALLEST_UPDATE_FILE)):
            yield self.update_file()
