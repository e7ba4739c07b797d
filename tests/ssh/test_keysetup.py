"""Setting up a key: made if need be, copied to the host, and seen to let in; nothing is written over, and no secret stays anywhere."""

from __future__ import annotations

import ast
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from clustrix.plugins.checks import Check, Suggestion
from clustrix_ssh import authorize
from tests.ssh.keyhosts import (
    ALL,
    PASSPHRASE,
    PASSWORD,
    USER,
    Person,
    authorized,
    by_ssh,
    last,
    make,
    owner,
    run,
    server,
    settings,
    states,
    suggested,
    usual,
)
from tests.ssh.watching import Watch
from tests.testbed.sshd import Sshd, make_key
from tests.testbed.user import write_for

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("home", "state")]
__all__ = ["make", "owner", "server", "usual"]  # fixtures


def test_new_key_lets_in(server: Sshd, home: Path, owner: pwd.struct_passwd) -> None:
    """One password, and never again; what was made is as ssh-keygen makes it.  A second time there is nothing to do."""
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
                assert PASSPHRASE.encode() not in path.read_bytes(), path
                assert PASSWORD.encode() not in path.read_bytes(), path
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


def test_key_of_a_kind_that_is_not_known(server: Sshd, home: Path) -> None:
    """It is told as a key that cannot be used, and no other is made."""
    path = home / ".ssh" / "odd"
    kind = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(Ed448PrivateKey.generate().private_bytes(*kind))
    found = run(settings(server, key_file=str(path)), Person(passphrase=[""], password=[PASSWORD]))
    assert states(found)[-1] == ("key", "failed")
    assert "of a kind that cannot be used" in last(found).found
    assert not (home / ".ssh" / "id_ed25519").exists()


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
    Path(owner.pw_dir).chmod(0o777)  # Debian's sshd has nothing against the user's own group
    for passphrases in ([""], []):
        found = run(settings(server), Person(passphrase=passphrases, password=[PASSWORD]))
        assert states(found) == [*ALL[:3], ("modes", "warning"), ("login with the key", "failed")], found
        warned = found[3]
        assert isinstance(warned, Check)
        assert f"{owner.pw_dir} there has mode 0777" in warned.found
        assert "chmod go-w" in warned.advice
        assert suggested(found) == []
    assert Path(owner.pw_dir).stat().st_mode & 0o777 == 0o777
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


def test_full_disk_leaves_the_file_there_as_it_was(tmp_path: Path) -> None:
    """A line that finds no room is taken back."""
    path = tmp_path / ".ssh" / "authorized_keys"
    path.parent.mkdir()
    path.write_text("ssh-rsa AAAA other")
    code = (
        "import resource, sys; from clustrix_ssh.authorize import authorize\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (30, 30))\n"
        f"authorize('ssh-ed25519 {'A' * 68} me', {str(tmp_path)!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "File too large" in done.stderr
    assert path.read_text() == "ssh-rsa AAAA other"


def test_what_is_sent_there_is_for_old_pythons() -> None:
    """3.6 is the oldest of supported systems."""
    ast.parse(Path(authorize.__file__).read_text(), feature_version=(3, 6))
