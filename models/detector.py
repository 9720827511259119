"""The network: a small anchor-free detector in plain convolution and ReLU.

One body for both models, in two widths. Cells at strides 8, 16 and 32; each cell says one box (distances to the four
sides) and one score per class. The normalisation that training needs is folded into plain weights for the export.
"""

import functools

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

STRIDES = (8, 16, 32)


def layers(widths, classes):
    """Every convolution of the network, by name: (kernel, stride, channels in, channels out).

    `widths` are the channels of c1 to c5; a sixth number, if there, asks for one more convolution at stride 4.
    """
    c1, c2, c3, c4, c5, *fine = widths
    out = 4 + classes
    return {
        "c1": (3, 2, 3, c1),
        "c2": (3, 2, c1, c2),
        **({"c2b": (3, 1, c2, c2)} if fine else {}),
        "c3": (3, 2, c2, c3),
        "c3b": (3, 1, c3, c3),
        "c4": (3, 2, c3, c4),
        "c4b": (3, 1, c4, c4),
        "c5": (3, 2, c4, c5),
        "c5b": (3, 1, c5, c5),
        "c5c": (3, 1, c5, c5),
        "l5": (1, 1, c5, c4),
        "p4": (3, 1, c4, c4),
        "l4": (1, 1, c4, c3),
        "p3": (3, 1, c3, c3),
        "h3": (1, 1, c3, out),
        "h4": (1, 1, c4, out),
        "h5": (1, 1, c5, out),
    }


class Detector(nn.Module):
    """The network while it learns: each 3x3 convolution is followed by batch normalisation."""

    def __init__(self, widths, classes, seed):
        super().__init__()
        self.widths, self.classes = widths, classes
        self.names = tuple(layers(widths, classes))
        draw = torch.Generator().manual_seed(seed)
        for name, (k, stride, cin, cout) in layers(widths, classes).items():
            conv = nn.Conv2d(cin, cout, k, stride, k // 2, bias=k == 1)
            gain = 0.1 if name.startswith("h") else 2.0 ** 0.5
            with torch.no_grad():
                conv.weight.normal_(0.0, gain / (k * k * cin) ** 0.5, generator=draw)
                if k == 1:
                    conv.bias.zero_()
                if name.startswith("h"):  # boxes of about a stride; scores of one in a hundred
                    conv.bias[:4], conv.bias[4:] = 1.0, -float(np.log(99.0))
            self.add_module(name, nn.Sequential(conv, nn.BatchNorm2d(cout, eps=1e-4, momentum=0.02)) if k == 3 else conv)

    def forward(self, x):
        """Picture [B,3,H,W] in 0..1 to raw rows [B,N,4+C], stride 8 first."""
        double = lambda y: F.interpolate(y, scale_factor=2, mode="nearest")
        x = F.relu(self.c2(F.relu(self.c1(x))))
        if "c2b" in self.names:
            x = F.relu(x + self.c2b(x))
        x = F.relu(self.c3(x))
        c3 = F.relu(x + self.c3b(x))
        x = F.relu(self.c4(c3))
        c4 = F.relu(x + self.c4b(x))
        x = F.relu(self.c5(c4))
        x = F.relu(x + self.c5b(x))
        p5 = F.relu(x + self.c5c(x))
        p4 = F.relu(self.p4(c4 + double(self.l5(p5))))
        p3 = F.relu(self.p3(c3 + double(self.l4(p4))))
        rows = [head(level).flatten(2) for head, level in ((self.h3, p3), (self.h4, p4), (self.h5, p5))]
        return torch.cat(rows, 2).transpose(1, 2)

    @torch.no_grad()
    def plain(self):
        """Weights by layer name, {"w": [out, in, k, k], "b": [out]}, that do the same without normalisation."""
        found = {}
        for name in self.names:
            part = getattr(self, name)
            if isinstance(part, nn.Conv2d):
                found[name] = {"w": part.weight, "b": part.bias}
            else:
                conv, norm = part
                gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                found[name] = {"w": conv.weight * gain[:, None, None, None], "b": norm.bias - norm.running_mean * gain}
        return {name: {k: v.float().numpy().copy() for k, v in p.items()} for name, p in found.items()}


@torch.no_grad()
def adopt(net, plain, picture):
    """Fills a network with plain weights. Each normalisation begins as one that changes nothing on `picture` [B,3,H,W].

    The weights may be of a narrower network: channels that are new see what they see by chance, and are hardly listened to;
    a convolution that is new adds nothing yet.
    """
    hooks = []

    def still(bias):
        def hook(norm, inputs):
            mean, var = inputs[0].mean((0, 2, 3)), inputs[0].var((0, 2, 3), unbiased=False)
            norm.running_mean.copy_(mean)
            norm.running_var.copy_(var)
            norm.weight.copy_(torch.sqrt(var + norm.eps))
            norm.bias.copy_(mean + bias)
        return hook

    for name in net.names:
        part = getattr(net, name)
        conv = part if isinstance(part, nn.Conv2d) else part[0]
        if name not in plain:
            part[1].weight.zero_()
            continue
        w, b = (torch.tensor(plain[name][k]) for k in "wb")
        conv.weight[:len(b), w.shape[1]:] *= 0.1
        conv.weight[:len(b), :w.shape[1]] = w
        if conv is part:
            conv.bias[:len(b)] = b
        else:
            hooks.append(part[1].register_forward_pre_hook(still(F.pad(b, (0, conv.out_channels - len(b))))))
    net.eval()(picture)
    for hook in hooks:
        hook.remove()


def size(net):
    """How many numbers the network learns."""
    return sum(p.numel() for p in net.parameters())


@functools.cache
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
    reach = F.softplus(rows[..., :4]) * strides
    return torch.cat([centres - reach[..., :2], centres + reach[..., 2:]], -1)


def overlaps(a, b):
    """IoU and generalised IoU of corner boxes."""
    lt, rb = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    area = lambda q: (q[..., 2:] - q[..., :2]).clamp(min=0).prod(-1)
    inter = (rb - lt).clamp(min=0).prod(-1)
    union = area(a) + area(b) - inter + 1e-6
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1) + 1e-6
    return inter / union, inter / union - (hull - union) / hull


def loss(rows, score, box, weight, centres, strides, alpha, quality):
    """Focal loss on scores (target below 0: not counted) plus 1 - GIoU on the cells that own an object.

    `weight` [B,N] is 0 for cells without an object; the weights of one object's cells sum to the same amount whatever
    its size, so that a small face counts as much as a near person. With `quality`, the score to learn is the IoU that
    the cell's box has with its object, so that of two boxes on one thing the better one wins.
    """
    owners = weight.sum().clamp(min=1.0)
    logits = rows[..., 4:]
    prob = torch.sigmoid(logits)
    own = weight > 0
    iou, giou = overlaps(boxes(rows, centres, strides)[own], box[own])
    fit = ((1.0 - giou) * weight[own]).sum() / owners
    miss = F.softplus(logits) * prob ** 2 * (1.0 - alpha)
    focal = torch.where((score >= 0) & (score < 0.5), miss, 0.0).sum()
    mine, said = score[own] > 0.5, logits[own]
    aim = iou.detach().clamp(0.0, 1.0)[:, None] if quality else torch.ones_like(said)
    hit = F.binary_cross_entropy_with_logits(said, aim.expand_as(said), reduction="none") * (aim - prob[own]) ** 2 * alpha
    focal = (focal + torch.where(mine, hit * weight[own][:, None], 0.0).sum()) / owners
    return focal + fit, focal.detach(), fit.detach()
