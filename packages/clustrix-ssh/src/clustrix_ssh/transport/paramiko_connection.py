"""SSH by paramiko: one TCP connection, set up for many small requests and for large files."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import paramiko

from clustrix.errors import HostUnreachable
from clustrix.runner.faults import point
from clustrix_ssh.transport import hostkeys
from clustrix_ssh.transport.interface import Ask, Target
from clustrix_ssh.transport.keys import Login, Trial
from clustrix_ssh.transport.sshconfig import HostConfig, look_up
from clustrix_ssh.transport.translated import translated

_WINDOW_BYTES = 1 << 27
_PACKET_BYTES = 1 << 15
_KEEPALIVE_SECONDS = 15
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""First, where both sides have them: five times as fast as the others here."""
_TAIL_CHARACTERS = 4000

logging.getLogger("paramiko").addHandler(logging.NullHandler())


def open_connection(target: Target, config: HostConfig, ask: Ask) -> ParamikoConnection:
    """Connect, verify the host, log in.  Raises HostUnreachable, and what is below it."""
    with _on_the_way(target, config, ask) as below:
        return _open(target, config, ask, below)


def open_hops(target: Target, config: HostConfig, ask: Ask) -> list[ParamikoConnection]:
    """Connections to the hosts that are jumped over, for several logins behind them; to be closed by ``close_hops``."""
    with _on_the_way(target, config, ask) as below:
        return below


def log_in(
    target: Target,
    config: HostConfig,
    ask: Ask,
    hops: list[ParamikoConnection],
    trial: Trial | None = None,
) -> ParamikoConnection:
    """As ``open_connection``, behind hops that stay open; ``trial``: by keys alone."""
    return _open(target, config, ask, hops, trial, owns=False)


@contextmanager
def _on_the_way(target: Target, config: HostConfig, ask: Ask) -> Iterator[list[ParamikoConnection]]:
    """Connections to the hosts that are jumped over, from the outer one in; closed if something goes wrong."""
    below: list[ParamikoConnection] = []
    try:
        for hop in config.proxy_jump:
            below.append(_open(_hop_target(hop, target), None, ask, below))
        yield below
    except BaseException:
        close_hops(below)
        raise


def close_hops(below: list[ParamikoConnection]) -> None:
    """The inner ones first."""
    for connection in reversed(below):
        connection.close()


def _hop_target(hop: str, target: Target) -> Target:
    user, _, rest = hop.rpartition("@")
    host, _, port = rest.rpartition(":") if ":" in rest and not rest.endswith("]") else (rest, "", "")
    return Target(
        host.strip("[]"), int(port) if port else None, user, connect_timeout_s=target.connect_timeout_s
    )


def _open(
    target: Target,
    config: HostConfig | None,
    ask: Ask,
    below: list[ParamikoConnection],
    trial: Trial | None = None,
    owns: bool = True,
) -> ParamikoConnection:
    """``owns``: whether those below are closed with it."""
    config = config or look_up(target)
    timeout_s = target.connect_timeout_s
    with translated(config.hostname, config.port, timeout_s):
        known = hostkeys.known_keys(config)
        transport: Any = paramiko.Transport(
            _socket(config, timeout_s, below),
            default_window_size=_WINDOW_BYTES,
            default_max_packet_size=_PACKET_BYTES,
        )
        try:
            _prefer(transport, [key.type for key in known])
            transport.banner_timeout = timeout_s
            _begin(transport, timeout_s)
            hostkeys.verify(config, transport.get_remote_server_key(), known)
            Login(config, ask, trial).run(transport)
        except BaseException:
            transport.close()
            raise
        transport.set_keepalive(_KEEPALIVE_SECONDS)
        return ParamikoConnection(transport, config, timeout_s, list(below) if owns else [])


def _begin(transport: Any, timeout_s: float) -> None:
    """Agree on keys and ciphers.  Raises SSHException, TimeoutError."""
    transport.start_client(timeout=timeout_s)
    if not transport.is_active():
        raise transport.get_exception() or TimeoutError()
    if (
        transport.remote_version == "" or transport.host_key is None
    ):  # paramiko itself says nothing when the time is over
        raise TimeoutError


def host_keys(target: Target, ask: Ask) -> list[paramiko.PKey]:
    """The keys that a host shows, one of each type, without logging in there; ``ask``: for the hosts on the way.

    Raises HostUnreachable, and what is below it.
    """
    config = look_up(target)
    with _on_the_way(target, config, ask) as below:
        found = shown_keys(target, config, below)
    close_hops(below)
    return found


