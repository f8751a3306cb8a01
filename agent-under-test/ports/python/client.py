#!/usr/bin/env python3
"""A client of Inedo Agents, told by lines of JSON what to do: protocols 1000 and 2000, encryption none and SSL.

Reads one request a line from standard input, answers one a line on standard output in any order; see README.md.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, Optional, Union

import wire
from conversation import Conversation, Failed, Terms
from wire import Decoder

MAX_LINE = 16 << 20
CHUNK = 1 << 16
# While requests of so many bytes are under way, no further ones are read.
MAX_UNDER_WAY = 64 << 20
# A request under way takes more than its line.
REQUEST_COST = 1024
DEFAULT_TIMEOUT_MS = 30_000
# How long connections may take to end when the input has ended.
END_SECONDS = 1.0

AGENT_TYPES = {"meta": wire.META, **{name: number for number, name in wire.PRODUCTS.items()}}
INT32 = range(-(2**31), 2**31)
INT64 = range(-(2**63), 2**63)

Members = dict[str, Any]
Operation = Callable[[], Awaitable[Members]]


def usage(message: str) -> NoReturn:
    raise Failed("usage", message)


def integer(members: Members, name: str, among: range) -> int:
    value = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value not in among:
        usage(f"`{name}` is no number from {among.start} to {among.stop - 1}: {value!r:.100}")
    return value


def text(members: Members, name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        usage(f"`{name}` is no text: {value!r:.100}")
    return value


def hexadecimal(members: Members, name: str) -> bytes:
    value = text(members, name)
    if len(value) % 2 or not re.fullmatch("[0-9a-fA-F]*", value):
        usage(f"`{name}` is not hexadecimal")
    return bytes.fromhex(value)


def listed(members: Members, name: str) -> list[Any]:
    value = members.get(name)
    if not isinstance(value, list):
        usage(f"`{name}` is no list: {value!r:.100}")
    return value


def object_of(value: Any, name: str) -> Members:
    if not isinstance(value, dict):
        usage(f"`{name}` is no object: {value!r:.100}")
    return value


def choice(members: Members, name: str, choices: list[str]) -> str:
    value = members.get(name, choices[0])
    if value not in choices:
        usage(f"`{name}` is none of {', '.join(choices)}: {value!r:.100}")
    return str(value)


def agent_type(members: Members, name: str) -> int:
    value = members.get(name)
    if isinstance(value, str) and value in AGENT_TYPES:
        return AGENT_TYPES[value]
    return integer(members, name, range(256))


def encoded(value: str) -> bytes:
    try:
        return wire.encode_string(value)
    except UnicodeEncodeError as error:
        usage(f"no text that UTF-8 could hold: {error}")


def update_file(value: Any) -> bytes:
    """A file of an Update Agent message (MTA-1). Whether an agent would take it is not looked at."""
    file = object_of(value, "a file")
    ticks = text(file, "modified_ticks")
    if not re.fullmatch("[0-9]{1,19}", ticks) or int(ticks) > wire.MAX_TICKS:
        usage(f"`modified_ticks` is no number from 0 to {wire.MAX_TICKS}: {ticks!r:.100}")
    contents = hexadecimal(file, "contents")
    return encoded(text(file, "name")) + struct.pack("<qi", int(ticks), len(contents)) + contents


def update_files(members: Members, name: str) -> bytes:
    files = listed(members, name)
    return struct.pack("<i", len(files)) + b"".join(map(update_file, files))


def milliseconds(members: Members, default: float) -> float:
    """The timeout of a request in seconds."""
    return integer(members, "timeout_ms", range(2**63)) / 1000 if "timeout_ms" in members else default


def client_context(authority: Optional[str]) -> ssl.SSLContext:
    """Trust in one authority, or in those of the system; TLS 1.2 or newer."""
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def trust(members: Members, host: str) -> tuple[Callable[[], ssl.SSLContext], str]:
    """How the certificate of an agent is judged, and the name that it must be for (TLS-3)."""
    if members.get("tls") is None:
        return lambda: client_context(None), host
    tls = object_of(members["tls"], "tls")
    name = text(tls, "name") if "name" in tls else host
    authority = text(tls, "ca_pem") if "ca_pem" in tls else None
    verify = tls.get("verify", True)
    if not isinstance(verify, bool):
        usage("`verify` is neither true nor false")
    try:
        context = client_context(authority)
    except OSError as error:
        usage(f"`ca_pem` cannot be read: {error}")
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return lambda: context, name


def terms(members: Members) -> Terms:
    """What a connect says."""
    protocol = object_of(members.get("protocol"), "protocol")
    version = integer(protocol, "version", range(1, 3))
    if version == 1:
        lowest, highest = wire.V1, integer(protocol, "session", INT32)
    else:
        lowest, highest = integer(protocol, "min", INT32), integer(protocol, "max", INT32)
    dialect = object_of(members.get("dialect", {}), "dialect")
    choice(dialect, "aes_padding", ["pkcs7", "zeros"])
    if "aes_key" in members and len(hexadecimal(members, "aes_key")) not in (16, 32):
        usage("`aes_key` is neither 16 nor 32 bytes long")
    host = text(members, "host")
    context, tls_name = trust(members, host)
    return Terms(
        host=host,
        port=integer(members, "port", range(1 << 16)),
        lowest=lowest,
        highest=highest,
        is_v1=version == 1,
        has_key="aes_key" in members,
        require=choice(members, "require", ["ssl", "aes"]) if "require" in members else None,
        tls=context,
        tls_name=tls_name,
        version_numbers=4 if choice(dialect, "server_version", ["int32", "int32x4"]) == "int32x4" else 1,
        any_response=choice(dialect, "response_code", ["echo", "any"]) == "any",
        timeout=milliseconds(members, DEFAULT_TIMEOUT_MS / 1000),
    )


def operation(conversation: Conversation, members: Members) -> Operation:
    """What an op on a connection does; its parameters are looked at before anything happens."""
    op = members["op"]
    if op == "send":
        command, data = integer(members, "command", INT32), hexadecimal(members, "data")
        return lambda: done(conversation.send(lambda: agent_type(members, "target"), command, data))
    if op == "update_agent":
        kind = bytes([agent_type(members, "agent_type")])
        data = kind + update_files(members, "assemblies") + update_files(members, "extensions")
        return lambda: done(conversation.send(lambda: wire.META, wire.UPDATE_AGENT, data))
    if op == "get_root_path":
        product = bytes([agent_type(members, "agent_type")])
        return lambda: told("path", conversation.ask(wire.GET_ROOT_PATH, product, Decoder.string))
    if op == "open_session":
        wanted = struct.pack("<Bi", agent_type(members, "agent_type"), integer(members, "session", INT32))
        return lambda: told("session", conversation.ask(wire.OPEN_SESSION, wanted, Decoder.int32))
    if op == "receive":
        return lambda: received(conversation)
    return lambda: done(conversation.close())


async def done(finished: Awaitable[None]) -> Members:
    await finished
    return {}


async def told(name: str, value: Awaitable[Union[str, int]]) -> Members:
    return {name: await value}


async def received(conversation: Conversation) -> Members:
    command, data = await conversation.receive()
    return {"command": command, "data": data.hex()}


OPERATIONS = ["send", "update_agent", "get_root_path", "open_session", "receive", "close"]


class Driver:
    """Turns lines into operations on connections, and what comes of them into lines."""

    def __init__(self, answer: Callable[[Members], None]) -> None:
        self._answer = answer
        self._connections: dict[int, Conversation] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._under_way = 0
        self._progress = asyncio.Event()

    async def line(self, line: bytes) -> None:
        """Takes on a request. Waits only while too much is under way."""
        try:
            members = request(line)
        except Failed as failure:
            self._fail(None, failure)
            return
        try:
            work, timeout = self._begin(members)
        except Failed as failure:
            self._fail(members["id"], failure)
            return
        cost = len(line) + REQUEST_COST
        while self._under_way and self._under_way + cost > MAX_UNDER_WAY:
            self._progress.clear()
            await self._progress.wait()
        self._under_way += cost
        task = asyncio.create_task(self._perform(members["id"], work, timeout, cost))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _begin(self, members: Members) -> tuple[Operation, float]:
        op = members.get("op")
        if op == "connect":
            conversation = Conversation(terms(members))
            self._count += 1
            number = self._count
            return lambda: self._connect(number, conversation), conversation.timeout
        if not isinstance(op, str):
            usage("there is no `op`")
        if op not in OPERATIONS:
            raise Failed("unsupported", f"there is no op {op!r:.100}")
        number = integer(members, "conn", INT64)
        if number not in self._connections:
            usage(f"there is no connection {number}")
        conversation = self._connections[number]
        return operation(conversation, members), milliseconds(members, conversation.timeout)

    async def _connect(self, number: int, conversation: Conversation) -> Members:
        agreed = await conversation.connect()
        self._connections[number] = conversation
        return {"conn": number, **agreed}

    async def _perform(self, request_id: Any, work: Operation, timeout: float, cost: int) -> None:
        try:
            result = await asyncio.wait_for(work(), timeout)
            self._answer({"id": request_id, "ok": result})
        except asyncio.TimeoutError:
            self._fail(request_id, Failed("timeout", f"not within {timeout} s"))
        except Failed as failure:
            self._fail(request_id, failure)
        finally:
            self._under_way -= cost
            self._progress.set()

    def _fail(self, request_id: Any, failure: Failed) -> None:
        self._answer({"id": request_id, "error": {"kind": failure.kind, "message": str(failure)}})

    async def end(self) -> None:
        """The input has ended: what was asked to close may do so."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)


def request(line: bytes) -> Members:
    """A line as a request that can be answered."""
    if len(line) > MAX_LINE:
        usage("a line of more than 16 MiB")
    try:
        members = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        usage(f"no JSON: {error}")
    if not isinstance(members, dict) or isinstance(members.get("id"), (type(None), bool, dict, list)):
        usage("no object with an id")
    return members


async def lines(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines without their ends. Of one that is too long comes just enough to see that it is."""
    line = bytearray()
    while chunk := await reader.read(CHUNK):
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line += end
            yield bytes(line)
            line.clear()
        if len(line) <= MAX_LINE:
            line += rest
    if line:
        yield bytes(line)


def write_answer(answer: Members) -> None:
    sys.stdout.write(json.dumps(answer, separators=(",", ":")) + "\n")
    sys.stdout.flush()


async def main() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    driver = Driver(write_answer)
    async for line in lines(reader):
        await driver.line(line)
    await driver.end()


if __name__ == "__main__":
    asyncio.run(main())
