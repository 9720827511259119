//! What stands and moves in a street: a little world that can be looked at from several places.

use crate::camera::CameraModel;
use crate::canvas::Canvas;
use crate::container::Bin;
use crate::dice::Dice;
use crate::params::{Light, SceneParams, Weather};
use crate::person::{Person, Pose};
use crate::props::{Prop, PropKind};
use crate::shadow;
use crate::solid::{Solid, Sun, light_side};
use crate::street::Street;
use crate::truth::{Attributes, ContainerKind};
use crate::vehicle::{Make, Vehicle};

/// What a thing is.
#[derive(Debug, Clone)]
pub(crate) enum What {
    Person(Box<Person>),
    Vehicle(Vehicle),
    Bin(Bin),
    Prop(Prop),
}

/// A thing with its place. It moves along its heading.
#[derive(Debug, Clone)]
pub(crate) struct Thing {
    pub(crate) id: u32,
    pub(crate) x: f32,
    pub(crate) z: f32,
    pub(crate) heading: f32,
    pub(crate) speed: f32,
    pub(crate) what: What,
}

impl Thing {
    /// Place and heading after some seconds. Who crosses goes to and fro; who walks along the street comes in again at
    /// its other end.
    fn at(&self, seconds: f32, length: f32) -> (f32, f32, f32) {
        let s = self.speed * seconds;
        if s <= 0.0 {
            return (self.x, self.z, self.heading);
        }
        let (sin, cos) = (libm::sinf(self.heading), libm::cosf(self.heading));
        if sin.abs() > 0.6 {
            let phase = s - 4.0 * CROSSING * (s / (4.0 * CROSSING)).floor();
            let (gone, back) = if phase < CROSSING {
                (phase, false)
            } else if phase < 3.0 * CROSSING {
                (2.0 * CROSSING - phase, true)
            } else {
                (phase - 4.0 * CROSSING, false)
            };
            let turn = if back { std::f32::consts::PI } else { 0.0 };
            return (self.x + gone * sin.signum(), self.z, self.heading + turn);
        }
        let span = length + 60.0;
        let z = self.z + s * cos.signum() + 5.0;
        (self.x, z - span * (z / span).floor() - 5.0, self.heading)
    }

    /// Whether a point lies on the ground that the thing takes, or within a margin of it.
    fn covers(&self, x: f32, z: f32, margin: f32) -> bool {
        let (a, b) = match &self.what {
            What::Vehicle(v) => (v.width * 0.5, v.length * 0.5),
            What::Bin(b) => b.half,
            What::Prop(p) => p.shade().map_or((0.1, 0.1), |(w, _)| (w, w)),
            What::Person(_) => (0.05, 0.05),
        };
        let (s, c) = (libm::sinf(self.heading), libm::cosf(self.heading));
        let (dx, dz) = (x - self.x, z - self.z);
        let (across, along) = (dx * c - dz * s, dx * s + dz * c);
        across.abs() < a + margin && along.abs() < b + margin
    }
}

/// A street with everything in it.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) street: Street,
    pub(crate) things: Vec<Thing>,
}

/// Stretches of a lane that are taken.
#[derive(Default)]
struct Lane(Vec<(f32, f32)>);

impl Lane {
    fn take(&mut self, z: f32, half: f32) -> bool {
        let free = self.0.iter().all(|(a, b)| z + half < *a || z - half > *b);
        if free {
            self.0.push((z - half, z + half));
        }
        free
    }
}

/// Metres that somebody who crosses goes to each side of where they were.
const CROSSING: f32 = 1.5;

/// Half a turn: the heading of what comes towards us, as 0 is that of what goes ahead.
const BACK: f32 = std::f32::consts::PI;

impl World {
    /// A street of `length` metres, filled for the given parameters.
    pub(crate) fn sample(d: &mut Dice, p: &SceneParams, length: f32) -> Self {
        let street = Street::sample(d, length);
        let mut world = Self { street, things: Vec::new() };
        // People and things thin out with the length, not with the number of metres that one picture shows.
        let stretch = ((length + 45.0) / 45.0).max(1.0);
        world.traffic(d, p, stretch, length);
        world.pavements(d, p, stretch, length);
        world
    }

