#!/usr/bin/env python3
"""An Inedo Agent without product hosts: protocols 1000 and 2000, encryption none.

Listens, does handshakes, and answers the messages that are meant for the agent itself; see README.md.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
import signal
import struct
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Optional

import wire
from updates import UpdateDirectory
from wire import Decoder, Malformed

# FRM-6: a longer message ends its connection.
MAX_DATA = 64 << 20
# A longer one waits in a file without a name until it is whole.
MAX_DATA_IN_MEMORY = 1 << 20
# What a message other than Update Agent is read for: the rest of it is unknown to us, and dropped (CMP-2, CMP-3).
MAX_SMALL_DATA = 5
CHUNK = 1 << 16
# How long a connection that was ended may go on sending before it is broken off.
LINGER_SECONDS = 1.0
# From here on a client may take a session ID for a version (NEG-6).
SESSION_END = 1000
BACKLOG = 1024


class Ended(Exception):
    """The connection is to be ended by the agent."""


def new_session_ids() -> Iterator[int]:
    """IDs for new sessions: never 0, never one that a v2 client could take for a version (NEG-6)."""
    while True:
        yield from range(1, SESSION_END)
        yield from range(-1, -(2**31) - 1, -1)


class Sessions:
    """The IDs of the v1 sessions in use. There are no product hosts, so a session is nothing but its ID."""

    def __init__(self) -> None:
        self._in_use: Counter[int] = Counter()
        self._new = new_session_ids()

    def claim(self, requested: int) -> int:
        """The requested session, or a new one when none was requested that the agent may name (SES-1, NEG-6)."""
        taken = requested != 0 and requested < SESSION_END
        session = requested if taken else next(one for one in self._new if one not in self._in_use)
        self._in_use[session] += 1
        return session

    def release(self, session: int) -> None:
        """Takes back one claim."""
        self._in_use[session] -= 1
        if self._in_use[session] == 0:
            del self._in_use[session]


@dataclass(frozen=True)
class Agreement:
    """What a handshake came to: the version spoken, and the session where v1 answered a v1 handshake."""

    version: int
    session: Optional[int]


class Agent:
    """What all connections share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._versions: list[int] = options.versions
        self._allowed: frozenset[str] = options.allowed_addresses
        self._timeout: float = options.handshake_timeout_ms / 1000
        self._slots = asyncio.Semaphore(options.max_concurrent_handshakes)
        self._sessions = Sessions()
        roots = {agent_type: getattr(options, f"{name}_root") for agent_type, name in wire.PRODUCTS.items()}
        self._root_paths = {agent_type: wire.encode_string(root) for agent_type, root in roots.items()}
        self._updates = UpdateDirectory(options.update_dir)
        self._updating = asyncio.Lock()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection from its beginning to its end."""
        agreement: Optional[Agreement] = None
        try:
            if self._is_allowed(writer):
                agreement = await self._handshake(reader, writer)
                await self._messages(agreement.version, reader, writer)
        except (Ended, asyncio.IncompleteReadError, asyncio.TimeoutError, OSError) as end:
            log(f"{writer.get_extra_info('peername')}: connection ends: {end}")
        finally:
            if agreement is not None:
                if agreement.session is not None:
                    self._sessions.release(agreement.session)
                await linger(reader, writer)
            writer.close()

    def _is_allowed(self, writer: asyncio.StreamWriter) -> bool:
        peer = writer.get_extra_info("peername")
        return not self._allowed or (peer is not None and normal_address(peer[0]) in self._allowed)

    async def _handshake(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Agreement:
        # The time begins with the slot: who waits for one is not to blame (HS-17).
        async with self._slots:
            first, second = await asyncio.wait_for(receive_handshake(reader), self._timeout)
            agreement = self._agree(first, second)
            value = agreement.version if agreement.session is None else agreement.session
            writer.write(wire.acknowledgement(value))
            return agreement

    def _agree(self, first: int, second: int) -> Agreement:
        if self._versions == [wire.V1]:
            # A v1 agent knows a version and a session ID, whoever sends them (NEG-5).
            if first != wire.V1:
                raise Ended(f"version {first} is not spoken")
            return Agreement(wire.V1, self._sessions.claim(second))
        if first == wire.V1 and second < wire.V1:
            if wire.V1 not in self._versions:
                raise Ended("version 1000 is not spoken")
            return Agreement(wire.V1, self._sessions.claim(second))
        common = [version for version in self._versions if first <= version <= second]
        if not common:
            raise Ended(f"no version from {first} to {second} is spoken")
        return Agreement(max(common), None)

    async def _messages(self, version: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = wire.V1_HEADER if version == wire.V1 else wire.V2_HEADER
        while True:
            length = await receive_length(reader)
            fields = header.unpack(await reader.readexactly(header.size))
            target, command = fields if version == wire.V1 else (wire.META, fields[0])
            answer = await self._message(version, target, command, length, reader)
            if answer is not None:
                writer.write(wire.agent_frame(command, answer))
                await writer.drain()  # who does not read is not read from

    async def _message(
        self, version: int, target: int, command: int, length: int, reader: asyncio.StreamReader
    ) -> Optional[bytes]:
        """Receives the data of one message and acts on it; returns the data of the answer, if it has one."""
        is_update = target == wire.META and command == wire.UPDATE_AGENT
        with tempfile.SpooledTemporaryFile(max_size=MAX_DATA_IN_MEMORY) as data:
            kept = await receive_data(reader, length, data.write, MAX_DATA if is_update else MAX_SMALL_DATA)
            if target in wire.PRODUCTS:
                raise Ended(f"there is no host for {wire.PRODUCTS[target]}")
            if target != wire.META:
                return None
            decoder = Decoder(data, kept)
            try:
                if is_update:
                    async with self._updating:
                        await asyncio.to_thread(self._updates.apply, data, kept)
                elif command == wire.GET_ROOT_PATH:
                    return self._root_path(decoder.byte())
                elif command == wire.OPEN_SESSION and version != wire.V1:
                    decoder.byte(), decoder.int32()
                    return struct.pack("<i", 0)  # no product has a host program (RTE-2)
            except (Malformed, OSError) as refusal:
                log(f"command {command} is refused: {refusal}")
            return None

    def _root_path(self, agent_type: int) -> bytes:
        if agent_type not in self._root_paths:
            raise Malformed(f"a root path of agent type {agent_type}")
        return self._root_paths[agent_type]


async def receive_handshake(reader: asyncio.StreamReader) -> tuple[int, int]:
    """The two numbers behind the protocol ID; ends the connection with the first wrong byte (HS-3)."""
    received = b""
    while len(received) < wire.HANDSHAKE_SIZE:
        chunk = await reader.read(wire.HANDSHAKE_SIZE - len(received))
        if not chunk:
            raise Ended(f"after {len(received)} bytes of a handshake")
        received += chunk
        if not (received.startswith(wire.PROTOCOL_ID) or wire.PROTOCOL_ID.startswith(received)):
            raise Ended("another protocol ID")
    first, second = struct.unpack_from("<ii", received, len(wire.PROTOCOL_ID))
    return first, second


async def receive_length(reader: asyncio.StreamReader) -> int:
    """The length of a message, judged before anything is made of it (FRM-6)."""
    length: int = wire.LENGTH.unpack(await reader.readexactly(wire.LENGTH.size))[0]
    if not 0 <= length <= MAX_DATA:
        raise Ended(f"a message of {length} bytes")
    return length


async def receive_data(
    reader: asyncio.StreamReader, length: int, write: Callable[[bytes], int], keep: int
) -> int:
    """Receives `length` bytes as they come, hands on the first `keep` of them, and returns how many those are."""
    received = 0
    while received < length:
        chunk = await reader.read(min(length - received, CHUNK))
        if not chunk:
            raise Ended(f"after {received} of {length} bytes of a message")
        if received < keep:
            write(chunk[: keep - received])
        received += len(chunk)
    return min(length, keep)


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Ends a connection so that its client gets the answers it is owed: a socket closed on bytes that nobody read
    is reset, and a reset discards what the client has not read yet."""
    try:
        writer.write_eof()
        await asyncio.wait_for(discard(reader), LINGER_SECONDS)
    except (OSError, asyncio.TimeoutError):
        writer.transport.abort()


