//! Faces and plates drawn close and alone, for attacks on masking: who is shown and what is written are given, all else varies.

use crate::canvas::Canvas;
use crate::colour::{hex, hsv, mul};
use crate::dice::Dice;
use crate::glyphs;
use crate::grade;
use crate::head::Head;
use crate::params::SceneParams;
use crate::scene::{Scene, SceneError};
use crate::truth::{Attributes, Class};

/// The letters of Danish plates as they are drawn here.
pub const PLATE_LETTERS: [char; 16] = ['A', 'B', 'C', 'D', 'E', 'H', 'K', 'L', 'M', 'N', 'P', 'R', 'S', 'T', 'V', 'X'];

/// Head and shoulders of the person `who` before a wall. `view` decides everything that is not the person: the way the
/// head is turned, its size and place, its smile, clothes, wall, light, the camera and its noise.
///
/// # Errors
///
/// If a side is less than 16 or more than 8192 pixels.
pub fn portrait(who: u64, view: u64, size: (u16, u16)) -> Result<Scene, SceneError> {
    let mut person = Dice::new(who ^ 0x5EED_0FFA_CE50);
    let mut head = Head::sample(&mut person, false, false);
    // Whose face it is must be in the face: nobody here is hidden by a medical mask.
    head.mask = false;
    let mut dice = Dice::new(view ^ who.rotate_left(32) ^ 0x0000_71E5);
    head.smile = dice.range(-0.4, 1.0);
    let mut canvas = blank(size)?;
    let (w, h) = canvas.size();
    let light = dice.sign();
    let (hue, saturation, value) = (dice.range(0.0, 6.0), dice.range(0.0, 0.4), dice.range(0.25, 0.85));
    let wall = hsv(hue, saturation, value);
    canvas.poly_fade(
        &[(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)],
        ((0.0, h * 0.5), wall),
        ((w, h * 0.5), mul(wall, dice.range(0.6, 1.0))),
    );
    let r = h * dice.range(0.19, 0.24);
    let at = (w * dice.range(0.42, 0.58), h * dice.range(0.40, 0.48));
    let yaw = dice.range(-0.45, 0.45);
    head.back_hair(&mut canvas, at, r, yaw);
    let (hue, saturation, value) = (dice.range(0.0, 6.0), dice.range(0.0, 0.8), dice.range(0.1, 0.9));
    let cloth = hsv(hue, saturation, value);
    let p = |x: f32, y: f32| (at.0 + x * r, at.1 + y * r);
    canvas.poly(&[p(-0.42, 0.7), p(0.42, 0.7), p(0.5, 1.6), p(-0.5, 1.6)], mul(head.skin, 0.8));
    canvas.blob(&[p(-0.6, 1.25), p(0.6, 1.25), p(2.2, 1.9), p(2.4, 4.0), p(-2.4, 4.0), p(-2.2, 1.9)], cloth);
    head.draw(&mut canvas, at, r, yaw, light, &Attributes { distance_m: 2.0, ..Attributes::default() });
    Ok(developed(&canvas, size, &mut dice))
}

/// A plate with `text` on the back of a car. `view` decides its size, place, colours, the camera and its noise.
///
/// # Errors
///
/// If a side is less than 16 or more than 8192 pixels.
pub fn plate(text: &str, view: u64, size: (u16, u16)) -> Result<Scene, SceneError> {
    let mut dice = Dice::new(view ^ 0x0000_A1A7_E500);
    let mut canvas = blank(size)?;
    let (w, h) = canvas.size();
    let (hue, saturation, value) = (dice.range(0.0, 6.0), dice.range(0.0, 0.7), dice.range(0.08, 0.7));
    let paint = hsv(hue, saturation, value);
    canvas.poly_fade(
        &[(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)],
        ((0.0, 0.0), paint),
        ((0.0, h), mul(paint, dice.range(0.5, 0.9))),
    );
    let wide = w * dice.range(0.60, 0.66);
    let tall = wide * 0.24;
    let (left, top) = ((w - wide) * dice.range(0.4, 0.6), (h - tall) * dice.range(0.4, 0.6));
    let place = |u: f32, v: f32| (left + u * wide, top + v * tall);
    let rect = |a: f32, b: f32, c: f32, d: f32| [place(a, b), place(c, b), place(c, d), place(a, d)];
    canvas.begin(Class::Plate, Attributes { text: Some(text.to_owned()), ..Attributes::default() });
    canvas.poly(&rect(0.0, 0.0, 1.0, 1.0), hex(0xC2202A));
    canvas.poly(&rect(0.02, 0.08, 0.98, 0.92), hex(0xFBFBFA));
    for (a, b) in glyphs::lines(text) {
        let fit = |q: (f32, f32)| place(0.05 + 0.9 * q.0, 0.2 + 0.6 * q.1);
        canvas.line(&[fit(a), fit(b)], wide * 0.02, [0.05, 0.05, 0.06]);
    }
    canvas.end();
    Ok(developed(&canvas, size, &mut dice))
}

fn blank(size: (u16, u16)) -> Result<Canvas, SceneError> {
    let (width, height) = size;
    let bad = SceneError::Size(width, height);
    if !(16..=8192).contains(&width) || !(16..=8192).contains(&height) {
        return Err(bad);
    }
    Canvas::new(width, height).ok_or(bad)
}

fn developed(canvas: &Canvas, size: (u16, u16), dice: &mut Dice) -> Scene {
    let params = SceneParams { light: crate::params::Light::Day, ..SceneParams::sample(dice, size) };
    let rgb = grade::develop(canvas.pixels.data(), &params, None, dice);
    Scene { rgb, width: size.0, height: size.1, truth: canvas.truth() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(scene: &Scene) -> [u16; 4] {
        scene.truth.objects.iter().find(|o| o.class == Class::Face).unwrap().bbox
    }

    #[test]
    fn a_portrait_holds_one_face_and_the_same_numbers_give_the_same_picture() {
        for who in 0..40 {
            let scene = portrait(who, who * 3, (96, 112)).unwrap();
            let [x0, y0, x1, y1] = face(&scene);
            assert!(x1 - x0 > 20 && y1 - y0 > 20, "{who}: {x0} {y0} {x1} {y1}");
            assert_eq!(scene, portrait(who, who * 3, (96, 112)).unwrap());
            assert_ne!(scene.rgb, portrait(who, who * 3 + 1, (96, 112)).unwrap().rgb);
        }
        assert_eq!(portrait(1, 1, (8, 96)), Err(SceneError::Size(8, 96)));
    }

    #[test]
    fn a_plate_shows_what_is_written_on_it() {
        let scene = plate("AB12345", 7, (160, 64)).unwrap();
        let found = scene.truth.objects.iter().find(|o| o.class == Class::Plate).unwrap();
        assert_eq!(found.attributes.text.as_deref(), Some("AB12345"));
        assert!(found.bbox[2] - found.bbox[0] > 90);
        assert_ne!(scene.rgb, plate("AB12346", 7, (160, 64)).unwrap().rgb);
    }
}
