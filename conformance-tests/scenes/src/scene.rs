//! One picture with its truth.

use crate::canvas::Canvas;
use crate::dice::Dice;
use crate::grade;
use crate::params::SceneParams;
use crate::truth::Truth;
use crate::weather;
use crate::world::World;

/// Why no picture was drawn. Always the caller's fault.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SceneError {
    /// A side is zero or beyond what can be drawn.
    #[error("a scene of {0}x{1} pixels cannot be drawn: each side must be 16 to 8192")]
    Size(u16, u16),
}

/// A drawn picture and what is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// RGB, 8 bits a sample, rows from top to bottom without padding.
    pub rgb: Vec<u8>,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// What is in it.
    pub truth: Truth,
}

/// Draws the scene that belongs to `seed` under the given parameters.
///
/// # Errors
///
/// If a side is less than 16 or more than 8192 pixels.
pub fn render(seed: u64, params: &SceneParams) -> Result<Scene, SceneError> {
    let (world, mut dice) = world(seed, params);
    draw(&world, params, 0.0, None, &mut dice)
}

/// Draws the very scene of [`render`] as if nobody were there: the same street, things, weather and grain, without its people.
///
/// # Errors
///
/// As [`render`].
pub fn render_without_people(seed: u64, params: &SceneParams) -> Result<Scene, SceneError> {
    let (mut world, mut dice) = world(seed, params);
    world.send_people_home();
    draw(&world, params, 0.0, None, &mut dice)
}

/// The world of a seed, and the dice as they lie when it is made.
fn world(seed: u64, params: &SceneParams) -> (World, Dice) {
    let mut dice = Dice::new(seed);
    let mut world = World::sample(&mut dice, params, 0.0);
    if dice.chance(params.close) {
        for _ in 0..dice.whole(1, 3) {
            world.close_by(&mut dice, &params.camera);
        }
    }
    (world, dice)
}

/// Draws the scene of `seed` with parameters that come from the seed too.
///
/// # Errors
///
/// As [`render`].
pub fn sample(seed: u64, size: (u16, u16)) -> Result<Scene, SceneError> {
    let params = SceneParams::sample(&mut Dice::new(seed ^ 0x9E37_79B9_7F4A_7C15), size);
    render(seed, &params)
}

/// Draws a world after some seconds, through one certain camera if `camera` is given.
pub(crate) fn draw(
    world: &World,
    params: &SceneParams,
    seconds: f32,
    camera: Option<u64>,
    dice: &mut Dice,
) -> Result<Scene, SceneError> {
    let (width, height) = params.size;
    let bad = SceneError::Size(width, height);
    if !(16..=8192).contains(&width) || !(16..=8192).contains(&height) {
        return Err(bad);
    }
    let mut canvas = Canvas::new(width, height).ok_or(bad)?;
    world.paint(&mut canvas, params, seconds);
    weather::paint(&mut canvas, dice, params);
    let truth = canvas.truth();
    let rgb = grade::develop(canvas.pixels.data(), params, camera, dice);
    Ok(Scene { rgb, width, height, truth })
}
