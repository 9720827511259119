"""Checks vaern's envelopes with an implementation that is not ours: securesystemslib, and the in-toto forms by hand.

usage: statements.py DIR     DIR/keys.json: key id -> hexadecimal public key; DIR/good/*.json and DIR/bad/*.json: envelopes.
Every good envelope must hold by each of its signatures, every bad one must be refused. Prints one line; exit status 1 otherwise.
"""

import json
import sys
from pathlib import Path

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

SECOND = "Z"


def holds(path, keys):
    wire = json.loads(path.read_text())
    # The library takes what it is handed apart.
    envelope = Envelope.from_dict(json.loads(path.read_text()))
    signers = [keys[s["keyid"]] for s in wire["signatures"] if s["keyid"] in keys]
    try:
        envelope.verify(signers, threshold=len(wire["signatures"]))
    except (VerificationError, ValueError):
        return None
    return json.loads(envelope.payload), wire["payloadType"]


def form(payload, kind):
    """What a reader that knows only the standard expects."""
    if kind != "application/vnd.in-toto+json":
        # A city file: whole seconds in UTC, in the form of RFC 3339.
        return all(len(payload[k]) == 20 and payload[k].endswith(SECOND) for k in ("issued", "expires") if k in payload)
    [subject] = payload["subject"]
    digest = subject["digest"]["sha256"]
    ok = payload["_type"] == "https://in-toto.io/Statement/v1" and len(digest) == 64 and digest == digest.lower()
    if payload["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1":
        predicate = payload["predicate"]
        ok = ok and predicate["result"] in ("PASSED", "WARNED", "FAILED") and isinstance(predicate["configuration"], list)
    return ok


def main():
    folder = Path(sys.argv[1])
    keys = {
        key: SSlibKey(key, "ed25519", "ed25519", {"public": public})
        for key, public in json.loads((folder / "keys.json").read_text()).items()
    }
    good, bad = sorted((folder / "good").glob("*.json")), sorted((folder / "bad").glob("*.json"))
    faults = []
    for path in good:
        read = holds(path, keys)
        if read is None or not form(*read):
            faults.append(f"{path.name} does not hold")
    faults += [f"{path.name} holds" for path in bad if holds(path, keys) is not None]
    if faults or len(good) < 5 or len(bad) < 5:
        print("; ".join(faults) or "too few envelopes")
        return 1
    print(f"{len(good)} envelopes hold, {len(bad)} spoiled ones are refused")
    return 0


sys.exit(main())
