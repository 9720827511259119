//! What may vary from picture to picture.

use serde::{Deserialize, Serialize};

use crate::camera::CameraModel;
use crate::dice::Dice;

/// The weather.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Weather {
    /// Sun and a blue sky.
    Clear,
    /// Grey, without shadows of the sun.
    Overcast,
    /// Rain on a dark, wet street.
    Rain,
    /// Falling snow, and some lying.
    Snow,
    /// Fog: far things vanish.
    Fog,
}

/// The time of day, as light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Light {
    /// Full day.
    Day,
    /// The sun low: warm light and long shadows.
    Low,
    /// After sunset; windows and lamps are lit.
    Dusk,
    /// Lamps only.
    Night,
}

/// All parameters of a scene except its seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneParams {
    /// Width and height of the picture.
    pub size: (u16, u16),
    /// The weather.
    pub weather: Weather,
    /// The light.
    pub light: Light,
    /// The camera.
    pub camera: CameraModel,
    /// How many people: 0.0 an empty street, 1.0 usual, 3.0 a crowd.
    pub people: f32,
    /// How many containers, on the same scale.
    pub containers: f32,
    /// How many vehicles, on the same scale.
    pub vehicles: f32,
    /// How many other things, on the same scale.
    pub props: f32,
    /// Chance of somebody within arm's reach of the lens.
    pub close: f32,
    /// Direction of the sun, radians from the street's direction to the right.
    pub sun_azimuth: f32,
    /// Height of the sun in radians.
    pub sun_elevation: f32,
}

impl SceneParams {
    /// Parameters for a picture as the camera may take it on any day of the year.
    #[must_use]
    pub fn sample(dice: &mut Dice, size: (u16, u16)) -> Self {
        let weather = match dice.whole(0, 19) {
            0..=7 => Weather::Clear,
            8..=13 => Weather::Overcast,
            14..=16 => Weather::Rain,
            17..=18 => Weather::Snow,
            _ => Weather::Fog,
        };
        let light = match dice.whole(0, 19) {
            0..=11 => Light::Day,
            12..=14 => Light::Low,
            15..=17 => Light::Dusk,
            _ => Light::Night,
        };
        Self {
            size,
            weather,
            light,
            camera: CameraModel::sample(dice),
            people: dice.range(0.4, 2.8),
            containers: dice.range(0.2, 2.0),
            vehicles: dice.range(0.2, 1.6),
            props: dice.range(0.3, 1.6),
            close: 0.55,
            sun_azimuth: dice.range(-std::f32::consts::PI, std::f32::consts::PI),
            sun_elevation: if light == Light::Low { dice.range(0.22, 0.4) } else { dice.range(0.5, 1.0) },
        }
    }
}