def shown_keys(target: Target, config: HostConfig, below: list[ParamikoConnection]) -> list[paramiko.PKey]:
    """The same behind hops that are open, and stay so."""
    found: dict[str, paramiko.PKey] = {}
    with translated(config.hostname, config.port, target.connect_timeout_s):
        for kind in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"):
            transport: Any = paramiko.Transport(_socket(config, target.connect_timeout_s, below))
            try:
                transport.get_security_options().key_types = (kind,)
                _begin(transport, target.connect_timeout_s)
                key = transport.get_remote_server_key()
                found[key.get_name()] = key
            except paramiko.ssh_exception.IncompatiblePeer:
                continue  # it has no key of that type
            finally:
                transport.close()
    return list(found.values())


def _socket(config: HostConfig, timeout_s: float, below: list[ParamikoConnection]) -> Any:
    if below:
        return below[-1].tunnel(config.hostname, config.port)
    if config.proxy_command:
        command = config.proxy_command.replace("%h", config.hostname).replace("%p", str(config.port))
        return paramiko.ProxyCommand(
            command.replace("%r", config.user).replace("%n", config.alias).replace("%%", "%")
        )
    found = socket.create_connection((config.hostname, config.port), timeout_s)
    # Without it, a small request waits for the answer to the one before: 40 ms for each.
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _prefer(transport: Any, known: list[str]) -> None:
    options = transport.get_security_options()
    options.ciphers = sorted(
        options.ciphers, key=lambda name: _CIPHERS.index(name) if name in _CIPHERS else 9
    )
    wanted = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")}
    first = [name for kind in known for name in wanted.get(kind, (kind,))]
    # A host with several keys is asked for one that is known.
    options.key_types = sorted(options.key_types, key=lambda name: name not in first)


class ParamikoConnection:
    """A connection that is open."""

    def __init__(
        self,
        transport: Any,
        config: HostConfig,
        timeout_s: float,
        below: list[ParamikoConnection],
    ) -> None:
        self._transport = transport
        self._config = config
        self._timeout_s = timeout_s
        self._below = below

    def start(self, command: str) -> ParamikoStream:
        """Raises HostUnreachable."""
        with translated(self._config.hostname, self._config.port, self._timeout_s):
            channel = self._transport.open_session(
                window_size=_WINDOW_BYTES, max_packet_size=_PACKET_BYTES, timeout=self._timeout_s
            )
            channel.exec_command(command)
            return ParamikoStream(channel, self._config)

    def tunnel(self, host: str, port: int) -> Any:
        """A channel from there to another host."""
        with translated(self._config.hostname, self._config.port, self._timeout_s):
            try:
                return self._transport.open_channel(
                    "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=self._timeout_s
                )
            except paramiko.ssh_exception.ChannelException as error:
                raise HostUnreachable(
                    f"{self._config.alias} has not let through a connection to {host}, port {port}: {error.text}"
                ) from error

    def alive(self) -> bool:
        return bool(self._transport.is_active())

    def close(self) -> None:
        self._transport.close()
        close_hops(self._below)


class ParamikoStream:
    """A command's channel."""

    def __init__(self, channel: Any, config: HostConfig) -> None:
        self._channel = channel
        self._config = config
        self._tail = ""
        self._reading = threading.Lock()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        try:
            point("ssh.send")
            self._channel.sendall(data)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(error) from error

    def receive(self, size: int) -> bytes:
        try:
            point("ssh.receive")
            data: bytes = self._channel.recv(size)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(error) from error
        if not data and not self._channel.get_transport().is_active():
            raise self._lost(self._channel.get_transport().get_exception())
        return data

    def _lost(self, error: Exception | None) -> HostUnreachable:
        why = f": {error}" if error is not None and str(error) else ""
        return HostUnreachable(f"the connection to {self._config.alias} is lost{why}")

    def errors(self) -> str:
        with self._reading:
            deadline = time.monotonic() + 0.2  # it may come a moment after the end of the output
            while time.monotonic() < deadline:
                if self._channel.recv_stderr_ready():
                    self._tail = (self._tail + self._channel.recv_stderr(1 << 16).decode("utf-8", "replace"))[
                        -_TAIL_CHARACTERS:
                    ]
                elif self._channel.exit_status_ready() or self._channel.closed:
                    break
                else:
                    time.sleep(0.01)
        return self._tail

    def close(self) -> None:
        with suppress(EOFError, OSError, paramiko.SSHException):
            self._channel.close()
