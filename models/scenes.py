"""Drawn scenes as training material: renders them, keeps them as one array, cuts batches from them.

Everything random is drawn from (seed, step), so a run can be repeated.
"""

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

GREY = 114  # the letterbox filling of the door (`letterbox-centre`)
FACE, PERSON, PLATE = 0, 1, 2
PEOPLE = ("face", "person", "plate")
FILLS = ((40, 90, 160), (60, 110, 180), (200, 160, 40))  # of policies/masking/irreversible-v1.toml


def render(binary, folder, seed, count, width, height, chunk=200):
    """Renders `count` scenes from `seed` on into `folder` (frames.npy, truth.json), or reuses what is there."""
    folder = pathlib.Path(folder)
    truth_file = folder / "truth.json"
    if truth_file.exists():
        return Scenes(folder)
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.lib.format.open_memmap(
        folder / "frames.npy", mode="w+", dtype=np.uint8, shape=(count, height, width, 3))
    truth, done = [], 0
    while done < count:
        part = folder / "part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        n = min(chunk, count - done)
        subprocess.run(
            [binary, "--out", part, "--count", str(n), "--seed", str(seed + done), "--size",
             f"{width}x{height}", "--format", "ppm"], check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in (part / "truth.jsonl").read_text().splitlines() if line.strip()]
        pictures = sorted(part.rglob("*.ppm"))
        if len(lines) != n or len(pictures) != n:
            raise SystemExit(f"asked for {n} scenes, got {len(pictures)} pictures and {len(lines)} truths")
        for i, (line, picture) in enumerate(zip(lines, pictures)):
            frames[done + i] = np.asarray(Image.open(picture).convert("RGB"))
            truth.append(line["objects"])
        done += n
        print(f"rendered {done}/{count} scenes of {folder.name}", flush=True)
    shutil.rmtree(folder / "part", ignore_errors=True)
    frames.flush()
    truth_file.write_text(json.dumps(truth))
    return Scenes(folder)


class Scenes:
    """A folder of rendered scenes."""

    def __init__(self, folder):
        folder = pathlib.Path(folder)
        self.frames = np.load(folder / "frames.npy", mmap_mode="r")
        self.truth = json.loads((folder / "truth.json").read_text())
        self.height, self.width = self.frames.shape[1:3]

    def __len__(self):
        return len(self.truth)

    def objects(self, index, classes):
        """[(class, box, visible)] of one scene; `classes` maps names (class or kind) to numbers."""
        found = []
        for o in self.truth[index]:
            label = classes.get(o["class"])
            if label is None and o["class"] == "container":
                label = classes.get(o.get("kind") or o.get("attributes", {}).get("kind"))
            if label is not None:
                found.append((label, np.array(o["bbox"], np.float32), float(o.get("visible", 1.0))))
        return found


def grow(box, factor):
    """A box grown about its centre; `factor` is one number or (horizontal, vertical)."""
    fx, fy = (factor, factor) if np.isscalar(factor) else factor
    cx, cy = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    w, h = (box[2] - box[0]) * fx / 2, (box[3] - box[1]) * fy / 2
    return np.array([cx - w, cy - h, cx + w, cy + h], np.float32)


