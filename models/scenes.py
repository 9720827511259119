"""Drawn scenes as training material: renders them, keeps them as arrays, cuts batches from them.

Everything random is drawn from (seed, step), so a run can be repeated.
"""

import hashlib
import io
import json
import pathlib
import queue
import shutil
import subprocess
import threading

import numpy as np
from PIL import Image

import detector
import gate

PEOPLE = ("face", "person", "plate")
SMALL = (640, 360)  # a frame as it lies in the tensor of the container model
LOW = 0.1  # what the gate saw is kept down to this score


def render(binary, folder, seed, count, size, whole=True, masks=False, chunk=100):
    """Renders `count` scenes from `seed` on into `folder` (frames.npy, small.npy, truth.json), or reuses
    what is there. With `masks` the truth holds the visible pixels of each object; without `whole` only the small pictures are kept."""
    folder, (width, height) = pathlib.Path(folder), size
    truth_file = folder / "truth.json"
    if truth_file.exists():
        return Scenes(folder)
    folder.mkdir(parents=True, exist_ok=True)
    array = lambda name, w, h: np.lib.format.open_memmap(
        folder / name, mode="w+", dtype=np.uint8, shape=(count, h, w, 3))
    frames, small = array("frames.npy", width, height) if whole else None, array("small.npy", *SMALL)
    truth, part = [], folder / "part"
    for done in range(0, count, chunk):
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        n = min(chunk, count - done)
        subprocess.run(
            [binary, "--out", part, "--count", str(n), "--seed", str(seed + done), "--size", f"{width}x{height}",
             "--format", "ppm", "--threads", "1"] + ["--masks"] * masks, check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (part / "truth.jsonl").read_text().splitlines() if line.strip()]
        pictures = sorted(part.rglob("*.ppm"))
        if len(lines) != n or len(pictures) != n:
            raise SystemExit(f"asked for {n} scenes, got {len(pictures)} pictures and {len(lines)} truths")
        for i, (line, picture) in enumerate(zip(lines, pictures)):
            image = Image.open(picture).convert("RGB")
            if whole:
                frames[done + i] = np.asarray(image)
            small[done + i] = np.asarray(image.resize(SMALL, Image.BILINEAR))
            truth.append([o for o in line["objects"] if o["class"] in ("face", "person", "plate", "container")])
        print(f"rendered {done + n}/{count} scenes of {folder.name}", flush=True)
    shutil.rmtree(part, ignore_errors=True)
    small.flush()
    truth_file.write_text(json.dumps({"size": size, "objects": truth}))
    return Scenes(folder)


class Scenes:
    """A folder of rendered scenes."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        frames = self.folder / "frames.npy"
        self.frames = np.load(frames, mmap_mode="r") if frames.exists() else None
        self.small = np.load(self.folder / "small.npy", mmap_mode="r")
        truth = json.loads((self.folder / "truth.json").read_text())
        self.truth, (self.width, self.height) = truth["objects"], truth["size"]
        self.seen = None

    def __len__(self):
        return len(self.truth)

    def objects(self, index, classes):
        """[(class, box, visible)] of one scene; `classes` maps names (class or kind) to numbers."""
        found = []
        for o in self.truth[index]:
            label = classes.get(o["class"])
            if label is None and o["class"] == "container":
                label = classes.get(o["kind"])
            if label is not None:
                found.append((label, np.array(o["bbox"], np.float32), float(o["visible"])))
        return found

    def stored(self, index):
        """A scene as a camera stores it: through JPEG."""
        file = io.BytesIO()
        Image.fromarray(np.asarray(self.frames[index])).save(file, "JPEG", quality=90)
        return np.array(Image.open(file))

    def look(self, path):
        """Lets the gate's model search every scene (once; kept in the folder)."""
        kept = self.folder / f"seen-{hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()[:12]}.npz"
        if not kept.exists():
            model = gate.Model(path)
            seen = []
            for i in range(len(self)):
                seen.append(gate.search(model, self.stored(i), LOW))
                if (i + 1) % 200 == 0:
                    print(f"searched {i + 1}/{len(self)} scenes of {self.folder.name}", flush=True)
            part = kept.with_suffix(".part.npz")
            np.savez(part, rows=np.concatenate(seen), ends=np.cumsum([len(s) for s in seen]))
            part.replace(kept)
        file = np.load(kept)
        self.seen = np.split(file["rows"], file["ends"][:-1])
        return self


