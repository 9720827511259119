"""Measures the two ONNX files on drawn scenes as `cargo run --release -p vaern-node --example figures` does, through ONNX Runtime.

    python models/evaluate.py --work out/models [--held-out]

Without --held-out it looks at the validation scenes, where everything was chosen. The gate's search, its masks and the plugin's
suppression are said again in Python (gate.py, `suppress`); the figures that count are those of the example.

people: an object at least half visible and 12 px wide is covered if 90 % of its visible pixels lie under masks.
container: two looks at the whole masked frame, as the plugin takes them; counted are containers of which half is visible, whose shorter side is
16 px of the tensor, and of which at most half lies under masks. A hit has an IoU of 0.5.
"""

import argparse
import pathlib

import numpy as np
from PIL import Image, ImageDraw

import gate
import scenes
import tasks

HERE = pathlib.Path(__file__).resolve().parent
COLOURS = ((255, 60, 60), (60, 255, 60), (60, 120, 255), (255, 200, 0))


def overlap(a, boxes):
    """IoU of one box with many."""
    lt, rb = np.maximum(a[:2], boxes[:, :2]), np.minimum(a[2:4], boxes[:, 2:4])
    inter = np.prod(np.maximum(rb - lt, 0), 1)
    areas = np.prod(boxes[:, 2:4] - boxes[:, :2], 1)
    return inter / (np.prod(a[2:4] - a[:2]) + areas - inter + 1e-9)


def suppress(rows, same=0.45, other=0.65):
    """What `container-model` does: suppression within a label, then across labels (closer neighbours are borne there)."""
    rows = rows[np.argsort(-rows[:, 4:].max(1), kind="stable")]
    label, kept = rows[:, 4:].argmax(1), list(range(len(rows)))
    close = np.array([overlap(row, rows) for row in rows]).reshape(len(rows), len(rows))
    for rivals in ((close > same) & (label[:, None] == label[None]), close > other):
        left = []
        for i in kept:
            if not rivals[left, i].any():
                left.append(i)
        kept = left
    return rows[kept]


def agree(first, second, partner=0.5):
    """What `container-model` does with its two looks: what both see gets the mean, what one sees alone keeps half of its score."""
    joined, left = [], list(second)
    for a in first:
        values = [overlap(a, b[None])[0] if a[4:].argmax() == b[4:].argmax() else 0.0 for b in left]
        if values and max(values) >= partner:
            b = left.pop(int(np.argmax(values)))
            w = a[4:].max() / (a[4:].max() + b[4:].max())
            joined.append(np.concatenate([a[:4] * w + b[:4] * (1 - w), (a[4:] + b[4:]) / 2]))
        else:
            joined.append(np.concatenate([a[:4], a[4:] / 2]))
    joined += [np.concatenate([b[:4], b[4:] / 2]) for b in left]
    return np.array(joined, np.float32).reshape(-1, first.shape[1])


