#!/usr/bin/env python3
"""The gate side by side with deface (PyPI), on the same pictures and the same core. Part of the deep tier.

    python3 -m venv VENV && VENV/bin/pip install deface==1.5.0 onnx onnxruntime
    VENV/bin/python conformance-tests/peers/against_deface.py boxes DATA/dev BOXES.json
    VENV/bin/python conformance-tests/peers/against_deface.py race DATA/dev -- target/release/examples/mask_stdin --models DATA/models --runtime LIB

`boxes` writes what deface finds at its default threshold (0.2, full resolution, ONNX Runtime): {picture: [[x0, y0, x1, y1, score]]}.
The example `recall` of vaern-node compares the gate with it, picture by picture.

`race` lets both tools mask the same files in turn, from file to written JPEG. Both are bound to one core, so that neither gains from
the other's idle time; processor time is compared, since a shared machine stretches wall time. Printed: seconds for each size, the ratio
with its spread over the rounds, and the gate's stages. With `--picture FILE` another picture is raced.
"""
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = [(1920, 1080), (2592, 1936), (4000, 3000)]
ROUNDS = 5


def detector():
    from deface.centerface import CenterFace

    return CenterFace(in_shape=None, backend="onnxrt")


def boxes(data, out):
    import numpy
    from PIL import Image, ImageOps

    find = detector()
    found = {}
    for picture, label in json.loads((data / "labels.json").read_text()).items():
        if "person_boxes" in label:
            upright = ImageOps.exif_transpose(Image.open(data / picture)).convert("RGB")
            dets, _ = find(numpy.asarray(upright), threshold=0.2)
            found[picture] = [[float(v) for v in box] for box in dets]
    out.write_text(json.dumps(found))
    print(f"{sum(map(len, found.values()))} boxes in {len(found)} pictures")


def on_cpu(pid):
    """Seconds that the main thread of a process has run: both tools compute on it alone."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def race(data, command, picture):
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[-1]})
    import cv2
    import imageio.v2 as imageio
    from PIL import Image
    from deface.deface import anonymize_frame

    find = detector()

    def deface(source, target):
        frame = imageio.imread(source)
        dets, _ = find(frame, threshold=0.2)
        # The defaults of its command line.
        anonymize_frame(dets, frame, mask_scale=1.3, replacewith="blur", ellipse=True, draw_scores=False, replaceimg=None, mosaicsize=20)
        imageio.imsave(target, frame)

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        ours = subprocess.Popen([*command, "--out", str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        print(ours.stdout.readline().strip(), "picture", picture)
        for width, height in SIZES:
            source = folder / f"{width}.jpeg"
            Image.open(data / picture).convert("RGB").resize((width, height), Image.LANCZOS).save(source, quality=92)
            theirs_s, ours_s, stages = [], [], []
            for turn in range(ROUNDS + 1):
                start = time.process_time()
                deface(source, folder / "theirs.jpg")
                theirs = time.process_time() - start
                start = on_cpu(ours.pid)
                ours.stdin.write(f"{source}\n")
                ours.stdin.flush()
                answer = json.loads(ours.stdout.readline())
                mine = on_cpu(ours.pid) - start
                if turn > 0:  # The first round warms both up.
                    theirs_s.append(theirs)
                    ours_s.append(mine)
                    stages.append(answer)
            ratios = sorted(t / o for t, o in zip(theirs_s, ours_s))
            print(
                f"{width} x {height}: deface {statistics.median(theirs_s):.3f} s, gate {statistics.median(ours_s):.3f} s, "
                f"ratio {statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
            )
            for stage in ("decode", "detect", "mask", "encode", "whole"):
                print(f"    {stage:<7} {statistics.median(s[stage] for s in stages):8.1f} ms")
            print(f"    {stages[0]['searches']} searches, {stages[0]['masked'] * 100:.1f} % masked")
        ours.stdin.close()
        ours.wait()


def main(args):
    if len(args) == 3 and args[0] == "boxes":
        boxes(Path(args[1]), Path(args[2]))
    elif len(args) > 3 and args[0] == "race" and "--" in args:
        at = args.index("--")
        picture = args[args.index("--picture") + 1] if "--picture" in args[:at] else None
        pictures = [picture] if picture else [
            "containers/mdc_photo_cdv_photo_018_1521675967711.jpg",
            "containers/mdc_photo_cdv_photo_158_1463528949521.jpg",
        ]
        for picture in pictures:
            race(Path(args[1]), args[at + 1 :], picture)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
