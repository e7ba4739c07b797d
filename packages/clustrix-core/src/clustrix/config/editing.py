"""Writing configuration files: one value at a time, with comments and order as they were.

Nothing is written that does not read back as it was meant; what cannot be edited like that is refused, with the line to write by hand.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clustrix.config import yamltext
from clustrix.config.kinds import Hidden
from clustrix.config.layers import written
from clustrix.config.store import Settings
from clustrix.config.yamltext import Node
from clustrix.errors import ConfigError, ConfigFileError
from clustrix.runner.faults import point

_YAML = (".yml", ".yaml")
_PROFILES = "profiles"


def save(settings: Settings, path: str) -> None:
    """Write what ``configure()`` and ``load_config()`` have set into a YAML or JSON file, over what it has of the same names.

    Secrets are left out.  Raises ConfigFileError.
    """
    explicit = settings.explicit
    known = settings.known.all()
    changes: list[tuple[str, str, Any]] = []
    if explicit.profile is not None:
        changes.append(("", "profile", explicit.profile.value))
    for profile, values in (("", explicit.values), *explicit.profiles.items()):
        changes += [(profile, name, value.value) for name, value in values.items() if not known[name].secret]
    text = text_of(path)
    if path.lower().endswith(".json"):
        text = _with_json(path, text, changes)
    elif path.lower().endswith(_YAML):
        for profile, name, value in changes:
            text = with_value(path, text, name, value, profile)
    else:
        raise ConfigFileError(
            path, "only YAML and JSON files are written", "Give it a name that ends in .yml."
        )
    write(path, text)


def set_value(settings: Settings, path: str, name: str, value: Any, profile: str = "") -> None:
    """Set one value, which the field has accepted, in a YAML file, which is made if it is not there.  Raises ConfigError, ConfigFileError."""
    field = settings.known.find(name)
    if field is not None and field.secret:
        raise ConfigError(
            name,
            Hidden("secret"),
            f"secrets are not written to files; use `clustrix config secret set {name}`",
        )
    if not path.lower().endswith(_YAML):
        line = f"{name} = {written(value)}"
        raise ConfigFileError(path, "only YAML files are edited", f"Write this into it yourself: {line}")
    write(path, with_value(path, text_of(path), name, value, profile))


def unset_value(path: str, name: str, profile: str = "") -> bool:
    """Take one value out of a YAML file; False if it is not there.  Raises ConfigFileError."""
    if not path.lower().endswith(_YAML):
        raise ConfigFileError(path, "only YAML files are edited", f"Take {name} out of it yourself.")
    text = text_of(path)
    found = without_value(path, text, name, profile)
    if found == text:
        return False
    write(path, found)
    return True


def without_value(path: str, text: str, name: str, profile: str = "") -> str:
    """A YAML text without one value; as it was if it is not there.  Raises ConfigFileError if that cannot be done."""
    root = yamltext.parse(path, text)
    mapping = root if not profile else _profile_of(root, profile)
    if mapping is None or not isinstance(mapping.value, dict) or name not in mapping.value:
        return text
    wanted = _without(_filled(root), name, profile)
    return _without_lines(path, text, mapping, name, lambda plain: bool(_filled(plain) == wanted))


def without_profile(path: str, text: str, profile: str) -> str:
    """A YAML text without a profile; as it was if it is not there.  Raises ConfigFileError if that cannot be done."""
    root = yamltext.parse(path, text)
    if root is None or _profile_of(root, profile) is None:
        return text
    wanted = _filled(root)
    wanted.get(_PROFILES, {}).pop(profile, None)
    return _without_lines(
        path, text, root.value[_PROFILES], profile, lambda plain: bool(_filled(plain) == _filled_of(wanted))
    )


def with_profile_renamed(path: str, text: str, old: str, new: str) -> str:
    """A YAML text in which a profile has another name; as it was if it is not there.  Raises ConfigFileError if that cannot be done."""
    root = yamltext.parse(path, text)
    node = _profile_of(root, old)
    if root is None or node is None:
        return text
    lines = text.splitlines(keepends=True)
    line = lines[node.line - 1]
    tail = re.sub(
        r"^(\s*)(?:\"[^\"]*\"|'[^']*'|[^\s:#'\"][^:#]*?)(\s*:)", rf"\g<1>{_key(new)}\g<2>", line, count=1
    )
    found = "".join([*lines[: node.line - 1], tail, *lines[node.line :]])
    plain = root.plain()
    profiles = {new if name == old else name: values for name, values in plain[_PROFILES].items()}
    with suppress(ConfigFileError):
        after = yamltext.parse(path, found)
        if after is not None and after.plain() == {**plain, _PROFILES: profiles}:
            return found
    raise ConfigFileError(
        path,
        "it cannot be edited without writing it anew",
        f"Call the profile {new} there yourself.",
        node.line,
    )


def _without_lines(
    path: str, text: str, mapping: Node, name: str, meant: Callable[[Node | None], bool]
) -> str:
    """The text without an entry of a mapping, if what is left is what is ``meant``."""
    node = mapping.value[name]
    found = _without_entry(text, node) if mapping.block else _without_part(text, node)
    with suppress(ConfigFileError):
        if meant(yamltext.parse(path, found)):
            return found
    raise ConfigFileError(
        path, "it cannot be edited without writing it anew", f"Take {name} out of it yourself.", node.line
    )


def _without_entry(text: str, node: Node) -> str:
    """Without the lines of an entry, and the comments that are further to the right below them."""
    lines = text.splitlines(keepends=True)
    last = _last_line(text, node)
    while re.match(rf" {{{node.column + 1},}}#", "".join(lines[last : last + 1])):
        last += 1
    return "".join(lines[: node.line - 1] + lines[last:])


def _without_part(text: str, node: Node) -> str:
    """Without an entry of a mapping in braces, and its comma."""
    begin = sum(map(len, text.splitlines(keepends=True)[: node.line - 1])) + node.column
    comma = re.compile(r"\s*,\s*").match(text, node.end)
    before = text[:begin] if comma else re.sub(r",\s*$", "", text[:begin])
    return before + text[comma.end() if comma else node.end :]


def _last_line(text: str, node: Node) -> int:
    """The line in which a value ends, from 1 on; the parser's end of what is written line by line is where the next thing begins."""
    inner = list(node.value.values()) if isinstance(node.value, dict) else node.value
    if inner and isinstance(inner, list) and text[node.start] not in "{[":
        return _last_line(text, inner[-1])
    end = node.start + len(text[node.start : node.end].rstrip())
    return max(text.count("\n", 0, max(end - 1, 0)) + 1, node.line)


