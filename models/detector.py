"""The network: a small anchor-free detector in plain convolution and ReLU.

One body for both models. Cells at strides 8, 16 and 32; each cell says one box (distances to the four
sides) and one score per class. No normalisation layers, so nothing has to be folded at export.
Convolutions are written as shift, concatenate and multiply where that is faster to train on a CPU.
"""

import jax
import jax.numpy as jnp
import numpy as np

STRIDES = (8, 16, 32)
EPSILON = 1e-4
WIDTHS = dict(c1=12, c2=24, c3=40, c4=48, c5=48)

# name: (kernel, stride, channels in, channels out). Order is the order of the initial draw.
def layers(classes):
    """Every convolution of the network, by name."""
    w = WIDTHS
    out = 4 + classes
    return {
        "c1": (3, 2, 3, w["c1"]),
        "c2": (3, 2, w["c1"], w["c2"]),
        "c3": (3, 2, w["c2"], w["c3"]),
        "c3b": (3, 1, w["c3"], w["c3"]),
        "c4": (3, 2, w["c3"], w["c4"]),
        "c4b": (3, 1, w["c4"], w["c4"]),
        "c5": (3, 2, w["c4"], w["c5"]),
        "c5b": (3, 1, w["c5"], w["c5"]),
        "c5c": (3, 1, w["c5"], w["c5"]),
        "l5": (1, 1, w["c5"], w["c4"]),
        "p4": (3, 1, w["c4"], w["c4"]),
        "l4": (1, 1, w["c4"], w["c3"]),
        "p3": (3, 1, w["c3"], w["c3"]),
        "h3": (1, 1, w["c3"], out),
        "h4": (1, 1, w["c4"], out),
        "h5": (1, 1, w["c5"], out),
    }


def init(classes, seed):
    """He-normal weights; score biases start at a probability of one in a hundred."""
    rng = np.random.default_rng(seed)
    params = {}
    for name, (k, _, cin, cout) in layers(classes).items():
        gain = 0.1 if name.startswith("h") else np.sqrt(2.0)
        weight = rng.normal(0.0, gain / np.sqrt(k * k * cin), (k, k, cin, cout)).astype(np.float32)
        bias = np.zeros(cout, np.float32)
        if name.startswith("h"):
            bias[:4] = 1.0
            bias[4:] = -np.log(99.0)
        params[name] = {"w": jnp.asarray(weight), "b": jnp.asarray(bias)}
        if k == 3:
            params[name]["g"] = jnp.ones(cout, jnp.float32)
    return params


def size(params):
    """How many numbers the network has."""
    return sum(int(np.prod(v.shape)) for p in params.values() for v in p.values())