async def discard(reader: asyncio.StreamReader) -> None:
    """Reads to the end."""
    while await reader.read(CHUNK):
        pass


def normal_address(text: str) -> str:
    """One spelling for each address; an IPv4 address seen through an IPv6 socket is the IPv4 address."""
    address = ipaddress.ip_address(text)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def log(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def versions(text: str) -> list[int]:
    chosen = sorted({int(word) for word in text.split(",")})
    if not set(chosen) <= {wire.V1, wire.V2}:
        raise argparse.ArgumentTypeError(f"{text!r}: known are {wire.V1} and {wire.V2}")
    return chosen


def addresses(text: str) -> frozenset[str]:
    return frozenset(normal_address(word) for word in text.split(";") if word)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: 1 or more is needed")
    return value


def root_path(text: str) -> str:
    text.encode("utf-8")  # refuses what could not be sent
    return text


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="An Inedo Agent without product hosts.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=46336)
    parser.add_argument("--versions", type=versions, default=[wire.V1, wire.V2], help="comma list of 1000 and 2000")
    parser.add_argument("--handshake-timeout-ms", type=positive, default=30000)
    parser.add_argument("--max-concurrent-handshakes", type=positive, default=100)
    parser.add_argument("--allowed-addresses", type=addresses, default=frozenset(), help="`;` between; empty = any")
    for product in wire.PRODUCTS.values():
        parser.add_argument(f"--{product}-root", type=root_path, required=True)
    parser.add_argument("--update-dir", type=Path, required=True)
    return parser.parse_args()


async def run(options: argparse.Namespace) -> None:
    server = await asyncio.start_server(Agent(options).serve, options.host, options.port, backlog=BACKLOG)
    async with server:
        await server.serve_forever()


def stop(_signal: int, _frame: Optional[FrameType]) -> None:
    """Ends the process at once: an update in the middle may be cut off at any time (see updates.py)."""
    os._exit(0)


def main() -> None:
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        asyncio.run(run(parse_options()))
    except OSError as error:
        sys.exit(f"agent.py: {error}")


if __name__ == "__main__":
    main()