def _profile_of(root: Node | None, profile: str) -> Node | None:
    profiles = root.value.get(_PROFILES) if root is not None and isinstance(root.value, dict) else None
    return profiles.value.get(profile) if profiles is not None and isinstance(profiles.value, dict) else None


def _filled(root: Node | None) -> Any:
    """Without what is empty: a profile that has lost its last value is as good as none."""
    return _filled_of(root.plain() if root is not None else None)


def _filled_of(plain: Any) -> Any:
    if not isinstance(plain, dict):
        return {}
    profiles = {key: values for key, values in (plain.get(_PROFILES) or {}).items() if values}
    rest = {key: value for key, value in plain.items() if key != _PROFILES}
    return {**rest, **({_PROFILES: profiles} if profiles else {})}


def _without(plain: Any, name: str, profile: str) -> Any:
    if not profile:
        return {key: value for key, value in plain.items() if key != name}
    left = {key: value for key, value in plain[_PROFILES][profile].items() if key != name}
    profiles = {**plain[_PROFILES], profile: left}
    profiles = {key: values for key, values in profiles.items() if values}
    return {key: value for key, value in plain.items() if key != _PROFILES} | (
        {_PROFILES: profiles} if profiles else {}
    )


def text_of(path: str) -> str:
    """What is in a file; nothing if it is not there.  Raises ConfigFileError."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise ConfigFileError(path, "it is no UTF-8 text", "Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigFileError(path, f"it cannot be read ({error.strerror})") from error


def with_value(path: str, text: str, name: str, value: Any, profile: str = "") -> str:
    """A YAML text with one value set, all else as it was.  Raises ConfigFileError if that cannot be done."""
    root = yamltext.parse(path, text)
    before = root.plain() if root is not None else None
    wanted = _changed(before or {}, name, value, profile)
    found = _edited(text, root, name, value, profile)
    if found is not None:
        with suppress(ConfigFileError):
            after = yamltext.parse(path, found)
            if after is not None and after.plain() == wanted:
                return found
    where = f"below profiles, {profile}" if profile else "into it"
    raise ConfigFileError(
        path,
        "it cannot be edited without writing it anew",
        f"Write this {where} yourself: {name}: {written(value)}",
    )


def _changed(before: Any, name: str, value: Any, profile: str) -> Any:
    if not isinstance(before, dict):
        return None
    plain = list(value) if isinstance(value, tuple) else value
    if not profile:
        return {**before, name: plain}
    profiles = before.get(_PROFILES) or {}
    if not isinstance(profiles, dict):
        return None
    return {**before, _PROFILES: {**profiles, profile: {**(profiles.get(profile) or {}), name: plain}}}


def _edited(text: str, root: Node | None, name: str, value: Any, profile: str) -> str | None:
    line = f"{name}: {written(value)}"
    end = "" if not text or text.endswith("\n") else "\n"
    if root is None or root.value is None or not profile:
        rest = f"{_PROFILES}:\n  {_key(profile)}:\n    {line}\n" if profile else f"{line}\n"
        if root is None or root.value is None:
            return text + end + rest
        return _with_entry(text, root, name, line, value)
    if not isinstance(root.value, dict):
        return None
    profiles = root.value.get(_PROFILES)
    if profiles is None:
        return text + end + f"{_PROFILES}:\n  {_key(profile)}:\n    {line}\n" if root.block else None
    if not profiles.value and not profiles.block:  # none, or {}
        new = f"\n  {_key(profile)}:\n    {line}"
        return text[: profiles.start].rstrip(" ") + new + text[profiles.end :]
    if not isinstance(profiles.value, dict):
        return None
    inner = profiles.value.get(profile)
    if not profiles.block:  # in braces: what is there can be changed
        return None if inner is None else _with_entry(text, inner, name, line, value)
    if inner is None:
        column = next(iter(profiles.value.values())).column
        new = f"{' ' * column}{_key(profile)}:\n{' ' * (column + 2)}{line}\n"
        if not text[profiles.end :].strip():
            return text + end + new
        return _before_first(text, profiles, new)
    if inner.value is None:
        indent = " " * (inner.column + 2)
        return _after_line(text, inner.start, f"{indent}{line}\n")
    return _with_entry(text, inner, name, line, value)


def _with_entry(text: str, mapping: Node, name: str, line: str, value: Any) -> str | None:
    """One entry of a mapping replaced or added."""
    if not isinstance(mapping.value, dict):
        return None
    old = mapping.value.get(name)
    if old is not None:
        if old.block or (isinstance(old.value, list) and text[old.start] != "["):
            return _with_lines_replaced(text, old, line)
        space = " " if old.start == old.end else ""
        return text[: old.start] + space + written(value) + text[old.end :]
    if not mapping.block:
        more = ", " if mapping.value else ""
        return text[: mapping.start + 1] + line + more + text[mapping.start + 1 :]
    column = next(iter(mapping.value.values())).column
    if column == 0:
        return text + ("" if text.endswith("\n") else "\n") + line + "\n"
    last = list(mapping.value.values())[-1]
    if isinstance(last.value, (dict, list)):
        return _before_first(text, mapping, f"{' ' * column}{line}\n")
    return _after_line(text, last.end, f"{' ' * column}{line}\n")


def _with_lines_replaced(text: str, old: Node, line: str) -> str | None:
    """A value that is written line by line, written in one; not where a comment would be lost."""
    lines = text.splitlines(keepends=True)
    last = _last_line(text, old)
    if any("#" in one for one in lines[old.line - 1 : last]):
        return None
    return "".join([*lines[: old.line - 1], f"{' ' * old.column}{line}\n", *lines[last:]])


def _after_line(text: str, index: int, new: str) -> str:
    end = text.find("\n", index)
    return f"{text}\n{new}" if end < 0 else text[: end + 1] + new + text[end + 1 :]


def _before_first(text: str, mapping: Node, new: str) -> str:
    start = text.rfind("\n", 0, mapping.start) + 1
    return text[:start] + new + text[start:]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) else written(name)


def _with_json(path: str, text: str, changes: list[tuple[str, str, Any]]) -> str:
    import json

    from clustrix.config.othertext import parse_json

    found, _ = parse_json(path, text)
    for profile, name, value in changes:
        into = found.setdefault(_PROFILES, {}).setdefault(profile, {}) if profile else found
        into[name] = value
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def write(path: str, text: str) -> None:
    """Whole or not at all; a new file is for its user alone, an old one keeps its mode.  Raises ConfigFileError."""
    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        fd, aside = tempfile.mkstemp(prefix=".clustrix-", dir=folder)
        try:
            with open(fd, "w", encoding="utf-8", newline="") as file:
                point("config.write")
                file.write(text)
                with suppress(FileNotFoundError):
                    os.fchmod(fd, os.stat(target).st_mode & 0o777)
                file.flush()
                point("config.sync")
                os.fsync(fd)
            point("config.rename")
            os.replace(aside, target)
        except BaseException:
            os.unlink(aside)
            raise
    except OSError as error:
        raise ConfigFileError(path, f"it cannot be written ({error.strerror})") from error
