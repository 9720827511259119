"""Trains the two demo detectors on drawn scenes, from nothing, and writes the ONNX files.

    cargo build --release -p vaern-scenes --example render
    pip install -r models/requirements.txt
    python models/train.py all --work out/models

Renders the scenes (seeds in tasks.py; training, validation and held-out seeds never meet), trains, exports, and compares
the export with the trained network. `people` comes first: `container` learns from frames masked by it. Then see evaluate.py.
Stages that die out end by themselves; a file with the averaged weights is left in --work every thousand steps.
"""

import argparse
import copy
import pathlib
import time

import numpy as np
import onnxruntime
import torch

import detector
import export
import gate
import scenes
import tasks

HERE = pathlib.Path(__file__).resolve().parent


def learn(task, material, stage, work, net, steps, rate, dies):
    """One stage of training, from `net` on; gives back the running average of the weights."""
    seed = task.seed + 100 * stage
    print(f"{task.name} stage {stage}: {detector.size(net)} numbers, {steps} steps of {task.batch}, seed {seed}; "
          f"torch {torch.__version__}, numpy {np.__version__}", flush=True)
    centres, strides = (torch.from_numpy(a) for a in detector.grid(task.crop[1], task.crop[0]))
    still = [p for p in net.parameters() if p.ndim == 1]
    moving = [p for p in net.parameters() if p.ndim > 1]
    push = torch.optim.AdamW([{"params": moving, "weight_decay": 0.02}, {"params": still, "weight_decay": 0.0}],
                             lr=rate, betas=(0.9, 0.99), eps=1e-7)
    mean = copy.deepcopy(net)
    net.train()
    began, spent, sums = time.time(), time.process_time(), []
    for i, (image, light, score, box, weight) in enumerate(scenes.batches(material, task, seed, 0, steps)):
        along = 0.5 * (1.0 + np.cos(np.pi * i / steps)) if dies else 1.0
        for group in push.param_groups:
            group["lr"] = rate * min(1.0, (i + 1) / 100.0) * (0.005 + 0.995 * along)
        x = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255.0
        light = torch.from_numpy(light)
        x = (x * light[:, :3, None, None] + light[:, 3:, None, None]).clamp(0.0, 1.0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            rows = net(x.contiguous(memory_format=torch.channels_last))
        total, *parts = detector.loss(rows.float(), *(torch.from_numpy(a) for a in (score, box, weight)), centres, strides,
                                      task.alpha, task.quality)
        push.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 10.0)
        push.step()
        keep = min(0.999, (i + 1.0) / (i + 10.0))
        with torch.no_grad():
            for a, b in zip((*mean.parameters(), *mean.buffers()), (*net.parameters(), *net.buffers())):
                a.lerp_(b, 1.0 - keep) if a.is_floating_point() else a.copy_(b)
        sums.append([float(p) for p in parts])
        if (i + 1) % 200 == 0:
            focal, fit = np.mean(sums[-200:], 0)
            print(f"{task.name} stage {stage} {i + 1}/{steps} score {focal:.4f} box {fit:.4f} "
                  f"{(time.time() - began) / (i + 1) * 1e3:.0f} ms/step, cpu {(time.process_time() - spent) / (i + 1) * 1e3:.0f}", flush=True)
        if (i + 1) % 1000 == 0 or i + 1 == steps:
            keep_file(net, mean, i + 1, work / f"{task.name}-{stage}.pt")
    return mean


def keep_file(net, mean, step, path):
    """Saves weights, whole or not at all."""
    part = path.with_suffix(".part")
    torch.save({"net": net.state_dict(), "mean": mean.state_dict(), "step": step}, part)
    part.replace(path)


def publish(task, net, folder):
    """Exports and checks that ONNX Runtime computes what was trained."""
    (width, height), path = task.tensor, folder / f"{task.name}.onnx"
    net.eval()
    params = net.plain()
    for head in ("h3", "h4", "h5"):
        params[head]["b"][4:] += np.array(task.shift or 0.0, np.float32)
    export.export(params, task.widths, task.labels, height, width, path, task.name)
    image = np.random.default_rng(7).random((1, 3, height, width), np.float32)
    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]
    with torch.no_grad():
        rows = net(torch.from_numpy(image))
        centres, strides = (torch.from_numpy(a) for a in detector.grid(height, width))
        boxes = detector.boxes(rows, centres, strides).numpy()
        scores = torch.sigmoid(rows[..., 4:] + torch.tensor(task.shift or (0.0,) * len(task.labels))).numpy()
    gap = float(np.abs(found[..., :4] - boxes).max() / width), float(np.abs(found[..., 4:] - scores).max())
    print(f"{path.name}: {path.stat().st_size} bytes, rows {found.shape}, largest difference "
          f"boxes {gap[0]:.1e} of the width, scores {gap[1]:.1e}", flush=True)
    if max(gap) > 1e-4:
        raise SystemExit("the export does not compute what was trained")


def load(task, path, what):
    """The network as it was (`net`) or its average (`mean`) when a stage ended."""
    net = detector.Detector(task.widths, len(task.labels), task.seed)
    net.load_state_dict(torch.load(path)[what])
    return net


def main():
    """Command line."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("which", choices=("people", "container", "all"))
    ask.add_argument("--render", default=HERE.parent / "target/release/examples/render", help="the render example, built")
    ask.add_argument("--work", default=HERE.parent / "out/models", type=pathlib.Path, help="scenes and weights go here (20 GB)")
    ask.add_argument("--out", default=HERE, type=pathlib.Path)
    ask.add_argument("--masker", type=pathlib.Path, help="the model that masks frames for `container`; people.onnx of --out unless said")
    ask.add_argument("--resume", type=int, default=0, help="begin with this stage, from the weights that the one before left in --work")
    ask.add_argument("--start", type=pathlib.Path, help="begin with the weights of this ONNX file, of the same widths, and not with random ones")
    ask.add_argument("--publish", action="store_true", help="train nothing: export what the last stage left in --work")
    args = ask.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    for name in ("people", "container") if args.which == "all" else (args.which,):
        task = tasks.TASKS[name]
        if args.publish:
            publish(task, load(task, args.work / f"{name}-{len(task.stages) - 1}.pt", "mean"), args.out)
            continue
        material = {table: scenes.render(args.render, args.work / table, *tasks.TRAINING[table]) for table in task.shares}
        if task.masked:
            material["street"].look(args.masker or args.out / "people.onnx")
        net = detector.Detector(task.widths, len(task.labels), task.seed)
        if args.start:
            first = np.concatenate([batch[0] for batch in scenes.batches(material, task, task.seed + 9000, 0, 8)])
            detector.adopt(net, export.read(args.start), torch.from_numpy(first).permute(0, 3, 1, 2).float() / 255.0)
        if args.resume:
            net = load(task, args.work / f"{name}-{args.resume - 1}.pt", "net")
        net = net.to(memory_format=torch.channels_last)
        for stage, (steps, rate, dies) in list(enumerate(task.stages))[args.resume:]:
            mean = learn(task, material, stage, args.work, net, steps, rate, dies)
        publish(task, mean, args.out)


if __name__ == "__main__":
    main()
