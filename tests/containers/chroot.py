"""Follow the Dockerfile without a container engine, with Debian's mmdebstrap and chroot.

All mounts are made in a separate namespace that ends with the command, so none is left behind.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = ROOT / "containers" / "Dockerfile"
PROCESS = ROOT / "containers" / "nextflow" / "main.nf"
MIRRORS = ["apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) $(COMPONENT)"]

MOUNTS = """
set -e
root=$1 data=$2 access=$3
shift 3
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/dev/shm"
[ -z "$data" ] || mount --bind "$data" "$root/mnt"
for name in hosts resolv.conf; do
    touch "$root/etc/$name"
    mount --bind "/etc/$name" "$root/etc/$name"
done
mount -o "remount,bind,$access" "$root"
exec chroot "$@"
"""


def missing():
    """Return the reason why this cannot run here, or an empty text."""
    if os.geteuid():
        return "only root can change into another root file system"
    if _release()["ID"] != "debian":
        return "only the mirror of a Debian has its other releases"
    if not shutil.which("mmdebstrap"):
        return "mmdebstrap is not installed: sudo apt-get install mmdebstrap"
    return ""


class Container:
    """Container made by following the Dockerfile; its root file system replaces the folder root."""

    def __init__(self, root):
        self.root = root
        self.environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.entry_point = []
        text = DOCKERFILE.read_text().replace("\\\n", "")
        for instruction, argument in re.findall(r"^([A-Z]+) (.+)$", text, re.M):
            getattr(self, f"_do_{instruction.lower()}")(argument)

    def run(self, *command, data):
        """Run a command as a cluster does: no network, no rights, no writable folder but ``data``.

        The folder ``data`` is /mnt in the container, and the working folder. Return the output.
        """
        for folder, _, names in os.walk(data):
            for path in (folder, *(os.path.join(folder, name) for name in names)):
                os.chown(path, 1000, 1000)
        return self._change_root(
            ["--userspec=1000:1000", self.root, "env", "--chdir=/mnt", *command],
            ["--net"],
            data=data,
            access="ro",
            environment={"HOME": "/nonexistent"},
        )

    def _change_root(self, arguments, isolation=(), data="", access="rw", environment=None):
        command = ["unshare", "--mount", *isolation, "sh", "-c", MOUNTS, "sh", self.root, data]
        result = subprocess.run(
            [*command, access, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**environment, **self.environment},
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    def _do_from(self, image):
        """Install Debian from the mirror that this machine uses."""
        release = re.fullmatch("debian:(.+)-slim", image)[1]
        targets = subprocess.run(
            [*MIRRORS, "Identifier: Packages"], capture_output=True, text=True, check=True
        ).stdout
        sources = targets.replace(f" {_release()['VERSION_CODENAME']}", f" {release}")
        assert str(self.root) not in Path("/proc/mounts").read_text(), "something is mounted there"
        if self.root.exists():
            shutil.rmtree(self.root)
        self.root.parent.mkdir(parents=True, exist_ok=True)
        # Debian's images do not wait for the disk either.
        command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--dpkgopt=force-unsafe-io"]
        command += [release, self.root, "-"]
        subprocess.run(["unshare", "--mount", *command], input=sources, text=True, check=True)

    def _do_copy(self, arguments):
        assert arguments.startswith(". ")
        target = self.root / arguments[2:].lstrip("/")
        target.mkdir(parents=True)
        for name in files_taken():
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / name, target / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, target / name)

    def _do_run(self, command):
        """Run as root with the network and this machine's proxies and certificates."""
        certificates = os.environ.get("SSL_CERT_FILE")
        inside = "/run/certificates.pem"
        if certificates:
            shutil.copy(certificates, self.root / inside.lstrip("/"))
        settings = {
            name: inside if value == certificates else value
            for name, value in os.environ.items()
            if re.search("^(PIP|UV)_|(?i:proxy$)|CERT|_CA_", name)
        }
        settings["HOME"] = "/root"
        self._change_root([self.root, "sh", "-c", command], environment=settings)
        (self.root / inside.lstrip("/")).unlink(missing_ok=True)

    def _do_env(self, assignment):
        name, value = assignment.split("=", 1)
        self.environment[name] = value.replace("$PATH", self.environment["PATH"])

    def _do_entrypoint(self, command):
        self.entry_point = json.loads(command)


def files_taken():
    """Return the names of files and folders that .dockerignore includes."""
    return re.findall("^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)


def _release():
    text = Path("/etc/os-release").read_text()
    return dict(word.split("=", 1) for word in shlex.split(text) if "=" in word)