    /// Adds a thing, unless it would stand inside one that is there already.
    fn add(&mut self, x: f32, z: f32, heading: f32, speed: f32, what: What) {
        let loose = !matches!(&what, What::Vehicle(v) if v.make != Make::Bicycle);
        if loose && self.things.iter().any(|t| t.covers(x, z, 0.3)) {
            return;
        }
        let id = self.things.len() as u32 + 1;
        self.things.push(Thing { id, x, z, heading, speed, what });
    }

    /// A place along the street; near places are likelier, as they fill more of a picture.
    fn along(d: &mut Dice, from: f32, length: f32) -> f32 {
        if length < 1.0 {
            let t = d.unit();
            from + (44.0 - from) * t * t.max(0.25)
        } else {
            d.range(from, length + 45.0)
        }
    }

    fn traffic(&mut self, d: &mut Dice, p: &SceneParams, stretch: f32, length: f32) {
        let (road, parking, cycle) = (self.street.road, self.street.parking, self.street.cycle);
        for side in [-1.0f32, 1.0] {
            let mut lane = Lane::default();
            if parking > road {
                for _ in 0..(d.range(2.0, 9.0) * p.vehicles * stretch) as u32 {
                    let z = Self::along(d, 3.0, length);
                    let x = side * (road + 1.05);
                    if d.chance(0.12 * p.containers) {
                        let kind = d.pick([ContainerKind::Byggecontainer, ContainerKind::Lukketcontainer]);
                        let bin = Bin::sample(d, kind);
                        if lane.take(z, bin.half.1 + 0.5) {
                            self.add(x, z, d.range(-0.05, 0.05), 0.0, What::Bin(bin));
                        }
                        continue;
                    }
                    let make =
                        d.pick([Make::Hatchback, Make::Hatchback, Make::Saloon, Make::Saloon, Make::Van, Make::Lorry]);
                    let v = Vehicle::sample(d, make);
                    if lane.take(z, v.length * 0.5 + 0.35) {
                        let turn = if (side > 0.0) ^ d.chance(0.12) { 0.0 } else { BACK };
                        self.add(x, z, turn + d.range(-0.04, 0.04), 0.0, What::Vehicle(v));
                    }
                }
            }
            let mut driving = Lane::default();
            for _ in 0..(d.range(0.0, 2.2) * p.vehicles * stretch) as u32 {
                let z = Self::along(d, 9.0, length);
                let make = d.pick([Make::Hatchback, Make::Saloon, Make::Van, Make::Lorry]);
                let v = Vehicle::sample(d, make);
                if driving.take(z, v.length * 0.5 + 3.0) {
                    let speed = d.range(4.0, 9.0);
                    self.add(side * road * 0.5, z, if side > 0.0 { 0.0 } else { BACK }, speed, What::Vehicle(v));
                }
            }
            if cycle > parking {
                let mut riders = Lane::default();
                for _ in 0..(d.range(0.0, 3.6) * p.people * stretch) as u32 {
                    let z = Self::along(d, 2.5, length);
                    if riders.take(z, 1.2) {
                        let wrong = d.chance(0.15);
                        let turn = if (side > 0.0) ^ wrong { 0.0 } else { BACK };
                        let x = side * ((parking + cycle) * 0.5 + d.range(-0.4, 0.4));
                        let person = Person::sample(d, Pose::Cycle);
                        self.add(x, z, turn + d.range(-0.08, 0.08), d.range(3.0, 6.0), What::Person(Box::new(person)));
                    }
                }
            }
        }
        let mut crossing = Lane::default();
        for _ in 0..(d.range(0.0, 2.8) * p.people * stretch) as u32 {
            let z = Self::along(d, 3.0, length);
            if crossing.take(z, 0.5) {
                let person = Person::sample(d, Pose::Walk);
                let x = d.range(-road, road) * 0.9;
                let turn = d.sign() * 1.57 + d.range(-0.7, 0.7);
                self.add(x, z, turn, d.range(0.6, 1.5), What::Person(Box::new(person)));
            }
        }
    }