def snap(box, step, width, height):
    """A box widened to a grid of `step` pixels, inside the picture, as whole numbers."""
    x0, y0 = int(max(0, box[0] // step * step)), int(max(0, box[1] // step * step))
    return x0, y0, int(min(width, -(-box[2] // step) * step)), int(min(height, -(-box[3] // step) * step))


def masks(scenes, index, rng=None):
    """The rectangles that the gate would fill in one scene. With `rng`: with the gate's mistakes added."""
    rects = []
    factors = {FACE: 1.5, PERSON: 1.1, PLATE: (1.25, 1.1)}
    step = 16 * scenes.width / 1920 if rng is None else rng.choice([8, 16]) * scenes.width / rng.choice([1280, 1920])
    for label, box, visible in scenes.objects(index, {n: i for i, n in enumerate(PEOPLE)}):
        if visible < 0.2 or (rng is not None and rng.random() < 0.05):
            continue
        factor = np.array(factors[label]) * (1.0 if rng is None else rng.uniform(0.95, 1.2))
        rects.append((label, snap(grow(box, tuple(np.broadcast_to(factor, 2))), step, scenes.width, scenes.height)))
    if rng is None:
        return rects
    if rng.random() < 0.5:
        for _ in range(rng.integers(1, 4)):
            w, h = np.exp(rng.uniform(np.log(0.01), np.log(0.12), 2)) * scenes.width
            x, y = rng.uniform(0, scenes.width), rng.uniform(0.2, 1.0) * scenes.height
            rects.append((int(rng.integers(3)), snap((x, y, x + w, y + h), step, scenes.width, scenes.height)))
    if rng.random() < 0.6:
        rects += clumps(rects, rng, step, scenes.width, scenes.height)
    return rects


def clumps(rects, rng, step, width, height):
    """What a gate that would rather mask too much adds: piles of shifted boxes on persons, poles, windows and bumpers."""
    seeds = [(label, r) for label, r in rects if rng.random() < 0.6]
    for label, count, least, most, flat in ((PERSON, 9, 0.03, 0.25, (1.6, 3.0)), (PLATE, 5, 0.012, 0.06, (0.3, 0.7))):
        for _ in range(rng.integers(0, count)):
            w = np.exp(rng.uniform(np.log(least), np.log(most))) * width / (2.2 if label == PERSON else 1.0)
            h = w * rng.uniform(*flat)
            x, y = rng.uniform(-0.02, 1.0) * width, rng.uniform(0.15, 0.85) * height
            seeds.append((label, (x, y - h / 2, x + w, y + h / 2)))
    found = []
    for label, (x0, y0, x1, y1) in seeds:
        for _ in range(rng.integers(1, 5)):
            w, h = (x1 - x0) * rng.uniform(0.7, 1.2), (y1 - y0) * rng.uniform(0.7, 1.2)
            x, y = (x0 + x1) / 2 + (x1 - x0) * rng.normal(0, 0.15), (y0 + y1) / 2 + (y1 - y0) * rng.normal(0, 0.12)
            found.append((label, snap((x - w / 2, y - h / 2, x + w / 2, y + h / 2), step, width, height)))
    return found


def paint(picture, rects, rng=None):
    """Fills rectangles with one colour per class: the demo policy's own, or with `rng` mostly others."""
    colours = np.array(FILLS)
    if rng is not None:
        way = rng.random()
        if way < 0.5:
            colours = colours + rng.integers(-10, 11, (3, 3))
        elif way < 0.75:
            colours = rng.integers(0, 160, (3, 1)) + rng.integers(-12, 13, (3, 3))
        else:
            colours = rng.integers(0, 256, (3, 3))
    for label, (x0, y0, x1, y1) in rects:
        picture[y0:y1, x0:x1] = np.clip(colours[label], 0, 255)
    return picture


def window(picture, x, y, scale, width, height, resample):
    """The part of a picture that begins at (x, y) and is scaled by `scale` into width x height; grey outside."""
    h, w = picture.shape[:2]
    x0, y0, x1, y1 = max(0.0, x), max(0.0, y), min(w, x + width / scale), min(h, y + height / scale)
    out = np.full((height, width, 3), GREY, np.uint8)
    if x1 - x0 < 2 or y1 - y0 < 2:
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


def sample(scenes, task, seed, step, slot):
    """One training picture with its targets."""
    rng = np.random.default_rng([seed, step, slot])
    s = scenes[int(rng.choice(len(scenes), p=task.shares))]
    base = 960.0 / s.width
    index = int(rng.integers(len(s)))
    for _ in range(3):  # a scene with something in it, mostly
        if any(v >= task.visible and max(b[2:] - b[:2]) * base >= 3 * task.least for _, b, v in s.objects(index, task.classes)):
            break
        index = int(rng.integers(len(s)))
    picture = s.frames[index]
    width, height = task.crop
    objects = s.objects(index, task.classes)
    if task.masked:
        rects = [] if rng.random() < 0.06 else masks(s, index, rng)
        picture = paint(np.array(picture), rects, rng)
        covered = np.zeros(picture.shape[:2], bool)
        for _, (x0, y0, x1, y1) in rects:
            covered[y0:y1, x0:x1] = True
        fresh = []
        for label, b, visible in objects:
            x0, y0, x1, y1 = (int(v) for v in b)
            part = covered[max(0, y0):y1, max(0, x0):x1]
            fresh.append((label, b, visible * (1.0 - part.mean() if part.size else 0.0)))
        objects = fresh
    zoom = float(np.exp(rng.uniform(np.log(task.zoom[0]), np.log(task.zoom[1]))))
    zoom *= base
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
    resample = rng.choice([Image.BILINEAR, Image.BOX, Image.BICUBIC], p=[0.6, 0.2, 0.2])
    image = window(picture, x, y, zoom, width, height, int(resample))
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
    if rng.random() < 0.3:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(image)).save(file, "JPEG", quality=int(rng.integers(60, 96)))
        image = np.asarray(Image.open(file))
    light = rng.uniform(0.8, 1.25) * rng.uniform(0.93, 1.07, 3), rng.uniform(-0.06, 0.06)
    return (image, np.concatenate([light[0], [light[1]]]).astype(np.float32),
            *targets(kept, task.count, width, height))


def batches(scenes, task, seed, start, end, ahead=6):
    """Batches start..end, prepared in a thread while the last one is being learned."""
    line = queue.Queue(ahead)

    def fill():
        try:
            for step in range(start, end):
                made = [sample(scenes, task, seed, step, slot) for slot in range(task.batch)]
                line.put([np.stack(part) for part in zip(*made)])
        except BaseException as error:  # handed over: the thread has nobody to tell
            line.put(error)

    threading.Thread(target=fill, daemon=True).start()
    for _ in range(start, end):
        item = line.get()
        if isinstance(item, BaseException):
            raise item
        yield item
