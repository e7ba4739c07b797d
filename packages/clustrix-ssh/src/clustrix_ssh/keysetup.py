"""Sets up a key for a host: finds one or makes it, has the host let it in, and sees that it does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from clustrix.backends import Question
from clustrix.errors import ClustrixError
from clustrix.plugins.checks import OK, Check, Suggestion, failed, ok, warning
from clustrix_ssh import keycopy, keyfiles
from clustrix_ssh.agent.client import AgentError
from clustrix_ssh.errors import HostKeyChanged, HostKeyUnknown, LoginRefused, NobodyThere, NoCommonAlgorithm
from clustrix_ssh.farhost import target_of
from clustrix_ssh.keyfiles import KeyProblem, shown
from clustrix_ssh.keylogins import Logins
from clustrix_ssh.people import Ask, trusted
from clustrix_ssh.transport import hostkeys
from clustrix_ssh.transport.keys import Trial, Unread, agent_blobs, public_blob
from clustrix_ssh.transport.sshconfig import HostConfig, look_up

_TYPED = frozenset({"password", "keyboard-interactive"})
_MOST_TRIES = 3


async def set_up_key(settings: Mapping[str, Any], ask: Ask) -> AsyncIterator[Check | Suggestion]:
    """The assistant of a settings form, see ``clustrix.plugins.registry.Registry.assistant``.  Raises nothing."""
    setup = _Setup(settings, ask)
    try:
        async with aclosing(setup.run()) as steps:
            async for found in steps:
                yield found
    except NobodyThere:
        yield failed(setup.step, "nobody has answered", setup.so_far())
    except HostKeyChanged as error:
        yield failed("host key", str(error), setup.so_far())
    except NoCommonAlgorithm as error:
        yield setup.by_hand(str(error))
    except KeyProblem as error:
        yield failed(setup.step, str(error), f"{error.advice}. {setup.so_far()}")
    except AgentError as error:
        yield failed(setup.step, error.text, setup.so_far())
    except (ClustrixError, Unread) as error:
        yield failed(setup.step, str(error), setup.so_far())
    except UnicodeEncodeError:
        yield failed(setup.step, "that was no text in this terminal's encoding", setup.so_far())
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        yield failed(setup.step, f"{where}{error.strerror or error}", setup.so_far())
    finally:
        await setup.logins.close()


class _Setup:
    """One run."""

    def __init__(self, settings: Mapping[str, Any], ask: Ask) -> None:
        self._settings = settings
        self._ask = ask
        self._target = target_of(settings)
        self.logins = Logins(self._target, settings, ask)
        self.step = "connection"
        """What is being done."""
        self._changed: list[str] = []
        self._config: HostConfig
        self._usual: HostConfig
        """As it is without key_file."""
        self._named = ""
        """What key_file names."""
        self._wrong = ""
        """Why there is no private key in what key_file names."""
        self._who = ""

    def so_far(self) -> str:
        """What was changed."""
        return "; ".join(self._changed) or "nothing was changed"

    def by_hand(self, why: str) -> Check:
        """Where the system's ``ssh`` has to do it."""
        port = f" -p {self._target.port}" if self._target.port else ""
        user = f"{self._target.username}@" if self._target.username else ""
        return warning(
            "login",
            f"{self._target.host} is reached by the system's own ssh ({why}): keys are its matter",
            f"by hand: ssh-copy-id{port} {user}{self._target.host}",
        )

    async def run(self) -> AsyncGenerator[Check | Suggestion, None]:
        """All steps."""
        target = self._target
        if not target.host:
            yield failed("host", "jobs go from this machine, which needs no key", "set cluster_host first")
            return
        self._config = self._usual = await asyncio.to_thread(look_up, target)
        path = await self._look_at_named() if target.key_file else ""
        if target.ssh_client == "openssh" or (target.ssh_client == "auto" and self._config.needs_openssh):
            yield self.by_hand(self._config.needs_openssh or 'ssh_client="openssh"')
            return
        self._who = f"{self._config.user}@{target.host}"
        await self.logins.begin(self._config)
        try:
            trial = await self.logins.attempt(self._config)
        except HostKeyUnknown:
            check = await self._trust()
            yield check
            if check.state != OK:
                return
            trial = await self.logins.attempt(self._config)
        else:
            yield ok("host key", "trusted already")
        self.step = "login"
        if trial.key:
            yield self._lets_in(trial)
            for suggestion in self._suggested(trial.key, trial):
                yield suggestion
        elif "publickey" in trial.allowed:
            async for found in self._set_up(trial, path):
                yield found
        else:
            ways = ", ".join(sorted(trial.allowed))
            why = f"{target.host} takes no keys, only: {ways}" if ways else trial.why
            yield failed("login", why, f"ask who runs it; {self.so_far()}")

    async def _look_at_named(self) -> str:
        """The key that the settings mean, there or not; where they name what is none, it is first seen whether one of the usual lets in."""
        named = self._named = os.path.abspath(self._config.identity_files[0])
        self._usual = await asyncio.to_thread(look_up, self._target._replace(key_file=""))
        self._wrong = keyfiles.why_wrong(named)
        if not self._wrong:
            return named
        private = named.removesuffix(".pub")
        if self._wrong == keyfiles.PUBLIC and private != named and not keyfiles.why_wrong(private):
            self._config = self._only(private)
            return private
        self._config = self._usual
        return named if self._wrong == keyfiles.MISSING else ""

    async def _trust(self) -> Check:
        self.step = "host key"
        keys = await self.logins.shown_keys(self._config)
        path = await trusted(self._config, keys, self._ask)
        if path is None:
            return failed(
                "host key", f"{hostkeys.lookup_name(self._config)} is not trusted", "nothing was changed"
            )
        self._changed.append(f"the host's key is trusted, in {path}")
        return ok("host key", f"trusted, in {path}")

    def _only(self, path: str) -> HostConfig:
        return self._config._replace(identity_files=(path,), identities_only=True)

    def _lets_in(self, trial: Trial) -> Check:
        if not trial.besides:
            return ok("login", f"{shown(trial.key)} lets you in already: there is nothing to do")
        found = f"{shown(trial.key)} is taken already, and {self._besides(trial)}"
        return Check("login", OK, found, f"clustrix login {self._target.host} answers it, for a day's jobs")

    def _besides(self, trial: Trial) -> str:
        return f"besides it the host asks for something at each login ({', '.join(trial.besides)})"

    def _suggested(self, key: str, trial: Trial) -> list[Suggestion]:
        """What key_file should be, where it is not that already: nothing, for a key that is tried by itself."""
        usual = self._usual.identity_files
        if key == self._named:
            return []
        # One that is locked, and tried before it, would be asked about in vain.
        alone = key in usual and not set(trial.locked) & set(usual[: usual.index(key)])
        if alone or not os.path.isabs(key):
            return [Suggestion("key_file", None)] if self._wrong else []
        return [Suggestion("key_file", shown(key))]

    async def _set_up(self, trial: Trial, path: str) -> AsyncIterator[Check | Suggestion]:
        self.step = "key"
        if self._wrong and not path:
            raise KeyProblem(
                f"{shown(self._named)} {self._wrong} (key_file)", "have key_file name a private key, or none"
            )
        path = path or keyfiles.chosen(self._usual.identity_files) or keyfiles.usual_place()
        if keyfiles.why_wrong(path) == keyfiles.MISSING:
            line = await self._made(path)
            yield ok("key", f"{shown(path)} was made")
        else:
            line = await self.logins.public_line(path, await asyncio.to_thread(agent_blobs, self._config))
            if path in trial.locked:  # it is open now
                again = await self.logins.attempt(self._only(path))
                if again.key:
                    yield self._lets_in(again)
                    for suggestion in self._suggested(path, trial):
                        yield suggestion
                    return
            yield ok("key", f"{shown(path)}, which is there")
        self.step = "copy"
        told = await self._copied(trial, line)
        for check in keycopy.checks(told, self._who):
            yield check
        if "error" in told:
            return
        self.step = "login with the key"
        again = await self.logins.attempt(self._only(path))
        if not again.key:
            for check in keycopy.causes(told):
                yield check
        yield await self._outcome(again, path)
        if again.key:
            for suggestion in self._suggested(path, trial):
                yield suggestion

    async def _made(self, path: str) -> str:
        """A new key, and its line.  Raises KeyProblem, NobodyThere, OSError."""
        keyfiles.see_that_free(path)
        passphrase = await self._new_passphrase(path)
        line = await asyncio.to_thread(keyfiles.make, path, passphrase)
        self._changed.append(f"{shown(path)} was made")
        await self.logins.open_key(path, passphrase)
        self._usual = await asyncio.to_thread(
            look_up, self._target._replace(key_file="")
        )  # it may be one of these
        return line

    async def _new_passphrase(self, path: str) -> str:
        text = (
            f"A new key is made, {shown(path)}. It may have a passphrase, which is then asked for when the key is used (ssh-add remembers it).\n"
            "Left empty, nothing is asked, and whoever gets hold of the file can log in as you.\nPassphrase for the new key: "
        )
        for _ in range(_MOST_TRIES):
            first = await self._answer(text)
            if not first:
                return ""
            if len(first.encode()) > keyfiles.MOST_PASSPHRASE_BYTES:
                text = f"That was too long: at most {keyfiles.MOST_PASSPHRASE_BYTES} bytes.\nPassphrase for the new key: "
                continue
            if await self._answer("The same passphrase again: ") == first:
                return first
            text = "They were not the same.\nPassphrase for the new key: "
        raise KeyProblem("no passphrase was given twice in the same way", "start again")

    async def _answer(self, text: str) -> str:
        answer = await self._ask(Question(self._target.host, "passphrase", text))
        if answer is None:
            raise NobodyThere(text)
        return answer

    async def _copied(self, trial: Trial, line: str) -> Mapping[str, Any]:
        """Log in by whatever else the host takes, and have the key let in: what ``clustrix_ssh.authorize`` tells.

        Raises HostUnreachable, AgentError; KeyProblem where somebody else has to let the key in.
        """
        host, typed = self._target.host, trial.allowed & _TYPED
        # Keys were tried; those that are locked are asked about where there is no other way.
        config = self._usual._replace(identity_files=(), identities_only=True, agent="none")
        try:
            connection = await self.logins.typed(config if typed else self._usual)
        except LoginRefused as error:
            if typed:
                raise
            advice = f"{host} takes nothing but keys: have its administrators, or its web page, add this line: {line}"
            raise KeyProblem(str(error), advice) from error
        told = await keycopy.copy(host, connection, self._settings, line)
        await self.logins.end(connection)
        if "error" not in told:
            self._changed.append(f"the key is in {told['path']} of {self._who}")
        return told

    async def _outcome(self, trial: Trial, path: str) -> Check:
        what, host = "login with the key", self._target.host
        if not trial.key:
            return failed(
                what,
                f"{host} does not take {shown(path)}",
                "it may want keys in another place than ~/.ssh/authorized_keys, or of another kind, or others can write to your home there: "
                f"ask who runs it. {self.so_far()}",
            )
        locked = await asyncio.to_thread(keyfiles.has_passphrase, path)
        locked = locked and public_blob(path) not in await asyncio.to_thread(agent_blobs, self._config)
        advice = (
            f"ssh-add {shown(path)} keeps its passphrase, so that jobs go on while you are away"
            if locked
            else ""
        )
        found = f"{self._who} is let in with {shown(path)}"
        return Check(what, OK, f"{found}, and {self._besides(trial)}" if trial.besides else found, advice)