    fn pavements(&mut self, d: &mut Dice, p: &SceneParams, stretch: f32, length: f32) {
        let (cycle, wall) = (self.street.cycle, self.street.wall);
        for side in [-1.0f32, 1.0] {
            let (mut kerb, mut house, mut walk) = (Lane::default(), Lane::default(), Lane::default());
            for _ in 0..(d.range(0.4, 3.4) * p.containers * stretch) as u32 {
                self.bins(d, side, (&mut kerb, &mut house), length);
            }
            for _ in 0..(d.range(2.0, 10.0) * p.props * stretch) as u32 {
                let z = Self::along(d, 2.5, length);
                let kind = d.pick([
                    PropKind::Tree,
                    PropKind::Tree,
                    PropKind::Lamp,
                    PropKind::Bollard,
                    PropKind::Bollard,
                    PropKind::PostBox,
                    PropKind::Sign,
                    PropKind::Sign,
                    PropKind::Cabinet,
                    PropKind::Bench,
                    PropKind::Planter,
                    PropKind::Bags,
                    PropKind::Cone,
                    PropKind::BoardAd,
                    PropKind::Litter,
                    PropKind::Statue,
                    PropKind::Crates,
                    PropKind::Signal,
                    PropKind::Poster,
                    PropKind::Poster,
                    PropKind::Barrier,
                ]);
                let by_wall = matches!(kind, PropKind::Bags | PropKind::Planter | PropKind::Crates) && d.chance(0.6);
                let half = match kind {
                    PropKind::Bench | PropKind::Barrier => 1.2,
                    PropKind::Bollard | PropKind::Sign | PropKind::Lamp | PropKind::Cone | PropKind::Tree => 0.4,
                    _ => 0.7,
                };
                let x = side * if by_wall { wall - 0.4 } else { cycle + 0.5 };
                let heading = match kind {
                    PropKind::Bench => {
                        if side > 0.0 {
                            0.0
                        } else {
                            BACK
                        }
                    }
                    PropKind::Barrier => d.range(-0.4, 0.4),
                    _ => d.range(-0.12, 0.12),
                };
                let lane = if by_wall { &mut house } else { &mut kerb };
                if lane.take(z, half) {
                    self.add(x, z, heading, 0.0, What::Prop(Prop { kind, seed: d.seed() }));
                }
            }
            for _ in 0..(d.range(0.0, 5.0) * p.vehicles * stretch) as u32 {
                let z = Self::along(d, 3.0, length);
                if house.take(z, 0.5) {
                    let v = Vehicle::sample(d, Make::Bicycle);
                    let turn = if d.chance(0.5) { d.range(-0.2, 0.2) } else { 1.57 + d.range(-0.5, 0.5) };
                    self.add(side * (wall - 0.6), z, turn, 0.0, What::Vehicle(v));
                }
            }
            for _ in 0..(d.range(0.5, 7.0) * p.people * stretch) as u32 {
                let z = Self::along(d, 1.8, length);
                if !walk.take(z, 0.28) {
                    continue;
                }
                let pose = match d.whole(0, 19) {
                    0 => Pose::Wheelchair,
                    1..=6 => Pose::Stand,
                    _ => Pose::Walk,
                };
                let person = Person::sample(d, pose);
                let turn =
                    if pose == Pose::Stand { d.range(-BACK, BACK) } else { d.pick([0.0, BACK]) + d.range(-0.25, 0.25) };
                let x = side * d.range(cycle + 0.9, (wall - 1.0).max(cycle + 1.0));
                let speed = if pose == Pose::Stand { 0.0 } else { d.range(0.7, 1.6) };
                self.add(x, z, turn, speed, What::Person(Box::new(person.clone())));
                if d.chance(0.3) && walk.take(z + 0.65, 0.25) {
                    let friend = Person::sample(d, Pose::Walk);
                    self.add(x + d.range(-0.6, 0.6), z + 0.65, turn, speed, What::Person(Box::new(friend)));
                }
            }
        }
    }