def masks(s, index, rng):
    """What may be masked in a scene: what the gate found there, or its truth with mistakes; more or less of it."""
    grid = rng.choice([8, 16])
    if s.seen is not None and rng.random() < 0.7:
        filled = gate.rects(s.seen[index], s.width, s.height, rng.choice([0.14, 0.2, 0.2, 0.3]), grid)
        return filled[rng.random(len(filled)) > rng.choice([0.0, 0.03])]
    seen = [(label, 1.0, *box) for label, box, visible in s.objects(index, {n: i for i, n in enumerate(PEOPLE)})
            if visible >= 0.2 and rng.random() > 0.04]
    if rng.random() < 0.3:  # and some for nothing
        for _ in range(rng.integers(1, 4)):
            w, h = np.exp(rng.uniform(np.log(0.01), np.log(0.12), 2)) * s.width
            x, y = rng.uniform(0, s.width), rng.uniform(0.2, 1.0) * s.height
            seen.append((rng.integers(3), 1.0, x, y, x + w, y + h))
    # Several cells and tiles see each of them, every one a little otherwise.
    found = [(label, score, x0 + rng.normal(0, 0.05) * (x1 - x0), y0 + rng.normal(0, 0.05) * (y1 - y0),
              x1 + rng.normal(0, 0.05) * (x1 - x0), y1 + rng.normal(0, 0.05) * (y1 - y0))
             for label, score, x0, y0, x1, y1 in seen for _ in range(rng.integers(1, 4))]
    return gate.rects(np.array(found, np.float32).reshape(-1, 6), s.width, s.height, 0.2, grid)


def colours(rng):
    """One colour a class: mostly the demo policy's own."""
    way = rng.random()
    if way < 0.6:
        return gate.FILLS
    if way < 0.8:
        return np.clip(gate.FILLS + rng.integers(-12, 13, (3, 3)), 0, 255)
    return rng.integers(0, 160, (3, 1)) + rng.integers(0, 13, (3, 3)) if way < 0.9 else rng.integers(0, 256, (3, 3))


