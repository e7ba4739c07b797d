"""What can be asked for of files."""

import errno
import io
import json
import os
import socket
import tarfile
import time

from clustrix.runner.faults import point
from clustrix_ssh.agent.parts.files import Put, create_file, make_folder, read_part, remove, write_file
from clustrix_ssh.agent.parts.wire import SMALL_BYTES, Problem

REMOVE_PAUSES = (0.0, 0.02, 0.1, 0.4, 1.5)
"""In seconds, before each look at what is to be gone."""


class Filing:
    """Requests that read and write; ``puts``: large files that are on their way."""

    puts = None

    def do_folders(self, request, payload):
        for path in request["paths"]:
            make_folder(path)

    def do_write(self, request, payload):
        """Files, each in one step: ``files`` has rows of path, size, mode."""
        view, at = memoryview(payload), 0
        for path, size, mode in request["files"]:
            if not (request.get("new") and os.path.exists(path)):
                write_file(path, view[at : at + size], mode, request.get("sync", False))
            at += size

    def do_link(self, request, payload):
        """Names that come into being in one step, unless they are there."""
        for target, path in request["links"]:
            try:
                point("agent.symlink")
                os.symlink(target, path)
            except FileExistsError:
                continue

    def do_have(self, request, payload):
        """Which of these paths, with these sizes, are not there yet; those that are become new again, for who cleans up."""
        missing = []
        for number, (path, size) in enumerate(request["files"]):
            try:
                there = os.stat(path).st_size == size
            except FileNotFoundError:
                there = False
            if there:
                os.utime(path, None)
            else:
                missing.append(number)
        return {"missing": missing}

    def do_put(self, request, payload):
        """A part of a large file, aside.  Parts may come in any order."""
        put = self.puts.get(request["aside"])
        if put is None:
            put = self.puts[request["aside"]] = Put(request["aside"])
        put.add(payload, request["offset"])

    def do_finish(self, request, payload):
        """All parts are there: check the digest, and give it its name."""
        put = self.puts.pop(request["aside"], None) or Put(request["aside"])
        try:
            if put.digest() != request["digest"] or put.end != request["size"]:
                remove(request["aside"])
                raise Problem("%s did not arrive as it was sent" % request["path"], "damaged")
            point("agent.sync-put")
            os.fsync(put.fd)
        finally:
            os.close(put.fd)
        make_folder(os.path.dirname(request["path"]))
        point("agent.rename-put")
        os.rename(request["aside"], request["path"])

    def do_get(self, request, payload):
        """A part of a file, with the file's size now."""
        fd = os.open(request["path"], os.O_RDONLY)
        try:
            size = os.fstat(fd).st_size
            return {"total": size}, os.pread(fd, request["size"], request["offset"])
        finally:
            os.close(fd)

    def do_gather(self, request, payload):
        """What is new in folders: for each, files beginning with ``prefixes`` from the sizes that the client has."""
        rows, data = [], bytearray()
        for folder, known in request["folders"]:
            try:
                names = sorted(os.listdir(folder))
            except FileNotFoundError:
                continue
            for name in names:
                if not name.startswith(tuple(request["prefixes"])):
                    continue
                have = known.get(name, 0)
                path = os.path.join(folder, name)
                size = os.stat(path).st_size
                again = name.startswith(tuple(request["whole"]))
                if size <= have and not again:
                    continue
                later = name in request["later"]  # only its size is told
                room = 0 if later else max(0, request["limit"] - len(data))
                part = read_part(path, 0 if again else have, room)
                rows.append([folder, name, 0 if again else have, len(part), size])
                data += part
        return {"rows": rows}, data

    def do_exists(self, request, payload):
        return {"there": [os.path.lexists(path) for path in request["paths"]]}

    def do_remove(self, request, payload):
        """An element of a map that is about to end may write into its folder yet: that goes, too."""
        left = request["paths"]
        for pause in REMOVE_PAUSES:
            time.sleep(pause)
            for path in left:
                remove(path)
            left = [path for path in request["paths"] if os.path.lexists(path)]
            if not left:
                return

    def do_sweep(self, request, payload):
        """Remove blobs that were not used for long, and that no job needs which is there: it has touched them.  Once a day at most."""
        now, day = time.time(), 86400.0
        if os.path.exists(request["mark"]) and now - os.stat(request["mark"]).st_mtime < day:
            return {"removed": 0}
        write_file(request["mark"], b"")
        before = now - request["age_s"]
        for name in os.listdir(request["jobs"]) if os.path.isdir(request["jobs"]) else ():
            try:
                before = min(before, os.stat(os.path.join(request["jobs"], name, "order")).st_mtime - day)
            except OSError:
                continue  # it is going, or has only just come
        removed = 0
        for folder, _, names in os.walk(request["blobs"]):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.stat(path).st_mtime < before:
                        os.unlink(path)
                        removed += 1
                except FileNotFoundError:
                    continue  # another is sweeping too
        return {"removed": removed}

    def do_unpack(self, request, payload):
        """A tar archive becomes a folder, whole or not at all."""
        aside = "%s.%s-%d" % (request["path"], socket.gethostname(), os.getpid())
        make_folder(aside)
        with tarfile.open(fileobj=io.BytesIO(payload)) as archive:
            archive.extractall(aside)  # noqa: S202 -- it is what the client has packed
        try:
            point("agent.rename-unpacked")
            os.rename(aside, request["path"])
        except OSError as error:
            remove(aside)
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise

    def do_close(self, request, payload):
        """Remove batches of which no job is left; ``listed``: the file of each that names their folders."""
        for name in os.listdir(request["batches"]) if os.path.isdir(request["batches"]) else ():
            path = os.path.join(request["batches"], name)
            try:
                jobs = (
                    read_part(os.path.join(path, request["listed"]), 0, 1 << 22).decode("utf-8").splitlines()
                )
            except OSError:
                continue  # it is being made
            if jobs and not any(os.path.exists(job) for job in jobs):
                remove(path)

    def do_name(self, request, payload):
        """Files that only one can make: of those that are there already, what is in them.  Stops what comes after it if there are any."""
        found = {}
        for path, text in request["files"]:
            other = create_file(path, text.encode("utf-8"))
            if other is not None:
                found[path] = other
        if found:
            raise Problem(json.dumps(found), "taken")

    def do_texts(self, request, payload):
        """Small files as texts; None for those that are not there."""
        found = []
        for path in request["paths"]:
            try:
                found.append(read_part(path, 0, SMALL_BYTES).decode("utf-8", "replace"))
            except OSError:
                found.append(None)
        return {"texts": found}
