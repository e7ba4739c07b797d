"""What can go wrong on the way to a host.  Each text is a sentence that says what to do."""

from __future__ import annotations

from clustrix.errors import HostUnreachable


class NoCommonAlgorithm(HostUnreachable):
    """The host and paramiko have no way to speak to one another; the system's own ``ssh`` may have one."""


class NobodyThere(HostUnreachable):
    """A person would have to answer, and nobody is there."""


class NeedsPerson(HostUnreachable):
    """It is not tried again until somebody runs ``clustrix login HOST``: a host must not be asked for a second factor unattended."""


class HostKeyUnknown(NeedsPerson):
    """The host shows a key that nobody has trusted yet."""


class HostKeyChanged(NeedsPerson):
    """The host shows another key than the one that is trusted."""


class LoginRefused(NeedsPerson):
    """The host takes none of the keys and answers that there are."""
