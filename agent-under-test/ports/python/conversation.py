"""One connection of a client: handshake, acknowledgement, TLS, messages, and what they answer.

Everything happens on one event loop. Operations are coroutines that end with a result or raise `Failed`; the order in
which they are called is the order in which their bytes go out.
"""

from __future__ import annotations

import asyncio
import io
import ssl
import struct
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Optional, TypeVar

import wire
from wire import Decoder, Malformed

# FRM-6: a longer message ends the connection.
MAX_DATA = 64 << 20
# With so many bytes waiting to be received, nothing more is read.
MAX_WAITING = 64 << 20
# What a message that waits takes beside its data.
MESSAGE_COST = 256
CHUNK = 1 << 16
# How long the agent may go on sending after the end of a connection, before it is broken off.
LINGER_SECONDS = 1.0

ENCRYPTION_SSL = 1
ENCRYPTION_AES = 2

Result = TypeVar("Result")


class Failed(Exception):
    """An operation failed: the kind is a word of the contract, the message is for people."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Terms:
    """What a client is told about a connection before it is made."""

    host: str
    port: int
    # The numbers of the handshake: in v1 the version and the session, in v2 a range of versions.
    lowest: int
    highest: int
    is_v1: bool
    has_key: bool
    require: Optional[str]
    tls: Callable[[], ssl.SSLContext]
    tls_name: str
    # How many numbers the server version has.
    version_numbers: int
    any_response: bool
    timeout: float


class Conversation:
    """A connection from its beginning to its end."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._tls: Optional[Tls] = None
        self._version = wire.V1
        self._failure: Optional[Failed] = None
        self._is_closed = False
        self._received = bytearray()
        # Requests in the order sent: command, and who waits. Nobody waits for one that timed out.
        self._requests: deque[tuple[int, Optional[asyncio.Future[bytes]]]] = deque()
        self._messages: deque[tuple[int, bytes]] = deque()
        self._waiting_bytes = 0
        self._receivers: deque[asyncio.Future[tuple[int, bytes]]] = deque()
        self._room = asyncio.Event()
        self._sending = asyncio.Lock()
        self._listening: Optional[asyncio.Task[None]] = None
        self._ending: Optional[asyncio.Task[None]] = None

    @property
    def timeout(self) -> float:
        """How long an operation may take that does not say it."""
        return self._terms.timeout

    async def connect(self) -> dict[str, Any]:
        """Makes the connection and tells what was agreed on."""
        terms = self._terms
        try:
            self._reader, self._writer = await asyncio.open_connection(terms.host, terms.port)
        except OSError as error:
            raise Failed("refused", str(error)) from None
        try:
            agreed = await self._agree()
        except BaseException:
            await self._flush_alert()
            self._writer.transport.abort()
            raise
        self._listening = asyncio.create_task(self._listen())
        return agreed

    async def _agree(self) -> dict[str, Any]:
        terms = self._terms
        try:
            self._writer.write(wire.PROTOCOL_ID + struct.pack("<ii", terms.lowest, terms.highest))
            (mode,) = struct.unpack("<b", await self._reader.readexactly(1))
            self._judge_mode(mode)
            numbers = f"<{1 + terms.version_numbers}i"
            value, *version = struct.unpack(numbers, await self._reader.readexactly(struct.calcsize(numbers)))
        except (asyncio.IncompleteReadError, OSError) as end:
            raise Failed("closed", f"the connection ended in the handshake: {end}") from None
        session = self._judge_value(value)
        if mode == ENCRYPTION_SSL:
            self._tls = Tls(terms.tls(), terms.tls_name)
            await self._negotiate(self._tls)
        version += [0] * (4 - len(version))
        return {
            "encryption": mode,
            "speaks": self._version,
            "session": session,
            "server_version": ".".join(map(str, version)),
        }

    def _judge_mode(self, mode: int) -> None:
        modes = {wire.ENCRYPTION_NONE: None, ENCRYPTION_SSL: "ssl", ENCRYPTION_AES: "aes"}
        if mode not in modes:
            raise Failed("protocol", f"there is no encryption mode {mode}")
        if self._terms.require is not None and modes[mode] != self._terms.require:
            raise Failed("protocol", f"the agent has encryption mode {mode}, {self._terms.require} is required")
        if mode == ENCRYPTION_AES:
            kind = "unsupported" if self._terms.has_key else "crypto"
            raise Failed(kind, "the agent requires AES, which this client does not have")

    def _judge_value(self, value: int) -> Optional[int]:
        """Takes over the version; tells the session of an agent of v1 (HS-6, HS-7, NEG-6)."""
        terms = self._terms
        if terms.is_v1 or (value < wire.V1 and terms.lowest == wire.V1):
            self._version = wire.V1
            return value
        if value < wire.V1 or not terms.lowest <= value <= terms.highest:
            raise Failed("protocol", f"the agent says {value}, which is not {terms.lowest} to {terms.highest}")
        if value not in (wire.V1, wire.V2):
            raise Failed("unsupported", f"the agent picks version {value}, which this client does not know")
        self._version = value
        return None

    async def _negotiate(self, tls: Tls) -> None:
        while not tls.negotiate():
            await self._write(tls.outgoing())
            tls.incoming(await self._read())
        await self._write(tls.outgoing())

    async def _read(self) -> bytes:
        try:
            read = await self._reader.read(CHUNK)
        except OSError as error:
            raise Failed("closed", f"the agent broke the connection off: {error}") from None
        if not read:
            raise Failed("closed", "the agent ended the connection")
        return read

    async def _write(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise Failed("closed", f"the agent broke the connection off: {error}") from None

    async def _listen(self) -> None:
        """Reads messages until the end, which it keeps."""
        try:
            # Bytes may have come behind the TLS handshake.
            self._take_in(b"")
            while True:
                self._take_in(await self._read())
                while self._waiting_bytes > MAX_WAITING:
                    self._room.clear()
                    await self._room.wait()
        except Failed as failure:
            await self._fail(failure)

    def _take_in(self, read: bytes) -> None:
        try:
            if self._tls is None:
                self._received += read
            else:
                self._tls.incoming(read)
                for plain in self._tls.plaintext():
                    self._received += plain
        finally:
            self._split()

    def _split(self) -> None:
        """Takes the whole messages off what was received (FRM-3 to FRM-6)."""
        at = 0
        try:
            while len(self._received) >= at + wire.LENGTH.size:
                (length,) = wire.LENGTH.unpack_from(self._received, at)
                if not 0 <= length <= MAX_DATA:
                    raise Failed("protocol", f"a message of {length} bytes")
                start = at + wire.LENGTH.size + wire.V2_HEADER.size
                if len(self._received) < start + length:
                    break
                (command,) = wire.V2_HEADER.unpack_from(self._received, start - wire.V2_HEADER.size)
                self._deliver(command, bytes(self._received[start : start + length]))
                at = start + length
        finally:
            del self._received[:at]

    def _deliver(self, command: int, data: bytes) -> None:
        for index, (asked, waiting) in enumerate(self._requests):
            if self._terms.any_response or asked == command:
                del self._requests[index]
                if waiting is not None and not waiting.done():
                    waiting.set_result(data)
                return
        while self._receivers:
            receiver = self._receivers.popleft()
            if not receiver.done():
                receiver.set_result((command, data))
                return
        self._messages.append((command, data))
        self._waiting_bytes += len(data) + MESSAGE_COST

    async def _fail(self, failure: Failed) -> None:
        if self._failure is None:
            self._failure = failure
            self._end_all(failure)
            await self._flush_alert()
            self._writer.close()

    async def _flush_alert(self) -> None:
        """What TLS has to say about an end goes out before it, if anybody listens."""
        if self._tls is not None:
            try:
                self._writer.write(self._tls.outgoing())
                await asyncio.wait_for(self._writer.drain(), LINGER_SECONDS)
            except (OSError, asyncio.TimeoutError):
                pass

    def _end_all(self, failure: Failed) -> None:
        waiting = [waiting for _, waiting in self._requests if waiting is not None]
        for future in [*waiting, *self._receivers]:
            if not future.done():
                future.set_exception(failure)
        self._requests.clear()
        self._receivers.clear()

    def _usable(self) -> None:
        if self._is_closed:
            raise Failed("usage", "the connection is closed")
        if self._failure is not None:
            raise self._failure

    async def send(self, target: Callable[[], int], command: int, data: bytes) -> None:
        """Sends a message. The target is asked for in v1 only, which alone tells it."""
        self._usable()
        await self._in_turn(lambda: self._send_frame(target, command, data))

    async def _in_turn(self, step: Callable[[], Awaitable[None]]) -> None:
        async with self._sending:
            self._usable()
            await step()

    async def _send_frame(self, target: Callable[[], int], command: int, data: bytes) -> None:
        if self._version == wire.V1:
            header = wire.V1_HEADER.pack(target(), command)
        else:
            header = wire.V2_HEADER.pack(command)
        frame = wire.LENGTH.pack(len(data)) + header + data
        try:
            await self._write(frame if self._tls is None else self._tls.sealed(frame))
        except Failed as failure:
            # What came before the end can still be received: the listener finds the end by itself.
            raise self._failure or failure from None

    async def ask(self, command: int, data: bytes, read: Callable[[Decoder], Result]) -> Result:
        """Sends a request to the agent itself, and reads the answer."""
        self._usable()
        if command == wire.OPEN_SESSION and self._version == wire.V1:
            raise Failed("unsupported", "version 1000 has no Open Session")
        waiting: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def send() -> None:
            self._requests.append((command, waiting))
            await self._send_frame(lambda: wire.META, command, data)

        try:
            await self._in_turn(send)
            answer = await waiting
        finally:
            self._abandon(waiting)
        try:
            return read(Decoder(io.BytesIO(answer), len(answer)))
        except Malformed as error:
            raise Failed("protocol", f"a malformed answer: {error}") from None

    def _abandon(self, waiting: asyncio.Future[bytes]) -> None:
        """Nobody waits for an answer any more: when it comes, it is dropped."""
        for index, (command, future) in enumerate(self._requests):
            if future is waiting:
                self._requests[index] = (command, None)

    async def receive(self) -> tuple[int, bytes]:
        """The next message that answers no request."""
        if self._messages and not self._is_closed:
            command, data = self._messages.popleft()
            self._waiting_bytes -= len(data) + MESSAGE_COST
            self._room.set()
            return command, data
        self._usable()
        receiver: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._receivers.append(receiver)
        return await receiver

    async def close(self) -> None:
        """Ends the connection behind everything that was to be sent."""
        self._usable()
        await self._in_turn(self._finish)

    async def _finish(self) -> None:
        self._is_closed = True
        if self._tls is not None:
            self._writer.write(self._tls.closing())
        self._writer.write_eof()
        self._end_all(Failed("usage", "the connection is closed"))
        self._ending = asyncio.create_task(self._linger())

    async def _linger(self) -> None:
        """Lets the agent have everything: a socket that is closed with bytes unread breaks the connection off."""
        if self._listening is not None:
            self._listening.cancel()
        try:
            await asyncio.wait_for(self._drop_input(), LINGER_SECONDS)
        except (OSError, asyncio.TimeoutError):
            pass
        self._writer.close()

    async def _drop_input(self) -> None:
        while await self._reader.read(CHUNK):
            pass


class Tls:
    """The client's side of TLS, without the socket (TLS-1)."""

    def __init__(self, context: ssl.SSLContext, name: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        try:
            self._session = context.wrap_bio(self._in, self._out, server_hostname=name)
        except ValueError as error:
            raise Failed("usage", f"no name of a server: {name!r}: {error}") from None

    def incoming(self, data: bytes) -> None:
        """Bytes came."""
        self._in.write(data)

    def outgoing(self) -> bytes:
        """Bytes to be sent."""
        return self._out.read()

    def negotiate(self) -> bool:
        """Goes on with the TLS handshake; tells whether it is done."""
        try:
            self._session.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise Failed("tls", str(error)) from None
        return True

    def plaintext(self) -> Iterator[bytes]:
        """What has come, in the clear."""
        while True:
            try:
                piece = self._session.read(CHUNK)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLZeroReturnError:
                piece = b""
            except ssl.SSLError as error:
                raise Failed("tls", str(error)) from None
            if not piece:
                raise Failed("closed", "the agent ended the connection")
            yield piece

    def sealed(self, data: bytes) -> bytes:
        """Bytes to be sent for some in the clear, behind those that are to be sent anyway."""
        try:
            self._session.write(data)
        except ssl.SSLError as error:
            raise Failed("tls", str(error)) from None
        return self._out.read()

    def closing(self) -> bytes:
        """Bytes to be sent at the end: close_notify."""
        try:
            self._session.unwrap()
        except ssl.SSLError:
            pass  # the agent's close_notify is not waited for
        return self._out.read()
