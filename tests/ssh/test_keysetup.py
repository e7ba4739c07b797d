"""Setting up a key: made if need be, copied to the host, and seen to let in; nothing is written over, and no secret stays anywhere."""

from __future__ import annotations

import asyncio
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clustrix.backends import Question
from clustrix.plugins.checks import Check, Suggestion
from clustrix_ssh.keysetup import set_up_key
from tests.ssh.support import know, until
from tests.ssh.watching import Watch
from tests.testbed.otp import OtpSshd
from tests.testbed.packages import why_not
from tests.testbed.sshd import Sshd, make_key
from tests.testbed.user import cluster_user, remove_for, write_for

USER = "clxkeys"
"""Its own, since its home's mode and its keys are changed here."""
PASSWORD = "Tr0ub4dor-of-the-host"
PASSPHRASE = "correct-horse-battery"
TAKES_PASSWORDS = ["StrictModes yes", "AuthorizedKeysFile .ssh/authorized_keys", "PasswordAuthentication yes"]

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "state")]

Make = Callable[..., Sshd]


@pytest.fixture(scope="module")
def owner(user: pwd.struct_passwd) -> Iterator[pwd.struct_passwd]:
    """Somebody with a password."""
    found = cluster_user(USER)
    subprocess.run(["chpasswd"], input=f"{USER}:{PASSWORD}\n", text=True, check=True)
    yield found
    subprocess.run(["userdel", "-r", "-f", USER], check=True, capture_output=True)