def conv(p, x, stride=1, seen=None):
    """A 3x3 convolution with one pixel of zero padding, or a 1x1 convolution. NHWC.

    While training, a 3x3 convolution has a gain `g`: its result is brought to mean `b` and deviation `g`
    over the batch, and (mean, variance) is noted in `seen`. `fold` turns that into plain weights.
    """
    w = p["w"]
    k, _, cin, cout = w.shape
    b, h, wd, _ = x.shape
    if k == 1:
        return (x.reshape(-1, cin) @ w.reshape(cin, cout)).reshape(b, h, wd, cout) + p["b"]
    if stride == 1:
        y = jax.lax.conv_general_dilated(
            x, w, (1, 1), ((1, 1), (1, 1)), dimension_numbers=("NHWC", "HWIO", "NHWC"))
    else:
        xp = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        cols = [xp[:, i:i + h:2, j:j + wd:2, :] for i in range(3) for j in range(3)]
        patch = jnp.concatenate(cols, -1).reshape(-1, 9 * cin)
        y = (patch @ w.reshape(9 * cin, cout)).reshape(b, h // 2, wd // 2, cout)
    if "g" not in p:
        return y + p["b"]
    flat = y.reshape(-1, cout)
    mean = flat.mean(0)
    var = jnp.maximum((flat * flat).mean(0) - mean * mean, 0.0)
    if seen is not None:
        seen.append((mean, var))
    gain = p["g"] / jnp.sqrt(var + EPSILON)
    return y * gain + (p["b"] - mean * gain)


def fold(params, seen):
    """Plain weights that do what the normalised ones do, for the (mean, variance) of each layer."""
    plain, seen = {}, iter(seen)
    for name in layers(params["h3"]["b"].shape[0] - 4):
        p = params[name]
        if "g" in p:
            mean, var = next(seen)
            gain = p["g"] / jnp.sqrt(var + EPSILON)
            p = {"w": p["w"] * gain, "b": p["b"] - mean * gain}
        plain[name] = {"w": p["w"], "b": p["b"]}
    return plain


def double(x):
    """Nearest upsampling by two."""
    b, h, w, c = x.shape
    return jnp.broadcast_to(x[:, :, None, :, None, :], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)


def raw(params, x, seen=None):
    """Picture [B,H,W,3] in 0..1 to raw rows [B,N,4+C], stride 8 first."""
    relu = jax.nn.relu
    p = params
    cv = lambda name, x, stride=1: conv(p[name], x, stride, seen)
    x = relu(cv("c1", x, 2))
    x = relu(cv("c2", x, 2))
    x = relu(cv("c3", x, 2))
    c3 = relu(x + cv("c3b", x))
    x = relu(cv("c4", c3, 2))
    c4 = relu(x + cv("c4b", x))
    x = relu(cv("c5", c4, 2))
    x = relu(x + cv("c5b", x))
    p5 = relu(x + cv("c5c", x))
    p4 = relu(cv("p4", c4 + double(cv("l5", p5))))
    p3 = relu(cv("p3", c3 + double(cv("l4", p4))))
    rows = []
    for head, level in (("h3", p3), ("h4", p4), ("h5", p5)):
        y = cv(head, level)
        rows.append(y.reshape(y.shape[0], -1, y.shape[-1]))
    return jnp.concatenate(rows, 1)


def grid(height, width):
    """Centres [N,2] (x, y) and strides [N,1] of all cells, in the order of the rows."""
    centres, strides = [], []
    for s in STRIDES:
        ys, xs = np.mgrid[0:height // s, 0:width // s].astype(np.float32)
        centres.append(np.stack([(xs.ravel() + 0.5) * s, (ys.ravel() + 0.5) * s], -1))
        strides.append(np.full((xs.size, 1), s, np.float32))
    return np.concatenate(centres), np.concatenate(strides)


def boxes(rows, centres, strides):
    """Raw rows to corner boxes in pixels [..., 4]."""
    reach = jax.nn.softplus(rows[..., :4]) * strides
    return jnp.concatenate([centres - reach[..., :2], centres + reach[..., 2:]], -1)


def forward(params, x):
    """What the exported model computes: [B,N,4+C], boxes in pixels and probabilities."""
    centres, strides = grid(x.shape[1], x.shape[2])
    rows = raw(params, x)
    return jnp.concatenate([boxes(rows, centres, strides), jax.nn.sigmoid(rows[..., 4:])], -1)


def giou(a, b):
    """Generalised intersection over union of corner boxes."""
    lt, rb = jnp.maximum(a[..., :2], b[..., :2]), jnp.minimum(a[..., 2:], b[..., 2:])
    inter = jnp.prod(jnp.maximum(rb - lt, 0.0), -1)
    area = lambda q: jnp.prod(jnp.maximum(q[..., 2:] - q[..., :2], 0.0), -1)
    union = area(a) + area(b) - inter + 1e-6
    hull = jnp.prod(jnp.maximum(a[..., 2:], b[..., 2:]) - jnp.minimum(a[..., :2], b[..., :2]), -1) + 1e-6
    return inter / union - (hull - union) / hull


def loss(params, x, score, box, weight, alpha):
    """Focal loss on scores (target below 0: not counted) plus 1 - GIoU on the cells that own an object.

    `weight` [B,N] is 0 for cells without an object; the weights of one object's cells sum to the same
    amount whatever its size, so that a small face counts as much as a near person.
    """
    centres, strides = grid(x.shape[1], x.shape[2])
    rows = raw(params, x)
    logits = rows[..., 4:]
    prob = jax.nn.sigmoid(logits)
    hit = jax.nn.softplus(-logits) * (1.0 - prob) ** 2 * alpha
    miss = jax.nn.softplus(logits) * prob ** 2 * (1.0 - alpha)
    cell = jnp.where(weight > 0, weight, 1.0)[..., None]
    focal = jnp.where(score < 0, 0.0, jnp.where(score > 0.5, hit * cell, miss))
    owners = jnp.maximum(weight.sum(), 1.0)
    overlap = giou(boxes(rows, centres, strides), box)
    fit = ((1.0 - overlap) * weight).sum() / owners
    return focal.sum() / owners + fit, (focal.sum() / owners, fit)
