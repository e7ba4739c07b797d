"""``qsub``, ``qstat``, ``qselect`` and ``qdel``: each carries what it was asked to the server, and says what that answers."""

import json
import os
import socket
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def main():
    name = os.path.basename(sys.argv[0])
    script = ""
    if name == "qsub" and "--version" not in sys.argv:
        script = sys.stdin.read()
    said = {"argv": [name, *sys.argv[1:]], "script": script, "cwd": os.getcwd(), "environ": dict(os.environ)}
    with socket.socket(socket.AF_UNIX) as way:
        try:
            way.connect(os.path.join(ROOT, "server"))
        except OSError as error:
            sys.stderr.write(
                f"Connection refused\n{name}: cannot connect to server pbshost (errno={error.errno})\n"
            )
            return error.errno
        way.sendall(json.dumps(said).encode() + b"\n")
        answer = b""
        while part := way.recv(1 << 16):
            answer += part
    if not answer:
        sys.stderr.write(f"{name}: End of File\n")
        return 1
    found = json.loads(answer)
    sys.stdout.write(found["out"])
    sys.stderr.write(found["err"])
    return found["status"]


if __name__ == "__main__":
    sys.exit(main())
