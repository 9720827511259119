"""What the two models are taught, and on which seeds."""

import dataclasses

# (first seed, scenes, (width, height)). The seeds of the two tables never meet.
TRAINING = [
    (1_000_000, 2000, (960, 540)),
    (2_000_000, 240, (1920, 1080)),
]
HELD_OUT = [
    (9_000_000, 120, (1920, 1080)),
]


@dataclasses.dataclass(frozen=True)
class Task:
    """One model."""

    name: str
    labels: tuple  # the order of the scores
    masked: bool  # learns from masked frames
    zoom: tuple  # scale of the training crops, relative to a frame 960 wide
    aim: float  # share of crops that are put near an object
    visible: float  # objects less visible than this are neither right nor wrong
    least: float  # nor are objects smaller than this (longer side, tensor pixels)
    alpha: float
    stages: tuple  # (steps, highest rate): each begins where the one before ended and dies out along a cosine
    seed: int
    tensor: tuple = (640, 384)  # what is exported: width, height
    crop: tuple = (320, 384)  # what is trained on
    batch: int = 8
    shares: tuple = (0.75, 0.25)  # of the training tables
    shift: float = 0.0  # added to every score before the sigmoid at export, so that the users' thresholds fit
    names: tuple = ()  # other names in the truth: (name, number)

    @property
    def count(self):
        """How many scores."""
        return len(self.labels)

    @property
    def classes(self):
        """Name to number."""
        return {label: i for i, label in enumerate(self.labels)} | dict(self.names)


TASKS = {
    "people": Task(
        name="people", labels=("face", "person", "plate"), masked=False,
        zoom=(0.6, 2.2), aim=0.75, visible=0.2, least=5.0, alpha=0.6, stages=((2400, 8e-3),), seed=11, shift=-0.63),
    "container": Task(
        name="container", labels=("affaldscontainer", "glascontainer", "nedgravet_container", "byggecontainer"),
        names=(("nedgravet", 2), ("lukketcontainer", 3)),
        masked=True, zoom=(0.55, 0.85), aim=0.85, visible=0.3, least=8.0, alpha=0.5, stages=((2400, 8e-3), (2000, 5e-3), (1000, 7e-3), (2969, 7e-3)),
        seed=12),
}
