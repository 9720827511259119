"""Writes the network as ONNX: opset 17, fixed shape, float32, boxes decoded inside the graph.

Nearest upsampling is written as Reshape and Concat and not as Resize: every runtime agrees on those.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import detector


def export(params, widths, classes, height, width, path, name):
    """Writes `path` from `Detector.plain`: input `image` [1,3,H,W], output `boxes` [1,N,4+C]."""
    nodes, consts = [], []

    def const(label, value):
        consts.append(numpy_helper.from_array(np.ascontiguousarray(value), label))
        return label

    def op(kind, inputs, label, **attributes):
        nodes.append(helper.make_node(kind, inputs, [label], name=label, **attributes))
        return label

    table = detector.layers(widths, len(classes))

    def conv(label, x, relu=False, add=None):
        k, stride, _, _ = table[label]
        pad = [k // 2] * 4
        w = const(label + ".w", np.asarray(params[label]["w"], np.float32))
        b = const(label + ".b", np.asarray(params[label]["b"], np.float32))
        y = op("Conv", [x, w, b], label + ".conv", kernel_shape=[k, k], strides=[stride, stride], pads=pad)
        if add is not None:
            y = op("Add", [add, y], label + ".sum")
        return op("Relu", [y], label + ".relu") if relu else y

    def reshape(x, shape, label):
        return op("Reshape", [x, const(label + ".shape", np.array(shape, np.int64))], label)

    def double(x, channels, h, w, label):
        y = reshape(x, [1, channels, h, w, 1], label + ".a")
        y = op("Concat", [y, y], label + ".b", axis=4)
        y = reshape(y, [1, channels, h, 1, 2 * w], label + ".c")
        y = op("Concat", [y, y], label + ".d", axis=3)
        return reshape(y, [1, channels, 2 * h, 2 * w], label + ".e")

    def part(x, start, end, label):
        ends = [const(f"{label}.{n}", np.array([v], np.int64)) for n, v in (("s", start), ("e", end), ("x", 2))]
        return op("Slice", [x, *ends], label)

    c3_width, c4_width, out = widths[2], widths[3], 4 + len(classes)
    x = conv("c2", conv("c1", "image", True), True)
    if "c2b" in table:
        x = conv("c2b", x, True, add=x)
    x = conv("c3", x, True)
    c3 = conv("c3b", x, True, add=x)
    x = conv("c4", c3, True)
    c4 = conv("c4b", x, True, add=x)
    x = conv("c5", c4, True)
    x = conv("c5b", x, True, add=x)
    p5 = conv("c5c", x, True, add=x)
    up5 = double(conv("l5", p5), c4_width, height // 32, width // 32, "up5")
    p4 = conv("p4", op("Add", [c4, up5], "mix4"), True)
    up4 = double(conv("l4", p4), c3_width, height // 16, width // 16, "up4")
    p3 = conv("p3", op("Add", [c3, up4], "mix3"), True)
    rows = []
    for head, level, stride in (("h3", p3, 8), ("h4", p4, 16), ("h5", p5, 32)):
        cells = (height // stride) * (width // stride)
        rows.append(reshape(conv(head, level), [1, out, cells], head + ".rows"))
    rows = op("Transpose", [op("Concat", rows, "all", axis=2)], "rows", perm=[0, 2, 1])

    centres, strides = detector.grid(height, width)
    reach = op("Softplus", [part(rows, 0, 4, "sides")], "reach.cells")
    reach = op("Mul", [reach, const("strides", strides[None])], "reach")
    centre = const("centres", centres[None])
    low = op("Sub", [centre, part(reach, 0, 2, "reach.low")], "low")
    high = op("Add", [centre, part(reach, 2, 4, "reach.high")], "high")
    scores = op("Sigmoid", [part(rows, 4, out, "logits")], "scores")
    op("Concat", [low, high, scores], "boxes", axis=2)

    graph = helper.make_graph(
        nodes, name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, len(centres), out])],
        consts)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="vaern")
    model.ir_version = 8
    helper.set_model_props(model, {"classes": ",".join(classes), "knows": "drawn streets only"})
    onnx.checker.check_model(model, full_check=True)
    with open(path, "wb") as file:
        file.write(model.SerializeToString(deterministic=True))


def read(path):
    """The plain weights of an exported file, as `Detector.plain` gives them."""
    found = {}
    for const in onnx.load(path).graph.initializer:
        name, _, kind = const.name.partition(".")
        if kind in ("w", "b") and const.data_type == TensorProto.FLOAT:
            found.setdefault(name, {})[kind] = numpy_helper.to_array(const)
    return found