@pytest.fixture(scope="module")
def make(owner: pwd.struct_passwd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """A server for that user."""
    made: list[Sshd] = []

    def one(*lines: str, **more: Any) -> Sshd:
        folder = tmp_path_factory.mktemp("sshd")
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        made.append(Sshd(folder, owner, lines=lines, **more))
        return made[-1]

    yield one
    for server in made:
        server.stop()


@pytest.fixture(scope="module")
def usual(make: Make) -> Sshd:
    return make(*TAKES_PASSWORDS)


@pytest.fixture
def server(usual: Sshd, home: Path, owner: pwd.struct_passwd) -> Iterator[Sshd]:
    """One that takes passwords, and knows no keys yet; no connection to it is left behind."""
    know(home, usual)
    remove_for(owner, ".ssh")
    yield usual
    until(lambda: usual.connections() == [])
    cluster_user(USER)


class Person:
    """Answers each kind of question with what is next; None when that is used up."""

    def __init__(self, **answers: list[str]) -> None:
        self.asked: list[Question] = []
        self._answers = answers

    async def __call__(self, question: Question) -> str | None:
        self.asked.append(question)
        left = self._answers.get(question.kind, [])
        return left.pop(0) if left else None

    def kinds(self) -> list[str]:
        return [question.kind for question in self.asked]


def settings(server: Sshd, **more: object) -> dict[str, object]:
    found = {**server.settings, "remote_work_dir": "~/.clustrix-keys", **more}
    return found if "key_file" in more else {**found, "key_file": None}


def run(values: dict[str, object], person: Person) -> list[Check | Suggestion]:
    async def main() -> list[Check | Suggestion]:
        return [found async for found in set_up_key(values, person)]

    return asyncio.run(main())


def states(found: list[Check | Suggestion]) -> list[tuple[str, str]]:
    return [(one.what, one.state) for one in found if isinstance(one, Check)]


def suggested(found: list[Check | Suggestion]) -> list[Suggestion]:
    return [one for one in found if isinstance(one, Suggestion)]


def last(found: list[Check | Suggestion]) -> Check:
    assert isinstance(found[-1], Check), found
    return found[-1]


def authorized(owner: pwd.struct_passwd) -> Path:
    return Path(owner.pw_dir, ".ssh", "authorized_keys")


def by_ssh(server: Sshd, home: Path, key: Path) -> str:
    """OpenSSH's own view of it."""
    options = ["-F", str(home / ".ssh" / "config"), "-o", "BatchMode=yes", "-i", str(key)]
    command = ["ssh", *options, "-p", str(server.port), f"{USER}@{server.host}", "id -un"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or done.stderr


ALL = [("host key", "ok"), ("key", "ok"), ("copy", "ok"), ("login with the key", "ok")]


def test_new_key_lets_in(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """One password, and never again; what was made is as ssh-keygen makes it.  A second time there is nothing to do."""
    shutil.rmtree(home / ".ssh" / "none", ignore_errors=True)
    person = Person(passphrase=[""], password=[PASSWORD])
    found = run(settings(server), person)
    assert states(found) == ALL, found
    assert suggested(found) == []
    assert person.kinds() == ["passphrase", "password"]
    assert "whoever gets hold of the file" in person.asked[0].text
    key = home / ".ssh" / "id_ed25519"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.with_suffix(".pub").stat().st_mode & 0o777 == 0o644
    public = subprocess.run(["ssh-keygen", "-y", "-f", str(key)], capture_output=True, text=True, check=True)
    line = key.with_suffix(".pub").read_text()
    assert line.split()[:2] == public.stdout.split()[:2]
    assert "@" in line.split()[2]
    assert authorized(owner).read_text() == line
    assert authorized(owner).stat().st_mode & 0o777 == 0o600
    assert authorized(owner).parent.stat().st_mode & 0o777 == 0o700
    assert by_ssh(server, home, key) == USER
    assert sorted(path.name for path in (home / ".ssh").iterdir()) == [
        "config",
        "id_ed25519",
        "id_ed25519.pub",
        "known_hosts",
    ]
    again = run(settings(server), Person())
    assert states(again) == [("host key", "ok"), ("login", "ok")]
    assert "~/.ssh/id_ed25519" in last(again).found
    assert authorized(owner).read_text() == line


def test_secrets_are_nowhere(
    server: Sshd, home: Path, owner: pwd.struct_passwd, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Passphrase and password: in no process list, no file, no log."""
    caplog.set_level("DEBUG")
    person = Person(passphrase=[PASSPHRASE, PASSPHRASE], password=[PASSWORD])
    with Watch(PASSPHRASE, PASSWORD) as watch:
        found = run(settings(server), person)
    assert states(found) == ALL, found
    assert "ssh-add ~/.ssh/id_ed25519" in last(found).advice
    assert person.kinds() == ["passphrase", "passphrase", "password"]
    assert watch.looks > 10
    assert watch.seen == []
    for folder in (home, Path(owner.pw_dir), server.folder, tmp_path):
        for path in folder.rglob("*"):
            if path.is_file():
                assert not {PASSPHRASE.encode(), PASSWORD.encode()} & {
                    one for one in (PASSPHRASE.encode(), PASSWORD.encode()) if one in path.read_bytes()
                }, path
    assert PASSPHRASE not in caplog.text
    assert PASSWORD not in caplog.text
    key = str(home / ".ssh" / "id_ed25519")
    subprocess.run(["ssh-keygen", "-y", "-P", PASSPHRASE, "-f", key], check=True, capture_output=True)
    wrong = subprocess.run(["ssh-keygen", "-y", "-P", "", "-f", key], check=False, capture_output=True)
    assert wrong.returncode != 0
    once = Person(passphrase=["a wrong one", PASSPHRASE])
    again = run(settings(server), once)
    assert states(again) == [("host key", "ok"), ("login", "ok")]
    assert once.kinds() == ["passphrase", "passphrase"]


def test_passphrase_has_to_be_typed_twice(server: Sshd, home: Path) -> None:
    """Three times otherwise, and nothing is made; one that is too long for the file's format is asked for again."""
    found = run(settings(server), Person(passphrase=["one", "two"] * 3))
    assert states(found)[-1] == ("key", "failed")
    assert "nothing was changed" in last(found).advice
    person = Person(passphrase=["x" * 73, "short", "short"])
    found = run(settings(server, key_file="~/keys/new"), person)
    assert "too long" in person.asked[1].text
    assert states(found)[-1] == ("copy", "failed")
    assert (home / "keys").stat().st_mode & 0o777 == 0o700


def test_key_that_is_there_is_used(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """Not one of its bytes is changed; a public part that is missing is made from the private one."""
    key = make_key(home / ".ssh" / "id_rsa", "rsa", PASSPHRASE)
    public = key.with_suffix(".pub")
    before, line = key.read_bytes(), public.read_text()
    public.unlink()
    person = Person(passphrase=[PASSPHRASE], password=[PASSWORD])
    found = run(settings(server), person)
    assert states(found) == ALL, found
    assert person.kinds() == ["passphrase", "password"]
    assert key.read_bytes() == before
    assert public.read_text().split()[:2] == line.split()[:2]
    assert authorized(owner).read_text().split()[:2] == line.split()[:2]


@pytest.mark.parametrize("there", ["id_ed25519.pub", "link", "other's"])
def test_nothing_is_written_over(
    server: Sshd, home: Path, tmp_path: Path, owner: pwd.struct_passwd, there: str
) -> None:
    """A public part alone, a link to nothing, the public part of another key."""
    folder = home / ".ssh"
    if there == "link":
        (folder / "id_ed25519").symlink_to(tmp_path / "away")
    elif there == "other's":
        make_key(folder / "id_ed25519")
        shutil.copy(make_key(tmp_path / "other").with_suffix(".pub"), folder / "id_ed25519.pub")
    else:
        (folder / there).write_text("ssh-ed25519 AAAA mine\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.exists()}
    found = run(settings(server), Person(passphrase=["", "", ""], password=[PASSWORD]))
    assert states(found)[-1] == ("key", "failed")
    assert "nothing was changed" in last(found).advice
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.exists()} == before
    assert not (tmp_path / "away").exists()
    assert not authorized(owner).exists()


def test_named_key_that_is_not_there_is_made_there(server: Sshd, home: Path) -> None:
    """And not, where another lets in: then none has to be named."""
    found = run(settings(server, key_file="~/.ssh/cluster"), Person(passphrase=[""], password=[PASSWORD]))
    assert states(found) == ALL, found
    assert suggested(found) == []
    assert (home / ".ssh" / "cluster").exists()
    public = run(settings(server, key_file="~/.ssh/cluster.pub"), Person())
    assert suggested(public) == [Suggestion("key_file", "~/.ssh/cluster")]
    for end in ("", ".pub"):
        (home / ".ssh" / f"cluster{end}").rename(home / ".ssh" / f"id_ed25519{end}")
    again = run(settings(server, key_file="~/.ssh/cluster"), Person())
    assert states(again) == [("host key", "ok"), ("login", "ok")]
    assert suggested(again) == [Suggestion("key_file", None)]
    (home / ".ssh" / "cluster").write_text("no key\n")
    assert suggested(run(settings(server, key_file="~/.ssh/cluster"), Person())) == [
        Suggestion("key_file", None)
    ]


def test_key_that_is_not_tried_by_itself_is_suggested(server: Sshd, home: Path) -> None:
    """The configuration of ssh names another for that host, which is not there."""
    with open(home / ".ssh" / "config", "a") as file:
        file.write("  IdentityFile ~/.ssh/other\n")
    found = run(settings(server), Person(passphrase=[""], password=[PASSWORD]))
    assert states(found) == ALL, found
    assert suggested(found) == [Suggestion("key_file", "~/.ssh/id_ed25519")]


def test_file_there_is_kept_as_it_is(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """Without an end of line, behind a link, writable by the group: a line is added, once, and sshd is given no reason to refuse."""
    write_for(owner, Path(owner.pw_dir, ".ssh", "keys"), "# mine\nssh-rsa AAAA other", 0o664)
    authorized(owner).symlink_to("keys")
    found = run(settings(server), Person(passphrase=[""], password=[PASSWORD]))
    assert states(found) == ALL, found
    assert authorized(owner).is_symlink()
    first, second, third = authorized(owner).read_text().splitlines()
    assert (first, second) == ("# mine", "ssh-rsa AAAA other")
    assert third == (home / ".ssh" / "id_ed25519.pub").read_text().strip()
    assert authorized(owner).stat().st_mode & 0o777 == 0o644


def test_home_that_others_can_write_to_is_told(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """It is left as it is; what was copied is copied once."""
    Path(owner.pw_dir).chmod(0o770)
    for passphrases in ([""], []):
        found = run(settings(server), Person(passphrase=passphrases, password=[PASSWORD]))
        assert states(found) == [*ALL[:3], ("modes", "warning"), ("login with the key", "failed")], found
        warned = found[3]
        assert isinstance(warned, Check)
        assert f"{owner.pw_dir} there has mode 0770" in warned.found
        assert "chmod go-w" in warned.advice
        assert suggested(found) == []
    assert Path(owner.pw_dir).stat().st_mode & 0o777 == 0o770
    assert len(authorized(owner).read_text().splitlines()) == 1
    Path(owner.pw_dir).chmod(0o700)
    assert states(run(settings(server), Person()))[-1] == ("login", "ok")


def test_key_with_options_is_told(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """It is not added once more."""
    line = make_key(home / ".ssh" / "id_ed25519").with_suffix(".pub").read_text()
    write_for(owner, authorized(owner), f'from="192.0.2.1",no-pty {line}')
    found = run(settings(server), Person(password=[PASSWORD]))
    assert states(found)[2:] == [("copy", "warning"), ("login with the key", "failed")], found
    assert len(authorized(owner).read_text().splitlines()) == 1


def test_wrong_password_thrice(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """What was made is told."""
    person = Person(passphrase=[""], password=["wrong", "wrong", "wrong", PASSWORD])
    found = run(settings(server), person)
    assert states(found)[-1] == ("copy", "failed")
    assert "the password was wrong" in last(found).found
    assert "~/.ssh/id_ed25519 was made" in last(found).advice
    assert person.kinds().count("password") == 3
    assert not authorized(owner).exists()


@pytest.mark.parametrize(
    ("answers", "what", "changed"),
    [
        ({}, "key", "nothing was changed"),
        ({"passphrase": [PASSPHRASE]}, "key", "nothing was changed"),
        ({"passphrase": [""]}, "copy", "~/.ssh/id_ed25519 was made"),
    ],
)
def test_nobody_answers(
    server: Sshd, home: Path, owner: pwd.struct_passwd, answers: dict[str, list[str]], what: str, changed: str
) -> None:
    """It is told what was changed until then."""
    found = run(settings(server), Person(**answers))
    assert last(found) == Check(what, "failed", "nobody has answered", changed)
    assert (home / ".ssh" / "id_ed25519").exists() == ("made" in changed)
    assert not authorized(owner).exists()


def test_host_key_is_asked_about(server: Sshd, home: Path, tmp_path: Path) -> None:
    """One that has changed is not."""
    known = home / ".ssh" / "known_hosts"
    known.write_text("")
    person = Person()
    assert states(run(settings(server), person)) == [("host key", "failed")]
    assert person.kinds() == ["trust"]
    assert known.read_text() == ""
    found = run(settings(server), Person(trust=["yes"]))
    assert states(found) == [("host key", "ok"), ("key", "failed")]
    assert "trusted, in ~/.ssh/known_hosts" in last(found).advice
    other = make_key(tmp_path / "other").with_suffix(".pub").read_text()
    known.write_text(f"[{server.host}]:{server.port} {other}")
    before, person = known.read_bytes(), Person(trust=["yes"])
    found = run(settings(server), person)
    assert states(found) == [("host key", "failed")]
    assert "HAS CHANGED" in last(found).found
    assert known.read_bytes() == before
    assert person.asked == []


@pytest.mark.parametrize(
    ("shell", "start_up"), [("tcsh", ".cshrc"), ("fish", ".config/fish/config.fish"), ("bash", ".bashrc")]
)
def test_other_login_shells(
    server: Sshd, home: Path, owner: pwd.struct_passwd, shell: str, start_up: str
) -> None:
    """With a start-up file that prints."""
    if reason := why_not("shells"):
        pytest.skip(reason)
    cluster_user(USER, f"/usr/bin/{shell}")
    path = Path(owner.pw_dir, start_up)
    write_for(owner, path, f"echo hello from {shell}\n")
    try:
        found = run(settings(server), Person(passphrase=[""], password=[PASSWORD]))
    finally:
        path.unlink()
    assert states(found) == ALL, found
    assert len(authorized(owner).read_text().splitlines()) == 1


def test_second_factor_is_asked_for_while_it_is_copied(
    otp: OtpSshd, make: Make, home: Path, owner: pwd.struct_passwd
) -> None:
    """And then it is said that it will be, at each login."""
    remove_for(owner, ".ssh")
    pam = ["UsePAM yes", "KbdInteractiveAuthentication yes", "AuthorizedKeysFile .ssh/authorized_keys"]
    methods = "AuthenticationMethods publickey,keyboard-interactive keyboard-interactive"
    server = make(*pam, methods, program=str(otp.sshd.folder.parent / "sshd-testbed-otp"))
    know(home, server)
    found = run(settings(server), Person(passphrase=[""], code=[otp.code()]))
    assert states(found) == ALL, found
    assert "keyboard-interactive" in last(found).found
    again = run(settings(server), Person())
    assert states(again) == [("host key", "ok"), ("login", "ok")]
    assert "clustrix login" in last(again).advice


def test_hosts_that_cannot_be_helped_say_so(make: Make, home: Path, owner: pwd.struct_passwd) -> None:
    """No keys at all; nothing but keys; ssh's own matter; no host; nobody there."""
    remove_for(owner, ".ssh")
    deaf = make("PasswordAuthentication yes", "PubkeyAuthentication no")
    know(home, deaf)
    found = run(settings(deaf), Person(passphrase=[""]))
    assert states(found) == [("host key", "ok"), ("login", "failed")]
    assert "takes no keys, only: password" in last(found).found
    strict = make("AuthorizedKeysFile .ssh/authorized_keys")
    know(home, strict)
    found = run(settings(strict), Person(passphrase=[""]))
    assert states(found) == [("host key", "ok"), ("key", "ok"), ("copy", "failed")]
    assert (home / ".ssh" / "id_ed25519.pub").read_text().strip() in last(found).advice
    found = run(settings(strict, ssh_client="openssh"), Person())
    assert states(found) == [("login", "warning")]
    assert f"ssh-copy-id -p {strict.port} {USER}@" in last(found).advice
    assert states(run({"cluster_type": "ssh"}, Person())) == [("host", "failed")]
    found = run({**settings(strict), "cluster_port": 1}, Person())
    assert states(found) == [("connection", "failed")]


def test_who_goes_in_the_middle_leaves_nothing_open(server: Sshd, home: Path) -> None:
    """A form that is closed while a password is asked for."""

    async def main() -> int:
        waits = asyncio.Event()

        async def ask(question: Question) -> str | None:
            if question.kind == "passphrase":
                return ""
            waits.set()
            await asyncio.sleep(3600)
            return None

        async def go() -> None:
            async for _ in set_up_key(settings(server), ask):
                pass

        going = asyncio.ensure_future(go())
        await waits.wait()
        there = len(server.connections())
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        return there

    assert asyncio.run(main()) == 1
    until(lambda: server.connections() == [], 5)
