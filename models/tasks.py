"""What the two models are taught, and on which seeds."""

import dataclasses

# (first seed, scenes, (width, height), whether more than small pictures are needed). The seeds of the tables never meet.
TRAINING = {
    "street": (1_000_000, 1200, (1280, 720), True),
    "more": (1_100_000, 1800, (1280, 720), False),
    "wide": (1_200_000, 6000, (1280, 720), False),
    "sharp": (2_000_000, 160, (1920, 1080), True),
}
# Everything that is chosen (steps, shifts, thresholds) is chosen here.
VALIDATION = (8_000_000, 480, (1280, 720))
# Looked at once, for the figures.
HELD_OUT = (9_000_000, 120, (1280, 720))


@dataclasses.dataclass(frozen=True)
class Task:
    """One model."""

    name: str
    labels: tuple  # the order of the scores
    widths: tuple  # of the network: see detector.layers
    masked: bool  # learns whole frames, masked; else crops of frames as they are
    zoom: tuple  # crops: scale relative to a frame 960 wide; whole frames: relative to one that fills the tensor
    visible: float  # objects less visible than this are neither right nor wrong
    least: float  # nor are objects smaller than this (longer side, tensor pixels)
    alpha: float  # weight of a hit against a miss
    quality: bool  # a score says how well the box lies
    stages: tuple  # (steps, rate, whether it dies out): each begins where the one before ended
    seed: int
    shares: dict  # of the training tables
    batch: int
    crop: tuple  # what is trained on: width, height
    tensor: tuple = (640, 384)  # what is exported: width, height
    aim: float = 0.0  # share of crops that are put near an object
    shift: tuple = ()  # added to each score before the sigmoid at export, so that the threshold of its users fits
    names: tuple = ()  # other names in the truth: (name, number)

    @property
    def classes(self):
        """Name to number."""
        return {label: i for i, label in enumerate(self.labels)} | dict(self.names)


TASKS = {
    "people": Task(
        name="people", labels=("face", "person", "plate"), widths=(12, 24, 40, 48, 48), masked=False,
        zoom=(0.6, 2.2), visible=0.2, least=5.0, alpha=0.6, quality=False, stages=((3000, 3e-3, False), (900, 3e-3, True)),
        seed=11, shares={"street": 0.8, "sharp": 0.2}, batch=8, crop=(320, 384), aim=0.5, shift=(-0.539, -0.897, -0.539)),
    "container": Task(
        name="container", labels=("affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"),
        names=(("nedgravet", 2), ("lukketcontainer", 3)), widths=(16, 32, 48, 48, 48, 32), masked=True,
        zoom=(0.75, 1.35), visible=0.3, least=8.0, alpha=0.5, quality=True,
        stages=((4000, 4e-3, False), (4500, 4e-3, True), (12000, 3e-3, False), (26000, 3e-3, True)), seed=12, shares={"street": 0.35, "more": 0.15, "wide": 0.5}, batch=4, crop=(640, 384), shift=(0.78, 0.78, 0.78, 0.78)),
}
