"""Trains the two demo detectors on drawn scenes, from nothing, and writes the ONNX files.

    cargo build --release -p vaern-scenes --example render
    pip install -r models/requirements.txt
    python models/train.py all --work out/models

Renders the scenes (seeds in tasks.py: training 1000000 and 2000000 on, held out 9000000 on, never mixed), trains,
exports, compares the export with the trained network, and measures it on the held-out scenes (see evaluate.py).
About an hour on two cores.
"""

import argparse
import os
import pathlib
import pickle
import time

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime

import detector
import export
import scenes
import tasks

HERE = pathlib.Path(__file__).resolve().parent


def learn(task, material, stage, work, params):
    """One stage of training, from `params` on; gives back the running average of the weights."""
    steps, rate = task.stages[stage]
    seed = task.seed + 100 * stage
    print(f"{task.name} stage {stage}: {detector.size(params)} numbers, {steps} steps of {task.batch}, seed {seed}; "
          f"jax {jax.__version__}, numpy {np.__version__}", flush=True)
    zeros = jax.tree.map(jnp.zeros_like, params)

    @jax.jit
    def step(state, i, image, light, score, box, weight):
        params, m, v, mean = state
        x = image.astype(jnp.float32) / 255.0 * light[:, None, None, :3] + light[:, None, None, 3:]
        x = jnp.clip(x, 0.0, 1.0)
        (_, parts), g = jax.value_and_grad(detector.loss, has_aux=True)(
            params, x, score, box, weight, task.alpha)
        norm = jnp.sqrt(sum((a ** 2).sum() for a in jax.tree.leaves(g)))
        g = jax.tree.map(lambda a: a * jnp.minimum(1.0, 10.0 / (norm + 1e-6)), g)
        warm = jnp.minimum(1.0, (i + 1) / 60.0)
        lr = rate * warm * (0.02 + 0.98 * 0.5 * (1.0 + jnp.cos(jnp.pi * i / steps)))
        m = jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, m, g)
        v = jax.tree.map(lambda a, b: 0.99 * a + 0.01 * b * b, v, g)
        c1, c2 = 1.0 - 0.9 ** (i + 1.0), 1.0 - 0.99 ** (i + 1.0)
        params = jax.tree.map(
            lambda p, a, b: p - lr * (a / c1 / (jnp.sqrt(b / c2) + 1e-7) + 1e-4 * p), params, m, v)
        keep = jnp.minimum(0.998, (i + 1.0) / (i + 10.0))
        mean = jax.tree.map(lambda a, p: keep * a + (1.0 - keep) * p, mean, params)
        return (params, m, v, mean), parts

    state = (params, zeros, zeros, params)
    began, sums = time.time(), []
    for i, batch in enumerate(scenes.batches(material, task, seed, 0, steps)):
        state, parts = step(state, jnp.float32(i), *batch)
        sums.append([float(p) for p in parts])
        if (i + 1) % 100 == 0:
            focal, fit = np.mean(sums[-100:], 0)
            print(f"{task.name} stage {stage} {i + 1}/{steps} score {focal:.3f} box {fit:.3f} "
                  f"{(time.time() - began) / (i + 1) * 1e3:.0f} ms/step", flush=True)
    keep(state[3], work / f"{task.name}-{stage}.pickle")
    return state[3]


def settle(params, task, material, count=40):
    """The averaged weights with the statistics that they meet on training crops, made plain."""
    @jax.jit
    def look(params, image):
        seen = []
        detector.raw(params, image.astype(jnp.float32) / 255.0, seen)
        return [(m, v + m * m) for m, v in seen]

    seen = [look(params, batch[0]) for batch in scenes.batches(material, task, task.seed + 9000, 0, count)]
    mean = jax.tree.map(lambda *a: sum(a) / len(a), *seen)
    return detector.fold(params, [(m, v - m * m) for m, v in mean])


def keep(params, path):
    """Saves weights, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(jax.tree.map(np.asarray, params)))
    part.replace(path)


def publish(task, params, folder):
    """Exports and checks that ONNX Runtime computes what was trained."""
    width, height = task.tensor
    path = folder / f"{task.name}.onnx"
    for head in ("h3", "h4", "h5"):
        params[head]["b"] = params[head]["b"].at[4:].add(task.shift)
    export.export(params, task.labels, height, width, path, task.name)
    image = np.random.default_rng(7).random((1, 3, height, width), np.float32)
    found = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"image": image})[0]
    wanted = np.asarray(jax.jit(detector.forward)(params, image.transpose(0, 2, 3, 1)))
    gap = float(np.abs(found - wanted).max() / task.tensor[0]), float(np.abs(found[..., 4:] - wanted[..., 4:]).max())
    print(f"{path.name}: {path.stat().st_size} bytes, rows {found.shape}, largest difference "
          f"boxes {gap[0]:.1e} of the width, scores {gap[1]:.1e}", flush=True)
    if max(gap) > 1e-4:
        raise SystemExit("the export does not compute what was trained")


def main():
    """Command line."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("which", choices=("people", "container", "all"))
    ask.add_argument("--render", default=HERE.parent / "target/release/examples/render", help="the render example, built")
    ask.add_argument("--work", default=HERE.parent / "out/models", type=pathlib.Path, help="scenes and weights go here (10 GB)")
    ask.add_argument("--out", default=HERE, type=pathlib.Path)
    ask.add_argument("--resume", type=int, default=0, help="begin with this stage, from the weights that the one before left in --work")
    args = ask.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    material = [
        scenes.render(args.render, args.work / f"train-{w}", seed, count, w, h)
        for seed, count, (w, h) in tasks.TRAINING
    ]
    for name in ("people", "container") if args.which == "all" else (args.which,):
        task = tasks.TASKS[name]
        params = detector.init(task.count, task.seed)
        if args.resume:
            params = jax.tree.map(jnp.asarray, pickle.loads((args.work / f"{name}-{args.resume - 1}.pickle").read_bytes()))
        for stage in range(args.resume, len(task.stages)):
            params = learn(task, material, stage, args.work, params)
        publish(task, settle(params, task, material), args.out)
    if args.which == "all":
        import evaluate
        evaluate.run(args.render, args.work, args.out)


if __name__ == "__main__":
    main()
