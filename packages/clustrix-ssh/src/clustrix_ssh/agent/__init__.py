"""The far side of a connection: one program that is sent there, and the client that talks to it."""

from __future__ import annotations
