"""A way to a server that may forget the connections it has, and tell nobody: what middle boxes do."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Listens on ``port``; ``forget()`` has all open connections carry nothing any more, while new ones work."""

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        self._forgotten: threading.Event = threading.Event()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._door.accept()
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._carry, args=(*pair, self._forgotten), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, forgotten: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if not forgotten.is_set():
                    sink.sendall(data)

    def forget(self) -> None:
        self._forgotten.set()
        self._forgotten = threading.Event()

    def hang_up(self) -> None:
        """End all open connections, as a server does that leaves."""
        for one in self._open:
            with suppress(OSError):  # it was closed from its other end
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._door.close()
        for one in self._open:
            one.close()