    fn bins(&mut self, d: &mut Dice, side: f32, (kerb, house): (&mut Lane, &mut Lane), length: f32) {
        let (cycle, wall) = (self.street.cycle, self.street.wall);
        let z = Self::along(d, 2.5, length);
        let kind = d.pick([
            ContainerKind::Affaldscontainer,
            ContainerKind::Affaldscontainer,
            ContainerKind::Affaldscontainer,
            ContainerKind::Glascontainer,
            ContainerKind::Nedgravet,
            ContainerKind::Byggecontainer,
            ContainerKind::Lukketcontainer,
        ]);
        let row = match kind {
            ContainerKind::Affaldscontainer => d.whole(1, 5),
            ContainerKind::Nedgravet => d.whole(1, 4),
            ContainerKind::Glascontainer => d.whole(1, 2),
            _ => 1,
        };
        let by_wall = kind == ContainerKind::Affaldscontainer && d.chance(0.55);
        for i in 0..row {
            let bin = Bin::sample(d, kind);
            let skip = matches!(kind, ContainerKind::Byggecontainer | ContainerKind::Lukketcontainer);
            let (across, along) = if skip { bin.half } else { (bin.half.1, bin.half.0) };
            let step = along * 2.0 + if kind == ContainerKind::Nedgravet { 1.1 } else { 0.2 };
            let z = z + step * i as f32;
            let lane = if by_wall { &mut *house } else { &mut *kerb };
            if lane.take(z, along + 0.05) {
                let x = side * if by_wall { wall - across - 0.1 } else { cycle + 0.35 + across };
                // Fronts look to the street; skips lie along it.
                let turn = if skip { 0.0 } else { side * std::f32::consts::FRAC_PI_2 };
                self.add(x, z, turn + d.range(-0.12, 0.12), 0.0, What::Bin(bin));
            }
        }
    }

    /// Puts somebody within arm's reach of the lens.
    pub(crate) fn close_by(&mut self, d: &mut Dice, camera: &CameraModel) {
        let pose = if d.chance(0.2) {
            Pose::Cycle
        } else if d.chance(0.5) {
            Pose::Stand
        } else {
            Pose::Walk
        };
        let person = Person::sample(d, pose);
        let angle = camera.yaw + d.range(-0.45, 0.45) * camera.hfov;
        let far = if d.chance(0.3) { d.range(0.9, 1.8) } else { d.range(1.8, 6.5) };
        let heading = if d.chance(0.65) { angle + BACK + d.range(-0.9, 0.9) } else { d.range(-BACK, BACK) };
        self.add(
            camera.x + far * libm::sinf(angle),
            camera.z + far * libm::cosf(angle),
            heading,
            0.0,
            What::Person(Box::new(person)),
        );
    }

    /// Takes everybody out; whatever else there is keeps its number and its place.
    pub(crate) fn send_people_home(&mut self) {
        self.things.retain(|thing| !matches!(thing.what, What::Person(_)));
    }

