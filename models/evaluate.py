"""Measures the two ONNX files on held-out scenes, through ONNX Runtime, as host and plugin use them.

    python models/evaluate.py --work out/models

people: the whole frame letterboxed plus overlapping tiles at two larger scales, low threshold; a face or person
counts as found when the grown boxes (face x1.5, person x1.1, plate x1.25 wide) cover 90 % of it.
container: one run over the whole masked frame, suppression, one-to-one matching at IoU 0.5. Counted are containers
of which half is still visible under the masks and whose longer side is at least 16 px of the tensor. Measured twice:
masked from the truth, and masked with what people.onnx finds at the gate's threshold.
"""

import argparse
import pathlib

import numpy as np
import onnxruntime
from PIL import Image, ImageDraw

import scenes
import tasks

HERE = pathlib.Path(__file__).resolve().parent
GROW = ((1.5, 1.5), (1.1, 1.1), (1.25, 1.1))
COLOURS = ((255, 60, 60), (60, 255, 60), (60, 120, 255), (255, 200, 0), (255, 0, 255))


class Model:
    """One ONNX file, one thread."""

    def __init__(self, path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        _, _, self.height, self.width = self.session.get_inputs()[0].shape

    def rows(self, image):
        """RGB bytes [H,W,3] to rows."""
        tensor = (image.astype(np.float32) / 255.0).transpose(2, 0, 1)[None]
        return self.session.run(None, {"image": np.ascontiguousarray(tensor)})[0][0]


def letterbox(picture, width, height):
    """The whole picture, centred on grey; with the scale and offset to come back."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h)
    dw, dh = round(w * scale), round(h * scale)
    x, y = (width - dw) // 2, (height - dh) // 2
    out = np.full((height, width, 3), scenes.GREY, np.uint8)
    out[y:y + dh, x:x + dw] = np.asarray(Image.fromarray(picture).resize((dw, dh), Image.BILINEAR))
    return out, scale, x, y


def starts(length, tile, share):
    """Where tiles begin along one axis, evenly spread; `share` of a tile belongs to its neighbour too."""
    if length <= tile:
        return [0]
    count = int(np.ceil((length - tile * share) / (tile * (1 - share))))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def search(model, picture, low, widths=(960, 1920), overlap=0.25):
    """Rows above `low` from the whole frame and from tiles of it scaled to `widths`; boxes in picture pixels."""
    def keep(rows, scale, x, y):
        rows = rows[rows[:, 4:].max(1) >= low].copy()
        rows[:, :4] = (rows[:, :4] - (x, y, x, y)) / scale
        return rows

    image, scale, x, y = letterbox(picture, model.width, model.height)
    found, runs = [keep(model.rows(image), scale, x, y)], 1
    for width in widths:
        scale = width / picture.shape[1]
        height = round(picture.shape[0] * scale)
        big = picture if scale == 1 else np.asarray(Image.fromarray(picture).resize((width, height), Image.BILINEAR))
        for ty in starts(height, model.height, overlap):
            for tx in starts(width, model.width, overlap):
                tile = np.full((model.height, model.width, 3), scenes.GREY, np.uint8)
                part = big[ty:ty + model.height, tx:tx + model.width]
                tile[:part.shape[0], :part.shape[1]] = part
                found.append(keep(model.rows(tile), scale, -tx, -ty))
                runs += 1
    return np.concatenate(found), runs


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


def gate(model, picture, threshold=0.2, widths=(960, 1920)):
    """What the gate would mask in a picture, as `scenes.masks` says it."""
    rows, _ = search(model, picture, threshold, widths)
    height, width = picture.shape[:2]
    return [(label, scenes.snap(scenes.grow(row[:4], GROW[label]), 16, width, height))
            for label in range(3) for row in rows[rows[:, 4 + label] >= threshold]]


def people(model, material, thresholds, widths, show=None):
    """Recall by coverage, and how much is masked for nothing."""
    labels = {n: i for i, n in enumerate(scenes.PEOPLE)}
    low, tally, runs = min(thresholds), {}, 0
    for index in range(len(material)):
        picture = np.asarray(material.frames[index])
        truth = material.objects(index, labels)
        rows, runs = search(model, picture, low, widths)
        due = np.zeros(picture.shape[:2], bool)
        for label, box, _ in truth:
            x0, y0, x1, y1 = scenes.snap(scenes.grow(box, tuple(g * 1.1 for g in GROW[label])), 1, material.width, material.height)
            due[y0:y1, x0:x1] = True
        for t in thresholds:
            t = t if isinstance(t, tuple) else (t, t, t)
            mask = np.zeros(picture.shape[:2], bool)
            for label in range(3):
                for row in rows[rows[:, 4 + label] >= t[label]]:
                    x0, y0, x1, y1 = scenes.snap(scenes.grow(row[:4], GROW[label]), 1, material.width, material.height)
                    mask[y0:y1, x0:x1] = True
            score = tally.setdefault(t, {"found": np.zeros(3), "all": np.zeros(3), "mask": 0, "waste": 0, "due": 0, "missed": []})
            score["mask"] += mask.mean()
            score["waste"] += (mask & ~due).mean()
            score["due"] += due.mean()
            for label, box, visible in truth:
                if visible < 0.5 or box[2] - box[0] < 12:
                    continue
                x0, y0, x1, y1 = (int(v) for v in box)
                hit = mask[y0:y1, x0:x1].mean() >= 0.9
                score["found"][label] += hit
                score["all"][label] += 1
                if not hit:
                    score["missed"].append((index, scenes.PEOPLE[label], [int(v) for v in box], round(visible, 2)))
        if show and index < 12:
            draw(picture, [r for r in rows if r[4:].max() >= 0.3], truth, show / f"people-{index}.png")
    print(f"people on {len(material)} held-out scenes of {material.width}x{material.height}, {runs} runs a frame")
    for t, s in tally.items():
        part = ", ".join(f"{n} {s['found'][i]:.0f}/{s['all'][i]:.0f} = {s['found'][i] / max(1, s['all'][i]):.4f}" for i, n in enumerate(scenes.PEOPLE))
        print(f"  threshold {t[0]:.2f}/{t[1]:.2f}/{t[2]:.2f}: recall {part}; masked {s['mask'] / len(material):.4f} of the frame "
              f"(due {s['due'] / len(material):.4f}), for nothing {s['waste'] / len(material):.4f}")
    return tally


def container(model, material, task, thresholds, show=None, least=16, masker=None):
    """Recall and precision on masked frames (by the truth, or by what `masker` finds); what masks hide is not visible."""
    labels = task.labels
    tally = {t: {"hit": 0, "all": 0, "false": 0, "kind": 0, "by": {}} for t in thresholds}
    for index in range(len(material)):
        rects = gate(masker, np.asarray(material.frames[index])) if masker else scenes.masks(material, index)
        picture = scenes.paint(np.array(material.frames[index]), rects)
        covered = np.zeros(picture.shape[:2], bool)
        for _, (x0, y0, x1, y1) in rects:
            covered[y0:y1, x0:x1] = True
        image, scale, x, y = letterbox(picture, model.width, model.height)
        truth = []
        for label, box, visible in material.objects(index, task.classes):
            x0, y0, x1, y1 = (int(v) for v in box)
            truth.append((label, box * scale + (x, y, x, y), visible * (1.0 - covered[y0:y1, x0:x1].mean())))
        rows = model.rows(image)
        counted = [v >= 0.5 and max(b[2:] - b[:2]) >= least for _, b, v in truth]
        for t in thresholds:
            score, free = tally[t], list(range(len(truth)))
            for row in suppress(rows[rows[:, 4:].max(1) >= t]):
                rest = np.array([truth[i][1] for i in free]).reshape(-1, 4)
                values = overlap(row, rest)
                best = int(values.argmax()) if len(values) else -1
                if best >= 0 and values[best] >= 0.5:
                    i = free.pop(best)
                    if counted[i]:
                        score["hit"] += 1
                        score["kind"] += int(row[4:].argmax() == truth[i][0])
                        pair = score["by"].setdefault(labels[truth[i][0]], [0, 0])
                        pair[0] += 1
                elif not any(not c and overlap(row, b[None])[0] > 0.2 for c, (_, b, _) in zip(counted, truth)):
                    score["false"] += 1
            score["all"] += sum(counted)
            for c, (label, _, _) in zip(counted, truth):
                score["by"].setdefault(labels[label], [0, 0])[1] += c
        if show and index < 24:
            draw(image, suppress(rows[rows[:, 4:].max(1) >= 0.4]), truth, show / f"container-{index}.png")
    print(f"container on {len(material)} held-out scenes of {material.width}x{material.height}, "
          f"masked {'as the gate masks' if masker else 'from the truth'}, one run a frame")
    for t, s in tally.items():
        by = ", ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(s["by"].items()))
        print(f"  threshold {t:.2f}: recall {s['hit']}/{s['all']} = {s['hit'] / max(1, s['all']):.4f}, precision "
              f"{s['hit'] / max(1, s['hit'] + s['false']):.4f} ({s['false']} false), kind right {s['kind'] / max(1, s['hit']):.4f}; {by}")
    return tally


def draw(picture, rows, truth, path):
    """Predictions in colour, truth in white."""
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    for _, box, _ in truth:
        pen.rectangle([float(v) for v in box], outline=(255, 255, 255))
    for row in rows:
        pen.rectangle([float(v) for v in row[:4]], outline=COLOURS[int(row[4:].argmax())], width=2)
    image.save(path)


def run(render, work, out, show=None, count=None):
    """Both models on the held-out scenes."""
    for seed, n, (w, h) in tasks.HELD_OUT:
        material = scenes.render(render, pathlib.Path(work) / f"held-out-{w}", seed, n, w, h)
        if count:
            material.truth = material.truth[:count]
        container(Model(out / "container.onnx"), material, tasks.TASKS["container"], (0.3, 0.35, 0.4, 0.44, 0.5), show)
        finder = Model(out / "people.onnx")
        container(Model(out / "container.onnx"), material, tasks.TASKS["container"], (0.3, 0.35, 0.4, 0.44, 0.5), masker=finder)
        people(finder, material, (0.1, 0.15, 0.2, 0.25, 0.3), (w // 2, w), show)


def main():
    """Command line."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--render", default=HERE.parent / "target/release/examples/render")
    ask.add_argument("--work", default=HERE.parent / "out/models", type=pathlib.Path)
    ask.add_argument("--out", default=HERE, type=pathlib.Path, help="where the ONNX files lie")
    ask.add_argument("--show", type=pathlib.Path, help="draw predictions into this folder")
    ask.add_argument("--count", type=int, help="only the first scenes")
    args = ask.parse_args()
    if args.show:
        args.show.mkdir(parents=True, exist_ok=True)
    run(args.render, args.work, args.out, args.show, args.count)


if __name__ == "__main__":
    main()