def window(picture, x, y, scale, width, height, resample):
    """The part of a picture that begins at (x, y) and is scaled by `scale` into width x height; grey outside."""
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = max(0.0, x), max(0.0, y), min(w, x + width / scale), min(h, y + height / scale)
    out = np.full((height, width, 3), gate.GREY, np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return out
    if scale == 1 and x == int(x) and y == int(y):
        out[int(y0 - y):int(y1 - y), int(x0 - x):int(x1 - x)] = picture[int(y0):int(y1), int(x0):int(x1)]
        return out
    # Whole source pixels first, so that only what is needed leaves the disk.
    ax, ay, bx, by = int(x0), int(y0), int(np.ceil(x1)), int(np.ceil(y1))
    dx, dy = round((x0 - x) * scale), round((y0 - y) * scale)
    dw, dh = min(width - dx, round((x1 - x0) * scale)), min(height - dy, round((y1 - y0) * scale))
    if dw < 1 or dh < 1:
        return out
    cut = Image.fromarray(np.ascontiguousarray(picture[ay:by, ax:bx]))
    cut = cut.resize((dw, dh), resample, box=(x0 - ax, y0 - ay, x1 - ax, y1 - ay))
    out[dy:dy + dh, dx:dx + dw] = np.asarray(cut)
    return out


RANGES = {8: (0, 64), 16: (44, 160), 32: (112, 1e9)}


def targets(objects, classes, width, height):
    """Scores [N,C], boxes [N,4], weights [N] for [(class, box, counted)] in tensor pixels."""
    centres, strides = detector.grid(height, width)
    strides = strides[:, 0]
    score = np.zeros((len(centres), classes), np.float32)
    box = np.tile(np.array([0, 0, 1, 1], np.float32), (len(centres), 1))
    weight = np.zeros(len(centres), np.float32)
    for label, b, counted in objects:
        if not counted:
            inside = ((centres > b[:2]) & (centres < b[2:])).all(1)
            score[inside, label] = -1
    # Large first: where two objects want one cell, the smaller has it.
    for label, b, counted in sorted(objects, key=lambda o: -float(np.prod(o[1][2:] - o[1][:2]))):
        if not counted:
            continue
        side, mid = float(max(b[2:] - b[:2])), (b[:2] + b[2:]) / 2
        for s, (low, high) in RANGES.items():
            if not low <= side < high:
                continue
            level = strides == s
            inside = ((centres > b[:2]) & (centres < b[2:])).all(1)
            own = level & inside & (np.abs(centres - mid) < 1.25 * s).all(1)
            if not own.any():
                reach = np.where(level, np.abs(centres - mid).max(1), np.inf)
                own = reach <= reach.min() + 1e-3
            score[own] = np.where(score[own] < 0, score[own], 0)
            score[own, label] = 1
            box[own] = b
            weight[own] = 2.0 / own.sum()
    return score, box, weight


def whole(s, task, rng):
    """A whole frame as the plugin's model gets it, masked, now and then nearer or farther: picture and objects."""
    index = int(rng.integers(len(s)))
    shrink = SMALL[0] / s.width
    picture = np.array(s.small[index])
    filled = masks(s, index, rng) if rng.random() > 0.04 else np.zeros((0, 5), int)
    filled = filled.astype(float)
    filled[:, 1:3], filled[:, 3:] = np.floor(filled[:, 1:3] * shrink), np.ceil(filled[:, 3:] * shrink)
    masked = gate.paint(picture, filled.astype(int), colours(rng))
    objects = []
    for label, b, visible in s.objects(index, task.classes):
        b = b * shrink
        x0, y0, x1, y1 = (int(round(float(v))) for v in b)
        part = masked[y0:max(y1, y0 + 1), x0:max(x1, x0 + 1)]
        objects.append((label, b, visible * (1.0 - part.mean() if part.size else 0.0)))
    (width, height), (w, h) = task.crop, SMALL
    if rng.random() < 0.4:
        return picture, objects, (0.0, -(height - h) / 2, 1.0)
    zoom = float(np.exp(rng.uniform(*np.log(task.zoom))))
    slack = lambda inner, outer: rng.uniform(min(0.0, inner - outer), max(0.0, inner - outer))
    return picture, objects, (slack(w, width / zoom), slack(h, height / zoom), zoom)


def part(s, task, rng):
    """A part of a frame at any scale: picture, objects, and which part."""
    index = int(rng.integers(len(s)))
    objects = s.objects(index, task.classes)
    base = 960.0 / s.width
    zoom = float(np.exp(rng.uniform(*np.log(task.zoom)))) * base
    width, height = task.crop
    vw, vh = width / zoom, height / zoom
    if objects and rng.random() < task.aim:
        # Large and small things alike, though most are small.
        sides = np.array([max(b[2:] - b[:2]) for _, b, _ in objects]) ** 0.5
        b = objects[int(rng.choice(len(objects), p=sides / sides.sum()))][1]
        mid = (b[:2] + b[2:]) / 2 + rng.uniform(-0.45, 0.45, 2) * (vw, vh)
        x, y = mid[0] - vw / 2, mid[1] - vh / 2
    else:
        x, y = rng.uniform(min(0, s.width - vw), max(0, s.width - vw)), rng.uniform(min(0, s.height - vh), max(0, s.height - vh))
    if rng.random() < 0.9:  # mostly inside the frame
        x = float(np.clip(x, min(0, s.width - vw), max(0, s.width - vw)))
        y = float(np.clip(y, min(0, s.height - vh), max(0, s.height - vh)))
    return s.frames[index], objects, (x, y, zoom)


def sample(material, task, seed, step, slot):
    """One training picture with its targets."""
    rng = np.random.default_rng([seed, step, slot])
    s = material[str(rng.choice(list(task.shares), p=list(task.shares.values())))]
    picture, objects, (x, y, zoom) = (whole if task.masked else part)(s, task, rng)
    width, height = task.crop
    image = window(picture, x, y, zoom, width, height, int(rng.choice([Image.BILINEAR, Image.BOX, Image.BICUBIC], p=[0.7, 0.15, 0.15])))
    kept = []
    for label, b, visible in objects:
        b = (b - (x, y, x, y)) * zoom
        c = np.clip(b, 0, (width, height, width, height)).astype(np.float32)
        full, left = float(np.prod(b[2:] - b[:2])), float(np.prod(c[2:] - c[:2]))
        if left <= 1:
            continue
        counted = visible >= task.visible and left / full > 0.3 and max(c[2:] - c[:2]) >= task.least
        kept.append((label, c, counted))
    if rng.random() < 0.5:
        image = image[:, ::-1]
        kept = [(label, np.array([width - c[2], c[1], width - c[0], c[3]], np.float32), k) for label, c, k in kept]
    if rng.random() < (0.1 if task.masked else 0.25):
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=int(rng.integers(60, 96)))
        image = np.asarray(Image.open(file))
    light = np.append(rng.uniform(0.8, 1.25) * rng.uniform(0.93, 1.07, 3), rng.uniform(-0.06, 0.06)).astype(np.float32)
    return (image, light, *targets(kept, len(task.labels), width, height))


def batches(material, task, seed, start, end, ahead=6):
    """Batches start..end, prepared in a thread while the last one is being learned."""
    line = queue.Queue(ahead)

    def fill():
        try:
            for step in range(start, end):
                made = [sample(material, task, seed, step, slot) for slot in range(task.batch)]
                line.put([np.stack(part) for part in zip(*made)])
        except BaseException as error:  # handed over: the thread has nobody to tell
            line.put(error)

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(start, end):
        item = line.get()
        if isinstance(item, BaseException):
            raise item
        yield item
