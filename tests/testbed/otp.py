"""A SSH server that wants a key and a code of six digits that changes every half minute (RFC 6238), as login nodes do."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import pwd
import re
import struct
import time
from pathlib import Path

from tests.testbed.sshd import Sshd

_SERVICE = "sshd-testbed-otp"
"""What PAM calls it: the name of its program."""
_STEP_SECONDS = 30


class OtpSshd:
    """``sshd`` is the server, ``code()`` what its user's device shows now."""

    def __init__(self, folder: Path, user: pwd.struct_passwd) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = os.urandom(20)
        self._rules = Path("/etc/pam.d", _SERVICE)
        secret = folder / "secret"
        secret.write_text(f'{base64.b32encode(self._key).decode()}\n" WINDOW_SIZE 5\n" TOTP_AUTH\n')
        secret.chmod(0o400)
        self._rules.write_text(
            f"auth required pam_google_authenticator.so secret={secret} user=root\n"
            "account required pam_permit.so\nsession required pam_permit.so\n"
        )
        program = folder / _SERVICE
        if not program.exists():
            program.symlink_to("/usr/sbin/sshd")
        self.sshd = Sshd(
            folder / "sshd",
            user,
            program=str(program),
            lines=[
                "UsePAM yes",
                "KbdInteractiveAuthentication yes",
                "AuthenticationMethods publickey,keyboard-interactive",
                "LogLevel VERBOSE",
            ],
        )

    def code(self) -> str:
        counter = struct.pack(">Q", int(time.time()) // _STEP_SECONDS)
        digest = hmac.new(self._key, counter, hashlib.sha1).digest()
        start = digest[-1] & 15
        return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"

    def count(self, pattern: str) -> int:
        """Lines of its log that have this."""
        return len(re.findall(pattern, (self.sshd.folder / "sshd.log").read_text()))

    def stop(self) -> None:
        self.sshd.stop()
        self._rules.unlink(missing_ok=True)