def detect(model, picture, floor=0.25):
    """Everything that `container-model` makes of a masked frame, before its threshold; boxes in the frame's pixels."""
    small = Image.fromarray(picture).resize(scenes.SMALL, Image.BILINEAR)
    looks = []
    for top in ((model.height - scenes.SMALL[1]) // 2, 0):
        image = np.full((model.height, model.width, 3), gate.GREY, np.uint8)
        image[top:top + scenes.SMALL[1]] = small
        rows = model.rows(image)
        rows = rows[rows[:, 4:].max(1) >= floor]
        rows[:, 1], rows[:, 3] = rows[:, 1] - top, rows[:, 3] - top
        looks.append(suppress(rows))
    found = suppress(agree(*looks))
    height, width = picture.shape[:2]
    found[:, :4] = np.clip(found[:, :4] * (width / scenes.SMALL[0]), 0, (width, height) * 2)
    return found


def pixels(runs, height, width):
    """A mask of the truth as an array."""
    flat = np.zeros(height * width, bool)
    for start, length in runs:
        flat[start:start + length] = True
    return flat.reshape(height, width)


def people(s, thresholds, count):
    """Recall by coverage, and how much is masked for nothing."""
    print(f"people on {count} scenes of {s.width}x{s.height}")
    for threshold in thresholds:
        found, every, share, waste, by = np.zeros(3), np.zeros(3), 0.0, 0.0, np.zeros(3)
        for index in range(count):
            filled = gate.rects(s.seen[index], s.width, s.height, threshold, grid=8)
            masked, due = np.zeros((s.height, s.width), bool), np.zeros((s.height, s.width), bool)
            for _, x0, y0, x1, y1 in filled:
                masked[y0:y1, x0:x1] = True
            for o in s.truth[index]:
                if o["class"] not in scenes.PEOPLE:
                    continue
                label, box = scenes.PEOPLE.index(o["class"]), np.array(o["bbox"], np.float32)
                (x0, y0), (x1, y1) = box[:2], box[2:]
                mid, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * gate.GROW[label] * 1.1 + 10
                lo, hi = np.maximum(mid - half, 0).astype(int), (mid + half).astype(int)
                due[lo[1]:hi[1], lo[0]:hi[0]] = True
                if o["visible"] >= 0.5 and x1 - x0 >= 12:
                    found[label] += masked[pixels(o["mask"], s.height, s.width)].mean() >= 0.9
                    every[label] += 1
            share, waste = share + masked.mean(), waste + (masked & ~due).mean()
            for label in range(3):
                alone = np.zeros_like(masked)
                for _, x0, y0, x1, y1 in filled[filled[:, 0] == label]:
                    alone[y0:y1, x0:x1] = True
                by[label] += (alone & ~due).mean()
        text = ", ".join(f"{n} {a:.0f}/{b:.0f} = {a / max(1, b):.4f}" for n, a, b in zip(scenes.PEOPLE, found, every))
        print(f"  threshold {threshold}: {text}; masked {share / count:.4f} of the frame, for nothing {waste / count:.4f} "
              f"(by face, person, plate boxes {by[0] / count:.4f} {by[1] / count:.4f} {by[2] / count:.4f})", flush=True)


def container(s, model, task, thresholds, count, threshold=gate.THRESHOLD, truth=False, show=None):
    """Recall and precision on masked frames (by what the gate found, or by the truth)."""
    print(f"container on {count} scenes, masked {'from the truth' if truth else 'as the gate masks'}")
    shrink = scenes.SMALL[0] / s.width
    tally = {t: {"hit": 0, "all": 0, "right": 0, "said": 0, "kind": 0, "by": np.zeros((len(task.labels), 2), int)} for t in thresholds}
    for index in range(count):
        seen = s.seen[index]
        if truth:
            seen = np.array([(label, 1.0, *box) for label, box, v in s.objects(index, {n: i for i, n in enumerate(scenes.PEOPLE)}) if v >= 0.2],
                            np.float32).reshape(-1, 6)
        filled = gate.rects(seen, s.width, s.height, threshold, grid=8)
        picture = s.stored(index)
        masked = gate.paint(picture, filled)
        rows = detect(model, picture)
        things = s.objects(index, task.classes)
        boxes = np.array([b for _, b, _ in things], np.float32).reshape(-1, 4)
        area = lambda b: masked[int(b[1]):int(b[3]), int(b[0]):int(b[2])].mean() if b[2] - b[0] >= 1 and b[3] - b[1] >= 1 else 1.0
        counted = np.array([v >= 0.5 and min(b[2:] - b[:2]) * shrink >= 16 and area(b) <= 0.5 for _, b, v in things], bool)
        for t in thresholds:
            score = tally[t]
            kept = rows[rows[:, 4:].max(1) >= t]
            kept = kept[[area(r) <= 0.5 for r in kept]] if len(kept) else kept
            values = np.array([overlap(r, boxes) for r in kept]).reshape(len(kept), len(boxes))
            for i in np.nonzero(counted)[0]:
                hit = len(kept) > 0 and values[:, i].max() >= 0.5
                score["by"][things[i][0]] += (hit, 1)
                score["hit"] += hit
                score["all"] += 1
            for r, row in zip(kept, values):
                best = row.argmax() if len(row) and row.max() >= 0.5 else -1
                if best < 0 or counted[best]:
                    score["said"] += 1
                    score["right"] += best >= 0
                    score["kind"] += best >= 0 and things[best][0] == r[4:].argmax()
        if show and index < 60:
            pen = ImageDraw.Draw(drawn := Image.fromarray(picture))
            for box, c in zip(boxes, counted):
                pen.rectangle([float(v) for v in box], outline=(255, 255, 255) if c else (150, 150, 150))
            for row in rows[rows[:, 4:].max(1) >= thresholds[len(thresholds) // 2]]:
                if area(row) <= 0.5:
                    pen.rectangle([float(v) for v in row[:4]], outline=COLOURS[int(row[4:].argmax())], width=3)
                    pen.text((float(row[0]), float(row[1]) - 10), f"{row[4:].max():.2f}", fill=COLOURS[int(row[4:].argmax())])
            drawn.save(show / f"container-{index:03}.jpg", quality=90)
    for t, c in tally.items():
        by = ", ".join(f"{k} {a}/{b}" for k, (a, b) in zip(task.labels, c["by"]))
        print(f"  threshold {t:.2f}: recall {c['hit']}/{c['all']} = {c['hit'] / max(1, c['all']):.4f}, precision {c['right']}/{c['said']} = "
              f"{c['right'] / max(1, c['said']):.4f}, kind right {c['kind'] / max(1, c['right']):.4f}; {by}", flush=True)


def main():
    """Command line."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--render", default=HERE.parent / "target/release/examples/render")
    ask.add_argument("--work", default=HERE.parent / "out/models", type=pathlib.Path)
    ask.add_argument("--people", default=HERE / "people.onnx", type=pathlib.Path)
    ask.add_argument("--container", default=HERE / "container.onnx", type=pathlib.Path)
    ask.add_argument("--only", choices=("people", "container"))
    ask.add_argument("--held-out", action="store_true")
    ask.add_argument("--gate", type=float, default=gate.THRESHOLD, help="the gate's threshold where containers are measured")
    ask.add_argument("--thresholds", type=float, nargs="+", default=(0.4, 0.45, 0.5, 0.55, 0.6))
    ask.add_argument("--show", type=pathlib.Path, help="draw predictions into this folder")
    ask.add_argument("--count", type=int, help="only the first scenes")
    args = ask.parse_args()
    if args.show:
        args.show.mkdir(parents=True, exist_ok=True)
    table = tasks.HELD_OUT if args.held_out else tasks.VALIDATION
    s = scenes.render(args.render, args.work / ("held-out" if args.held_out else "validation"), *table, masks=True)
    count = args.count or len(s)
    s.look(args.people)
    if args.only != "container":
        people(s, (0.15, 0.2, 0.25, 0.3, 0.35), count)
    if args.only != "people":
        task, model = tasks.TASKS["container"], gate.Model(args.container)
        container(s, model, task, args.thresholds, count, args.gate, show=args.show)
        container(s, model, task, args.thresholds, count, truth=True)


if __name__ == "__main__":
    main()