    /// Paints the world as the camera sees it after `seconds`.
    pub(crate) fn paint(&self, c: &mut Canvas, p: &SceneParams, seconds: f32) {
        let lens = p.camera.lens(p.size.0, p.size.1);
        let sun = sun_of(p);
        let wide = libm::tanf(p.camera.hfov * 0.5);
        c.ambient = ambient_of(p);
        c.haze = haze_of(p);
        c.clear_m = match p.weather {
            Weather::Clear => 420.0,
            Weather::Overcast => 260.0,
            Weather::Rain => 130.0,
            Weather::Snow => 90.0,
            Weather::Fog => 38.0,
        };
        self.street.sky(c, &lens, p);
        self.street.ground(c, &lens, p);
        self.street.houses(c, &lens, p, sun);
        let mut order: Vec<Seen<'_>> = self
            .things
            .iter()
            .map(|thing| {
                let (x, z, heading) = thing.at(seconds, self.street.length);
                Seen { depth: lens.depth([x, 0.8, z]), thing, at: (x, z), heading }
            })
            .filter(|s| s.depth > 0.7 && s.depth < 85.0 && !s.in_the_way(&p.camera))
            .filter(|s| {
                // Things beside the picture cost time and leave no pixel: the reach covers the longest and their shadows.
                let aside = lens.view([s.at.0, 0.8, s.at.1])[0].abs() - s.depth * wide;
                aside < if matches!(s.thing.what, What::Person(_)) { 4.5 } else { 7.0 }
            })
            .collect();
        order.sort_by(|a, b| b.depth.total_cmp(&a.depth).then(a.thing.id.cmp(&b.thing.id)));
        shadow::paint(c, &lens, &order, &self.street, sun);
        let light = light_side(&lens, sun);
        let lit = matches!(p.light, Light::Dusk | Light::Night);
        for seen in &order {
            let (at, heading) = (seen.at, seen.heading);
            let extra = Attributes { thing: Some(seen.thing.id), street: Some([at.0, at.1]), ..Attributes::default() };
            match &seen.thing.what {
                What::Person(person) => person.draw(c, &lens, [at.0, 0.0, at.1], heading, light, extra),
                What::Vehicle(v) => v.draw(&mut Solid::new(c, &lens, at, heading, sun), heading, &extra),
                What::Bin(b) => b.draw(&mut Solid::new(c, &lens, at, heading, sun), &extra),
                What::Prop(q) => q.draw(&mut Solid::new(c, &lens, at, heading, sun), lit, p.weather == Weather::Snow),
            }
        }
    }

    /// Numbers all things anew, from this number on.
    pub(crate) fn number_from(&mut self, first: u32) {
        for (thing, id) in self.things.iter_mut().zip(first..) {
            thing.id = id;
        }
    }
}

/// A thing where it is at one moment.
pub(crate) struct Seen<'a> {
    pub(crate) depth: f32,
    pub(crate) thing: &'a Thing,
    pub(crate) at: (f32, f32),
    pub(crate) heading: f32,
}

impl Seen<'_> {
    /// Whether the camera's own vehicle would be driving through it.
    fn in_the_way(&self, camera: &CameraModel) -> bool {
        let (dx, dz) = (self.at.0 - camera.x, self.at.1 - camera.z);
        match &self.thing.what {
            What::Vehicle(v) if v.make != Make::Bicycle => dx.abs() < 1.5 && dz.abs() < v.length * 0.5 + 4.0,
            What::Bin(b) => dx * dx + dz * dz < (b.half.1 + 0.6) * (b.half.1 + 0.6),
            _ => dx * dx + dz * dz < 0.5,
        }
    }
}

fn sun_of(p: &SceneParams) -> Sun {
    let (s, c) = (libm::sinf(p.sun_elevation), libm::cosf(p.sun_elevation));
    let to = [c * libm::sinf(p.sun_azimuth), s, c * libm::cosf(p.sun_azimuth)];
    let strength = match (p.light, p.weather) {
        (Light::Day | Light::Low, Weather::Clear) => 1.0,
        (Light::Day, Weather::Snow | Weather::Overcast) => 0.15,
        _ => 0.0,
    };
    Sun { to, strength }
}

fn ambient_of(p: &SceneParams) -> [f32; 3] {
    match (p.light, p.weather) {
        (Light::Day, Weather::Clear) => [1.06, 1.03, 0.98],
        (Light::Day, Weather::Rain) => [0.74, 0.78, 0.82],
        (Light::Day, _) => [0.9, 0.92, 0.95],
        (Light::Low, Weather::Clear) => [1.06, 0.93, 0.76],
        (Light::Low, _) => [0.74, 0.74, 0.76],
        (Light::Dusk, _) => [0.62, 0.61, 0.72],
        (Light::Night, _) => [0.52, 0.47, 0.43],
    }
}

fn haze_of(p: &SceneParams) -> [f32; 3] {
    match (p.light, p.weather) {
        (Light::Night, _) => [0.14, 0.14, 0.17],
        (Light::Dusk, _) => [0.45, 0.44, 0.52],
        (Light::Low, Weather::Clear) => [0.92, 0.84, 0.72],
        (_, Weather::Clear) => [0.78, 0.85, 0.92],
        (_, Weather::Rain) => [0.66, 0.69, 0.72],
        _ => [0.83, 0.84, 0.86],
    }
}
