"""Starts the S3 server of Ceph on loopback: a monitor, an OSD in memory, and the RADOS gateway.

``python radosgw.py FOLDER``, an empty one, prints the port of the gateway once it answers, and ends
all of it when standard input ends. Debian: ``apt install radosgw ceph-mon ceph-osd``.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

KEY = "of-a-test"  # the name and the secret of the only user

_CONFIGURATION = """
[global]
fsid = {fsid}
mon_host = v1:127.0.0.1:{mon_port}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
keyring = {folder}/keyring
run_dir = {folder}
admin_socket = {folder}/$name.asok
log_file = {folder}/$name.log
pid_file =
mon_data = {folder}/mon
osd_data = {folder}/osd
rgw_data = {folder}/rgw
mon_data_avail_warn = 0
mon_data_avail_crit = 0
mon_allow_pool_size_one = true
ms_bind_msgr2 = false
osd_objectstore = memstore
memstore_device_bytes = 1073741824
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_class_update_on_start = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
"""


def main(folder: Path) -> None:
    """Run a cluster in a folder until standard input ends."""
    fsid, mon_port, port = str(uuid.uuid4()), _free_port(), _free_port()
    text = _CONFIGURATION.format(fsid=fsid, mon_port=mon_port, folder=folder)
    (folder / "ceph.conf").write_text(text, encoding="utf-8")
    os.environ["CEPH_CONF"] = str(folder / "ceph.conf")
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    keyring, monmap = folder / "keyring", folder / "monmap"
    _run("ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.")
    allowed = ("--cap", "mon", "allow *", "--cap", "osd", "allow *")
    _run("ceph-authtool", keyring, "--gen-key", "-n", "client.admin", *allowed)
    address = f"[v1:127.0.0.1:{mon_port}]"
    _run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, monmap)
    _run("ceph-mon", "--mkfs", "-i", "a", "--monmap", monmap, "--keyring", keyring)
    with ExitStack() as daemons:
        daemons.enter_context(_daemon("ceph-mon", "-i", "a"))
        osd = str(uuid.uuid4())
        number = _run("ceph", "osd", "new", osd).strip()
        _run("ceph-osd", "-i", number, "--mkfs", "--osd-uuid", osd)
        _run("ceph", "osd", "crush", "add", f"osd.{number}", "1", "root=default")
        daemons.enter_context(_daemon("ceph-osd", "-i", number))
        keys = ("--access-key", KEY, "--secret-key", KEY)
        _run("radosgw-admin", "user", "create", "--uid", "lab", "--display-name", "lab", *keys)
        endpoint = f"beast endpoint=127.0.0.1:{port}"
        gateway = _daemon("radosgw", "-n", "client.admin", "--rgw-frontends", endpoint)
        process = daemons.enter_context(gateway)
        while not _answers(port):
            if process.poll() is not None:
                sys.exit(f"radosgw has ended; see the logs in {folder}")
        print(port, flush=True)
        sys.stdin.read()


def _run(*command: object) -> str:
    """What a program prints. A new monitor refuses some of them (EPERM): it is asked again."""
    text = [*map(str, command)]
    for _ in range(4):
        done = subprocess.run(text, check=False, stdout=subprocess.PIPE, text=True, timeout=240)
        if not done.returncode:
            return done.stdout
    sys.exit(f"{text} has failed")


@contextmanager
def _daemon(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the foreground, which is killed at the end."""
    nothing = subprocess.DEVNULL
    with subprocess.Popen([*command, "-f"], stdin=nothing, stdout=nothing) as process:
        try:
            yield process
        finally:
            process.kill()


def _free_port() -> int:
    """A port that no connection is given meanwhile: systems take those from above 32767."""
    while True:
        port = random.randrange(10_000, 32_000)
        with closing(socket.socket()) as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port


def _answers(port: int) -> bool:
    with closing(socket.socket()) as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
