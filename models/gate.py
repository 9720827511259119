"""What the gate does to a picture, said again in Python: tiles, boxes, growing, snapping. See `host/privacy`."""

import numpy as np
import onnxruntime
from PIL import Image

GREY = 114  # the letterbox filling of the door
GROW = np.array([(1.5, 1.5), (1.1, 1.1), (1.25, 1.1)])  # face, person, plate: policies/masking/irreversible-v1.toml
FILLS = np.array([(40, 90, 160), (60, 110, 180), (200, 160, 40)])
THRESHOLD, SCALES, OVERLAP, MARGIN = 0.2, (0.5, 1.0), 0.25, 2


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

    def look(self, picture):
        """Rows for a picture of any size, letterboxed; boxes in its pixels."""
        image, scale, x, y = letterbox(picture, self.width, self.height)
        rows = self.rows(image)
        rows[:, :4] = (rows[:, :4] - (x, y, x, y)) / scale
        return rows


def letterbox(picture, width, height):
    """The whole picture, centred on grey; with the scale and offset to come back."""
    h, w = picture.shape[:2]
    scale = min(width / w, height / h)
    dw, dh = round(w * scale), round(h * scale)
    x, y = (width - dw) // 2, (height - dh) // 2
    out = np.full((height, width, 3), GREY, np.uint8)
    out[y:y + dh, x:x + dw] = picture if scale == 1 else np.asarray(Image.fromarray(picture).resize((dw, dh), Image.BILINEAR))
    return out, scale, x, y


def spans(side, tile):
    """Equal spans of `tile` pixels that cover `side`."""
    if tile >= side:
        return [(0, side)]
    step = max(1, int(tile * (1 - OVERLAP)))
    count = -(-(side - tile) // step) + 1
    return [((side - tile) * i // max(1, count - 1), (side - tile) * i // max(1, count - 1) + tile) for i in range(count)]


def tiles(width, height, model):
    """The whole frame, then a grid of overlapping tiles for each scale."""
    found = [(0, 0, width, height)]
    for scale in SCALES:
        w, h = int(np.ceil(model.width / scale)), int(np.ceil(model.height / scale))
        if w < width or h < height:
            found += [(x0, y0, x1, y1) for y0, y1 in spans(height, h) for x0, x1 in spans(width, w)]
    return found


def search(model, picture, low=THRESHOLD):
    """[N,6]: class, score, x0, y0, x1, y1 of everything seen with at least `low`."""
    found = []
    for x0, y0, x1, y1 in tiles(picture.shape[1], picture.shape[0], model):
        rows = model.look(np.ascontiguousarray(picture[y0:y1, x0:x1]))
        at, label = np.nonzero(rows[:, 4:] >= low)
        found.append(np.column_stack([label, rows[at, 4 + label], rows[at, :4] + (x0, y0, x0, y0)]))
    return np.concatenate(found).astype(np.float32)


def rects(seen, width, height, threshold=THRESHOLD, grid=16):
    """[N,5] whole numbers: class and the rectangle that is filled, for each box with at least `threshold` (one, or one a class)."""
    label = seen[:, 0].astype(int)
    keep = seen[:, 1] >= np.broadcast_to(threshold, 3)[label]
    label, box = label[keep], seen[keep, 2:].astype(np.float64)
    mid, half = (box[:, :2] + box[:, 2:]) / 2, (box[:, 2:] - box[:, :2]) / 2 * GROW[label]
    low, high = np.floor(mid - half), np.ceil(mid + half)
    inside = (high[:, 0] >= 0) & (high[:, 1] >= 0) & (low[:, 0] <= width) & (low[:, 1] <= height)
    low = np.maximum(np.floor(np.maximum(low, 0) / grid) * grid - MARGIN, 0)
    high = np.minimum(np.ceil(np.minimum(high, (width, height)) / grid) * grid + MARGIN, (width, height))
    order = np.argsort(label[inside], kind="stable")
    return np.column_stack([label, low, high])[inside][order].astype(int)


def paint(picture, filled, colours=FILLS):
    """Fills rectangles with one colour a class; gives back which pixels are masked."""
    masked = np.zeros(picture.shape[:2], bool)
    for label, x0, y0, x1, y1 in filled:
        picture[y0:y1, x0:x1] = colours[label]
        masked[y0:y1, x0:x1] = True
    return masked
