"""python-tuf as the other side of a repository: it reads what vaern wrote, refuses what was spoiled, and writes one for vaern to read.

    repository.py read FOLDER      FOLDER/good and FOLDER/bad/*: repositories; FOLDER/root.json: the pinned root
    repository.py write FOLDER     FOLDER/files: targets; writes FOLDER/written and FOLDER/written.root.json
"""

import hashlib
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import unquote, urlparse

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.signer import CryptoSigner
from tuf.api import exceptions
from tuf.api.metadata import MetaFile, Metadata, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer
from tuf.ngclient import Updater
from tuf.ngclient.fetcher import FetcherInterface


class Files(FetcherInterface):
    """A repository in a folder."""

    def _fetch(self, url):
        path = Path(unquote(urlparse(url).path))
        if not path.is_file():
            raise exceptions.DownloadHTTPError("not found", 404)
        yield path.read_bytes()


def read(repository, root):
    """Refreshes, and gets every target. Gives the numbers of the roles and the targets' digests."""
    with tempfile.TemporaryDirectory() as cache:
        metadata, targets = Path(cache, "metadata"), Path(cache, "targets")
        metadata.mkdir()
        targets.mkdir()
        updater = Updater(
            str(metadata),
            f"file://{repository}/metadata/",
            str(targets),
            f"file://{repository}/targets/",
            fetcher=Files(),
            bootstrap=root,
        )
        updater.refresh()
        trusted = updater._trusted_set
        names = sorted(trusted.targets.targets)
        got = {}
        for name in names:
            info = updater.get_targetinfo(name)
            got[name] = hashlib.sha256(Path(updater.download_target(info)).read_bytes()).hexdigest()
        numbers = [part.version for part in (trusted.root, trusted.targets, trusted.snapshot, trusted.timestamp)]
        return numbers, got


def read_all(folder):
    root = (folder / "root.json").read_bytes()
    numbers, got = read(folder / "good", root)
    print("root {}, targets {}, snapshot {}, timestamp {}".format(*numbers))
    for name, digest in got.items():
        print(name, digest)
    refused = 0
    for spoiled in sorted((folder / "bad").iterdir()):
        try:
            read(spoiled, root)
            print("TAKEN", spoiled.name)
        except (exceptions.RepositoryError, exceptions.DownloadError) as error:
            refused += 1
            print("refused", spoiled.name, type(error).__name__)
    print(f"{refused} spoiled repositories are refused")


def signer(seed):
    return CryptoSigner(Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32))


def write(folder):
    """Two of three root keys; the second root exchanges one of them and the key of the timestamp."""
    out, files = folder / "written", folder / "files"
    (out / "metadata").mkdir(parents=True)
    late = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=3650)
    keys = {seed: signer(seed) for seed in (1, 2, 3, 4, 5, 6, 9, 16)}

    def root(version, holders, stamp):
        made = Root(version=version, expires=late, consistent_snapshot=True)
        made.roles["root"].threshold = 2
        for role, seeds in (("root", holders), ("targets", [4]), ("snapshot", [5]), ("timestamp", [stamp])):
            for seed in seeds:
                made.add_key(keys[seed].public_key, role)
        return Metadata(made)

    def sign(metadata, seeds, name):
        for seed in seeds:
            metadata.sign(keys[seed], append=True)
        data = metadata.to_bytes(JSONSerializer(compact=False))
        (out / "metadata" / name).write_bytes(data)
        return data

    first = sign(root(1, [1, 2, 3], 6), [1, 2], "1.root.json")
    (folder / "written.root.json").write_bytes(first)
    sign(root(2, [2, 3, 9], 16), [2, 3, 9], "2.root.json")

    targets = Targets(version=1, expires=late)
    for path in sorted(path for path in files.rglob("*") if path.is_file()):
        name = path.relative_to(files).as_posix()
        data = path.read_bytes()
        targets.targets[name] = TargetFile.from_data(name, data, ["sha256"])
        where = out / "targets" / Path(name).parent / f"{hashlib.sha256(data).hexdigest()}.{path.name}"
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(data)
    data = sign(Metadata(targets), [4], "1.targets.json")
    snapshot = Snapshot(version=1, expires=late, meta={"targets.json": MetaFile.from_data(1, data, ["sha256"])})
    data = sign(Metadata(snapshot), [5], "1.snapshot.json")
    stamp = Timestamp(version=1, expires=late, snapshot_meta=MetaFile.from_data(1, data, ["sha256"]))
    sign(Metadata(stamp), [16], "timestamp.json")
    print("written")


if __name__ == "__main__":
    {"read": read_all, "write": write}[sys.argv[1]](Path(sys.argv[2]).resolve())
