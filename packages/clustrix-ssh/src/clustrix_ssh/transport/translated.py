"""Errors of paramiko and of sockets, as sentences that say what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import paramiko

from clustrix.errors import HostUnreachable
from clustrix_ssh.errors import LoginRefused, NoCommonAlgorithm


@contextmanager
def translated(host: str, port: int, timeout_s: float) -> Iterator[None]:
    """Whatever goes wrong within, with its cause kept.  Errors of ours pass."""
    try:
        yield
    except HostUnreachable:
        raise
    except (paramiko.SSHException, OSError, EOFError, ValueError) as error:
        raise _translated(error, host, port, timeout_s) from error


def _translated(error: Exception, host: str, port: int, timeout_s: float) -> HostUnreachable:
    there = f"{host}, port {port}"
    if isinstance(error, socket.gaierror):
        return HostUnreachable(
            f"there is no host {host!r} ({error.strerror}): see cluster_host, and ~/.ssh/config"
        )
    if isinstance(error, TimeoutError):
        return HostUnreachable(
            f"{there} has not answered within {timeout_s:g} s: is it up, and reachable from here? (ssh_connect_timeout allows more)"
        )
    if isinstance(error, paramiko.BadAuthenticationType):
        return LoginRefused(
            f"{host} takes only {', '.join(error.allowed_types)} as proof of who you are: clustrix login {host}"
        )
    if isinstance(error, paramiko.AuthenticationException):
        return LoginRefused(f"{host} does not let you in: {error}. Try: clustrix login {host}")
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return NoCommonAlgorithm(
            f'{there}: no algorithm is known to both sides ({error}). Try ssh_client="openssh"'
        )
    if isinstance(error, paramiko.ssh_exception.ChannelException):
        return HostUnreachable(f"{there} has not opened a channel: {error}")
    if isinstance(error, paramiko.ProxyCommandFailure):
        return HostUnreachable(f"{there}: its ProxyCommand has ended: {error}")
    if isinstance(error, paramiko.SSHException):
        text = str(error)
        if "banner" in text.lower():
            return HostUnreachable(f"{there} does not answer as a SSH server does ({text}): see cluster_port")
        return HostUnreachable(f"{there}: {text or type(error).__name__}")
    if isinstance(error, EOFError):
        return HostUnreachable(f"{there} has closed the connection")
    if isinstance(error, OSError):
        return _of_system(error, there)
    return HostUnreachable(f"{there}: {error}")


def _of_system(error: OSError, there: str) -> HostUnreachable:
    what = error.strerror or str(error)
    if error.errno == errno.ECONNREFUSED:
        return HostUnreachable(
            f"nothing listens on {there}: is it the right port (cluster_port), and is its SSH server up?"
        )
    if error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return HostUnreachable(f"there is no way to {there} ({what}): is a VPN needed?")
    if error.filename is not None:
        return HostUnreachable(f"{error.filename}: {what}")
    return HostUnreachable(f"the connection to {there} is broken: {what}")
